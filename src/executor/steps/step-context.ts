// What every kind of step is given, and what it answers.

import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { ExecutorApi, Order } from '../../runservice/executor-api.ts'
import type { Reason } from '../../runservice/reasons.ts'
import type { Pod } from '../driver.ts'
import type { GitMirrors } from '../git/mirrors.ts'

export type StepContext = {
  readonly order: Order
  readonly index: number
  readonly pod: Pod
  readonly log: StepLog
  readonly api: ExecutorApi
  readonly mirrors: GitMirrors
  readonly clock: Clock
  readonly logger: Logger
  /** True when an executor before us had begun this step: what it left half done is overwritten. */
  readonly isResumed: boolean
  /** Aborted when the step must end, whatever for. */
  readonly signal: AbortSignal
  /** Aborted when this executor leaves the step as it is: for its successor, or because nobody knows the task. */
  readonly leaving: AbortSignal
}

/** The log of one step, or of the setup; what is written is masked. */
export interface StepLog {
  /** A line of our own. */
  line(text: string): void
  /** Raw output of the step. Resolves when more may be written. */
  write(chunk: Uint8Array): Promise<void>
  /** Offset of the raw output that is in the log already: where to go on after a restart. */
  readonly rawOffset: number
  /** Calls `listener` with the raw offset up to which everything is stored. */
  onStored(listener: (rawOffset: number) => void): void
}

export type StepOutcome =
  | { readonly kind: 'success'; readonly exitStatus?: number }
  | { readonly kind: 'failed'; readonly exitStatus?: number; readonly reason: Reason }

export const succeeded: StepOutcome = { kind: 'success' }

/** A failure that the machinery met while it executed the step, worded for the step's owner. */
export function failedStep(index: number, message: string): StepOutcome {
  return { kind: 'failed', reason: { kind: 'failed_step', step: index, message } }
}
