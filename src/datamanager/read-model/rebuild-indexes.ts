// Index entries and entries of families that do not fit what the program declares, made anew when the file is opened.

import type { DatabaseSync } from 'node:sqlite'
import type { Entries } from '../cold/entries.ts'
import { type Catalog, type DeclaredIndex, type DeclaredType, deleteEntries } from './catalog.ts'
import { encodeIndexKey } from './index-key.ts'
import { prepareEntry } from './prepare-entry.ts'

/** Rows per index that are compared with the index function at open, to notice that something it calls has changed. */
const indexSampleRows = 32

type IndexedRow = { readonly number: number; readonly id: string; readonly body: string }

/** In the open transaction: the indexes that were declared otherwise before, and those whose newest rows have other keys now. */
export function rebuildIndexes(connection: DatabaseSync, catalog: Catalog): void {
  for (const { type, index } of [...catalog.changed, ...staleIndexes(connection, catalog)])
    rebuild(connection, type, index)
}

/** Entries of the families that are here; those that are cold keep what the version before said of them. */
export function rebuildEntries(connection: DatabaseSync, { head }: Catalog, entries: Entries): void {
  if (!head?.family) return
  const heads = connection.prepare('SELECT id, body FROM stored_row WHERE type = ?')
  for (const { id, body } of heads.all(head.number)) {
    const { entry, isFinal } = prepareEntry(head.family, String(id), String(body))
    entries.put(String(id), entry, isFinal)
  }
}

function rebuild(connection: DatabaseSync, type: DeclaredType, index: DeclaredIndex): void {
  deleteEntries(connection, index.number)
  const insert = connection.prepare('INSERT INTO index_entry (key, row) VALUES (?, ?)')
  const rows = connection.prepare('SELECT number, id, body FROM stored_row WHERE type = ?')
  for (const row of rows.iterate(type.number) as Iterable<IndexedRow>) {
    const key = index.keyOf(JSON.parse(row.body))
    if (key !== undefined) insert.run(encodeIndexKey(index.number, key, row.id), row.number)
  }
}

/** Indexes whose function has the same text as before but gives other keys for the newest rows. */
function staleIndexes(connection: DatabaseSync, catalog: Catalog): { type: DeclaredType; index: DeclaredIndex }[] {
  const stale: { type: DeclaredType; index: DeclaredIndex }[] = []
  const newest = connection.prepare('SELECT number, id, body FROM stored_row WHERE type = ? ORDER BY id DESC LIMIT +?')
  const entry = connection.prepare('SELECT row FROM index_entry WHERE key = ?')
  for (const type of catalog.types.values()) {
    const rows = newest.all(type.number, indexSampleRows) as IndexedRow[]
    for (const index of type.indexes) {
      const isStale = rows.some((row) => {
        const key = index.keyOf(JSON.parse(row.body))
        return key !== undefined && entry.get(encodeIndexKey(index.number, key, row.id))?.row !== row.number
      })
      if (isStale) stale.push({ type, index })
    }
  }
  return stale
}
