import { expect, test } from 'vitest'
import { lineTime } from './line-time.ts'

const start = Date.parse('2026-01-01T12:00:00Z')

test.each([
  [0, '0:00.0'],
  [7340, '0:07.3'],
  [65_000, '1:05.0'],
  [3_725_900, '1:02:05.9'],
  [-50, '0:00.0'],
])('%i ms after the beginning it is %s', (ms, text) => {
  expect(lineTime(start + ms, 'relative', start)).toBe(text)
})

test('without a time, or when nobody wants it, there is none', () => {
  expect(lineTime(0, 'clock', start)).toBe('')
  expect(lineTime(start, 'none', start)).toBe('')
  expect(lineTime(start, 'clock', start)).toMatch(/^\d\d:\d\d:\d\d$/)
})
