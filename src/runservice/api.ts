// All that other rooms may know of the runservice: its operations, and what they answer.

import type { Position } from '../datamanager/database.ts'
import type { RunConfigTask } from '../pipeline/run-config.ts'
import type { ExecutorApi, LogName } from './executor-api.ts'
import type { Reason } from './reasons.ts'
import type { CreateRunRequest } from './scheduler/create-run.ts'
import type { Executor, Run, RunPhase, RunResult, RunTask } from './types.ts'

export type { CreateRunRequest } from './scheduler/create-run.ts'

/** As `CreateRunRequest`, but with secrets in clear: they are sealed before anything is stored. */
export type NewRunRequest = CreateRunRequest & {
  readonly secrets: Readonly<Record<string, string>>
  /**
   * An earlier run: tasks of the request that have the id of a task which succeeded there are kept as they are, with
   * logs and archives; secrets that are not given anew are taken from it. The caller answers for it that they are the same.
   */
  readonly keepFrom?: string
}

export type RunView = {
  readonly run: Run
  /** Why a queued run has not started. */
  readonly waiting?: Reason
  /** In the order of the definition. */
  readonly tasks: readonly { readonly task: RunTask; readonly config: RunConfigTask; readonly waiting?: Reason }[]
  readonly position: Position
}

export type ListRunsOptions = {
  /** The group itself and those below it. */
  readonly group?: string
  readonly phases?: readonly RunPhase[]
  readonly results?: readonly RunResult[]
  /** Sequence to go on after, exclusive. */
  readonly after?: number
  readonly oldestFirst?: boolean
  /** At most 100; default 25. */
  readonly limit?: number
}

export interface Runservice extends AsyncDisposable {
  /** All in one transaction, in order. Errors: `run_group_invalid`, `run_invalid`, `limit_exceeded`. */
  createRuns(requests: readonly NewRunRequest[]): Promise<readonly Run[]>
  /** From its start, or only what did not succeed and what comes after it. `run_not_restartable` says why not. */
  restartRun(runId: string, options: RestartRunOptions): Promise<Run>
  /** Asks a running run to stop; `run_not_running`. */
  stopRun(runId: string, by?: string): Promise<void>
  /** Cancels a queued run; `run_not_queued`. */
  cancelRun(runId: string, by?: string): Promise<void>
  approveTask(runId: string, taskId: string, approver: string): Promise<void>

  findRun(runId: string): RunView | undefined
  listRuns(options?: ListRunsOptions): readonly Run[]
  /** The run now and after each change of it, until it is finished or `signal` is aborted. Slow readers miss states between. */
  watchRun(runId: string, signal: AbortSignal): AsyncIterable<RunView>

  /** Stored bytes of a log from `fromByte`; nothing when there is none. */
  readLog(runTaskId: string, log: LogName, fromByte?: number): AsyncIterable<Uint8Array>
  /** As `readLog`, then what is added until the log is complete. */
  followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<Uint8Array>

  /** The protocol for one executor. */
  executorApi(executorId: string): ExecutorApi
  listExecutors(): readonly Executor[]
  /** Removes an executor; its tasks fail with `executor_lost`. */
  removeExecutor(executorId: string): Promise<void>

  /** Removes logs and archives older than their retention, and what a crash left of uploads. Rows of runs stay. */
  clean(retention: Retention): Promise<void>
}

export type RestartRunOptions = { readonly fromStart: boolean }

export type Retention = {
  /** Milliseconds; 0 keeps for ever. Logs count from the end of the run, archives from their last use. */
  readonly logsMs: number
  readonly workspacesMs: number
}
