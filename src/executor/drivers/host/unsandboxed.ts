// Tasks without bubblewrap, when that was allowed: the helper in a session of its own with private directories, as the
// user of the executor. What it starts can leave every group, so it is found by its environment when it is to end.

import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Clock } from '../../../lib/clock.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import { identifyProcess } from '../../../lib/process-identity.ts'
import { readIfThere } from './host-view.ts'
import { killMarkedProcesses } from './marked-processes.ts'
import { type PodDirectory, type SandboxRecord, saveSandboxRecord } from './pod-directory.ts'
import { sandboxEnvironment } from './sandbox-arguments.ts'

/** Descriptor of the private directory in the helper, by its place in `stdio`. */
export const privateDirDescriptor = 3

/** Marks the helper; its steps carry a marker of their own (docs/helper-protocol.md). */
const podVariable = 'SLIPWAY_POD'
const stepVariable = 'SLIPWAY_STEP'

/** Environment of every step before the main container's is added. */
export function unsandboxedEnvironment(directory: PodDirectory): Readonly<Record<string, string>> {
  const { USER: _user, LOGNAME: _logname, ...rest } = sandboxEnvironment
  return { ...rest, HOME: directory.homeDir, TMPDIR: directory.temporaryDir }
}

/** Resolves when the helper listens. Fails with `setup_failed`; the caller removes the pod then and when aborted. */
export async function startUnsandboxed(start: {
  readonly command: readonly [string, ...string[]]
  readonly directory: PodDirectory
  readonly signal: AbortSignal
}): Promise<SandboxRecord> {
  const { directory, signal } = start
  signal.throwIfAborted()
  const errors = openSync(directory.errorsFile, 'a', 0o600)
  const privateDir = openSync(directory.privateDir, constants.O_RDONLY | constants.O_DIRECTORY)
  const child = spawn(start.command[0], start.command.slice(1), {
    stdio: ['ignore', 'pipe', errors, privateDir],
    detached: true,
    env: { [podVariable]: directory.path },
    cwd: directory.homeDir,
  })
  closeSync(errors)
  closeSync(privateDir)
  const ready = child.stdout as Readable // Place 1 is a pipe, see `stdio`.
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const onAbort = () => ended.reject(signal.reason)
  const onExit = () => {
    const said = readIfThere(directory.errorsFile).trim()
    ended.reject(new SlipwayError('setup_failed', `host driver: the helper did not start: ${said}`))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  child.once('error', ended.reject)
  child.once('exit', onExit)
  try {
    const helper = identifyProcess(child.pid ?? 0)
    if (helper === undefined) return await ended.promise
    const record: SandboxRecord = { version: 1, monitor: helper, init: helper }
    saveSandboxRecord(directory, record)
    await Promise.race([new Promise((resolve) => ready.once('data', resolve)), ended.promise])
    return record
  } finally {
    signal.removeEventListener('abort', onAbort)
    child.off('exit', onExit)
    child.unref()
    ready.destroy()
  }
}

/** Kills the helper and everything its steps have started, recorded or not: their marker is in the spool's `lock`. Idempotent. */
export async function endUnsandboxed(directory: PodDirectory, clock: Clock, signal: AbortSignal): Promise<void> {
  const markers = stepDirectories(directory)
    .map((path) => readIfThere(join(path, 'lock')))
    .filter((marker) => marker !== '')
    .map((marker) => `${stepVariable}=${marker}`)
  await killMarkedProcesses(new Set([`${podVariable}=${directory.path}`, ...markers]), clock, signal)
}

function stepDirectories(directory: PodDirectory): readonly string[] {
  try {
    return readdirSync(directory.privateDir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory.privateDir, entry.name))
  } catch {
    // Half made, or removed already.
    return []
  }
}
