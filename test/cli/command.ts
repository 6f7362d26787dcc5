// The real command in real repositories, with a state directory of its own for each test.

import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { endPodsBelow } from '../support/end-pods.ts'
import { type TestRepository, temporaryDirectory, testRepository } from '../support/git-repository.ts'

export const slipwayFile = resolve(import.meta.dirname, '../../bin/slipway')

export type TaskGiven = {
  readonly run?: string
  readonly steps?: readonly unknown[]
  readonly image?: string
  readonly [key: string]: unknown
}

export type CommandResult = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

export type CommandOptions = {
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Called with what was printed so far. */
  readonly onOutput?: (stdout: string, running: RunningCommand) => void
}

export type RunningCommand = {
  readonly kill: (signal: NodeJS.Signals) => void
  /** Stops reading, as `head` does. */
  readonly closeOutput: () => void
}

export type CommandRepository = TestRepository & {
  readonly stateHome: string
  /** Writes `.slipway/config.json` with these tasks as the run `ci`. */
  define(tasks: Readonly<Record<string, string | TaskGiven>>): void
  slipway(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `slipway run --driver host` with `args`. */
  run(...args: readonly string[]): Promise<CommandResult>
}

/** A repository with one run `ci`; nothing is committed yet. */
export function commandRepository(
  tasks: Readonly<Record<string, string | TaskGiven>> = {},
  files: Readonly<Record<string, string>> = {},
): CommandRepository {
  const repository = testRepository(files)
  const state = temporaryDirectory('state')
  const slipway = (args: readonly string[], options: CommandOptions = {}) =>
    runSlipway(args, {
      cwd: repository.dir,
      ...options,
      environment: { XDG_STATE_HOME: state.path, ...options.environment },
    })
  const made: CommandRepository = {
    ...repository,
    stateHome: state.path,
    define: (given) => repository.write({ '.slipway/config.json': definition(given) }),
    slipway,
    run: (...args) => slipway(['run', '--driver', 'host', ...args]),
    [Symbol.dispose]: () => {
      endPodsBelow(state.path)
      repository[Symbol.dispose]()
      state[Symbol.dispose]()
    },
  }
  if (Object.keys(tasks).length > 0) made.define(tasks)
  return made
}

/** A definition with one run `ci`; a task given as text is one `run` step. */
export function definition(tasks: Readonly<Record<string, string | TaskGiven>>): string {
  return JSON.stringify({
    runs: [{ name: 'ci', tasks: Object.entries(tasks).map(([name, given]) => taskOf(name, given)) }],
  })
}

function taskOf(name: string, given: string | TaskGiven): unknown {
  const { run, steps, image, ...rest } = typeof given === 'string' ? ({ run: given } as TaskGiven) : given
  return {
    name,
    runtime: { containers: [{ image: image ?? 'busybox' }] },
    steps: steps ?? [{ run: { name: 'do', command: run } }],
    ...rest,
  }
}

/** Two at a time: the machine has other tests to run. */
const waiting: (() => void)[] = []
let free = 2

export async function runSlipway(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  if (free > 0) free--
  else await new Promise<void>((go) => waiting.push(go))
  try {
    return await spawnSlipway(args, options)
  } finally {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
}

async function spawnSlipway(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const { cwd = process.cwd(), environment, stdin, onOutput } = options
  const child = spawn(slipwayFile, args, { cwd, env: cleanEnvironment(environment) })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    onOutput?.(stdout, { kill: (signal) => child.kill(signal), closeOutput: () => child.stdout.destroy() })
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.end(stdin ?? '')
  const status = await new Promise<number | null>((done, fail) => {
    child.on('error', fail)
    child.on('close', done)
  })
  return { status, stdout, stderr }
}

/** Nothing of the developer's own settings: git's, colours, or a Docker host. */
export function cleanEnvironment(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env
  return {
    PATH,
    HOME,
    // Shared by all tests, as on a developer's machine.
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(HOME, '.cache'),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    LANG: 'C.UTF-8',
    ...environment,
  }
}
