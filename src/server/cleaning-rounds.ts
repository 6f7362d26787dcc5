// Rounds of cleaning beside the work: whatever is old is removed at the start and at an interval, by one round at a time.

import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'

/**
 * Begins the first round at once, without being waited for, and another one `cleaningMs` after the end of each. A round that
 * fails is logged; the next one tries again. Disposing lets a round that is under way end, for `cleaningEndMs`; then
 * its signal is aborted.
 */
export function startCleaning(
  round: (signal: AbortSignal) => Promise<void>,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): AsyncDisposable {
  const resting = new AbortController()
  const leaving = new AbortController()
  const clean = async () => {
    try {
      await round(leaving.signal)
    } catch (error) {
      if (!leaving.signal.aborted) logger.warn('what is old could not be removed', { error })
    }
  }
  const rounds = async () => {
    while (!resting.signal.aborted) {
      await clean()
      await clock.sleep(limits.cleaningMs.value, resting.signal).catch(() => {})
    }
  }
  const running = rounds()
  return {
    [Symbol.asyncDispose]: async () => {
      resting.abort()
      const ended = new AbortController()
      const lateEnough = clock.sleep(limits.cleaningEndMs.value, ended.signal).then(
        () => leaving.abort(new Error('the process ends')),
        () => {},
      )
      await running
      ended.abort()
      await lateEnough
    },
  }
}
