// Runs of many tasks and long queues, from a seed.

import { seededRandom } from './random.ts'

/** The tasks of a run in levels: for each task the indexes of its parents, all of the level before. */
export type LeveledRun = { readonly parents: readonly (readonly number[])[] }

export function leveledRun(
  seed: number,
  { tasks, levels, parentsEach }: { readonly tasks: number; readonly levels: number; readonly parentsEach: number },
): LeveledRun {
  const random = seededRandom(seed)
  const width = tasks / levels
  const parents = Array.from({ length: tasks }, (_, index) => {
    const first = (Math.floor(index / width) - 1) * width
    if (first < 0) return []
    if (parentsEach >= width) return Array.from({ length: width }, (_, offset) => first + offset)
    const chosen = new Set<number>()
    while (chosen.size < parentsEach) chosen.add(first + Math.floor(random() * width))
    return [...chosen]
  })
  return { parents }
}

export type WaitingTask = {
  readonly name: string
  readonly class: number
  readonly project: string
  readonly since: number
}

/** Tasks of 20 projects waiting in some classes. */
export function waitingTasks(
  seed: number,
  { tasks, classes }: Readonly<Record<'tasks' | 'classes', number>>,
): readonly WaitingTask[] {
  const random = seededRandom(seed)
  return Array.from({ length: tasks }, (_, index) => ({
    name: `task-${index}`,
    class: Math.floor(random() * classes),
    project: `project-${Math.floor(random() * 20)}`,
    since: Math.floor(random() * 1_000_000),
  }))
}
