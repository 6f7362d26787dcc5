import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findErrorWord } from './error-words.ts'

const words = ['error', 'fatal', 'panic', 'exception', 'traceback', 'fail', 'failed', 'failure']
const pattern = new RegExp(`(?:${words.join('|')})(?![A-Za-z0-9_])`, 'gi')

const find = (text: string, from = 0) => findErrorWord(Buffer.from(text, 'latin1'), from)

test.each(words)('the word %s is found wherever it lies', (word) => {
  for (let before = 0; before < 12; before++)
    for (const behind of ['', ':', '\n', ' or not']) {
      const text = `${'x'.repeat(before)}${word}${behind}`
      expect([find(text), find(text.toUpperCase()), find(text, before)]).toEqual([before, before, before])
      expect(find(text, before + 1)).toBe(-1)
    }
})

test.each(['', 'f', 'erro', 'errors', 'fails', 'failover', 'failed_2', 'fai\nl', 'e\u0012ror'])(
  'there is none in %j',
  (text) => {
    expect(find(text)).toBe(-1)
  },
)

test('from any place on it is the one that a regular expression finds, wherever the bytes lie in memory', () => {
  const piece = fc.oneof(
    fc.constantFrom(...words, ...words.map((word) => word.toUpperCase())),
    fc.constantFrom('er', 'r', 'f', 'fa', 'pani', 'excep', '\n', ' ', '_', ':', 'ed', '%', '\x05'),
    fc.string({ maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(40), fc.nat(7), (pieces, from, moved) => {
      const text = pieces.join('').replaceAll(/[^\0-\xff]/g, '?')
      const bytes = Buffer.from('error'.padEnd(moved + 8) + text, 'latin1').subarray(moved + 8)
      pattern.lastIndex = from
      expect(findErrorWord(bytes, from)).toBe(pattern.exec(text)?.index ?? -1)
    }),
  )
})
