// A server that a test starts, kills, stops and starts again, with its data in a temporary directory.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below those that the system gives to connections and to whoever asks for any port: nobody takes it by chance. */
const ports = { first: 12_000, count: 20_000 }

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.first + randomInt(ports.count)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return await promise
}

export type ServerCommand = {
  readonly program: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export class ServerProcess {
  readonly #command: ServerCommand
  readonly #isReady: () => Promise<boolean>
  #child: ChildProcess | undefined
  #output = ''

  /** `isReady` is asked until it says true; what it throws counts as false. */
  constructor(command: ServerCommand, isReady: () => Promise<boolean>) {
    this.#command = command
    this.#isReady = isReady
  }

  async start(): Promise<void> {
    const { program, args, environment } = this.#command
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment ?? process.env,
    })
    this.#child = child
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => keep(Buffer.from(error.message)))
    for (const started = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (await this.#isReady().catch(() => false)) return
      if (child.exitCode !== null || child.pid === undefined || Date.now() - started > 30_000)
        throw new Error(`${program} did not start: ${this.#output}`)
    }
  }

  /** Undefined when it does not run. */
  get pid(): number | undefined {
    const child = this.#child
    return child && child.exitCode === null && child.signalCode === null ? child.pid : undefined
  }

  signal(name: NodeJS.Signals): void {
    if (this.pid !== undefined) process.kill(this.pid, name)
  }

  /** Ends it at once, as `kill -9` does, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || this.pid === undefined) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    this.signal('SIGKILL')
    await ended
  }
}
