// The executor protocol, answered for one executor.

import type { Database } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { newUuid } from '../lib/uuid.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { fullCacheKey } from './cache-key.ts'
import type { Caches } from './caches.ts'
import type {
  ExecutorApi,
  ExecutorHello,
  FoundCache,
  LogName,
  LogPosition,
  OrderMessage,
  ReportAnswer,
  StoredArchive,
  TaskReport,
} from './executor-api.ts'
import type { LogKey, LogStore } from './logs/log-store.ts'
import { makeOrder, type OrderContext } from './make-order.ts'
import { type RunserviceSchema, runTaskRowId } from './row-types.ts'
import { applyReport } from './scheduler/apply-report.ts'
import { counterName } from './scheduler/create-run.ts'
import { type Affected, putTask, type StimulusContext, type Tx } from './stimulus.ts'
import type { ExecutorTask, RunTask } from './types.ts'
import { isFinishedStep } from './types.ts'

export type ExecutorServiceComponents = OrderContext & {
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly caches: Caches
  readonly logs: LogStore
  readonly clock: Clock
  readonly logger: Logger
  readonly settle: <T>(
    stimulus: (tx: Tx, context: StimulusContext) => { readonly affected: readonly Affected[]; readonly result: T },
  ) => Promise<T>
}

export class ExecutorService implements ExecutorApi {
  readonly #executorId: string
  readonly #components: ExecutorServiceComponents

  constructor(executorId: string, components: ExecutorServiceComponents) {
    this.#executorId = executorId
    this.#components = components
  }

