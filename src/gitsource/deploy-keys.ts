// Deploy keys of a repository: which of those that are there is the right one, and which have to go before one is made.

import type { DeployKey } from './provider.ts'
import { idOf, textOf } from './provider-fields.ts'

export type KnownKey = {
  readonly id: string
  readonly title: string
  /** As the provider gives it back: without the comment, or with one of its own. */
  readonly publicKey: string
  readonly isReadOnly: boolean
}

export type KeyPlan = {
  /** Stays: adding the same key again breaks the files of keys of some servers. Undefined: it has to be made. */
  readonly right: string | undefined
  /** A repository has a key, and a title of ours, only once. */
  readonly wrong: readonly string[]
}

/** As a provider lists it. */
export function knownKey(one: unknown, isReadOnly: boolean): KnownKey {
  return { id: idOf(one, 'id'), title: textOf(one, 'title'), publicKey: textOf(one, 'key'), isReadOnly }
}

/** `mayHaveAnyTitle`: the provider takes a key once and so the right one may be called otherwise. */
export function planDeployKey(
  known: readonly KnownKey[],
  wanted: DeployKey,
  { mayHaveAnyTitle = false } = {},
): KeyPlan {
  const isOurs = ({ publicKey }: KnownKey) => isSameKey(publicKey, wanted.publicKey)
  const right = known.find((key) => isOurs(key) && key.isReadOnly && (mayHaveAnyTitle || key.title === wanted.title))
  const wrong = known.filter((key) => key !== right && (isOurs(key) || key.title === wanted.title))
  return { right: right?.id, wrong: wrong.map(({ id }) => id) }
}

/** Whether both are the same key in OpenSSH's form, whatever the comments. */
export function isSameKey(a: string, b: string): boolean {
  return keyOf(a) === keyOf(b)
}

function keyOf(text: string): string {
  return text.trim().split(/\s+/).slice(0, 2).join(' ')
}
