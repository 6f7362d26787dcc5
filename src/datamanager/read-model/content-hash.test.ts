import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ContentSum, emptyContentHash, encodeSum, hashNumber, moveSum } from './content-hash.ts'

const hash = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc.constantFrom(0, 1, 0x7f, 0x80, 0xff).map((byte) => new Uint8Array(32).fill(byte)),
)

test('hashes are added and taken away modulo 2^256, from any sum', () => {
  fc.assert(
    fc.property(hash, fc.array(fc.tuple(hash, fc.boolean()), { maxLength: 20 }), (first, moves) => {
      let expected = hashNumber(first)
      const sum = new ContentSum(encodeSum(expected))
      for (const [at, [one, isAdded]] of moves.entries()) {
        if (isAdded) sum.add(one)
        else sum.remove(one)
        expected = moveSum(expected, isAdded ? one : undefined, isAdded ? undefined : one)
        if (at % 3 === 0) expect(sum.hex()).toBe(encodeSum(expected))
      }
      expect(sum.hex()).toBe(encodeSum(expected))
      expect(hashNumber(sum.bytes())).toBe(expected)
    }),
  )
})

test('more hashes than are added between two carries', () => {
  const sum = new ContentSum()
  const most = new Uint8Array(32).fill(0xff)
  const count = 2 ** 20 + 5
  for (let n = 0; n < count; n++) sum.add(most)
  expect(sum.hex()).toBe(encodeSum((hashNumber(most) * BigInt(count)) % (1n << 256n)))
  for (let n = 0; n < count; n++) sum.remove(most)
  expect(sum.hex()).toBe(emptyContentHash)
})
