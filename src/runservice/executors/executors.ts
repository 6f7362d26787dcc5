// Executors as administrators see and manage them; what an executor itself does is executor-service.ts.

import type { Coordination } from '../../coordination/coordination.ts'
import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { SealingKey } from '../../lib/sealing.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { RepeatableOptions } from '../api.ts'
import type { LogStore } from '../logs/log-store.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { GraphCache, Settle, Tx } from '../stimulus.ts'
import type { Executor, ExecutorTokenRow } from '../types.ts'
import type {
  CreateExecutorToken,
  ExecutorAdmin,
  ExecutorTokenView,
  ExecutorView,
  NewExecutorToken,
  QueueOptions,
  QueuePage,
} from './executor-admin.ts'
import { type ExecutorRows, executorSetId, newExecutorSet } from './executor-rows.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { failTasksOf, finishLogsOf, runsOf } from './lose-executor.ts'
import { OrderFeed } from './order-feed.ts'
import { ExecutorPresence, type PresenceSettings } from './presence.ts'
import { listQueue } from './queue.ts'
import { derivedTokenText, findToken, hashOfToken, insertToken, newTokenText, tokensOf, viewOfToken } from './tokens.ts'

export type ExecutorsComponents = {
  readonly database: Database<RunserviceSchema>
  readonly logs: Pick<LogStore, 'finish'>
  readonly graphs: GraphCache
  readonly executorRows: ExecutorRows
  readonly settle: Settle
  /** Of the installation; tokens that may be asked for again are made of them. */
  readonly keys: readonly [SealingKey, ...SealingKey[]]
  /** Where instances meet. Without it executors are in this process, and none is ever declared lost. */
  readonly coordination?: Coordination
  readonly clock: Clock
  readonly logger: Logger
}

const tasksShownMax = 100

export class Executors implements ExecutorAdmin, AsyncDisposable {
  readonly feed: OrderFeed
  readonly presence: ExecutorPresence | undefined
  readonly #keeper: LeaseKeeper | undefined
  readonly #components: ExecutorsComponents

  constructor(settings: PresenceSettings, components: ExecutorsComponents) {
    this.#components = components
    this.feed = new OrderFeed(components)
    const { coordination } = components
    if (coordination === undefined) return
    this.presence = new ExecutorPresence(settings, { ...components, coordination, feed: this.feed })
    this.#keeper = new LeaseKeeper({ ...components, presence: this.presence })
  }

  async listExecutors(): Promise<readonly ExecutorView[]> {
    const holders = this.presence?.holders()
    const held = new Set(holders === undefined ? this.feed.executorIds : holders.keys())
    const { database, executorRows } = this.#components
    return database.view((tx) => {
      // Read at once: there may be thousands of executors, most of them idle.
      const ordersOf = Map.groupBy(tx.list('executortask'), ({ body }) => body.executorId)
      return executorRows.list(tx).map(({ connection: _, ...executor }) => {
        const orders = ordersOf.get(executor.id) ?? []
        const lastSeenAt = this.#lastSeenAt(executor)
        return {
          ...executor,
          ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
          isHeld: held.has(executor.id),
          slotsUsed: orders.length,
          tasks: orders
            .map(({ body: { id, runId, runTaskId, phase, stop, createdAt } }) => ({
              executorTaskId: id,
              runId,
              runTaskId,
              phase,
              stop,
              createdAt,
            }))
            .sort((a, b) => a.createdAt - b.createdAt)
            .slice(0, tasksShownMax),
        }
      })
    })
  }

