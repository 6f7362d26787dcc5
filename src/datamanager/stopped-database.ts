// What operators do with the embedded database of an installation that is stopped: look, verify, restore, export, import.
// Each takes the lock of the database, so none works while the installation runs.

import type { Clock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { Maintenance, Position, RowTypes } from './database.ts'
import { DatabaseLock } from './database-lock.ts'
import { exportDatabase } from './export/export-database.ts'
import { type Imported, importDatabase } from './export/import-database.ts'
import { type EmbeddedDatabase, openDatabase } from './open-database.ts'
import type { Identity } from './read-model/sqlite.ts'
import type { StoragePlace } from './snapshot/keys.ts'
import { describeFile, type Restored, restoreDatabase } from './snapshot/restore.ts'
import { findRoot } from './snapshot/root.ts'
import { type StorageReport, verifyStorage } from './snapshot/verify-storage.ts'
import { type StorageStatus, storageStatus } from './storage-status.ts'
import type { VerifyReport } from './verify.ts'

export type StoppedDatabase = {
  /** The SQLite file. */
  readonly path: string
  readonly types: RowTypes
  readonly place: StoragePlace
  /** Which database of the installation, such as `runservice`: exports carry it. */
  readonly name: string
  readonly clock: Clock
}

export type DatabaseStatus = StorageStatus & {
  /** Of the file; undefined when there is none. */
  readonly file: (Identity & { readonly position: Position }) | undefined
}

/** Reads a few objects and one row; works while the installation runs, too. */
export async function databaseStatus({ path, place, clock }: StoppedDatabase): Promise<DatabaseStatus> {
  return { file: describeFile(path), ...(await storageStatus(place, clock)) }
}

/** Verifies the file, when there is one, and everything in object storage. Errors: `database_locked`, those of opening. */
export async function verifyStopped(
  stopped: StoppedDatabase,
): Promise<{ readonly file: VerifyReport | undefined; readonly storage: StorageReport | undefined }> {
  let file: VerifyReport | undefined
  if (describeFile(stopped.path)) {
    // Without its storage: nothing may be repaired before it was looked at.
    await using db = await openDatabase({ path: stopped.path, types: stopped.types, clock: stopped.clock })
    file = db.verify()
  }
  const hasStorage = (await findRoot(stopped.place)) !== undefined
  return { file, storage: hasStorage ? await verifyStorage(stopped.place) : undefined }
}

/**
 * Makes the file anew from object storage, from the snapshot at `from` or the newest sound one. The old file goes when that
 * has succeeded. Errors: those of restoreDatabase, `database_locked`.
 */
export async function restoreStopped(
  { path, types, place, clock }: StoppedDatabase,
  from?: Position,
): Promise<Restored> {
  using _lock = DatabaseLock.acquire(path, { pid: process.pid, instanceId: 'restore', since: clock.now() })
  const root = await findRoot(place)
  const identity = { store: root?.store ?? '', generation: root?.generation ?? '' }
  return await restoreDatabase({
    path,
    types,
    place,
    identity,
    firstContentHash: root?.contentHash ?? '',
    logger: silentLogger,
    isEmbedded: true,
    ...(from === undefined ? {} : { from }),
  })
}

/** As exportDatabase. */
export async function* exportStopped(stopped: StoppedDatabase, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { name, place } = stopped
  await using db = await openWithStorage(stopped)
  // openWithStorage opens it with storage, so there is an upkeep.
  yield* exportDatabase(db.upkeep!, { database: name, place, signal })
}

/**
 * Replaces the database by an export, or refuses and changes nothing: see importDatabase. A database that is there is
 * frozen for it; what `maintenance` says of it stays as it was when the import fails.
 */
export async function importStopped(stopped: StoppedDatabase, stream: AsyncIterable<Uint8Array>): Promise<Imported> {
  const { path, types, name, place, clock } = stopped
  const common = { place, types, database: name, stream, now: clock.now() }
  let imported: Imported
  if (describeFile(path) === undefined && (await findRoot(place)) === undefined) {
    imported = await importDatabase(common)
  } else {
    await using db = await openWithStorage(stopped)
    const before: Maintenance | undefined = db.maintenance
    await db.freeze('import', `replaced by an export of the database ${name}`)
    try {
      imported = await importDatabase({ ...common, closeOld: (generation) => db.closeGeneration(generation) })
    } catch (error) {
      if (!before && db.maintenance?.replacedBy === undefined) await db.unfreeze()
      throw error
    }
  }
  // Opening it makes the file of the new generation, so that a failure shows now.
  await using db = await openWithStorage(stopped)
  void db.position
  return imported
}

type Any = Readonly<Record<string, unknown>>

function openWithStorage({ path, types, place, clock }: StoppedDatabase): Promise<EmbeddedDatabase<Any>> {
  return openDatabase<Any>({ path, types, clock, instanceId: 'slipway database', storage: { place } })
}
