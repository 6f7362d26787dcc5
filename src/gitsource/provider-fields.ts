// Reads what providers answer: JSON of somebody else, so nothing is believed to be there.

import { SlipwayError } from '../lib/errors.ts'
import type { RemoteUser } from './provider.ts'
import { isCommitSha } from './repository-event.ts'
import { at } from './webhooks/payload.ts'

/** Errors: `provider_refused`. */
export function textOf(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path)
  if (typeof found !== 'string') throw lacks(path)
  return found
}

/** Name of a commit or of another object of git. Errors: `provider_refused`. */
export function shaOf(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path)
  if (typeof found !== 'string' || !isCommitSha(found)) throw lacks(path)
  return found
}

/** Undefined also when it is null or empty. */
export function optionalTextOf(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path)
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** An id as text, whichever way it is written. Errors: `provider_refused`. */
export function idOf(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path)
  if (typeof found === 'string' && found !== '') return found
  if (Number.isSafeInteger(found)) return String(found)
  throw lacks(path)
}

export function flagOf(value: unknown, ...path: readonly string[]): boolean {
  return at(value, ...path) === true
}

/** Errors: `provider_refused`. */
export function listOf(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path)
  if (!Array.isArray(found)) throw lacks(path)
  return found
}

/** Who the account of a token is. `login`: the member with the name. Errors: `provider_refused`. */
export function remoteUserOf(user: unknown, login: 'login' | 'username'): RemoteUser {
  const email = optionalTextOf(user, 'email')
  const avatarUrl = optionalTextOf(user, 'avatar_url')
  return {
    id: idOf(user, 'id'),
    login: textOf(user, login),
    ...(email === undefined ? {} : { email }),
    ...(avatarUrl === undefined ? {} : { avatarUrl }),
  }
}

function lacks(path: readonly string[]): SlipwayError {
  return new SlipwayError('provider_refused', `the provider answered without ${path.join('.') || 'what was asked for'}`)
}
