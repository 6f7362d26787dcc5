// What a `slipway run` was asked for, and what it has at hand.

import type { Clock } from '../../lib/clock.ts'
import type { DriverChoice } from '../../server/drivers/driver-choice.ts'
import type { StateDirectory } from '../../server/local/state-directory.ts'
import type { EventOptions } from '../event-options.ts'
import type { Io } from '../io.ts'
import type { VariableOptions } from '../variable-options.ts'
import type { Repository } from '../working-tree/repository.ts'
import type { ApproveMode } from './approve-mode.ts'
import type { OutputMode } from './output-mode.ts'
import type { RunEventSink } from './run-event.ts'

export type RunOptions = EventOptions &
  VariableOptions & {
    readonly task: readonly string[]
    readonly driver: DriverChoice
    readonly approve?: ApproveMode
    readonly jobs: number
    readonly pull: 'if_missing' | 'always' | 'never'
    readonly keepFailed?: true
    readonly fromFailed?: true
    readonly last?: true
    readonly output?: OutputMode
    readonly file?: string
  }

export type RunContext = {
  readonly options: RunOptions
  readonly io: Io
  readonly repository: Repository
  readonly state: StateDirectory
  readonly output: RunEventSink
  /** Aborted when the person wants to stop. */
  readonly stopping: AbortSignal
  readonly clock: Clock
}

/** What to do with tasks that wait for approval in a local run: without anybody to ask nobody approves them. */
export function approveModeOf({ options, io }: Pick<RunContext, 'options' | 'io'>): ApproveMode {
  return options.approve ?? (io.stdin.isTTY && io.stdout.isTTY ? 'ask' : 'none')
}
