// A lock between processes, held by an open SQLite transaction on a file of its own: the kernel releases it when the
// holder dies, however it dies, and nothing has to guess whether a pid still means the same process.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from './clock.ts'

export type FileLock = Disposable

const retryMs = 25

/** Takes the lock, or undefined when somebody holds it. */
export function tryFileLock(path: string): FileLock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (isBusy(error)) return undefined
    throw error
  }
  let isHeld = true
  return {
    [Symbol.dispose]() {
      if (!isHeld) return
      isHeld = false
      database.close()
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

/** SQLITE_BUSY is 5; extended codes keep it in the low byte (sqlite.org/rescode.html). */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}
