import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LogLines, looksLikeError, parseRange, rangeText } from './log-lines.ts'

function logOf(...texts: string[]): LogLines {
  const log = new LogLines()
  for (const text of texts) log.append(text)
  return log
}
const textsOf = (log: LogLines) => Array.from({ length: log.count }, (_, index) => log.text(index))

test('pieces are cut into lines wherever they end', () => {
  expect(textsOf(logOf('one\ntw', 'o\r\n', '\nlast'))).toEqual(['one', 'two', '', 'last'])
  expect(logOf('').count).toBe(0)
  expect(logOf('\n').count).toBe(1)
})

test('however a text is cut, its lines are the same', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\x1b[31m', 'b') }),
      fc.array(fc.nat(20)),
      (text, cuts) => {
        const whole = logOf(text)
        const pieces: string[] = []
        let at = 0
        for (const size of cuts) {
          pieces.push(text.slice(at, at + size))
          at += size
        }
        const cut = logOf(...pieces, text.slice(at))
        expect(textsOf(cut)).toEqual(textsOf(whole))
        for (let index = 0; index < whole.count; index++) expect(cut.spans(index)).toEqual(whole.spans(index))
      },
    ),
  )
})

test('a colour lasts over lines until it is reset', () => {
  const log = logOf('\x1b[31mred\nstill\nend\x1b[0m\nplain\n')
  expect(log.spans(1)).toEqual([{ text: 'still', style: { ink: 1 } }])
  expect(log.spans(3)).toEqual([{ text: 'plain', style: {} }])
})

test('finding ignores case and colours', () => {
  const log = logOf('a\nFA\x1b[1mIL\x1b[0mED here\nfailed\n')
  expect(log.find('failed', 0, log.count)).toEqual([1, 2])
  expect(log.findError()).toBe(1)
})

test.each([
  ['error: nothing to do', true],
  ['src/a.ts(3,1): error TS2322: no', true],
  ['FAILED tests/x', true],
  ['not ok 3 - adds', true],
  ['0 errors, 3 warnings', false],
  ['12 passed, 0 failed', false],
  ['src/error.ts compiled', false],
  ['copy error-page.html', false],
])('%j looks like an error: %s', (text, expected) => {
  expect(looksLikeError(text)).toBe(expected)
})

test.each([
  ['12', { first: 12, last: 12 }, '12'],
  ['20-12', { first: 12, last: 20 }, '12-20'],
  ['0', undefined, undefined],
  ['x', undefined, undefined],
  [undefined, undefined, undefined],
])('the range %s', (text, range, back) => {
  expect(parseRange(text)).toEqual(range)
  if (range !== undefined) expect(rangeText(range)).toBe(back)
})

test('100,000 lines are cut and searched', () => {
  const text = Array.from(
    { length: 100_000 },
    (_, i) => `\x1b[32mline\x1b[0m ${i} of the log, with some more words in it\r\n`,
  ).join('')
  const log = logOf(text)
  expect(log.find('line 99999', 0, log.count)).toEqual([99_999])
})
