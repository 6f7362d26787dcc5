// A program of this folder in a process of its own, which answers each line with one line of JSON.

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Tells with its first line how it is asked. Disposing ends its input, and with it the process. */
export class Answering<Hello> implements AsyncDisposable {
  readonly hello: Hello
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, hello: Hello) {
    this.#child = child
    this.#lines = lines
    this.hello = hello
  }

  static async start<Hello>(file: string, ...args: string[]): Promise<Answering<Hello>> {
    const options = process.env.SLIPWAY_BENCH_NODE_OPTIONS?.split(' ') ?? []
    const child = spawn(process.execPath, [...options, join(import.meta.dirname, file), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return new Answering(child, lines, await nextOf<Hello>(lines))
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What it answers to a line. */
  async ask<T>(line = ''): Promise<T> {
    this.#child.stdin?.write(`${line}\n`)
    return await nextOf<T>(this.#lines)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    await ended
  }
}

/** What the next line says. */
async function nextOf<T>(lines: AsyncIterator<string>): Promise<T> {
  const { value, done } = await lines.next()
  if (done === true) throw new Error('the process has ended')
  return JSON.parse(value) as T
}
