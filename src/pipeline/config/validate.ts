// What can only be seen with several places of a definition in view: names that repeat, and the graph of the tasks. All
// findings are collected; the wording of the rules is the reference's, on which people search.

import { limits } from '../../lib/limits.ts'
import type { Config, ConfigRun, ConfigTask, Depend } from './config.ts'
import type { Problem } from './diagnostic.ts'
import { findNear } from './near.ts'
import type { Place } from './place.ts'

/** `expected` as a function is asked only for findings that can be listed: looking for a likely name takes time. */
type Report = (about: object, message: string, expected?: string | (() => string)) => void

/** Checks a decoded config. `places` is what decodeConfig gave with it. Entries without a name are passed over. */
export function validateConfig(config: Config, places: ReadonlyMap<object, Place>): readonly Problem[] {
  const problems: Problem[] = []
  const report: Report = (about, message, expected) => {
    const place = places.get(about)
    const isListed = problems.length < limits.definitionDiagnostics.value
    const right = typeof expected === 'function' ? (isListed ? expected() : undefined) : expected
    problems.push({
      severity: 'error',
      message,
      ...(place === undefined ? {} : { place }),
      ...(right === undefined ? {} : { expected: right }),
    })
  }
  const names = new Set<string>()
  for (const run of config.runs) {
    checkName(run, 'run', report)
    if (run.name !== '' && names.has(run.name)) report(run, `duplicate run name: ${run.name}`)
    names.add(run.name)
    validateRun(run, report)
  }
  return problems
}

function checkName(named: ConfigRun | ConfigTask, kind: 'run' | 'task', report: Report): void {
  const bytesMax = limits.nameBytes.value
  if (Buffer.byteLength(named.name) > bytesMax)
    report(named, `${kind} name "${named.name}" too long`, `at most ${bytesMax} bytes`)
}

function validateRun(run: ConfigRun, report: Report): void {
  if (run.tasks.length > limits.tasksPerRun.value) {
    report(run, `run "${run.name}" has ${run.tasks.length} tasks`, `at most ${limits.tasksPerRun.value}`)
    return
  }
  const tasks = new Map<string, ConfigTask>()
  for (const task of run.tasks) {
    checkName(task, 'task', report)
    if (task.name === '') continue
    if (tasks.has(task.name)) report(task, `duplicate task name: ${task.name}`)
    else tasks.set(task.name, task)
  }
  for (const task of run.tasks) checkDepends(task, tasks, report)
  const graph = graphOf([...tasks.values()])
  const cycles = findCycles(graph)
  if (cycles.length > 0) reportCycles(graph, cycles, report)
  else reportRedundant(graph, report)
}

function checkDepends(task: ConfigTask, tasks: ReadonlyMap<string, ConfigTask>, report: Report): void {
  const seen = new Set<string>()
  for (const depend of task.depends) {
    if (!tasks.has(depend.task))
      report(depend, `run task "${depend.task}" needed by task "${task.name}" doesn't exist`, () => {
        const near = findNear(depend.task, tasks.keys())
        return near === undefined ? 'a task of the same run' : `"${near}"`
      })
    if (seen.has(depend.task))
      report(depend, `duplicate task dependency: ${task.name}`, `"${depend.task}" once, with all its conditions`)
    seen.add(depend.task)
  }
}

/** A task and, as indexes, the tasks it directly depends on; each once. */
type GraphNode = { readonly task: ConfigTask; readonly parents: readonly number[] }

function graphOf(tasks: readonly ConfigTask[]): readonly GraphNode[] {
  const indexes = new Map(tasks.map((task, index) => [task.name, index]))
  return tasks.map((task) => ({
    task,
    parents: [...new Set(task.depends.flatMap((depend) => indexes.get(depend.task) ?? []))],
  }))
}

/**
 * The groups of tasks that reach each other: every task in one is among its own ancestors. Tarjan's algorithm, without
 * recursion, as a chain may be 10,000 tasks long.
 */
