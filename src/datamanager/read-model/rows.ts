// Reading rows over one connection: the only place that knows how `get`, `list` and `count` become SQL.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { invariant } from '../../lib/errors.ts'
import type { ColdFamily, Entries } from '../cold/entries.ts'
import { familyIdOf } from '../cold/family-file.ts'
import { ColdRows, type ThawedFamilies, type ThawedFamily } from '../cold/thawed.ts'
import type { FamilyQuery, FamilyRow, ListRowsOptions, Row, Schema, ViewTransaction } from '../database.ts'
import type { Catalog, DeclaredIndex, DeclaredType } from './catalog.ts'
import { afterPrefix, encodeIndexKey } from './index-key.ts'

type StoredRow = { id: string; body: string; changed_at: number }
type Source = { readonly catalog: Catalog; readonly entries: Entries; readonly thawed: ThawedFamilies }
type Bound = { readonly low: Uint8Array; readonly lowIncluded: boolean; readonly high: Uint8Array }

export class Rows {
  readonly entries: Entries
  readonly #catalog: Catalog
  readonly #thawed: ThawedFamilies
  readonly #statements: Statements

  constructor(db: DatabaseSync, { catalog, entries, thawed }: Source) {
    this.entries = entries
    this.#catalog = catalog
    this.#thawed = thawed
    this.#statements = new Statements(db)
  }

  /** The JSON text of a row's body. Errors: ColdRows. */
  bodyOf(type: string, id: string): string | undefined {
    const declared = this.type(type)
    const row = this.#statements.of('SELECT body FROM stored_row WHERE type = ? AND id = ?').get(declared.number, id) as
      | StoredRow
      | undefined
    return row ? row.body : this.coldBodyOf(declared, id)
  }

  /** The same of a row that is not here. Errors: ColdRows. */
  coldBodyOf(type: DeclaredType, id: string): string | undefined {
    return this.#coldFamily(type, id)?.find(type.name, id)?.body
  }

  list(type: string, options: ListRowsOptions): readonly Row<unknown>[] {
    const declared = this.type(type)
    const limit = options.limit ?? -1
    const cold = this.#listCold(declared, options)
    if (cold) return cold
    const found = (
      options.index === undefined
        ? this.#listById(declared, options, limit)
        : this.#listByIndex(declared, options, options.index, limit)
    ) as StoredRow[]
    return found.map(rowOf)
  }

  listAtHand(type: string, ids: readonly string[]): readonly Row<unknown>[] {
    const { number } = this.type(type)
    const statement = this.#statements.of('SELECT id, body, changed_at FROM stored_row WHERE type = ? AND id = ?')
    return ids.flatMap((id) => {
      const row = statement.get(number, id) as StoredRow | undefined
      return row === undefined ? [] : [rowOf(row)]
    })
  }

  count(type: string, options: Pick<ListRowsOptions, 'index' | 'prefix'>): number {
    const declared = this.type(type)
    const cold = this.#listCold(declared, options)
    if (cold) return cold.length
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

  /** The rows when they are those of a cold family; undefined when they are here. Errors: ColdRows. */
  #listCold(type: DeclaredType, options: ListRowsOptions): readonly Row<unknown>[] | undefined {
    if (!type.isInFamily || this.entries.hasNoneCold) return undefined
    const [first] = options.prefix ?? []
    if (options.index === undefined) {
      invariant(first !== undefined, `rows of type "${type.name}" are not listed by id: their families may be cold`)
      const row = this.#coldFamily(type, String(first))?.find(type.name, String(first))
      return row && [{ id: row.id, body: JSON.parse(row.body) as unknown, changedAt: row.changedAt }]
    }
    const index = this.#index(type, options.index)
    if (index.ofCold !== 'found') return undefined
    invariant(typeof first === 'string', `index "${index.name}" of "${type.name}" is listed by families only`)
    const family = this.#coldFamily(type, first)
    return family && this.#listFamily(family, type, { ...options, index: index.name })
  }

