// Turns a run and its logs into events: every state of tasks and steps once, every log line once, and the end of a step after
// all of its lines.

import type { Clock } from '../../lib/clock.ts'
import type { LogName } from '../../runservice/executor-api.ts'
import { isFinishedStep, isFinishedTask, type TaskStep } from '../../runservice/types.ts'
import type { FollowedRun, FollowedTask, RunSource } from './followed-run.ts'
import { type RunEventSink, type RunReference, shownReason } from './run-event.ts'

/** Longer lines are told in pieces: a step may print 100 MB without a line end. */
const lineCharactersMax = 64 * 1024

export type FollowOptions = {
  readonly runservice: Pick<RunSource, 'watchRun' | 'followLog'>
  readonly sink: RunEventSink
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called with every state of the run, for approvals and the like. */
  readonly onView: (view: FollowedRun) => void
}

/** Follows a run to its end and returns the last view. */
export async function followRun(runId: string, options: FollowOptions): Promise<FollowedRun> {
  const follower = new RunFollower(options)
  let last: FollowedRun | undefined
  for await (const view of options.runservice.watchRun(runId, options.signal)) {
    last = view
    options.onView(view)
    await follower.update(view)
  }
  await follower.finish()
  if (last === undefined) throw options.signal.reason
  return last
}

class RunFollower {
  readonly #options: FollowOptions
  readonly #told = new Map<string, string>()
  /** Ids of tasks that were told to their end. */
  readonly #ended = new Set<string>()
  readonly #logs = new Map<string, Promise<void>>()

  constructor(options: FollowOptions) {
    this.#options = options
  }

  async update(view: FollowedRun): Promise<void> {
    const run: RunReference = { id: view.run.id, name: view.run.name, number: view.run.counter }
    // A run that is already over is told from its beginning, too.
    if (!this.#told.has('run'))
      await this.#tellRun(
        view.run.phase === 'setuperror' ? view : { ...view, run: { ...view.run, phase: 'queued', result: 'unknown' } },
        run,
      )
    for (const task of view.tasks) {
      if (isKept(task.task, view.run)) await this.#tellKept(task, run)
      else await this.#updateTask(task, run)
    }
    await this.#tellRun(view, run)
  }

