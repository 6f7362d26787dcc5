// The least a durable, hash-chained commit costs: one table with two indexed columns and one log, written by hand.

import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

export type FloorRow = { readonly id: string; readonly group: string; readonly number: number; readonly pad: string }

export class SqliteCommits implements Disposable {
  readonly #db: DatabaseSync
  readonly #find
  readonly #insert
  readonly #append
  readonly #begin
  readonly #commit
  #position = 0
  #prev = ''
  readonly #waiting: { readonly row: FloorRow; readonly resolve: () => void }[] = []

  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    this.#db.exec(`CREATE TABLE run (id TEXT PRIMARY KEY, body TEXT, "group" TEXT, number INTEGER);
      CREATE INDEX run_group ON run ("group");
      CREATE INDEX run_number ON run (number);
      CREATE TABLE log (position INTEGER PRIMARY KEY, bytes BLOB, hash TEXT)`)
    this.#find = this.#db.prepare('SELECT 1 FROM run WHERE id = ?')
    this.#insert = this.#db.prepare('INSERT INTO run VALUES (?, ?, ?, ?)')
    this.#append = this.#db.prepare('INSERT INTO log VALUES (?, ?, ?)')
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE')
    this.#commit = this.#db.prepare('COMMIT')
  }

  /** Inserts rows that are not there yet, and one record that follows the one before, in one transaction. */
  commit(rows: readonly FloorRow[]): void {
    this.#begin.run()
    const lines: string[] = []
    for (const row of rows) {
      if (this.#find.get(row.id)) throw new Error('the row exists')
      const body = JSON.stringify(row)
      this.#insert.run(row.id, body, row.group, row.number)
      lines.push(body)
    }
    const bytes = Buffer.from(`${this.#prev}\n${lines.join('\n')}`)
    this.#prev = createHash('sha256').update(bytes).digest('hex')
    this.#append.run(++this.#position, bytes, this.#prev)
    this.#commit.run()
  }

  /** The same of one row, together with all that come until the end of this turn of the event loop. */
  commitSoon(row: FloorRow): Promise<void> {
    if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting())
    return new Promise((resolve) => this.#waiting.push({ row, resolve }))
  }

  #commitWaiting(): void {
    const waiting = this.#waiting.splice(0)
    this.commit(waiting.map(({ row }) => row))
    for (const { resolve } of waiting) resolve()
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}
