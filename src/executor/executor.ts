// One executor: takes orders from the runservice, executes each as a task, and leaves behind whatever a successor on the same
// data directory needs when it is stopped as planned or killed.

import type { Clock } from '../lib/clock.ts'
import { unreachable } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { ExecutorApi, ExecutorHello, Order, OrderMessage } from '../runservice/executor-api.ts'
import { isFinishedStep } from '../runservice/types.ts'
import type { Driver } from './driver.ts'
import type { GitMirrors } from './git/mirrors.ts'
import type { Journal, JournalEntry } from './journal.ts'
import { Reporter } from './reporter.ts'
import { endRequestOf, TaskEnding } from './task-ending.ts'
import { executeTask, type TaskSettings } from './task-execution.ts'
import { TaskLogs } from './task-logs.ts'

export type ExecutorSettings = TaskSettings & {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** Tasks at once; 0 means no limit. */
  readonly taskLimit: number
}

export type ExecutorComponents = {
  readonly api: ExecutorApi
  /** Preferred first. */
  readonly drivers: readonly Driver[]
  readonly mirrors: GitMirrors
  /** Of this executor alone; its successor goes on from it. */
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
}

const reconnectMsMin = 100
const reconnectMsMax = 10_000
const retryMsMin = 100
const retryMsMax = 10_000

export class Executor {
  readonly #settings: ExecutorSettings
  readonly #components: ExecutorComponents
  readonly #tasks = new Map<string, { readonly ending: AbortController; readonly done: Promise<void> }>()

  constructor(settings: ExecutorSettings, components: ExecutorComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** Executes orders until `signal` is aborted, then lets go of running tasks as planned and returns. */
  async run(signal: AbortSignal): Promise<void> {
    let hasOrphans = true
    let waitMs = reconnectMsMin
    while (!signal.aborted) {
      try {
        // Before there are orders: a pod that is being made is not in the journal's list yet.
        if (hasOrphans) await this.#removeOrphans(signal)
        hasOrphans = false
        for await (const message of this.#components.api.connect(this.#hello(), signal)) {
          waitMs = reconnectMsMin
          this.#handle(message)
        }
      } catch (error) {
        if (signal.aborted) break
        this.#components.logger.warn(hasOrphans ? 'pods not cleaned up' : 'connection to the runservice lost', {
          error,
        })
      }
      await this.#components.clock.sleep(waitMs, signal).catch(() => undefined)
      waitMs = Math.min(waitMs * 2, reconnectMsMax)
    }
    for (const { ending } of this.#tasks.values()) ending.abort(new TaskEnding('shutdown'))
    await Promise.allSettled([...this.#tasks.values()].map(({ done }) => done))
  }

  /** Resolves when no task is executed or being torn down. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled([...this.#tasks.values()].map(({ done }) => done))
  }

  #hello(): ExecutorHello {
    const { id, labels, allowPrivileged, taskLimit } = this.#settings
    return {
      id,
      labels,
      allowPrivileged,
      taskLimit,
      archs: [...new Set(this.#components.drivers.flatMap((driver) => driver.facts.archs))],
      drivers: this.#components.drivers.map((driver) => driver.name),
      has: this.#components.journal.ids().map((executorTaskId) => ({
        id: executorTaskId,
        lastStatus: this.#components.journal.find(executorTaskId)?.report.number ?? 0,
      })),
    }
  }

  #handle(message: OrderMessage): void {
    switch (message.kind) {
      case 'execute':
        this.#execute(message.order)
        break
      case 'stop':
        this.#tasks.get(message.executorTaskId)?.ending.abort(new TaskEnding('stop'))
        break
      case 'gone': {
        const task = this.#tasks.get(message.executorTaskId)
        if (task === undefined)
          this.#track(message.executorTaskId, this.#drop(message.executorTaskId), new AbortController())
        else task.ending.abort(new TaskEnding('gone'))
        break
      }
      default:
        unreachable(message)
    }
  }

  #execute(order: Order): void {
    if (this.#tasks.has(order.executorTaskId)) return
    const ending = new AbortController()
    this.#track(order.executorTaskId, this.#executeOrder(order, ending), ending)
  }

  #track(executorTaskId: string, work: Promise<void>, ending: AbortController): void {
    const done = work
      .catch((error: unknown) => {
        if (endRequestOf(ending.signal) === 'shutdown') return
        this.#components.logger.error('task execution broke', { executorTaskId, error })
      })
      .finally(() => this.#tasks.delete(executorTaskId))
    this.#tasks.set(executorTaskId, { ending, done })
  }

  /** To its end, whatever breaks on the way: each attempt goes on where the journal says. */
  async #executeOrder(order: Order, ending: AbortController): Promise<void> {
    const { clock, journal, logger } = this.#components
    const { executorTaskId } = order
    const signal = shutdownSignal(ending.signal)
    for (let waitMs = retryMsMin; ; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        await this.#attempt(order, ending, signal)
        journal.delete(executorTaskId)
        return
      } catch (error) {
        const request = endRequestOf(ending.signal)
        if (request === 'shutdown') return
        if (request === 'gone') return await this.#drop(executorTaskId)
        logger.error('task execution broke', { executorTaskId, error })
        // When it ends with us, the next attempt hears of it.
        await clock.sleep(waitMs, signal).catch(() => undefined)
      }
    }
  }

