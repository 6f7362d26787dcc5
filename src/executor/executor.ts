// One executor: takes orders from the runservice, executes each as a task, and leaves behind whatever a successor on the same
// data directory needs when it is stopped as planned or killed.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, type SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { ExecutorApi, ExecutorHello, Order, OrderMessage } from '../runservice/executor-api.ts'
import type { Reason } from '../runservice/reasons.ts'
import { isFinishedStep } from '../runservice/types.ts'
import type { Driver } from './driver.ts'
import type { GitMirrors } from './git/mirrors.ts'
import type { Journal, JournalEntry } from './journal.ts'
import { createMasking } from './masking/masker.ts'
import { Reporter } from './reporter.ts'
import { endRequestOf, TaskRequests } from './task-ending.ts'
import { executeTask, type TaskSettings } from './task-execution.ts'
import { TaskLogs } from './task-logs.ts'
import { finishTask } from './task-state.ts'

export type ExecutorSettings = TaskSettings & {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** Tasks at once; 0 means no limit. */
  readonly taskLimit: number
  /** Of the program, told to the runservice. */
  readonly version?: string
}

export type ExecutorComponents = {
  readonly api: ExecutorApi
  /** Preferred first. */
  readonly drivers: readonly Driver[]
  readonly mirrors: GitMirrors
  /** Of this executor alone; its successor goes on from it. */
  readonly journal: Journal
  /** How much of the disk that tasks write to is free; left out, it is not looked at. */
  readonly freeDiskPercent?: () => number
  readonly clock: Clock
  readonly logger: Logger
}

const reconnectMsMin = 100
const reconnectMsMax = 5000
/** In a row, before the executor gives up. */
const refusalsMax = 4
const retryMsMin = 100
const retryMsMax = 10_000
/** Of a task, before it is given up; not counted is what is unavailable, which comes back. */
const attemptsMax = 5

export class Executor {
  readonly #settings: ExecutorSettings
  readonly #components: ExecutorComponents
  readonly #tasks = new Map<string, { readonly requests: TaskRequests; readonly done: Promise<void> }>()

  #stopping: AbortSignal = new AbortController().signal

  constructor(settings: ExecutorSettings, components: ExecutorComponents) {
    this.#settings = settings
    this.#components = components
  }

