// A lock between processes: SQLite's own exclusive lock on an empty file. The kernel releases it when the holder dies, however
// it dies, so nothing has to guess whether a pid still means the same process; and SQLite sees that a second connection of
// the same process gets none either.

import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from './clock.ts'

/** Disposing releases it; idempotent. */
export type FileLock = Disposable

const retryMs = 25

/** Takes the lock, or undefined when somebody holds it. Never waits. The file and its folder are made when missing. */
export function tryFileLock(path: string): FileLock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  createPrivateFile(path)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE') // no journal beside it
  } catch (error) {
    database.close()
    if (isBusy(error)) return undefined
    throw error
  }
  return {
    [Symbol.dispose]() {
      if (database.isOpen) database.close()
    },
  }
}

/** Waits for the lock until `signal` is aborted. */
export async function fileLock(path: string, clock: Clock, signal: AbortSignal): Promise<FileLock> {
  for (;;) {
    const lock = tryFileLock(path)
    if (lock !== undefined) return lock
    await clock.sleep(retryMs, signal)
  }
}

/**
 * Makes the file, readable for its owner only, unless it exists. An existing one is not even opened: closing it again would
 * drop the locks that this process may have on it (fcntl(2)).
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** SQLITE_BUSY is 5; extended codes keep it in the low byte (sqlite.org/rescode.html). */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}
