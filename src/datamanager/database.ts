// One database = change log + read model (docs/architecture.md, "Data"). This file is the contract that services see;
// open-database.ts makes one.

import type { Json } from '../lib/json.ts'

/** Number of the newest record a state contains; 0 before the first. */
export type Position = number

/** How one type of row is stored. A service declares all its types once. */
export type RowType = {
  /**
   * Columns to index, by name: values of one row (strings, integers, booleans as 0/1; null leaves the row out of that
   * index). An index is searched by a prefix of its columns and listed in the order of the rest, then of the id.
   */
  readonly indexes?: Readonly<Record<string, (body: never) => IndexKey | undefined>>
}
export type IndexKey = readonly (string | number)[]
export type RowTypes = Readonly<Record<string, RowType>>

export type Row<Body> = {
  readonly id: string
  readonly body: Body
  /** Position of the record that last changed it. */
  readonly changedAt: Position
}

export type ListRowsOptions = {
  /** Name of a declared index; without one rows are listed by id. */
  readonly index?: string
  /** Only rows whose index key begins with these values. */
  readonly prefix?: IndexKey
  /** Only rows strictly after (before, when descending) this key of the index, id included as its last element. */
  readonly after?: IndexKey
  readonly descending?: boolean
  readonly limit?: number
}

/** Names and body types of a service's rows: `{ run: Run; runtask: RunTask }`. */
export type Schema = Readonly<Record<string, unknown>>

export interface ReadTransaction<S extends Schema> {
  get<T extends keyof S & string>(type: T, id: string): S[T] | undefined
  list<T extends keyof S & string>(type: T, options?: ListRowsOptions): readonly Row<S[T]>[]
  /** Rows with this prefix, counted without reading their bodies. */
  count<T extends keyof S & string>(type: T, options?: Pick<ListRowsOptions, 'index' | 'prefix'>): number
}

export interface Transaction<S extends Schema> extends ReadTransaction<S> {
  /** Inserts or replaces. Writing a body equal to the stored one is no change and makes no record. */
  put<T extends keyof S & string>(type: T, id: string, body: S[T]): void
  delete<T extends keyof S & string>(type: T, id: string): void
}

export type DoOptions = {
  readonly signal?: AbortSignal
  /**
   * A repeated request with the same transaction id, within a day, acts once: it gets the first one's result. The result
   * must then be JSON of at most 64 KiB. A closure that wrote nothing is not remembered.
   */
  readonly transactionId?: string
}

export type Committed<T> = { readonly result: T; readonly position: Position }

export type Operation =
  | { readonly kind: 'put'; readonly type: string; readonly id: string; readonly body: Json }
  | { readonly kind: 'delete'; readonly type: string; readonly id: string }

/**
 * The operations of one record, in order: of all transactions that were committed together. There is one change per
 * position, so a consumer that has stored `position` has seen everything up to it.
 */
export type Change = { readonly position: Position; readonly operations: readonly Operation[] }

/** Why nothing is written: an exact cut of the log, the same on every instance and after every restart. */
export type Maintenance = {
  readonly by: string
  readonly why: string
  /** Milliseconds, by the clock of the instance that was asked. */
  readonly since: number
  /** The generation that an import has put in the place of this one, which stays frozen for ever. */
  readonly replacedBy?: string
}

export interface Database<S extends Schema> extends AsyncDisposable {
  /**
   * Runs `closure` and commits what it wrote, durably, before it resolves. The closure is synchronous, may run more than
   * once, and touches nothing but `tx`; if it throws, nothing of it is written and the error is the caller's. A closure
   * that wrote nothing commits nothing. Concurrent calls are serialised as if one after the other, and share fsyncs.
   * Errors: `database_overloaded` at once when too many wait, `commit_conflict` after 10 lost rounds, `outcome_unknown`
   * when the caller aborted after evaluation (an OutcomeUnknownError, with the transaction id), `row_too_large`,
   * `record_too_large`, `disk_full`. Aborting before evaluation rejects with the signal's reason.
   */
  do<T>(closure: (tx: Transaction<S>) => T, options?: DoOptions): Promise<Committed<T>>
  /**
   * Result (as JSON) and position of the transaction with this id, if it was committed within a day: what to ask after
   * `outcome_unknown`. Sees what is applied here.
   */
  outcome(transactionId: string): Committed<Json | undefined> | undefined
  /** Reads one consistent, applied and durable state. Synchronous and short. */
  view<T>(read: (tx: ReadTransaction<S>) => T): T
  /** Position of the state that `view` sees. */
  readonly position: Position
  /** Content hash of that state: SHA-256 of each row, summed modulo 2^256, hex. Equal at equal positions everywhere. */
  readonly contentHash: string
  /** Resolves when `view` sees at least `position`; `database_behind` after 2 s. */
  waitFor(position: Position, signal?: AbortSignal): Promise<void>
  /**
   * Committed changes after `from`, in order, without gap or double; ends when `signal` is aborted. Pulls lazily.
   * `history_collected` when the log no longer holds what comes after `from`: start again from the rows.
   */
  changes(from: Position, signal: AbortSignal): AsyncIterable<Change>
}
