// What the operations of all areas stand on: one transaction each, seen by who asks for it, and what everything stored has in
// common.

import { isDeepStrictEqual } from 'node:util'
import { SlipwayError } from '../lib/errors.ts'
import type { Passwords } from './accounts/passwords.ts'
import type { CallContext, Guard, TreeGuard, Written } from './api.ts'
import type { Reading, Tx } from './row-types.ts'
import type { Keyring } from './secrets/keyring.ts'
import type { Owner, Stored } from './types.ts'

export type Store = {
  readonly keyring: Keyring
  readonly passwords: Passwords
  read<T>(context: CallContext | undefined, look: (tx: Reading) => T): Promise<T>
  /** As `read`, for what every request asks: read again only after a change. `question` names all that `look` depends on. */
  readShared<T>(context: CallContext | undefined, question: string, look: (tx: Reading) => T): Promise<T>
  /** `name`: of the operation, for the log. */
  write<T extends object>(context: CallContext | undefined, name: string, change: (tx: Tx) => T): Promise<Written<T>>
  /** As `write`; what was too large for its transaction goes on afterwards. */
  writeDeletion(context: CallContext | undefined, name: string, change: (tx: Tx) => void): Promise<Written>
  /** That `read` sees now. */
  readonly position: number
  now(): number
  newId(): string
  /** Work that nobody waits for; it has ended before the store is disposed. */
  inBackground(name: string, work: () => Promise<void>): void
  /** Aborted when the store is disposed. */
  readonly closing: AbortSignal
}

export function newStored(id: string, now: number): Stored {
  return { id, createdAt: now, updatedAt: now, version: 1 }
}

/** The next version of `row`, or `row` itself when `patch` changes nothing. */
export function changed<T extends Stored>(row: T, patch: Partial<T>, now: number): T {
  const next = { ...row, ...patch }
  return isDeepStrictEqual(next, row) ? row : { ...next, updatedAt: now, version: row.version + 1 }
}

/** Throws `version_conflict`. `what`: for the message, for example `project web`. */
export function checkVersion({ version }: Stored, { expectedVersion }: Guard, what: string): void {
  if (expectedVersion === undefined || expectedVersion === version) return
  const message = `${what} has version ${version}, not ${expectedVersion}`
  throw new SlipwayError('version_conflict', message, { currentVersion: version })
}

/** Throws `owner_changed`. */
export function checkOwner(owner: Owner, { expectedOwnerId }: TreeGuard, what: string): void {
  if (expectedOwnerId === undefined || expectedOwnerId === owner.id) return
  throw new SlipwayError('owner_changed', `${what} belongs to ${owner.type} ${owner.name} by now`)
}

/** Members that were given: what is undefined is left out, so that it overwrites nothing. */
export function given<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Only these members, as far as they were given: whatever else a caller sends is not stored. */
export function picked<T extends object, K extends keyof T>(
  members: T,
  keys: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  return Object.fromEntries(keys.filter((key) => members[key] !== undefined).map((key) => [key, members[key]])) as {
    [P in K]?: Exclude<T[P], undefined>
  }
}

/** Without these members, for rows in which a text was removed. */
export function without<T extends object, K extends keyof T>(row: T, keys: readonly K[]): T {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key as K))) as T
}
