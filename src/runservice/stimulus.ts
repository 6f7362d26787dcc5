// One stimulus, one transaction: what happened changes rows of a run, the pure core decides what follows, and everything is
// written together: tasks, orders, events, the next run of the group, and the placement of what became ready. Synchronous
// and repeatable: it may run more than once, and touches nothing but the transaction.

import type { Transaction } from '../datamanager/database.ts'
import { invariant, SlipwayError } from '../lib/errors.ts'
import type { RunConfigTask } from '../pipeline/run-config.ts'
import type { ExecutorRows } from './executors/executor-rows.ts'
import { insertOrder } from './orders/orders.ts'
import { placementInput } from './orders/placement-rows.ts'
import { refuseRemovedOwner } from './retention/removed-owners.ts'
import { type RunserviceSchema, runTaskRowId } from './row-types.ts'
import { fromConfigTaskRows, toConfigTaskRows } from './runs/config-task-rows.ts'
import { eventRowId } from './runs/run-events.ts'
import { startRun } from './scheduler/actions.ts'
import { advance, advanceFrom, type RunTransition } from './scheduler/advance.ts'
import { counterName, type NewRun } from './scheduler/create-run.ts'
import { buildGraph, type TaskGraph } from './scheduler/graph.ts'
import { groupOrder } from './scheduler/group-order.ts'
import { executorTaskId, handOut } from './scheduler/hand-out.ts'
import { place } from './scheduler/place.ts'
import { isFinishedRun, type Run, type RunPhase, type RunTask } from './types.ts'

/** A restarted run has new task ids, so every task is attempted once. */
const firstAttempt = 1

export type Tx = Transaction<RunserviceSchema>

/** Config tasks and graph by run config id: immutable, so every instance may keep them. */
export interface GraphCache {
  get(runConfigId: string): { readonly graph: TaskGraph; readonly tasks: readonly RunConfigTask[] } | undefined
  set(runConfigId: string, value: { readonly graph: TaskGraph; readonly tasks: readonly RunConfigTask[] }): void
}

export type StimulusContext = {
  readonly now: number
  readonly graphs: GraphCache
  readonly executors: ExecutorRows
}

export function getRun(tx: Pick<Tx, 'get'>, runId: string): Run {
  const run = tx.get('run', runId)
  if (run === undefined) throw new SlipwayError('run_not_found', `there is no run ${runId}`)
  return run
}

export function loadTasks(tx: Pick<Tx, 'list'>, runId: string): readonly RunTask[] {
  return tx.list('runtask', { index: 'byRun', prefix: [runId] }).map((row) => row.body)
}

export function loadConfigTasks(tx: Pick<Tx, 'list' | 'get'>, runConfigId: string, graphs: GraphCache) {
  const cached = graphs.get(runConfigId)
  if (cached !== undefined) return cached
  const config = tx.get('runconfig', runConfigId)
  invariant(config !== undefined, `run config ${runConfigId} is missing`)
  const tasks = fromConfigTaskRows(
    tx.list('runconfigtask', { index: 'byConfig', prefix: [runConfigId] }).map((row) => row.body),
  )
  const loaded = { tasks, graph: buildGraph(tasks, { trust: config.trust }) }
  graphs.set(runConfigId, loaded)
  return loaded
}

/** Ids for the next run of a group. Errors: `project_not_found`, `user_not_found` when its owner was deleted. */
export function nextNumbers(tx: Tx, group: string): { readonly sequence: number; readonly counter: number } {
  refuseRemovedOwner(tx, group)
  const project = counterName(group)
  const counter = (tx.get('counter', project)?.value ?? 0) + 1
  tx.put('counter', project, { value: counter })
  return { sequence: nextRunSequence(tx), counter }
}

/** Writes the rows of a new run, started when its group is free; `settle` goes on with what is returned. */
export function insertRun(tx: Tx, created: NewRun, { now, graphs }: StimulusContext): Affected {
  const { run, config, configTasks, tasks, events } = created
  const isStarted = run.phase === 'queued' && isFree(tx, run.group)
  tx.put('runconfig', config.id, config)
  for (const [index, task] of configTasks.entries()) {
    for (const { id, body } of toConfigTaskRows(config.id, index, task)) tx.put('runconfigtask', id, body)
  }
  // Set and not kept: an evaluation that came to nothing may have made other tasks of the same ids.
  if (isStarted) graphs.set(config.id, { tasks: configTasks, graph: buildGraph(configTasks, { trust: config.trust }) })
  const started = isStarted ? startRun(run, now) : { run, events: [] }
  tx.put('run', run.id, started.run)
  for (const task of tasks) putTask(tx, task)
  putEvents(tx, [...events, ...started.events], now)
  return { runId: run.id, newTasks: tasks }
}

/** Asked before a run of the group is written: a list that may have it would make everything be written first. */
function isFree(tx: Tx, group: string): boolean {
  return (['running', 'queued'] as const).every((phase) => firstOf(tx, group, phase).length === 0)
}

function firstOf(tx: Tx, group: string, phase: RunPhase) {
  return tx.list('run', { index: 'byGroupPhase', prefix: [group, phase], limit: 1 })
}

function getTask(tx: Pick<Tx, 'get'>, runId: string, taskId: string): RunTask {
  const task = tx.get('runtask', runTaskRowId(runId, taskId))
  invariant(task !== undefined, `run ${runId} has no row for task ${taskId}`)
  return task
}

