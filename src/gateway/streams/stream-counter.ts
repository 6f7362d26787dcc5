// How many streams a caller has open: each costs memory for as long as it lives.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'

export class StreamCounter {
  readonly #open = new Map<string, number>()

  /** Counts until `leave`, of which a second call does nothing. Errors: `rate_limited`. */
  enter(caller: string): { leave(): void } {
    const open = this.#open.get(caller) ?? 0
    if (open >= limits.streamsPerCaller.value)
      throw new SlipwayError('rate_limited', `you have ${open} streams open: close some of them`)
    this.#open.set(caller, open + 1)
    let isIn = true
    return {
      leave: () => {
        if (!isIn) return
        isIn = false
        const left = (this.#open.get(caller) ?? 1) - 1
        if (left > 0) this.#open.set(caller, left)
        else this.#open.delete(caller)
      },
    }
  }

  /** Callers that have streams open. */
  get size(): number {
    return this.#open.size
  }
}
