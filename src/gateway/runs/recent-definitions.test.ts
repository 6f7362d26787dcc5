// What is read once, and what again.

import { expect, test } from 'vitest'
import { readDefinition } from './fetch-definition.ts'
import { RecentDefinitions } from './recent-definitions.ts'

const path = '.slipway/config.yml'
const definition = (name: string, comment = '') => `runs:
  - name: ${name}
    tasks:
      - name: build
        runtime: { containers: [{ image: busybox }] }
        steps: [{ run: ls }]
# ${comment}`

test('the same text is the same definition, another one is read', () => {
  const { read } = new RecentDefinitions()
  const first = read(path, definition('a'))
  expect(first).toEqual(readDefinition(path, definition('a')))
  expect(read(path, definition('a'))).toBe(first)
  expect(read(path, definition('b'))).toEqual(readDefinition(path, definition('b')))
  expect(read(path, definition('a'))).toBe(first)
})

test('the same text means something else in a file of another language', () => {
  const { read } = new RecentDefinitions()
  expect(read(path, definition('a')).kind).toBe('config')
  expect(read('.slipway/config.jsonnet', definition('a')).kind).toBe('errors')
})

test('errors are not remembered', () => {
  const { read } = new RecentDefinitions()
  expect(read(path, 'runs: 1')).not.toBe(read(path, 'runs: 1'))
})

test('what was not used for the longest time is forgotten', () => {
  const { read } = new RecentDefinitions()
  const [kept, forgotten] = [read(path, definition('kept')), read(path, definition('forgotten'))]
  const large = 'x'.repeat(900_000)
  for (let number = 0; number < 4; number++) {
    read(path, definition(`large-${number}`, large))
    expect(read(path, definition('kept'))).toBe(kept)
  }
  read(path, definition('large-5', large))
  expect(read(path, definition('kept'))).toBe(kept)
  expect(read(path, definition('forgotten'))).not.toBe(forgotten)
})
