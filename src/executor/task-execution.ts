// The life of one task on its executor: setup, steps in order, teardown. It goes on where an executor before it stopped,
// and a planned stop leaves pod, spool and journal for the next one.

import type { Clock } from '../lib/clock.ts'
import { errorMessage, isSlipwayError, unreachable } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { ExecutorApi, Order, ReportedStep } from '../runservice/executor-api.ts'
import type { Reason } from '../runservice/reasons.ts'
import { describeReason } from '../runservice/reasons.ts'
import { isFinishedStep } from '../runservice/types.ts'
import { chooseDriver } from './choose-driver.ts'
import type { Driver, Pod, PodSpec } from './driver.ts'
import type { GitMirrors } from './git/mirrors.ts'
import { ImagePullError } from './image-pull-error.ts'
import { maskState } from './masking/mask-state.ts'
import type { Reporter } from './reporter.ts'
import { SetupRefused } from './setup-refused.ts'
import { executeRestoreCache, executeSaveCache } from './steps/cache-steps.ts'
import { executeCloneStep } from './steps/clone-step.ts'
import { enterCommandAt } from './steps/enter-script.ts'
import { executeRunStep } from './steps/run-step.ts'
import { failedStep, type StepContext, type StepOutcome } from './steps/step-context.ts'
import { executeRestoreWorkspace, executeSaveToWorkspace } from './steps/workspace-steps.ts'
import { endRequestOf, type TaskRequests } from './task-ending.ts'
import type { TaskLogs } from './task-logs.ts'
import {
  begin,
  beginStep,
  finishSetup,
  finishStep,
  finishTask,
  initialState,
  type StepEnd,
  type TaskEnd,
  type TaskState,
  withPrintedSecrets,
} from './task-state.ts'

export type TaskSettings = {
  readonly allowPrivileged: boolean
  readonly pull: PodSpec['pull']
  /** Leaves the pod of a failed task running. */
  readonly keepFailed: boolean
  /** Below this share of free disk no task is started; default limits.freeDiskPercent. */
  readonly freeDiskPercentMin?: number
}

export type TaskComponents = {
  readonly api: ExecutorApi
  readonly drivers: readonly Driver[]
  readonly mirrors: GitMirrors
  readonly logs: TaskLogs
  readonly reporter: Reporter
  /** Masks what leaves the executor besides logs. */
  readonly maskText: (text: string) => string
  /** How much of the disk that tasks write to is free; left out, it is not looked at. */
  readonly freeDiskPercent?: () => number
  readonly clock: Clock
  readonly logger: Logger
}

/** A longer setup log, as of a pull with much progress, is stored before steps are started. */
const journaledSetupBytesMax = 4096

/** What makes a kept pod comfortable to enter takes no longer. */
const enterScriptMs = 10_000

const begunAgain = 'The executor was restarted; this begins again'

/**
 * Executes the task to its end and resolves when everything of it is acknowledged and its pod removed. Rejects with
 * the TaskEnding of `shutdown` or `gone`; then nothing was torn down.
 */
export async function executeTask(
  order: Order,
  settings: TaskSettings,
  components: TaskComponents,
  requests: TaskRequests,
): Promise<void> {
  const task = new TaskExecution(order, settings, components, requests)
  await task.execute()
}

class TaskExecution {
  readonly #order: Order
  readonly #settings: TaskSettings
  readonly #components: TaskComponents
  readonly #requests: TaskRequests
  #state: TaskState
  #pod: Pod | undefined
  /** The setup log of a setup that succeeded: it is stored while steps are executed. */
  #setupLogStored: Promise<void> = Promise.resolve()

  constructor(order: Order, settings: TaskSettings, components: TaskComponents, requests: TaskRequests) {
    this.#order = order
    this.#settings = settings
    this.#components = components
    this.#requests = requests
    const { number: _, executorTaskId: __, ...journaled } = components.reporter.entry.report
    this.#state = journaled.phase === 'notstarted' ? initialState(order) : journaled
  }

