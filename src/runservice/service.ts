// The runservice in this process: every operation is one transaction of the database; nothing polls.

import type { FastifyInstance } from 'fastify'
import type { Coordination } from '../coordination/coordination.ts'
import type { Barrier, Database, Position, ReadTransaction } from '../datamanager/database.ts'
import { ReadsAtPosition } from '../datamanager/reads-at-position.ts'
import type { Clock } from '../lib/clock.ts'
import { invariant, isSlipwayError, SlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { newUuid } from '../lib/uuid.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import type {
  DeletedRuns,
  DeleteRunsRequest,
  FindRunsQuery,
  ListRunsOptions,
  NewRunRequest,
  RelatedRuns,
  RepeatableOptions,
  RestartRunOptions,
  Retention,
  RunPage,
  RunserviceHost,
  RunView,
} from './api.ts'
import { archiveRowId } from './archives/archives.ts'
import type { Caches } from './archives/caches.ts'
import { Uploads } from './archives/uploads.ts'
import type { CloneSource, ExecutorApi, LogName, RegisteringExecutorApi } from './executor-api.ts'
import type { CreateExecutorToken, QueueOptions } from './executors/executor-admin.ts'
import { ExecutorRows } from './executors/executor-rows.ts'
import { ExecutorService } from './executors/executor-service.ts'
import { Executors } from './executors/executors.ts'
import type { LogExtent, LogGroups, LogLinesPage, LogLinesQuery, LogMatches, LogSearch } from './logs/log-lines.ts'
import { createLogStore, type LogChunk, type LogStore } from './logs/log-store.ts'
import { SharedLogs, serveInstanceLogs } from './logs/shared-logs.ts'
import type { CloneAccess } from './orders/make-order.ts'
import { cleanLeftFound } from './orders/order-secrets.ts'
import type { SecretResolver } from './orders/secret-resolver.ts'
import { deleteRunsOf } from './retention/delete-runs.ts'
import { cleanRemovedOwners, isOfRemovedOwner } from './retention/removed-owners.ts'
import { cleanArchives, cleanLogs, cleanOrphanedArchives, cleanTurns } from './retention/retention.ts'
import type { RunserviceSchema } from './row-types.ts'
import { runTaskRowId } from './row-types.ts'
import { openSecrets, type PlainSecrets, putSecrets, type Sealing } from './run-secrets.ts'
import { findRuns } from './runs/find-runs.ts'
import { relatedRuns } from './runs/related-runs.ts'
import { type RunChanges, type RunRow, runRowsAtHand, watchRunChanges } from './runs/run-changes.ts'
import { statesOf } from './runs/run-entries.ts'
import { cleanEvents, listEvents, passEvents, registerConsumer } from './runs/run-events.ts'
import { runWaitingReasonOf, waitingReasonsOf } from './runs/waiting.ts'
import { approveTask, cancelRun, stopRun } from './scheduler/actions.ts'
import {
  type CreateRunRequest,
  createRun,
  type KeptTasks,
  type NewRun,
  type NewRunIds,
} from './scheduler/create-run.ts'
import { renameTask, restartRun } from './scheduler/restart-run.ts'
import {
  type Affected,
  type GraphCache,
  getRun,
  insertRun,
  loadConfigTasks,
  loadTasks,
  nextNumbers,
  putEvents,
  putTask,
  type Settle,
  type StimulusContext,
  settle,
  type Tx,
} from './stimulus.ts'
import {
  type ExecutorTokenRow,
  isFinishedRun,
  type Run,
  type RunConfigRow,
  type RunEvent,
  type RunTask,
} from './types.ts'

export type RunserviceSettings = Sealing & {
  /** Of this process among those that share the database; default a new one. */
  readonly instanceId?: string
  /** Where other instances reach this one, and the token of the installation's services: needed when there are others. */
  readonly instanceUrl?: string
  readonly instanceToken?: string
}

