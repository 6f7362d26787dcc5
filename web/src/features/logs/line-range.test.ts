import { expect, test } from 'vitest'
import { parseRange, rangeText } from './line-range.ts'

test.each([
  ['L12', { first: 12, last: 12 }, 'L12'],
  ['#L20-L12', { first: 12, last: 20 }, 'L12-L20'],
  ['L12-20', { first: 12, last: 20 }, 'L12-L20'],
  ['L0', undefined, undefined],
  ['main', undefined, undefined],
  ['', undefined, undefined],
  [undefined, undefined, undefined],
])('the range %s', (text, range, back) => {
  expect(parseRange(text)).toEqual(range)
  if (range !== undefined) expect(rangeText(range)).toBe(back)
})