  #listFamily(
    family: ThawedFamily,
    type: DeclaredType,
    options: ListRowsOptions & { readonly index: string },
  ): readonly Row<unknown>[] {
    const { number, keyOf } = this.#index(type, options.index)
    const { low, lowIncluded, high } = this.#bounds(type, options.index, options)
    const found: { readonly key: Buffer; readonly row: Row<unknown> }[] = []
    for (const { type: name, id, body: text, changedAt } of family.rows) {
      if (name !== type.name) continue
      const body: unknown = JSON.parse(text)
      const values = keyOf(body)
      if (values === undefined) continue
      const key = encodeIndexKey(number, values, id)
      const isAfterLow = Buffer.compare(key, low) >= (lowIncluded ? 0 : 1)
      if (isAfterLow && Buffer.compare(key, high) < 0) found.push({ key, row: { id, body, changedAt } })
    }
    found.sort((a, b) => Buffer.compare(a.key, b.key) * (options.descending ? -1 : 1))
    return found.slice(0, options.limit).map(({ row }) => row)
  }

  /** The family to which a row of this id belongs, when it is cold. */
  coldFamilyOf(type: DeclaredType, id: string): ColdFamily | undefined {
    return type.isInFamily ? this.entries.cold(familyIdOf(id)) : undefined
  }

  #coldFamily(type: DeclaredType, id: string): ThawedFamily | undefined {
    const cold = this.coldFamilyOf(type, id)
    return cold && this.#thawed.get(cold)
  }

  #index(type: DeclaredType, name: string): DeclaredIndex {
    const index = type.indexes.find((candidate) => candidate.name === name)
    invariant(index, `index "${name}" of row type "${type.name}" is not declared`)
    return index
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
      ORDER BY id ${descending ? 'DESC' : 'ASC'} LIMIT +?`
    return this.#statements.of(sql).all(...values, limit)
  }

  #listByIndex(type: DeclaredType, options: ListRowsOptions, index: string, limit: number): unknown[] {
    const { low, lowIncluded, high } = this.#bounds(type, index, options)
    const sql = `SELECT r.id, r.body, r.changed_at FROM index_entry e CROSS JOIN stored_row r ON r.number = e.row
      WHERE e.key ${lowIncluded ? '>=' : '>'} ? AND e.key < ? ORDER BY e.key ${options.descending ? 'DESC' : 'ASC'} LIMIT +?`
    return this.#statements.of(sql).all(low, high, limit)
  }

  #bounds(
    type: DeclaredType,
    name: string,
    { prefix = [], after, descending }: Pick<ListRowsOptions, 'prefix' | 'after' | 'descending'>,
  ): Bound {
    const index = this.#index(type, name)
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

function rowOf({ id, body, changed_at }: StoredRow): Row<unknown> {
  return { id, body: JSON.parse(body) as unknown, changedAt: changed_at }
}

/**
 * Prepared statements by their text; texts are few, values are bound. A bound limit is written `LIMIT +?`: SQLite compiles a
 * statement anew whenever the value of a plain `LIMIT ?` is bound (sqlite3ExprIsInteger), which takes as long as many rows.
 */
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

  /** One whose rows are arrays of their values, which are made sooner than objects; no text is used with both. */
  arraysOf(sql: string): StatementSync {
    const isNew = !this.#prepared.has(sql)
    const statement = this.of(sql)
    if (isNew) statement.setReturnArrays(true)
    return statement
  }
}

/** What `view` hands out: usable until `close`, so that a closure cannot keep it. */
export class RowsReader<S extends Schema> implements ViewTransaction<S> {
  /** What was missing, even if the closure has swallowed it. */
  cold: ColdRows | undefined
  readonly #rows: Rows
  #isOpen = true

  constructor(rows: Rows) {
    this.#rows = rows
  }

  get<T extends keyof S & string>(type: T, id: string): S[T] | undefined {
    this.checkOpen()
    const body = this.noticing(() => this.#rows.bodyOf(type, id))
    return body === undefined ? undefined : (JSON.parse(body) as S[T]) // what `put` was given for this type
  }

  list<T extends keyof S & string>(type: T, options: ListRowsOptions = {}): readonly Row<S[T]>[] {
    this.checkOpen()
    return this.noticing(() => this.#rows.list(type, options)) as readonly Row<S[T]>[] // as in get
  }

  listAtHand<T extends keyof S & string>(type: T, ids: readonly string[]): readonly Row<S[T]>[] {
    this.checkOpen()
    return this.#rows.listAtHand(type, ids) as readonly Row<S[T]>[] // as in get
  }

  count<T extends keyof S & string>(type: T, options: Pick<ListRowsOptions, 'index' | 'prefix'> = {}): number {
    this.checkOpen()
    return this.noticing(() => this.#rows.count(type, options))
  }

  entries(query: FamilyQuery): readonly FamilyRow[] {
    this.checkOpen()
    return this.#rows.entries.list(query)
  }

  entry(id: string): FamilyRow | undefined {
    this.checkOpen()
    return this.#rows.entries.get(id)
  }

  removableEntries(before: number, limit: number): readonly FamilyRow[] {
    this.checkOpen()
    return this.#rows.entries.removable(before, limit)
  }

  repeatingEntries(id: string): readonly FamilyRow[] {
    this.checkOpen()
    return this.#rows.entries.repeating(id)
  }

  close(): void {
    this.#isOpen = false
  }

  protected noticing<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      throw this.noticed(error)
    }
  }

  protected noticed(error: unknown): unknown {
    if (error instanceof ColdRows) this.cold ??= error
    return error
  }

  protected checkOpen(): void {
    invariant(this.#isOpen, 'a transaction was used after its closure returned')
  }
}
