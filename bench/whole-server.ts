// `slipway serve` as it is installed, with its data in a temporary directory, and somebody who is logged in there.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, createClient } from '../src/contract/client.ts'
import { freePort } from '../test/support/server-process.ts'

const program = resolve(import.meta.dirname, '../bin/slipway')
const clockTicksPerSecond = 100

export const administrator = { username: 'ann', password: 'correct horse battery staple' }

export class WholeServer implements AsyncDisposable {
  readonly url: string
  readonly client: ApiClient
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(url: string, client: ApiClient, { child, folder }: { child: ChildProcess; folder: string }) {
    this.url = url
    this.client = client
    this.#child = child
    this.#folder = folder
  }

  /** `settings`: environment variables. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<WholeServer> {
    await using undo = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
    undo.defer(() => rmSync(folder, { recursive: true, force: true }))
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const environment = {
      ...process.env,
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_STATE_HOME: join(folder, 'state'),
      SLIPWAY_LISTEN: `127.0.0.1:${port}`,
      SLIPWAY_DATA_DIR: join(folder, 'data'),
      SLIPWAY_EXECUTOR_DRIVER: 'host',
      ...settings,
    }
    const child = spawn(program, ['serve'], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-10_000)
    })
    undo.defer(() => end(child))
    const link = join(folder, 'data/first-administrator')
    while (!existsSync(link)) {
      if (child.exitCode !== null) throw new Error(`the server ended: ${output}`)
      await sleep(50)
    }
    const { username, password } = administrator
    const args = ['login', url, '--username', username, '--password-stdin', '--setup', link]
    const login = spawn(program, args, { env: environment, stdio: ['pipe', 'ignore', 'inherit'] })
    login.stdin.end(`${password}\n`)
    const status = await new Promise((done) => login.once('exit', done))
    if (status !== 0) throw new Error(`slipway login ended with status ${status}: ${output}`)
    const { current, contexts } = JSON.parse(readFileSync(join(folder, 'config/slipway/contexts.json'), 'utf8')) as {
      current: string
      contexts: Record<string, { url: string; token: string }>
    }
    undo.move()
    return new WholeServer(url, createClient(contexts[current]!), { child, folder })
  }

  /** Processor time of the server since it was started, without the processes it has started. */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
    return ((Number(user) + Number(system)) * 1000) / clockTicksPerSecond
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await ended
}
