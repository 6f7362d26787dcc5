// Bounds how often passwords can be tried, per user and per address, and how many are checked at once: each check costs memory and
// time on purpose. Who succeeds is not counted.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { AttemptLimiter } from './attempt-limiter.ts'

export type LoginAttempt = {
  readonly name: string
  readonly from: { readonly address: string }
  readonly setHeader: (name: string, value: string) => void
}

export class LoginGuard {
  readonly #limiter: AttemptLimiter
  #running = 0

  constructor(clock: Pick<Clock, 'now'>) {
    const settings = { attempts: limits.loginAttempts.value, refillMs: limits.loginRefillMs.value }
    this.#limiter = new AttemptLimiter(settings, clock)
  }

  /** Runs `check`. Errors: `rate_limited`, with Retry-After; those of `check`, where wrong credentials count as an attempt. */
  async attempt<T>({ name, from, setHeader }: LoginAttempt, check: () => Promise<T>): Promise<T> {
    const keys = [`user ${name}`, `address ${addressBlock(from.address)}`]
    const waitMs = this.#running >= limits.loginsAtOnce.value ? 1000 : this.#limiter.take(keys)
    if (waitMs > 0) {
      setHeader('retry-after', String(Math.ceil(waitMs / 1000)))
      throw new SlipwayError('rate_limited', `too many attempts: try again in ${Math.ceil(waitMs / 1000)} s`)
    }
    this.#running += 1
    try {
      const result = await check()
      this.#limiter.giveBack(keys)
      return result
    } catch (error) {
      if (!isSlipwayError(error, 'login_failed', 'setup_refused')) this.#limiter.giveBack(keys)
      throw error
    } finally {
      this.#running -= 1
    }
  }
}

/** Whoever has one IPv6 address has its whole /64; an IPv4 address is one, however it is written. */
export function addressBlock(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
