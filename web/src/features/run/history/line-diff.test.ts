import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { diffLines, hunksOf } from './line-diff.ts'

const shown = (before: string, after: string) =>
  diffLines(before, after).map(({ kind, text }) => `${{ same: ' ', removed: '-', added: '+' }[kind]}${text}`)

test('what stayed, went and came', () => {
  expect(shown('a\nb\nc\nd', 'a\nc\nx\nd')).toEqual([' a', '-b', ' c', '+x', ' d'])
  expect(shown('a', 'a')).toEqual([' a'])
  expect(shown('a', 'b')).toEqual(['-a', '+b'])
})

test('both texts can be read from it', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after)
      const without = (kind: string) => lines.filter((line) => line.kind !== kind).map((line) => line.text)
      expect(without('added').join('\n')).toBe(before)
      expect(without('removed').join('\n')).toBe(after)
    }),
  )
})

test('hunks have what changed and little else', () => {
  const before = Array.from({ length: 40 }, (_, n) => `line ${n}`)
  const after = before.map((line, n) => (n === 20 ? 'other' : line))
  const [hunk, ...more] = hunksOf(diffLines(before.join('\n'), after.join('\n')))
  expect(more).toEqual([])
  expect(hunk!.skippedBefore).toBe(17)
  expect(hunk!.lines).toHaveLength(8)
  expect(hunksOf(diffLines('a', 'a'))).toEqual([])
})
