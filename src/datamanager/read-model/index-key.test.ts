import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IndexKey } from '../database.ts'
import { afterPrefix, encodeIndexKey } from './index-key.ts'

const value = fc.oneof(
  fc.string(),
  fc.constantFrom('', '\0', 'a\0', 'a\0b', 'ä', '\u{1F600}'),
  fc.integer(),
  fc.double({ noNaN: true }),
)
const key = fc.array(value, { maxLength: 4 })

/** Numbers before strings, numbers by value, strings by their bytes, a key before those that continue it. */
function compareKeys(a: IndexKey, b: IndexKey): number {
  for (const [n, left] of a.entries()) {
    const right = b[n]
    if (right === undefined) return 1
    if (typeof left !== typeof right) return typeof left === 'number' ? -1 : 1
    const order =
      typeof left === 'number' ? left - Number(right) : Buffer.compare(Buffer.from(left), Buffer.from(String(right)))
    if (order !== 0 && !Number.isNaN(order)) return Math.sign(order)
  }
  return a.length < b.length ? -1 : 0
}

test('the order of the bytes is the order of the keys', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Buffer.compare(encodeIndexKey(7, a), encodeIndexKey(7, b))).toBe(compareKeys(a, b))
    }),
  )
})

test('a prefix and what comes after it enclose the keys that begin with it, and no others', () => {
  fc.assert(
    fc.property(key, key, (prefix, other) => {
      const low = encodeIndexKey(7, prefix)
      const encoded = encodeIndexKey(7, other)
      const isInside = Buffer.compare(low, encoded) <= 0 && Buffer.compare(encoded, afterPrefix(low)) < 0
      const begins = compareKeys(prefix, other.slice(0, prefix.length)) === 0
      expect(isInside).toBe(begins)
    }),
  )
})

test('keys of another index are elsewhere, and the id comes last', () => {
  expect(Buffer.compare(encodeIndexKey(1, ['z']), encodeIndexKey(2, []))).toBe(-1)
  expect(encodeIndexKey(1, ['a'], 'id')).toEqual(encodeIndexKey(1, ['a', 'id']))
  expect(() => encodeIndexKey(1, [Number.NaN])).toThrow('NaN')
})

test('the example of docs/storage.md is right', () => {
  const expected = '0003 026d61696e00 013fffffffffffffff 026100'.replaceAll(' ', '')
  expect(encodeIndexKey(3, ['main', -2], 'a').toString('hex')).toBe(expected)
})
