import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Leases, type Look, look, noLeases } from './leases.ts'

const timing = { leaseMs: 90_000, pauseMs: 30_000 }
const x1 = { id: 'x1', state: 'connected', connection: 1 } as const
const held: ReadonlySet<string> = new Set(['x1'])
const nobody: ReadonlySet<string> = new Set()

/** Looks one after another, `[seconds, what]`; who was declared lost at which second. */
function lostAt(looks: readonly (readonly [number, Partial<Look>])[]): readonly (readonly [number, string])[] {
  let leases: Leases = noLeases
  return looks.flatMap(([second, fields]) => {
    const result = look(leases, { now: second * 1000, held: nobody, executors: [x1], ...fields }, timing)
    leases = result.leases
    return result.lost.map(({ executorId }) => [second, executorId] as const)
  })
}

const every10 = (from: number, to: number, fields: Partial<Look> = {}) =>
  Array.from({ length: (to - from) / 10 + 1 }, (_, index) => [from + index * 10, fields] as const)

test('an executor that nobody holds is lost after a whole lease', () => {
  expect(lostAt([...every10(1000, 1030, { held }), ...every10(1040, 1120)])).toEqual([[1120, 'x1']])
})

test('one that is held is never lost, and one that is lost already is not lost again', () => {
  expect(lostAt(every10(0, 1000, { held }))).toEqual([])
  expect(lostAt(every10(0, 1000, { executors: [{ ...x1, state: 'lost' }] }))).toEqual([])
})

test.each([
  ['the instance has just started', every10(1000, 1080), []],
  ['it could not look once', [...every10(1000, 1050), [1060, { held: undefined }], ...every10(1070, 1150)], []],
  ['it slept', [...every10(1000, 1050), ...every10(1090, 1170)], []],
  ['its clock was set forward', [...every10(1000, 1050), ...every10(9000, 9080)], []],
  ['its clock was set back', [...every10(1000, 1050), ...every10(500, 580)], []],
  [
    'the executor connected again between two looks',
    [...every10(1000, 1080), ...every10(1090, 1170, { executors: [{ ...x1, connection: 2 }] })],
    [],
  ],
  ['a whole lease has passed since', [...every10(1000, 1050), ...every10(1090, 1180)], [[1180, 'x1']]],
] as const)('a lease begins again when %s', (_, looks, lost) => {
  expect(lostAt(looks)).toEqual(lost)
})

test('says which connection was lost, and when the executor was last seen', () => {
  let leases: Leases = noLeases
  const executors = [{ ...x1, connection: 7 }]
  for (const [second, fields] of [...every10(0, 20, { held }), ...every10(30, 100)])
    leases = look(leases, { now: second * 1000, held: nobody, executors, ...fields }, timing).leases
  expect(look(leases, { now: 110_000, held: nobody, executors }, timing).lost).toEqual([
    { executorId: 'x1', connection: 7, lastSeenAt: 20_000 },
  ])
})

test('nobody is lost without a lease in which every look was answered and found nobody', () => {
  const arbitraryLook = fc.record({
    after: fc.integer({ min: -20, max: 50 }),
    answer: fc.constantFrom('held', 'none', 'failed'),
  })
  fc.assert(
    fc.property(fc.array(arbitraryLook, { maxLength: 60 }), (looks) => {
      let leases: Leases = noLeases
      let now = 10_000_000
      let aloneSince: number | undefined
      for (const { after, answer } of looks) {
        now += after * 1000
        const isBroken = answer === 'failed' || after < 0 || after * 1000 > timing.pauseMs
        if (answer !== 'none') aloneSince = answer === 'held' ? now : undefined
        else if (isBroken || aloneSince === undefined) aloneSince = now
        const seen = answer === 'failed' ? undefined : answer === 'held' ? held : nobody
        const result = look(leases, { now, held: seen, executors: [x1] }, timing)
        leases = result.leases
        if (result.lost.length > 0) expect(now - aloneSince!).toBeGreaterThanOrEqual(timing.leaseMs)
      }
    }),
  )
})
