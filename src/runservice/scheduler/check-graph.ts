// What can be wrong with the graph of a definition: cycles, and dependencies that say nothing.

import type { RunConfigTask } from '../../pipeline/run-config.ts'
import { levelsOf } from './graph.ts'

type Task = Pick<RunConfigTask, 'id' | 'name' | 'depends'>

/** Cycles told, and tasks named in each: an error is for people, and has to fit into a row. */
const cyclesMax = 20
const namesMax = 10

type Node = { readonly name: string; readonly parents: readonly number[] }

/**
 * Setup errors of a graph: all cycles in one text; without cycles the first dependency that another one implies.
 * Dependencies on tasks that are not there are ignored.
 */
export function graphErrors(tasks: readonly Task[]): readonly string[] {
  const indexOf = new Map(tasks.map((task, index) => [task.id, index]))
  const nodes = tasks.map(({ name, depends }): Node => {
    const parents = depends.map((depend) => indexOf.get(depend.taskId)).filter((index) => index !== undefined)
    return { name, parents }
  })
  const cycles = cycleErrors(nodes)
  if (cycles.length > 0) return [cycles.join(', ')]
  const levels = levelsOf(tasks)
  const redundant = redundantDependency(
    nodes,
    tasks.map((task) => levels.get(task.id)!),
  )
  return redundant === undefined ? [] : [redundant]
}

function cycleErrors(nodes: readonly Node[]): readonly string[] {
  const component = components(nodes)
  const size = new Map<number, number>()
  for (const id of component) size.set(id, (size.get(id) ?? 0) + 1)
  const isOnCycle = (node: Node, index: number) => size.get(component[index]!) !== 1 || node.parents.includes(index)
  const first = [...nodes.entries()].filter(([index, node]) => isOnCycle(node, index)).slice(0, cyclesMax)
  return first.map(([index, node]) => {
    // Who depends on this task and is an ancestor of it at once is on a cycle with it: of its component.
    const closing = nodes.filter(
      (other, position) => component[position] === component[index] && other.parents.includes(index),
    )
    const names = closing.slice(0, namesMax).map((other) => `"${other.name}"`)
    return `circular dependency between task "${node.name}" and tasks ${names.join(' ')}`
  })
}

/** Strongly connected components (Tarjan), without recursion: a chain of tasks may be longer than the stack. */
function components(nodes: readonly Node[]): readonly number[] {
  const unseen = -1
  const order = new Array<number>(nodes.length).fill(unseen)
  const low = new Array<number>(nodes.length).fill(unseen)
  const component = new Array<number>(nodes.length).fill(unseen)
  const open: number[] = []
  let visited = 0
  let found = 0
  for (let root = 0; root < nodes.length; root++) {
    if (order[root] !== unseen) continue
    const path = [{ node: root, next: 0 }]
    while (path.length > 0) {
      const frame = path.at(-1)!
      if (frame.next === 0) {
        order[frame.node] = low[frame.node] = visited++
        open.push(frame.node)
      }
      const parent = nodes[frame.node]!.parents[frame.next++]
      if (parent !== undefined) {
        if (order[parent] === unseen) path.push({ node: parent, next: 0 })
        else if (component[parent] === unseen) low[frame.node] = Math.min(low[frame.node]!, order[parent]!)
        continue
      }
      path.pop()
      const below = path.at(-1)
      if (below !== undefined) low[below.node] = Math.min(low[below.node]!, low[frame.node]!)
      if (low[frame.node] !== order[frame.node]) continue
      for (;;) {
        const member = open.pop()!
        component[member] = found
        if (member === frame.node) break
      }
      found++
    }
  }
  return component
}

/** A direct parent that is also an ancestor of another direct parent; the graph has no cycle. */
function redundantDependency(nodes: readonly Node[], levels: readonly number[]): string | undefined {
  const seenBy = new Array<number>(nodes.length).fill(-1)
  for (const [index, { name, parents }] of nodes.entries()) {
    // Ancestors have lower levels: what lies below the lowest parent need not be looked at.
    const lowest = Math.min(...parents.map((parent) => levels[parent]!))
    if (!parents.some((parent) => levels[parent]! > lowest)) continue
    for (const parent of parents) {
      const implied = reachedParent(nodes, parent, { levels, lowest, seenBy, mark: index, wanted: parents })
      if (implied === undefined) continue
      const [child, ancestor] = [nodes[parent]!.name, nodes[implied]!.name]
      return `task "${name}" and its parent "${child}" have both a dependency on task "${ancestor}"`
    }
  }
  return undefined
}

type Search = {
  readonly levels: readonly number[]
  readonly lowest: number
  readonly seenBy: number[]
  readonly mark: number
  readonly wanted: readonly number[]
}

/** One of `wanted` among the ancestors of `from`. What an earlier search for the same task saw led nowhere. */
function reachedParent(nodes: readonly Node[], from: number, search: Search): number | undefined {
  const wanted = new Set(search.wanted)
  const stack = [from]
  while (stack.length > 0) {
    for (const ancestor of nodes[stack.pop()!]!.parents) {
      if (search.levels[ancestor]! < search.lowest || search.seenBy[ancestor] === search.mark) continue
      if (wanted.has(ancestor)) return ancestor
      search.seenBy[ancestor] = search.mark
      stack.push(ancestor)
    }
  }
  return undefined
}
