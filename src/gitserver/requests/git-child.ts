// Git as a child that speaks with somebody elsewhere: bytes in, bytes out, as they come.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex, Readable, Writable } from 'node:stream'
import { SlipwayError } from '../../lib/errors.ts'

export type GitChild = {
  readonly stdin: Writable
  readonly stdout: Readable
  /** File descriptor 3 of git and of all it starts. */
  readonly channel: Duplex | undefined
  /** Resolves when it has ended, with the end of what it said to nobody. Errors: `git_failed` when it did not start or was killed. */
  readonly ended: Promise<{ readonly status: number; readonly stderr: string }>
}

export type GitChildOptions = {
  /** The header `Git-Protocol` as it came. */
  readonly protocol?: string | undefined
  readonly hasChannel?: boolean
  /** Kills it. */
  readonly signal: AbortSignal
}

const errorCharactersKept = 4000

export function startGit(args: readonly string[], { protocol, hasChannel = false, signal }: GitChildOptions): GitChild {
  const child: ChildProcess = spawn('git', args, {
    stdio: ['pipe', 'pipe', 'pipe', ...(hasChannel ? (['pipe'] as const) : [])],
    env: gitServerEnvironment(protocol),
  })
  const kill = () => child.kill('SIGKILL')
  if (signal.aborted) kill()
  signal.addEventListener('abort', kill, { once: true })
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-errorCharactersKept)
  })
  // Whoever writes to one that has ended hears of it by its end.
  child.stdin?.on('error', () => {})
  const channel = child.stdio[3] as Duplex | null | undefined
  channel?.on('error', () => {})
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly stderr: string }>()
  child.once('error', (cause) => reject(new SlipwayError('git_failed', 'cannot start git on the server', { cause })))
  child.once('close', (status) => {
    signal.removeEventListener('abort', kill)
    if (status === null) reject(signal.aborted ? signal.reason : new SlipwayError('git_failed', 'git was killed'))
    else resolve({ status, stderr })
  })
  // Not everybody waits for the end.
  promise.catch(() => {})
  // With `pipe` they are there.
  return { stdin: child.stdin!, stdout: child.stdout!, channel: channel ?? undefined, ended: promise }
}

/** Nothing of the machine's or a user's settings of git. */
export function gitServerEnvironment(protocol?: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    ...(protocol === undefined || !/^[\w=:.-]{1,100}$/.test(protocol) ? {} : { GIT_PROTOCOL: protocol }),
  }
}
