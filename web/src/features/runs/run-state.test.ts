import { expect, test } from 'vitest'
import { commitOf, durationOf, isStillRunning, originOf, stateOfRun, stateOfTask } from './run-state.ts'

test.each([
  [{ phase: 'queued', result: 'unknown' }, 'queued', false],
  [{ phase: 'running', result: 'unknown' }, 'running', false],
  [{ phase: 'running', result: 'unknown', isStopping: true }, 'stopping', false],
  [{ phase: 'running', result: 'unknown', tasksWaitingApproval: ['t'] }, 'approval', false],
  [{ phase: 'running', result: 'failed', tasksWaitingApproval: ['t'] }, 'failed', true],
  [{ phase: 'finished', result: 'success' }, 'success', false],
  [{ phase: 'finished', result: 'stopped' }, 'stopped', false],
  [{ phase: 'cancelled', result: 'unknown' }, 'cancelled', false],
  [{ phase: 'setuperror', result: 'unknown' }, 'setuperror', false],
] as const)('a run %o is shown as %s', (run, state, isStill) => {
  expect(stateOfRun(run as Parameters<typeof stateOfRun>[0])).toBe(state)
  expect(isStillRunning(run as Parameters<typeof stateOfRun>[0])).toBe(isStill)
})

test('a task waits for approval only before it begins', () => {
  expect(stateOfTask({ status: 'notstarted', isWaitingApproval: true })).toBe('approval')
  expect(stateOfTask({ status: 'skipped', isWaitingApproval: true })).toBe('skipped')
})

test.each([
  [{ branch: 'main', branch_link: 'https://x/main' }, '', { kind: 'branch', name: 'main', link: 'https://x/main' }],
  [{ branch: 'main', branch_link: 'javascript:alert(1)' }, '', { kind: 'branch', name: 'main', link: undefined }],
  [{ tag: 'v1' }, '', { kind: 'tag', name: 'v1', link: undefined }],
  [{ pull_request_id: '7', branch: 'topic' }, '', { kind: 'pullRequest', name: '7', link: undefined }],
  [undefined, '/project/p/branch/feature%2Fone', { kind: 'branch', name: 'feature/one', link: undefined }],
  [undefined, '/project/p/pr/7', { kind: 'pullRequest', name: '7', link: undefined }],
  [undefined, '/user/u/branch/main', { kind: 'direct' }],
  [{}, '/project/p', { kind: 'direct' }],
])('a run with %o in %s comes from %o', (annotations, group, origin) => {
  expect(
    originOf({ group, ...(annotations === undefined ? {} : { annotations }) } as Parameters<typeof originOf>[0]),
  ).toEqual(origin)
})

test('a run without annotations has an empty commit', () => {
  expect(commitOf({})).toEqual({ sha: '', subject: '', link: undefined })
  expect(commitOf({ annotations: { message: 'one\n\ntwo', commit_sha: 'abc' } })).toMatchObject({
    subject: 'one',
    sha: 'abc',
  })
})

test('a duration goes to the end, or to now', () => {
  const startedAt = '2026-01-01T00:00:00Z'
  expect(durationOf({ startedAt, endedAt: '2026-01-01T00:00:05Z' }, 0)).toBe(5000)
  expect(durationOf({ startedAt }, Date.parse(startedAt) + 1500)).toBe(1500)
  expect(durationOf({ startedAt }, Date.parse(startedAt) - 1500)).toBe(0)
  expect(durationOf({}, 5)).toBeUndefined()
})
