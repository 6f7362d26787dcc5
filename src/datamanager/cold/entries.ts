// What is known of every family without its rows: a small row of numbers for each, found by id and listed by path, state,
// number and time in the order that the service has given them. About 200 bytes, whatever the family has in it.
//
// A path is a number, and each family stands in one list for its own path ("exact") and one for each path above it
// ("below"), told apart by state, so that a page of any query is found by merging a few lists and not by searching one.

import type { DatabaseSync } from 'node:sqlite'
import { invariant } from '../../lib/errors.ts'
import type { FamilyEntry, FamilyQuery, FamilyRow } from '../database.ts'
import { Statements } from '../read-model/rows.ts'
import type { RowSpan } from './family-file.ts'

/** Not a state: the list of a path's first two elements by number. */
const byNumber = -1
/** So many orders share a row of their earliest and latest time. */
const spanOrders = 1024
/** Rows of a list that are read at once: a page's worth, then more. */
const firstChunk = 32
const chunkMax = 1024
const insertFamily = `INSERT INTO family (ord, path, state, counter, label, created_at, started_at, ended_at, removable_since,
  repeats, is_final, id, file, block, start, length, rows, sum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
const selectEntry = `SELECT f.id, f.ord, p.path AS path_text, l.label AS label_text, f.state, f.counter, f.created_at,
  f.started_at, f.ended_at, f.removable_since, f.repeats FROM family f
  CROSS JOIN family_path p ON p.number = f.path CROSS JOIN family_label l ON l.number = f.label`
const notCold = [null, null, null, null, null, null]

/** Where a family stands: its path's lists by state and order, one of them by number too. */
const placesOf = (family: string) => `
  SELECT l.list, CASE l.is_by_number WHEN 1 THEN ${byNumber} ELSE f.state END,
    CASE l.is_by_number WHEN 1 THEN f.counter ELSE f.ord END, f.number
  FROM ${family} f JOIN family_path_list l ON l.path = f.path`

type Id = Uint8Array | string
type Place = { readonly ord: number; readonly number: number }
/** Both inclusive. */
type Span = { readonly first: number; readonly last: number }
/** What a FamilyRow is made of. */
type StoredEntry = {
  id: Id
  ord: number
  path_text: string
  label_text: string
  state: number
  counter: number
  created_at: number
  started_at: number | null
  ended_at: number | null
  removable_since: number | null
  repeats: Id | null
}
type StoredFamily = {
  number: number
  id: Id
  ord: number
  path: number
  state: number
  counter: number
  label: number
  created_at: number
  started_at: number | null
  ended_at: number | null
  removable_since: number | null
  repeats: Id | null
  is_final: number
  file: number | null
  block: number | null
  start: number | null
  length: number | null
  rows: number | null
  sum: Uint8Array | null
}

/** Where the rows of a cold family are. */
export type ColdFamily = RowSpan & {
  readonly id: string
  /** Never given to other content. */
  readonly key: string
  readonly number: number
  readonly file: number
}

export type ColdFile = { readonly number: number; readonly name: string; readonly blocks: Uint8Array }

export class Entries {
  readonly #statements: Statements
  /** Numbers of paths and labels, only while many families are restored: what is rolled back would stay in here. */
  #interned: { readonly paths: Map<string, number>; readonly labels: Map<string, number> } | undefined

  readonly #knowledge: { mayBeCold: boolean }

  /** `knowledge` is shared by all that look into one file; while nothing may be cold, nothing is looked up for it. */
  constructor(db: DatabaseSync, knowledge = { mayBeCold: true }) {
    this.#statements = new Statements(db)
    this.#knowledge = knowledge
  }

  get(id: string): FamilyRow | undefined {
    const found = this.#statements.of(`${selectEntry} WHERE f.id = ?`).get(encodeId(id)) as StoredEntry | undefined
    return found && rowOf(found)
  }

  /** Undefined for a family that is not there, or not cold. */
  cold(id: string): ColdFamily | undefined {
    if (!this.#knowledge.mayBeCold || !isUuid(id)) return undefined
    const found = this.#find(id)
    return found?.file == null ? undefined : coldOf(found)
  }

  /** Whether no family at all is cold. */
  get hasNoneCold(): boolean {
    if (!this.#knowledge.mayBeCold) return true
    return this.#statements.of('SELECT 1 FROM cold_file WHERE families > 0 LIMIT 1').get() === undefined
  }

  get coldCount(): number {
    return Number(this.#statements.of('SELECT total(families) AS n FROM cold_file').get()?.n)
  }

  *coldFamilies(): Generator<ColdFamily> {
    for (const found of this.#statements.of('SELECT * FROM family WHERE file IS NOT NULL').iterate())
      yield coldOf(found as StoredFamily)
  }

  /** Cold families of a file among `count` families after number `after`; `end` is undefined when there are no more. */
  coldOfFile(
    file: number,
    after: number,
    count: number,
  ): { readonly families: readonly ColdFamily[]; readonly end: number | undefined } {
    const end = this.#statements
      .of('SELECT number FROM family WHERE number > ? ORDER BY number LIMIT 1 OFFSET ?')
      .get(after, count)?.number as number | undefined
    const found = this.#statements
      .of('SELECT * FROM family WHERE number > ? AND number <= ? AND file = ?')
      .all(after, end ?? Number.MAX_SAFE_INTEGER, file) as StoredFamily[]
    return { families: found.map(coldOf), end }
  }

  /** Families that are not cold and may become so, at most `limit`. */
  finalIds(limit: number): string[] {
    const found = this.#statements
      .of('SELECT id FROM family WHERE is_final = 1 AND file IS NULL AND typeof(id) = ? LIMIT ?')
      .all('blob', limit)
    return found.map(({ id }) => decodeId(id as Id))
  }

  file(number: number): ColdFile | undefined {
    return this.#statements.of('SELECT number, name, blocks FROM cold_file WHERE number = ?').get(number) as
      | ColdFile
      | undefined
  }

  files(): (ColdFile & { readonly families: number })[] {
    return this.#statements.of('SELECT number, name, blocks, families FROM cold_file').all() as (ColdFile & {
      families: number
    })[]
  }

  list(query: FamilyQuery): readonly FamilyRow[] {
    const path = this.#findPath(query.path ?? '')
    if (path === undefined) return []
    const { limit, from = 0, before = Number.POSITIVE_INFINITY } = query
    const span = this.#span(query)
    if (!span) return []
    const isWanted = (entry: StoredEntry) => entry.created_at >= from && entry.created_at < before
    const select = this.#statements.of(`${selectEntry} WHERE f.number = ?`)
    const found: FamilyRow[] = []
    for (const number of query.number === undefined ? this.#numbers(query, path, span) : this.#byNumber(query, path)) {
      if (found.length >= limit) break
      const stored = select.get(number) as StoredEntry
      if (isWanted(stored)) found.push(rowOf(stored))
    }
    return found
  }

  removable(before: number, limit: number): readonly FamilyRow[] {
    const sql = `${selectEntry} WHERE f.removable_since IS NOT NULL AND f.removable_since < ? ORDER BY f.removable_since LIMIT ?`
    return (this.#statements.of(sql).all(before, limit) as StoredEntry[]).map(rowOf)
  }

  repeating(id: string): readonly FamilyRow[] {
    const sql = `${selectEntry} WHERE f.repeats IS NOT NULL AND f.repeats = ? ORDER BY f.ord`
    return (this.#statements.of(sql).all(encodeId(id)) as StoredEntry[]).map(rowOf)
  }

  /** Of a head that was written. Its family must not be cold. */
  put(id: string, entry: FamilyEntry, isFinal: boolean): void {
    const found = this.#find(id)
    const values = [...this.#valuesOf(entry), isFinal ? 1 : 0]
    if (!found) {
      const { lastInsertRowid } = this.#statements.of(insertFamily).run(...values, encodeId(id), ...notCold)
      this.#addToLists(Number(lastInsertRowid))
      this.#stretchTime(entry)
      return
    }
    const [ord, path, state, counter] = values
    const isMoved = found.path !== path || found.state !== state || found.ord !== ord || found.counter !== counter
    if (isMoved) this.#removeFromLists(found.number)
    this.#statements
      .of(`UPDATE family SET ord = ?, path = ?, state = ?, counter = ?, label = ?, created_at = ?, started_at = ?,
        ended_at = ?, removable_since = ?, repeats = ?, is_final = ? WHERE number = ?`)
      .run(...values, found.number)
    if (isMoved) this.#addToLists(found.number)
    if (isMoved || found.created_at !== entry.createdAt) this.#stretchTime(entry)
  }

  /** Its family must not be cold. */
  remove(id: string): void {
    const found = this.#find(id)
    if (!found) return
    this.#removeFromLists(found.number)
    this.#statements.of('DELETE FROM family WHERE number = ?').run(found.number)
  }

  /** A data file of a snapshot, to which `makeCold` refers. `blocks` as decodeFamilyIndex gives them. */
  addFile(name: string, blocks: Uint8Array): number {
    this.#knowledge.mayBeCold = true
    const { lastInsertRowid } = this.#statements
      .of('INSERT INTO cold_file (name, blocks, families) VALUES (?, ?, 0)')
      .run(name, blocks)
    return Number(lastInsertRowid)
  }

  /** Files in which no family is. */
  removeUnusedFiles(): void {
    this.#statements.of('DELETE FROM cold_file WHERE families = 0').run()
  }

  /** The rows of the family are at this place from now on, and not here. */
  makeCold(id: string, file: number, { block, start, length, rows, sum }: RowSpan): void {
    const found = this.#find(id)
    if (found?.file != null) this.#count(found.file, -1)
    this.#statements
      .of('UPDATE family SET file = ?, block = ?, start = ?, length = ?, rows = ?, sum = ? WHERE id = ?')
      .run(file, block, start, length, rows, sum, encodeId(id))
    this.#count(file, 1)
  }

  /** The family does not become cold, whatever its head says, until that is written again. */
  keepWarm(id: string): void {
    this.#statements.of('UPDATE family SET is_final = 0 WHERE id = ?').run(encodeId(id))
  }

  /** The rows of the family are here from now on. */
  makeWarm({ number, file }: ColdFamily): void {
    this.#statements
      .of(`UPDATE family SET file = NULL, block = NULL, start = NULL, length = NULL, rows = NULL, sum = NULL
        WHERE number = ?`)
      .run(number)
    this.#count(file, -1)
  }

  /** Cold families of a file that nothing is known of yet. The lists are only right after `finishRestore`. */
  restore(file: number, families: readonly (RowSpan & { readonly id: string; readonly entry: FamilyEntry })[]): void {
    this.#interned ??= { paths: new Map(), labels: new Map() }
    const insert = this.#statements.of(insertFamily)
    for (const { id, entry, block, start, length, rows, sum } of families)
      insert.run(...this.#valuesOf(entry), 1, encodeId(id), file, block, start, length, rows, sum)
    this.#count(file, families.length)
  }

  /** Makes the lists of all families, each in its order, which is several times faster than one family after the other. */
  finishRestore(): void {
    this.#statements.of(`INSERT OR IGNORE INTO family_order ${placesOf('family')} ORDER BY 1, 2, 3, 4`).run()
    this.#statements
      .of(`INSERT OR REPLACE INTO family_time SELECT ord / ${spanOrders}, min(created_at), max(created_at)
        FROM family GROUP BY ord / ${spanOrders}`)
      .run()
    this.#interned = undefined
  }

  #find(id: string): StoredFamily | undefined {
    return this.#statements.of('SELECT * FROM family WHERE id = ?').get(encodeId(id)) as StoredFamily | undefined
  }

  /** Numbers of families in their order, read as far as they are asked for. */
  #numbers(query: FamilyQuery, path: number, span: Span): Generator<number> {
    const isAll = query.path === undefined || query.isSubtree === true
    const lists = isAll ? [exactly(path), below(path)] : [exactly(path)]
    const isDescending = query.descending === true
    const streams = lists.flatMap((list) =>
      (query.states ?? this.#statesOf(list)).map((state) => this.#ordered(list, state, isDescending, span)),
    )
    return merged(streams, isDescending)
  }

  *#byNumber({ path = '', isSubtree, number, states, descending }: FamilyQuery, pathNumber: number): Generator<number> {
    const scope = this.#findPath(path.split('/').slice(0, 3).join('/'))
    invariant(path.split('/').length >= 3, 'a family is found by its number below a path of two elements')
    const found = this.#statements
      .of(`SELECT f.number, f.path, f.state FROM family_order o JOIN family f ON f.number = o.number
        WHERE o.list = ? AND o.state = ${byNumber} AND o.ord = ? ORDER BY f.ord ${descending ? 'DESC' : ''}`)
      .all(exactly(scope ?? 0), number ?? 0) as StoredFamily[]
    for (const family of found) {
      const isIn = family.path === pathNumber || (isSubtree === true && this.#isBelow(family.path, pathNumber))
      if (isIn && (states === undefined || states.includes(family.state))) yield family.number
    }
  }

  #isBelow(path: number, above: number): boolean {
    const sql = 'SELECT 1 FROM family_path_list WHERE path = ? AND list = ?'
    return this.#statements.of(sql).get(path, below(above)) !== undefined
  }

  /** One look-up for each state there is. */
  #statesOf(list: number): number[] {
    const states: number[] = []
    const next = this.#statements.of('SELECT min(state) AS state FROM family_order WHERE list = ? AND state > ?')
    for (let state: unknown = byNumber; ; ) {
      state = next.get(list, state as number)?.state
      if (typeof state !== 'number') return states
      states.push(state)
    }
  }

  *#ordered(list: number, state: number, isDescending: boolean, { first, last }: Span): Generator<Place> {
    const select = this.#statements.of(
      `SELECT ord, number FROM family_order WHERE list = ? AND state = ? AND (ord, number) ${isDescending ? '<' : '>'} (?, ?)
        AND ord ${isDescending ? '>=' : '<='} ? ORDER BY ord ${isDescending ? 'DESC, number DESC' : ', number'} LIMIT ?`,
    )
    let at: Place = isDescending ? { ord: last, number: Number.MAX_SAFE_INTEGER } : { ord: first, number: 0 }
    for (let limit = firstChunk; ; limit = Math.min(limit * 2, chunkMax)) {
      const chunk = select.all(list, state, at.ord, at.number, isDescending ? first : last, limit) as Place[]
      yield* chunk
      at = chunk.at(-1) ?? at
      if (chunk.length < limit) return
    }
  }

  /** The orders in which families of this query can be; undefined for none. */
  #span({ from, before, after, descending }: FamilyQuery): Span | undefined {
    let first = after !== undefined && !descending ? after + 1 : Number.MIN_SAFE_INTEGER
    let last = after !== undefined && descending ? after - 1 : Number.MAX_SAFE_INTEGER
    if (from !== undefined || before !== undefined) {
      // Times mostly follow the orders, but clocks differ: whole spans are left out, not single families.
      const found = this.#statements
        .of('SELECT min(span) AS first, max(span) AS last FROM family_time WHERE latest >= ? AND earliest < ?')
        .get(from ?? Number.MIN_SAFE_INTEGER, before ?? Number.MAX_SAFE_INTEGER) as {
        first: number | null
        last: number
      }
      if (found.first === null) return undefined
      first = Math.max(first, found.first * spanOrders)
      last = Math.min(last, (found.last + 1) * spanOrders - 1)
    }
    return first <= last ? { first, last } : undefined
  }

  #addToLists(number: number): void {
    this.#statements.of(`INSERT INTO family_order ${placesOf('family')} WHERE f.number = ?`).run(number)
  }

  #removeFromLists(number: number): void {
    const sql = `DELETE FROM family_order WHERE (list, state, ord, number) IN (${placesOf('family')} WHERE f.number = ?)`
    this.#statements.of(sql).run(number)
  }

  /** Never shrinks: a span that says too much costs a few rows more. */
  #stretchTime({ order, createdAt }: FamilyEntry): void {
    this.#statements
      .of(`INSERT INTO family_time (span, earliest, latest) VALUES (?, ?, ?) ON CONFLICT (span) DO UPDATE
        SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)`)
      .run(Math.floor(order / spanOrders), createdAt, createdAt)
  }

  #count(file: number, change: number): void {
    this.#statements.of('UPDATE cold_file SET families = families + ? WHERE number = ?').run(change, file)
  }

  #valuesOf(entry: FamilyEntry): (number | Uint8Array | string | null)[] {
    return [
      entry.order,
      this.#internPath(entry.path),
      entry.state,
      entry.number,
      this.#internLabel(entry.label),
      entry.createdAt,
      entry.startedAt ?? null,
      entry.endedAt ?? null,
      entry.removableSince ?? null,
      entry.repeats === undefined ? null : encodeId(entry.repeats),
    ]
  }

  #findPath(path: string): number | undefined {
    const found = this.#statements.of('SELECT number FROM family_path WHERE path = ?').get(plainPath(path))
    return found && Number(found.number)
  }

  /** With the lists in which families of this path stand. */
  #internPath(text: string): number {
    const path = plainPath(text)
    const found = this.#interned?.paths.get(path) ?? this.#findPath(path)
    if (found !== undefined) {
      this.#interned?.paths.set(path, found)
      return found
    }
    const { lastInsertRowid } = this.#statements.of('INSERT INTO family_path (path) VALUES (?)').run(path)
    const number = Number(lastInsertRowid)
    const addList = this.#statements.of('INSERT INTO family_path_list (path, list, is_by_number) VALUES (?, ?, ?)')
    addList.run(number, exactly(number), 0)
    const elements = path.split('/')
    for (let length = 1; length < elements.length; length++)
      addList.run(number, below(this.#internPath(elements.slice(0, length).join('/'))), 0)
    if (elements.length === 3) addList.run(number, exactly(number), 1)
    if (elements.length > 3) addList.run(number, exactly(this.#internPath(elements.slice(0, 3).join('/'))), 1)
    return number
  }

  #internLabel(label: string): number {
    const found =
      this.#interned?.labels.get(label) ??
      this.#statements.of('SELECT number FROM family_label WHERE label = ?').get(label)?.number
    if (found !== undefined) {
      this.#interned?.labels.set(label, Number(found))
      return Number(found)
    }
    return Number(this.#statements.of('INSERT INTO family_label (label) VALUES (?)').run(label).lastInsertRowid)
  }
}

function rowOf(stored: StoredEntry): FamilyRow {
  const { started_at, ended_at, removable_since, repeats } = stored
  return {
    id: decodeId(stored.id),
    order: stored.ord,
    path: stored.path_text,
    state: stored.state,
    number: stored.counter,
    label: stored.label_text,
    createdAt: stored.created_at,
    ...(started_at === null ? {} : { startedAt: started_at }),
    ...(ended_at === null ? {} : { endedAt: ended_at }),
    ...(removable_since === null ? {} : { removableSince: removable_since }),
    ...(repeats === null ? {} : { repeats: decodeId(repeats) }),
  }
}

function* merged(streams: readonly Generator<Place>[], isDescending: boolean): Generator<number> {
  const heads = streams.map((stream) => stream.next())
  for (;;) {
    let best: number | undefined
    for (const [at, { value }] of heads.entries()) {
      if (!value) continue
      const other = best === undefined ? undefined : heads[best]!.value
      if (!other || (isDescending ? value.ord > other.ord : value.ord < other.ord)) best = at
    }
    if (best === undefined) return
    yield (heads[best]!.value as Place).number
    heads[best] = streams[best]!.next()
  }
}

/** List of the families that have this path, and of those below it. */
const exactly = (path: number) => path * 2
const below = (path: number) => path * 2 + 1

const plainPath = (path: string) => path.replace(/\/+$/, '')

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUuid(id: string): boolean {
  return id.length === 36 && uuidForm.test(id)
}

/** UUIDs as 16 bytes, others as they are. */
function encodeId(id: string): Uint8Array | string {
  return isUuid(id) ? Buffer.from(id.replaceAll('-', ''), 'hex') : id
}

function decodeId(id: Id): string {
  if (typeof id === 'string') return id
  const hex = Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Of a stored family whose `file` is not null; then none of the others is. */
function coldOf({ id, number, file, block, start, length, rows, sum }: StoredFamily): ColdFamily {
  return {
    id: decodeId(id),
    key: `${file}/${number}`,
    number,
    file: file!,
    block: block!,
    start: start!,
    length: length!,
    rows: rows!,
    sum: sum!,
  }
}
