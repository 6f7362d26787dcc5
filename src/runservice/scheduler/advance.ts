// Decides about one run: its result and phase, which of its tasks are skipped, cancelled, ask for approval or may be
// handed out. Pure; knows no executors.
//
// `round` is one pass over the run: the result is decided from the tasks as they were, then each task from its parents as
// they were, so iteration order cannot matter and a chain of skips advances one level. `advance` is that repeated until
// nothing changes, in one walk: a task's fate depends only on the result (known before the walk, but for the success at
// the very end) and on its parents, which come before it in the graph's order. A property test holds the two equal.

import { invariant } from '../../lib/errors.ts'
import type { Reason } from '../reasons.ts'
import type { ExecutorTask, Run, RunPhase, RunResult, RunTask, TaskStatus } from '../types.ts'
import { isFinishedStep, isFinishedTask } from '../types.ts'
import { type GraphNode, satisfies, type TaskGraph } from './graph.ts'
import { IndexHeap } from './index-heap.ts'
import type { Requirement } from './requirement.ts'

export type RunState = {
  readonly run: Run
  /** All of the run, in any order; the same ids as in `graph`. */
  readonly tasks: readonly RunTask[]
  /** `buildGraph` of the run's config tasks. */
  readonly graph: TaskGraph
  /** The orders of the run that exist, in any order. An order, not a status, says that a task was handed out. */
  readonly executorTasks: readonly ExecutorTask[]
}

/** The phase or result of a run changed: becomes a run event. */
export type RunTransition = {
  readonly phase: RunPhase
  readonly result: RunResult
  /** The run's row at that moment. */
  readonly run: Run
}

export type ReadyRunTask = { readonly taskId: string; readonly requirement: Requirement }

export type Advanced = {
  /** The same object when nothing of it changed. */
  readonly run: Run
  /** Changed rows only. */
  readonly tasks: readonly RunTask[]
  /** All tasks that are to be handed out and have no order yet: by level, then as defined. */
  readonly ready: readonly ReadyRunTask[]
  /** Changed rows only: orders now asked to stop. */
  readonly stops: readonly ExecutorTask[]
  /** In the order in which they happened. */
  readonly events: readonly RunTransition[]
}

/** Advances a run as far as it can go without news. Applied to its own outcome it changes nothing. */
export function advance(state: RunState, now: number): Advanced {
  if (state.run.phase !== 'running') return { run: state.run, tasks: [], ready: [], stops: [], events: [] }
  const before = bind(state)
  const after = [...before]
  const decided = decideResult(state.run, before, state.graph)
  decideTasks(state, decided, { parents: after, after })

  const completed = decideResult(decided, after, state.graph)
  const finished = decideFinish(completed, after, state.executorTasks, now)
  return {
    run: finished,
    tasks: changes(before, after),
    ready: finished.phase === 'running' ? readyTasks(state, after) : [],
    stops: decideStops(state),
    events: transitions(state.run, decided, completed, finished),
  }
}

/** Rows of a run that are read as they are asked for. */
export type RunAccess = {
  readonly run: Run
  readonly graph: TaskGraph
  /** A task of the run as it stands. */
  readonly task: (taskId: string) => RunTask
  readonly hasOrder: (taskId: string) => boolean
  /** Whether more tasks of the run than so many are not finished, as they stand: need not read them all. */
  readonly hasUnfinishedBeyond: (count: number) => boolean
  /** How many orders of it exist, as they stand. */
  readonly orders: () => number
  /** Everything, for what concerns all tasks: a failure, a stop. */
  readonly all: () => Omit<RunState, 'run' | 'graph'>
}

/**
 * `advance` of a run that had been advanced before the named tasks (their rows or orders) changed: reads only these, what
 * depends on them and the parents of that, however many tasks the run has. The same outcome, but `ready` has only what
 * became ready by it. A run that is asked to stop, or in which a failure is news, is advanced as a whole.
 */
export function advanceFrom(access: RunAccess, changedTaskIds: readonly string[], now: number): Advanced {
  const { run, graph } = access
  if (run.phase !== 'running') return { run, tasks: [], ready: [], stops: [], events: [] }
  const changed = changedTaskIds.map((id) => graph.indexOf.get(id))
  invariant(!changed.includes(undefined), `a changed task is none of run ${run.id}`)
  const isNews = (index: number) => {
    const { task } = graph.nodes[index]!
    return !task.ignoreFailure && access.task(task.id).status === 'failed'
  }
  const indexes = changed as readonly number[]
  if (run.stop || (run.result === 'unknown' && indexes.some(isNews)))
    return advance({ run, graph, ...access.all() }, now)

  const { tasks, ready } = advanceAround(access, indexes)
  const isDone = !access.hasUnfinishedBeyond(tasks.filter((task) => isFinishedTask(task.status)).length)
  // A failure that counts would have set the result when it was news.
  const completed = isDone && run.result === 'unknown' ? succeeded(run) : run
  const hasEnded = isDone && completed.result !== 'unknown' && access.orders() === 0
  const finished: Run = hasEnded ? { ...completed, phase: 'finished', endedAt: now } : completed
  return { run: finished, tasks, ready, stops: [], events: transitions(run, completed, finished) }
}

