// One database = change log + read model (docs/architecture.md, "Data"). This file is the contract that services see;
// open-database.ts makes one.

import type { Json } from '../lib/json.ts'

/** Number of the newest record a state contains; 0 before the first. */
export type Position = number

/** What a read has to see: the state of a position, or whatever any instance had committed before the read was asked for. */
export type Barrier = Position | 'newest'

/** How one type of row is stored. A service declares all its types once. */
export type RowType = {
  /**
   * Columns to index, by name: values of one row (strings, integers, booleans as 0/1; null leaves the row out of that
   * index). An index is searched by a prefix of its columns and listed in the order of the rest, then of the id.
   */
  readonly indexes?: Readonly<Record<string, (body: never) => IndexKey | undefined>>
  /** Makes each row of this type the head of a family. At most one type of a database has families. */
  readonly family?: RowFamily
  /**
   * Of a type that belongs to families: indexes whose first column is the id of the head. They are listed by a prefix with
   * that id, and then find the rows of a family that is cold, too.
   */
  readonly familyIndexes?: readonly string[]
  /**
   * Of a type that belongs to families: indexes that find the rows of a cold family or not, as it happens. Only for
   * questions whose answer does not depend on families that are final.
   */
  readonly localIndexes?: readonly string[]
}

/**
 * A row (the head) and the rows that belong to it, such as a run with its tasks. Once they are final they may become cold:
 * they leave the file of an instance after a snapshot has them, and are read from there when they are asked for. An entry
 * stays of each, cold or not. Closures see no difference; a row of a cold family that is changed brings it back. Only
 * families whose id is a UUID become cold.
 */
export type RowFamily = {
  /**
   * Types of the rows that belong to the family of the head with id `ID`, besides the head: those with the id `ID`, or one
   * that begins with `ID/`.
   */
  readonly members: readonly string[]
  /** No row of the family will change of its own accord. Rows that have a key in another index keep it from becoming cold. */
  readonly isFinal: (head: never) => boolean
  /** What stays. It must not change for a given head in later versions. */
  readonly entry: (head: never) => FamilyEntry
}

/** What is known of every family without reading it. Numbers are integers. */
export type FamilyEntry = {
  /** The place in lists, different for each head. */
  readonly order: number
  /** Elements with a slash before each, such as `/project/ID/branch/NAME`. */
  readonly path: string
  /** From 0 to 255. */
  readonly state: number
  /** Different for each head whose paths have the first two elements in common. */
  readonly number: number
  /** One of few texts. */
  readonly label: string
  /** Milliseconds. */
  readonly createdAt: number
  readonly startedAt?: number
  readonly endedAt?: number
  /** Since when there is something beside the rows that a retention may remove. */
  readonly removableSince?: number
  /** The head that this one repeats. */
  readonly repeats?: string
}

export type FamilyQuery = {
  /** Exactly this path; with `isSubtree` also those below it. Default: all. */
  readonly path?: string
  readonly isSubtree?: boolean
  readonly states?: readonly number[]
  /** Needs a path of at least two elements. */
  readonly number?: number
  /** Created at this time or later, and before that one. */
  readonly from?: number
  readonly before?: number
  /** Only those strictly after (before, when descending) this order. */
  readonly after?: number
  readonly descending?: boolean
  readonly limit: number
}

export type FamilyRow = FamilyEntry & { readonly id: string }
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
  /** Families, cold or not, in their order. Never reads their rows. */
  entries(query: FamilyQuery): readonly FamilyRow[]
  entry(id: string): FamilyRow | undefined
  /** Those with `removableSince` before that time, oldest first. */
  removableEntries(before: number, limit: number): readonly FamilyRow[]
  /** Those that repeat the head with this id. */
  repeatingEntries(id: string): readonly FamilyRow[]
}

/** What a view may ask besides, and a transaction not: the answer differs between instances. */
export interface ViewTransaction<S extends Schema> extends ReadTransaction<S> {
  /** Those of these rows that are here, in the order of the ids: none of cold families. For what may show more of what is near. */
  listAtHand<T extends keyof S & string>(type: T, ids: readonly string[]): readonly Row<S[T]>[]
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
  /** Reads one consistent, applied and durable state. Synchronous and short. `row_cold` when it needs a cold family. */
  view<T>(read: (tx: ViewTransaction<S>) => T): T
  /**
   * As `view`, but reads what is cold from object storage and runs `read` again. Errors besides those of `view`: of the
   * storage, `snapshot_corrupt`, `limit_exceeded` when it needs too many families at once.
   */
  read<T>(read: (tx: ReadTransaction<S>) => T, signal?: AbortSignal): Promise<T>
  /** Position of the state that `view` sees. */
  readonly position: Position
  /** Content hash of that state: SHA-256 of each row, summed modulo 2^256, hex. Equal at equal positions everywhere. */
  readonly contentHash: string
  /** Resolves when `view` sees at least that; `database_behind` after 2 s, errors of the log when it is asked for its newest. */
  waitFor(barrier: Barrier, signal?: AbortSignal): Promise<void>
  /**
   * Committed changes after `from`, in order, without gap or double; ends when `signal` is aborted. Pulls lazily.
   * `history_collected` when the log no longer holds what comes after `from`: start again from the rows.
   */
  changes(from: Position, signal: AbortSignal): AsyncIterable<Change>
}
