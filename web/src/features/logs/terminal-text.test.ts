import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { plain, plainText, type Style, spansOf, styleAfter } from './terminal-text.ts'

test.each([
  ['plain', 'plain'],
  ['\x1b[31mred\x1b[0m', 'red'],
  ['10%\r20%\r30%', '30%'],
  ['long text\rshort', 'shorttext'],
  ['long text\r\x1b[Kshort', 'short'],
  ['done\r', 'done'],
  ['abc\b\bX', 'aXc'],
  ['a\x1b[3Cb', 'a   b'],
  ['\x1b]8;;https://example.org\x07link\x1b]8;;\x07', 'link'],
  ['\x1b]0;title\x07text', 'text'],
  ['\x1b[?25l\x1b[2Ktext\x1b[?25h', 'text'],
  ['a\x07b\x00c', 'abc'],
  ['a\x1b(Bb', 'ab'],
  ['a\tb', 'a\tb'],
  ['cut \x1b[3', 'cut '],
  ['<script>&amp;', '<script>&amp;'],
])('%j shows %j', (line, text) => {
  expect(plainText(line)).toBe(text)
})

test.each<[string, Style]>([
  ['\x1b[1;31mx', { bold: true, ink: 1 }],
  ['\x1b[91mx', { ink: 9 }],
  ['\x1b[43mx', { ground: 3 }],
  ['\x1b[38;5;9mx', { ink: 9 }],
  ['\x1b[38;5;196mx', { ink: '#ff0000' }],
  ['\x1b[48;5;244mx', { ground: '#808080' }],
  ['\x1b[38;2;1;2;300mx', { ink: '#0102ff' }],
  ['\x1b[38;5;999mx', {}],
  ['\x1b[1m\x1b[22;4mx', { underline: true }],
  ['\x1b[7;9;3;2mx', { inverse: true, strike: true, italic: true, dim: true }],
  ['\x1b[31m\x1b[mx', {}],
])('%j has the style %o', (line, style) => {
  expect(spansOf(line, plain).spans).toEqual([{ text: 'x', style }])
})

test('a colour goes on in the next line', () => {
  const style = styleAfter('begin \x1b[32mgreen', plain)
  expect(spansOf('still \x1b[0mnot', style).spans).toEqual([
    { text: 'still ', style: { ink: 2 } },
    { text: 'not', style: {} },
  ])
})

test('any text is shown without control characters, and its end style is that of styleAfter', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('\x1b[', '\x1b', 'm', '31', ';', '\r', '\b', '\x1b[K', '\x1b[38;5;', '\x07', '\x1b]'),
  )
  fc.assert(
    fc.property(
      fc.array(piece).map((parts) => parts.join('').replaceAll('\n', '')),
      (line) => {
        const { spans, end } = spansOf(line, plain)
        expect(spans.map(({ text }) => text).join('')).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/)
        expect(end).toEqual(styleAfter(line.endsWith('\r') ? line.slice(0, -1) : line, plain))
      },
    ),
  )
})

test('a progress bar of megabytes costs no more than its end', () => {
  const line = Array.from({ length: 100_000 }, (_, i) => `${i}%\r`).join('')
  const start = performance.now()
  expect(plainText(line)).toBe('99999%')
  expect(performance.now() - start).toBeLessThan(10_000)
})
