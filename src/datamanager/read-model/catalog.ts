// Numbers that stand for names of types and indexes in the file, and the declared indexes of each type.

import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { invariant } from '../../lib/errors.ts'
import type { FamilyEntry, IndexKey, RowFamily, RowTypes } from '../database.ts'

export type DeclaredIndex = {
  readonly number: number
  readonly name: string
  /** What it says of rows of a cold family: all, none, or that there are none with a key. */
  readonly ofCold: 'found' | 'left out' | 'none'
  readonly keyOf: (body: unknown) => IndexKey | undefined
}
export type DeclaredType = {
  readonly number: number
  readonly name: string
  readonly indexes: readonly DeclaredIndex[]
  readonly isInFamily: boolean
  /** Of the type of heads. */
  readonly family?: DeclaredFamily
}
export type DeclaredFamily = {
  readonly isFinal: (head: unknown) => boolean
  readonly entry: (head: unknown) => FamilyEntry
}

export type Catalog = {
  readonly types: ReadonlyMap<string, DeclaredType>
  /** The type of heads, and all types of which families have rows, heads included; in their order. */
  readonly head: DeclaredType | undefined
  readonly familyTypes: readonly DeclaredType[]
  /** The declaration of the entries differs from the one the file was written with. */
  readonly isFamilyChanged: boolean
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
  const heads = Object.entries(types).filter(([, { family }]) => family)
  invariant(heads.length <= 1, 'more than one type of row has families')
  const [headName, { family = undefined } = {}] = heads[0] ?? []
  let isFamilyChanged = false
  for (const [name, { indexes = {}, familyIndexes = [], localIndexes = [] }] of Object.entries(types)) {
    const isInFamily = name === headName || family?.members.includes(name) === true
    const type = {
      number: internType(db, name),
      name,
      indexes: [] as DeclaredIndex[],
      isInFamily,
      ...(name === headName && family ? { family: declaredFamily(family) } : {}),
    }
    if (name === headName && family) {
      const fingerprint = hash('sha256', `${String(family.entry)} ${String(family.isFinal)}`)
      const stored = storedIndex(db, name, familyName)
      const number = stored?.number ?? addIndex(db, name, familyName, fingerprint)
      db.prepare('UPDATE stored_index SET fingerprint = ? WHERE number = ?').run(fingerprint, number)
      declared.add(number)
      isFamilyChanged = stored?.fingerprint !== fingerprint
    }
    for (const [indexName, keyOf] of Object.entries(indexes)) {
      const fingerprint = hash('sha256', String(keyOf))
      const stored = storedIndex(db, name, indexName)
      const number = stored?.number ?? addIndex(db, name, indexName, fingerprint)
      // The body of a row is what `put` was given for this type, so it is what the index function takes.
      const index: DeclaredIndex = {
        number,
        name: indexName,
        ofCold: familyIndexes.includes(indexName) ? 'found' : localIndexes.includes(indexName) ? 'left out' : 'none',
        keyOf: keyOf as (body: unknown) => IndexKey | undefined,
      }
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
  const head = headName === undefined ? undefined : catalog.get(headName)
  const familyTypes = [...catalog.values()].filter(({ isInFamily }) => isInFamily)
  familyTypes.sort((a, b) => compareUtf8(a.name, b.name))
  return { types: catalog, changed, head, familyTypes, isFamilyChanged }
}

/** Not the name of an index: under it the declaration of the entries is written down. */
const familyName = '$family'

/** The head is a row of the type, so it is what the functions take. */
function declaredFamily({ isFinal, entry }: RowFamily): DeclaredFamily {
  return { isFinal: isFinal as (head: unknown) => boolean, entry: entry as (head: unknown) => FamilyEntry }
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
