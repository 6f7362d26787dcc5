// Taking webhooks comes before making runs of those taken: providers wait for an answer, and call a hook broken that answers late. One
// process does both on one thread, so whoever makes runs asks for a turn before each thing that takes the processor for a while. None is
// given while a webhook is being taken, within a bound, so that runs are made in any case. All who wait get theirs at once: what they do
// together shares commits, which is most of what it costs.

import type { Clock } from '../../lib/clock.ts'

/** Nobody waits longer for a turn than that. */
const waitMsMost = 2_000

export class AcceptFirst {
  readonly #clock: Clock
  #taken = 0
  /** Resolves when no webhook is being taken. */
  #calm = Promise.withResolvers<void>()
  /** The turns of those who wait. */
  #next: Promise<void> | undefined

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
  turn(): Promise<void> {
    this.#next ??= this.#give().finally(() => {
      this.#next = undefined
    })
    return this.#next
  }

  async #give(): Promise<void> {
    // What has come meanwhile is read before.
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#taken === 0) return
    const over = new AbortController()
    await Promise.race([this.#calm.promise, this.#clock.sleep(waitMsMost, over.signal).catch(() => {})])
    over.abort()
  }
}
