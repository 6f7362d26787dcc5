// Does something again and again in the background, and notices when it has not succeeded for too long.

import type { Clock } from '../lib/clock.ts'
import type { CoordinationTiming } from './coordination.ts'

export type RenewalOptions = {
  readonly clock: Clock
  readonly timing: CoordinationTiming
  /** False: what was renewed is gone for good. What it throws is trouble on the way, tried again soon. */
  readonly renew: (signal: AbortSignal) => Promise<boolean>
  /** Hears once, when it is gone for good or has not been renewed for the time after which others take it for gone. */
  readonly onLost?: () => void
}

/** Runs until disposed or lost. Disposing waits for a renewal that is under way. */
export class Renewal implements AsyncDisposable {
  readonly #ending = new AbortController()
  readonly #done: Promise<void>

  constructor(options: RenewalOptions) {
    this.#done = this.#run(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#done
  }

  async #run({ clock, timing, renew, onLost }: RenewalOptions): Promise<void> {
    const { signal } = this.#ending
    const retryMs = timing.renewMs / 10
    let renewedAt = clock.now()
    let isTroubled = false
    while (!signal.aborted) {
      await clock.sleep(isTroubled ? retryMs : timing.renewMs, signal).catch(() => undefined)
      if (signal.aborted) return
      const startedAt = clock.now() // what counts is when the renewal was sent, not when it was answered
      let isRenewed: boolean | undefined
      try {
        isRenewed = await renew(signal)
      } catch {
        isRenewed = undefined
      }
      isTroubled = isRenewed === undefined
      if (isRenewed) renewedAt = startedAt
      else if (isRenewed === false || clock.now() - renewedAt > timing.expireMs) {
        if (signal.aborted) return
        onLost?.()
        if (onLost) return
      }
    }
  }
}
