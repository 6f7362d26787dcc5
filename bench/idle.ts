// An all-in-one server with which nobody works: its memory, its processor time, and what it writes. It is started from the bundle,
// as the package has it; docs/benchmarks.md says what it takes from the sources.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/lib/clock.ts'
import { temporaryDirectory } from '../test/support/git-repository.ts'
import { freePort } from '../test/support/server-process.ts'
import { processorMs } from './cores.ts'
import { type Figure, figure } from './figure.ts'

const settleMs = 20_000
const idleMs = 60_000

type Use = { readonly residentMb: number; readonly corePercent: number; readonly writes: number }

/** Needs bubblewrap. */
export async function run(): Promise<Figure[]> {
  using folder = temporaryDirectory('idle')
  const port = await freePort()
  const server = spawn(makePackage(join(folder.path, 'package')), ['serve'], {
    env: {
      PATH: process.env.PATH,
      HOME: folder.path,
      SLIPWAY_LISTEN: `127.0.0.1:${port}`,
      SLIPWAY_DATA_DIR: join(folder.path, 'data'),
      SLIPWAY_EXECUTOR_DRIVER: 'host',
    },
    stdio: 'ignore',
  })
  const bare = spawn(process.execPath, [join(import.meta.dirname, 'floors/http-answers.ts'), '100'])
  try {
    await untilReady(`http://127.0.0.1:${port}/readyz`)
    await systemClock.sleep(settleMs)
    const [ours, floor] = await Promise.all([useOf(server, join(folder.path, 'data')), useOf(bare)])
    const pick = (name: keyof Use) => ({ samples: [ours[name]], floor: [floor[name]] })
    return [
      figure({ name: 'idle server: memory', unit: 'MB', ...pick('residentMb') }, { of: 'value', most: 150 }),
      figure({ name: 'idle server: of one core', unit: '%', ...pick('corePercent') }, { of: 'value', most: 0.5 }),
      figure({ name: 'idle server: files that changed', unit: 'files', ...pick('writes') }, { of: 'value', most: 0 }),
    ]
  } finally {
    const ended = [server, bare].map((child) => new Promise((resolve) => child.once('exit', resolve)))
    server.kill()
    bare.kill()
    await Promise.all(ended)
  }
}

/** As npm installs it; the command in there. */
function makePackage(root: string): string {
  const repository = join(import.meta.dirname, '..')
  for (const name of ['bin', 'dist']) mkdirSync(join(root, name), { recursive: true })
  const command = join(root, 'bin/slipway')
  copyFileSync(join(repository, 'bin/slipway'), command)
  for (const name of ['helper', 'web', 'node_modules', 'package.json', 'docs'])
    symlinkSync(join(repository, name), join(root, name))
  execFileSync(process.execPath, [join(repository, 'tools/bundle.ts'), join(root, 'dist')], { stdio: 'inherit' })
  return command
}

/** While nothing happens. */
async function useOf({ pid }: ChildProcess, directory?: string): Promise<Use> {
  const files = () => (directory === undefined ? new Map<string, string>() : statesOf(directory))
  const [before, usedBefore] = [files(), processorMs(pid!)]
  await systemClock.sleep(idleMs)
  const [after, usedMs] = [files(), processorMs(pid!) - usedBefore]
  const [, kiB = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return {
    residentMb: (Number(kiB) * 1024) / 1e6,
    corePercent: (usedMs / idleMs) * 100,
    writes: [...after].filter(([name, state]) => before.get(name) !== state).length,
  }
}

function statesOf(directory: string): Map<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return new Map(
    paths.map((path) => {
      const { mtimeMs, size } = statSync(path)
      const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
      return [path, `${mtimeMs} ${size} ${hash}`]
    }),
  )
}

async function untilReady(url: string): Promise<void> {
  for (const deadline = performance.now() + 60_000; ; await systemClock.sleep(100)) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isReady) return
    if (performance.now() > deadline) throw new Error('the server did not start')
  }
}
