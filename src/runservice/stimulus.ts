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
  return { sequence: nextSequence(tx, 'run'), counter }
}

/** Writes the rows of a new run; `settle` then starts it if its group allows. */
export function insertRun(tx: Tx, created: NewRun, now: number): void {
  tx.put('runconfig', created.config.id, created.config)
  for (const [index, task] of created.configTasks.entries()) {
    for (const { id, body } of toConfigTaskRows(created.config.id, index, task)) tx.put('runconfigtask', id, body)
  }
  tx.put('run', created.run.id, created.run)
  for (const task of created.tasks) putTask(tx, task)
  putEvents(tx, created.events, now)
}

function getTask(tx: Pick<Tx, 'get'>, runId: string, taskId: string): RunTask {
  const task = tx.get('runtask', runTaskRowId(runId, taskId))
  invariant(task !== undefined, `run ${runId} has no row for task ${taskId}`)
  return task
}

export function putTask(tx: Tx, task: RunTask): void {
  tx.put('runtask', runTaskRowId(task.runId, task.id), task)
}

/** A run to look at. `changedTasks`: only these changed since it was looked at last; without it, anything may have. */
export type Affected = { readonly runId: string; readonly changedTasks?: readonly string[] }

/** Commits a stimulus: what it changed, and what follows for the runs it names. */
export type Settle = <T>(
  change: (tx: Tx, context: StimulusContext) => { readonly affected: readonly Affected[]; readonly result: T },
) => Promise<T>

/** Advances these runs, starts what may start in their groups, and places what is ready. */
export function settle(tx: Tx, affected: readonly Affected[], context: StimulusContext): void {
  const queue = [...affected]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const before = getRun(tx, next.runId)
    if (before.phase === 'running') advanceRun(tx, before, next.changedTasks, context)
    const run = getRun(tx, next.runId)
    if (run.phase === 'queued' || isFinishedRun(run.phase)) {
      const started = startNextOf(tx, run.group, context.now)
      if (started !== undefined) queue.push({ runId: started })
    }
  }
  placeReady(tx, context)
}

function advanceRun(
  tx: Tx,
  run: Run,
  changedTasks: readonly string[] | undefined,
  { now, graphs }: StimulusContext,
): void {
  const { graph } = loadConfigTasks(tx, run.runConfigId, graphs)
  const all = () => ({
    tasks: loadTasks(tx, run.id),
    executorTasks: tx.list('executortask', { index: 'byRun', prefix: [run.id] }).map((row) => row.body),
  })
  const advanced =
    changedTasks === undefined
      ? advance({ run, graph, ...all() }, now)
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
}

function startNextOf(tx: Tx, group: string, now: number): string | undefined {
  const oldest = (phase: RunPhase) => tx.list('run', { index: 'byGroupPhase', prefix: [group, phase], limit: 1 })
  const [runId] = groupOrder([...oldest('running'), ...oldest('queued')].map((row) => row.body)).start
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
  for (const { phase, result, run } of events) {
    const sequence = nextSequence(tx, 'runevent')
    tx.put('runevent', eventRowId(sequence), {
      sequence,
      kind: 'run_phase_changed',
      runId: run.id,
      phase,
      result,
      at: now,
    })
  }
}

function nextSequence(tx: Tx, name: 'run' | 'runevent'): number {
  const value = (tx.get('sequence', name)?.value ?? 0) + 1
  tx.put('sequence', name, { value })
  return value
}
