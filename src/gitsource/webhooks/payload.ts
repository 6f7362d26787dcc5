// Reading what a provider sent: anything may be missing, null, or of another type than its documentation says.

import { SlipwayError } from '../../lib/errors.ts'
import { type EventLinks, isCommitSha, isRefName } from '../repository-event.ts'

const textCharactersMax = 10_000
const linkCharactersMax = 2_000

/** Undefined where the path leads nowhere. */
export function at(payload: unknown, ...path: readonly (string | number)[]): unknown {
  let value = payload
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string | number, unknown>)[name]
  }
  return value
}

/** Cut when it is very long; undefined when it is no text, or empty. */
export function textAt(payload: unknown, ...path: readonly (string | number)[]): string | undefined {
  const value = at(payload, ...path)
  if (typeof value !== 'string' || value === '') return undefined
  return value.slice(0, textCharactersMax).toWellFormed()
}

/** A number or a text, as a text. */
export function idAt(payload: unknown, ...path: readonly (string | number)[]): string | undefined {
  const value = at(payload, ...path)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  return textAt(payload, ...path)
}

/** The repository that a payload is about, by its id and by its path as it is called now. */
export function repositoryAt(
  payload: unknown,
  { member, path }: { readonly member: string; readonly path: string },
): { readonly repositoryId?: string; readonly repositoryPath?: string } {
  const repositoryId = idAt(payload, member, 'id')
  const repositoryPath = textAt(payload, member, path)
  return {
    ...(repositoryId === undefined ? {} : { repositoryId }),
    ...(repositoryPath === undefined ? {} : { repositoryPath }),
  }
}

export function itemsAt(payload: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const value = at(payload, ...path)
  return Array.isArray(value) ? value : []
}

/** Errors: `request_invalid` when the payload is not as documented. */
export function refAt(payload: unknown, name: string): string {
  const ref = textAt(payload, name)
  if (ref === undefined || !isRefName(ref)) throw invalid(`${name} is no name of a ref`)
  return ref
}

/** Undefined when there is none; errors: `request_invalid` for what cannot be one. */
export function commitAt(payload: unknown, ...path: readonly (string | number)[]): string | undefined {
  const sha = textAt(payload, ...path)
  if (sha === undefined) return undefined
  if (!isCommitSha(sha)) throw invalid(`${path.join('.')} is no name of a commit`)
  return sha
}

export function isZero(sha: string | undefined): boolean {
  return sha === undefined || /^0+$/.test(sha)
}

/** The number of a pull request. Errors: `request_invalid`. */
export function numberAt(payload: unknown, ...path: readonly (string | number)[]): string {
  const value = at(payload, ...path)
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw invalid(`${path.join('.')} is no number of a pull request`)
  return String(value)
}

export function invalid(what: string): SlipwayError {
  return new SlipwayError('request_invalid', `the payload of the webhook: ${what}`)
}

/** Only what is safe to follow. */
export function linksOf(given: { readonly [Name in keyof EventLinks]: string | undefined }): EventLinks {
  const isLink = (text: string | undefined) =>
    text !== undefined && text.length <= linkCharactersMax && /^https?:\/\/[^\s<>"']+$/i.test(text)
  return Object.fromEntries(Object.entries(given).filter(([, text]) => isLink(text)))
}

/** `web/tree/feature%23a/b`: a name in an address keeps its slashes. */
export function below(base: string | undefined, path: string, name: string): string | undefined {
  return base === undefined ? undefined : `${base}/${path}/${name.split('/').map(encodeURIComponent).join('/')}`
}

/** `refs/heads/a/b` is branch `a/b`. */
export function branchOrTag(
  ref: string,
): { readonly kind: 'branch'; readonly branch: string } | { readonly kind: 'tag'; readonly tag: string } | undefined {
  if (ref.startsWith('refs/heads/')) return { kind: 'branch', branch: ref.slice('refs/heads/'.length) }
  if (ref.startsWith('refs/tags/')) return { kind: 'tag', tag: ref.slice('refs/tags/'.length) }
  return undefined
}
