// Sends the states of one task, in order, each with a number counted up in the journal first. Only the newest state
// matters: what follows within a moment, or while a report is on its way, is sent as one; the last one is sent until it is
// acknowledged. So a task that takes a moment is one report.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { ExecutorApi } from '../runservice/executor-api.ts'
import type { Journal, JournalEntry } from './journal.ts'
import type { TaskState } from './task-state.ts'

/** How late a state may be seen that is not the last one. */
const gatherMs = 40
const retryMsMin = 100
const retryMsMax = 10_000

export type ReporterComponents = {
  readonly api: Pick<ExecutorApi, 'report'>
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
}

export class Reporter {
  readonly #components: ReporterComponents
  readonly #signal: AbortSignal
  #entry: JournalEntry
  #acknowledged: number
  #sending: Promise<void> | undefined
  /** Aborted when there is nothing to wait for any more. */
  #hurry = new AbortController()
  #onGone: () => void

  /** `entry` is where the journal stands; `onGone` is called when nobody knows the task any more. */
  constructor(entry: JournalEntry, onGone: () => void, components: ReporterComponents, signal: AbortSignal) {
    this.#entry = entry
    this.#acknowledged = 0
    this.#onGone = onGone
    this.#components = components
    this.#signal = signal
  }

  get entry(): JournalEntry {
    return this.#entry
  }

  /** Remembers facts of the task that are not reported. */
  remember(facts: Pick<JournalEntry, 'driver' | 'podStartedAt' | 'setupLines'>): void {
    this.#entry = { ...this.#entry, ...facts }
    this.#components.journal.save(this.#entry)
  }

  /** Journals the state and sends it soon. */
  report(state: TaskState): void {
    const { executorTaskId, report } = this.#entry
    this.#entry = { ...this.#entry, report: { ...state, executorTaskId, number: report.number + 1 } }
    this.#components.journal.save(this.#entry)
    this.#startSending()
  }

  /** Resolves when the newest state is acknowledged; rejects when the executor stops first. */
  async flush(): Promise<void> {
    this.#hurry.abort()
    while (this.#acknowledged < this.#entry.report.number) {
      await this.#startSending()
      this.#signal.throwIfAborted()
    }
  }

  #startSending(): Promise<void> {
    const { clock } = this.#components
    this.#sending ??= clock
      .sleep(gatherMs, AbortSignal.any([this.#hurry.signal, this.#signal]))
      .catch(() => undefined)
      .then(() => this.#send())
      .finally(() => {
        this.#sending = undefined
      })
    return this.#sending
  }

  async #send(): Promise<void> {
    let waitMs = retryMsMin
    while (this.#acknowledged < this.#entry.report.number && !this.#signal.aborted) {
      const { report } = this.#entry
      try {
        const answer = await this.#components.api.report(report, this.#signal)
        this.#acknowledged = report.number
        waitMs = retryMsMin
        if (answer === 'gone') return this.#onGone()
      } catch (error) {
        if (this.#signal.aborted) return
        if (isSlipwayError(error, 'status_impossible')) {
          // Repeating cannot help: the runservice decided otherwise, and its next order says what.
          this.#components.logger.error('status refused', { executorTaskId: report.executorTaskId, error })
          this.#acknowledged = report.number
          return
        }
        this.#components.logger.warn('status not sent', { executorTaskId: report.executorTaskId, error })
        await this.#components.clock.sleep(waitMs, this.#signal).catch(() => undefined)
        waitMs = Math.min(waitMs * 2, retryMsMax)
      }
    }
  }
}
