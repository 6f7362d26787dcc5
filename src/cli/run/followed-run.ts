// What is needed of runs to follow them: those of `slipway run` are followed in this process, those of a server over its API.

import type { RunConfigTask } from '../../pipeline/run-config.ts'
import type { LogName } from '../../runservice/executor-api.ts'
import type { Reason } from '../../runservice/reasons.ts'
import type { Run, RunTask } from '../../runservice/types.ts'

export type FollowedTask = {
  readonly task: Pick<
    RunTask,
    | 'id'
    | 'status'
    | 'waitingApproval'
    | 'reason'
    | 'startedAt'
    | 'endedAt'
    | 'keptPod'
    | 'executorId'
    | 'setupStep'
    | 'steps'
  >
  readonly config: Pick<RunConfigTask, 'name' | 'level'> & {
    readonly steps: readonly { readonly type: string; readonly name: string }[]
  }
  readonly waiting?: Reason
}

/** A run as it is at one moment. */
export type FollowedRun = {
  readonly run: Pick<
    Run,
    | 'id'
    | 'name'
    | 'counter'
    | 'phase'
    | 'result'
    | 'reason'
    | 'setupErrors'
    | 'enqueuedAt'
    | 'startedAt'
    | 'endedAt'
    | 'restartOf'
  >
  /** In the order of the definition. */
  readonly tasks: readonly FollowedTask[]
}

/** Where they are; as the operations of the runservice of these names. */
export interface RunSource {
  loadRun(runId: string): Promise<FollowedRun | undefined>
  watchRun(runId: string, signal: AbortSignal): AsyncIterable<FollowedRun>
  followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  stopRun(runId: string): Promise<void>
  cancelRun(runId: string): Promise<void>
  approveTask(runId: string, taskId: string, approver: string): Promise<void>
  listExecutors(): Promise<readonly unknown[]>
}
