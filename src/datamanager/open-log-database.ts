// A database whose change log is elsewhere and shared: several instances, each with a read model of its own.

import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { SlipwayError } from '../lib/errors.ts'
import type { ChangeLog } from './change-log.ts'
import type { Database, RowTypes, Schema } from './database.ts'
import { FileLock } from './file-lock.ts'
import { Follower } from './log/follower.ts'
import { RemoteCommit } from './log/remote-commit.ts'
import { LogDatabase } from './log-database.ts'
import { ReadModel, type StorageCalls } from './read-model/read-model.ts'
import type { Identity } from './read-model/sqlite.ts'
import type { OnBranch } from './recovery.ts'
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
  readonly random?: () => number
  readonly newId?: () => string
  readonly defer?: (task: () => void) => void
  readonly onBranch?: OnBranch
  readonly storageCalls?: StorageCalls
}

/** Opens the read model and applies all the log has. Errors: as openDatabase, and those of reading the log. */
export async function openLogDatabase<S extends Schema>(options: OpenLogDatabaseOptions): Promise<Database<S>> {
  const { path, types, clock, instanceId, log, identity, storageCalls, onBranch = () => {} } = options
  const { random = Math.random, newId = randomUUID, defer = (task) => void setImmediate(task) } = options
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  using undo = new DisposableStack()
  undo.use(FileLock.acquire(path, { pid: process.pid, instanceId, since: clock.now() }))
  const model = undo.use(ReadModel.open({ path, types, identity, ...(storageCalls ? { storageCalls } : {}) }))
  const closing = new AbortController()
  let failure: SlipwayError | undefined
  let database: LogDatabase<S> | undefined
  const onFailure = (error: SlipwayError) => {
    failure ??= error
    closing.abort(error)
    database?.fail(error)
  }
  const follower = new Follower({ model, log, clock, onBranch, onFailure })
  await follower.catchUp(closing.signal)
  const parts = { model, log, follower, clock, random, onBranch, closing: closing.signal, onFailure }
  const writer = new Writer({ model, commit: new RemoteCommit(parts), now: () => clock.now(), newId, defer })
  const owned = undo.move()
  const following = follower.run(closing.signal)
  const close = async () => {
    closing.abort(new Error('the database is closed'))
    await following
    owned.dispose()
  }
  const isBehind = () => follower.isBehind
  database = new LogDatabase<S>({ model, log, writer, clock, close, isBehind })
  if (failure) database.fail(failure)
  return database
}
