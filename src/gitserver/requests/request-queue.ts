// So many requests at once; further ones wait, in order, and not without end.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'

export class RequestQueue {
  readonly #atOnce: number
  readonly #waitingMax: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(atOnce = limits.gitRequestsAtOnce.value, waitingMax = limits.gitRequestsWaiting.value) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Waits for a place; disposing leaves it. Errors: `rate_limited` when too many wait, the reason of `signal`. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    if (this.#running >= this.#atOnce) await this.#wait(signal)
    else this.#running++
    let isIn = true
    return {
      [Symbol.dispose]: () => {
        if (isIn) this.#leave()
        isIn = false
      },
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax)
      throw new SlipwayError('rate_limited', 'the git server has too much to do: try again in a moment')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = () => {
      this.#waiting.splice(this.#waiting.indexOf(resolve), 1)
      reject(signal.reason)
    }
    this.#waiting.push(resolve)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** The place goes to the next, so nobody who comes meanwhile takes it. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }
}
