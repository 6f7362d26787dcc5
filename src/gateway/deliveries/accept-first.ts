// Taking webhooks comes before making runs of those taken: providers wait for an answer, and call a hook broken that answers late. One
// process does both on one thread, so whoever makes runs asks for a turn before each thing that takes the processor for a while. Turns
// are given one in each round of the event loop, and none while a webhook is being taken, within a bound, so that runs are made
// in any case.

import type { Clock } from '../../lib/clock.ts'

/** Nobody waits longer for a turn than that once it is the next one's. */
const waitMsMost = 500

export class AcceptFirst {
  readonly #clock: Clock
  #taken = 0
  /** Resolves when no webhook is being taken. */
  #calm = Promise.withResolvers<void>()
  readonly #waiting: (() => void)[] = []
  #isGiving = false

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** A webhook is being taken until this is disposed; a second disposal does nothing. */
  take(): Disposable {
    this.#taken++
    let isOver = false
    return {
      [Symbol.dispose]: () => {
        if (isOver) return
        isOver = true
        this.#taken--
        if (this.#taken > 0) return
        this.#calm.resolve()
        this.#calm = Promise.withResolvers()
      },
    }
  }

  /** Resolves when it is the caller's turn. Never rejects. */
  async turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    if (!this.#isGiving) void this.#give()
    await promise
  }

  async #give(): Promise<void> {
    this.#isGiving = true
    while (this.#waiting.length > 0) {
      if (this.#taken > 0) await this.#untilCalm()
      this.#waiting.shift()?.()
      // What has come meanwhile is read before the next turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#isGiving = false
  }

  async #untilCalm(): Promise<void> {
    const over = new AbortController()
    await Promise.race([this.#calm.promise, this.#clock.sleep(waitMsMost, over.signal).catch(() => {})])
    over.abort()
  }
}
