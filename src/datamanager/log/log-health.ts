// Trouble with a log that is elsewhere is tried again for as long as it lasts; whoever runs the instance hears of it once
// when it begins to matter, and once when it is over.

import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'

/** What is over sooner is not worth a line. */
const troubleMs = 1000

export type LogTrouble = { readonly begins: string; readonly ends: string }

export const unreachable: LogTrouble = {
  begins: 'the change log cannot be reached',
  ends: 'the change log is reached again',
}
/** It can be read: its disk may be full, or the right to write may be gone. */
export const unwritable: LogTrouble = {
  begins: 'nothing can be written to the change log',
  ends: 'the change log is written to again',
}

export class LogHealth {
  readonly #trouble: LogTrouble
  readonly #logger: Logger
  readonly #clock: Clock
  #failingSince: number | undefined
  #isTold = false

  constructor(trouble: LogTrouble, logger: Logger, clock: Clock) {
    this.#trouble = trouble
    this.#logger = logger
    this.#clock = clock
  }

  /** A call failed, and will be tried again. */
  failed(error: unknown): void {
    const now = this.#clock.now()
    this.#failingSince ??= now
    if (this.#isTold || now - this.#failingSince < troubleMs) return
    this.#isTold = true
    this.#logger.warn(this.#trouble.begins, { sinceMs: now - this.#failingSince, error })
  }

  /** A call succeeded. */
  succeeded(): void {
    const since = this.#failingSince
    this.#failingSince = undefined
    if (!this.#isTold || since === undefined) return
    this.#isTold = false
    this.#logger.info(this.#trouble.ends, { afterMs: this.#clock.now() - since })
  }
}
