// What is known of every family without its rows: a small row of numbers for each, found by id and listed by path, state,
// number and time in the order that the service has given them. About 200 bytes, whatever the family has in it.
//
// A path is a number, and each family stands in lists of its path and of those above it (entry-lists.ts).

import type { DatabaseSync } from 'node:sqlite'
import type { FamilyEntry, FamilyQuery, FamilyRow } from '../database.ts'
import { Statements } from '../read-model/rows.ts'
import { below, byNumber, exactly, findPath, listEntries, plainPath, spanOrders } from './entry-lists.ts'
import type { RowSpan } from './family-file.ts'
import { decodeId, encodeId, entryColumns, entryJoins, familyRowOf, isUuid, type StoredEntry } from './stored-entry.ts'

const insertFamily = `INSERT INTO family (ord, path, state, counter, label, created_at, started_at, ended_at, removable_since,
  repeats, is_final, id, file, block, start, length, rows, sum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
const selectEntry = `SELECT ${entryColumns} FROM family f ${entryJoins}`
const selectById = `${selectEntry} WHERE f.id = ?`
const notCold = [null, null, null, null, null, null]

/** Where a family stands: its path's lists by state and order, one of them by number too. */
const placesOf = (family: string) => `
  SELECT l.list, CASE l.is_by_number WHEN 1 THEN ${byNumber} ELSE f.state END,
    CASE l.is_by_number WHEN 1 THEN f.counter ELSE f.ord END, f.number
  FROM ${family} f JOIN family_path_list l ON l.path = f.path`

type Id = Uint8Array | string
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
    const found = this.#statements.arraysOf(selectById).get(encodeId(id)) as StoredEntry | undefined
    return found && familyRowOf(found)
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
      .of('SELECT number FROM family WHERE number > ? ORDER BY number LIMIT 1 OFFSET +?')
      .get(after, count)?.number as number | undefined
    const found = this.#statements
      .of('SELECT * FROM family WHERE number > ? AND number <= ? AND file = ?')
      .all(after, end ?? Number.MAX_SAFE_INTEGER, file) as StoredFamily[]
    return { families: found.map(coldOf), end }
  }

  /** Families that are not cold and may become so, at most `limit`. */
  finalIds(limit: number): string[] {
    const found = this.#statements
      .of('SELECT id FROM family WHERE is_final = 1 AND file IS NULL AND typeof(id) = ? LIMIT +?')
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
    return listEntries(this.#statements, query)
  }

  removable(before: number, limit: number): readonly FamilyRow[] {
    const sql = `${selectEntry} WHERE f.removable_since IS NOT NULL AND f.removable_since < ? ORDER BY f.removable_since LIMIT +?`
    return (this.#statements.arraysOf(sql).all(before, limit) as unknown as StoredEntry[]).map(familyRowOf)
  }

  repeating(id: string): readonly FamilyRow[] {
    const sql = `${selectEntry} WHERE f.repeats IS NOT NULL AND f.repeats = ? ORDER BY f.ord`
    return (this.#statements.arraysOf(sql).all(encodeId(id)) as unknown as StoredEntry[]).map(familyRowOf)
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

  /** With the lists in which families of this path stand. */
  #internPath(text: string): number {
    const path = plainPath(text)
    const found = this.#interned?.paths.get(path) ?? findPath(this.#statements, path)
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
