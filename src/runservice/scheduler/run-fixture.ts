// Builders of runs for tests: tasks are named, ids are `<name>-id`, everything not said is the usual.

import type { Depend, DependCondition, RunConfigTask, Step } from '../../pipeline/run-config.ts'
import { type ExecutorTask, isFinishedTask, type Run, type RunTask, type TaskStatus } from '../types.ts'
import { type Advanced, advance, type RunAccess, type RunState, round } from './advance.ts'
import { buildGraph } from './graph.ts'
import { handOut } from './hand-out.ts'

/** S = on_success, F = on_failure, K = on_skipped; several may follow each other, none matches nothing. */
export type Conditions = '' | 'S' | 'F' | 'K' | 'SF' | 'SK' | 'FK' | 'SFK'

export type TaskSpec = {
  readonly after?: Readonly<Record<string, Conditions>>
  readonly is?: TaskStatus
  /** An order for it exists. */
  readonly order?: boolean
  readonly ignoreFailure?: boolean
  readonly approval?: 'needed' | 'waiting' | 'given'
  readonly skip?: boolean
  readonly savesWorkspace?: boolean
  readonly arch?: RunConfigTask['runtime']['arch']
  readonly privileged?: boolean
  readonly labels?: Readonly<Record<string, string>>
  readonly timedOut?: boolean
}

export const aTaskId = (name: string) => `${name}-id`

const conditionOf: Readonly<Record<string, DependCondition>> = { S: 'on_success', F: 'on_failure', K: 'on_skipped' }

export function aConfigTask(name: string, spec: TaskSpec = {}): RunConfigTask {
  const depends = Object.entries(spec.after ?? {}).map(
    ([parent, conditions]): Depend => ({
      taskId: aTaskId(parent),
      conditions: [...conditions].map((letter) => conditionOf[letter]!),
    }),
  )
  const steps: Step[] = [
    { type: 'run', name: 'work', command: 'make', environment: {}, workingDir: '', shell: '', tty: true },
    ...(spec.savesWorkspace ? [{ type: 'save_to_workspace', name: 'save', contents: [] } as const] : []),
  ]
  return {
    id: aTaskId(name),
    name,
    level: 0,
    depends,
    runtime: {
      type: 'pod',
      ...(spec.arch === undefined ? {} : { arch: spec.arch }),
      containers: [
        {
          image: 'busybox',
          environment: {},
          user: '',
          privileged: spec.privileged ?? false,
          entrypoint: '',
          volumes: [],
        },
      ],
    },
    environment: {},
    workingDir: '',
    shell: '/bin/sh -e',
    user: '',
    steps,
    ignoreFailure: spec.ignoreFailure ?? false,
    needsApproval: spec.approval !== undefined,
    ...(spec.skip ? { skip: { rule: 'branch main', ref: 'refs/heads/x' } } : {}),
    registryAuth: {},
    timeoutMs: 0,
    executorLabels: spec.labels ?? {},
  }
}

export function aRunRow(fields: Partial<Run> = {}): Run {
  return {
    id: 'run-1',
    sequence: 1,
    name: 'build',
    runConfigId: 'config-1',
    counter: 1,
    group: '/project/p1/branch/main',
    annotations: {},
    phase: 'running',
    result: 'unknown',
    stop: false,
    setupErrors: [],
    enqueuedAt: 1,
    startedAt: 2,
    ...fields,
  }
}

export function aRunTask(name: string, spec: TaskSpec = {}): RunTask {
  const status = spec.is ?? (spec.skip ? 'skipped' : 'notstarted')
  const phase = status === 'skipped' ? 'notstarted' : status
  return {
    id: aTaskId(name),
    runId: 'run-1',
    status,
    waitingApproval: spec.approval === 'waiting',
    approved: spec.approval === 'given',
    approvers: spec.approval === 'given' ? ['ada'] : [],
    timedOut: spec.timedOut ?? false,
    setupStep: { phase: phase === 'notstarted' ? phase : 'success' },
    steps: [{ phase }, ...(spec.savesWorkspace ? [{ phase } as const] : [])],
    ...(status === 'running' || status === 'success' || status === 'failed' ? { startedAt: 3 } : {}),
    ...(status === 'success' || status === 'failed' ? { endedAt: 4 } : {}),
  }
}

/** A running run of these tasks, unless `fields` say otherwise. */
export function aRun(specs: Readonly<Record<string, TaskSpec>>, fields: Partial<Run> = {}): RunState {
  const run = aRunRow(fields)
  const entries = Object.entries(specs)
  return {
    run,
    tasks: entries.map(([name, spec]) => aRunTask(name, spec)),
    graph: buildGraph(entries.map(([name, spec]) => aConfigTask(name, spec))),
    executorTasks: entries.filter(([, spec]) => spec.order).map(([name, spec]) => anOrder(name, spec)),
  }
}

