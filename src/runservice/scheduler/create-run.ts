// The rows of a new run, from a request to create one. What is wrong with the request itself throws; what is wrong with
// the definition becomes a run that shows it: setup errors are something people must see.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { RunConfigTask, Step } from '../../pipeline/run-config.ts'
import type { Run, RunConfigRow, RunTask, TaskStep } from '../types.ts'
import type { RunTransition } from './advance.ts'
import { graphErrors } from './check-graph.ts'
import { levelsOf } from './graph.ts'

export type CreateRunRequest = {
  readonly name: string
  /** `/project/ID/branch/NAME`, each element escaped; at least two elements. */
  readonly group: string
  /** May be left out only when there are setup errors; an empty list is a run that succeeds at once. */
  readonly tasks?: readonly RunConfigTask[]
} & Partial<
  Pick<RunConfigRow, 'setupErrors' | 'annotations' | 'staticEnvironment' | 'environment' | 'cacheGroup' | 'trust'>
>

export type NewRunIds = {
  readonly runId: string
  readonly runConfigId: string
  /** The next of the runservice. */
  readonly sequence: number
  /** The next of the group's second element, see `counterName`. */
  readonly counter: number
}

export type NewRun = {
  readonly run: Run
  readonly config: RunConfigRow
  /** With levels; kept also when there are setup errors. */
  readonly configTasks: readonly RunConfigTask[]
  /** None when there are setup errors. */
  readonly tasks: readonly RunTask[]
  readonly events: readonly RunTransition[]
}

/** Tasks of an earlier run that a new one shows as they are, where it has a task of the same id. */
export type KeptTasks = { readonly restartOf: string; readonly tasks: readonly RunTask[] }

/**
 * The rows of a new run, queued or, with setup errors, in phase `setuperror`. A kept task is only kept when all it depends
 * on is. Throws `run_group_invalid`, `run_invalid` and `limit_exceeded`.
 */
export function createRun(
  request: CreateRunRequest,
  ids: NewRunIds,
  { now, keep }: { readonly now: number; readonly keep?: KeptTasks },
): NewRun {
  counterName(request.group)
  const given = request.setupErrors ?? []
  if (request.tasks === undefined && given.length === 0)
    throw new SlipwayError('run_invalid', `create run ${request.name}: it has neither tasks nor setup errors`)
  const asked = request.tasks ?? []
  checkTasks(asked)
  const trust = request.trust ?? 'trusted'
  const setupErrors = bounded([...given, ...graphErrors(asked), ...(trust === 'fork' ? forkErrors(asked) : [])])
  const levels = levelsOf(asked)
  // A task on a cycle has no level; the run has a setup error then and executes nothing.
  const configTasks = asked.map((task) => ({ ...task, level: levels.get(task.id) ?? 0 }))
  const config: RunConfigRow = {
    id: ids.runConfigId,
    name: request.name,
    group: request.group,
    setupErrors,
    annotations: request.annotations ?? {},
    staticEnvironment: request.staticEnvironment ?? {},
    environment: request.environment ?? {},
    cacheGroup: request.cacheGroup ?? '',
    trust,
  }
  const tasks = setupErrors.length > 0 ? [] : keptWithAncestors(configTasks, keep?.tasks ?? [])
  return newRun(config, configTasks, { ids, now, tasks, ...(keep === undefined ? {} : { restartOf: keep.restartOf }) })
}

/**
 * The second element of a group, which counts and is served as one project or user. Throws `run_group_invalid` for a group
 * that has none.
 */
export function counterName(group: string): string {
  const [root, ...elements] = group.split('/')
  if (root !== '' || elements.length < 2 || elements.includes(''))
    throw new SlipwayError('run_group_invalid', `run group "${group}" must be a path like /project/ID/branch/NAME`)
  return elements[1]!
}

