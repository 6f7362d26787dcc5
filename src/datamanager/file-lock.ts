// One process at a time has a database open for writing. The lock is SQLite's own exclusive lock on an empty file beside the
// database: the kernel drops it with the process, however that ends, and SQLite sees that a second connection in the same
// process gets none either. Who holds it stands in another file, because a process loses its locks on a file when it
// closes any handle of it (fcntl(2)).

import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { SlipwayError } from '../lib/errors.ts'
import { sqliteCode, sqliteError } from './read-model/sqlite.ts'

export type LockOwner = { readonly pid: number; readonly instanceId: string; readonly since: number }

export class FileLock implements Disposable {
  readonly #lock: DatabaseSync
  readonly #ownerPath: string

  private constructor(lock: DatabaseSync, ownerPath: string) {
    this.#lock = lock
    this.#ownerPath = ownerPath
  }

  /** Never waits. Errors: `database_locked`, which names the process that holds it. */
  static acquire(path: string, owner: LockOwner): FileLock {
    const ownerPath = `${path}.owner`
    createPrivateFile(`${path}.lock`)
    const lock = openLockFile(`${path}.lock`)
    try {
      lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE') // no journal beside it
    } catch (error) {
      lock.close()
      const code = sqliteCode(error)
      if (code === undefined || (code & 0xff) !== 5) throw sqliteError(error, `lock database ${path}`)
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
    return new FileLock(lock, ownerPath)
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (!this.#lock.isOpen) return
    rmSync(this.#ownerPath, { force: true })
    this.#lock.close()
  }
}

/**
 * Makes the file, readable for its owner only, unless it exists. An existing one is not even opened: closing it again would
 * drop the locks that this process may have on it.
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function openLockFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 })
  } catch (error) {
    throw sqliteError(error, `open lock file ${path}`)
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
