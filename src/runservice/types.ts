// The rows of the runservice database: small, one per thing that changes together (docs/architecture.md, "Rows"). All
// times are milliseconds since 1970.

import type { Arch, RunConfigTask, Value } from '../pipeline/run-config.ts'
import type { Reason } from './reasons.ts'

export const runPhases = ['setuperror', 'queued', 'cancelled', 'running', 'finished'] as const
export type RunPhase = (typeof runPhases)[number]

export const runResults = ['unknown', 'success', 'failed', 'stopped'] as const
export type RunResult = (typeof runResults)[number]

export const taskStatuses = ['notstarted', 'skipped', 'cancelled', 'running', 'stopped', 'success', 'failed'] as const
export type TaskStatus = (typeof taskStatuses)[number]

/** Phases of an executor task and of every step. */
export const stepPhases = ['notstarted', 'cancelled', 'running', 'stopped', 'success', 'failed'] as const
export type StepPhase = (typeof stepPhases)[number]

export type Run = {
  readonly id: string
  /** Strictly increasing over the whole runservice, in order of creation. */
  readonly sequence: number
  readonly name: string
  readonly runConfigId: string
  /** Number shown to people: 1, 2, 3... per project or user (second element of the group), without gaps. */
  readonly counter: number
  /** `/project/ID/branch/NAME`, each element escaped. */
  readonly group: string
  readonly annotations: Readonly<Record<string, string>>
  readonly phase: RunPhase
  readonly result: RunResult
  /** A stop was requested; stays true. */
  readonly stop: boolean
  readonly setupErrors: readonly string[]
  readonly enqueuedAt: number
  readonly startedAt?: number
  /** Set with phase `cancelled` or `finished`. */
  readonly endedAt?: number
  /** The run this one repeats. */
  readonly restartOf?: string
  /** Why it waits, or ended as it did. */
  readonly reason?: Reason
  /** True when its logs were removed by retention or by a person. */
  readonly logsDeleted?: boolean
}

export type TaskStep = {
  readonly phase: StepPhase
  readonly exitStatus?: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly reason?: Reason
}

/** A secret that stood in the output of a step, masked: told to its owner, who may want to change it. */
export type PrintedSecret = {
  /** Name, never the value. */
  readonly secret: string
  /** `setup` or the index of a step. */
  readonly log: 'setup' | number
  /** Of that log, counted from 0. */
  readonly line: number
}

export type RunTask = {
  /** Equal to the id of the run config task; a kept task of a restarted run keeps it. */
  readonly id: string
  readonly runId: string
  readonly status: TaskStatus
  readonly waitingApproval: boolean
  readonly approved: boolean
  /** People who approved, in order. */
  readonly approvers: readonly string[]
  readonly timedOut: boolean
  readonly setupStep: TaskStep
  readonly steps: readonly TaskStep[]
  readonly startedAt?: number
  readonly endedAt?: number
  readonly reason?: Reason
  /** At most limits.printedSecretsPerTask. */
  readonly printedSecrets?: readonly PrintedSecret[]
  /** Of the order that executes or executed it. */
  readonly executorId?: string
  /** Secrets that were looked up when it was handed out, in the versions they then had. */
  readonly usedSecrets?: readonly { readonly name: string; readonly version: number }[]
  /** How a person enters the pod of this failed task, when it was kept. */
  readonly keptPod?: string
}

/** Written once with the run; its tasks are rows of their own (`runconfigtask`). */
export type RunConfigRow = {
  readonly id: string
  readonly name: string
  readonly group: string
  readonly setupErrors: readonly string[]
  readonly annotations: Readonly<Record<string, string>>
  /** Kept when the run is created again. */
  readonly staticEnvironment: Readonly<Record<string, Value>>
  /** Replaced by the request's when the run is created again. */
  readonly environment: Readonly<Record<string, Value>>
  /** Replaces the second element of the group as prefix of cache keys when not empty. */
  readonly cacheGroup: string
  readonly trust: Trust
}

/** A sealed value that `{secret: name}` in a run config refers to. */
export type RunSecret = { readonly runConfigId: string; readonly name: string; readonly sealed: string }

/** A value that was looked up for an order; without name and version it was gone. */
export type UsedSecret = { readonly ref: string; readonly name?: string; readonly version?: number }

/** A sealed value that was looked up for an order; it goes with the order. */
export type OrderSecret = { readonly orderId: string; readonly ref: string; readonly sealed: string }