/** The run of a config that has its final ids and levels. `kept` tasks are not made anew. */
export function newRun(
  config: RunConfigRow,
  configTasks: readonly RunConfigTask[],
  {
    ids,
    now,
    tasks: kept,
    restartOf,
  }: {
    readonly ids: NewRunIds
    readonly now: number
    readonly tasks: readonly RunTask[]
    readonly restartOf?: string
  },
): NewRun {
  const hasErrors = config.setupErrors.length > 0
  const run: Run = {
    id: ids.runId,
    sequence: ids.sequence,
    name: config.name,
    runConfigId: config.id,
    counter: ids.counter,
    group: config.group,
    annotations: config.annotations,
    phase: hasErrors ? 'setuperror' : 'queued',
    result: 'unknown',
    stop: false,
    setupErrors: config.setupErrors,
    enqueuedAt: now,
    ...(restartOf === undefined ? {} : { restartOf }),
    ...(hasErrors ? { reason: { kind: 'setup_error', message: config.setupErrors[0]! } } : {}),
  }
  const keptById = new Map(kept.map((task) => [task.id, task]))
  const tasks = hasErrors
    ? []
    : configTasks.map((task) => ({ ...(keptById.get(task.id) ?? newTask(task)), runId: ids.runId }))
  return { run, config, configTasks, tasks, events: [{ phase: run.phase, result: run.result, run }] }
}

/** As many errors as fit into a row; how many do not is the last one. */
function bounded(errors: readonly string[]): readonly string[] {
  let bytes = 0
  const fitting = errors.findIndex((error) => {
    bytes += Buffer.byteLength(JSON.stringify(error))
    return bytes > limits.setupErrorBytes.value
  })
  if (fitting < 0) return errors
  return [...errors.slice(0, fitting), `${errors.length - fitting} more errors are not listed`]
}

function keptWithAncestors(configTasks: readonly RunConfigTask[], kept: readonly RunTask[]): readonly RunTask[] {
  const byId = new Map(kept.map((task) => [task.id, task]))
  const isKept = new Map<string, boolean>()
  for (const task of configTasks.toSorted((a, b) => a.level - b.level)) {
    isKept.set(task.id, byId.has(task.id) && task.depends.every((depend) => isKept.get(depend.taskId) === true))
  }
  return configTasks.flatMap((task) => (isKept.get(task.id) === true ? [byId.get(task.id)!] : []))
}

function newTask(task: RunConfigTask): Omit<RunTask, 'runId'> {
  return {
    id: task.id,
    status: task.skip === undefined ? 'notstarted' : 'skipped',
    waitingApproval: false,
    approved: false,
    approvers: [],
    timedOut: false,
    setupStep: notStarted,
    steps: task.steps.map(() => notStarted),
    ...(task.skip === undefined ? {} : { reason: { kind: 'skipped_when', ...task.skip } }),
  }
}

const notStarted: TaskStep = { phase: 'notstarted' }

/** What no definition can cause: whoever made the request is wrong, not the people whose run it is. */
function checkTasks(tasks: readonly RunConfigTask[]): void {
  if (tasks.length > limits.tasksPerRun.value)
    throw new SlipwayError('limit_exceeded', `a run has at most ${limits.tasksPerRun.value} tasks, not ${tasks.length}`)
  const ids = new Set(tasks.map((task) => task.id))
  if (ids.size !== tasks.length || ids.has('')) throw wrong('two tasks have one id, or a task has none')
  for (const { name, depends, runtime, steps } of tasks) {
    // The compiler knows these are there; a request that came over a wire was only as good as its parser.
    if ((runtime?.containers?.length ?? 0) === 0) throw wrong(`task "${name}" has no container`)
    if (steps.length > limits.stepsPerTask.value)
      throw new SlipwayError(
        'limit_exceeded',
        `task "${name}" has ${steps.length} steps, at most ${limits.stepsPerTask.value} can be executed`,
      )
    const unknownStep = steps.find((step) => !Object.hasOwn(stepTypes, step.type))
    if (unknownStep !== undefined) throw wrong(`task "${name}" has a step of unknown type "${unknownStep.type}"`)
    const parents = new Set(depends.map((depend) => depend.taskId))
    if (parents.size !== depends.length) throw wrong(`task "${name}" depends twice on one task`)
    for (const parent of parents)
      if (!ids.has(parent)) throw wrong(`task "${name}" depends on "${parent}", which is no task of the run`)
  }
}

const stepTypes: Readonly<Record<Step['type'], true>> = {
  run: true,
  clone: true,
  save_to_workspace: true,
  restore_workspace: true,
  save_cache: true,
  restore_cache: true,
}

const wrong = (what: string) => new SlipwayError('run_invalid', `create run: ${what}`)

const forkErrors = (tasks: readonly RunConfigTask[]) =>
  tasks
    .filter((task) => task.runtime.containers.some((container) => container.privileged))
    .map((task) => `task "${task.name}" asks for a privileged container, which runs of forks do not get`)