  /**
   * Executes orders until `signal` is aborted, then lets go of running tasks as planned and returns. Errors, after letting go:
   * `unauthenticated` when the runservice refuses this executor again and again, `executor_removed`.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#stopping = signal
    let hasOrphans = true
    let waitMs = reconnectMsMin
    let refusals = 0
    let refused: SlipwayError | undefined
    while (!signal.aborted && refused === undefined) {
      const begunAt = this.#components.clock.now()
      try {
        // Before there are orders: a pod that is being made is not in the journal's list yet.
        if (hasOrphans) await this.#removeOrphans(signal)
        hasOrphans = false
        for await (const message of this.#components.api.connect(this.#hello(), signal)) {
          waitMs = reconnectMsMin
          refusals = 0
          this.#handle(message)
        }
      } catch (error) {
        if (signal.aborted) break
        // Once may be an instance that does not know the token yet.
        if (isSlipwayError(error, 'executor_removed')) refused = error
        else if (!isSlipwayError(error, 'unauthenticated')) refusals = 0
        else if (++refusals >= refusalsMax) refused = error
        this.#components.logger.warn(hasOrphans ? 'pods not cleaned up' : 'connection to the runservice lost', {
          error,
        })
      }
      if (refused !== undefined) break
      if (this.#components.clock.now() - begunAt > reconnectMsMax) waitMs = reconnectMsMin
      // Spread, because all executors of an instance that stops lose their connection at the same moment.
      await this.#components.clock.sleep(waitMs * (0.5 + Math.random() / 2), signal).catch(() => undefined)
      waitMs = Math.min(waitMs * 2, reconnectMsMax)
    }
    for (const { requests } of this.#tasks.values()) requests.request('shutdown')
    await Promise.allSettled([...this.#tasks.values()].map(({ done }) => done))
    if (refused !== undefined) throw refused
  }

  /** Resolves when no task is executed or being torn down. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled([...this.#tasks.values()].map(({ done }) => done))
  }

  #hello(): ExecutorHello {
    const { id, labels, allowPrivileged, taskLimit, version } = this.#settings
    return {
      id,
      labels,
      allowPrivileged,
      taskLimit,
      ...(version === undefined ? {} : { version }),
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
        this.#tasks.get(message.executorTaskId)?.requests.request('stop')
        break
      case 'gone': {
        const task = this.#tasks.get(message.executorTaskId)
        if (task === undefined)
          this.#track(message.executorTaskId, this.#drop(message.executorTaskId), new TaskRequests())
        else task.requests.request('gone')
        break
      }
      default:
        this.#ignore(message)
    }
  }

  /** A newer server may say more than there is in this version. */
  #ignore(message: never): void {
    this.#components.logger.info('message of an unknown kind ignored', { kind: (message as OrderMessage).kind })
  }

  #execute(order: Order): void {
    if (this.#tasks.has(order.executorTaskId)) return
    const requests = new TaskRequests()
    if (order.stop) requests.request('stop')
    this.#track(order.executorTaskId, this.#executeOrder(order, requests), requests)
  }

  #track(executorTaskId: string, work: Promise<void>, requests: TaskRequests): void {
    const done = work
      .catch((error: unknown) => {
        if (requests.leaving.aborted) return
        this.#components.logger.error('task execution broke', { executorTaskId, error })
      })
      .finally(() => this.#tasks.delete(executorTaskId))
    this.#tasks.set(executorTaskId, { requests, done })
  }

  /** To its end, whatever breaks on the way: each attempt goes on where the journal says. */
  async #executeOrder(order: Order, requests: TaskRequests): Promise<void> {
    const { clock, journal, logger } = this.#components
    const { executorTaskId } = order
    let failures = 0
    for (let waitMs = retryMsMin; ; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        if (failures < attemptsMax) await this.#attempt(order, requests)
        else await this.#giveUp(order, requests)
        journal.delete(executorTaskId)
        return
      } catch (error) {
        const request = endRequestOf(requests.leaving)
        if (request === 'shutdown') return
        if (request === 'gone') return await this.#drop(executorTaskId)
        logger.error('task execution broke', { executorTaskId, error })
        if (!isSlipwayError(error) || error.kind !== 'unavailable') failures++
        // When it ends with us, the next attempt hears of it.
        await clock.sleep(waitMs, requests.leaving).catch(() => undefined)
      }
    }
  }

  async #attempt(order: Order, requests: TaskRequests): Promise<void> {
    const { api, clock, logger } = this.#components
    requests.leaving.throwIfAborted()
    // Status was reported, but the journal knows nothing: what the steps did is as unknown as the pod.
    if (order.lastStatus > 0 && this.#components.journal.find(order.executorTaskId) === undefined)
      return await this.#giveUp(order, requests)
    const masking = createMasking(order.secrets.map(({ value }) => value))
    const logs = new TaskLogs(order, { api, clock, logger, masking, signal: requests.leaving })
    const reporter = this.#reporterOf(order, requests)
    const components = { ...this.#components, logs, reporter, maskText: masking.maskText }
    await executeTask(order, this.#settings, components, requests)
  }

  /** Ends a task with which nothing can be done here, so that its run does not wait for ever. */
  async #giveUp(order: Order, requests: TaskRequests): Promise<void> {
    const { api, clock, drivers, logger } = this.#components
    const { executorTaskId } = order
    requests.leaving.throwIfAborted()
    const reporter = this.#reporterOf(order, requests)
    const { number: _, executorTaskId: __, ...state } = reporter.entry.report
    if (!isFinishedStep(state.phase)) {
      const isLost = order.lastStatus > 0 && state.phase === 'notstarted'
      const reason: Reason = isLost
        ? { kind: 'pod_lost' }
        : { kind: 'failed_setup', message: 'the executor cannot go on with this task; its own log says why' }
      const open = [
        ...(state.setupStep.phase === 'running' ? ['setup' as const] : []),
        ...[...state.steps.keys()].filter((index) => state.steps[index]?.phase === 'running'),
      ]
      for (const log of open)
        await api
          .finishLog(executorTaskId, log, requests.leaving)
          .catch((error: unknown) => logger.warn('log not finished', { executorTaskId, log, error }))
      reporter.report(finishTask(state, { phase: 'failed', reason }, clock.now()))
    }
    await reporter.flush()
    const signal = clock.timeout(limits.podRemoveMs.value)
    for (const driver of drivers) await driver.removePod(executorTaskId, signal)
  }

  #reporterOf(order: Order, requests: TaskRequests): Reporter {
    const { api, clock, journal, logger } = this.#components
    const onGone = () => requests.request('gone')
    return new Reporter(this.#entryOf(order), onGone, { api, journal, clock, logger }, requests.leaving)
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

  /** Forgets a task that nobody else knows; a pod that was kept for a person stays. Tried until it is done, or we stop. */
  async #drop(executorTaskId: string): Promise<void> {
    const { clock, drivers, journal, logger } = this.#components
    for (let waitMs = retryMsMin; !this.#stopping.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        const signal = clock.timeout(limits.podRemoveMs.value)
        if (journal.find(executorTaskId)?.report.keptPod === undefined)
          for (const driver of drivers) await driver.removePod(executorTaskId, signal)
        journal.delete(executorTaskId)
        return
      } catch (error) {
        logger.warn('pod not removed', { executorTaskId, error })
        await clock.sleep(waitMs, this.#stopping).catch(() => undefined)
      }
    }
  }
}
