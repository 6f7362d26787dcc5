// The rows were printed by Go's time package.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatGoDuration, parseGoDuration } from './duration.ts'

test.each([
  ['0', 0n, '0s'],
  ['0s', 0n, '0s'],
  ['5s', 5_000_000_000n, '5s'],
  ['30s', 30_000_000_000n, '30s'],
  ['1478s', 1_478_000_000_000n, '24m38s'],
  ['-5s', -5_000_000_000n, '-5s'],
  ['+5s', 5_000_000_000n, '5s'],
  ['-0', 0n, '0s'],
  ['+0', 0n, '0s'],
  ['5.0s', 5_000_000_000n, '5s'],
  ['5.6s', 5_600_000_000n, '5.6s'],
  ['5.s', 5_000_000_000n, '5s'],
  ['.5s', 500_000_000n, '500ms'],
  ['-.5s', -500_000_000n, '-500ms'],
  ['+.5s', 500_000_000n, '500ms'],
  ['1.0s', 1_000_000_000n, '1s'],
  ['1.00s', 1_000_000_000n, '1s'],
  ['1.004s', 1_004_000_000n, '1.004s'],
  ['1.0040s', 1_004_000_000n, '1.004s'],
  ['100.00100s', 100_001_000_000n, '1m40.001s'],
  ['10ns', 10n, '10ns'],
  ['11us', 11_000n, '11µs'],
  ['12µs', 12_000n, '12µs'],
  ['12μs', 12_000n, '12µs'],
  ['13ms', 13_000_000n, '13ms'],
  ['14s', 14_000_000_000n, '14s'],
  ['15m', 900_000_000_000n, '15m0s'],
  ['16h', 57_600_000_000_000n, '16h0m0s'],
  ['3h30m', 12_600_000_000_000n, '3h30m0s'],
  ['10.5s4m', 250_500_000_000n, '4m10.5s'],
  ['-2m3.4s', -123_400_000_000n, '-2m3.4s'],
  ['1h2m3s4ms5us6ns', 3_723_004_005_006n, '1h2m3.004005006s'],
  ['39h9m14.425s', 140_954_425_000_000n, '39h9m14.425s'],
  ['52763797000ns', 52_763_797_000n, '52.763797s'],
  ['0.3333333333333333333h', 1_200_000_000_000n, '20m0s'],
  ['9007199254740993ns', 9_007_199_254_740_993n, '2501h59m59.254740993s'],
  ['9223372036854775807ns', 9_223_372_036_854_775_807n, '2562047h47m16.854775807s'],
  ['9223372036854775.807us', 9_223_372_036_854_775_807n, '2562047h47m16.854775807s'],
  ['9223372036s854ms775us807ns', 9_223_372_036_854_775_807n, '2562047h47m16.854775807s'],
  ['-9223372036854775808ns', -9_223_372_036_854_775_808n, '-2562047h47m16.854775808s'],
  ['-9223372036854775.808us', -9_223_372_036_854_775_808n, '-2562047h47m16.854775808s'],
  ['0.100000000000000000000h', 360_000_000_000n, '6m0s'],
  ['0.830103483285477580700h', 2_988_372_539_827n, '49m48.372539827s'],
  ['1m1m', 120_000_000_000n, '2m0s'],
  ['1h0.5m', 3_630_000_000_000n, '1h0m30s'],
  ['0.00000000001s', 0n, '0s'],
  ['2562047h47m16.854775807s', 9_223_372_036_854_775_807n, '2562047h47m16.854775807s'],
] as const)('%j is %d nanoseconds and prints as %s', (text, nanoseconds, printed) => {
  expect(parseGoDuration(text)).toEqual({ ok: true, value: nanoseconds })
  expect(formatGoDuration(nanoseconds)).toBe(printed)
})

