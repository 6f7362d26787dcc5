import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellWidth, truncateCells } from './cell-width.ts'

const red = (text: string) => `\u001b[31m${text}\u001b[39m`

test.each([
  ['', 0],
  ['abc', 3],
  ['é', 1],
  ['e\u0301', 1],
  ['日本', 4],
  ['한글', 4],
  ['ｆｕｌｌ', 8],
  ['🚀', 2],
  ['👩‍👩‍👧', 2],
  ['❤️', 2],
  ['✓ ✗ ● ○ ├ └ │ …', 15],
  [red('abc'), 3],
  [red('日本'), 4],
])('%j takes %i cells', (text, width) => {
  expect(cellWidth(text)).toBe(width)
})

test.each([
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['日本語', 5, '日本…'],
  ['日本語', 4, '日…'],
  ['abc', 1, '…'],
  ['abc', 0, ''],
  [red('abcdef'), 4, '\u001b[31mabc…\u001b[0m'],
])('%j in %i cells is %j', (text, columns, cut) => {
  expect(truncateCells(text, columns)).toBe(cut)
})

test('what is cut always fits', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, columns) => {
      const clean = text.replaceAll(/\p{Cc}/gu, '')
      expect(cellWidth(truncateCells(clean, columns))).toBeLessThanOrEqual(columns)
    }),
    { numRuns: 200 },
  )
})
