import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatPositions, mergePositions, parsePositions } from './positions.ts'

const position = fc.option(fc.nat(), { nil: undefined })
const arbitraryPositions = fc
  .record({ configstore: position, runservice: position, gateway: position })
  .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))

test('positions come back as they were given, and merge to the greater of each', () => {
  fc.assert(
    fc.property(arbitraryPositions, arbitraryPositions, (a, b) => {
      expect(parsePositions(formatPositions(a, 'g1'), 'g1')).toEqual(a)
      const merged = mergePositions(a, b)
      for (const service of ['configstore', 'runservice', 'gateway'] as const)
        expect(merged[service] ?? -1).toBe(Math.max(a[service] ?? -1, b[service] ?? -1))
    }),
  )
})

test('without positions nothing is said; those of other data, and nonsense, are none', () => {
  expect(formatPositions({}, 'g1')).toBeUndefined()
  expect(parsePositions('g2.c5', 'g1')).toEqual({})
  for (const text of [undefined, '', 'g1', 'g1.', 'g1.c', 'g1.c-1', 'g1.x5', 'g1.c1e9', `g1.c${'9'.repeat(300)}`])
    expect(parsePositions(text, 'g1'), text ?? 'nothing').toEqual({})
})