test.each([
  ['', 'time: invalid duration ""'],
  ['3', 'time: missing unit in duration "3"'],
  ['-', 'time: invalid duration "-"'],
  ['s', 'time: invalid duration "s"'],
  ['.', 'time: invalid duration "."'],
  ['-.', 'time: invalid duration "-."'],
  ['.s', 'time: invalid duration ".s"'],
  ['+.s', 'time: invalid duration "+.s"'],
  ['1d', 'time: unknown unit "d" in duration "1d"'],
  ['5d', 'time: unknown unit "d" in duration "5d"'],
  ['1w', 'time: unknown unit "w" in duration "1w"'],
  ['1 s', 'time: unknown unit " s" in duration "1 s"'],
  [' 1s', 'time: invalid duration " 1s"'],
  ['1s ', 'time: unknown unit "s " in duration "1s "'],
  ['abc', 'time: invalid duration "abc"'],
  ['1.5', 'time: missing unit in duration "1.5"'],
  ['1h1', 'time: missing unit in duration "1h1"'],
  ['-1.5.5s', 'time: missing unit in duration "-1.5.5s"'],
  ['1..5s', 'time: missing unit in duration "1..5s"'],
  ['1e3s', 'time: unknown unit "e" in duration "1e3s"'],
  ['0x1s', 'time: unknown unit "x" in duration "0x1s"'],
  ['3000000h', 'time: invalid duration "3000000h"'],
  ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
  ['-9223372036854775809ns', 'time: invalid duration "-9223372036854775809ns"'],
  ['9223372036854ms775us808ns', 'time: invalid duration "9223372036854ms775us808ns"'],
  ['é', 'time: invalid duration "\\xc3\\xa9"'],
  ['1é', 'time: unknown unit "\\xc3\\xa9" in duration "1\\xc3\\xa9"'],
  ['10m"s', 'time: unknown unit "m\\"s" in duration "10m\\"s"'],
  ['1\\s', 'time: unknown unit "\\\\s" in duration "1\\\\s"'],
  ['1\ns', 'time: unknown unit "\\x0as" in duration "1\\x0as"'],
  ['1H', 'time: unknown unit "H" in duration "1H"'],
  ['1S', 'time: unknown unit "S" in duration "1S"'],
  ['--1s', 'time: invalid duration "--1s"'],
  ['+-1s', 'time: invalid duration "+-1s"'],
  ['1s-1s', 'time: unknown unit "s-" in duration "1s-1s"'],
  ['∞', 'time: invalid duration "\\xe2\\x88\\x9e"'],
  ['1_0s', 'time: unknown unit "_" in duration "1_0s"'],
  ['1,5s', 'time: unknown unit "," in duration "1,5s"'],
  ['99999999999999999999999999s', 'time: invalid duration "99999999999999999999999999s"'],
  ['2562047h47m16.854775808s', 'time: invalid duration "2562047h47m16.854775808s"'],
] as const)('%j is refused: %s', (text, message) => {
  expect(parseGoDuration(text)).toEqual({ ok: false, message })
})

test('every duration of 64 bits is parsed from what is printed of it', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (nanoseconds) => {
      expect(parseGoDuration(formatGoDuration(nanoseconds))).toEqual({ ok: true, value: nanoseconds })
    }),
  )
})

test('no text makes the parser throw, and what it accepts fits 64 bits', () => {
  const piece = fc.constantFrom('1', '99999999999', '.', 's', 'h', 'ns', '-', 'µs', 'd', ' ')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const result = parseGoDuration(pieces.join(''))
      if (result.ok) expect(BigInt.asIntN(64, result.value)).toBe(result.value)
      else expect(result.message).toMatch(/^time: /)
    }),
  )
})

test('a very long text is answered at once', () => {
  expect(parseGoDuration('9'.repeat(100_000))).toMatchObject({ ok: false })
  expect(parseGoDuration(`${'0'.repeat(100_000)}.${'3'.repeat(100_000)}s`)).toEqual({ ok: true, value: 333333333n })
})