export function putTask(tx: Tx, task: RunTask): void {
  tx.put('runtask', runTaskRowId(task.runId, task.id), task)
}

/**
 * A run to look at. `changedTasks`: only these changed since it was looked at last; without it, anything may have. `newTasks`: it is
 * new, and these are all of them.
 */
export type Affected = {
  readonly runId: string
  readonly changedTasks?: readonly string[]
  readonly newTasks?: readonly RunTask[]
}

/** Commits a stimulus: what it changed, and what follows for the runs it names. */
export type Settle = <T>(
  change: (tx: Tx, context: StimulusContext) => { readonly affected: readonly Affected[]; readonly result: T },
) => Promise<T>

/** Advances these runs, starts what may start in their groups, and places what is ready. */
export function settle(tx: Tx, affected: readonly Affected[], context: StimulusContext): void {
  const queue = [...affected]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const before = getRun(tx, next.runId)
    const { mayStartNext } = before.phase === 'running' ? advanceRun(tx, before, next, context) : { mayStartNext: true }
    const run = getRun(tx, next.runId)
    if (mayStartNext && (run.phase === 'queued' || isFinishedRun(run.phase))) {
      const started = startNextOf(tx, run.group, context.now)
      if (started !== undefined) queue.push({ runId: started })
    }
  }
  placeReady(tx, context)
}

function advanceRun(
  tx: Tx,
  run: Run,
  { changedTasks, newTasks }: Affected,
  { now, graphs }: StimulusContext,
): { readonly mayStartNext: boolean } {
  const { graph } = loadConfigTasks(tx, run.runConfigId, graphs)
  const all = () => ({
    tasks: loadTasks(tx, run.id),
    executorTasks: tx.list('executortask', { index: 'byRun', prefix: [run.id] }).map((row) => row.body),
  })
  const advanced =
    changedTasks === undefined
      ? advance({ run, graph, ...(newTasks === undefined ? all() : { tasks: newTasks, executorTasks: [] }) }, now)
      : advanceFrom(
          {
            run,
            graph,
            task: (taskId) => getTask(tx, run.id, taskId),
            hasOrder: (taskId) => tx.get('executortask', executorTaskId(taskId, firstAttempt)) !== undefined,
            hasUnfinishedBeyond: (count) =>
              tx.list('runtask', { index: 'byUnfinished', prefix: [run.id], limit: count + 1 }).length > count,
            orders: () => tx.count('executortask', { index: 'byRun', prefix: [run.id] }),
            all,
          },
          changedTasks,
          now,
        )
  // As in `isFree`.
  const mayStartNext = isFinishedRun(advanced.run.phase) && firstOf(tx, run.group, 'queued').length > 0
  if (advanced.run !== run) tx.put('run', run.id, advanced.run)
  for (const task of advanced.tasks) {
    putTask(tx, task)
    if (task.status !== 'notstarted') tx.delete('ready', runTaskRowId(run.id, task.id))
  }
  for (const stop of advanced.stops) tx.put('executortask', stop.id, stop)
  putEvents(tx, advanced.events, now)
  const project = counterName(run.group)
  for (const { taskId, requirement } of advanced.ready) {
    const id = runTaskRowId(run.id, taskId)
    if (tx.get('ready', id) !== undefined) continue
    tx.put('ready', id, { runId: run.id, taskId, project, priority: 0, readySince: now, requirement })
  }
  return { mayStartNext }
}

function startNextOf(tx: Tx, group: string, now: number): string | undefined {
  const oldest = [...firstOf(tx, group, 'running'), ...firstOf(tx, group, 'queued')]
  const [runId] = groupOrder(oldest.map((row) => row.body)).start
  if (runId === undefined) return undefined
  const started = startRun(getRun(tx, runId), now)
  tx.put('run', runId, started.run)
  putEvents(tx, started.events, now)
  return runId
}

function placeReady(tx: Tx, { now, executors }: StimulusContext): void {
  const [first] = tx.list('ready', { limit: 1 })
  if (first === undefined) return
  const placement = place(placementInput(tx, executors))
  for (const { task: ready, executorId } of placement.assignments) {
    const run = getRun(tx, ready.runId)
    const id = runTaskRowId(ready.runId, ready.taskId)
    const handed = handOut(run, getTask(tx, ready.runId, ready.taskId), { executorId, attempt: firstAttempt, now })
    putTask(tx, handed.task)
    insertOrder(tx, handed.executorTask)
    tx.delete('ready', id)
  }
  for (const [project, turn] of placement.served) tx.put('served', project, { turn, at: now })
}

/** Writes run events, numbered in their order. */
export function putEvents(tx: Tx, events: readonly RunTransition[], now: number): void {
  if (events.length === 0) return
  let sequence = tx.get('sequence', 'runevent')?.value ?? 0
  for (const { phase, result, run } of events) {
    sequence++
    tx.put('runevent', eventRowId(sequence), {
      sequence,
      kind: 'run_phase_changed',
      runId: run.id,
      phase,
      result,
      at: now,
    })
  }
  tx.put('sequence', 'runevent', { value: sequence })
}

function nextRunSequence(tx: Tx): number {
  const value = (tx.get('sequence', 'run')?.value ?? 0) + 1
  tx.put('sequence', 'run', { value })
  return value
}
