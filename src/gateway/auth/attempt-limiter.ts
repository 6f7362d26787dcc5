// How often somebody may try: a bucket per key that fills again with time. Memory is bounded: when there are too many keys the
// one that was used longest ago is forgotten.

import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'

export type AttemptLimiterSettings = {
  /** Attempts at once. */
  readonly attempts: number
  /** Milliseconds until one more is allowed. */
  readonly refillMs: number
}

type Bucket = { left: number; at: number }

export class AttemptLimiter {
  readonly #settings: AttemptLimiterSettings
  readonly #clock: Pick<Clock, 'now'>
  /** In the order of use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(settings: AttemptLimiterSettings, clock: Pick<Clock, 'now'>) {
    this.#settings = settings
    this.#clock = clock
  }

  /** Takes one attempt of each key, or of none: milliseconds to wait then, else 0. */
  take(keys: readonly string[]): number {
    const buckets = keys.map((key) => this.#bucket(key))
    const wait = Math.max(...buckets.map((bucket) => this.#waitOf(bucket)))
    if (wait > 0) return wait
    for (const bucket of buckets) bucket.left -= 1
    return 0
  }

  /** It was none: the attempt is given back. */
  giveBack(keys: readonly string[]): void {
    for (const key of keys) {
      const bucket = this.#bucket(key)
      bucket.left = Math.min(this.#settings.attempts, bucket.left + 1)
    }
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  #bucket(key: string): Bucket {
    const now = this.#clock.now()
    const { attempts, refillMs } = this.#settings
    const found = this.#buckets.get(key)
    this.#buckets.delete(key)
    const refilled = found === undefined ? attempts : Math.floor((now - found.at) / refillMs)
    const bucket =
      found === undefined
        ? { left: attempts, at: now }
        : { left: Math.min(attempts, found.left + refilled), at: found.at + refilled * refillMs }
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > limits.loginKeys.value) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket
  }

  #waitOf(bucket: Bucket): number {
    return bucket.left > 0 ? 0 : Math.max(1, bucket.at + this.#settings.refillMs - this.#clock.now())
  }
}
