import { expect, test } from 'vitest'
import { parseSetupError } from './setup-error.ts'

test.each([
  [
    '.slipway/config.yml:6:23: runs[0].tasks[0].run: wrong type: a number',
    {
      file: '.slipway/config.yml',
      line: 6,
      column: 23,
      place: 'runs[0].tasks[0].run',
      message: 'wrong type: a number',
    },
  ],
  ['config.json:7: expected a list: of tasks', { file: 'config.json', line: 7, message: 'expected a list: of tasks' }],
  ['config.yml: no runs', { file: 'config.yml', message: 'no runs' }],
  ['run "a" has a cycle: b, c', { message: 'run "a" has a cycle: b, c' }],
])('%s', (text, error) => {
  expect(parseSetupError(text)).toEqual(error)
})
