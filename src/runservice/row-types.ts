// How the runservice's rows are stored and found. Indexes are declared here and nowhere else.

import type { RowTypes } from '../datamanager/database.ts'
import { isFinalRun, toFamilyEntry } from './runs/run-entries.ts'
import type { ReadyTask } from './scheduler/place.ts'
import type { Requirement } from './scheduler/requirement.ts'
import {
  type EventConsumer,
  type Executor,
  type ExecutorSet,
  type ExecutorTask,
  type ExecutorTokenRow,
  type GroupCounter,
  isFinishedRun,
  isFinishedTask,
  type OrderSecret,
  type RemovedOwner,
  type Run,
  type RunConfigRow,
  type RunConfigTaskRow,
  type RunEvent,
  type RunSecret,
  type RunTask,
  type Sequence,
  type ServedProject,
  type TakenSlots,
  type WorkspaceArchive,
} from './types.ts'

/** A task that could be handed out and waits for an executor. */
export type ReadyRow = ReadyTask & { readonly requirement: Requirement }

export type RunserviceSchema = {
  run: Run
  /** Id: `runTaskRowId`. */
  runtask: RunTask
  runconfig: RunConfigRow
  /** Id: `<run config id>/<task id>`. */
  runconfigtask: RunConfigTaskRow
  /** Id: `<run config id>/<SHA-256 of the name>`. */
  runsecret: RunSecret
  executortask: ExecutorTask
  /** Id: `<executor task id>/<SHA-256 of the reference>`. */
  ordersecret: OrderSecret
  /** Id: `runTaskRowId`. */
  ready: ReadyRow
  executor: Executor
  /** One row, `all`. */
  executorset: ExecutorSet
  /** Id: a UUID. */
  executortoken: ExecutorTokenRow
  /** Id: the executor's. None when no slot is taken. */
  takenslots: TakenSlots
  /** Id: the project's, the second element of a group. */
  served: ServedProject
  /** Id: the first two elements of the group. */
  removedowner: RemovedOwner
  /** Id: the second element of the group. */
  counter: GroupCounter
  /** Ids: `run`, `runevent`. */
  sequence: Sequence
  /** Id: the sequence, 16 digits. */
  runevent: RunEvent
  /** Id: its name. */
  eventconsumer: EventConsumer
  /** Id: `<run task id>.<step>`. */
  archive: WorkspaceArchive
}

export const runserviceRowTypes = {
  run: {
    /** Its config has the same id. What lists finished runs, or all, asks for entries. */
    family: {
      members: ['runtask', 'runconfig', 'runconfigtask', 'runsecret'],
      isFinal: isFinalRun,
      entry: toFamilyEntry,
    },
    indexes: {
      /** Unfinished runs. */
      byGroupPhase: (run: Run) => (isFinishedRun(run.phase) ? undefined : [run.group, run.phase, run.sequence]),
      /** Unfinished runs. */
      byPhase: (run: Run) => (isFinishedRun(run.phase) ? undefined : [run.phase, run.sequence]),
    },
  },
  runtask: {
    familyIndexes: ['byRun', 'byUnfinished'],
    localIndexes: ['byTask'],
    indexes: {
      byRun: (task: RunTask) => [task.runId],
      byUnfinished: (task: RunTask) => (isFinishedTask(task.status) ? undefined : [task.runId]),
      /** Only for questions about unfinished runs. */
      byTask: (task: RunTask) => [task.id],
      byApproval: (task: RunTask) => (task.waitingApproval ? [task.runId] : undefined),
    },
  },
  runconfig: {},
  runsecret: { familyIndexes: ['byConfig'], indexes: { byConfig: (secret: RunSecret) => [secret.runConfigId] } },
  runconfigtask: { familyIndexes: ['byConfig'], indexes: { byConfig: (row: RunConfigTaskRow) => [row.runConfigId] } },
  executortask: {
    indexes: {
      byRun: (order: ExecutorTask) => [order.runId],
      byExecutor: (order: ExecutorTask) => [order.executorId],
    },
  },
  ordersecret: { indexes: { byOrder: (secret: OrderSecret) => [secret.orderId] } },
  ready: {
    indexes: {
      byClass: (row: ReadyRow) => [
        row.requirement.key,
        row.project,
        -row.priority,
        row.readySince,
        row.runId,
        row.taskId,
      ],
      byRun: (row: ReadyRow) => [row.runId],
      byTime: (row: ReadyRow) => [row.readySince],
    },
  },
  executor: {},
  executorset: {},
  executortoken: {
    indexes: {
      byHash: (token: ExecutorTokenRow) => [token.hash],
      byExecutor: (token: ExecutorTokenRow) => [token.executorId],
      byName: (token: ExecutorTokenRow) => (token.removedAt === undefined ? [token.name] : undefined),
    },
  },
  takenslots: {},
  served: { indexes: { byTurn: (row: ServedProject) => [row.turn] } },
  removedowner: { indexes: { byTime: (row: RemovedOwner) => [row.removedAt] } },
  counter: {},
  sequence: {},
  runevent: {},
  eventconsumer: {},
  archive: { indexes: { byUse: (archive: WorkspaceArchive) => [archive.lastUsedAt] } },
} as const satisfies RowTypes

/** A task that a restarted run kept has the same id in two runs: its rows are told apart by the run. */
export function runTaskRowId(runId: string, taskId: string): string {
  return `${runId}/${taskId}`
}
