// The executor protocol, answered for one executor.

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { SignedRequest } from '../../objectstorage/direct-transfers.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { Caches } from '../archives/caches.ts'
import { ExecutorArchives } from '../archives/executor-archives.ts'
import type { UploadedArchive, UploadPart } from '../archives/uploads.ts'
import type {
  BegunUpload,
  DirectPartRequest,
  ExecutorHello,
  FoundCache,
  LogName,
  LogPosition,
  Order,
  OrderMessage,
  RegisteringExecutorApi,
  Registration,
  ReportAnswer,
  SentOrder,
  SignedPart,
  StoredArchive,
  TaskReport,
  UploadPurpose,
} from '../executor-api.ts'
import type { LogKey, LogStore } from '../logs/log-store.ts'
import { definitionOf, makeOrder, type OrderContext } from '../orders/make-order.ts'
import { OrderPreparation, type Prepared } from '../orders/order-preparation.ts'
import { deleteOrder } from '../orders/orders.ts'
import type { Reason } from '../reasons.ts'
import { isOfRemovedOwner } from '../retention/removed-owners.ts'
import { type RunserviceSchema, runTaskRowId } from '../row-types.ts'
import { applyReport } from '../scheduler/apply-report.ts'
import { failTask } from '../scheduler/hand-out.ts'
import { type Affected, putTask, type Settle } from '../stimulus.ts'
import type { ExecutorTask, ExecutorTokenRow, RunTask } from '../types.ts'
import { isFinishedStep, isFinishedTask } from '../types.ts'
import { executorSetId, newExecutorSet } from './executor-rows.ts'
import type { FeedSubscription, OrderFeed } from './order-feed.ts'
import { checkLabels } from './tokens.ts'

export type ExecutorServiceComponents = OrderContext & {
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly caches: Caches
  readonly logs: LogStore
  readonly feed: OrderFeed
  readonly clock: Clock
  readonly logger: Logger
  readonly settle: Settle
}

export class ExecutorService implements RegisteringExecutorApi {
  readonly executorId: string
  readonly #components: ExecutorServiceComponents
  /** Run tasks by the order whose logs were seen to be written. */
  readonly #writing = new Map<string, string>()

  readonly #token: ExecutorTokenRow | undefined
  readonly #archives: ExecutorArchives

  /** `token` is what the executor showed; without one it is in this process. */
  constructor(executorId: string, components: ExecutorServiceComponents, token?: ExecutorTokenRow) {
    this.executorId = executorId
    this.#components = components
    this.#token = token
    const orderOf = (executorTaskId: string) => this.#order(executorTaskId)
    this.#archives = new ExecutorArchives({ ...components, orderOf })
  }

  async *connect(hello: ExecutorHello, signal: AbortSignal): AsyncIterable<OrderMessage> {
    const registration = await this.register(hello)
    for (const executorTaskId of registration.gone) yield { kind: 'gone', executorTaskId }
    for await (const { message } of await this.orders(registration, signal)) yield message
  }

