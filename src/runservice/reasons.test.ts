import { expect, test } from 'vitest'
import { describeReason } from './reasons.ts'

test.each([
  ['success', 'build succeeded'],
  ['failed', 'build failed'],
  ['stopped', 'build was stopped'],
  ['skipped', 'build was skipped'],
  ['cancelled', 'build was cancelled'],
])('a task skipped for one that ended as %s says it as a person would', (outcome, text) => {
  expect(describeReason({ kind: 'skipped_dependency', task: 'build', outcome })).toBe(text)
})

test('a task cancelled by the result of its run says which', () => {
  expect(describeReason({ kind: 'run_has_result', result: 'failed' })).toBe('the run failed before')
})
