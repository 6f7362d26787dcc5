import { expect, test } from 'vitest'
import { agoText, bytesText, durationText } from './time-text.ts'

test.each([
  [0, '0.0 s'],
  [420, '0.4 s'],
  [59_999, '59 s'],
  [187_000, '3 min 07 s'],
  [7_500_000, '2 h 05 min'],
  [273_600_000, '3 d 04 h'],
])('%i ms is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test.each([
  ['2026-01-01T00:00:30Z', 'just now'],
  ['2025-12-31T23:57:00Z', '4 minutes ago'],
  ['2025-12-30T12:00:00Z', 'yesterday'],
  ['2026-01-01T03:01:00Z', 'in 3 hours'],
])('at 00:01 %s is %s', (time, text) => {
  expect(agoText(time, Date.parse('2026-01-01T00:01:00Z'))).toBe(text)
})

test.each([
  [999, '999 B'],
  [12_400, '12.4 kB'],
  [3_100_000, '3.1 MB'],
])('%i bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})
