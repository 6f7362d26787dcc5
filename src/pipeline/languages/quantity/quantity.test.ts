import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseQuantity } from './quantity.ts'

test.each([
  ['0', 0],
  ['1', 1],
  ['+1', 1],
  ['007', 7],
  ['1048576', 1_048_576],
  ['1k', 1_000],
  ['1M', 1_000_000],
  ['1G', 1_000_000_000],
  ['1T', 1_000_000_000_000],
  ['9P', 9_000_000_000_000_000],
  ['0.001E', 1_000_000_000_000_000],
  ['1Ki', 1024],
  ['1Mi', 1_048_576],
  ['64Mi', 67_108_864],
  ['1Gi', 1_073_741_824],
  ['1Ti', 1_099_511_627_776],
  ['7Pi', 7_881_299_347_898_368],
  ['0.0001Ei', 115_292_150_460_685], // rounded up
  ['0.5Ki', 512],
  ['.5Ki', 512],
  ['1.Ki', 1024],
  ['1.5G', 1_500_000_000],
  ['0.1k', 100],
  ['1.2345k', 1235], // rounded up
  ['1.0001', 2],
  ['0.1', 1],
  ['0.0', 0],
  ['512m', 1], // half a byte, not half a mebibyte
  ['1000m', 1],
  ['1001m', 2],
  ['2500000u', 3],
  ['1n', 1],
  ['1000000000n', 1],
  ['0n', 0],
  ['1e6', 1_000_000],
  ['1E6', 1_000_000],
  ['1e+6', 1_000_000],
  ['1E+6', 1_000_000],
  ['1.5e3', 1500],
  ['1e-3', 1],
  ['15e-1', 2],
  ['1e0', 1],
  ['0e999999999', 0],
  ['1e-999999999', 1],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['-1', -1],
  ['-1Ki', -1024],
  ['-0.5', -1], // away from zero
  ['-0', 0],
  ['-0m', 0],
  [0, 0],
  [1024, 1024],
  [1.5, 2],
  [1e6, 1_000_000],
  [1e-7, 1],
  [-3, -3],
] as const)('%j is %d bytes', (input, bytes) => {
  expect(parseQuantity(input)).toEqual({ ok: true, value: bytes })
})

const pattern = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const numeric = 'unable to parse numeric part of quantity'
const suffix = "unable to parse quantity's suffix"

test.each([
  ['', pattern],
  [' 1', pattern],
  ['1 ', pattern],
  ['1 Mi', pattern],
  ['Mi', pattern],
  ['one', pattern],
  ['1B', pattern],
  ['1MB', pattern],
  ['1MiB', pattern],
  ['1g', pattern],
  ['--1', pattern],
  ['0x10', pattern],
  ['1,5G', pattern],
  ['1_000', pattern],
  ['½', pattern],
  ['1Mi\n', pattern],
  ['NaN', pattern],
  ['.', numeric],
  ['1.2.3', numeric],
  ['..5', numeric],
  ['1K', suffix],
  ['1ki', suffix],
  ['1mi', suffix],
  ['1MM', suffix],
  ['1i', suffix],
  ['1e', suffix],
  ['1e+', suffix],
  ['1Ei6', suffix],
  ['1M6', suffix],
  ['1m-3', suffix],
  ['1+3', suffix],
  ['9007199254740992', 'quantity 9007199254740992 is larger than 9007199254740991'],
  ['10P', 'quantity 10P is larger than 9007199254740991'],
  ['8Pi', 'quantity 8Pi is larger than 9007199254740991'],
  ['1E', 'quantity 1E is larger than 9007199254740991'],
  ['1Ei', 'quantity 1Ei is larger than 9007199254740991'],
  ['1e999999999', 'quantity 1e999999999 is larger than 9007199254740991'],
  [1e21, 'quantity 1e+21 is larger than 9007199254740991'],
  [Number.NaN, pattern],
  [Number.POSITIVE_INFINITY, pattern],
] as const)('%j is refused: %s', (input, message) => {
  expect(parseQuantity(input)).toEqual({ ok: false, message })
})

test('a text of a million digits is refused at once', () => {
  expect(parseQuantity('1'.repeat(1_000_000))).toEqual({ ok: false, message: pattern })
})

test('a whole number of bytes is itself, whatever the notation', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 33 }), (count) => {
      expect(parseQuantity(count)).toEqual({ ok: true, value: count })
      expect(parseQuantity(`${count}Ki`)).toEqual({ ok: true, value: count * 1024 })
      expect(parseQuantity(`${count}e3`)).toEqual({ ok: true, value: count * 1000 })
      expect(parseQuantity(`${count}m`)).toEqual({ ok: true, value: Math.ceil(count / 1000) })
    }),
  )
})
