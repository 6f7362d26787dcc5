// The tasks of a run config as a graph, prepared for `advance`: built once per run config, then shared by every stimulus
// of the run.

import { invariant } from '../../lib/errors.ts'
import type { DependCondition, RunConfigTask } from '../../pipeline/run-config.ts'
import type { TaskStatus } from '../types.ts'
import { type Requirement, type RequirementOptions, requirementOf } from './requirement.ts'

export type GraphTask = Pick<
  RunConfigTask,
  'id' | 'name' | 'depends' | 'ignoreFailure' | 'needsApproval' | 'skip' | 'runtime' | 'executorLabels'
>

/** A dependency: the index of the parent, and what of it satisfies. */
export type ParentLink = { readonly index: number; readonly conditions: readonly DependCondition[] }

export type GraphNode = {
  readonly task: GraphTask
  readonly requirement: Requirement
  readonly parents: readonly ParentLink[]
  /** Indexes of the tasks that depend on it, ascending. */
  readonly children: readonly number[]
  /** Wanted because something failed or was skipped: such a task outlives the result of its run. */
  readonly isHandler: boolean
}

export type TaskGraph = {
  /** Parents before children; within a level as defined. */
  readonly nodes: readonly GraphNode[]
  readonly indexOf: ReadonlyMap<string, number>
}

/**
 * Builds the graph of a run config that `createRun` accepted. A dependency on a task that is not there is ignored. Throws
 * `invariant` for duplicate ids and cycles.
 */
export function buildGraph(tasks: readonly GraphTask[], options: RequirementOptions = {}): TaskGraph {
  const levels = levelsOf(tasks)
  const order = tasks.map((task) => {
    const level = levels.get(task.id)
    invariant(level !== undefined, `task ${task.name} depends on itself`)
    return { task, level }
  })
  order.sort((a, b) => a.level - b.level) // stable: within a level the order of the definition stays
  const indexOf = new Map(order.map(({ task }, index) => [task.id, index]))
  invariant(indexOf.size === tasks.length, 'two tasks of a run config have one id')

  const classes = new Map<string, Requirement>()
  const children = order.map((): number[] => [])
  const nodes = order.map(({ task }, position): GraphNode => {
    const requirement = requirementOf(task, options)
    const shared = classes.get(requirement.key) ?? requirement
    classes.set(shared.key, shared)
    const parents = task.depends.flatMap(({ taskId, conditions }) => {
      const index = indexOf.get(taskId)
      return index === undefined ? [] : [{ index, conditions }]
    })
    for (const parent of new Set(parents.map((link) => link.index))) children[parent]!.push(position)
    return {
      task,
      requirement: shared,
      parents,
      children: children[position]!,
      isHandler: task.depends.some(
        ({ conditions }) => conditions.includes('on_failure') || conditions.includes('on_skipped'),
      ),
    }
  })
  return { nodes, indexOf }
}

/** Longest distance of each task from a task without dependencies; a task on or behind a cycle has none. */
export function levelsOf(tasks: readonly Pick<RunConfigTask, 'id' | 'depends'>[]): ReadonlyMap<string, number> {
  const ids = new Set(tasks.map((task) => task.id))
  const children = new Map<string, string[]>()
  const missing = new Map<string, number>()
  const levels = new Map<string, number>()
  const queue: string[] = []
  for (const { id, depends } of tasks) {
    const parents = new Set(depends.map((depend) => depend.taskId).filter((parent) => ids.has(parent)))
    missing.set(id, parents.size)
    for (const parent of parents) {
      const list = children.get(parent)
      if (list === undefined) children.set(parent, [id])
      else list.push(id)
    }
    if (parents.size > 0) continue
    levels.set(id, 0)
    queue.push(id)
  }
  const reached = new Map<string, number>()
  for (let next = 0; next < queue.length; next++) {
    const id = queue[next]!
    const level = levels.get(id)!
    for (const child of children.get(id) ?? []) {
      reached.set(child, Math.max(reached.get(child) ?? 0, level + 1))
      const left = missing.get(child)! - 1
      missing.set(child, left)
      if (left > 0) continue
      levels.set(child, reached.get(child)!)
      queue.push(child)
    }
  }
  return levels
}

/** True when a parent that ended so satisfies one of the conditions; cancelled and stopped satisfy none. */
export function satisfies(status: TaskStatus, conditions: readonly DependCondition[]): boolean {
  switch (status) {
    case 'success':
      return conditions.includes('on_success')
    case 'failed':
      return conditions.includes('on_failure')
    case 'skipped':
      return conditions.includes('on_skipped')
    default:
      return false
  }
}
