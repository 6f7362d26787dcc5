// One process at a time has a database open for writing. Who holds the lock stands in a file of its own, because a process
// loses its locks on a file when it closes any handle of it (fcntl(2)).

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { SlipwayError } from '../lib/errors.ts'
import { type FileLock, tryFileLock } from '../lib/file-lock.ts'
import { sqliteError } from './read-model/sqlite.ts'

export type LockOwner = { readonly pid: number; readonly instanceId: string; readonly since: number }

export class DatabaseLock implements Disposable {
  readonly #lock: FileLock
  readonly #ownerPath: string

  private constructor(lock: FileLock, ownerPath: string) {
    this.#lock = lock
    this.#ownerPath = ownerPath
  }

  /** Never waits. Errors: `database_locked`, which names the process that holds it. */
  static acquire(path: string, owner: LockOwner): DatabaseLock {
    const ownerPath = `${path}.owner`
    const lock = takeLock(path)
    if (lock === undefined) {
      const holder = readOwner(ownerPath)
      const who = holder ? `process ${holder.pid} (instance ${holder.instanceId})` : 'another process'
      throw new SlipwayError('database_locked', `open database ${path}: ${who} has it open; stop that first`)
    }
    try {
      writeFileSync(`${ownerPath}.new`, `${JSON.stringify(owner)}\n`, { mode: 0o600 })
      renameSync(`${ownerPath}.new`, ownerPath)
    } catch {
      // It only serves the message above; with a full disk the database still opens for reading.
    }
    return new DatabaseLock(lock, ownerPath)
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    rmSync(this.#ownerPath, { force: true })
    this.#lock[Symbol.dispose]()
  }
}

function takeLock(path: string): FileLock | undefined {
  try {
    return tryFileLock(`${path}.lock`)
  } catch (error) {
    throw sqliteError(error, `lock database ${path}`)
  }
}

/** Only for the message: the file is written after the lock is taken, so it may be of the one before. */
function readOwner(path: string): LockOwner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LockOwner // written by acquire
  } catch {
    return undefined
  }
}
