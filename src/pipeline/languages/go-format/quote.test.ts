import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPrintable, quoteGo, quoteGoCharacter, unquoteCharacter, unquoteString } from './quote.ts'

test.each([
  ['', '""', '""'],
  ['abc', '"abc"', '"abc"'],
  ['a"b\\c', '"a\\"b\\\\c"', '"a\\"b\\\\c"'],
  ["it's", '"it\'s"', '"it\'s"'],
  ['\x07\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"', '"\\a\\b\\f\\n\\r\\t\\v"'],
  ['\0\x1b\x7f', '"\\x00\\x1b\\x7f"', '"\\x00\\x1b\\x7f"'],
  ['é', '"é"', '"\\u00e9"'],
  ['😀', '"😀"', '"\\U0001f600"'],
  ['\u00a0', '"\\u00a0"', '"\\u00a0"'], // a space that is not ASCII is not printed as it is
  ['\u200b\ufeff', '"\\u200b\\ufeff"', '"\\u200b\\ufeff"'],
] as const)('%j is quoted as %s, in ASCII as %s', (text, quoted, ascii) => {
  expect(quoteGo(text)).toBe(quoted)
  expect(quoteGo(text, true)).toBe(ascii)
})

test.each([
  [65, "'A'"],
  [10, "'\\n'"],
  [39, "'\\''"],
  [34, "'\"'"],
  [0xe9, "'é'"],
  [-1, "'\ufffd'"],
  [0xd800, "'\ufffd'"],
  [0x110000, "'\ufffd'"],
] as const)('the character %d is quoted as %s', (codePoint, quoted) => {
  expect(quoteGoCharacter(codePoint)).toBe(quoted)
})

test.each([
  ['"abc"', 'abc'],
  ['`a\\n"b`', 'a\\n"b'],
  ['`a\r\nb`', 'a\nb'],
  ['"\\x41\\101\\u0041\\U00000041"', 'AAAA'],
  ['"\\xc3\\xa9"', 'é'], // bytes
  ['"\\xff"', '\ufffd'],
  ['"\\q"', undefined],
  ['"\\\'"', undefined],
  ['"\\x4"', undefined],
  ['"\\400"', undefined],
  ['"\\12"', undefined],
  ['"\\ud800"', undefined],
  ['"\\U00110000"', undefined],
  ['"a\nb"', undefined],
  ['"a"b"', undefined],
  ['"a', undefined],
  ['"', undefined],
  ['', undefined],
  ['abc', undefined],
] as const)('the literal %j means %j', (literal, text) => {
  expect(unquoteString(literal)).toBe(text)
})

test.each([
  ["'a'", 97],
  ["'😀'", 0x1f600],
  ["'\\n'", 10],
  ["'\\''", 39],
  ["'\\x41'", 65],
  ["'\\u00e9'", 0xe9],
  ["'\\\"'", undefined],
  ["''", undefined],
  ["'ab'", undefined],
  ["'\\na'", undefined],
  ["'''", undefined],
] as const)('the literal %s is the character %j', (literal, codePoint) => {
  expect(unquoteCharacter(literal)).toBe(codePoint)
})

test('what is quoted is unquoted to the same text, in ASCII too', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      expect(unquoteString(quoteGo(text))).toBe(text)
      expect(unquoteString(quoteGo(text, true))).toBe(text)
      expect(quoteGo(text, true)).toMatch(/^[ -~]*$/)
    }),
    { numRuns: 50 },
  )
})

test('letters, symbols and the space are printable, other spaces and controls are not', () => {
  expect(['a', 'é', '₿', '1', '!', ' '].every(isPrintable)).toBe(true)
  expect(['\n', '\u00a0', '\u2028', '\u200b', '\x7f'].some(isPrintable)).toBe(false)
})
