// `slipway run` as a whole command, from the shell's point of view.

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, figure } from './figure.ts'
import { nodeStart } from './floors/command.ts'
import { interleaved, timeMs } from './interleaved.ts'

const sampleCount = 15
const program = resolve(import.meta.dirname, '../bin/slipway')

const definition = `runs:
  - name: bench
    tasks:
      - name: echo
        runtime: { containers: [{ image: busybox }] }
        steps: [{ run: echo hello }]
`

/** Needs bubblewrap and git. */
export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    const repository = join(folder, 'repository')
    mkdirSync(join(repository, '.slipway'), { recursive: true })
    writeFileSync(join(repository, '.slipway', 'config.yml'), definition)
    const call = promisify(execFile)
    await call('git', ['init', '--quiet', '--initial-branch=main'], { cwd: repository })
    const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_CACHE_HOME: join(folder, 'cache') }
    const command = async () => {
      const { stdout } = await call(program, ['run', '--driver', 'host'], { cwd: repository, env })
      if (!stdout.includes('hello')) throw new Error(`slipway run printed ${JSON.stringify(stdout)}`)
    }
    const measured = await interleaved({ count: sampleCount, warmUps: 2 }, () => timeMs(command), nodeStart)
    return [
      figure(
        { name: 'slipway run of one host task with one echo, the whole command', unit: 'ms', ...measured },
        { of: 'value', most: 400 },
      ),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
