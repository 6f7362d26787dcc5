// Numbers that stand for names of types and indexes in the file, and the declared indexes of each type.

import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { IndexKey, RowTypes } from '../database.ts'

export type DeclaredIndex = {
  readonly number: number
  readonly name: string
  readonly keyOf: (body: unknown) => IndexKey | undefined
}
export type DeclaredType = {
  readonly number: number
  readonly name: string
  readonly indexes: readonly DeclaredIndex[]
}

export type Catalog = {
  readonly types: ReadonlyMap<string, DeclaredType>
  /** Indexes whose declaration differs from the one the file was written with: their entries are built anew. */
  readonly changed: readonly { readonly type: DeclaredType; readonly index: DeclaredIndex }[]
}

/**
 * Interns what `types` declares, in the open transaction, and forgets indexes no longer declared. Types the file has and
 * `types` has not stay as they are.
 */
export function loadCatalog(db: DatabaseSync, types: RowTypes): Catalog {
  const catalog = new Map<string, DeclaredType>()
  const changed: { type: DeclaredType; index: DeclaredIndex }[] = []
  const declared = new Set<number>()
  for (const [name, { indexes = {} }] of Object.entries(types)) {
    const type = { number: internType(db, name), name, indexes: [] as DeclaredIndex[] }
    for (const [indexName, keyOf] of Object.entries(indexes)) {
      const fingerprint = hash('sha256', String(keyOf))
      const stored = storedIndex(db, name, indexName)
      const number = stored?.number ?? addIndex(db, name, indexName, fingerprint)
      // The body of a row is what `put` was given for this type, so it is what the index function takes.
      const index: DeclaredIndex = { number, name: indexName, keyOf: keyOf as (body: unknown) => IndexKey | undefined }
      if (stored?.fingerprint !== fingerprint) {
        db.prepare('UPDATE stored_index SET fingerprint = ? WHERE number = ?').run(fingerprint, number)
        changed.push({ type, index })
      }
      declared.add(number)
      type.indexes.push(index)
    }
    catalog.set(name, type)
  }
  for (const { number } of db.prepare('SELECT number FROM stored_index').all() as { number: number }[]) {
    if (declared.has(number)) continue
    deleteEntries(db, number)
    db.prepare('DELETE FROM stored_index WHERE number = ?').run(number)
  }
  return { types: catalog, changed }
}

export function internType(db: DatabaseSync, name: string): number {
  db.prepare('INSERT OR IGNORE INTO stored_type (name) VALUES (?)').run(name)
  return Number(db.prepare('SELECT number FROM stored_type WHERE name = ?').get(name)?.number)
}

/** Removes all entries of one index. */
export function deleteEntries(db: DatabaseSync, index: number): void {
  const bound = (number: number) => Buffer.from([number >> 8, number & 0xff])
  db.prepare('DELETE FROM index_entry WHERE key >= ? AND key < ?').run(bound(index), bound(index + 1))
}

function storedIndex(db: DatabaseSync, type: string, name: string) {
  return db.prepare('SELECT number, fingerprint FROM stored_index WHERE type = ? AND name = ?').get(type, name) as
    | { number: number; fingerprint: string }
    | undefined
}

function addIndex(db: DatabaseSync, type: string, name: string, fingerprint: string): number {
  const insert = db.prepare('INSERT INTO stored_index (type, name, fingerprint) VALUES (?, ?, ?)')
  insert.run(type, name, `not ${fingerprint}`)
  return Number(storedIndex(db, type, name)?.number)
}
