// `--from-failed` keeps a task that succeeded when its definition is the same as then: it gets the same id in the new run.
// Whether everything it depends on is kept as well, the runservice looks after.

import { isDeepStrictEqual } from 'node:util'
import type { RunConfig, RunConfigTask } from '../../pipeline/run-config.ts'
import type { RunView } from '../../runservice/api.ts'

/** The run config with the ids of kept tasks. */
export function keepUnchanged(before: RunView, now: RunConfig): RunConfig {
  const beforeById = new Map(before.tasks.map(({ config }) => [config.id, config]))
  const nowById = new Map(now.tasks.map((task) => [task.id, task]))
  const ids = new Map<string, string>()
  for (const task of now.tasks) {
    const same = before.tasks.find(
      ({ config, task: { status } }) =>
        status === 'success' &&
        config.name === task.name &&
        isDeepStrictEqual(withoutIds(config, beforeById), withoutIds(task, nowById)),
    )
    if (same !== undefined) ids.set(task.id, same.config.id)
  }
  const idOf = (id: string) => ids.get(id) ?? id
  return {
    ...now,
    tasks: now.tasks.map((task) => ({
      ...task,
      id: idOf(task.id),
      depends: task.depends.map((depend) => ({ ...depend, taskId: idOf(depend.taskId) })),
    })),
  }
}

function withoutIds(task: RunConfigTask, byId: ReadonlyMap<string, RunConfigTask>): unknown {
  const { id: _, depends, ...rest } = task
  return { ...rest, depends: depends.map(({ taskId, conditions }) => ({ task: byId.get(taskId)?.name, conditions })) }
}
