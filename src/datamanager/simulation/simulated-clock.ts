// Time that passes only when nothing else is left to do.

import type { Clock, Timestamp } from '../../lib/clock.ts'

type Timer = { readonly at: Timestamp; readonly number: number; readonly run: () => void }

export class SimulatedClock implements Clock {
  #now: Timestamp = 1_800_000_000_000
  #count = 0
  readonly #timers = new Map<number, Timer>()

  now(): Timestamp {
    return this.#now
  }

  /** Calls `run` in `ms`; returns what cancels it. */
  after(ms: number, run: () => void): () => void {
    const number = this.#count++
    this.#timers.set(number, { at: this.#now + ms, number, run })
    return () => this.#timers.delete(number)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const onAbort = () => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController()
    this.after(ms, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')))
    return controller.signal
  }

  /** Lets everything happen until `isDone`; false when nothing is left to happen or after `steps` timers. */
  async run(isDone: () => boolean, steps: number): Promise<boolean> {
    for (let step = 0; step < steps; step++) {
      // One turn of the event loop runs all microtasks, and there is nothing but microtasks and our timers.
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (isDone()) return true
      let next: Timer | undefined
      for (const timer of this.#timers.values())
        if (!next || timer.at < next.at || (timer.at === next.at && timer.number < next.number)) next = timer
      if (!next) return false
      this.#timers.delete(next.number)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    return false
  }
}
