// A database whose change log is elsewhere and shared: several instances, each with a read model of its own.

import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { createPrivateFile } from '../lib/file-lock.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import type { ChangeLog } from './change-log.ts'
import { adoptAtStart } from './cold/adopt-families.ts'
import { FamilyLoader } from './cold/load-families.ts'
import type { Position, RowTypes, Schema } from './database.ts'
import { DatabaseLock } from './database-lock.ts'
import { Follower } from './log/follower.ts'
import { LogHealth, unreachable, unwritable } from './log/log-health.ts'
import { RemoteCommit } from './log/remote-commit.ts'
import { LogDatabase } from './log-database.ts'
import { Checkpoints } from './read-model/checkpoints.ts'
import { ReadModel } from './read-model/read-model.ts'
import type { Identity } from './read-model/sqlite.ts'
import type { OnBranch, RecoveryBranch } from './recovery.ts'
import { deferToEndOfTurn, type Seams } from './seams.ts'
import type { StoragePlace } from './snapshot/keys.ts'
import { listManifests } from './snapshot/manifest.ts'
import { prepareSharedFile } from './snapshot/prepare-file.ts'
import { RecoveringLog } from './snapshot/recovering-log.ts'
import { findShippedHead } from './snapshot/shipped-log.ts'
import { type DatabaseStorage, Upkeep } from './snapshot/upkeep.ts'
import { Writer } from './writer.ts'

export type OpenLogDatabaseOptions = {
  /** The SQLite file of the read model: derived, may be deleted while closed. */
  readonly path: string
  readonly types: RowTypes
  readonly clock: Clock
  readonly instanceId: string
  /** Disposed with the database. */
  readonly log: ChangeLog
  /** What the log's records must carry. */
  readonly identity: Identity
  /** Where records are shipped to and snapshots are kept; a file that is missing or too old is restored from there. */
  readonly storage?: DatabaseStorage
  /** False for a log that is in object storage itself: its records need not be carried there. Default true. */
  readonly shipsLog?: boolean
  /** The position up to which every registered consumer of `changes` has come; later records stay in the log. */
  readonly consumed?: () => Position
  /** Hears when the log cannot be reached; default that of `storage`. */
  readonly logger?: Logger
  /** Of the records that are written: what every instance reads. Default: the newest. */
  readonly recordFormat?: () => number
  /** Only for the simulation. */
  readonly seams?: Seams
}

/** A database over a log elsewhere, with what it does beside its commits. */
export type SharedDatabase<S extends Schema> = LogDatabase<S> & {
  /** Shipping and snapshots; undefined without `storage`. */
  readonly upkeep: Upkeep | undefined
}

const stuck = 'a record that is in the log could not be applied here: open the database again'

