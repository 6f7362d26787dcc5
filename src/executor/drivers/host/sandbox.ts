// Starts and ends the processes of one sandbox. Nothing of it depends on this process: it has a session of its own, its
// descriptors are files, and the pipes are closed once it runs.

import { statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { identifyProcess, isAlive, killProcess, type ProcessIdentity } from '../../../lib/process-identity.ts'
import { readIfThere } from './host-view.ts'
import { type PodDirectory, type SandboxRecord, saveSandboxRecord } from './pod-directory.ts'
import { sandboxUser } from './sandbox-arguments.ts'
import type { Spawner } from './spawner.ts'

/** Descriptors of bubblewrap and the helper, by the places in which helper/spawn.go opens them. */
export const sandboxDescriptors = { info: 3, userNamespaceReady: 4, privateDir: 5 } as const

/** How likely the kernel chooses a task's process when the whole machine is short of memory (proc(5), oom_score_adj). */
const memoryKillPreference = '500'

export type SandboxStart = {
  readonly spawner: Spawner
  /** Bubblewrap with its arguments. */
  readonly command: readonly [string, ...string[]]
  readonly directory: PodDirectory
  /** The task's user and group outside when the executor is root. */
  readonly uid: number | undefined
  /** Files of control groups it is started in. */
  readonly controlGroupTasks: readonly string[]
  /** Called with the first process before it does anything; the helper is not used before it resolves. */
  readonly onCreated: (init: ProcessIdentity) => Promise<void>
  readonly signal: AbortSignal
}

/**
 * Resolves when the helper listens. Fails with `setup_failed` and what bubblewrap said; the caller removes the pod then,
 * and also when `signal` is aborted.
 */
export async function startSandbox(start: SandboxStart): Promise<SandboxRecord> {
  const { directory, signal } = start
  signal.throwIfAborted()
  const spawning = start.spawner.start({
    argv: start.command,
    errors: directory.errorsFile,
    privateDir: directory.privateDir,
    tasks: start.controlGroupTasks,
  })
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const onAbort = () => failed.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  void spawning.ended.then((how) => {
    const message = `host driver: the sandbox did not start: ${whatWasSaid(directory, how)}`
    failed.reject(new SlipwayError('setup_failed', message))
  })
  let isReleased = false
  let isReady = false
  try {
    const pids = await Promise.race([spawning.created, failed.promise])
    const [monitor, init] = [identifyProcess(pids.monitor), identifyProcess(pids.init)]
    // Ended between two lines: its end comes with the reason.
    if (monitor === undefined || init === undefined) return await failed.promise
    const record: SandboxRecord = { version: 1, monitor, init }
    saveSandboxRecord(directory, record)
    const prepared = prepare(start, init)
    isReleased = true
    spawning.release()
    await Promise.race([Promise.all([spawning.ready, prepared]), failed.promise])
    isReady = true
    return record
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (!isReady) spawning.forget()
    // Without user namespace it ends by itself, as when we are killed here.
    if (!isReleased) await spawning.ended
  }
}

/** What must be done before it runs is done when this returns; the promise is of what may take longer. */
async function prepare(start: SandboxStart, init: ProcessIdentity): Promise<void> {
  try {
    writeFileSync(`/proc/${init.pid}/oom_score_adj`, memoryKillPreference)
    mapUsers(init.pid, start)
    await start.onCreated(init)
  } catch (cause) {
    const message = `host driver: map the users of the new sandbox and limit it: ${errorMessage(cause)}`
    throw new SlipwayError('setup_failed', message, { cause })
  }
}

/** Kills every process of the sandbox and waits until the last one is gone. Idempotent. */
export async function endSandbox(record: SandboxRecord, clock: Clock, signal: AbortSignal): Promise<void> {
  killProcess(record.init)
  for (let waits = 0; isAlive(record.init); waits++) await clock.sleep(waitMs(waits), signal)
  for (let waits = 0; isAlive(record.monitor); waits++) {
    // It ends by itself, unless it was stopped or waits for what will not come.
    if (waits === monitorWaits) killProcess(record.monitor)
    await clock.sleep(waitMs(waits), signal)
  }
}

const monitorWaits = 20
const waitMs = (waits: number) => Math.min(50, waits < 10 ? 1 : waits)

/**
 * Writes the user namespace's maps (user_namespaces(7)): root and the task's uid when we are root, else our own uid as the
 * sandbox's user.
 */
function mapUsers(pid: number, { uid, directory }: SandboxStart): void {
  const { uid: insideUid, gid: insideGid } = sandboxUser
  if (uid === undefined) {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny')
    writeFileSync(`/proc/${pid}/uid_map`, `${insideUid} ${process.getuid?.()} 1\n`)
    writeFileSync(`/proc/${pid}/gid_map`, `${insideGid} ${process.getgid?.()} 1\n`)
    return
  }
  const owners = ownersOfParents(directory.path)
  writeFileSync(`/proc/${pid}/uid_map`, `0 0 1\n${insideUid} ${uid} 1\n${mapOwners(owners.uids)}`)
  writeFileSync(`/proc/${pid}/gid_map`, `0 0 1\n${insideGid} ${uid} 1\n${mapOwners(owners.gids)}`)
}

/**
 * Root of a user namespace may enter a directory of somebody else only when the namespace knows that owner: the data
 * directory may be in somebody's home. Inside they are nobody that anything belongs to.
 */
function mapOwners(ids: ReadonlySet<number>): string {
  return [...ids].map((id, index) => `${firstOwnerInside + index} ${id} 1\n`).join('')
}

const firstOwnerInside = 100_000

function ownersOfParents(path: string): { readonly uids: ReadonlySet<number>; readonly gids: ReadonlySet<number> } {
  const [uids, gids] = [new Set<number>(), new Set<number>()]
  for (let parent = dirname(path); parent !== '/'; parent = dirname(parent)) {
    const { uid, gid } = statSync(parent)
    if (uid !== 0) uids.add(uid)
    if (gid !== 0) gids.add(gid)
  }
  return { uids, gids }
}

function whatWasSaid(directory: PodDirectory, how: string): string {
  const text = readIfThere(directory.errorsFile).trim()
  return text === '' ? `it ended with ${how}` : text.slice(-errorCharactersMax)
}

const errorCharactersMax = 2000
