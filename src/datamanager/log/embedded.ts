// The change log as a table of the database's own SQLite file.

import type { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../../lib/errors.ts'
import { type AppendResult, type ChangeLog, type EncodedRecord, genesisHash, type RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { Statements } from '../read-model/rows.ts'
import { sqliteError } from '../read-model/sqlite.ts'
import { Wakeups } from './wakeups.ts'

type StoredRecord = { position: number; hash: string; bytes: Uint8Array }
type Newest = { readonly position: Position; readonly hash: RecordHash }

export class EmbeddedChangeLog implements ChangeLog {
  readonly #connection: DatabaseSync
  readonly #write: Statements
  readonly #read: Statements
  readonly #wakeups = new Wakeups()
  /** Of the committed state, once it was looked up: nobody else appends, as the file is one database's alone. */
  #newest: Newest | undefined
  /** In the open transaction. */
  #appended: Newest | undefined

  /** Two connections to one file, which the caller closes after this. */
  constructor(connection: DatabaseSync, readConnection: DatabaseSync) {
    this.#connection = connection
    this.#write = new Statements(connection)
    this.#read = new Statements(readConnection)
  }

  /**
   * Adds a record inside the transaction that is open on the writing connection; it exists once that is committed.
   * False when the newest record is not the one before it with hash `prev`. `contentHash`: of the rows that are committed
   * together with it.
   */
  appendWithin(record: EncodedRecord, prev: RecordHash, contentHash?: string): boolean {
    this.#newest ??= this.#lookUpNewest()
    if (record.position !== this.#newest.position + 1 || prev !== this.#newest.hash) return false
    const { position, hash, bytes } = record
    this.#write
      .of('INSERT INTO log (position, hash, bytes, content_hash) VALUES (?, ?, ?, ?)')
      .run(position, hash, bytes, contentHash ?? null)
    this.#appended = { position, hash }
    return true
  }

  /** After the commit of a record of appendWithin: readers who wait for one are told. */
  committed(): void {
    this.#newest = this.#appended
    this.#wakeups.wake()
  }

  /** Forgets records inside the open transaction; never the newest. */
  collectWithin(position: Position): void {
    this.#write.of('DELETE FROM log WHERE position <= ? AND position < (SELECT max(position) FROM log)').run(position)
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    const isCreated = this.#transaction(`append record ${record.position}`, () => this.appendWithin(record, prev))
    if (isCreated) this.committed()
    return { kind: isCreated ? 'created' : 'exists' }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const rows = this.#read
      .of('SELECT position, hash, bytes FROM log WHERE position > ? ORDER BY position LIMIT +?')
      .all(from, limit) as StoredRecord[]
    const first = rows[0]
    if (first && first.position !== from + 1)
      throw new SlipwayError(
        'history_collected',
        `records ${from + 1} to ${first.position - 1} of the log were collected`,
      )
    return rows
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    return Number(this.#read.of('SELECT max(position) AS head FROM log').get()?.head ?? 0)
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    await this.#wakeups.until(async () => (await this.head()) > from, signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#transaction(`collect records up to ${position}`, () => this.collectWithin(position))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wakeups.wake()
  }

  #lookUpNewest(): Newest {
    const newest = this.#write.of('SELECT position, hash FROM log ORDER BY position DESC LIMIT 1').get()
    return (newest as Newest | undefined) ?? { position: 0, hash: genesisHash }
  }

  #transaction<T>(attempted: string, act: () => T): T {
    try {
      this.#write.of('BEGIN IMMEDIATE').run()
      const result = act()
      this.#write.of('COMMIT').run()
      return result
    } catch (error) {
      if (this.#connection.isTransaction) this.#write.of('ROLLBACK').run()
      throw sqliteError(error, attempted)
    }
  }
}
