// The change log in PostgreSQL (docs/storage.md, "In PostgreSQL"). The one row of `head` names position and hash of the newest
// record; one statement moves it if it is what the writer expects, and inserts the record only then. The row's lock
// serialises writers; whoever waited compares again with what the winner left.

import type { Clock } from '../../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../../lib/errors.ts'
import { type PostgresClient, quoteName, quoteText } from '../../../lib/postgres.ts'
import {
  type AppendResult,
  type ChangeLog,
  type EncodedRecord,
  genesisHash,
  type RecordHash,
} from '../../change-log.ts'
import type { Position } from '../../database.ts'
import { type Head, HeadWatch } from '../head-watch.ts'
import type { Payloads } from '../payloads.ts'

export type PostgresChangeLogOptions = {
  /** Shared with others; not closed here. */
  readonly client: PostgresClient
  /** Made when it is missing; all tables of this log are in it. At most 63 bytes. */
  readonly schema: string
  readonly clock: Clock
  /** Where large records go; without it they are in their row. */
  readonly payloads?: Payloads
}

/** A lost notification costs so much. */
const pollMs = 5000
const reconnectMs = 500
/** Records of one answer: each may have limits.batchBytes. */
const pageRecords = 16

type StoredHead = { head: string; head_hash: string; is_standby: boolean }
type StoredRecord = { position: string | null; hash: string; bytes: Buffer | null }

const headColumns = 'h.position AS head, h.hash AS head_hash, pg_is_in_recovery() AS is_standby'

export class PostgresChangeLog implements ChangeLog {
  readonly #options: PostgresChangeLogOptions
  readonly #schema: string
  readonly #head: HeadWatch
  readonly #closing = new AbortController()
  #watching: Promise<void> | undefined

  private constructor(options: PostgresChangeLogOptions) {
    this.#options = options
    this.#schema = quoteName(options.schema)
    this.#head = new HeadWatch(options.clock, pollMs, { hasNews: true })
  }

  /** Makes the tables when they are missing. Errors: those of the connection; `backend_unfit` on a standby. */
  static async open(options: PostgresChangeLogOptions, signal?: AbortSignal): Promise<PostgresChangeLog> {
    if (Buffer.byteLength(options.schema) > 63)
      throw new SlipwayError('config_invalid', `the PostgreSQL schema name ${options.schema} is longer than 63 bytes`)
    const log = new PostgresChangeLog(options)
    await log.#checkPrimary(signal)
    if (!(await log.#hasTables(signal))) await log.#createTables(signal)
    return log
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    const { client, payloads, schema } = this.#options
    const { position, hash } = record
    const before = this.#head.newest
    try {
      const isElsewhere = payloads?.isWanted(record) === true
      if (isElsewhere) await payloads.save(record, signal)
      const rows = await client.query(
        `WITH moved AS (
           UPDATE ${this.#schema}.head SET position = $1, hash = $2 WHERE position = $1 - 1 AND hash = $3 RETURNING 1)
         INSERT INTO ${this.#schema}.log (position, hash, bytes) SELECT $1, $2, $4 FROM moved
         RETURNING pg_notify($5, position::text)`,
        [position, hash, prev, isElsewhere ? null : record.bytes, schema],
        signal,
        schema, // The only prepared statement of this schema: names have as many bytes at most.
      )
      if (rows.length > 0) {
        this.#head.saw({ position, hash })
        return { kind: 'created' }
      }
      const head = await this.#readHead(signal)
      this.#head.check(head, before)
      return { kind: 'exists' }
    } catch (cause) {
      if (isSlipwayError(cause) && cause.code !== 'backend_unavailable') throw cause
      return { kind: 'unknown', cause }
    }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const records: EncodedRecord[] = []
    while (records.length < limit) {
      const wanted = Math.min(pageRecords, limit - records.length)
      const page = await this.#readPage(from + records.length, wanted, signal)
      records.push(...page)
      if (page.length < wanted) break
    }
    return records
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    const before = this.#head.newest
    const head = await this.#readHead(signal)
    this.#head.check(head, before)
    return head.position
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    this.#watching ??= this.#watch()
    await this.#head.changed(from, () => this.head(signal), signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { client, payloads } = this.#options
    const last = Math.min(position, (await this.head(signal)) - 1)
    if (last < 1) return
    await client.query(`DELETE FROM ${this.#schema}.log WHERE position <= $1`, [last], signal)
    await payloads?.collect(last, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#head.look()
    await this.#watching
  }

  async #readHead(signal: AbortSignal | undefined): Promise<Head> {
    const text = `SELECT ${headColumns} FROM ${this.#schema}.head h`
    const [row] = await this.#options.client.query<StoredHead>(text, [], signal)
    return this.#parseHead(row)
  }

  #parseHead(row: StoredHead | undefined): Head {
    if (!row) throw new SlipwayError('database_corrupt', `${this.#schema}.head in PostgreSQL is empty`)
    // Behind an address that moves from server to server this may be one that lags; it says nothing about what is lost.
    if (row.is_standby) throw new SlipwayError('backend_unavailable', 'PostgreSQL: this server is a standby')
    return { position: Number(row.head), hash: row.head_hash }
  }

  async #readPage(from: Position, limit: number, signal: AbortSignal | undefined): Promise<EncodedRecord[]> {
    const before = this.#head.newest
    // One statement, so head and records are of one moment.
    const rows = await this.#options.client.query<StoredHead & StoredRecord>(
      `SELECT ${headColumns}, l.position, l.hash, l.bytes
       FROM ${this.#schema}.head h LEFT JOIN ${this.#schema}.log l ON l.position > $1 AND l.position <= $2
       ORDER BY l.position`,
      [from, from + limit],
      signal,
    )
    const head = this.#parseHead(rows[0])
    this.#head.check(head, before)
    const found = rows.filter(({ position }) => position !== null)
    const expected = Math.max(0, Math.min(limit, head.position - from))
    if (found.length < expected) {
      // Collecting deletes from the front: nothing else may be missing.
      if (Number(found[0]?.position) !== from + 1)
        throw new SlipwayError('history_collected', `record ${from + 1} of the log was collected`)
      throw new SlipwayError('database_corrupt', `the log has a gap after record ${from + found.length}`)
    }
    const records: EncodedRecord[] = []
    for (const { position, hash, bytes } of found)
      records.push({
        position: Number(position),
        hash,
        bytes: bytes ?? (await this.#load(Number(position), hash, signal)),
      })
    return records
  }

