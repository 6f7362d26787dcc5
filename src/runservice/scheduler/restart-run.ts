// A run created again, from its start or from what failed. Tasks that succeeded and do not come after something that is
// executed again keep their id and everything under it, logs and archives included.

import { invariant, SlipwayError } from '../../lib/errors.ts'
import type { RunConfigTask } from '../../pipeline/run-config.ts'
import type { Run, RunConfigRow, RunTask } from '../types.ts'
import { isFinishedRun } from '../types.ts'
import { type NewRun, type NewRunIds, newRun } from './create-run.ts'
import { buildGraph } from './graph.ts'

export type RestartInput = {
  readonly run: Run
  readonly config: RunConfigRow
  readonly configTasks: readonly RunConfigTask[]
  readonly tasks: readonly RunTask[]
}

export type RestartOptions = {
  /** True: all tasks; false: only what did not succeed, and what comes after it. */
  readonly fromStart: boolean
  readonly ids: NewRunIds
  /** Id for a task that is executed again; never one that was used before. */
  readonly newTaskId: (task: RunConfigTask) => string
  readonly now: number
  /** Replaces that of the run; kept when left out. */
  readonly environment?: RunConfigRow['environment']
  /** Succeeded tasks of which a stored archive is gone: they are executed again, or what follows could not restore it. */
  readonly lostArchives?: ReadonlySet<string>
}

/** Why a run cannot be restarted, for people; undefined when it can. */
export function restartRefusal(run: Run, { fromStart }: Pick<RestartOptions, 'fromStart'>): string | undefined {
  if (run.phase === 'setuperror') return 'its definition has errors'
  if (!isFinishedRun(run.phase)) return `it is ${run.phase}`
  if (!fromStart && run.result === 'success') return 'nothing of it failed'
  return undefined
}

/** The rows of the new run. Throws `run_not_restartable`. */
export function restartRun({ run, config, configTasks, tasks }: RestartInput, options: RestartOptions): NewRun {
  const refusal = restartRefusal(run, options)
  if (refusal !== undefined)
    throw new SlipwayError('run_not_restartable', `restart run #${run.counter} (${run.id}): ${refusal}`)

  const again = tasksAgain({ configTasks, tasks }, options)
  const newIds = new Map<string, string>()
  for (const task of configTasks) if (again.has(task.id)) newIds.set(task.id, options.newTaskId(task))
  const renamed = configTasks.map((task) => renameTask(task, newIds))
  invariant(
    new Set([...configTasks.map((task) => task.id), ...newIds.values()]).size === configTasks.length + newIds.size,
    'an id of a restarted task was used before',
  )

  const newConfig: RunConfigRow = {
    ...config,
    id: options.ids.runConfigId,
    environment: options.environment ?? config.environment,
  }
  return newRun(newConfig, renamed, {
    ids: options.ids,
    now: options.now,
    tasks: tasks.filter((task) => !again.has(task.id)),
    restartOf: run.id,
  })
}

/** Ids of the tasks to execute again: those asked for, and all that come after one of them. */
function tasksAgain(
  { configTasks, tasks }: Pick<RestartInput, 'configTasks' | 'tasks'>,
  { fromStart, lostArchives }: Pick<RestartOptions, 'fromStart' | 'lostArchives'>,
): ReadonlySet<string> {
  const kept = new Set(
    tasks
      .filter((task) => !fromStart && task.status === 'success' && !lostArchives?.has(task.id))
      .map((task) => task.id),
  )
  const { nodes } = buildGraph(configTasks)
  const again = new Set<string>()
  for (const { task, parents } of nodes)
    if (!kept.has(task.id) || parents.some((parent) => again.has(nodes[parent.index]!.task.id))) again.add(task.id)
  return again
}

/** The task with new ids for itself and what it depends on, where there are any. */
export function renameTask(task: RunConfigTask, newIds: ReadonlyMap<string, string>): RunConfigTask {
  return {
    ...task,
    id: newIds.get(task.id) ?? task.id,
    depends: task.depends.map((depend) => ({ ...depend, taskId: newIds.get(depend.taskId) ?? depend.taskId })),
  }
}
