// Starts and ends the processes of one sandbox. Nothing of it depends on this process: it has a session of its own, its
// descriptors are files, and the two pipes are closed once it runs.

import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { readIfThere } from './host-view.ts'
import { type PodDirectory, type SandboxRecord, saveSandboxRecord } from './pod-directory.ts'
import { identifyProcess, isAlive, killProcess, type ProcessIdentity } from './process-identity.ts'
import { sandboxUser } from './sandbox-arguments.ts'

/** Descriptors of bubblewrap and the helper, by their place in `stdio` below. */
export const sandboxDescriptors = { info: 3, userNamespaceReady: 4, privateDir: 5 } as const

/** How likely the kernel chooses a task's process when the whole machine is short of memory (proc(5), oom_score_adj). */
const memoryKillPreference = '500'

export type SandboxStart = {
  readonly program: string
  readonly args: readonly string[]
  readonly directory: PodDirectory
  /** The task's user and group outside when the executor is root. */
  readonly uid: number | undefined
  /** Called with the first process before it does anything: the place for limits. */
  readonly onCreated: (init: ProcessIdentity) => void
  readonly signal: AbortSignal
}

/**
 * Resolves when the helper listens. Fails with `setup_failed` and what bubblewrap said; the caller removes the pod then,
 * and also when `signal` is aborted.
 */
export async function startSandbox(start: SandboxStart): Promise<SandboxRecord> {
  start.signal.throwIfAborted()
  const errors = openSync(start.directory.errorsFile, 'a', 0o600)
  const privateDir = openSync(start.directory.privateDir, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return await startWith(start, errors, privateDir)
  } finally {
    closeSync(errors)
    closeSync(privateDir)
  }
}

async function startWith(start: SandboxStart, errors: number, privateDir: number): Promise<SandboxRecord> {
  const child = spawn(start.program, start.args, {
    stdio: ['ignore', 'pipe', errors, 'pipe', 'pipe', privateDir],
    detached: true,
    env: {},
    cwd: '/',
  })
  const ready = child.stdout as Readable // Places 1, 3 and 4 are pipes, see `stdio`.
  const info = child.stdio[3] as Readable
  const userNamespaceReady = child.stdio[4] as Writable
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const onAbort = () => failed.reject(start.signal.reason)
  start.signal.addEventListener('abort', onAbort, { once: true })
  child.once('error', failed.reject)
  const onExit = (code: number | null, signal: NodeJS.Signals | null) => {
    const said = whatWasSaid(start, code, signal)
    failed.reject(new SlipwayError('setup_failed', `host driver: the sandbox did not start: ${said}`))
  }
  child.once('exit', onExit)
  // A sandbox that has died shows by its exit.
  userNamespaceReady.on('error', () => {})
  child.unref()
  try {
    const pid = await Promise.race([readInfo(info), failed.promise])
    const [monitor, init] = [identifyProcess(child.pid ?? 0), identifyProcess(pid)]
    // Ended between two lines: its exit comes with the reason.
    if (monitor === undefined || init === undefined) return await failed.promise
    const record: SandboxRecord = { version: 1, monitor, init }
    saveSandboxRecord(start.directory, record)
    try {
      start.onCreated(init)
      writeFileSync(`/proc/${pid}/oom_score_adj`, memoryKillPreference)
      mapUsers(pid, start.uid)
    } catch (cause) {
      const message = `host driver: limit the new sandbox and map its users: ${errorMessage(cause)}`
      throw new SlipwayError('setup_failed', message, { cause })
    }
    userNamespaceReady.end('.')
    await Promise.race([firstBytes(ready), failed.promise])
    return record
  } finally {
    start.signal.removeEventListener('abort', onAbort)
    child.off('exit', onExit)
    for (const pipe of [ready, info, userNamespaceReady]) pipe.destroy()
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
function mapUsers(pid: number, uid: number | undefined): void {
  const { uid: insideUid, gid: insideGid } = sandboxUser
  if (uid === undefined) {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny')
    writeFileSync(`/proc/${pid}/uid_map`, `${insideUid} ${process.getuid?.()} 1\n`)
    writeFileSync(`/proc/${pid}/gid_map`, `${insideGid} ${process.getgid?.()} 1\n`)
    return
  }
  writeFileSync(`/proc/${pid}/uid_map`, `0 0 1\n${insideUid} ${uid} 1\n`)
  writeFileSync(`/proc/${pid}/gid_map`, `0 0 1\n${insideGid} ${uid} 1\n`)
}

/** Bubblewrap writes one JSON object with the pid of the first process as we see it. */
async function readInfo(info: Readable): Promise<number> {
  let text = ''
  for await (const chunk of info) {
    text += String(chunk)
    if (text.includes('}')) return (JSON.parse(text) as { readonly 'child-pid': number })['child-pid']
  }
  // It ends without telling when it fails: wait for its exit.
  return new Promise(() => {})
}

async function firstBytes(stream: Readable): Promise<void> {
  for await (const _ of stream) return
  return new Promise(() => {})
}

function whatWasSaid(start: SandboxStart, code: number | null, signal: NodeJS.Signals | null): string {
  const text = readIfThere(start.directory.errorsFile).trim()
  return text === '' ? `it ended with ${signal ?? `status ${code}`}` : text.slice(-errorCharactersMax)
}

const errorCharactersMax = 2000
