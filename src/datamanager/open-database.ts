// Opens the embedded database: one SQLite file with the change log and the rows, for one process at a time.

import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { createPrivateFile } from '../lib/file-lock.ts'
import { newUuid } from '../lib/uuid.ts'
import { adoptAtStart } from './cold/adopt-families.ts'
import { FamilyLoader } from './cold/load-families.ts'
import type { Database, Position, RowTypes, Schema } from './database.ts'
import { DatabaseLock } from './database-lock.ts'
import { EmbeddedChangeLog } from './log/embedded.ts'
import { LocalCommit } from './log/local-commit.ts'
import { LogDatabase } from './log-database.ts'
import { Checkpoints } from './read-model/checkpoints.ts'
import { ReadModel } from './read-model/read-model.ts'
import { deferToEndOfTurn, type Seams } from './seams.ts'
import { prepareEmbeddedFile, setAside } from './snapshot/prepare-file.ts'
import { applyShipped } from './snapshot/restore.ts'
import { type DatabaseStorage, Upkeep } from './snapshot/upkeep.ts'
import { type VerifyReport, verifyDatabase } from './verify.ts'
import { Writer } from './writer.ts'

export type OpenDatabaseOptions = {
  /** The SQLite file; its folder is made (mode 0700) when missing. `.lock` and `.owner` beside it are ours too. */
  readonly path: string
  readonly types: RowTypes
  readonly clock: Clock
  /** Names this process in the error of another one that finds the database locked. */
  readonly instanceId?: string
  /** Records that stay in the log at least, for `changes`; default limits.recordsKept. */
  readonly recordsKept?: number
  /**
   * The position up to which every registered consumer of `changes` has come; asked now and then while committing, must be
   * quick and must not throw. Later records stay, up to limits.recordsKeptForConsumers.
   */
  readonly consumed?: () => Position
  /**
   * Where records are shipped to and snapshots are kept. A missing file is then restored from there, one that lacks the
   * newest shipped records gets them.
   */
  readonly storage?: DatabaseStorage
  /** Of the records that are written: what every instance reads. Default: the newest. */
  readonly recordFormat?: () => number
  /** Only for the simulation. */
  readonly seams?: Seams
}

export interface EmbeddedDatabase<S extends Schema>
  extends Database<S>,
    Pick<LogDatabase<S>, 'identity' | 'maintenance' | 'watchMaintenance' | 'freeze' | 'unfreeze' | 'closeGeneration'> {
  /** Reads everything and compares: log, hash chain, rows, indexes, content hash. Blocks while it does. */
  verify(): VerifyReport
  /** Stops it at once: what waits is refused with `error`, reads throw, nothing more is written. It still must be disposed. */
  fail(error: SlipwayError): void
  /** Shipping and snapshots; undefined without `storage`. */
  readonly upkeep: Upkeep | undefined
}

/**
 * Opens the database at `path`, or makes it. Disposing commits what waits and closes. Errors: `database_locked` while
 * another has it open, `database_foreign`, `database_too_new`, `database_corrupt`, `disk_full`; with `storage` those of
 * restoreDatabase too.
 */
export async function openDatabase<S extends Schema>(options: OpenDatabaseOptions): Promise<EmbeddedDatabase<S>> {
  const { path, types, clock, instanceId = `pid-${process.pid}`, recordsKept, consumed, storage, seams = {} } = options
  const { newId = randomUUID, defer = deferToEndOfTurn, replaceCommit = (commit) => commit } = seams
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  using undo = new DisposableStack()
  undo.use(DatabaseLock.acquire(path, { pid: process.pid, instanceId, since: clock.now() }))
  let identity = { store: newUuid(clock.now()), generation: newUuid(clock.now()) }
  if (storage) identity = await prepareEmbeddedFile({ path, types, storage, identity })
  const openModel = () => {
    createPrivateFile(path) // SQLite gives its other files the mode of this one
    return ReadModel.open({ path, types, identity, storageCalls: seams.storageCalls })
  }
  let model = openModel()
  if (storage && !(await hasColdFiles(model, storage, clock))) {
    // An old copy: all snapshots are newer, and with them everything is shipped that the file could know.
    model[Symbol.dispose]()
    setAside(path, `older-${identity.generation}`)
    identity = await prepareEmbeddedFile({ path, types, storage, identity })
    model = openModel()
  }
  undo.use(model)
  if (storage) await applyShipped(model, storage)
  const families = new FamilyLoader({ model, place: storage?.place })
  const log = new EmbeddedChangeLog(model.connection, model.readConnection)
  await checkHead(model, log, path)
  const closing = new AbortController()
  let failure: SlipwayError | undefined
  let database: LogDatabase<S> | undefined
  const upkeep =
    storage &&
    new Upkeep({
      storage,
      model,
      path,
      log,
      clock,
      newId,
      isShared: false,
      shipsLog: true,
      families,
      consumed: () => Number.POSITIVE_INFINITY,
      closing: closing.signal,
      onFailure: (error) => {
        failure ??= error
        database?.fail(error)
      },
    })
  const seen = upkeep ? () => Math.min(consumed?.() ?? Number.POSITIVE_INFINITY, upkeep.shipped) : consumed
  const commit = new LocalCommit({
    model,
    log,
    ...(recordsKept === undefined ? {} : { recordsKept }),
    consumed: seen,
    onFailure: (error) => database?.fail(error),
  })
  const writer = new Writer({
    model,
    commit: replaceCommit(commit, model),
    now: () => clock.now(),
    newId,
    defer,
    loadFamilies: families.load,
    recordFormat: options.recordFormat,
  })
  // The simulation has no threads.
  const checkpoints = seams.storageCalls ? undefined : new Checkpoints(model.connection, path)
  const owned = undo.move()
  const close = async () => {
    await checkpoints?.[Symbol.asyncDispose]()
    if (!opened.hasFailed) model.settle()
    owned.dispose()
  }
  const endUpkeep = upkeep && (() => upkeep.close())
  const opened = new LogDatabase<S>({
    model,
    log,
    writer,
    loadFamilies: families.load,
    clock,
    closing,
    endUpkeep,
    close,
    checkpoints,
  })
  database = opened
  if (failure) opened.fail(failure)
  upkeep?.start()
  return Object.assign(opened, { verify: () => verifyDatabase(model), upkeep })
}

async function hasColdFiles(model: ReadModel, { place }: DatabaseStorage, clock: Clock): Promise<boolean> {
  const { load: loadFamilies } = new FamilyLoader({ model, place })
  try {
    return await adoptAtStart({ model, place, loadFamilies, clock }, new AbortController().signal)
  } catch (error) {
    model[Symbol.dispose]()
    throw error
  }
}

/** The rows and the log are committed together, so they end at the same record, or the file is damaged. */
async function checkHead(model: ReadModel, log: EmbeddedChangeLog, path: string): Promise<void> {
  const head = await log.head()
  const newest = head === 0 ? undefined : (await log.read(head - 1, 1))[0]
  if (head === model.position && (newest === undefined || newest.hash === model.hash)) return
  throw new SlipwayError(
    'database_corrupt',
    `${path}: its log ends at record ${head}, its rows at ${model.position}: restore it from a backup`,
  )
}