export type RunserviceComponents = {
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly caches: Caches
  readonly clock: Clock
  readonly logger: Logger
  /** Where clone steps of a run fetch from. */
  readonly cloneSource: (config: RunConfigRow) => CloneSource
  /** How clone steps log in there; asked each time an order with one is sent. None by default. */
  readonly cloneAccess?: CloneAccess
  /** Where secrets are kept that are not sealed with their run. None by default. */
  readonly secretResolver?: SecretResolver
  /** Where instances meet. Without it executors are in this process, and none is ever declared lost. */
  readonly coordination?: Coordination
}

/** Of all graphs that are kept: some KiB each. */
const graphTasksKept = 4000
/** Pages of runs: some 25 rows each. */
const sharedPagesMax = 100
const listLimitMax = 100
const listLimitDefault = 25
/** What an upload that is on its way has not named yet is younger. */
const orphanAgeMs = 24 * 60 * 60 * 1000
/** An executor that comes back later than that after it was removed is not known any more. */
const removedTokenAgeMs = 30 * 24 * 60 * 60 * 1000
/** A project that was served longer ago counts as one that never was. */
const turnAgeMs = 24 * 60 * 60 * 1000
/** No request is on its way for so long. */
const removedOwnerAgeMs = 7 * 24 * 60 * 60 * 1000

export function createRunservice(settings: RunserviceSettings, components: RunserviceComponents): RunserviceHost {
  return new LocalRunservice(settings, components)
}

class LocalRunservice implements RunserviceHost {
  readonly #settings: RunserviceSettings
  readonly #components: RunserviceComponents
  readonly #logs: LogStore
  readonly #graphs = graphCache()
  readonly #pages: ReadsAtPosition<RunserviceSchema>
  readonly #executorRows = new ExecutorRows()
  readonly #executors: Executors
  readonly #sharedLogs: SharedLogs | undefined

