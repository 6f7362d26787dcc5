// Looks regularly who holds which executor, and declares lost whom nobody has held for a whole lease (leases.ts decides).

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { LogStore } from '../logs/log-store.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { Settle } from '../stimulus.ts'
import { type ExecutorRows, executorSetId, newExecutorSet } from './executor-rows.ts'
import { type Leases, type LostExecutor, look, noLeases } from './leases.ts'
import { failTasksOf, finishLogsOf, runsOf } from './lose-executor.ts'
import type { ExecutorPresence } from './presence.ts'

export type LeaseKeeperComponents = {
  readonly database: Database<RunserviceSchema>
  readonly presence: ExecutorPresence
  readonly executorRows: ExecutorRows
  readonly logs: Pick<LogStore, 'finish'>
  readonly settle: Settle
  readonly clock: Clock
  readonly logger: Logger
}

const lookEveryMs = 10_000
const lookMsMax = 10_000
/** Three looks that did not happen. */
const pauseMs = 30_000

export class LeaseKeeper implements AsyncDisposable {
  readonly #components: LeaseKeeperComponents
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #leases: Leases = noLeases

  constructor(components: LeaseKeeperComponents) {
    this.#components = components
    this.#running = this.#run(this.#closing.signal)
  }

  /** When this instance last saw an executor held; undefined when it never did. */
  lastSeenAt(executorId: string): number | undefined {
    return this.#leases.seen.get(executorId)?.at
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components
    while (!signal.aborted) {
      try {
        await this.#look(signal)
      } catch (error) {
        if (signal.aborted) return
        // Who cannot look, or cannot write, is out of touch: for it nobody's lease has passed.
        this.#leases = { ...this.#leases, inTouchSince: undefined }
        logger.warn('executors cannot be looked after', { error })
      }
      await clock.sleep(lookEveryMs, signal).catch(() => undefined)
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { database, presence, executorRows, clock } = this.#components
    const held = await presence.look(AbortSignal.any([signal, clock.timeout(lookMsMax)]))
    const executors = database.view((tx) => executorRows.list(tx))
    executorRows.refresh(database)
    const { leases, lost } = look(
      this.#leases,
      { now: clock.now(), held, executors },
      { leaseMs: limits.executorLeaseMs.value, pauseMs },
    )
    this.#leases = leases
    for (const executor of lost) await this.#declareLost(executor)
  }

  /** The transaction decides: an executor that has connected again since, anywhere, is not lost. */
  async #declareLost({ executorId, connection, lastSeenAt }: LostExecutor): Promise<void> {
    const { settle, logs, logger, clock } = this.#components
    const version = newExecutorSet(clock.now())
    const failed = await settle((tx, { now }) => {
      const executor = tx.get('executor', executorId)
      if (executor === undefined || executor.state === 'lost' || (executor.connection ?? 0) !== connection)
        return { affected: [], result: undefined }
      tx.put('executorset', executorSetId, { version })
      const seenAt = lastSeenAt ?? executor.lastSeenAt
      tx.put('executor', executorId, {
        ...executor,
        state: 'lost',
        ...(seenAt === undefined ? {} : { lastSeenAt: seenAt }),
      })
      const tasks = failTasksOf(tx, executorId, { now, lastSeenAt: seenAt })
      return { affected: runsOf(tasks), result: tasks }
    })
    if (failed === undefined) return
    logger.warn('executor lost', { executorId, tasks: failed.length, lastSeenAt })
    await finishLogsOf(failed, logs)
  }
}
