import { expect, test } from 'vitest'
import type { Run, TaskStatus } from '../runservice/types.ts'
import { branchChange } from './branch-state.ts'
import { statusContext, statusOfRun } from './commit-status.ts'
import { FakeRuns } from './notification-fixture.ts'

function described(tasks: Readonly<Record<string, TaskStatus>>, run: Partial<Run>) {
  const runs = new FakeRuns()
  const id = runs.add({ tasks })
  runs.change(id, run)
  const { state, description } = statusOfRun(runs.view(id))
  return `${state}: ${description}`
}

const times = { startedAt: 1_000, endedAt: 126_000 }
const finished = (result: Run['result']) => ({ phase: 'finished', result, ...times }) as const

test.each<readonly [string, Readonly<Record<string, TaskStatus>>, Partial<Run>]>([
  ['queued: queued', { a: 'notstarted' }, {}],
  ['running: running', { a: 'running' }, { phase: 'running' }],
  ['running: 1 of 2 tasks failed: a so far', { a: 'failed', b: 'running' }, { phase: 'running', result: 'failed' }],
  ['running: is being stopped', { a: 'running' }, { phase: 'running', stop: true }],
  ['success: 1 task succeeded in 2 min 5 s, 1 skipped', { a: 'success', b: 'skipped' }, finished('success')],
  ['failed: 2 of 3 tasks failed: a, c', { a: 'failed', b: 'success', c: 'failed' }, finished('failed')],
  ['cancelled: stopped', { a: 'stopped' }, finished('stopped')],
  ['cancelled: stopped by ann', { a: 'stopped' }, { ...finished('stopped'), reason: { kind: 'stopped', by: 'ann' } }],
  ['cancelled: cancelled before it started', { a: 'cancelled' }, { phase: 'cancelled' }],
  ['error: config.yml: no', { a: 'notstarted' }, { phase: 'setuperror', setupErrors: ['config.yml: no\nmore'] }],
])('%s', (expected, tasks, run) => {
  expect(described(tasks, run)).toBe(expected)
})

test('a description fits, whatever tasks are called', () => {
  const tasks = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`task-${index}`, 'failed' as const]))
  const text = described(tasks, finished('failed'))
  expect(text.length).toBeLessThanOrEqual('failed: '.length + 140)
  expect(text).toMatch(/^failed: 50 of 50 tasks failed: task-0, .*\.\.\.$/)
})

test('contexts are never cut to the same', () => {
  const of = (runName: string) =>
    statusContext({ prefix: 'slipway', projectPath: `org/${'group/'.repeat(60)}web`, runName, refType: 'branch' })
  expect(of('build').length).toBeLessThanOrEqual(200)
  expect(of('build')).not.toBe(of('test'))
  expect(of('build')).toBe(of('build'))
})

test.each([
  [undefined, 'success', undefined],
  [undefined, 'failed', 'broken'],
  ['success', 'failed', 'broken'],
  ['failed', 'failed', 'still_broken'],
  ['failed', 'success', 'fixed'],
  ['success', 'success', undefined],
] as const)('a branch that was %s and is %s: %s', (before, now, change) => {
  const state = before === undefined ? undefined : { state: before, runSequence: 1 }
  expect(branchChange(state, { state: now, runSequence: 2 })).toBe(change)
})

test('an older run that ends late changes nothing', () => {
  expect(branchChange({ state: 'success', runSequence: 3 }, { state: 'failed', runSequence: 2 })).toBeUndefined()
})
