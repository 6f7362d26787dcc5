// The totally ordered, hash-chained record of committed transactions of one database: the seam behind which embedded
// SQLite, etcd, PostgreSQL and object storage stand. Every backend runs change-log-contract.ts.

import type { Position } from './database.ts'

/** Lower case hex SHA-256 of a record's bytes. */
export type RecordHash = string

/** The record before the first one. */
export const genesisHash: RecordHash = '0'.repeat(64)

/** Encoded by record.ts; carries format, store id, generation, position and the hash of the record before it. */
export type EncodedRecord = { readonly position: Position; readonly hash: RecordHash; readonly bytes: Uint8Array }

export type AppendResult =
  | { readonly kind: 'created' }
  /** Position is taken by another record: apply what is there and evaluate again. */
  | { readonly kind: 'exists' }
  /** Neither confirmed nor refused (lost answer): read the slot before anything else; never move past it. */
  | { readonly kind: 'unknown'; readonly cause: unknown }

export interface ChangeLog extends AsyncDisposable {
  /**
   * Durably adds a record at `record.position` if the newest record of the log is at `record.position - 1` and has the
   * hash `prev`; otherwise changes nothing. Of many writers at one position exactly one gets `created`.
   */
  append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult>
  /** Records after `from`, in order, at most `limit`; empty at the head. `history_collected` when the next was collected. */
  read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]>
  /** Position of the newest record, 0 when there is none. */
  head(signal?: AbortSignal): Promise<Position>
  /** Resolves when there may be a record after `from`: a hint for waiting readers, never needed for correctness. */
  changed(from: Position, signal: AbortSignal): Promise<void>
  /** Forgets records up to and including `position`, never the newest one. */
  collect(position: Position, signal?: AbortSignal): Promise<void>
}
