// Reading rows over one connection: the only place that knows how `get`, `list` and `count` become SQL.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { invariant } from '../../lib/errors.ts'
import type { ListRowsOptions, ReadTransaction, Row, Schema } from '../database.ts'
import type { Catalog, DeclaredType } from './catalog.ts'
import { afterPrefix, encodeIndexKey } from './index-key.ts'

type StoredRow = { id: string; body: string; changed_at: number }
type Bound = { readonly low: Uint8Array; readonly lowIncluded: boolean; readonly high: Uint8Array }

export class Rows {
  readonly #catalog: Catalog
  readonly #statements: Statements

  constructor(db: DatabaseSync, catalog: Catalog) {
    this.#catalog = catalog
    this.#statements = new Statements(db)
  }

  /** The JSON text of a row's body. */
  bodyOf(type: string, id: string): string | undefined {
    const row = this.#statements
      .of('SELECT body FROM stored_row WHERE type = ? AND id = ?')
      .get(this.type(type).number, id) as StoredRow | undefined
    return row?.body
  }

  list(type: string, options: ListRowsOptions): readonly Row<unknown>[] {
    const declared = this.type(type)
    const limit = options.limit ?? -1
    const found = (
      options.index === undefined
        ? this.#listById(declared, options, limit)
        : this.#listByIndex(declared, options, options.index, limit)
    ) as StoredRow[]
    return found.map((row) => ({ id: row.id, body: JSON.parse(row.body) as unknown, changedAt: row.changed_at }))
  }

  count(type: string, options: Pick<ListRowsOptions, 'index' | 'prefix'>): number {
    const declared = this.type(type)
    if (options.index === undefined) {
      const id = options.prefix?.[0]
      const statement = this.#statements.of(
        `SELECT count(*) AS n FROM stored_row WHERE type = ?${id === undefined ? '' : ' AND id = ?'}`,
      )
      const row = id === undefined ? statement.get(declared.number) : statement.get(declared.number, String(id))
      return Number(row?.n)
    }
    const { low, high } = this.#bounds(declared, options.index, options)
    const sql = 'SELECT count(*) AS n FROM index_entry WHERE key >= ? AND key < ?'
    return Number(this.#statements.of(sql).get(low, high)?.n)
  }

  type(name: string): DeclaredType {
    const type = this.#catalog.types.get(name)
    invariant(type, `row type "${name}" is not declared`)
    return type
  }

  #listById(type: DeclaredType, { prefix, after, descending }: ListRowsOptions, limit: number): unknown[] {
    const conditions = ['type = ?']
    const values: (string | number)[] = [type.number]
    if (prefix?.[0] !== undefined) {
      conditions.push('id = ?')
      values.push(String(prefix[0]))
    }
    if (after?.[0] !== undefined) {
      conditions.push(descending ? 'id < ?' : 'id > ?')
      values.push(String(after[0]))
    }
    const sql = `SELECT id, body, changed_at FROM stored_row WHERE ${conditions.join(' AND ')}
      ORDER BY id ${descending ? 'DESC' : 'ASC'} LIMIT ?`
    return this.#statements.of(sql).all(...values, limit)
  }

  #listByIndex(type: DeclaredType, options: ListRowsOptions, index: string, limit: number): unknown[] {
    const { low, lowIncluded, high } = this.#bounds(type, index, options)
    const sql = `SELECT r.id, r.body, r.changed_at FROM index_entry e CROSS JOIN stored_row r ON r.number = e.row
      WHERE e.key ${lowIncluded ? '>=' : '>'} ? AND e.key < ? ORDER BY e.key ${options.descending ? 'DESC' : 'ASC'} LIMIT ?`
    return this.#statements.of(sql).all(low, high, limit)
  }

  #bounds(
    type: DeclaredType,
    name: string,
    { prefix = [], after, descending }: Pick<ListRowsOptions, 'prefix' | 'after' | 'descending'>,
  ): Bound {
    const index = type.indexes.find((candidate) => candidate.name === name)
    invariant(index, `index "${name}" of row type "${type.name}" is not declared`)
    const first = encodeIndexKey(index.number, prefix)
    const end = afterPrefix(first)
    if (after === undefined) return { low: first, lowIncluded: true, high: end }
    const key = encodeIndexKey(index.number, after)
    if (descending) return { low: first, lowIncluded: true, high: Buffer.compare(key, end) < 0 ? key : end }
    return Buffer.compare(key, first) < 0
      ? { low: first, lowIncluded: true, high: end }
      : { low: key, lowIncluded: false, high: end }
  }
}

/** Prepared statements by their text; texts are few, values are bound. */
export class Statements {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  of(sql: string): StatementSync {
    let statement = this.#prepared.get(sql)
    if (!statement) {
      statement = this.#db.prepare(sql)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}

/** What `view` hands out: usable until `close`, so that a closure cannot keep it. */
export class RowsReader<S extends Schema> implements ReadTransaction<S> {
  readonly #rows: Rows
  #isOpen = true

  constructor(rows: Rows) {
    this.#rows = rows
  }

  get<T extends keyof S & string>(type: T, id: string): S[T] | undefined {
    this.checkOpen()
    const body = this.#rows.bodyOf(type, id)
    return body === undefined ? undefined : (JSON.parse(body) as S[T]) // what `put` was given for this type
  }

  list<T extends keyof S & string>(type: T, options: ListRowsOptions = {}): readonly Row<S[T]>[] {
    this.checkOpen()
    return this.#rows.list(type, options) as readonly Row<S[T]>[] // as in get
  }

  count<T extends keyof S & string>(type: T, options: Pick<ListRowsOptions, 'index' | 'prefix'> = {}): number {
    this.checkOpen()
    return this.#rows.count(type, options)
  }

  close(): void {
    this.#isOpen = false
  }

  protected checkOpen(): void {
    invariant(this.#isOpen, 'a transaction was used after its closure returned')
  }
}
