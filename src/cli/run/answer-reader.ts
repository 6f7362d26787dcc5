// Reads the answers of a person from standard input, a line each.

import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'

export class AnswerReader implements Disposable {
  readonly #input: Readable
  #lines: Interface | undefined
  /** Lines that came before they were asked for: answers may be piped in. */
  readonly #early: string[] = []
  #isEnded = false
  #deliver: ((line: string | undefined) => void) | undefined

  constructor(input: Readable) {
    this.#input = input
  }

  /** One line; undefined at the end of input, or when `signal` is aborted. One call at a time. */
  async read(signal: AbortSignal): Promise<string | undefined> {
    this.#open()
    const early = this.#early.shift()
    if (early !== undefined || this.#isEnded || signal.aborted) return early
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const giveUp = () => resolve(undefined)
    this.#deliver = resolve
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await promise
    } finally {
      this.#deliver = undefined
      signal.removeEventListener('abort', giveUp)
    }
  }

  [Symbol.dispose](): void {
    this.#lines?.close()
  }

  #open(): void {
    if (this.#lines !== undefined) return
    // Not as a terminal: that would take the interrupt key away from the process, and the terminal echoes by itself.
    this.#lines = createInterface({ input: this.#input, terminal: false })
    this.#lines.on('line', (line) => {
      if (this.#deliver === undefined) this.#early.push(line)
      else this.#deliver(line)
    })
    this.#lines.on('close', () => {
      this.#isEnded = true
      this.#deliver?.(undefined)
    })
  }
}
