// The process that starts sandboxes for us (`slipway-pod spawn`, docs/helper-protocol.md): forking ourselves takes
// milliseconds in which nothing else is done. It is started when it is needed first and ends with us; what it has
// started goes on.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage } from '../../../lib/errors.ts'

export type SpawnOrder = {
  /** Bubblewrap, by its absolute path, with its arguments. */
  readonly argv: readonly [string, ...string[]]
  /** Files of the sandbox's descriptors, in places as `sandboxDescriptors` says. */
  readonly errors: string
  readonly privateDir: string
  /** Files of control groups in which the process that starts it puts itself first. */
  readonly tasks: readonly string[]
}

/** A sandbox that is being started. Promises of what will not come any more stay open: `ended` tells. */
export interface Spawning {
  /** Pids of bubblewrap and of the first process inside, which wait for `release`. */
  readonly created: Promise<{ readonly monitor: number; readonly init: number }>
  /** The helper listens. */
  readonly ready: Promise<void>
  /** How bubblewrap ended, in words. */
  readonly ended: Promise<string>
  /** Lets it go on: it is recorded and its user namespace is mapped. */
  release(): void
  /** Ends it when it was not released; needed for each that did not become ready. */
  forget(): void
}

type News = {
  readonly created?: number
  readonly ready?: number
  readonly ended?: number
  readonly monitor?: number
  readonly init?: number
  readonly message?: string
}

type Waiting = {
  readonly created: PromiseWithResolvers<{ readonly monitor: number; readonly init: number }>
  readonly ready: PromiseWithResolvers<void>
  readonly ended: PromiseWithResolvers<string>
}

export class Spawner implements AsyncDisposable {
  readonly #helperFile: string
  readonly #clock: Clock
  #process: SpawnerProcess | undefined

  /** Starts nothing yet. */
  constructor(helperFile: string, clock: Clock) {
    this.#helperFile = helperFile
    this.#clock = clock
  }

  start(order: SpawnOrder): Spawning {
    if (this.#process === undefined || this.#process.hasEnded) this.#process = new SpawnerProcess(this.#helperFile)
    return this.#process.start(order)
  }

  /** Ends the process, which does not end what it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.end(this.#clock)
    this.#process = undefined
  }
}

class SpawnerProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited = Promise.withResolvers<void>()
  #hasEnded = false
  #isHeld = true
  #numbers = 0
  #text = ''

  constructor(helperFile: string) {
    // In a session of its own: Ctrl-C is for us, who may still need it.
    this.#child = spawn(helperFile, ['spawn'], { stdio: ['pipe', 'pipe', 'ignore'], detached: true, env: {}, cwd: '/' })
    this.#child.stdout.setEncoding('utf8')
    this.#child.stdout.on('data', (text: string) => this.#read(text))
    // That it is gone shows by its end.
    for (const stream of [this.#child.stdin, this.#child.stdout]) stream.on('error', () => {})
    this.#child.once('error', (error) => this.#onEnd(errorMessage(error)))
    this.#child.once('exit', () => this.#onEnd('the process that starts sandboxes has ended'))
    this.#hold()
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  start(order: SpawnOrder): Spawning {
    const number = ++this.#numbers
    const waiting: Waiting = {
      created: Promise.withResolvers(),
      ready: Promise.withResolvers(),
      ended: Promise.withResolvers(),
    }
    this.#waiting.set(number, waiting)
    this.#hold()
    this.#send({ start: number, ...order })
    return {
      created: waiting.created.promise,
      ready: waiting.ready.promise,
      ended: waiting.ended.promise,
      release: () => this.#send({ release: number }),
      forget: () => this.#send({ forget: number }),
    }
  }

  async end(clock: Clock): Promise<void> {
    this.#child.stdin.end()
    const enough = new AbortController()
    await Promise.race([this.#exited.promise, clock.sleep(endMs, enough.signal).catch(() => {})])
    enough.abort()
    if (!this.#hasEnded) this.#child.kill('SIGKILL')
  }

  #send(order: object): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
  }

  #read(text: string): void {
    const lines = (this.#text + text).split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) this.#hear(JSON.parse(line) as News)
  }

  #hear({ created, ready, ended, monitor = 0, init = 0, message = '' }: News): void {
    const number = created ?? ready ?? ended ?? 0
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return
    if (created !== undefined) waiting.created.resolve({ monitor, init })
    else if (ready !== undefined) waiting.ready.resolve()
    else waiting.ended.resolve(message)
    if (created !== undefined) return
    this.#waiting.delete(number)
    this.#hold()
  }

  #onEnd(message: string): void {
    this.#hasEnded = true
    for (const { ended } of this.#waiting.values()) ended.resolve(message)
    this.#waiting.clear()
    this.#exited.resolve()
  }

  /** Only while an answer is awaited does it keep this process from ending. */
  #hold(): void {
    const isHeld = this.#waiting.size > 0
    if (isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    const method = isHeld ? 'ref' : 'unref'
    this.#child[method]()
    for (const stream of [this.#child.stdin, this.#child.stdout])
      (stream as Readable & { ref(): void; unref(): void })[method]()
  }
}

const endMs = 1_000
