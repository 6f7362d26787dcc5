// What a repository is at one moment: its refs, and the packs that have all their objects. One object on object storage holds one
// state; the next state is another object (state-store.ts).

import { SlipwayError } from '../../lib/errors.ts'

export type PushedRef = {
  readonly objectId: string
  /** When a push named it last, milliseconds since 1970. */
  readonly pushedAt: number
}

export type Pack = {
  /** 40 hex digits of its own; names the files and objects. */
  readonly id: string
  readonly packBytes: number
  readonly indexBytes: number
}

export type RepositoryState = {
  /** By full name. */
  readonly refs: ReadonlyMap<string, PushedRef>
  readonly packs: readonly Pack[]
  /** Commits whose parents are not here, because who pushed them has none either (gitrepository-layout, `shallow`). */
  readonly shallow: readonly string[]
  /** When somebody pushed last. */
  readonly pushedAt: number
  /** When all packs became one that has only what refs reach. */
  readonly compactedAt: number
  /** Refs have gone since then, so there may be objects that nothing reaches. */
  readonly hasGarbage: boolean
}

export const emptyState: RepositoryState = {
  refs: new Map(),
  packs: [],
  shallow: [],
  pushedAt: 0,
  compactedAt: 0,
  hasGarbage: false,
}

/** All packs with their indexes. */
export function storedBytes({ packs }: Pick<RepositoryState, 'packs'>): number {
  return packs.reduce((sum, { packBytes, indexBytes }) => sum + packBytes + indexBytes, 0)
}

type StoredState = {
  readonly format: 1
  /** Of the one who wrote it: tells a state that was stored from another's of the same number. */
  readonly writer: string
  readonly refs: readonly (readonly [name: string, objectId: string, pushedAt: number])[]
  readonly packs: readonly Pack[]
  readonly shallow: readonly string[]
  readonly pushedAt: number
  readonly compactedAt: number
  readonly hasGarbage: boolean
}

export function encodeState({ refs, ...rest }: RepositoryState, writer: string): Uint8Array {
  const stored: StoredState = {
    format: 1,
    writer,
    ...rest,
    refs: [...refs].map(([name, { objectId, pushedAt }]) => [name, objectId, pushedAt] as const),
  }
  return Buffer.from(JSON.stringify(stored))
}

/** Errors: `git_repository_corrupt`. */
export function decodeState(bytes: Uint8Array): { readonly state: RepositoryState; readonly writer: string } {
  try {
    const { format, writer, refs, ...rest } = JSON.parse(Buffer.from(bytes).toString('utf8')) as StoredState
    if (format !== 1) throw new SlipwayError('git_repository_corrupt', `its format ${format} is of a newer version`)
    const state = { ...rest, refs: new Map(refs.map(([name, objectId, pushedAt]) => [name, { objectId, pushedAt }])) }
    return { state, writer }
  } catch (cause) {
    throw new SlipwayError('git_repository_corrupt', 'the state of a pushed repository cannot be read', { cause })
  }
}
