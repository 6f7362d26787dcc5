// All that other rooms may know of the runservice: its operations, and what they answer.

import type { FastifyInstance } from 'fastify'
import type { Barrier, Position } from '../datamanager/database.ts'
import type { RunOwner } from '../pipeline/group.ts'
import type { RunConfigTask } from '../pipeline/run-config.ts'
import type { ExecutorApi, LogName, RegisteringExecutorApi } from './executor-api.ts'
import type { ExecutorAdmin } from './executors/executor-admin.ts'
import type { LogExtent, LogGroups, LogLinesPage, LogLinesQuery, LogMatches, LogSearch } from './logs/log-lines.ts'
import type { Reason } from './reasons.ts'
import type { RunChanges, RunRow } from './runs/run-changes.ts'
import type { CreateRunRequest } from './scheduler/create-run.ts'
import type { Run, RunEvent, RunPhase, RunResult, RunTask } from './types.ts'

export type { LogExtent, LogGroups, LogLinesPage, LogLinesQuery, LogMatches, LogSearch } from './logs/log-lines.ts'
export type { ChangedTask, RunChanges, RunRow } from './runs/run-changes.ts'
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

/** What is known of every run without reading the run itself, however old it is. */
export type RunEntry = {
  readonly id: string
  /** Strictly increasing over the whole runservice, in order of creation. */
  readonly sequence: number
  readonly name: string
  readonly group: string
  readonly phase: RunPhase
  readonly result: RunResult
  /** Of the second element of the group, such as the project. */
  readonly counter: number
  /** Milliseconds since 1970. */
  readonly enqueuedAt: number
  readonly startedAt?: number
  readonly endedAt?: number
}

export type FindRunsQuery = {
  /** Runs of exactly this group; of all groups when absent. */
  readonly group?: string
  /** Runs of groups below it, too. */
  readonly isSubtree?: boolean
  readonly phases?: readonly RunPhase[]
  readonly results?: readonly RunResult[]
  /** Only the run with this number; needs a group of at least two elements. */
  readonly counter?: number
  /** Enqueued at this time or later, and before that one; milliseconds since 1970. */
  readonly from?: number
  readonly before?: number
  readonly oldestFirst?: boolean
  /** `next` of the page before, of the same query. */
  readonly cursor?: string
  /** At most 100; default 25. */
  readonly limit?: number
}

export type RunPage = {
  readonly runs: readonly RunEntry[]
  /** Where the next page begins; absent on the last one. Runs that come meanwhile move nothing between pages. */
  readonly next?: string
  readonly position: Position
}

/** Runs one compares a run with. */
export type RelatedRuns = {
  /** The run, those it repeats and those that repeat it, in the order they were made. */
  readonly attempts: readonly RunEntry[]
  /** The last one before it of the same group and name that succeeded. */
  readonly lastSuccess?: RunEntry
}

/** All of it can be asked of another process as well (remote.ts): promises and streams of plain JSON, or of bytes. */
export interface Runservice extends ExecutorAdmin, AsyncDisposable {
  /** All in one transaction, in order. Errors: `run_group_invalid`, `run_invalid`, `limit_exceeded`, those of `deleteRunsOf`. */
  createRuns(requests: readonly NewRunRequest[], options?: RepeatableOptions): Promise<readonly Run[]>
  /** From its start, or only what did not succeed and what comes after it. `run_not_restartable` says why not. */
  restartRun(runId: string, options: RestartRunOptions): Promise<Run>
  /** Asks a running run to stop; `run_not_running`. */
  stopRun(runId: string, by?: string, options?: RepeatableOptions): Promise<void>
  /** Cancels a queued run; `run_not_queued`. */
  cancelRun(runId: string, by?: string, options?: RepeatableOptions): Promise<void>
  approveTask(runId: string, taskId: string, approver: string, options?: RepeatableOptions): Promise<void>

  /** A run with its tasks; one that ended long ago is read from object storage. */
  loadRun(runId: string, signal?: AbortSignal): Promise<RunView | undefined>
  /** A page of runs, in the order of their sequence; reads no bodies. Errors: `run_query_invalid`. */
  findRuns(query?: FindRunsQuery): Promise<RunPage>
  /** Other attempts of a run, and the last good one before it; undefined when there is no such run. Reads no bodies. */
  relatedRuns(runId: string): Promise<RelatedRuns | undefined>
  /** Those of these runs that this process has at hand; runs that ended long ago are left out. At most 100 ids. */
  runRows(runIds: readonly string[]): Promise<readonly RunRow[]>
  /** What this process sees, once that is at least `atLeast`: what a caller saw elsewhere, or all that was committed. `database_behind` after 2 s. */
  position(atLeast?: Barrier): Promise<Position>
  /** Changes of all runs after `from`, or from now on; a first item without changes tells where that is. `history_collected`. */
  watchChanges(from: Position | undefined, signal: AbortSignal): AsyncIterable<RunChanges>
  /** The run now and after each change of it, until it is finished or `signal` is aborted. Slow readers miss states between. */
  watchRun(runId: string, signal: AbortSignal): AsyncIterable<RunView>