  #load(position: Position, hash: RecordHash, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { payloads } = this.#options
    if (payloads) return payloads.load(position, hash, signal)
    throw new SlipwayError('database_corrupt', `record ${position} lies on object storage, and none is configured`)
  }

  async #checkPrimary(signal: AbortSignal | undefined): Promise<void> {
    const text = 'SELECT pg_is_in_recovery() AS standby'
    const [answer] = await this.#options.client.query<{ standby: boolean }>(text, [], signal)
    if (answer?.standby)
      throw new SlipwayError('backend_unfit', 'PostgreSQL: this server is a standby: connect to the primary')
  }

  async #hasTables(signal: AbortSignal | undefined): Promise<boolean> {
    const text = 'SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2'
    return (await this.#options.client.query(text, [this.#options.schema, 'head'], signal)).length > 0
  }

  #createTables(signal: AbortSignal | undefined): Promise<void> {
    const { client, schema } = this.#options
    const statements = [
      `CREATE TABLE IF NOT EXISTS ${this.#schema}.log (position bigint PRIMARY KEY, hash text NOT NULL, bytes bytea)`,
      // Kept as it is: compressing JSON of this size costs more than it saves.
      `ALTER TABLE ${this.#schema}.log ALTER COLUMN bytes SET STORAGE EXTERNAL`,
      `CREATE TABLE IF NOT EXISTS ${this.#schema}.head (
         one int PRIMARY KEY CHECK (one = 1), position bigint NOT NULL, hash text NOT NULL)`,
      `INSERT INTO ${this.#schema}.head VALUES (1, 0, ${quoteText(genesisHash)}) ON CONFLICT DO NOTHING`,
    ]
    return client.define(schema, statements, signal)
  }

  /** Tells of new heads. What it misses the next poll finds. */
  async #watch(): Promise<void> {
    const { client, clock, schema } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await client.listen(schema, {
          onReady: () => this.#head.look(),
          onMessage: (payload) => this.#head.told(Number(payload)),
          signal,
        })
      } catch {
        await clock.sleep(reconnectMs, signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }
}
