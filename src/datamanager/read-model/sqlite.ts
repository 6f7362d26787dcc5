// Connections to the one SQLite file of a database, and its tables (docs/storage.md, "The file").

import { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../../lib/errors.ts'
import { familyTables } from '../cold/family-tables.ts'

/** "Slip": marks the file as one of ours. */
const applicationId = 0x536c6970
export const fileFormat = 3

/** How long a statement waits for a lock another connection of this process holds: only a checkpoint ever does. */
const busyTimeoutMs = 5000

/**
 * A checkpoint follows the commit after which the WAL has so many pages, about 16 MiB. Fewer checkpoints write the pages that
 * every commit changes less often; a WAL of this size is read in some 10 ms when a crash left it.
 */
export const checkpointPages = 4000
/** A WAL that one large transaction made larger is cut to this when SQLite starts it anew. */
const walBytesKept = 32 * 1024 * 1024

/** What `meta` says, or a record of the log after it that was committed with the rows: a commit writes one page less. */
const stateView = `
  CREATE VIEW state AS
    SELECT store, generation, coalesce(newest.position, meta.position) AS position, coalesce(newest.hash, meta.hash) AS hash,
      coalesce(newest.content_hash, meta.content_hash) AS content_hash
    FROM meta LEFT JOIN (SELECT * FROM log ORDER BY position DESC LIMIT 1) AS newest
      ON newest.position > meta.position AND newest.content_hash IS NOT NULL;
`

/** From each format to the next, the first from 1 to 2. */
const upgrades: readonly string[] = [familyTables, `ALTER TABLE log ADD COLUMN content_hash TEXT; ${stateView}`]

const tables = `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store TEXT NOT NULL,
    generation TEXT NOT NULL,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    content_hash TEXT NOT NULL
  );
  CREATE TABLE stored_type (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE stored_row (
    number INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (type, id)
  );
  CREATE TABLE stored_index (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    UNIQUE (type, name)
  );
  CREATE TABLE index_entry (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE transaction_id (id TEXT PRIMARY KEY, position INTEGER NOT NULL, at INTEGER NOT NULL, result TEXT) WITHOUT ROWID;
  CREATE INDEX transaction_id_at ON transaction_id (at);
  CREATE TABLE log (position INTEGER PRIMARY KEY, hash TEXT NOT NULL, bytes BLOB NOT NULL, content_hash TEXT);
  ${familyTables}
  ${stateView}
`

export type Identity = { readonly store: string; readonly generation: string }

/** The connection that writes; makes the file, with `identity`, when it does not exist. */
export function openWriteConnection(path: string, identity: Identity, contentHash: string, hash: string): DatabaseSync {
  const db = opening(path, () => new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false }))
  try {
    return opening(path, () => {
      // FULL: each commit is on the disk before it returns. 64 MiB of pages may be cached before SQLite spills them.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536')
      db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA journal_size_limit = ${walBytesKept}`)
      db.exec('PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF')
      const found = pragma(db, 'application_id')
      if (found === 0 && isEmpty(db)) createTables(db, identity, contentHash, hash)
      else if (found !== applicationId)
        throw new SlipwayError('database_foreign', `${path} is a SQLite file, but not a database of Slipway`)
      const format = pragma(db, 'user_version')
      if (format > fileFormat)
        throw new SlipwayError(
          'database_too_new',
          `${path} has format ${format}, this version reads ${fileFormat}: upgrade`,
        )
      // Without any format it was just made.
      if (format > 0 && format < fileFormat) {
        const missing = upgrades.slice(format - 1).join(';')
        db.exec(`BEGIN IMMEDIATE; ${missing}; PRAGMA user_version = ${fileFormat}; COMMIT`)
      }
      return db
    })
  } catch (error) {
    db.close()
    throw error
  }
}

/** A connection that sees committed states only and cannot write. */
export function openReadConnection(path: string): DatabaseSync {
  return opening(path, () => {
    const db = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
    db.exec('PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF')
    return db
  })
}

function createTables(db: DatabaseSync, identity: Identity, contentHash: string, hash: string): void {
  db.exec('BEGIN IMMEDIATE')
  db.exec(tables)
  db.prepare('INSERT INTO meta VALUES (1, ?, ?, 0, ?, ?)').run(identity.store, identity.generation, hash, contentHash)
  db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${fileFormat}`)
  db.exec('COMMIT')
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name])
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined
}

function opening<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw sqliteError(error, `open database ${path}`)
  }
}

/** An error of SQLite as one of ours; any other error as it is. */
export function sqliteError(error: unknown, attempted: string): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  const message = `${attempted}: ${(error as Error).message}`
  switch (code & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new SlipwayError('database_locked', message, { cause: error })
    case 13: // SQLITE_FULL
      return new SlipwayError('disk_full', message, { cause: error })
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new SlipwayError('database_corrupt', message, { cause: error })
    default:
      return new SlipwayError('database_failed', message, { cause: error })
  }
}

/** Whether what failed as `error`, of SQLite or of sqliteError, may succeed when nothing but the disk, memory or locks have changed. */
export function mayPass(error: unknown): boolean {
  const code = sqliteCode(error) ?? sqliteCode(error instanceof Error ? error.cause : undefined)
  return code !== undefined && passing.includes(code & 0xff)
}

/** BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN. */
const passing: readonly number[] = [5, 6, 7, 8, 10, 13, 14]

/** SQLite's extended result code, when `error` came from it (https://sqlite.org/rescode.html). */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode
}
