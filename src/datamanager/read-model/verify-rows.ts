// Reads all rows of one file and compares them with their hashes, their index entries and, where it is there, the whole log.

import type { DatabaseSync } from 'node:sqlite'
import type { Entries } from '../cold/entries.ts'
import type { Position } from '../database.ts'
import { entriesOf, newState } from './batch.ts'
import type { Catalog } from './catalog.ts'
import { encodeSum, hashNumber, moveSum, rowHash } from './content-hash.ts'
import type { Rows } from './rows.ts'

/** The parts of a read model, no record of which is deferred. */
export type RowsToVerify = {
  readonly connection: DatabaseSync
  readonly catalog: Catalog
  readonly rows: Rows
  readonly entries: Entries
  readonly contentHash: string
  readonly position: Position
}

export type RowsReport = { readonly rows: number; readonly problems: string[] }

type StoredRow = {
  readonly number: number
  readonly type: string
  readonly id: string
  readonly body: string
  readonly hash: Uint8Array
  readonly changed_at: number
}

/** The problems found in rows, indexes and content hash; empty when all is well. Reads everything. */
export function verifyRows({ connection, catalog, entries, contentHash, position }: RowsToVerify): RowsReport {
  const problems: string[] = []
  for (const row of connection.prepare('PRAGMA integrity_check(10)').all())
    if (row.integrity_check !== 'ok') problems.push(`SQLite: ${String(row.integrity_check)}`)
  let rows = 0
  let sum = 0n
  let indexed = 0
  const entryAt = connection.prepare('SELECT row FROM index_entry WHERE key = ?')
  const select = `SELECT r.number, t.name AS type, r.id, r.body, r.hash, r.changed_at FROM stored_row r JOIN stored_type t ON t.number = r.type`
  for (const stored of connection.prepare(select).iterate()) {
    const row = stored as StoredRow
    const name = `row ${row.type} ${row.id}`
    rows++
    const hash = rowHash(row.type, row.id, row.body)
    sum = moveSum(sum, hash, undefined)
    if (Buffer.compare(hash, row.hash) !== 0) problems.push(`${name} does not fit its hash`)
    if (row.changed_at > position) problems.push(`${name} was changed at ${row.changed_at}, after the newest record`)
    const type = catalog.types.get(row.type)
    for (const key of type ? entriesOf(type, row.id, newState(row.body)) : []) {
      if (!key) continue
      indexed++
      if (entryAt.get(key)?.row !== row.number) problems.push(`${name} is not where an index should have it`)
    }
  }
  for (const { sum: ofFamily, rows: count } of entries.coldFamilies()) {
    sum = moveSum(sum, ofFamily, undefined)
    rows += count
  }
  const state = connection.prepare('SELECT content_hash FROM state').get()
  if (state?.content_hash !== contentHash) problems.push('the stored content hash is not the one in use')
  if (encodeSum(sum) !== contentHash) problems.push(`the content hash is ${contentHash}, not ${encodeSum(sum)}`)
  const stored = Number(connection.prepare('SELECT count(*) AS n FROM index_entry').get()?.n)
  if (stored !== indexed) problems.push(`there are ${stored} index entries, not ${indexed}`)
  return { rows, problems }
}

/**
 * The rows that differ from `expected`, which has the JSON text of each by its type and id with a zero byte between. Rows
 * with which the generation began (those of an import) are in no record and not compared.
 */
export function compareRows(
  { connection, catalog, rows: found, entries }: RowsToVerify,
  expected: ReadonlyMap<string, string>,
): string[] {
  const problems: string[] = []
  let rows = 0
  const select =
    'SELECT t.name AS type, r.id, r.body FROM stored_row r JOIN stored_type t ON t.number = r.type WHERE r.changed_at > 0'
  for (const stored of connection.prepare(select).iterate()) {
    const row = stored as { type: string; id: string; body: string }
    rows++
    if (expected.get(`${row.type}\0${row.id}`) !== row.body)
      problems.push(`row ${row.type} ${row.id} is not what the log says`)
  }
  const sums = new Map<string, bigint>()
  for (const [key, body] of expected) {
    const [typeName = '', id = ''] = key.split('\0')
    const type = catalog.types.get(typeName)
    const cold = type && found.coldFamilyOf(type, id)
    if (cold) sums.set(cold.id, moveSum(sums.get(cold.id) ?? 0n, rowHash(typeName, id, body), undefined))
  }
  for (const { id, sum, rows: count } of entries.coldFamilies()) {
    rows += count
    if (sums.get(id) !== hashNumber(sum)) problems.push(`the rows of family ${id} are not what the log says`)
  }
  if (rows !== expected.size) problems.push(`there are ${rows} rows, the log says ${expected.size}`)
  return problems
}
