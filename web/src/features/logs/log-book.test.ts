import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LogBook } from './log-book.ts'
import type { LogPage } from './log-page.ts'

function aPage(fromLine: number, lines: readonly string[], more: Partial<LogPage> = {}): LogPage {
  return {
    sizeBytes: 0,
    lineCount: fromLine + lines.length,
    isComplete: true,
    fromLine,
    fromByte: 0,
    endByte: 0,
    lines: [...lines],
    isLastUnfinished: false,
    times: lines.length === 0 ? [] : [{ lines: lines.length, at: '2026-01-01T00:00:00.000Z' }],
    style: '',
    cutLines: [],
    ...more,
  }
}
const logOf = (...texts: string[]) => {
  const book = new LogBook()
  for (const text of texts) book.append(text, 1)
  return book
}
const textsOf = (book: LogBook) => Array.from({ length: book.lineCount }, (_, number) => book.text(number))

test('pieces are cut into lines wherever they end', () => {
  expect(textsOf(logOf('one\ntw', 'o\r\n', '\nlast'))).toEqual(['one', 'two', '', 'last'])
  expect(logOf('').lineCount).toBe(0)
  expect(logOf('\n').lineCount).toBe(1)
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
        for (let number = 0; number < whole.lineCount; number++) expect(cut.spans(number)).toEqual(whole.spans(number))
      },
    ),
  )
})

test('a colour lasts over lines until it is reset, also from before what was asked for', () => {
  const book = logOf('\x1b[31mred\nstill\nend\x1b[0m\nplain\n')
  expect(book.spans(1)).toEqual([{ text: 'still', style: { ink: 1 } }])
  expect(book.spans(3)).toEqual([{ text: 'plain', style: {} }])
  const page = new LogBook()
  page.begin(aPage(7, ['green', 'off\x1b[0m'], { style: '\x1b[32m\x1b[1m' }))
  page.append('plain', 1)
  expect(page.spans(7)).toEqual([{ text: 'green', style: { ink: 2, bold: true } }])
  expect(page.spans(9)).toEqual([{ text: 'plain', style: {} }])
})

test('what is added goes on behind the stored end, in an unfinished line or a new one', () => {
  const open = new LogBook()
  open.begin(aPage(4, ['four', 'fi'], { isLastUnfinished: true, isComplete: false }))
  open.append('ve\nsix\n', 2)
  expect([4, 5, 6].map((number) => open.text(number))).toEqual(['four', 'five', 'six'])
  expect(open.line(5)!.at).toBe(Date.parse('2026-01-01T00:00:00.000Z'))
  expect(open.line(6)!.at).toBe(2)
  const whole = new LogBook()
  whole.begin(aPage(4, ['four']))
  whole.append('five', 2)
  expect(whole.lineCount).toBe(6)
  expect(whole.missing(0, 5)).toBe(0)
  expect(whole.missing(4, 5)).toBeUndefined()
})

test('a line that grew since is not overwritten by an older one', () => {
  const book = new LogBook()
  book.begin(aPage(0, ['a', 'b'], { isLastUnfinished: true, isComplete: false }))
  book.append('cd', 2)
  book.put(aPage(0, ['a', 'bc'], { isLastUnfinished: true }))
  expect(book.text(1)).toBe('bcd')
})

test('lines that are far from where one looks are let go and are missing then', () => {
  const book = new LogBook(100)
  book.begin(
    aPage(
      0,
      Array.from({ length: 200 }, (_, number) => String(number)),
    ),
  )
  book.letGo(150, 170)
  expect(book.missing(150, 170)).toBeUndefined()
  expect(book.missing(0, 10)).toBe(0)
  expect(book.has(199)).toBe(true)
  book.put(aPage(0, ['zero']))
  expect(book.text(0)).toBe('zero')
})
