// Where `slipway run` keeps what it made, per repository:
//
//   <state>/<repository id>/shared/       mirrors, caches, packed trees and the key: used by all invocations at once
//   <state>/<repository id>/<invocation>/ one invocation: database, logs, archives, frozen tree, journal, pods
//
// An invocation holds the lock in its directory while it works; the kernel lets go of it however the process ends.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type FileLock, tryFileLock } from '../../lib/file-lock.ts'

export type Invocation = {
  readonly id: string
  readonly dir: string
  readonly lock: FileLock
}

export type StateDirectory = { readonly root: string; readonly shared: string }

const closedMarker = 'closed'

/** `root`: the directory of one repository's state; made when missing. */
export function openStateDirectory(root: string): StateDirectory {
  const shared = join(root, 'shared')
  mkdirSync(shared, { recursive: true, mode: 0o700 })
  return { root, shared }
}

/** A new invocation. Ids sort by time; `suffix` keeps two of one millisecond apart. */
export function newInvocation(state: StateDirectory, now: number, suffix: string): Invocation {
  const id = `${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}-${suffix}`
  const dir = join(state.root, id)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const lock = tryFileLock(join(dir, 'lock'))
  if (lock === undefined) throw new Error(`a new directory is locked: ${dir}`)
  return { id, dir, lock }
}

/** Ids of all invocations, newest first. */
export function listInvocations(state: StateDirectory): readonly string[] {
  return readdirSync(state.root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
    .map((entry) => entry.name)
    .sort()
    .reverse()
}

/** Takes an invocation over, or undefined while it works. */
export function lockInvocation(state: StateDirectory, id: string): Invocation | undefined {
  const dir = join(state.root, id)
  const lock = tryFileLock(join(dir, 'lock'))
  return lock === undefined ? undefined : { id, dir, lock }
}

/** Says that the invocation cleaned up after itself; without it the next one does. */
export function markClosed(invocation: Invocation): void {
  writeFileSync(join(invocation.dir, closedMarker), '')
}

export function isClosed(state: StateDirectory, id: string): boolean {
  return existsSync(join(state.root, id, closedMarker))
}

/** Removes invocations beyond the newest `kept`, except those that work. `beforeRemoval` is called with each. */
export async function removeOldInvocations(state: StateDirectory, kept: number): Promise<void> {
  for (const id of listInvocations(state).slice(kept)) {
    const invocation = lockInvocation(state, id)
    if (invocation === undefined) continue
    using _lock = invocation.lock
    await rm(invocation.dir, { recursive: true, force: true })
  }
}
