import { expect, test } from 'vitest'
import { printableLine } from './printable-line.ts'

const esc = '\u001b'

test.each([
  ['plain text', 'plain text'],
  ['with\ttab', 'with\ttab'],
  [`${esc}[31mred${esc}[0m`, 'red'],
  ['10%\r50%\r100%', '100%'],
  ['100%\r', '100%'],
  [`50%\r${esc}[K`, '50%'],
  ['\r\r', ''],
  [`${esc}[2J${esc}[Hclear`, 'clear'],
  [`${esc}]0;title\u0007text`, 'text'],
  [`${esc}]52;c;c2VjcmV0${esc}\\text`, 'text'],
  [`${esc}]8;;https://example.org${esc}\\link${esc}]8;;${esc}\\`, 'link'],
  [`${esc}Pdevice string${esc}\\text`, 'text'],
  [`${esc}(Btext`, 'text'],
  [`text${esc}`, 'text'],
  [`${esc}]never ended`, ''],
  ['bell\u0007 back\u0008space null\u0000', 'bell backspace null'],
  ['\u009b31mC1', '31mC1'],
])('%j is shown as %j', (line, shown) => {
  expect(printableLine(line, { colours: false })).toBe(shown)
})

test.each([
  [`a ${esc}[1;31mred`, `a ${esc}[1;31mred${esc}[0m`],
  [`${esc}[38:5:1mred${esc}[m`, `${esc}[38:5:1mred${esc}[m${esc}[0m`],
  [`${esc}[5A${esc}[31mup`, `${esc}[31mup${esc}[0m`],
  [`${esc}[5Aup`, 'up'],
])('with colours %j is shown as %j', (line, shown) => {
  expect(printableLine(line, { colours: true })).toBe(shown)
})
