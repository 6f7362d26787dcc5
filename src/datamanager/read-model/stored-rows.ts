// Single rows in the tables of the file, each with its index entries: nothing else writes those tables once it is open.
// What the change of a row means beyond them, like the content hash, its callers know.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { invariant } from '../../lib/errors.ts'
import type { Position } from '../database.ts'
import { entriesOf, hashOf, type IndexEntries, newState, type RowState } from './batch.ts'
import type { DeclaredType } from './catalog.ts'
import { Statements } from './rows.ts'

export type StoredRow = {
  readonly number: number
  readonly id: string
  readonly body: string
  readonly hash: Uint8Array
  readonly changed_at: number
}

const selectRow = 'SELECT number, body, hash FROM stored_row WHERE type = ? AND id = ?'
const insertRow = 'INSERT INTO stored_row (type, id, body, changed_at, hash) VALUES (?, ?, ?, ?, ?)'
const deleteEntry = 'DELETE FROM index_entry WHERE key = ?'

export class StoredRows {
  readonly #connection: DatabaseSync
  readonly #statements: Statements
  /** By the number of their values. */
  readonly #entryInserts: StatementSync[] = []

  constructor(connection: DatabaseSync) {
    this.#connection = connection
    this.#statements = new Statements(connection)
  }

  find(type: DeclaredType, id: string): RowState | undefined {
    const found = this.#statements.of(selectRow).get(type.number, id) as
      | Pick<StoredRow, 'number' | 'body' | 'hash'>
      | undefined
    return found && newState(found.body, found.hash, found.number)
  }

  /** The rows of a family that are here, of these types. */
  ofFamily(id: string, types: readonly DeclaredType[]): { readonly type: DeclaredType; readonly row: StoredRow }[] {
    const select = this.#statements.of(
      'SELECT number, id, body, hash, changed_at FROM stored_row WHERE type = ? AND (id = ? OR (id > ? AND id < ?))',
    )
    return types.flatMap((type) =>
      (select.all(type.number, id, `${id}/`, `${id}0`) as StoredRow[]).map((row) => ({ type, row })),
    )
  }

  /** `row` knows its number after it. */
  insert(type: DeclaredType, id: string, row: RowState, position: Position): void {
    const { lastInsertRowid } = this.#statements
      .of(insertRow)
      .run(type.number, id, row.body, position, hashOf(type, id, row))
    row.number = Number(lastInsertRowid)
    this.#insertEntries(row.number, entriesOf(type, id, row))
  }

  update(
    type: DeclaredType,
    id: string,
    { before, after }: { readonly before: RowState; readonly after: RowState },
    position: Position,
  ): void {
    const number = numberOf(before)
    after.number = number
    this.#statements
      .of('UPDATE stored_row SET body = ?, changed_at = ?, hash = ? WHERE number = ?')
      .run(after.body, position, hashOf(type, id, after), number)
    const next = entriesOf(type, id, after)
    const isSame = entriesOf(type, id, before).map((key, at) => {
      const same = next[at]
      if (key && same && Buffer.compare(same, key) === 0) return true
      if (key) this.#statements.of(deleteEntry).run(key)
      return false
    })
    this.#insertEntries(
      number,
      next.filter((_key, at) => !isSame[at]),
    )
  }

  remove(type: DeclaredType, id: string, row: RowState): void {
    this.#statements.of('DELETE FROM stored_row WHERE number = ?').run(numberOf(row))
    for (const key of entriesOf(type, id, row)) if (key) this.#statements.of(deleteEntry).run(key)
  }

  #insertEntries(row: number, entries: IndexEntries): void {
    const values: (Buffer | number)[] = []
    for (const key of entries) if (key) values.push(key, row)
    if (values.length === 0) return
    let statement = this.#entryInserts[values.length]
    if (!statement) {
      statement = this.#connection.prepare(insertEntries(values.length / 2))
      this.#entryInserts[values.length] = statement
    }
    statement.run(...values)
  }
}

/** Of a row that is in SQLite. */
function numberOf(row: RowState): number {
  invariant(row.number !== undefined, 'a row is changed that is not there')
  return row.number
}

/**
 * `OR FAIL`, as SQLite otherwise copies pages for the case that the second entry fails, which takes as long as inserting them;
 * a failure here ends the transaction anyway.
 */
function insertEntries(count: number): string {
  return `INSERT OR FAIL INTO index_entry (key, row) VALUES ${'(?, ?), '.repeat(count).slice(0, -2)}`
}