  /** Stored bytes of a log from `fromByte`; nothing when there is none. */
  readLog(runTaskId: string, log: LogName, fromByte?: number): AsyncIterable<Uint8Array>
  /** As `readLog`, then what is added until the log is complete. */
  followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** How much of a log is stored; of one that is not there, nothing. */
  logExtent(runTaskId: string, log: LogName, signal?: AbortSignal): Promise<LogExtent>
  /** Stored lines of a log with their times. None when there is none. */
  readLogLines(runTaskId: string, log: LogName, query: LogLinesQuery, signal?: AbortSignal): Promise<LogLinesPage>
  /** Which stored lines have a text, or look like errors: as far as it gets in a quarter of a second, then ask again. */
  searchLog(runTaskId: string, log: LogName, query: LogSearch, signal?: AbortSignal): Promise<LogMatches>
  /** What the output of a log says of its parts, from a line on; as far as it gets, as `searchLog`. */
  logGroups(runTaskId: string, log: LogName, fromLine: number, signal?: AbortSignal): Promise<LogGroups>
  /** Removes a log, for good; its followers end. Nothing happens when there is none. */
  deleteLog(runTaskId: string, log: LogName): Promise<void>

  /** Run events after a sequence, in order; at most 100. */
  listEvents(after: number): Promise<readonly RunEvent[]>
  /**
   * From now on events are kept until this consumer has passed them. Returns the sequence it has passed: that of the
   * newest event when it is new. It reads what follows, makes its own part durable, and then tells with `passEvents`.
   */
  registerEventConsumer(name: string): Promise<number>
  /** The consumer is done with events up to `sequence`; `event_consumer_not_found` when it is not registered. */
  passEvents(name: string, sequence: number): Promise<void>
  /** Events are not kept for it any more. Nothing happens when it was not registered. */
  removeEventConsumer(name: string): Promise<void>

  /**
   * The owner was deleted: removes its runs, whatever they are doing, with logs, archives and caches, at most `limit` of them
   * (default and maximum 100). Say it again until `isDone`, also after any failure. From the first call on no run of the owner is
   * made: `project_not_found`, `user_not_found`. Run events stay until their time has come.
   */
  deleteRunsOf(request: DeleteRunsRequest, signal?: AbortSignal): Promise<DeletedRuns>

  /**
   * Removes logs, archives and run events older than their retention, and what a crash left of uploads. Rows of runs stay.
   * Ends between two of them, with the reason of `signal`, when that is aborted; the next one goes on.
   */
  clean(retention: Retention, signal?: AbortSignal): Promise<void>
}

/** A runservice in this process: executors reach it, and what it has at hand can be looked at without waiting. */
export interface RunserviceHost extends Runservice {
  /** As `loadRun`, but a run that ended long ago is `row_cold`. */
  findRun(runId: string): RunView | undefined
  /** With their rows, as `findRun`. What lists many runs, or old ones, uses `findRuns`. */
  listRuns(options?: ListRunsOptions): readonly Run[]
  /** The protocol for one executor in this process. */
  executorApi(executorId: string): ExecutorApi
  /** The protocol for the executor with that token. Errors: `unauthenticated`. */
  admitExecutor(token: string): RegisteringExecutorApi
  /** Adds what other instances on the same rows ask this one, when it was given the token of the services. */
  serveInstances(app: FastifyInstance): void
}

export type DeleteRunsRequest = { readonly owner: RunOwner; readonly limit?: number }

export type DeletedRuns = {
  /** In this call. */
  readonly deleted: number
  /** Nothing of the owner is left. */
  readonly isDone: boolean
}

export type RestartRunOptions = RepeatableOptions & { readonly fromStart: boolean }

export type RepeatableOptions = {
  /** Said again with the same one, within a day, it acts once and answers the same. */
  readonly transactionId?: string
}

export type Retention = {
  /** Milliseconds; 0 keeps for ever. Logs count from the end of the run, archives from their last use. */
  readonly logsMs: number
  readonly workspacesMs: number
  /** Counts from the event; one that a registered consumer has not passed stays. */
  readonly eventsMs: number
}
