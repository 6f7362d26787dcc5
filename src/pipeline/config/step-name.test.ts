// Names of run steps that were given none.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDefinition } from './check.ts'
import { cutBytes, stepName } from './step-name.ts'

const firstStepOf = (steps: string) => {
  const text = `runs:\n  - name: ci\n    tasks:\n      - name: t\n        runtime: {containers: [{image: alpine}]}\n        steps:\n${steps}`
  return checkDefinition({ path: '.agola/config.yml', text }).config?.runs[0]?.tasks[0]?.steps[0]
}

test('a block scalar of one line is its own name: the newline at its end is not a second line', () => {
  expect(firstStepOf('          - run: |\n              make all\n')).toMatchObject({
    name: 'make all',
    command: 'make all\n',
  })
})

test('a command of several lines takes its first line that is not blank, and keeps the rest', () => {
  expect(firstStepOf('          - run: |\n\n              make deps\n              make all\n')).toMatchObject({
    name: 'make deps',
    command: '\nmake deps\nmake all\n',
  })
  expect(firstStepOf('          - type: run\n            command: "a\\nb"\n')).toMatchObject({ name: 'a' })
})

test('a name that is given is kept', () => {
  expect(firstStepOf('          - run: {name: all, command: make}\n')).toMatchObject({ name: 'all' })
  expect(firstStepOf('          - clone: {name: my checkout}\n')).toMatchObject({ name: 'my checkout' })
  expect(firstStepOf('          - clone:\n')).toMatchObject({ name: 'Clone repository and checkout code' })
})

test.each([
  ['make', 'make'],
  ['make\r\nall', 'make'],
  ['  indented', '  indented'],
  ['\n \n', ''],
  ['a'.repeat(101), 'a'.repeat(100)],
  [`${'a'.repeat(99)}é`, 'a'.repeat(99)], // two bytes: not cut in the middle
  [`${'a'.repeat(98)}é`, `${'a'.repeat(98)}é`],
  [`${'a'.repeat(97)}😀`, 'a'.repeat(97)],
])('the command %j is called %j', (command, name) => {
  expect(stepName(command)).toBe(name)
})

test('a cut text is a beginning, fits, and could not be one character longer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, bytesMax) => {
      const cut = cutBytes(text, bytesMax)
      const next = [...text.slice(cut.length)][0]
      expect(text.startsWith(cut)).toBe(true)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytesMax)
      if (next !== undefined) expect(Buffer.byteLength(cut + next)).toBeGreaterThan(bytesMax)
    }),
  )
})
