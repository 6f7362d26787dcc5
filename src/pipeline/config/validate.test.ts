// The graph rules against their plain wording, on random graphs.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDefinition } from './check.ts'

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

test('cycles, or else dependencies that others imply, are exactly those of the plain definition', () => {
  fc.assert(
    fc.property(arbitraryGraph, (graph) => {
      expect([...messagesOf(graph)].sort()).toEqual([...expectedMessages(graph)].sort())
    }),
    { numRuns: 400 },
  )
})

test('graphs without cycles have their implied dependencies reported', () => {
  const acyclic = arbitraryGraph.map((graph) => graph.map((parents, task) => parents.filter((parent) => parent < task)))
  fc.assert(
    fc.property(acyclic, (graph) => {
      expect(messagesOf(graph)).toEqual(expectedMessages(graph))
    }),
    { numRuns: 300 },
  )
})