  async #attempt(order: Order, ending: AbortController, signal: AbortSignal): Promise<void> {
    const { api, clock, journal, logger } = this.#components
    signal.throwIfAborted()
    const logs = new TaskLogs(order, { api, clock, signal })
    const reporter = new Reporter(
      this.#entryOf(order),
      () => ending.abort(new TaskEnding('gone')),
      { api, journal, clock, logger },
      signal,
    )
    await executeTask(order, this.#settings, { ...this.#components, logs, reporter }, ending)
  }

  /** Where an executor before us stopped, counted on from the number that the runservice has. */
  #entryOf(order: Order): JournalEntry {
    const found = this.#components.journal.find(order.executorTaskId)
    const report = found?.report ?? {
      executorTaskId: order.executorTaskId,
      number: 0,
      phase: 'notstarted',
      timedOut: false,
      setupStep: { phase: 'notstarted' },
      steps: [],
    }
    if (found !== undefined && isFinishedStep(report.phase)) return found
    return {
      format: 1,
      executorTaskId: order.executorTaskId,
      ...found,
      report: { ...report, number: Math.max(report.number, order.lastStatus) },
    }
  }

  /** Pods that no journal knows were left by a kill before the journal was written, or after it was deleted. */
  async #removeOrphans(signal: AbortSignal): Promise<void> {
    const known = new Set(this.#components.journal.ids())
    for (const driver of this.#components.drivers) {
      for (const id of await driver.listPods(signal)) {
        if (!known.has(id)) await driver.removePod(id, signal)
      }
    }
  }

  /** Forgets a task that nobody else knows; a pod that was kept for a person stays. */
  async #drop(executorTaskId: string): Promise<void> {
    const { clock, drivers, journal } = this.#components
    const signal = clock.timeout(limits.podRemoveMs.value)
    if (journal.find(executorTaskId)?.report.keptPod === undefined)
      for (const driver of drivers) await driver.removePod(executorTaskId, signal)
    journal.delete(executorTaskId)
  }
}

/** Reports go on after a stop or a timeout; only a shutdown, or a task nobody knows, ends them. */
function shutdownSignal(ending: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const onAbort = () => {
    if (
      ending.reason instanceof TaskEnding &&
      (ending.reason.request === 'shutdown' || ending.reason.request === 'gone')
    ) {
      controller.abort(ending.reason)
    }
  }
  if (ending.aborted) onAbort()
  else ending.addEventListener('abort', onAbort, { once: true })
  return controller.signal
}