/** Decides about the tasks at these indexes and all that follow from what is decided. */
function advanceAround(
  { run, graph, task: taskOf, hasOrder }: RunAccess,
  indexes: readonly number[],
): Pick<Advanced, 'tasks' | 'ready'> {
  const seen = new Map<number, RunTask>()
  const current = (index: number) => {
    const known = seen.get(index) ?? taskOf(graph.nodes[index]!.task.id)
    seen.set(index, known)
    return known
  }
  const statusOf = (index: number) => current(index).status
  const decided = new Map<number, RunTask>()
  const ready = new Map<number, ReadyRunTask>()
  const work = new IndexHeap(indexes)
  for (let index = work.next(); index !== undefined; index = work.next()) {
    const node = graph.nodes[index]!
    const before = current(index)
    if (before.status === 'notstarted' && !hasOrder(before.id)) {
      const after = decideTask(before, graph, { node, run, statusOf })
      if (after !== before) {
        seen.set(index, after)
        decided.set(index, after)
      }
      if (isReady(after, node, statusOf)) ready.set(index, { taskId: after.id, requirement: node.requirement })
    }
    if (isFinishedTask(statusOf(index))) for (const child of node.children) work.add(child)
  }
  return { tasks: [...decided.values()], ready: [...ready.values()] }
}

/** One pass, deciding from the state before it; `advance` is as many as change something. */
export function round(state: RunState, now: number): Advanced {
  if (state.run.phase !== 'running') return { run: state.run, tasks: [], ready: [], stops: [], events: [] }
  const before = bind(state)
  const after = [...before]
  // A result is seen for one round before the run ends, so that both are told: running with it, then finished.
  const run =
    state.run.result === 'unknown'
      ? decideResult(state.run, before, state.graph)
      : decideFinish(state.run, before, state.executorTasks, now)
  if (run.phase === 'running') decideTasks(state, run, { parents: before, after })
  return {
    run,
    tasks: changes(before, after),
    ready: run.phase === 'running' ? readyTasks(state, after) : [],
    stops: decideStops(state),
    events: transitions(state.run, run),
  }
}

/**
 * Why the tasks that have not started wait, as far as the run itself is the cause: by task id. Told when somebody asks
 * and never stored: in a dense graph every task that ends changes the answer for many others.
 */
export function waitingReasons(state: Pick<RunState, 'run' | 'tasks' | 'graph'>): ReadonlyMap<string, Reason> {
  const reasons = new Map<string, Reason>()
  if (state.run.phase !== 'running' && state.run.phase !== 'queued') return reasons
  const tasks = bind(state)
  for (const [index, { task: configTask, parents }] of state.graph.nodes.entries()) {
    const task = tasks[index]!
    if (task.status !== 'notstarted') continue
    const open = parents.filter((parent) => !isFinishedTask(tasks[parent.index]!.status))
    if (open.length > 0)
      reasons.set(configTask.id, {
        kind: 'waiting_dependencies',
        tasks: open.map((parent) => state.graph.nodes[parent.index]!.task.name),
      })
    else if (task.waitingApproval) reasons.set(configTask.id, { kind: 'waiting_approval' })
  }
  return reasons
}

/** The tasks in the order of the graph. */
function bind({ run, tasks, graph }: Pick<RunState, 'run' | 'tasks' | 'graph'>): readonly RunTask[] {
  const bound = new Array<RunTask>(graph.nodes.length)
  for (const task of tasks) {
    const index = graph.indexOf.get(task.id)
    invariant(
      index !== undefined && bound[index] === undefined,
      `run ${run.id} has no task ${task.id}, or has it twice`,
    )
    bound[index] = task
  }
  invariant(tasks.length === graph.nodes.length, `run ${run.id} lacks tasks of its run config`)
  return bound
}

/** Sets the result, once: a failure counts before completion, completion before a stop. */
function decideResult(run: Run, tasks: readonly RunTask[], graph: TaskGraph): Run {
  if (run.result !== 'unknown') return run
  const failed = firstFailed(tasks, graph)
  if (failed !== undefined) return { ...run, result: 'failed', reason: { kind: 'task_failed', task: failed } }
  if (tasks.every((task) => isFinishedTask(task.status))) return succeeded(run)
  // The reason is there since the stop was asked for, with who asked.
  if (run.stop) return { ...run, result: 'stopped', reason: run.reason ?? { kind: 'stopped' } }
  return run
}