/** Opens the read model and applies all the log has. Errors: as openDatabase, and those of reading the log. */
export async function openLogDatabase<S extends Schema>(options: OpenLogDatabaseOptions): Promise<SharedDatabase<S>> {
  const { path, types, clock, instanceId, identity, storage, shipsLog = true, consumed, seams = {} } = options
  const { random = Math.random, newId = randomUUID, defer = deferToEndOfTurn, onBranch = () => {} } = seams
  const { replaceCommit = (commit) => commit } = seams
  const { logger = storage?.logger ?? silentLogger } = options
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  using undo = new DisposableStack()
  undo.use(DatabaseLock.acquire(path, { pid: process.pid, instanceId, since: clock.now() }))
  const restore = storage && (await prepareSharedFile({ path, types, storage, identity }))
  const log = storage && shipsLog ? new RecoveringLog(options.log, storage.place, identity, onBranch) : options.log
  const openModel = () => {
    createPrivateFile(path) // SQLite gives its other files the mode of this one
    return ReadModel.open({ path, types, identity, isDerived: true, storageCalls: seams.storageCalls, onBranch })
  }
  const first = openModel()
  const place = storage?.place
  const model = undo.use(
    restore && place
      ? await openAgainIfCollected(first, { log, clock, place }, { restore, openModel, onBranch })
      : first,
  )
  const families = new FamilyLoader({ model, place })
  const closing = new AbortController()
  let failure: SlipwayError | undefined
  let database: LogDatabase<S> | undefined
  const onFailure = (error: SlipwayError) => {
    failure ??= error
    closing.abort(error)
    database?.fail(error)
  }
  model.onStuck = (cause) => onFailure(new SlipwayError('database_failed', stuck, { cause }))
  const health = new LogHealth(unreachable, logger, clock)
  const writing = new LogHealth(unwritable, logger, clock)
  const follower = new Follower({ model, log, clock, onBranch, health, loadFamilies: families.load, onFailure })
  await follower.catchUp(closing.signal)
  // The head may be further: another one writes, or a record is missing, and then this fails.
  if ((await checkLogEnd(log, model)) > model.position) await follower.catchUp(closing.signal)
  if (storage && shipsLog) await checkShipped(log, storage.place, identity)
  const committing = {
    model,
    log,
    follower,
    clock,
    random,
    defer,
    onBranch,
    health,
    writing,
    closing: closing.signal,
    onFailure,
  }
  const writer = new Writer({
    model,
    commit: replaceCommit(new RemoteCommit(committing), model),
    now: () => clock.now(),
    newId,
    defer,
    loadFamilies: families.load,
    recordFormat: options.recordFormat,
  })
  const upkeep =
    storage &&
    new Upkeep({
      storage,
      model,
      path,
      log,
      clock,
      newId,
      isShared: true,
      shipsLog,
      families,
      consumed: consumed ?? (() => Number.POSITIVE_INFINITY),
      closing: closing.signal,
      onFailure,
      onBranch,
    })
  const owned = undo.move()
  const following = follower.run(closing.signal)
  // The simulation has no threads.
  const checkpoints = seams.storageCalls ? undefined : new Checkpoints(model.connection, path)
  const close = async () => {
    await following
    await checkpoints?.[Symbol.asyncDispose]()
    follower.writeDeferred()
    owned.dispose()
  }
  const isBehind = () => !follower.writeDeferred() || follower.isBehind
  const endUpkeep = upkeep && (() => upkeep.close())
  const opened = new LogDatabase<S>({
    model,
    log,
    writer,
    loadFamilies: families.load,
    clock,
    closing,
    close,
    checkpoints,
    isBehind,
    endUpkeep,
  })
  database = opened
  if (failure) opened.fail(failure)
  upkeep?.start()
  return Object.assign(opened, { upkeep })
}

/** When the log or the snapshots no longer have what the file needs, it is made from a snapshot, which is newer. */
async function openAgainIfCollected(
  model: ReadModel,
  sources: { readonly log: ChangeLog; readonly place: StoragePlace; readonly clock: Clock },
  parts: { restore: () => Promise<void>; openModel: () => ReadModel; onBranch: OnBranch },
): Promise<ReadModel> {
  let collected: RecoveryBranch | undefined
  try {
    collected = await findCollected(model, sources)
  } catch (error) {
    model[Symbol.dispose]()
    throw error
  }
  if (!collected) return model
  model[Symbol.dispose]()
  await parts.restore()
  parts.onBranch(collected)
  return parts.openModel()
}

async function findCollected(
  model: ReadModel,
  { log, place, clock }: { readonly log: ChangeLog; readonly place: StoragePlace; readonly clock: Clock },
): Promise<RecoveryBranch | undefined> {
  try {
    await log.read(model.position, 1)
  } catch (error) {
    if (!isSlipwayError(error, 'history_collected')) throw error
    return 'open: the log had collected what the file needs, it was restored'
  }
  const { load: loadFamilies } = new FamilyLoader({ model, place })
  const hasAll = await adoptAtStart({ model, place, loadFamilies, clock }, new AbortController().signal)
  return hasAll ? undefined : 'open: cold families were collected, it was restored'
}

/** Returns the log's end. Rows that are newer than it: the log has lost records that this instance had applied. */
async function checkLogEnd(log: ChangeLog, model: ReadModel): Promise<Position> {
  const head = await log.head()
  if (head >= model.position) return head
  throw new SlipwayError(
    'database_corrupt',
    `the change log ends at record ${head}, but this instance had record ${model.position}: the log has lost records, or is another one; stop all instances and run \`slipway database restore\``,
  )
}

/** A log that ends before what was shipped of it was lost or came back older: nothing may be written into it. */
async function checkShipped(log: ChangeLog, place: StoragePlace, { generation }: Identity): Promise<void> {
  const [newest = 0] = await listManifests(place, generation)
  const shipped = (await findShippedHead(place, generation, newest))?.position ?? newest
  // Asked afterwards, so that it has all that is shipped meanwhile.
  const head = await log.head()
  if (head >= shipped) return
  throw new SlipwayError(
    'database_corrupt',
    `the change log ends at record ${head}, object storage has record ${shipped}: the log was lost or is an old copy; stop all instances and run \`slipway database restore\``,
  )
}