  async drainExecutor(executorId: string, { draining }: { readonly draining: boolean }): Promise<void> {
    const version = newExecutorSet(this.#components.clock.now())
    await this.#components.settle((tx) => {
      tx.put('executorset', executorSetId, { version })
      const { isDraining: _, ...executor } = getExecutor(tx, executorId)
      const state = executor.state === 'lost' ? 'lost' : draining ? 'draining' : 'connected'
      tx.put('executor', executorId, { ...executor, state, ...(draining ? { isDraining: true } : {}) })
      return { affected: [], result: undefined }
    })
  }

  async removeExecutor(executorId: string): Promise<void> {
    const { settle, logs, clock } = this.#components
    const version = newExecutorSet(clock.now())
    const failed = await settle((tx, { now }) => {
      tx.put('executorset', executorSetId, { version })
      const executor = getExecutor(tx, executorId)
      tx.delete('executor', executorId)
      for (const token of tokensOf(tx, executorId)) tx.put('executortoken', token.id, { ...token, removedAt: now })
      const lastSeenAt = this.#lastSeenAt(executor)
      const tasks = failTasksOf(tx, executorId, { now, lastSeenAt })
      return { affected: runsOf(tasks), result: tasks }
    })
    await finishLogsOf(failed, logs)
  }

  async createExecutorToken(
    request: CreateExecutorToken,
    { transactionId }: RepeatableOptions = {},
  ): Promise<NewExecutorToken> {
    const { database, clock, keys } = this.#components
    const createdAt = clock.now()
    // Under any of the keys: the one that the first request used may not be the newest any more.
    const texts =
      transactionId === undefined ? [newTokenText()] : keys.map((key) => derivedTokenText(key, transactionId))
    const [newest] = texts as [string, ...string[]] // One for each key, and there is a key.
    const { name, labels, createdBy, executorId } = request
    const row: ExecutorTokenRow = {
      id: newUuid(createdAt),
      name,
      executorId: executorId ?? newUuid(createdAt),
      hash: hashOfToken(newest),
      ...(labels === undefined ? {} : { labels }),
      createdAt,
      ...(createdBy === undefined ? {} : { createdBy }),
    }
    const insert = (tx: Tx) => {
      const isNew = executorId === undefined
      if (!isNew && tokensOf(tx, executorId).every(({ removedAt }) => removedAt !== undefined))
        getExecutor(tx, executorId)
      insertToken(tx, row)
      return row.id
    }
    const { result: id } = await database.do(insert, transactionId === undefined ? {} : { transactionId })
    const made = database.view((tx) => tx.get('executortoken', id))
    const token = texts.find((text) => hashOfToken(text) === made?.hash)
    if (made === undefined || token === undefined)
      throw new SlipwayError('executor_token_not_found', `token ${name} was made before, and is not there any more`)
    return { ...viewOfToken(made), token }
  }

  async listExecutorTokens(): Promise<readonly ExecutorTokenView[]> {
    const rows = this.#components.database.view((tx) => tx.list('executortoken'))
    // Ids sort by creation.
    return rows.flatMap(({ body }) => (body.removedAt === undefined ? [viewOfToken(body)] : []))
  }

  async revokeExecutorToken(tokenId: string): Promise<void> {
    await this.#components.database.do((tx) => {
      const token = tx.get('executortoken', tokenId)
      if (token === undefined || token.removedAt !== undefined)
        throw new SlipwayError('executor_token_not_found', `there is no token ${tokenId}`)
      tx.delete('executortoken', tokenId)
    })
  }

  async listQueue(options: QueueOptions = {}): Promise<QueuePage> {
    const { database, graphs, executorRows } = this.#components
    return database.view((tx) => listQueue(tx, options, { graphs, executors: executorRows }))
  }

  /** The token that an executor elsewhere showed: so it is there. Errors: `unauthenticated`. */
  authenticate(token: string): ExecutorTokenRow {
    const found = this.#components.database.view((tx) => findToken(tx, token))
    if (found === undefined)
      throw new SlipwayError(
        'unauthenticated',
        'the token of this executor is not valid: it was revoked, or never given out',
      )
    this.feed.heard(found.executorId)
    return found
  }

  /** Forgets tokens of executors that were removed before `before`. */
  async clean(before: number): Promise<void> {
    await this.#components.database.do((tx) => {
      for (const { id, body } of tx.list('executortoken'))
        if (body.removedAt !== undefined && body.removedAt < before) tx.delete('executortoken', id)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper?.[Symbol.asyncDispose]()
    await this.presence?.[Symbol.asyncDispose]()
    await this.feed[Symbol.asyncDispose]()
  }

  #lastSeenAt({ id, lastSeenAt }: Pick<Executor, 'id' | 'lastSeenAt'>): number | undefined {
    return this.presence?.holderOf(id)?.seenAt ?? this.#keeper?.lastSeenAt(id) ?? lastSeenAt
  }
}

function getExecutor(tx: Pick<Tx, 'get'>, executorId: string): Executor {
  const executor = tx.get('executor', executorId)
  if (executor === undefined) throw new SlipwayError('executor_not_found', `there is no executor ${executorId}`)
  return executor
}
