// Where `slipway run` keeps what it made, per repository:
//
//   <state>/<repository id>/shared/       mirrors, caches, packed trees and the key: used by all invocations at once
//   <state>/<repository id>/<invocation>/ one invocation: database, logs, archives, frozen tree, journal, pods
//
// An invocation holds the lock in its directory while it works; the kernel lets go of it however the process ends.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DriverName } from '../../executor/driver.ts'
import { isErrno } from '../../lib/errno.ts'
import { invariant } from '../../lib/errors.ts'
import { type FileLock, tryFileLock } from '../../lib/file-lock.ts'

export type Invocation = {
  readonly id: string
  readonly dir: string
  readonly lock: FileLock
}

export type StateDirectory = { readonly root: string; readonly shared: string }

const endFile = 'ended'
const driversFile = 'drivers'

/** `root`: the directory of one repository's state; made when missing. */
export function openStateDirectory(root: string): StateDirectory {
  const shared = join(root, 'shared')
  try {
    mkdirSync(shared, { recursive: true, mode: 0o700 })
  } catch (error) {
    // That is what Node says of a read-only file system; asking for the folder above gives the reason.
    if (isErrno(error, 'ENOENT')) accessSync(existingAbove(shared), constants.W_OK)
    throw error
  }
  return { root, shared }
}

function existingAbove(path: string): string {
  return existsSync(path) ? path : existingAbove(dirname(path))
}

/** A new invocation. Ids sort by time; `suffix` keeps two of one millisecond apart. */
export function newInvocation(state: StateDirectory, now: number, suffix: string): Invocation {
  const id = `${invocationTime(now)}-${suffix}`
  const dir = join(state.root, id)
  // It gets its name when it has its lock: others would take an unlocked one for that of a process that was killed.
  const unnamed = join(state.root, `.${id}`)
  mkdirSync(unnamed, { recursive: true, mode: 0o700 })
  const lock = tryFileLock(join(unnamed, 'lock'))
  invariant(lock !== undefined, `nobody else has the lock of the new directory ${unnamed}`)
  renameSync(unnamed, dir)
  return { id, dir, lock }
}

/** What the ids of invocations of this moment begin with; those of earlier ones sort before it. */
export function invocationTime(at: number): string {
  return new Date(at).toISOString().replaceAll(/[:.]/g, '-')
}

/** Ids of all invocations, newest first. */
export function listInvocations(state: StateDirectory): readonly string[] {
  return readdirSync(state.root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'shared' && !entry.name.startsWith('.'))
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

export async function removeInvocation(invocation: Invocation): Promise<void> {
  await rm(invocation.dir, { recursive: true, force: true })
}

/** How an invocation ended: nothing of it is left outside its directory, or a pod was kept for looking at. */
export type InvocationEnd = 'clean' | 'kept'

export function markEnd(invocation: Invocation, end: InvocationEnd): void {
  writeFileSync(join(invocation.dir, endFile), end)
}

/** Undefined while it works, and when it was killed. */
export function endOf(state: StateDirectory, id: string): InvocationEnd | undefined {
  const text = readIfThere(join(state.root, id, endFile))
  return text === 'clean' || text === 'kept' ? text : undefined
}

/** Remembers which drivers make its pods, before they make any. */
export function markDrivers(invocation: Invocation, drivers: readonly DriverName[]): void {
  rmSync(join(invocation.dir, endFile), { force: true })
  writeFileSync(join(invocation.dir, driversFile), drivers.join('\n'))
}

/** None when it was killed before it opened any: then it made no pods. */
export function usedDrivers(invocation: Invocation): readonly ('docker' | 'host')[] {
  return (readIfThere(join(invocation.dir, driversFile)) ?? '')
    .split('\n')
    .filter((name) => name === 'docker' || name === 'host')
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