  async *connect(hello: ExecutorHello, signal: AbortSignal): AsyncIterable<OrderMessage> {
    const { database } = this.#components
    await this.#register(hello)
    const { position, orders } = database.view((tx) => ({
      position: database.position,
      orders: tx.list('executortask', { index: 'byExecutor', prefix: [this.#executorId] }).map((row) => row.body),
    }))
    const known = new Set(orders.map((order) => order.id))
    for (const { id } of hello.has) if (!known.has(id)) yield { kind: 'gone', executorTaskId: id }
    for (const order of orders) yield* this.#messagesFor(order, undefined)
    const stopped = new Set(orders.filter((order) => order.stop).map((order) => order.id))
    for await (const change of database.changes(position, signal)) {
      for (const operation of change.operations) {
        if (operation.type !== 'executortask') continue
        if (operation.kind === 'delete') {
          // The end of a task deletes its order: only one that ended without the executor's word is news to it.
          known.delete(operation.id)
          stopped.delete(operation.id)
          continue
        }
        const order = operation.body as unknown as ExecutorTask
        if (order.executorId !== this.#executorId) continue
        yield* this.#messagesFor(order, { known, stopped })
      }
    }
  }

  async report(report: TaskReport): Promise<ReportAnswer> {
    return await this.#components.settle((tx, { now }) => {
      const executorTask = tx.get('executortask', report.executorTaskId)
      const task = executorTask && tx.get('runtask', runTaskRowId(executorTask.runId, executorTask.runTaskId))
      const outcome = applyReport({ executorId: this.#executorId, report, executorTask, task, now })
      switch (outcome.kind) {
        case 'known':
        case 'gone':
          return { affected: [], result: outcome.kind }
        case 'refused':
          throw new SlipwayError(outcome.code, outcome.message)
        case 'applied':
          putTask(tx, outcome.task)
          if (outcome.executorTask === undefined) tx.delete('executortask', report.executorTaskId)
          else tx.put('executortask', report.executorTaskId, outcome.executorTask)
          // Only the end of a task can let another one start, or a run end.
          return { affected: isFinishedStep(report.phase) ? [affectedBy(outcome.task)] : [], result: 'applied' }
      }
    })
  }

  async logPosition(executorTaskId: string, log: LogName): Promise<LogPosition> {
    return await this.#components.logs.position(logKey(executorTaskId, log))
  }

  async storeFrame(
    executorTaskId: string,
    log: LogName,
    frame: Uint8Array,
    signal?: AbortSignal,
  ): Promise<LogPosition> {
    return await this.#components.logs.storeFrame(logKey(executorTaskId, log), frame, signal)
  }

  offerLive(executorTaskId: string, log: LogName, firstByte: number, bytes: Uint8Array): void {
    this.#components.logs.offerLive(logKey(executorTaskId, log), firstByte, bytes)
  }

  async finishLog(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<void> {
    await this.#components.logs.finish(logKey(executorTaskId, log), signal)
  }

  async saveArchive(
    executorTaskId: string,
    step: number,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredArchive> {
    const { database, ost, clock } = this.#components
    const order = this.#order(executorTaskId)
    const id = `${order.runTaskId}.${step}`
    const now = clock.now()
    const object = `archives/${order.runTaskId}/${step}-${newUuid(now)}.tar.zst`
    const { sizeBytes, sha256 } = await ost.put(object, data, signal === undefined ? {} : { signal })
    const stored: StoredArchive = { object, sizeBytes, sha256 }
    const { result } = await database.do((tx) => {
      const first = tx.get('archive', id)
      if (first !== undefined) return first
      tx.put('archive', id, { ...stored, runTaskId: order.runTaskId, step, createdAt: now, lastUsedAt: now })
      return undefined
    })
    if (result === undefined) return stored
    await ost.delete(object)
    return { object: result.object, sizeBytes: result.sizeBytes, sha256: result.sha256 }
  }

  readArchive(_executorTaskId: string, archive: StoredArchive, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#components.ost.read(archive.object, signal === undefined ? {} : { signal })
  }

  async findCache(
    executorTaskId: string,
    key: string,
    options: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    const group = this.#cacheGroup(executorTaskId)
    return await this.#components.caches.find(group, fullCacheKey(group, key), options, signal)
  }

  readCache(_executorTaskId: string, cache: FoundCache, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#components.caches.read(cache, signal)
  }

  async saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    const group = this.#cacheGroup(executorTaskId)
    return await this.#components.caches.save(group, fullCacheKey(group, key), data, signal)
  }

  async #register(hello: ExecutorHello): Promise<void> {
    await this.#components.settle((tx, { now }) => {
      const { has: _, ...facts } = hello
      const before = tx.get('executor', this.#executorId)
      const state = before?.state === 'draining' ? 'draining' : 'connected'
      tx.put('executor', this.#executorId, { ...facts, id: this.#executorId, state, connectedAt: now, lastSeenAt: now })
      return { affected: [], result: undefined }
    })
  }

  *#messagesFor(
    order: ExecutorTask,
    seen: { readonly known: Set<string>; readonly stopped: Set<string> } | undefined,
  ): Iterable<OrderMessage> {
    if (seen === undefined || !seen.known.has(order.id)) {
      seen?.known.add(order.id)
      const made = this.#components.database.view((tx) =>
        // It may have ended while this change waited to be read.
        tx.get('executortask', order.id) === undefined ? undefined : makeOrder(tx, order, this.#components),
      )
      if (made !== undefined) yield { kind: 'execute', order: made }
    }
    if (order.stop && !seen?.stopped.has(order.id)) {
      seen?.stopped.add(order.id)
      yield { kind: 'stop', executorTaskId: order.id }
    }
  }

  #order(executorTaskId: string): ExecutorTask {
    const order = this.#components.database.view((tx) => tx.get('executortask', executorTaskId))
    if (order === undefined || order.executorId !== this.#executorId) {
      throw new SlipwayError('executor_task_gone', `executor ${this.#executorId} has no task ${executorTaskId}`)
    }
    return order
  }

  #cacheGroup(executorTaskId: string): string {
    const order = this.#order(executorTaskId)
    const config = this.#components.database.view((tx) => tx.get('runconfig', order.runConfigId))
    return config === undefined || config.cacheGroup === '' ? counterName(config?.group ?? '/') : config.cacheGroup
  }
}

function affectedBy(task: RunTask): Affected {
  return { runId: task.runId, changedTasks: [task.id] }
}

/** Logs belong to the run task: an order's id is the task's and the attempt. */
function logKey(executorTaskId: string, log: LogName): LogKey {
  return { runTaskId: executorTaskId.slice(0, executorTaskId.lastIndexOf('.')), log }
}