  async execute(): Promise<void> {
    if (!isFinishedStep(this.#state.phase)) await this.#executeUnfinished()
    await this.#components.reporter.flush()
    await this.#tearDown()
  }

  async #executeUnfinished(): Promise<void> {
    if (this.#requests.ending.aborted && this.#state.phase === 'notstarted') {
      this.#throwIfLeaving()
      return this.#set(finishTask(this.#state, { phase: 'cancelled', reason: { kind: 'cancelled_stop' } }, this.#now()))
    }
    const isBegun = this.#state.phase !== 'notstarted'
    if (!isBegun) this.#set(begin(this.#state, this.#now()))
    const setup = await this.#setUp(isBegun)
    if (setup !== undefined) return await this.#finish(setup)
    using _timer = this.#armTimeout()
    await this.#finish(await this.#executeSteps().finally(() => this.#setupLogStored))
  }

  /** Undefined when steps can be started, else how the task ended. */
  async #setUp(isBegun: boolean): Promise<TaskEnd | undefined> {
    const { logs, reporter } = this.#components
    if (this.#state.setupStep.phase === 'success') {
      await this.#finishSetupLog()
      this.#pod = await this.#attachPod()
      return this.#pod === undefined ? await this.#podLost() : undefined
    }
    if (isFinishedStep(this.#state.setupStep.phase)) return endOfStep(this.#state.setupStep)
    await using opened = new AsyncDisposableStack()
    const log = opened.use(await logs.open('setup', { isResumed: isBegun }))
    if (log.isContinued) log.line(begunAgain)
    const lines: string[] = []
    const say = (line: string) => {
      lines.push(line)
      log.line(line)
    }
    const tooLong = this.#components.clock.timeout(limits.podStartMs.value)
    try {
      // An executor before us may have made it, in part or whole; nothing has run in it yet.
      if (isBegun) await this.#removePod()
      for (const note of this.#order.notes ?? []) say(note)
      this.#checkDisk()
      const driver = chooseDriver(this.#order, this.#components.drivers, this.#settings)
      reporter.remember({ driver: driver.name })
      say(`Starting pod with ${driver.facts.description}`)
      const signal = AbortSignal.any([this.#requests.ending, tooLong])
      this.#pod = await driver.createPod(this.#podSpec(), { log: say, signal })
      say('Pod started')
    } catch (error) {
      this.#throwIfLeaving()
      const end = this.#requests.ending.aborted ? this.#endOfAbort() : setupFailure(error, { tooLong })
      log.line(end.phase === 'stopped' ? 'Stopped' : `Setup failed: ${describeReason(end.reason!)}`)
      await log.finish()
      this.#set(finishSetup(this.#state, stepEndOf(end), this.#now()))
      return end
    }
    const setupLines = lines.map((line) => this.#components.maskText(line))
    // What is in the journal need not be stored yet: a successor writes it.
    if (log.isContinued || JSON.stringify(setupLines).length > journaledSetupBytesMax) {
      await log.finish()
      reporter.remember({ podStartedAt: this.#now() })
    } else {
      reporter.remember({ podStartedAt: this.#now(), setupLines })
      const owned = opened.move()
      this.#setupLogStored = log.finish().finally(() => owned.disposeAsync())
      this.#setupLogStored.catch(() => {}) // Heard of when the steps have ended.
    }
    this.#set(finishSetup(this.#state, { phase: 'success' }, this.#now()))
    return undefined
  }

  /** Of an executor before us, which may have ended before it was stored. */
  async #finishSetupLog(): Promise<void> {
    const { logs, reporter } = this.#components
    await using log = await logs.open('setup', { isResumed: true })
    for (const line of (reporter.entry.setupLines ?? []).slice(log.storedLines)) log.line(line)
    await log.finish()
  }

  async #attachPod(): Promise<Pod | undefined> {
    const name = this.#components.reporter.entry.driver
    const driver = this.#components.drivers.find((candidate) => candidate.name === name)
    return await driver?.attachPod(this.#order.executorTaskId, this.#requests.leaving)
  }

  async #podLost(): Promise<TaskEnd> {
    const index = this.#state.steps.findIndex((step) => step.phase === 'running')
    const reason: Reason = index < 0 ? { kind: 'pod_lost' } : { kind: 'pod_lost', step: index }
    if (index >= 0) {
      await using log = await this.#components.logs.open(index, { isResumed: true })
      log.line('The pod disappeared while the executor was away')
      await log.finish()
      this.#set(finishStep(this.#state, index, { phase: 'failed', reason }, this.#now()))
    }
    return { phase: 'failed', reason }
  }

  async #executeSteps(): Promise<TaskEnd> {
    for (const [index, step] of this.#state.steps.entries()) {
      if (step.phase === 'success') continue
      if (isFinishedStep(step.phase)) return endOfStep(step)
      // A step that was begun is ended in order even then: with its log.
      if (this.#requests.ending.aborted && step.phase !== 'running') {
        this.#throwIfLeaving()
        return this.#endOfAbort()
      }
      const end = await this.#executeStep(index, step.phase === 'running')
      if (end !== undefined) return end
    }
    return { phase: 'success' }
  }

  async #executeStep(index: number, isResumed: boolean): Promise<TaskEnd | undefined> {
    const pod = this.#pod!
    const { api, mirrors, logs, clock, logger } = this.#components
    if (!isResumed) this.#set(beginStep(this.#state, index, this.#now()))
    await using log = await logs.open(index, { isResumed })
    // Only a script goes on where it was; everything else is done anew.
    if (log.isContinued && this.#order.steps[index]?.type !== 'run') log.line(begunAgain)
    const context: StepContext = {
      order: this.#order,
      index,
      pod,
      log,
      api,
      mirrors,
      clock,
      logger,
      isResumed,
      signal: this.#requests.ending,
      leaving: this.#requests.leaving,
    }
    const { outcome, end } = await this.#outcomeOf(context)
    if (end !== undefined && end.phase !== 'success') log.line(endLine(end))
    await log.finish()
    this.#set(
      finishStep(
        this.#state,
        index,
        end === undefined ? stepEndOfOutcome(outcome) : stepEndOf(end, outcome),
        this.#now(),
      ),
    )
    if (end !== undefined) return end
    return outcome.kind === 'success' ? undefined : { phase: 'failed', reason: outcome.reason }
  }

  /** `end` is present when the task was ended from outside while the step ran. */
  async #outcomeOf(context: StepContext): Promise<{ readonly outcome: StepOutcome; readonly end?: TaskEnd }> {
    try {
      return { outcome: await executeByKind(context) }
    } catch (error) {
      this.#throwIfLeaving()
      if (this.#requests.ending.aborted) {
        const end = this.#endOfAbort()
        return { outcome: { kind: 'failed', reason: end.reason ?? { kind: 'stopped' } }, end }
      }
      const message = describeError(error)
      if (!isSlipwayError(error))
        this.#components.logger.error('step failed', {
          executorTaskId: this.#order.executorTaskId,
          message: this.#components.maskText(errorMessage(error)),
        })
      context.log.line(`Step failed: ${message}`)
      return { outcome: failedStep(context.index, message) }
    }
  }

  async #finish(end: TaskEnd): Promise<void> {
    const keptPod = this.#settings.keepFailed && end.phase === 'failed' ? await this.#enterCommand() : undefined
    this.#set(finishTask(this.#state, keptPod === undefined ? end : { ...end, keptPod }, this.#now()))
  }

  /** How a person enters the pod where it failed; undefined when there is none. */
  async #enterCommand(): Promise<string | undefined> {
    if (this.#pod === undefined) return undefined
    const index = this.#state.steps.findLastIndex((step) => step.phase !== 'notstarted')
    const signal = AbortSignal.any([this.#requests.leaving, this.#components.clock.timeout(enterScriptMs)])
    const command = await enterCommandAt(this.#pod, this.#order, index, signal)
    this.#throwIfLeaving()
    return command
  }

  async #tearDown(): Promise<void> {
    if (this.#state.keptPod !== undefined) return
    if (this.#pod === undefined) return await this.#removePod()
    await this.#pod.remove(this.#components.clock.timeout(limits.podRemoveMs.value))
  }

  /** What there is of the task's pod on the driver that was chosen for it. */
  async #removePod(): Promise<void> {
    const { drivers, clock, reporter } = this.#components
    const driver = drivers.find(({ name }) => name === reporter.entry.driver)
    await driver?.removePod(this.#order.executorTaskId, clock.timeout(limits.podRemoveMs.value))
  }

  #armTimeout(): Disposable {
    const { timeoutMs } = this.#order
    if (timeoutMs === 0) return { [Symbol.dispose]: () => {} }
    const startedAt = this.#components.reporter.entry.podStartedAt ?? this.#now()
    const disarm = new AbortController()
    this.#components.clock.sleep(Math.max(0, startedAt + timeoutMs - this.#now()), disarm.signal).then(
      () => this.#requests.request('timeout'),
      () => undefined,
    )
    return { [Symbol.dispose]: () => disarm.abort() }
  }

  #endOfAbort(): TaskEnd {
    if (endRequestOf(this.#requests.ending) !== 'timeout') return { phase: 'stopped', reason: { kind: 'stopped' } }
    return { phase: 'failed', timedOut: true, reason: { kind: 'failed_timeout', timeoutMs: this.#order.timeoutMs } }
  }

  #throwIfLeaving(): void {
    this.#requests.leaving.throwIfAborted()
  }

  #checkDisk(): void {
    const value = this.#settings.freeDiskPercentMin ?? limits.freeDiskPercent.value
    const free = this.#components.freeDiskPercent?.() ?? 100
    if (free >= value) return
    const message = `only ${free.toFixed(1)} % of the executor's disk are free`
    throw new SetupRefused({ kind: 'limit', limit: 'freeDiskPercent', value }, message)
  }

  #podSpec(): PodSpec {
    const order = this.#order
    return {
      id: order.executorTaskId,
      ...(order.arch === undefined ? {} : { arch: order.arch }),
      containers: order.containers.map((container) => ({
        image: container.image,
        environment: container.environment,
        user: container.user,
        privileged: container.privileged,
        entrypoint: container.entrypoint.split(' ').filter((word) => word !== ''),
        volumes: container.volumes,
      })),
      user: order.user !== '' ? order.user : (order.containers[0]?.user ?? ''),
      registryAuth: order.registryAuth,
      pull: this.#settings.pull,
    }
  }

  #set(state: TaskState): void {
    const { logs, maskText, reporter } = this.#components
    this.#state = maskState(withPrintedSecrets(state, logs.printedSecrets), maskText)
    reporter.report(this.#state)
  }

  #now(): number {
    return this.#components.clock.now()
  }
}

async function executeByKind(context: StepContext): Promise<StepOutcome> {
  const step = context.order.steps[context.index]!
  switch (step.type) {
    case 'run':
      return await executeRunStep(step, context)
    case 'clone':
      return await executeCloneStep(step, context)
    case 'save_to_workspace':
      return await executeSaveToWorkspace(step, context)
    case 'restore_workspace':
      return await executeRestoreWorkspace(step, context)
    case 'save_cache':
      return await executeSaveCache(step, context)
    case 'restore_cache':
      return await executeRestoreCache(step, context)
    default:
      return unreachable(step)
  }
}

/** How the task ends after a step that did not succeed, which an executor before us reported. */
function endOfStep({ phase, reason }: ReportedStep): TaskEnd {
  return {
    phase: phase === 'stopped' ? 'stopped' : 'failed',
    timedOut: reason?.kind === 'failed_timeout',
    ...(reason === undefined ? {} : { reason }),
  }
}

function setupFailure(error: unknown, { tooLong }: { readonly tooLong: AbortSignal }): TaskEnd {
  return { phase: 'failed', reason: setupReason(error, tooLong) }
}

function setupReason(error: unknown, tooLong: AbortSignal): Reason {
  // Whatever a driver makes of the abort.
  if (tooLong.aborted) return { kind: 'limit', limit: 'podStartMs', value: limits.podStartMs.value }
  if (error instanceof SetupRefused) return error.reason
  if (error instanceof ImagePullError) return { kind: 'image_pull', image: error.image, answer: error.answer }
  return { kind: 'failed_setup', message: describeError(error) }
}

/** Messages of our own errors are for people; anything else is trouble of ours and says only that. */
function describeError(error: unknown): string {
  return isSlipwayError(error) ? error.message : `internal error: ${errorMessage(error)}`
}

function stepEndOf(end: TaskEnd, outcome?: StepOutcome): StepEnd {
  return {
    phase: end.phase === 'stopped' ? 'stopped' : 'failed',
    ...(end.reason === undefined ? {} : { reason: end.reason }),
    ...(outcome?.exitStatus === undefined ? {} : { exitStatus: outcome.exitStatus }),
  }
}

function stepEndOfOutcome(outcome: StepOutcome): StepEnd {
  return {
    phase: outcome.kind,
    ...(outcome.exitStatus === undefined ? {} : { exitStatus: outcome.exitStatus }),
    ...(outcome.kind === 'failed' ? { reason: outcome.reason } : {}),
  }
}

function endLine(end: TaskEnd): string {
  if (end.timedOut) return 'The task did not finish in time and was killed'
  return 'Stopped'
}
