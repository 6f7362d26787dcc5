import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runPhases } from '../types.ts'
import { groupOrder } from './group-order.ts'

test('in any set of runs exactly the oldest queued run of each group without a running one may start', () => {
  const runs = fc
    .array(
      fc.record({ group: fc.constantFrom('/p/1/b/m', '/p/1/b/x', '/p/2/b/m'), phase: fc.constantFrom(...runPhases) }),
    )
    .map((list) => list.map((run, index) => ({ ...run, id: `r${index}`, sequence: index, counter: index })))
    .chain((list) => fc.shuffledSubarray(list, { minLength: list.length }).map((shuffled) => ({ list, shuffled })))
  fc.assert(
    fc.property(runs, ({ list, shuffled }) => {
      const { start, waiting } = groupOrder(shuffled)
      const queued = list.filter((run) => run.phase === 'queued')
      const isFirst = (run: (typeof list)[number]) =>
        !list.some(
          (other) =>
            other.group === run.group &&
            (other.phase === 'running' || (other.phase === 'queued' && other.sequence < run.sequence)),
        )
      expect(start).toEqual(queued.filter(isFirst).map((run) => run.id))
      expect(new Set([...start, ...waiting.keys()])).toEqual(new Set(queued.map((run) => run.id)))
      for (const [id, reason] of waiting) {
        const run = list.find((one) => one.id === id)!
        const before = list.find((one) => reason.kind === 'waiting_run' && one.counter === reason.counter)!
        expect(before.group).toBe(run.group)
      }
    }),
    { numRuns: 300 },
  )
})

test('a run waits for the one just before it', () => {
  const group = '/project/1/branch/m'
  const runs = [3, 1, 2].map((n) => ({ id: `r${n}`, sequence: n, counter: n * 10, group, phase: 'queued' as const }))
  expect(groupOrder(runs)).toEqual({
    start: ['r1'],
    waiting: new Map([
      ['r2', { kind: 'waiting_run', counter: 10 }],
      ['r3', { kind: 'waiting_run', counter: 20 }],
    ]),
  })
})
