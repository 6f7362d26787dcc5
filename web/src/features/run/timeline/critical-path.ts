// Which tasks decided how long the run took: from the one that ended last back through what each waited for.

import type { TaskSummary } from '../../../api/types.ts'

type Timed = Pick<TaskSummary, 'id' | 'startedAt' | 'endedAt' | 'depends'>

const endOf = ({ endedAt }: Timed) => (endedAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(endedAt))

/** Ids of the tasks on it; empty when nothing has begun. */
export function criticalPath(tasks: readonly Timed[]): ReadonlySet<string> {
  const byId = new Map(tasks.filter(({ startedAt }) => startedAt !== undefined).map((task) => [task.id, task]))
  const last = (candidates: readonly Timed[]) =>
    candidates.reduce<Timed | undefined>(
      (latest, task) => (latest === undefined || endOf(task) > endOf(latest) ? task : latest),
      undefined,
    )
  const path = new Set<string>()
  for (let task = last([...byId.values()]); task !== undefined && !path.has(task.id); ) {
    path.add(task.id)
    task = last(task.depends.flatMap(({ taskId }) => byId.get(taskId) ?? []))
  }
  return path
}

/** When a task could have begun: when all it depends on had ended, or with its run. Milliseconds. */
export function readyAt(task: Timed, tasks: ReadonlyMap<string, Timed>, runStartedAt: number): number {
  const ends = task.depends.map(({ taskId }) => tasks.get(taskId)?.endedAt).filter((end) => end !== undefined)
  return Math.max(runStartedAt, ...ends.map((end) => Date.parse(end)))
}
