// The ready tasks of one process in memory, in the order `place` asks for them.

import { compareReady, type ReadyTask, type ReadyTasks } from './place.ts'
import type { Requirement } from './requirement.ts'

type ReadyClass = { readonly requirement: Requirement; readonly byProject: Map<string, ReadyTask[]> }

/** Adding and removing cost a binary search; nothing is done twice for a task that is (or is not) there already. */
export class ReadyQueue implements ReadyTasks {
  readonly #classes = new Map<string, ReadyClass>()
  #size = 0

  /** Tasks in it. */
  get size(): number {
    return this.#size
  }

  /** True when the task was not in it yet. */
  add(requirement: Requirement, task: ReadyTask): boolean {
    let entry = this.#classes.get(requirement.key)
    if (entry === undefined) {
      entry = { requirement, byProject: new Map() }
      this.#classes.set(requirement.key, entry)
    }
    const tasks = entry.byProject.get(task.project)
    if (tasks === undefined) entry.byProject.set(task.project, [task])
    else {
      const index = lowerBound(tasks, task)
      const there = tasks[index]
      if (there !== undefined && compareReady(there, task) === 0) return false
      tasks.splice(index, 0, task)
    }
    this.#size++
    return true
  }

  /** Takes a task out, given with the facts it was added with. False when it was not in it. */
  remove(classKey: string, task: ReadyTask): boolean {
    const entry = this.#classes.get(classKey)
    const tasks = entry?.byProject.get(task.project)
    if (entry === undefined || tasks === undefined) return false
    const index = lowerBound(tasks, task)
    const there = tasks[index]
    if (there === undefined || compareReady(there, task) !== 0) return false
    tasks.splice(index, 1)
    this.#size--
    if (tasks.length === 0) entry.byProject.delete(task.project)
    if (entry.byProject.size === 0) this.#classes.delete(classKey)
    return true
  }

  *classes(): Generator<Requirement, void, undefined> {
    for (const entry of this.#classes.values()) yield entry.requirement
  }

  projects(classKey: string): Iterable<string> {
    return this.#classes.get(classKey)?.byProject.keys() ?? []
  }

  tasks(classKey: string, project: string): Iterable<ReadyTask> {
    return this.#classes.get(classKey)?.byProject.get(project) ?? []
  }
}

function lowerBound(tasks: readonly ReadyTask[], task: ReadyTask): number {
  let low = 0
  let high = tasks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareReady(tasks[middle]!, task) < 0) low = middle + 1
    else high = middle
  }
  return low
}