  async finish(): Promise<void> {
    await Promise.all(this.#logs.values())
  }

  async #tellRun(
    { run: { phase, result, reason, setupErrors, startedAt, endedAt }, tasks }: FollowedRun,
    run: RunReference,
  ): Promise<void> {
    const isFirst = !this.#told.has('run')
    if (!this.#isNews('run', `${phase} ${result}`)) return
    await this.#options.sink.write({
      type: 'run',
      at: this.#options.clock.now(),
      run,
      phase,
      result,
      ...(reason === undefined || phase === 'queued' ? {} : { reason: shownReason(reason) }),
      ...(isFirst
        ? {
            tasks: tasks.map(({ config }) => ({
              name: config.name,
              level: config.level,
              steps: config.steps.map((step) => nameOfStep(step)),
            })),
          }
        : {}),
      ...(setupErrors.length === 0 ? {} : { setupErrors }),
      ...(startedAt === undefined || phase === 'queued' ? {} : { startedAt }),
      ...(endedAt === undefined || phase === 'queued' ? {} : { endedAt }),
    })
  }

  async #tellKept(view: FollowedTask, run: RunReference): Promise<void> {
    if (this.#ended.has(view.task.id)) return
    this.#ended.add(view.task.id)
    await this.#tellTask(view, run, { kept: true })
  }

  async #updateTask(view: FollowedTask, run: RunReference): Promise<void> {
    const { task, config } = view
    if (this.#ended.has(task.id)) return
    const isFinished = isFinishedTask(task.status)
    // The beginning of a task is told before its steps, its end after them.
    if (!isFinished) await this.#tellTask(view, run)
    else if (task.startedAt !== undefined) await this.#tellTask({ config, task: { ...task, status: 'running' } }, run)
    await this.#updateStep('setup', 'setup', task.setupStep, view, run)
    for (const [index, step] of task.steps.entries())
      await this.#updateStep(index, nameOfStep(config.steps[index]!), step, view, run)
    if (!isFinished) return
    await this.#tellTask(view, run)
    this.#ended.add(task.id)
  }

  async #tellTask(
    { task, config, waiting }: FollowedTask,
    run: RunReference,
    kept: { readonly kept?: true } = {},
  ): Promise<void> {
    const key = `task ${task.id}`
    const reason = waiting ?? task.reason
    const state = `${task.status} ${task.waitingApproval} ${JSON.stringify(task.status === 'notstarted' ? (reason ?? '') : '')}`
    if (!this.#isNews(key, state)) return
    await this.#options.sink.write({
      type: 'task',
      at: this.#options.clock.now(),
      run,
      task: config.name,
      status: task.status,
      waitingApproval: task.waitingApproval,
      ...(reason === undefined || task.status === 'running' ? {} : { reason: shownReason(reason) }),
      ...(task.startedAt === undefined ? {} : { startedAt: task.startedAt }),
      ...(task.endedAt === undefined || task.status === 'running' ? {} : { endedAt: task.endedAt }),
      ...(task.keptPod === undefined || task.status === 'running' ? {} : { keptPod: task.keptPod }),
      ...kept,
    })
  }

  async #updateStep(log: LogName, name: string, step: TaskStep, view: FollowedTask, run: RunReference): Promise<void> {
    const key = `step ${view.task.id} ${log}`
    if (step.phase === 'notstarted' || (step.phase === 'cancelled' && step.startedAt === undefined)) return
    const tell = async (phase: TaskStep['phase']) => {
      const told = this.#told.get(key)
      if (told === phase || (told !== undefined && phase === 'running')) return
      this.#told.set(key, phase)
      await this.#options.sink.write({
        type: 'step',
        at: this.#options.clock.now(),
        run,
        task: view.config.name,
        step: log,
        name,
        phase,
        ...(step.startedAt === undefined ? {} : { startedAt: step.startedAt }),
        ...(phase === 'running'
          ? {}
          : {
              ...(step.exitStatus === undefined ? {} : { exitStatus: step.exitStatus }),
              ...(step.reason === undefined ? {} : { reason: shownReason(step.reason) }),
              ...(step.endedAt === undefined ? {} : { endedAt: step.endedAt }),
            }),
      })
    }
    await tell('running')
    if (!this.#logs.has(key)) this.#logs.set(key, this.#copyLog(log, view, run))
    if (!isFinishedStep(step.phase)) return
    await this.#logs.get(key)
    await tell(step.phase)
  }

  async #copyLog(log: LogName, { task, config }: FollowedTask, run: RunReference): Promise<void> {
    const { runservice, signal, sink } = this.#options
    const decoder = new TextDecoder()
    let rest = ''
    const tell = (line: string) => sink.write({ type: 'log', run, task: config.name, step: log, line })
    for await (const chunk of runservice.followLog(task.id, log, 0, signal)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) await tell(line.endsWith('\r') ? line.slice(0, -1) : line)
      for (; rest.length > lineCharactersMax; rest = rest.slice(lineCharactersMax))
        await tell(rest.slice(0, lineCharactersMax))
      if (rest !== '') sink.showPartialLine?.({ run, task: config.name, step: log }, rest)
    }
    rest += decoder.decode()
    if (rest !== '') await tell(rest)
  }

  #isNews(key: string, state: string): boolean {
    if (this.#told.get(key) === state) return false
    this.#told.set(key, state)
    return true
  }
}

/** Kinds without a name are called what they do. */
export function nameOfStep(step: { readonly type: string; readonly name: string }): string {
  return step.name === '' ? step.type.replaceAll('_', ' ') : step.name
}

/** It ended before the run began: it was taken over from the run that this one repeats. */
function isKept(task: FollowedTask['task'], run: FollowedRun['run']): boolean {
  return run.restartOf !== undefined && task.endedAt !== undefined && task.endedAt < run.enqueuedAt
}