function findCycles(graph: readonly GraphNode[]): readonly (readonly number[])[] {
  const cycles: number[][] = []
  const order = new Map<number, number>()
  const low: number[] = []
  const open: number[] = []
  const isOpen = new Set<number>()
  for (const root of graph.keys()) {
    if (order.has(root)) continue
    const path = [{ node: root, next: 0 }]
    for (let frame = path.at(-1); frame !== undefined; frame = path.at(-1)) {
      const { node } = frame
      if (frame.next === 0) {
        low[node] = order.size
        order.set(node, order.size)
        open.push(node)
        isOpen.add(node)
      }
      const parents = graph[node]!.parents
      const parent = parents[frame.next]
      frame.next++
      if (parent !== undefined) {
        if (!order.has(parent)) path.push({ node: parent, next: 0 })
        else if (isOpen.has(parent)) low[node] = Math.min(low[node]!, order.get(parent)!)
        continue
      }
      path.pop()
      const child = path.at(-1)
      if (child !== undefined) low[child.node] = Math.min(low[child.node]!, low[node]!)
      if (low[node] !== order.get(node)) continue
      const group = open.splice(open.lastIndexOf(node))
      for (const member of group) isOpen.delete(member)
      if (group.length > 1 || parents.includes(node)) cycles.push(group)
    }
  }
  return cycles
}

function reportCycles(graph: readonly GraphNode[], cycles: readonly (readonly number[])[], report: Report): void {
  for (const cycle of cycles) {
    const dependents = new Map<number, string[]>(cycle.map((index) => [index, []]))
    const inOrder = cycle.toSorted((a, b) => a - b)
    for (const index of inOrder) {
      const { task, parents } = graph[index]!
      for (const parent of parents) dependents.get(parent)?.push(`"${task.name}"`)
    }
    for (const index of inOrder) {
      const { task } = graph[index]!
      const names = dependents.get(index)?.join(' ')
      report(task, `circular dependency between task "${task.name}" and tasks ${names}`)
    }
  }
}

/**
 * Reports each dependency that another dependency of the same task implies, but no more than will be listed: saying by
 * which takes time. The graph has no cycles.
 */
function reportRedundant(graph: readonly GraphNode[], report: Report): void {
  let left = limits.definitionDiagnostics.value
  const ancestors = ancestorsOf(graph)
  for (const { task, parents } of graph) {
    if (parents.length < 2) continue
    const implied = bitset(graph.length)
    for (const parent of parents) include(implied, ancestors[parent]!)
    for (const redundant of parents.filter((parent) => has(implied, parent))) {
      if (left-- === 0) return
      const through = parents.find((parent) => has(ancestors[parent]!, redundant))!
      const name = graph[redundant]!.task.name
      const about: Depend | ConfigTask = task.depends.find((depend) => depend.task === name) ?? task
      report(
        about,
        `task "${task.name}" and its dependency "${graph[through]!.task.name}" have both a dependency on task "${name}"`,
        `only "${graph[through]!.task.name}"`,
      )
    }
  }
}

/** All ancestors of each task as one bit per task: 10,000 tasks with 10,000 ancestors each must not take seconds. */
function ancestorsOf(graph: readonly GraphNode[]): readonly Uint32Array[] {
  const ancestors: Uint32Array[] = []
  for (const root of graph.keys()) {
    const path = [root]
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const parents = graph[node]!.parents
      const missing = ancestors[node] === undefined ? parents.filter((parent) => ancestors[parent] === undefined) : []
      if (missing.length > 0) {
        path.push(...missing)
        continue
      }
      path.pop()
      if (ancestors[node] !== undefined) continue
      const all = bitset(graph.length)
      for (const parent of parents) {
        include(all, ancestors[parent]!)
        all[parent >> 5]! |= 1 << (parent & 31)
      }
      ancestors[node] = all
    }
  }
  return ancestors
}

const bitset = (size: number) => new Uint32Array((size + 31) >> 5)

const has = (bits: Uint32Array, index: number) => (bits[index >> 5]! & (1 << (index & 31))) !== 0

function include(bits: Uint32Array, others: Uint32Array): void {
  for (let word = 0; word < others.length; word++) bits[word]! |= others[word]!
}
