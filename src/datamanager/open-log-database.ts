// A database whose change log is elsewhere and shared: several instances, each with a read model of its own.

import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { SlipwayError } from '../lib/errors.ts'
import { createPrivateFile } from '../lib/file-lock.ts'
import type { ChangeLog } from './change-log.ts'
import type { RowTypes, Schema } from './database.ts'
import { DatabaseLock } from './database-lock.ts'
import { Follower } from './log/follower.ts'
import { RemoteCommit } from './log/remote-commit.ts'
import { LogDatabase } from './log-database.ts'
import { ReadModel } from './read-model/read-model.ts'
import type { Identity } from './read-model/sqlite.ts'
import { deferToEndOfTurn, type Seams } from './seams.ts'
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
  /** Only for the simulation. */
  readonly seams?: Seams
}

/** Opens the read model and applies all the log has. Errors: as openDatabase, and those of reading the log. */
export async function openLogDatabase<S extends Schema>(options: OpenLogDatabaseOptions): Promise<LogDatabase<S>> {
  const { path, types, clock, instanceId, log, identity, seams = {} } = options
  const { random = Math.random, newId = randomUUID, defer = deferToEndOfTurn, onBranch = () => {} } = seams
  const { replaceCommit = (commit) => commit } = seams
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  using undo = new DisposableStack()
  undo.use(DatabaseLock.acquire(path, { pid: process.pid, instanceId, since: clock.now() }))
  createPrivateFile(path) // SQLite gives its other files the mode of this one
  const model = undo.use(ReadModel.open({ path, types, identity, storageCalls: seams.storageCalls }))
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
  const writer = new Writer({
    model,
    commit: replaceCommit(new RemoteCommit(parts), model),
    now: () => clock.now(),
    newId,
    defer,
  })
  const owned = undo.move()
  const following = follower.run(closing.signal)
  const close = async () => {
    await following
    owned.dispose()
  }
  const isBehind = () => follower.isBehind
  database = new LogDatabase<S>({ model, log, writer, clock, closing, close, isBehind })
  if (failure) database.fail(failure)
  return database
}