  constructor(settings: RunserviceSettings, components: RunserviceComponents) {
    this.#settings = settings
    this.#components = components
    this.#pages = new ReadsAtPosition(components.database, { answersMax: sharedPagesMax })
    this.#logs = createLogStore(components.ost)
    const { instanceId = newUuid(), instanceUrl: url } = settings
    const settle: Settle = (change) => this.#settle(change)
    this.#executors = new Executors(
      { instanceId, ...(url === undefined ? {} : { url }) },
      {
        ...components,
        keys: settings.keys,
        logs: this.#logs,
        graphs: this.#graphs,
        executorRows: this.#executorRows,
        settle,
      },
    )
    const { presence } = this.#executors
    if (presence === undefined || settings.instanceToken === undefined) return
    const peers = (signal: AbortSignal) => presence.peers(signal)
    this.#sharedLogs = new SharedLogs(settings.instanceToken, { ...components, logs: this.#logs, peers })
  }

  async createRuns(requests: readonly NewRunRequest[], options: RepeatableOptions = {}): Promise<readonly Run[]> {
    const prepared = requests.map((request) => {
      const { secrets, keepFrom, ...rest } = request
      return {
        request: rest,
        secrets,
        keepFrom,
        ...newRunIds(this.#now()),
        newTaskId: stableIds(() => newUuid(this.#now())),
      }
    })
    return await this.#settle((tx, context) => {
      const { now } = context
      const runs = prepared.map(({ request, secrets, keepFrom, runId, runConfigId, newTaskId }) => {
        const ids = { runId, runConfigId, ...nextNumbers(tx, request.group) }
        const created =
          keepFrom === undefined
            ? createRun(request, ids, { now })
            : this.#createKeeping(tx, request, ids, { keepFrom, newTaskId, now })
        const affected = insertRun(tx, created, context)
        const inherited = keepFrom === undefined ? {} : this.#secretsOf(tx, getRun(tx, keepFrom))
        putSecrets(tx, runConfigId, { ...inherited, ...secrets }, this.#settings)
        return { run: created.run, affected }
      })
      return { affected: runs.map(({ affected }) => affected), result: runs.map(({ run }) => run) }
    }, options)
  }

  async restartRun(runId: string, options: RestartRunOptions): Promise<Run> {
    const ids = newRunIds(this.#now())
    const newTaskId = stableIds(() => newUuid(this.#now()))
    return await this.#settle((tx, context) => {
      const { now } = context
      const run = getRun(tx, runId)
      if (isOfRemovedOwner(tx, run.group)) throw new SlipwayError('run_not_found', `run ${runId} was deleted`)
      const config = tx.get('runconfig', run.runConfigId)
      invariant(config !== undefined, `run config ${run.runConfigId} is missing`)
      const { tasks: configTasks } = loadConfigTasks(tx, config.id, this.#graphs)
      const input = { run, config, configTasks, tasks: loadTasks(tx, runId) }
      const numbers = nextNumbers(tx, run.group)
      const created = restartRun(input, {
        fromStart: options.fromStart,
        ids: { ...ids, ...numbers },
        newTaskId: (task) => newTaskId(task.id),
        now,
        lostArchives: this.#lostArchives(tx, configTasks),
      })
      // Sealed values name the run config they belong to: the new one gets them sealed anew.
      const affected = insertRun(tx, created, context)
      putSecrets(tx, ids.runConfigId, this.#secretsOf(tx, run), this.#settings)
      return { affected: [affected], result: created.run }
    }, options)
  }

  async stopRun(runId: string, by?: string, options: RepeatableOptions = {}): Promise<void> {
    await this.#settle((tx) => {
      const stopped = stopRun(getRun(tx, runId), loadTasks(tx, runId), by === undefined ? {} : { by })
      tx.put('run', runId, stopped.run)
      for (const task of stopped.tasks) putTask(tx, task)
      return { affected: [{ runId }], result: undefined }
    }, options)
  }

  async cancelRun(runId: string, by?: string, options: RepeatableOptions = {}): Promise<void> {
    await this.#settle((tx, { now }) => {
      const cancelled = cancelRun(getRun(tx, runId), { now, ...(by === undefined ? {} : { by }) })
      tx.put('run', runId, cancelled.run)
      putEvents(tx, cancelled.events, now)
      return { affected: [{ runId }], result: undefined }
    }, options)
  }

  async approveTask(runId: string, taskId: string, approver: string, options: RepeatableOptions = {}): Promise<void> {
    await this.#settle((tx) => {
      const run = getRun(tx, runId)
      const task = tx.get('runtask', runTaskRowId(runId, taskId))
      if (task === undefined) throw new SlipwayError('task_not_found', `run #${run.counter} has no task ${taskId}`)
      putTask(tx, approveTask(run, task, approver))
      return { affected: [{ runId }], result: undefined }
    }, options)
  }

  findRun(runId: string): RunView | undefined {
    return this.#components.database.view((tx) => this.#findRun(tx, runId))
  }

  #findRun(tx: ReadTransaction<RunserviceSchema>, runId: string): RunView | undefined {
    const run = tx.get('run', runId)
    // Of one that is being deleted rows may be missing.
    if (run === undefined || isOfRemovedOwner(tx, run.group)) return undefined
    return this.#viewOf(tx, run, loadTasks(tx, runId))
  }

  loadRun(runId: string, signal?: AbortSignal): Promise<RunView | undefined> {
    return this.#components.database.read((tx) => this.#findRun(tx, runId), signal)
  }

  async findRuns(query: FindRunsQuery = {}): Promise<RunPage> {
    const { database } = this.#components
    return this.#pages.ask(`runs ${JSON.stringify(query)}`, () => findRuns(database, query))
  }

  listRuns(options: ListRunsOptions = {}): readonly Run[] {
    const { group, phases, results, after, oldestFirst } = options
    const limit = Math.min(options.limit ?? listLimitDefault, listLimitMax)
    const states = statesOf(phases, results)
    return this.#components.database.view((tx) =>
      tx
        .entries({
          descending: oldestFirst !== true,
          limit,
          ...(group === undefined ? {} : { path: group, isSubtree: true }),
          ...(states === undefined ? {} : { states }),
          ...(after === undefined ? {} : { after }),
        })
        .map(({ id }) => getRun(tx, id)),
    )
  }

  async runRows(runIds: readonly string[]): Promise<readonly RunRow[]> {
    const ids = runIds.slice(0, listLimitMax)
    // What left since, when runs became cold, is still true.
    return this.#pages.ask(`rows ${ids.join(' ')}`, (tx) => runRowsAtHand(tx, ids))
  }

  async relatedRuns(runId: string): Promise<RelatedRuns | undefined> {
    return this.#components.database.view((tx) => relatedRuns(tx, runId))
  }

  async position(atLeast?: Barrier): Promise<Position> {
    const { database } = this.#components
    if (atLeast !== undefined) await database.waitFor(atLeast)
    return database.position
  }

  watchChanges(from: Position | undefined, signal: AbortSignal): AsyncIterable<RunChanges> {
    return watchRunChanges(this.#components.database, from, signal)
  }

  async *watchRun(runId: string, signal: AbortSignal): AsyncIterable<RunView> {
    for (;;) {
      try {
        return yield* this.#watchFromNow(runId, signal)
      } catch (error) {
        // A reader so slow that the changes are gone begins again with the rows.
        if (!isSlipwayError(error, 'history_collected')) throw error
      }
    }
  }

  async *#watchFromNow(runId: string, signal: AbortSignal): AsyncGenerator<RunView, void, undefined> {
    const { database } = this.#components
    let last = await this.loadRun(runId, signal)
    if (last === undefined) throw new SlipwayError('run_not_found', `there is no run ${runId}`)
    yield last
    if (isFinishedRun(last.run.phase)) return
    // Rows come with the changes: a run of thousands of tasks is not loaded again at each of them.
    let { run } = last
    const tasks = new Map(last.tasks.map(({ task }) => [task.id, task]))
    let concerns = false
    for await (const { position, operations } of database.changes(last.position, signal)) {
      for (const operation of operations) {
        if (operation.kind === 'delete') {
          if (operation.type === 'run' && operation.id === runId) return
          continue
        }
        if (operation.type === 'run' && operation.id === runId) run = operation.body as unknown as Run
        else if (operation.type === 'runtask' && operation.id.startsWith(`${runId}/`)) {
          const task = operation.body as unknown as RunTask
          tasks.set(task.id, task)
        } else if (operation.type !== 'executor') continue
        concerns = true
      }
      // Who lags behind is told where things stand, not each step of how they got there.
      if (!concerns || (position < database.position && !isFinishedRun(run.phase))) continue
      concerns = false
      const next = await database.read((tx) => {
        if (isOfRemovedOwner(tx, run.group)) return undefined
        return this.#viewOf(tx, run, [...tasks.values()])
      }, signal)
      if (next === undefined) return
      last = { ...next, position }
      yield last
      if (isFinishedRun(run.phase)) return
    }
  }

  readLog(runTaskId: string, log: LogName, fromByte = 0): AsyncIterable<Uint8Array> {
    return bytesOf(this.#logs.read({ runTaskId, log }, { fromByte }))
  }

  followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return bytesOf((this.#sharedLogs ?? this.#logs).follow({ runTaskId, log }, fromByte, signal))
  }

  async logExtent(runTaskId: string, log: LogName, signal?: AbortSignal): Promise<LogExtent> {
    return await this.#logs.extent({ runTaskId, log }, signal)
  }

  async readLogLines(
    runTaskId: string,
    log: LogName,
    query: LogLinesQuery,
    signal?: AbortSignal,
  ): Promise<LogLinesPage> {
    return await this.#logs.lines({ runTaskId, log }, query, signal)
  }

  async searchLog(runTaskId: string, log: LogName, query: LogSearch, signal?: AbortSignal): Promise<LogMatches> {
    return await this.#logs.search({ runTaskId, log }, query, signal)
  }

  async logGroups(runTaskId: string, log: LogName, fromLine: number, signal?: AbortSignal): Promise<LogGroups> {
    return await this.#logs.groups({ runTaskId, log }, fromLine, signal)
  }

  async deleteLog(runTaskId: string, log: LogName): Promise<void> {
    await this.#logs.delete({ runTaskId, log })
  }

  executorApi(executorId: string): ExecutorApi {
    return this.#executorService(executorId)
  }

  admitExecutor(token: string): RegisteringExecutorApi {
    const row = this.#executors.authenticate(token)
    return this.#executorService(row.executorId, row)
  }

  #executorService(executorId: string, token?: ExecutorTokenRow): ExecutorService {
    const components = {
      ...this.#components,
      ...this.#settings,
      logs: this.#logs,
      graphs: this.#graphs,
      feed: this.#executors.feed,
      settle: ((change) => this.#settle(change)) as Settle,
    }
    return new ExecutorService(executorId, components, token)
  }

  serveInstances(app: FastifyInstance): void {
    const { instanceToken } = this.#settings
    if (instanceToken !== undefined) serveInstanceLogs(app, instanceToken, { ...this.#components, logs: this.#logs })
  }

  listExecutors() {
    return this.#executors.listExecutors()
  }

  drainExecutor(executorId: string, options: { readonly draining: boolean }) {
    return this.#executors.drainExecutor(executorId, options)
  }

  removeExecutor(executorId: string) {
    return this.#executors.removeExecutor(executorId)
  }

  createExecutorToken(request: CreateExecutorToken, options?: RepeatableOptions) {
    return this.#executors.createExecutorToken(request, options)
  }

  listExecutorTokens() {
    return this.#executors.listExecutorTokens()
  }

  revokeExecutorToken(tokenId: string) {
    return this.#executors.revokeExecutorToken(tokenId)
  }

  listQueue(options?: QueueOptions) {
    return this.#executors.listQueue(options)
  }

  async listEvents(after: number): Promise<readonly RunEvent[]> {
    return this.#components.database.view((tx) => listEvents(tx, after, listLimitMax))
  }

  async registerEventConsumer(name: string): Promise<number> {
    const now = this.#now()
    return (await this.#components.database.do((tx) => registerConsumer(tx, name, now))).result
  }

  async passEvents(name: string, sequence: number): Promise<void> {
    await this.#components.database.do((tx) => passEvents(tx, name, sequence))
  }

  async removeEventConsumer(name: string): Promise<void> {
    await this.#components.database.do((tx) => tx.delete('eventconsumer', name))
  }

  async deleteRunsOf(request: DeleteRunsRequest, signal?: AbortSignal): Promise<DeletedRuns> {
    const settle: Settle = (change) => this.#settle(change)
    return await deleteRunsOf({ ...this.#components, logs: this.#logs, settle }, request, signal)
  }

  async clean(retention: Retention, signal?: AbortSignal): Promise<void> {
    const { database, ost } = this.#components
    const now = this.#now()
    if (retention.logsMs !== 0) await cleanLogs({ database, logs: this.#logs }, now - retention.logsMs, signal)
    if (retention.workspacesMs !== 0) await cleanArchives({ database, ost }, now - retention.workspacesMs, signal)
    await cleanOrphanedArchives({ database, ost }, now - orphanAgeMs, signal)
    await new Uploads(ost).clean(now - orphanAgeMs, signal)
    await ost.direct?.removeOldUploads(now - orphanAgeMs, signal)
    await this.#executors.clean(now - removedTokenAgeMs)
    await cleanLeftFound(database)
    if (retention.eventsMs !== 0) await cleanEvents(database, now - retention.eventsMs, signal)
    await cleanTurns(database, now - turnAgeMs)
    await cleanRemovedOwners(database, now - removedOwnerAgeMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#executors[Symbol.asyncDispose]()
  }

  #viewOf(tx: ReadTransaction<RunserviceSchema>, run: Run, tasks: readonly RunTask[]): RunView {
    const { position } = this.#components.database
    const runWaiting = runWaitingReasonOf(tx, run)
    const view = { run, position, ...(runWaiting === undefined ? {} : { waiting: runWaiting }) }
    if (run.phase === 'setuperror') return { ...view, tasks: [] }
    const { tasks: configTasks } = loadConfigTasks(tx, run.runConfigId, this.#graphs)
    const byId = new Map(tasks.map((task) => [task.id, task]))
    const waiting = waitingReasonsOf(tx, run, tasks, { graphs: this.#graphs, executors: this.#executorRows })
    return {
      ...view,
      tasks: configTasks.map((config) => {
        const reason = waiting.get(config.id)
        return { task: byId.get(config.id)!, config, ...(reason === undefined ? {} : { waiting: reason }) }
      }),
    }
  }

  /** One stimulus: `change` writes what happened and names the runs to look at; what follows is written with it. */
  async #settle<T>(
    change: (tx: Tx, context: StimulusContext) => { readonly affected: readonly Affected[]; readonly result: T },
    { transactionId }: RepeatableOptions = {},
  ): Promise<T> {
    const context: StimulusContext = { now: this.#now(), graphs: this.#graphs, executors: this.#executorRows }
    const options = transactionId === undefined ? {} : { transactionId }
    const { result } = await this.#components.database.do((tx) => {
      const changed = change(tx, context)
      settle(tx, changed.affected, context)
      return changed.result
    }, options)
    this.#executorRows.refresh(this.#components.database)
    return result
  }

  /** Succeeded tasks that saved to the workspace and of which an archive is gone. */
  #lostArchives(
    tx: Tx,
    configTasks: readonly { readonly id: string; readonly steps: readonly { readonly type: string }[] }[],
  ): ReadonlySet<string> {
    return new Set(
      configTasks
        .filter(({ id, steps }) =>
          steps.some(
            (step, index) =>
              step.type === 'save_to_workspace' &&
              tx.get('archive', archiveRowId({ runTaskId: id, step: index })) === undefined,
          ),
        )
        .map(({ id }) => id),
    )
  }

  /** A task that was there, but cannot be kept after all, gets another id: logs and archives of then are those of the old one. */
  #createKeeping(
    tx: Tx,
    request: CreateRunRequest,
    ids: NewRunIds,
    options: { readonly keepFrom: string; readonly newTaskId: (taskId: string) => string; readonly now: number },
  ): NewRun {
    const { keepFrom, newTaskId, now } = options
    const keep = this.#kept(tx, keepFrom, request)
    const created = createRun(request, ids, { now, keep })
    const before = new Set(loadTasks(tx, keepFrom).map(({ id }) => id))
    const again = created.tasks.filter(({ id, status }) => before.has(id) && status !== 'success')
    if (again.length === 0) return created
    const newIds = new Map(again.map(({ id }) => [id, newTaskId(id)]))
    const tasks = (request.tasks ?? []).map((task) => renameTask(task, newIds))
    return createRun({ ...request, tasks }, ids, { now, keep })
  }

  #kept(tx: Tx, runId: string, request: Pick<NewRunRequest, 'tasks'>): KeptTasks {
    getRun(tx, runId)
    const lost = this.#lostArchives(tx, request.tasks ?? [])
    return {
      restartOf: runId,
      tasks: loadTasks(tx, runId).filter((task) => task.status === 'success' && !lost.has(task.id)),
    }
  }

  /** For another run of the same definition. What is kept elsewhere is looked up anew, also where the first version sealed it. */
  #secretsOf(tx: Tx, run: Run): PlainSecrets {
    const { secretResolver: resolver } = this.#components
    const secrets = openSecrets(tx, run.runConfigId, this.#settings)
    if (resolver === undefined) return secrets
    return Object.fromEntries(Object.entries(secrets).filter(([ref]) => !resolver.isKept(ref, run.group)))
  }

  #now(): number {
    return this.#components.clock.now()
  }
}

/** A definition has the id of its run: their rows are one family. */
function newRunIds(now: number): Pick<NewRunIds, 'runId' | 'runConfigId'> {
  const id = newUuid(now)
  return { runId: id, runConfigId: id }
}

/** Ids made once per key: a closure that runs again finds the same. */
function stableIds(make: () => string): (key: string) => string {
  const ids = new Map<string, string>()
  return (key) => {
    const id = ids.get(key) ?? make()
    ids.set(key, id)
    return id
  }
}

async function* bytesOf(chunks: AsyncIterable<LogChunk>): AsyncIterable<Uint8Array> {
  for await (const { bytes } of chunks) yield bytes
}

/** The newest graphs. */
function graphCache(): GraphCache {
  const kept = new Map<string, NonNullable<ReturnType<GraphCache['get']>>>()
  let tasksKept = 0
  return {
    get: (id) => kept.get(id),
    set: (id, value) => {
      tasksKept += value.tasks.length - (kept.get(id)?.tasks.length ?? 0)
      kept.set(id, value)
      for (const [oldest, { tasks }] of kept) {
        if (tasksKept <= graphTasksKept || kept.size === 1) break
        kept.delete(oldest)
        tasksKept -= tasks.length
      }
    },
  }
}
