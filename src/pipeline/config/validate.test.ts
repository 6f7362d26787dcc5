// The graph rules against their plain wording, on random graphs.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { checkDefinition } from './check.ts'
import type { Config, ConfigTask } from './config.ts'
import { validateConfig } from './validate.ts'

type Graph = readonly (readonly number[])[]

const nameOf = (index: number) => `t${index}`

function messagesOf(graph: Graph): readonly string[] {
  const tasks = graph.map((parents, index) => ({
    name: nameOf(index),
    runtime: { containers: [{ image: 'alpine' }] },
    depends: parents.map(nameOf),
  }))
  const text = JSON.stringify({ runs: [{ name: 'ci', tasks }] })
  return checkDefinition({ path: '.slipway/config.json', text }).errors.map(({ message }) => message)
}

/** All that a task depends on, directly or not; itself only when it is in a cycle. */
function ancestorsOf(graph: Graph, task: number): ReadonlySet<number> {
  const found = new Set<number>()
  const left = [...graph[task]!]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (found.has(next)) continue
    found.add(next)
    left.push(...graph[next]!)
  }
  return found
}

function expectedMessages(graph: Graph): readonly string[] {
  const ancestors = graph.map((_, task) => ancestorsOf(graph, task))
  const cycles = [...graph.keys()].flatMap((task) => {
    if (!ancestors[task]!.has(task)) return []
    const names = [...graph.keys()].filter((other) => ancestors[task]!.has(other) && graph[other]!.includes(task))
    return [
      `circular dependency between task "${nameOf(task)}" and tasks ${names.map((name) => `"${nameOf(name)}"`).join(' ')}`,
    ]
  })
  if (cycles.length > 0) return cycles
  return graph.flatMap((parents, task) =>
    parents.flatMap((redundant) => {
      const through = parents.find((parent) => ancestors[parent]!.has(redundant))
      if (through === undefined) return []
      return [
        `task "${nameOf(task)}" and its dependency "${nameOf(through)}" have both a dependency on task "${nameOf(redundant)}"`,
      ]
    }),
  )
}

const arbitraryGraph: fc.Arbitrary<Graph> = fc
  .integer({ min: 1, max: 9 })
  .chain((count) =>
    fc.array(fc.uniqueArray(fc.nat(count - 1), { maxLength: 3 }), { minLength: count, maxLength: count }),
  )

/** Without the text: reading 10,000 tasks takes longer than checking them. */
function problemsOf(graph: Graph): readonly string[] {
  const tasks = graph.map(
    (parents, index): ConfigTask => ({
      name: nameOf(index),
      runtime: { type: 'pod', containers: [] },
      environment: {},
      workingDir: '',
      shell: '',
      user: '',
      steps: [],
      depends: parents.map((parent) => ({ task: nameOf(parent), conditions: ['on_success'] })),
      ignoreFailure: false,
      approval: false,
      registryAuth: {},
      executorLabels: {},
    }),
  )
  const config: Config = { runs: [{ name: 'ci', tasks, registryAuth: {} }], registryAuth: {} }
  return validateConfig(config, new Map()).map(({ message }) => message)
}

const chain = (length: number): Graph => Array.from({ length }, (_, index) => (index === 0 ? [] : [index - 1]))

test('a chain of as many tasks as a run may have is fine, one more task is not', () => {
  expect(problemsOf(chain(limits.tasksPerRun.value))).toEqual([])
  expect(problemsOf(chain(limits.tasksPerRun.value + 1))).toEqual(['run "ci" has 10001 tasks'])
})

test('a cycle through all tasks of a large run names each once', () => {
  const problems = problemsOf(chain(10_000).map((parents, index) => (index === 0 ? [9_999] : parents)))
  expect(problems).toHaveLength(10_000)
  expect(problems[0]).toBe('circular dependency between task "t0" and tasks "t1"')
})

test('an implied dependency is found in a wide graph', () => {
  const layers = Array.from({ length: 40 }, (_, layer) =>
    Array.from({ length: 40 }, () =>
      layer === 0 ? [] : Array.from({ length: 40 }, (_parent, index) => (layer - 1) * 40 + index),
    ),
  ).flat()
  const last = layers.length - 1
  expect(problemsOf(layers)).toEqual([])
  expect(problemsOf(layers.with(last, [...layers[last]!, 0]))).toEqual([
    'task "t1599" and its dependency "t1520" have both a dependency on task "t0"',
  ])
})

test('no more implied dependencies are looked for than are listed', () => {
  const all = chain(1000).map((_, index) =>
    Array.from({ length: Math.min(index, 100) }, (_parent, back) => index - 1 - back),
  )
  expect(problemsOf(all)).toHaveLength(limits.definitionDiagnostics.value)
})

test('many dependencies on tasks that do not exist are found without taking long', () => {
  const graph = Array.from({ length: 3000 }, () => Array.from({ length: 30 }, (_, index) => 50_000 + index))
  expect(problemsOf(graph)).toHaveLength(90_000)
})

test('cycles, or else dependencies that others imply, are exactly those of the plain definition', () => {
  fc.assert(
    fc.property(arbitraryGraph, (graph) => {
      expect([...messagesOf(graph)].sort()).toEqual([...expectedMessages(graph)].sort())
    }),
    { numRuns: 200 },
  )
})

test('graphs without cycles have their implied dependencies reported', () => {
  const acyclic = arbitraryGraph.map((graph) => graph.map((parents, task) => parents.filter((parent) => parent < task)))
  fc.assert(
    fc.property(acyclic, (graph) => {
      expect(messagesOf(graph)).toEqual(expectedMessages(graph))
    }),
    { numRuns: 200 },
  )
})
