// Direct runs of a large repository: from the start of the command to the first line of a log, once the server has what was there before.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Figure, figure } from './figure.ts'
import { nodeStart } from './floors/command.ts'
import { interleaved } from './interleaved.ts'

const program = resolve(import.meta.dirname, '../bin/slipway')
const call = promisify(execFile)
const sampleCount = 3
const fileBytes = 4 * 1024 * 1024
const fileCount = 256

const definition = `runs:
  - name: bench
    tasks:
      - name: build
        runtime: { containers: [{ image: busybox }] }
        steps: [{ clone: {} }, { run: ls }]
`

/** Needs bubblewrap, git and 6 GB of disk. */
export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  let server: ChildProcess | undefined
  try {
    const repository = await makeRepository(join(folder, 'repository'))
    const port = await freePort()
    const environment = {
      ...process.env,
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_STATE_HOME: join(folder, 'state'),
      SLIPWAY_LISTEN: `127.0.0.1:${port}`,
      SLIPWAY_DATA_DIR: join(folder, 'data'),
      SLIPWAY_EXECUTOR_DRIVER: 'host',
    }
    server = spawn(program, ['serve'], { env: environment, stdio: 'ignore' })
    await logIn(`http://127.0.0.1:${port}`, folder, environment)
    const first = await firstLogLineMs(repository, environment)
    console.error(`bench: the first direct run of ${fileCount * fileBytes} bytes told its first line after ${first} ms`)
    let round = 0
    const again = async () => {
      writeFileSync(join(repository, 'changed.txt'), `round ${++round}\n`)
      return await firstLogLineMs(repository, environment)
    }
    const measured = await interleaved({ count: sampleCount, warmUps: 0 }, again, nodeStart)
    return [
      figure(
        {
          name: 'direct run of a 1 GB repository with one changed file, again: first log line',
          unit: 'ms',
          ...measured,
        },
        { of: 'value', most: 3000 },
      ),
    ]
  } finally {
    const running = server
    if (running?.exitCode === null) {
      const ended = new Promise((done) => running.once('exit', done))
      running.kill('SIGTERM')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Content that nothing makes smaller, packed as it would be after a clone. */
async function makeRepository(folder: string): Promise<string> {
  mkdirSync(join(folder, '.slipway'), { recursive: true })
  writeFileSync(join(folder, '.slipway/config.yml'), definition)
  for (let file = 0; file < fileCount; file++) writeFileSync(join(folder, `${file}.bin`), randomBytes(fileBytes))
  const fast = ['-c', 'core.compression=0', '-c', 'core.bigFileThreshold=1m']
  const git = (...args: readonly string[]) => call('git', [...fast, ...args], { cwd: folder })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all')
  await git('-c', 'user.name=Bench', '-c', 'user.email=bench@example.org', 'commit', '--quiet', '-m', 'large')
  await git('repack', '-adq')
  return folder
}

async function logIn(url: string, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const link = join(folder, 'data/first-administrator')
  while (!existsSync(link)) await sleep(50)
  const args = ['login', url, '--username', 'ann', '--password-stdin', '--setup', link]
  const child = spawn(program, args, { env, stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end('correct horse battery staple\n')
  const status = await new Promise((done) => child.once('exit', done))
  if (status !== 0) throw new Error(`slipway login ended with status ${status}`)
}

/** Milliseconds; the run is stopped then. */
async function firstLogLineMs(cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  const begin = performance.now()
  const child = spawn(program, ['directrun', 'start', '--output', 'json'], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((done) => child.once('exit', done))
  let told: number | undefined
  let text = ''
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (told !== undefined || !text.includes('"type":"log"')) return
    told = performance.now() - begin
    child.kill('SIGINT')
  })
  await ended
  if (told === undefined) throw new Error(`slipway directrun told no line of a log: ${text.slice(-2000)}`)
  return told
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
