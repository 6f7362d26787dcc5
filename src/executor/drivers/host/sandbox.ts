// Starts and ends the processes of one sandbox. Nothing of it depends on this process: it has a session of its own, its
// descriptors are files, and the pipes are closed once it runs.

import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { identifyProcess, isAlive, killProcess, type ProcessIdentity } from '../../../lib/process-identity.ts'
import { readIfThere } from './host-view.ts'
import { type PodDirectory, type SandboxRecord, saveSandboxRecord } from './pod-directory.ts'
import { sandboxUser } from './sandbox-arguments.ts'

/** Descriptors of bubblewrap and the helper, by their place in `stdio` below. */
export const sandboxDescriptors = { info: 3, userNamespaceReady: 4, privateDir: 5 } as const

/** How likely the kernel chooses a task's process when the whole machine is short of memory (proc(5), oom_score_adj). */
const memoryKillPreference = '500'

export type SandboxStart = {
  /** Bubblewrap with its arguments, or what becomes it. */
  readonly command: readonly [string, ...string[]]
  readonly directory: PodDirectory
  /** The task's user and group outside when the executor is root. */
  readonly uid: number | undefined
  /** Called with the first process before it does anything; the helper is not used before it resolves. */
  readonly onCreated: (init: ProcessIdentity) => Promise<void>
  readonly signal: AbortSignal
}

/**
 * Resolves when the helper listens. Fails with `setup_failed` and what bubblewrap said; the caller removes the pod then,
 * and also when `signal` is aborted.
 */
export async function startSandbox(start: SandboxStart): Promise<SandboxRecord> {
  start.signal.throwIfAborted()
  const { errorsFile, infoFile, privateDir } = start.directory
  const files: Files = {
    errors: openSync(errorsFile, 'a', 0o600),
    info: openSync(infoFile, 'w+', 0o600),
    privateDir: openSync(privateDir, constants.O_RDONLY | constants.O_DIRECTORY),
  }
  try {
    return await startWith(start, files)
  } finally {
    for (const file of Object.values(files)) closeSync(file)
  }
}

type Files = { readonly errors: number; readonly info: number; readonly privateDir: number }

async function startWith(start: SandboxStart, files: Files): Promise<SandboxRecord> {
  const child = spawn(start.command[0], start.command.slice(1), {
    stdio: ['ignore', 'pipe', files.errors, files.info, 'pipe', files.privateDir],
    detached: true,
    env: {},
    cwd: '/',
  })
  const ready = child.stdout as Readable // Places 1 and 4 are pipes, see `stdio`.
  const userNamespaceReady = child.stdio[4] as Writable
  // A sandbox that has died shows by its exit.
  userNamespaceReady.on('error', () => {})
  const ended = Promise.withResolvers<never>()
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  ended.promise.catch(() => {})
  const onAbort = () => ended.reject(start.signal.reason)
  start.signal.addEventListener('abort', onAbort, { once: true })
  child.once('error', ended.reject)
  const onExit = (code: number | null, signal: NodeJS.Signals | null) => {
    const said = whatWasSaid(start, code, signal)
    ended.reject(new SlipwayError('setup_failed', `host driver: the sandbox did not start: ${said}`))
  }
  child.once('exit', onExit)
  let isReleased = false
  try {
    const init = identifyProcess(await Promise.race([readInfo(files.info, ended.promise), ended.promise]))
    const monitor = identifyProcess(child.pid ?? 0)
    // Ended between two lines: its exit comes with the reason.
    if (monitor === undefined || init === undefined) return await ended.promise
    const record: SandboxRecord = { version: 1, monitor, init }
    saveSandboxRecord(start.directory, record)
    const created = prepare(start, init)
    isReleased = true
    userNamespaceReady.end('.')
    await Promise.race([Promise.all([firstBytes(ready), created]), ended.promise])
    return record
  } finally {
    start.signal.removeEventListener('abort', onAbort)
    child.off('exit', onExit)
    child.unref()
    for (const pipe of [ready, userNamespaceReady]) pipe.destroy()
    // Without user namespace it ends by itself, as when we are killed here.
    if (!isReleased) {
      child.ref()
      await exited
      child.unref()
    }
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

/**
 * Bubblewrap writes one JSON object with the pid of the first process as we see it. A file and not a pipe: were we killed
 * before we read it, a pipe would kill bubblewrap and leave its child waiting for ever. It comes within a millisecond or
 * two, and nothing tells of changes of a file sooner than looking.
 */
async function readInfo(info: number, ended: Promise<never>): Promise<number> {
  const buffer = Buffer.alloc(infoBytesMax)
  let isEnded = false
  ended.catch(() => {
    isEnded = true
  })
  for (let looks = 0; !isEnded; looks++) {
    const text = buffer.toString('utf8', 0, readSync(info, buffer, 0, infoBytesMax, 0))
    if (text.includes('}')) return (JSON.parse(text) as { readonly 'child-pid': number })['child-pid']
    await (looks < immediateLooks ? setImmediate() : setTimeout(1))
  }
  return await ended
}

const infoBytesMax = 4096
const immediateLooks = 200

async function firstBytes(stream: Readable): Promise<void> {
  for await (const _ of stream) return
  return new Promise(() => {})
}

function whatWasSaid(start: SandboxStart, code: number | null, signal: NodeJS.Signals | null): string {
  const text = readIfThere(start.directory.errorsFile).trim()
  return text === '' ? `it ended with ${signal ?? `status ${code}`}` : text.slice(-errorCharactersMax)
}

const errorCharactersMax = 2000
