import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeSum, hashNumber } from '../read-model/content-hash.ts'
import { HashSum } from './hash-sum.ts'

test('hashes are added modulo 2^256, as the content hash adds them', () => {
  const hash = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.constantFrom(0, 1, 0x7f, 0x80, 0xff).map((byte) => new Uint8Array(32).fill(byte)),
  )
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 20 }), (hashes) => {
      const sum = new HashSum()
      for (const [at, one] of hashes.entries()) {
        sum.add(one)
        if (at % 3 === 0) sum.hex()
      }
      const expected = hashes.reduce((total, one) => total + hashNumber(one), 0n) % (1n << 256n)
      expect(sum.hex()).toBe(encodeSum(expected))
      expect(hashNumber(sum.bytes())).toBe(expected)
    }),
  )
})

test('more hashes than are added between two carries', () => {
  const sum = new HashSum()
  const most = new Uint8Array(32).fill(0xff)
  const count = 2 ** 20 + 5
  for (let n = 0; n < count; n++) sum.add(most)
  expect(sum.hex()).toBe(encodeSum((hashNumber(most) * BigInt(count)) % (1n << 256n)))
})
