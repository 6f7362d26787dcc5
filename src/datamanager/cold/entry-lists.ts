// Pages of families by path, state, time and number. Each family stands in one list for its own path ("exact") and one for each
// path above it ("below"), told apart by state and in its order, so that a page of any query is the merging of the heads of a
// few lists: one statement, which reads as many rows of each as the page has.

import { invariant } from '../../lib/errors.ts'
import type { FamilyQuery, FamilyRow } from '../database.ts'
import type { Statements } from '../read-model/rows.ts'
import { entryColumns, entryJoins, familyRowOf, type StoredEntry } from './stored-entry.ts'

/** Not a state: the list of a path's first two elements by number. */
export const byNumber = -1
/** So many orders share a row of their earliest and latest time. */
export const spanOrders = 1024
/** Families that are read at once when a page has not enough of them after those are left out that its time does not cover. */
const chunkMax = 1024

/** List of the families that have this path, and of those below it. */
export const exactly = (path: number) => path * 2
export const below = (path: number) => path * 2 + 1

export const plainPath = (path: string) => path.replace(/\/+$/, '')

type Place = { readonly order: number; readonly number: number }
/** Both inclusive. */
type Span = { readonly first: number; readonly last: number }
/** Families of one list that have one state. */
type Stream = readonly [list: number, state: number]

const selectByNumber = `SELECT f.path, f.number, ${entryColumns} FROM family_order o JOIN family f ON f.number = o.number ${entryJoins}
  WHERE o.list = ? AND o.state = ${byNumber} AND o.ord = ? ORDER BY f.ord`
/** One look-up for each pair of a list and a state there is. */
const selectStreams = `WITH RECURSIVE
  asked (list) AS (SELECT ? UNION SELECT ?),
  found (list, state) AS (
    SELECT list, (SELECT min(state) FROM family_order o WHERE o.list = asked.list AND o.state > ${byNumber}) FROM asked
    UNION ALL
    SELECT list, (SELECT min(state) FROM family_order o WHERE o.list = found.list AND o.state > found.state)
      FROM found WHERE state IS NOT NULL)
  SELECT list, state FROM found WHERE state IS NOT NULL`

export function listEntries(statements: Statements, query: FamilyQuery): readonly FamilyRow[] {
  const path = findPath(statements, query.path ?? '')
  const span = path === undefined ? undefined : spanOf(statements, query)
  if (path === undefined || span === undefined) return []
  return query.number === undefined ? inOrder(statements, query, { path, span }) : withNumber(statements, query, path)
}

export function findPath(statements: Statements, path: string): number | undefined {
  const found = statements.of('SELECT number FROM family_path WHERE path = ?').get(plainPath(path))
  return found && Number(found.number)
}

function inOrder(
  statements: Statements,
  query: FamilyQuery,
  { path, span }: { readonly path: number; readonly span: Span },
): readonly FamilyRow[] {
  const { limit, descending = false } = query
  const streams = streamsOf(statements, query, path)
  if (streams.length === 0) return []
  const select = statements.arraysOf(selectMerged(streams.length, descending))
  const found: FamilyRow[] = []
  let at: Place = descending ? { order: span.last, number: Number.MAX_SAFE_INTEGER } : { order: span.first, number: 0 }
  for (let most = Math.max(limit, 1); ; most = Math.min(most * 2, chunkMax)) {
    const bounds = [at.order, at.number, descending ? span.first : span.last, most]
    const values = streams.flatMap((stream) => [...stream, ...bounds])
    const chunk = select.all(...values, most) as unknown as (readonly [number: number, ...StoredEntry])[]
    for (const [number, ...stored] of chunk) {
      const row = familyRowOf(stored)
      at = { order: row.order, number }
      if (!isWanted(row, query)) continue
      found.push(row)
      if (found.length >= limit) return found
    }
    if (chunk.length < most) return found
  }
}

function withNumber(statements: Statements, query: FamilyQuery, pathNumber: number): readonly FamilyRow[] {
  const { path = '', isSubtree, number = 0, states, descending } = query
  const elements = path.split('/')
  invariant(elements.length >= 3, 'a family is found by its number below a path of two elements')
  const scope = findPath(statements, elements.slice(0, 3).join('/'))
  const found = statements
    .arraysOf(`${selectByNumber} ${descending ? 'DESC' : ''}`)
    .all(exactly(scope ?? 0), number) as unknown as (readonly [path: number, number: number, ...StoredEntry])[]
  return found
    .filter(([ofPath]) => ofPath === pathNumber || (isSubtree === true && isBelow(statements, ofPath, pathNumber)))
    .map(([, , ...stored]) => familyRowOf(stored))
    .filter((row) => isWanted(row, query) && (states?.includes(row.state) ?? true))
    .slice(0, query.limit)
}

function isWanted({ createdAt }: FamilyRow, { from, before }: FamilyQuery): boolean {
  return (from === undefined || createdAt >= from) && (before === undefined || createdAt < before)
}

function isBelow(statements: Statements, path: number, above: number): boolean {
  return (
    statements.of('SELECT 1 FROM family_path_list WHERE path = ? AND list = ?').get(path, below(above)) !== undefined
  )
}

/** Those of the query that have families. */
function streamsOf(
  statements: Statements,
  { path: asked, isSubtree, states }: FamilyQuery,
  path: number,
): readonly Stream[] {
  const isAll = asked === undefined || isSubtree === true
  const found = statements.arraysOf(selectStreams).all(exactly(path), isAll ? below(path) : exactly(path))
  return (found as unknown as Stream[]).filter(([, state]) => states?.includes(state) ?? true)
}

/** Entries with their family's number, from `streams` many: of each list, state, order and number after which, last order, limit; then the limit. */
function selectMerged(streams: number, isDescending: boolean): string {
  const [after, upTo, direction] = isDescending ? ['<', '>=', 'DESC'] : ['>', '<=', 'ASC']
  const stream = `SELECT * FROM (SELECT ord, number FROM family_order
    WHERE list = ? AND state = ? AND (ord, number) ${after} (?, ?) AND ord ${upTo} ?
    ORDER BY ord ${direction}, number ${direction} LIMIT +?)`
  const page = `SELECT ord, number FROM (${Array(streams).fill(stream).join(' UNION ALL ')})
    ORDER BY ord ${direction}, number ${direction} LIMIT +?`
  return `SELECT f.number, ${entryColumns} FROM (${page}) o CROSS JOIN family f ON f.number = o.number ${entryJoins}
    ORDER BY o.ord ${direction}, o.number ${direction}`
}

/** The orders in which families of this query can be; undefined for none. */
function spanOf(statements: Statements, { from, before, after, descending }: FamilyQuery): Span | undefined {
  let first = after !== undefined && !descending ? after + 1 : Number.MIN_SAFE_INTEGER
  let last = after !== undefined && descending ? after - 1 : Number.MAX_SAFE_INTEGER
  if (from !== undefined || before !== undefined) {
    // Times mostly follow the orders, but clocks differ: whole spans are left out, not single families.
    const found = statements
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
