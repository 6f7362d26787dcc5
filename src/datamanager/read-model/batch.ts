// What the closures of one batch have written, in memory: nothing of it is in SQLite before the record is certain. Closures
// read it over the rows in SQLite, one that fails is undone alone, and the rows are prepared once, here, to be written as
// they are.
//
// `get` looks here first. Lists are made by SQLite alone: when one may have a row of the batch in it, what is not yet written
// is written first, in the open transaction, in which it stays or which is rolled back.

import { invariant } from '../../lib/errors.ts'
import type { FamilyEntry, IndexKey, ListRowsOptions, Position } from '../database.ts'
import type { DeclaredType } from './catalog.ts'
import { rowHash } from './content-hash.ts'
import { encodeIndexKey } from './index-key.ts'

/** A row as it is stored, or as it will be. What follows from its body is made when it is needed first. */
export type RowState = {
  readonly body: string
  /** See hashOf. */
  hash: Uint8Array | undefined
  /** Its number in SQLite, when it is there. */
  number: number | undefined
  /** See keysOf. */
  keys: readonly (IndexKey | undefined)[] | undefined
  /** See entriesOf. */
  entries: IndexEntries | undefined
}
/** Keys of index entries, in the order of the indexes of the type; undefined where the row has none. */
export type IndexEntries = readonly (Buffer | undefined)[]

export type RowChange = {
  readonly type: DeclaredType
  readonly id: string
  readonly before: RowState | undefined
  readonly after: RowState | undefined
  /** Of a head that was written. */
  readonly entry: PreparedEntry | undefined
  /** The row belongs to a family that was cold when this was made. */
  readonly isCold: boolean
}
export type PreparedEntry = { readonly entry: FamilyEntry; readonly isFinal: boolean }

export type Remembered = { readonly position: Position; readonly at: number; readonly result: string | null }

export class Batch {
  /** Of the record that it will be. */
  readonly position: Position
  /** Number of the state of SQLite's tables in which row numbers and families were looked up. */
  readonly layout: number
  readonly changes: RowChange[] = []
  /** What transactions with an id returned. */
  readonly remembered = new Map<string, Remembered>()
  /** So many of the changes are in the open transaction of SQLite. */
  written = 0
  /** Transaction ids of before this time are to be forgotten. */
  forgetBefore: number | undefined
  /** The newest change of each row, by type and id. */
  readonly #newest = new Map<string, Map<string, RowChange>>()
  readonly #replaced = new Map<RowChange, RowChange>()
  /** Types, and first values of index keys, of the rows among the first `#noted` changes. */
  readonly #touched = new Set<string>()
  #noted = 0

  constructor(position: Position, layout: number) {
    this.position = position
    this.layout = layout
  }

  /** The newest change of a row. */
  find(type: string, id: string): RowChange | undefined {
    return this.#newest.get(type)?.get(id)
  }

  add(change: RowChange): void {
    const { type, id } = change
    let rows = this.#newest.get(type.name)
    if (!rows) {
      rows = new Map()
      this.#newest.set(type.name, rows)
    }
    const replaced = rows.get(id)
    if (replaced) this.#replaced.set(change, replaced)
    rows.set(id, change)
    this.changes.push(change)
  }

  /** Forgets all but the first `count` changes, of which none later may be written. */
  undoTo(count: number): void {
    invariant(this.written <= count, 'what is undone is written')
    while (this.changes.length > count) {
      const change = this.changes.pop()! // there are more than none
      const replaced = this.#replaced.get(change)
      if (replaced) this.#newest.get(change.type.name)?.set(change.id, replaced)
      else this.#newest.get(change.type.name)?.delete(change.id)
    }
    this.#noted = Math.min(this.#noted, count)
  }

  /**
   * Whether a list of SQLite may lack a row that is not written yet, or have one that has changed: one of the type, of an
   * index one whose key begins with the same value.
   */
  mayBeListed(type: DeclaredType, { index, prefix }: Pick<ListRowsOptions, 'index' | 'prefix'>): boolean {
    if (this.written === this.changes.length) return false
    for (; this.#noted < this.changes.length; this.#noted++) this.#note(this.changes[this.#noted]!)
    const first = prefix?.[0]
    if (index === undefined || first === undefined) return this.#touched.has(type.name)
    return this.#touched.has(`${type.name}\0${index}\0${first}`)
  }

  /** Makes what `write` will need of the rows, so that it need not when there is nothing else to do just now. */
  prepare(): void {
    for (const { type, id, before, after } of this.changes) {
      if (after) hashOf(type, id, after)
      if (after) entriesOf(type, id, after)
      if (before) entriesOf(type, id, before)
    }
  }

  get hasUnwrittenHead(): boolean {
    for (let at = this.written; at < this.changes.length; at++) if (this.changes[at]?.type.family) return true
    return false
  }

  #note({ type, before, after }: RowChange): void {
    this.#touched.add(type.name)
    for (const state of [before, after]) {
      if (!state) continue
      const keys = keysOf(type, state)
      for (const [at, { name }] of type.indexes.entries()) {
        const key = keys[at]
        if (key) this.#touched.add(`${type.name}\0${name}\0${key[0]}`)
      }
    }
  }
}

export const newState = (body: string, hash?: Uint8Array, number?: number): RowState => ({
  ...{ body, hash, number },
  ...{ keys: undefined, entries: undefined },
})

export function hashOf(type: DeclaredType, id: string, state: RowState): Uint8Array {
  state.hash ??= rowHash(type.name, id, state.body)
  return state.hash
}

export function entriesOf(type: DeclaredType, id: string, state: RowState): IndexEntries {
  if (state.entries) return state.entries
  const keys = keysOf(type, state)
  state.entries = type.indexes.map(({ number }, at) => keys[at] && encodeIndexKey(number, keys[at], id))
  return state.entries
}

/** The keys of a row in each index of its type; undefined where it has none. */
export function keysOf(type: DeclaredType, state: RowState): readonly (IndexKey | undefined)[] {
  if (state.keys) return state.keys
  const parsed: unknown = type.indexes.length === 0 ? undefined : JSON.parse(state.body)
  state.keys = type.indexes.map(({ keyOf }) => keyOf(parsed))
  return state.keys
}
