// Trouble with a log that is elsewhere is tried again for as long as it lasts; whoever runs the instance hears of it once
// when it begins to matter, and once when it is over.

import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'

/** What is over sooner is not worth a line. */
const troubleMs = 1000

export class LogHealth {
  readonly #logger: Logger
  readonly #clock: Clock
  #failingSince: number | undefined
  #isTold = false

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  /** A call failed, and will be tried again. */
  failed(error: unknown): void {
    const now = this.#clock.now()
    this.#failingSince ??= now
    if (this.#isTold || now - this.#failingSince < troubleMs) return
    this.#isTold = true
    this.#logger.warn('the change log cannot be reached', { sinceMs: now - this.#failingSince, error })
  }

  /** A call succeeded. */
  succeeded(): void {
    const since = this.#failingSince
    this.#failingSince = undefined
    if (!this.#isTold || since === undefined) return
    this.#isTold = false
    this.#logger.info('the change log is reached again', { afterMs: this.#clock.now() - since })
  }
}
