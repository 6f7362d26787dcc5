// What changes for executors, told to their connections here: one reader of the changes of the database however many
// executors are connected, because most changes concern none of them, and each of the others one.

import type { Change, Database, Operation } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { Executor, ExecutorTask } from '../types.ts'

export type OrderFeedComponents = {
  readonly database: Database<RunserviceSchema>
  readonly clock: Clock
  readonly logger: Logger
}

export type FeedSubscriber = {
  readonly executorId: string
  /** As in the executor's row: when another one takes its place, this one ends. */
  readonly connection: number
  /** The token it was opened with: when that is revoked, it ends. */
  readonly tokenId?: string
}

const retryMs = 1000
/** An executor says something every 15 s: two of them may get lost. */
const heardMs = 40_000

export class OrderFeed implements AsyncDisposable {
  readonly #components: OrderFeedComponents
  readonly #closing = new AbortController()
  readonly #byExecutor = new Map<string, Set<FeedSubscription>>()
  readonly #byOrder = new Map<string, FeedSubscription>()
  readonly #heardAt = new Map<string, number>()
  #reading: Promise<void> | undefined

  constructor(components: OrderFeedComponents) {
    this.#components = components
  }

  /** Executors whose orders are sent from here. */
  get executorIds(): readonly string[] {
    return [...this.#byExecutor.keys()]
  }

  /** An executor elsewhere said something to this instance. */
  heard(executorId: string): void {
    this.#heardAt.set(executorId, this.#components.clock.now())
  }

  /**
   * Executors that are there, as far as this instance knows: those in this process, and those that were heard lately. That a
   * connection is open says nothing: the machine at its other end may be gone.
   */
  aliveIds(): readonly string[] {
    const alive = new Set<string>()
    const since = this.#components.clock.now() - heardMs
    for (const [executorId, at] of this.#heardAt) {
      if (at >= since) alive.add(executorId)
      else this.#heardAt.delete(executorId)
    }
    for (const { subscriber } of this.#subscriptions())
      if (subscriber.tokenId === undefined) alive.add(subscriber.executorId)
    return [...alive]
  }

  /** Called when an executor came or went. */
  onHeldChanged: () => void = () => {}

  /** Hears of all that changes from now on; dispose it. An older connection of the same executor ends. */
  subscribe(subscriber: FeedSubscriber): FeedSubscription {
    const { executorId } = subscriber
    const others = this.#byExecutor.get(executorId) ?? new Set()
    for (const other of others)
      if (other.subscriber.connection < subscriber.connection) other.end(supersededBy(subscriber))
    const subscription = new FeedSubscription(subscriber, {
      onOwn: (orderId) => this.#byOrder.set(orderId, subscription),
      onDispose: (orderIds) => {
        others.delete(subscription)
        for (const id of orderIds) if (this.#byOrder.get(id) === subscription) this.#byOrder.delete(id)
        if (others.size > 0 || this.#byExecutor.get(executorId) !== others) return
        this.#byExecutor.delete(executorId)
        this.onHeldChanged()
      },
    })
    others.add(subscription)
    if (!this.#byExecutor.has(executorId)) {
      this.#byExecutor.set(executorId, others)
      this.onHeldChanged()
    }
    this.#reading ??= this.#read(this.#components.database.position)
    return subscription
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new SlipwayError('service_unavailable', 'this instance stops')
    this.#closing.abort(reason)
    for (const subscription of this.#subscriptions()) subscription.end(reason)
    await this.#reading
  }

  async #read(from: number): Promise<void> {
    const { database, clock, logger } = this.#components
    const signal = this.#closing.signal
    let position = from
    while (!signal.aborted) {
      try {
        for await (const change of database.changes(position, signal)) {
          position = change.position
          this.#tell(change)
        }
      } catch (error) {
        if (signal.aborted || isSlipwayError(error, 'database_closed')) return
        if (isSlipwayError(error, 'history_collected')) {
          position = database.position
          for (const subscription of this.#subscriptions()) subscription.lookAgain()
          continue
        }
        logger.error('changes for executors cannot be read', { error })
        await clock.sleep(retryMs, signal).catch(() => undefined)
      }
    }
  }

  #tell({ operations }: Change): void {
    for (const operation of operations) {
      if (operation.type === 'executortask') this.#tellOrder(operation)
      else if (operation.type === 'executor') this.#tellExecutor(operation)
      else if (operation.type === 'executortoken' && operation.kind === 'delete')
        for (const subscription of this.#subscriptions())
          if (subscription.subscriber.tokenId === operation.id)
            subscription.end(new SlipwayError('unauthenticated', 'the token of this executor was revoked'))
    }
  }

  #tellOrder(operation: Operation): void {
    if (operation.kind === 'delete') {
      this.#byOrder.get(operation.id)?.changed(operation.id)
      return
    }
    const { executorId } = operation.body as unknown as ExecutorTask
    for (const subscription of this.#byExecutor.get(executorId) ?? []) subscription.changed(operation.id)
  }

  #tellExecutor(operation: Operation): void {
    const executor = operation.kind === 'delete' ? undefined : (operation.body as unknown as Executor)
    const connection = executor?.connection ?? 0
    for (const subscription of this.#byExecutor.get(operation.id) ?? []) {
      const { subscriber } = subscription
      if (executor === undefined)
        subscription.end(new SlipwayError('executor_removed', `executor ${operation.id} was removed`))
      else if (connection > subscriber.connection) subscription.end(supersededBy({ ...subscriber, connection }))
      // Its process or its network was suspended, and the connection outlived that: it has to say anew that it is there.
      else if (executor.state === 'lost')
        subscription.end(new SlipwayError('executor_not_registered', `executor ${operation.id} was lost`))
    }
  }

  *#subscriptions(): Iterable<FeedSubscription> {
    for (const subscriptions of [...this.#byExecutor.values()]) yield* [...subscriptions]
  }
}

function supersededBy({ executorId, connection }: FeedSubscriber): SlipwayError {
  return new SlipwayError('executor_superseded', `executor ${executorId} has connected again (${connection})`)
}

type FeedSubscriptionHooks = {
  readonly onOwn: (orderId: string) => void
  readonly onDispose: (orderIds: Iterable<string>) => void
}

/** What to look at again: ids, never contents, so a slow connection holds no more than one entry per order. */
export class FeedSubscription implements Disposable {
  readonly subscriber: FeedSubscriber
  readonly #hooks: FeedSubscriptionHooks
  readonly #owned = new Set<string>()
  #changed = new Set<string>()
  #all = false
  #ended: SlipwayError | undefined
  #wake = Promise.withResolvers<void>()

  constructor(subscriber: FeedSubscriber, hooks: FeedSubscriptionHooks) {
    this.subscriber = subscriber
    this.#hooks = hooks
  }

  /** An order of this executor: its deletion is told as well. */
  own(orderId: string): void {
    this.#owned.add(orderId)
    this.#hooks.onOwn(orderId)
  }

  /** It is gone and was told. */
  disown(orderId: string): void {
    this.#owned.delete(orderId)
  }

  changed(orderId: string): void {
    this.own(orderId)
    this.#changed.add(orderId)
    this.#wake.resolve()
  }

  lookAgain(): void {
    this.#all = true
    this.#wake.resolve()
  }

  end(reason: SlipwayError): void {
    this.#ended ??= reason
    this.#wake.resolve()
  }

  /** Orders that changed since the last call, or `all` when that is not known; waits for something. Throws why it ended. */
  async next(signal: AbortSignal): Promise<readonly string[] | 'all'> {
    const onAbort = () => this.#wake.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        signal.throwIfAborted()
        if (this.#all) {
          this.#all = false
          this.#changed = new Set()
          return 'all'
        }
        if (this.#changed.size > 0) {
          const changed = [...this.#changed]
          this.#changed = new Set()
          return changed
        }
        if (this.#ended) throw this.#ended
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  [Symbol.dispose](): void {
    this.#hooks.onDispose(this.#owned)
  }
}
