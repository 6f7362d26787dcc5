import { expect, test } from 'vitest'
import type { Task } from '../../api/types.ts'
import { interestingStep } from './queries.ts'

const aTask = (setup: string, ...steps: string[]) =>
  ({
    setupStep: { type: 'setup', name: 'setup', phase: setup },
    steps: steps.map((phase) => ({ type: 'run', name: 's', phase })),
  }) as unknown as Task

test.each([
  ['what failed goes first', aTask('success', 'success', 'failed', 'running'), '1'],
  ['a setup that failed', aTask('failed', 'notstarted'), 'setup'],
  ['else what runs', aTask('success', 'success', 'running', 'notstarted'), '1'],
  ['else the last that succeeded', aTask('success', 'success', 'success'), '1'],
  ['else the setup', aTask('notstarted', 'notstarted'), 'setup'],
])('%s', (_, task, log) => {
  expect(interestingStep(task)).toBe(log)
})
