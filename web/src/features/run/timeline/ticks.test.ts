import { expect, test } from 'vitest'
import { tickStepMs, ticksOf } from './ticks.ts'

const textsOf = (lengthMs: number) => ticksOf(lengthMs).map(({ text }) => text)

test.each([
  [400, ['0', '0.1 s', '0.2 s', '0.3 s']],
  [9520, ['0', '2 s', '4 s', '6 s', '8 s']],
  [101_000, ['0', '30 s', '1 min', '1 min 30 s']],
  [25 * 60_000, ['0', '5 min', '10 min', '15 min', '20 min']],
  [5 * 3_600_000, ['0', '1 h', '2 h', '3 h', '4 h']],
])('an axis of %i ms has marks at round times', (lengthMs, texts) => {
  expect(textsOf(lengthMs)).toEqual(texts)
})

test('however long it is, marks are few and there is one', () => {
  for (let lengthMs = 1; lengthMs < 1e12; lengthMs *= 3) {
    const ticks = ticksOf(lengthMs)
    expect(ticks.length).toBeGreaterThan(0)
    expect(ticks.length).toBeLessThanOrEqual(7)
    expect(tickStepMs(lengthMs)).toBeGreaterThan(0)
  }
})