/** Name of the task that failed first among those whose failure counts. */
function firstFailed(tasks: readonly RunTask[], graph: TaskGraph): string | undefined {
  let first: number | undefined
  for (let index = 0; index < tasks.length; index++) {
    if (tasks[index]!.status !== 'failed' || graph.nodes[index]!.task.ignoreFailure) continue
    if (first === undefined || (tasks[index]!.endedAt ?? 0) < (tasks[first]!.endedAt ?? 0)) first = index
  }
  return first === undefined ? undefined : graph.nodes[first]!.task.name
}

function decideFinish(run: Run, tasks: readonly RunTask[], orders: readonly ExecutorTask[], now: number): Run {
  if (run.result === 'unknown' || orders.length > 0) return run
  return tasks.every((task) => isFinishedTask(task.status)) ? { ...run, phase: 'finished', endedAt: now } : run
}

/** Decides about every task that was not handed out. `parents` may be `after` itself: parents come before children. */
function decideTasks(
  { graph, executorTasks }: RunState,
  run: Run,
  { parents, after }: { readonly parents: readonly RunTask[]; readonly after: RunTask[] },
): void {
  const handedOut = new Set(executorTasks.map((order) => order.runTaskId))
  const statusOf = (index: number) => parents[index]!.status
  for (let index = 0; index < after.length; index++) {
    const task = after[index]!
    if (task.status === 'notstarted' && !handedOut.has(task.id))
      after[index] = decideTask(task, graph, { node: graph.nodes[index]!, run, statusOf })
  }
}

type StatusOf = (index: number) => TaskStatus

function decideTask(
  task: RunTask,
  graph: TaskGraph,
  { node, run, statusOf }: { readonly node: GraphNode; readonly run: Run; readonly statusOf: StatusOf },
): RunTask {
  if (node.task.skip !== undefined) return ended(task, 'skipped', { kind: 'skipped_when', ...node.task.skip })
  if (run.stop) return ended(task, 'skipped', { kind: 'skipped_stop' })
  const hasResult = run.result !== 'unknown'
  if (node.parents.length === 0 && hasResult)
    return ended(task, 'cancelled', { kind: 'run_has_result', result: run.result })

  let unsatisfied: number | undefined
  for (const { index, conditions } of node.parents) {
    const status = statusOf(index)
    if (!isFinishedTask(status)) return task
    if (unsatisfied === undefined && !satisfies(status, conditions)) unsatisfied = index
  }
  if (unsatisfied !== undefined)
    return ended(task, 'skipped', {
      kind: 'skipped_dependency',
      task: graph.nodes[unsatisfied]!.task.name,
      outcome: statusOf(unsatisfied),
    })

  if (!node.task.needsApproval || task.approved) return task
  // Nobody approves what no longer matters, and the run would block its group until somebody does.
  if (hasResult && !node.isHandler) return ended(task, 'skipped', { kind: 'run_has_result', result: run.result })
  return task.waitingApproval ? task : { ...task, waitingApproval: true, reason: { kind: 'waiting_approval' } }
}

const ended = (task: RunTask, status: 'skipped' | 'cancelled', reason: Reason): RunTask => ({
  ...task,
  status,
  waitingApproval: false,
  reason,
})

function readyTasks({ graph, executorTasks }: RunState, tasks: readonly RunTask[]): readonly ReadyRunTask[] {
  const handedOut = new Set(executorTasks.map((order) => order.runTaskId))
  const statusOf = (index: number) => tasks[index]!.status
  const ready: ReadyRunTask[] = []
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index]!
    const node = graph.nodes[index]!
    if (!handedOut.has(task.id) && isReady(task, node, statusOf))
      ready.push({ taskId: task.id, requirement: node.requirement })
  }
  return ready
}

/** Of a task without order, in a run that goes on. */
function isReady(task: RunTask, node: GraphNode, statusOf: StatusOf): boolean {
  if (task.status !== 'notstarted' || (node.task.needsApproval && !task.approved)) return false
  return node.parents.every((parent) => satisfies(statusOf(parent.index), parent.conditions))
}

function decideStops({ run, executorTasks }: RunState): readonly ExecutorTask[] {
  if (!run.stop) return []
  return executorTasks
    .filter((order) => !order.stop && !isFinishedStep(order.phase))
    .map((order) => ({ ...order, stop: true }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function changes(before: readonly RunTask[], after: readonly RunTask[]): readonly RunTask[] {
  return after.filter((task, index) => task !== before[index])
}

function transitions(...runs: readonly Run[]): readonly RunTransition[] {
  return runs.flatMap((run, index) => {
    const previous = runs[index - 1]
    if (previous === undefined || (previous.phase === run.phase && previous.result === run.result)) return []
    return [{ phase: run.phase, result: run.result, run }]
  })
}

function succeeded(run: Run): Run {
  const { reason: _, ...rest } = run
  return { ...rest, result: 'success' }
}
