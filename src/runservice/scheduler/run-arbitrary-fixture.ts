// Arbitrary runs for properties: any graph without cycles, any statuses, whether or not a run could get there.

import fc from 'fast-check'
import type { RunState } from './advance.ts'
import { aRun, type Conditions, type TaskSpec } from './run-fixture.ts'

const conditions = fc.constantFrom<Conditions>('S', 'S', 'S', 'F', 'K', 'SF', 'SK', 'SFK', '')

/** Tasks in an order in which each depends only on earlier ones. */
export type Specs = Readonly<Record<string, TaskSpec>>

const nameAt = (index: number) => `t${index}`

/** A graph of not yet started tasks. */
export function arbitraryGraph(maxLength = 8): fc.Arbitrary<Specs> {
  const task = fc.record({
    parents: fc.array(fc.record({ of: fc.nat(), conditions }), { maxLength: 3 }),
    ignoreFailure: fc.boolean(),
    needsApproval: fc.nat(4).map((n) => n === 0),
    skip: fc.nat(5).map((n) => n === 0),
    savesWorkspace: fc.boolean(),
  })
  return fc.array(task, { maxLength }).map((tasks) =>
    Object.fromEntries(
      tasks.map(({ parents, needsApproval, ...rest }, index): [string, TaskSpec] => [
        nameAt(index),
        {
          ...rest,
          after: index === 0 ? {} : Object.fromEntries(parents.map((p) => [nameAt(p.of % index), p.conditions])),
          ...(needsApproval ? { approval: 'needed' } : {}),
        },
      ]),
    ),
  )
}

/** A running run in any state. */
export function arbitraryRun(): fc.Arbitrary<RunState> {
  const status = fc.constantFrom(
    ...(['notstarted', 'notstarted', 'notstarted', 'running', 'success', 'success', 'failed', 'skipped'] as const),
    ...(['cancelled', 'stopped'] as const),
  )
  const state = fc.record({ is: status, order: fc.boolean(), approval: fc.constantFrom('needed', 'waiting', 'given') })
  return fc
    .record({
      graph: arbitraryGraph(),
      states: fc.array(state, { minLength: 8, maxLength: 8 }),
      orders: fc.constantFrom('any', 'of unfinished'),
      stop: fc.nat(3).map((n) => n === 0),
      result: fc.constantFrom('unknown', 'unknown', 'unknown', 'failed', 'stopped'),
    })
    .map(({ graph, states, orders, stop, result }) => {
      const specs = Object.entries(graph).map(([name, spec], index): [string, TaskSpec] => {
        const { is, order, approval } = states[index]!
        const isOpen = is === 'notstarted' || is === 'running'
        return [
          name,
          {
            ...spec,
            is,
            order: is === 'running' || (order && (isOpen || orders === 'any')),
            ...(spec.approval === undefined || is !== 'notstarted' ? {} : { approval }),
          },
        ]
      })
      return aRun(Object.fromEntries(specs), { stop, result })
    })
}

/** The graph without dependencies that others imply, which `createRun` would refuse. */
export function withoutImplied(specs: Specs): Specs {
  const ancestors = new Map<string, Set<string>>()
  for (const [name, { after = {} }] of Object.entries(specs)) {
    const all = new Set(Object.keys(after))
    for (const parent of Object.keys(after)) for (const ancestor of ancestors.get(parent)!) all.add(ancestor)
    ancestors.set(name, all)
  }
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => {
      const parents = Object.entries(spec.after ?? {})
      const needed = parents.filter(([parent]) => !parents.some(([other]) => ancestors.get(other)!.has(parent)))
      return [name, { ...spec, after: Object.fromEntries(needed) }]
    }),
  )
}

/** Makes every mutation throw. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const child of Object.values(value)) deepFreeze(child)
  return value
}