export function anOrder(name: string, spec: TaskSpec = {}): ExecutorTask {
  const status = spec.is ?? 'notstarted'
  return {
    id: `${aTaskId(name)}.1`,
    runId: 'run-1',
    runTaskId: aTaskId(name),
    runConfigId: 'config-1',
    executorId: 'x1',
    stop: false,
    phase: status === 'skipped' ? 'notstarted' : status,
    lastStatus: 0,
    createdAt: 2,
  }
}

/** The state after the changes of an outcome are saved. */
export function saved(state: RunState, { run, tasks, stops }: Advanced): RunState {
  const changedTasks = new Map(tasks.map((task) => [task.id, task]))
  const changedOrders = new Map(stops.map((order) => [order.id, order]))
  return {
    ...state,
    run,
    tasks: state.tasks.map((task) => changedTasks.get(task.id) ?? task),
    executorTasks: state.executorTasks.map((order) => changedOrders.get(order.id) ?? order),
  }
}

/** The state with a task changed as a report or a person would, and its order gone when it has ended. */
export function withTask(state: RunState, name: string, fields: Partial<RunTask>): RunState {
  const id = aTaskId(name)
  const isFinal = fields.status !== undefined && fields.status !== 'running'
  return {
    ...state,
    tasks: state.tasks.map((task) => (task.id === id ? { ...task, ...fields } : task)),
    executorTasks: isFinal ? state.executorTasks.filter((order) => order.runTaskId !== id) : state.executorTasks,
  }
}

/** All ready tasks of an outcome handed out. */
export function handedOut(state: RunState, outcome: Advanced): RunState {
  const ready = new Set(outcome.ready.map((task) => task.taskId))
  const next = saved(state, outcome)
  const orders = next.tasks
    .filter((task) => ready.has(task.id))
    .map((task) => handOut(next.run, task, { executorId: 'x1', attempt: 1, now: 5 }))
  const tasks = new Map(orders.map(({ task }) => [task.id, task]))
  return {
    ...next,
    tasks: next.tasks.map((task) => tasks.get(task.id) ?? task),
    executorTasks: [...next.executorTasks, ...orders.map((order) => order.executorTask)],
  }
}

/** What an outcome says about a run, in names: for tables. */
export type Summary = {
  readonly phase: string
  readonly result: string
  /** Tasks that changed: their status, or `waiting_approval`. */
  readonly tasks: Readonly<Record<string, string>>
  readonly ready: readonly string[]
  readonly stops: readonly string[]
  readonly events: readonly string[]
}

const nameOf = (id: string) => id.replace(/-id(\.\d+)?$/, '')

export function summary({ run, tasks, ready, stops, events }: Advanced): Summary {
  return {
    phase: run.phase,
    result: run.result,
    tasks: Object.fromEntries(
      tasks.map((task) => [nameOf(task.id), task.waitingApproval ? 'waiting_approval' : task.status]),
    ),
    ready: ready.map((task) => nameOf(task.taskId)),
    stops: stops.map((order) => nameOf(order.id)),
    events: events.map((event) => `${event.phase}/${event.result}`),
  }
}

/** Rows read one by one, which counts how many. */
export function accessTo(state: RunState): RunAccess & { readonly read: () => number } {
  const tasks = new Map(state.tasks.map((task) => [task.id, task]))
  const orders = new Set(state.executorTasks.map((order) => order.runTaskId))
  const unfinished = state.tasks.filter((task) => !isFinishedTask(task.status)).length
  let read = 0
  return {
    run: state.run,
    graph: state.graph,
    task: (id) => {
      read++
      return tasks.get(id)!
    },
    hasOrder: (id) => orders.has(id),
    hasUnfinishedBeyond: (count) => unfinished > count,
    orders: () => state.executorTasks.length,
    all: () => state,
    read: () => read,
  }
}

/** The rounds until nothing changes, and the state after them. */
export function rounds(state: RunState, now = 10): { readonly rounds: readonly Advanced[]; readonly end: RunState } {
  const outcomes: Advanced[] = []
  let end = state
  for (;;) {
    const outcome = round(end, now)
    outcomes.push(outcome)
    if (outcome.run === end.run && outcome.tasks.length === 0 && outcome.stops.length === 0)
      return { rounds: outcomes, end }
    end = saved(end, outcome)
  }
}

/** What `advance` decides, with the statuses of all tasks afterwards. */
export function advanced(state: RunState, now = 10): Summary & { readonly all: Readonly<Record<string, string>> } {
  const outcome = advance(state, now)
  const all = Object.fromEntries(saved(state, outcome).tasks.map((task) => [nameOf(task.id), task.status]))
  return { ...summary(outcome), all }
}