/** What a run may touch; kept when it is restarted, whoever does it. */
export type Trust = 'trusted' | 'fork'

/** One task of a run config. A large one (inline scripts) is split: its JSON in parts, each a row. */
export type RunConfigTaskRow =
  | (ConfigTaskPlace & { readonly task: RunConfigTask })
  | (ConfigTaskPlace & { readonly taskId: string; readonly part: number; readonly text: string })

export type ConfigTaskPlace = {
  readonly runConfigId: string
  /** Of the task in the definition. */
  readonly index: number
}

/**
 * An order to one executor. Its id is `<run task id>.<attempt>`. It exists from the moment a task is handed out until the
 * task is finished and everything of it is acknowledged.
 */
export type ExecutorTask = {
  readonly id: string
  readonly runId: string
  readonly runTaskId: string
  readonly runConfigId: string
  readonly executorId: string
  /** Asks the executor to stop it. */
  readonly stop: boolean
  readonly phase: StepPhase
  /** Number of the last status report applied; a report with the same or a lower one is known already. */
  readonly lastStatus: number
  readonly createdAt: number
  /** What was looked up elsewhere for it. Absent until that was done, and where nothing is to be looked up. */
  readonly secrets?: readonly UsedSecret[]
}

/** A removed executor has no row. */
export const executorStates = ['connected', 'lost', 'draining'] as const
export type ExecutorState = (typeof executorStates)[number]

export type Executor = {
  readonly id: string
  readonly state: ExecutorState
  readonly archs: readonly Arch[]
  readonly labels: Readonly<Record<string, string>>
  readonly allowPrivileged: boolean
  /** Drivers it offers, preferred first. */
  readonly drivers: readonly string[]
  /** Tasks at once; 0 means no limit. */
  readonly taskLimit: number
  readonly connectedAt: number
  readonly lastSeenAt?: number
  /** Counted up each time it connects, anywhere; rows of the first format have none. */
  readonly connection?: number
  /** Kept while it is away: it gets nothing new when it returns. */
  readonly isDraining?: boolean
  /** Of the program. */
  readonly version?: string
  /** Of its token. */
  readonly name?: string
}

/** Replaced with every change of any executor. */
export type ExecutorSet = { readonly version: string }

/** What an executor shows to be let in. */
export type ExecutorTokenRow = {
  readonly id: string
  readonly name: string
  readonly executorId: string
  /** SHA-256 of the token, hex. */
  readonly hash: string
  /** The labels its executor has, whatever it says itself. */
  readonly labels?: Readonly<Record<string, string>>
  readonly createdAt: number
  readonly createdBy?: string
  /** When its executor was removed: it opens nothing any more, but the executor can still be told that all it has is gone. */
  readonly removedAt?: number
}

/** How many orders an executor has: `executortask` rows, counted in the transactions that write and delete them. */
export type TakenSlots = { readonly count: number }

/** When a project was handed an executor last: the larger the turn, the later. */
export type ServedProject = { readonly turn: number; readonly at: number }

/** A project or user that was deleted; it has no runs soon, and gets none. */
export type RemovedOwner = { readonly removedAt: number }

export type GroupCounter = { readonly value: number }
export type Sequence = { readonly value: number }

/** A change of phase or result, in order; everything else about the run is in its rows. */
export type RunEvent = {
  readonly sequence: number
  readonly kind: 'run_phase_changed'
  readonly runId: string
  readonly phase: RunPhase
  readonly result: RunResult
  readonly at: number
}

/** Somebody who must see every run event. */
export type EventConsumer = {
  readonly name: string
  /** Sequence of the last event it is done with. */
  readonly passed: number
  readonly registeredAt: number
}

/** A saved workspace archive, id `<run task id>.<step>`. */
export type WorkspaceArchive = {
  readonly runTaskId: string
  readonly step: number
  readonly object: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly createdAt: number
  readonly lastUsedAt: number
}

export function isFinishedTask(status: TaskStatus): boolean {
  return status !== 'notstarted' && status !== 'running'
}

export function isFinishedStep(phase: StepPhase): boolean {
  return phase !== 'notstarted' && phase !== 'running'
}

export function isFinishedRun(phase: RunPhase): boolean {
  return phase === 'setuperror' || phase === 'cancelled' || phase === 'finished'
}
