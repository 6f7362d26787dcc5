// What is done and went well can be drawn as one box per level, so that in a large run what still matters is in sight.

import type { ShownState } from '../../runs/run-state.ts'
import type { GraphTask } from './layout-graph.ts'

export type GraphItem = GraphTask & {
  /** The tasks it stands for, when it is a box of several. */
  readonly members?: readonly string[]
}

/** Fewer in a level stay as they are. */
const collapsedMin = 3

export function collapseFinished(
  tasks: readonly GraphTask[],
  stateOf: (taskId: string) => ShownState,
): readonly GraphItem[] {
  const doneByLevel = Map.groupBy(
    tasks.filter(({ id }) => stateOf(id) === 'success' || stateOf(id) === 'skipped'),
    ({ level }) => level,
  )
  const groupOf = new Map<string, string>()
  for (const [level, done] of doneByLevel)
    if (done.length >= collapsedMin) for (const { id } of done) groupOf.set(id, `done-${level}`)
  const shownAs = (id: string) => groupOf.get(id) ?? id
  const items = new Map<string, { id: string; level: number; depends: Set<string>; members: string[] }>()
  for (const task of tasks) {
    const id = shownAs(task.id)
    const item = items.get(id) ?? { id, level: task.level, depends: new Set(), members: [] }
    items.set(id, item)
    for (const dependency of task.depends) item.depends.add(shownAs(dependency))
    if (id !== task.id) item.members.push(task.id)
  }
  return [...items.values()].map(({ id, level, depends, members }) => ({
    id,
    level,
    depends: [...depends],
    ...(members.length === 0 ? {} : { members }),
  }))
}