  async register(hello: ExecutorHello): Promise<Registration> {
    const { database, settle, clock } = this.#components
    const id = this.executorId
    const { has, ...facts } = hello
    // Removed while it was away: it is told that nothing of what it has is known, and nothing is written down.
    if (this.#token?.removedAt !== undefined)
      return { connection: 1, position: database.position, gone: has.map((task) => task.id) }
    const labels = this.#token?.labels ?? facts.labels
    checkLabels(labels)
    const name = this.#token?.name
    const version = newExecutorSet(clock.now())
    const { connection, known } = await settle((tx, { now }) => {
      const before = tx.get('executor', id)
      const isDraining = before?.isDraining === true
      const registered = {
        ...facts,
        ...(name === undefined ? {} : { name }),
        ...(isDraining ? { isDraining } : {}),
        id,
        labels,
        state: isDraining ? 'draining' : 'connected',
        connectedAt: now,
        lastSeenAt: now,
        connection: (before?.connection ?? 0) + 1,
      } as const
      tx.put('executor', id, registered)
      tx.put('executorset', executorSetId, { version })
      const orders = tx.list('executortask', { index: 'byExecutor', prefix: [id] })
      const result = { connection: registered.connection, known: new Set(orders.map((row) => row.id)) }
      return { affected: [], result }
    })
    const gone = has.flatMap((task) => (known.has(task.id) ? [] : [task.id]))
    return { connection, position: database.position, gone }
  }

  async orders(
    { connection, position }: Pick<Registration, 'connection' | 'position'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<SentOrder>> {
    const { database, feed } = this.#components
    if (this.#token?.removedAt !== undefined)
      throw new SlipwayError('executor_removed', `executor ${this.executorId} was removed`)
    await database.waitFor(position, signal)
    const subscription = feed.subscribe({
      executorId: this.executorId,
      connection,
      ...(this.#token === undefined ? {} : { tokenId: this.#token.id }),
    })
    const executor = database.view((tx) => tx.get('executor', this.executorId))
    if (executor !== undefined && executor.state !== 'lost' && executor.connection === connection)
      return this.#send(subscription, signal)
    subscription[Symbol.dispose]()
    throw new SlipwayError('executor_not_registered', `executor ${this.executorId} is not registered any more`)
  }

  async *#send(subscribed: FeedSubscription, signal: AbortSignal): AsyncGenerator<SentOrder, void, undefined> {
    using subscription = subscribed
    await using preparation = new OrderPreparation(this.#components, {
      onReady: (orderId) => subscription.changed(orderId),
      onFailed: (order, error) => this.#failOrder(order, error),
    })
    const { database } = this.#components
    const sent = (message: OrderMessage): SentOrder => ({ position: database.position, message })
    const known = new Map<string, ExecutorTask>()
    const connection: Connection = { known, stopped: new Set(), subscription, preparation }
    for (const order of this.#listOrders()) {
      subscription.own(order.id)
      for await (const message of this.#messagesFor(order, connection)) yield sent(message)
    }
    try {
      for (;;) {
        const changed = await subscription.next(signal)
        const ids =
          changed === 'all' ? new Set([...known.keys(), ...[...this.#listOrders()].map(({ id }) => id)]) : changed
        for (const id of ids) for await (const message of this.#changed(id, connection)) yield sent(message)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  *#listOrders(): Iterable<ExecutorTask> {
    const { database } = this.#components
    const rows = database.view((tx) => tx.list('executortask', { index: 'byExecutor', prefix: [this.executorId] }))
    for (const { body } of rows) yield body
  }

  async *#changed(id: string, connection: Connection): AsyncIterable<OrderMessage> {
    const order = this.#findOrder(id)
    if (order !== undefined) return yield* this.#messagesFor(order, connection)
    // The end of a task deletes its order: only one that ended without the executor's word is news to it.
    const ended = connection.known.get(id)
    connection.known.delete(id)
    connection.stopped.delete(id)
    connection.subscription.disown(id)
    connection.preparation.forget(id)
    this.#writing.delete(id)
    if (ended !== undefined && this.#wasTakenAway(ended)) yield { kind: 'gone', executorTaskId: id }
  }

  async report(report: TaskReport): Promise<ReportAnswer> {
    return await this.#components.settle((tx, { now }) => {
      const executorTask = tx.get('executortask', report.executorTaskId)
      const task = executorTask && tx.get('runtask', runTaskRowId(executorTask.runId, executorTask.runTaskId))
      const outcome = applyReport({ executorId: this.executorId, report, executorTask, task, now })
      switch (outcome.kind) {
        case 'known':
        case 'gone':
          return { affected: [], result: outcome.kind }
        case 'refused':
          throw new SlipwayError(outcome.code, outcome.message)
        case 'applied':
          putTask(tx, outcome.task)
          if (outcome.executorTask !== undefined) tx.put('executortask', report.executorTaskId, outcome.executorTask)
          else if (executorTask !== undefined) deleteOrder(tx, executorTask)
          // Only the end of a task can let another one start, or a run end.
          return { affected: isFinishedStep(report.phase) ? [affectedBy(outcome.task)] : [], result: 'applied' }
      }
    })
  }

  async cloneUrl(executorTaskId: string): Promise<string> {
    const { database, cloneAccess, cloneSource } = this.#components
    const order = this.#order(executorTaskId)
    const { config } = database.view((tx) => definitionOf(tx, order, this.#components))
    const address = await cloneAccess?.(config, order, { isAskedAnew: true })
    return address?.url ?? cloneSource(config).url
  }

  async logPosition(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<LogPosition> {
    return await this.#components.logs.position(this.#logKey(executorTaskId, log), signal)
  }

  async storeFrame(
    executorTaskId: string,
    log: LogName,
    frame: Uint8Array,
    signal?: AbortSignal,
  ): Promise<LogPosition> {
    const { logs } = this.#components
    const { runId } = this.#order(executorTaskId)
    const key = this.#logKey(executorTaskId, log)
    const position = await logs.storeFrame(key, frame, signal)
    await this.#deleteLogOfDeletedRun(runId, key)
    return position
  }

  offerLive(executorTaskId: string, log: LogName, firstByte: number, bytes: Uint8Array): void {
    // Called for every few kilobytes: whose log it is, is looked up once.
    const runTaskId = this.#writing.get(executorTaskId) ?? this.#findOrder(executorTaskId)?.runTaskId
    if (runTaskId === undefined) return
    this.#writing.set(executorTaskId, runTaskId)
    this.#components.logs.offerLive({ runTaskId, log }, firstByte, bytes)
  }

  async finishLog(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<void> {
    const { logs } = this.#components
    const { runId } = this.#order(executorTaskId)
    const key = this.#logKey(executorTaskId, log)
    await logs.finish(key, signal)
    await this.#deleteLogOfDeletedRun(runId, key)
  }

  /** What was on its way while the run was deleted may have come too late to be deleted with it. */
  async #deleteLogOfDeletedRun(runId: string, key: LogKey): Promise<void> {
    const { database, logs } = this.#components
    const isDeleted = database.view((tx) => {
      const path = tx.entry(runId)?.path
      return path === undefined || isOfRemovedOwner(tx, path)
    })
    if (isDeleted) await logs.delete(key)
  }

  saveArchive(
    executorTaskId: string,
    step: number,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredArchive> {
    return this.#archives.save(executorTaskId, step, data, signal)
  }

  readArchive(executorTaskId: string, { object }: StoredArchive, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#archives.read(executorTaskId, object, { signal })
  }

  readArchiveFrom(
    executorTaskId: string,
    object: string,
    fromByte: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.#archives.read(executorTaskId, object, { fromByte, signal })
  }

  signArchiveRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined> {
    return this.#archives.signRead(executorTaskId, object)
  }

  beginUpload(executorTaskId: string, purpose?: UploadPurpose): Promise<BegunUpload> {
    return this.#archives.begin(executorTaskId, purpose)
  }

  putPart(executorTaskId: string, part: UploadPart): Promise<void> {
    return this.#archives.putPart(executorTaskId, part)
  }

  signPart(executorTaskId: string, part: DirectPartRequest): Promise<SignedPart> {
    return this.#archives.signPart(executorTaskId, part)
  }

  relayPart(executorTaskId: string, part: DirectPartRequest & { readonly data: Uint8Array }): Promise<string> {
    return this.#archives.relayPart(executorTaskId, part)
  }

  completeArchive(executorTaskId: string, step: number, upload: UploadedArchive): Promise<StoredArchive> {
    return this.#archives.complete(executorTaskId, step, upload)
  }

  completeCache(executorTaskId: string, key: string, upload: UploadedArchive): Promise<'stored' | 'exists'> {
    return this.#archives.completeCache(executorTaskId, key, upload)
  }

  findCache(
    executorTaskId: string,
    key: string,
    options: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    return this.#archives.findCache(executorTaskId, key, options, signal)
  }

  async *readCache(
    executorTaskId: string,
    { object }: FoundCache,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#archives.readCache(executorTaskId, object, { signal })
  }

  async *readCacheFrom(
    executorTaskId: string,
    object: string,
    fromByte: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#archives.readCache(executorTaskId, object, { fromByte, signal })
  }

  signCacheRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined> {
    return this.#archives.signCacheRead(executorTaskId, object)
  }

  saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    return this.#archives.saveCache(executorTaskId, key, data, signal)
  }

  async *#messagesFor(order: ExecutorTask, connection: Connection): AsyncIterable<OrderMessage> {
    const { known, stopped, preparation } = connection
    if (!known.has(order.id)) {
      const made = await this.#makeOrder(order, preparation)
      if (made !== undefined) {
        known.set(order.id, order)
        yield { kind: 'execute', order: made }
      }
    }
    if (order.stop && !stopped.has(order.id)) {
      stopped.add(order.id)
      yield { kind: 'stop', executorTaskId: order.id }
    }
  }

  /**
   * Whoever the repository belongs to says where it is and how to log in there, each time anew; the key is masked like any other
   * secret.
   */
  #withAccess(order: Order, { clone }: Prepared): Order {
    if (clone === undefined) return order
    const { access, url } = clone
    const { credentials } = access
    const value = credentials?.type === 'sshkey' ? credentials.privateKey : credentials?.password
    const secrets = value === undefined ? order.secrets : [...order.secrets, { name: 'repository', value }]
    const moved = url === undefined ? {} : { url, originUrl: url }
    return { ...order, secrets, clone: { ...order.clone, ...moved, access } }
  }

  /**
   * Undefined when it is gone, or waits for what is asked elsewhere. One that cannot be made fails its task, so that it neither
   * hangs nor keeps the executor from all others.
   */
  async #makeOrder(order: ExecutorTask, preparation: OrderPreparation): Promise<Order | undefined> {
    const { database } = this.#components
    try {
      const prepared = preparation.take(order)
      if (prepared === undefined) return undefined
      // It may have ended, or been changed, while this change waited to be read.
      const made = database.view((tx) => {
        const current = tx.get('executortask', order.id)
        return current && makeOrder(tx, current, this.#components)
      })
      return made && this.#withAccess(made, prepared)
    } catch (error) {
      // What cannot be answered now breaks the connection: the executor comes again.
      if (!isSlipwayError(error) || error.kind === 'unavailable') throw error
      await this.#failOrder(order, error)
      return undefined
    }
  }

  async #failOrder(order: ExecutorTask, error: SlipwayError): Promise<void> {
    const { settle, logger } = this.#components
    logger.error('order cannot be made', { executorTaskId: order.id, error })
    const reason: Reason = { kind: 'failed_setup', message: error.message }
    await settle((tx, { now }) => {
      const task = tx.get('runtask', runTaskRowId(order.runId, order.runTaskId))
      if (tx.get('executortask', order.id) === undefined || task === undefined)
        return { affected: [], result: undefined }
      const failed = failTask(task, { reason, now })
      putTask(tx, failed)
      deleteOrder(tx, order)
      return { affected: [affectedBy(failed)], result: undefined }
    })
  }

  #wasTakenAway({ runId, runTaskId }: ExecutorTask): boolean {
    const task = this.#components.database.view((tx) => tx.get('runtask', runTaskRowId(runId, runTaskId)))
    // An order goes with the end of its task, which the executor told: unless the executor was lost, or the run was deleted.
    return task === undefined || !isFinishedTask(task.status) || task.reason?.kind === 'executor_lost'
  }

  /** Logs belong to the run task. `executor_task_gone` when it is not this executor's. */
  #logKey(executorTaskId: string, log: LogName): LogKey {
    const { runTaskId } = this.#order(executorTaskId)
    this.#writing.set(executorTaskId, runTaskId)
    return { runTaskId, log }
  }

  #findOrder(executorTaskId: string): ExecutorTask | undefined {
    const order = this.#components.database.view((tx) => tx.get('executortask', executorTaskId))
    return order?.executorId === this.executorId ? order : undefined
  }

  #order(executorTaskId: string): ExecutorTask {
    const order = this.#findOrder(executorTaskId)
    if (order === undefined) throw this.#gone(executorTaskId)
    return order
  }

  #gone(executorTaskId: string): SlipwayError {
    return new SlipwayError('executor_task_gone', `executor ${this.executorId} has no task ${executorTaskId}`)
  }
}

type Connection = {
  /** Orders that it was sent. */
  readonly known: Map<string, ExecutorTask>
  /** Those that it was told to stop. */
  readonly stopped: Set<string>
  readonly subscription: FeedSubscription
  readonly preparation: OrderPreparation
}

function affectedBy(task: RunTask): Affected {
  return { runId: task.runId, changedTasks: [task.id] }
}
