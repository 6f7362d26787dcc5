import { expect, test } from 'vitest'
import type { RunSummary } from '../../api/types.ts'
import { brokenRun, isOwnRun, mainBranchRun } from './main-branch.ts'

const aRun = (number: number, branch: string, phase: string, result = 'unknown') =>
  ({ number, group: `/project/p/branch/${branch}`, phase, result }) as RunSummary

test('the newest run of the main branch tells how a project stands', () => {
  const runs = [
    aRun(3, 'topic', 'finished', 'failed'),
    aRun(2, 'main', 'finished', 'success'),
    aRun(1, 'main', 'finished', 'failed'),
  ]
  expect(mainBranchRun({}, runs)?.number).toBe(2)
  expect(mainBranchRun({ defaultBranch: 'topic' }, runs)?.number).toBe(3)
  expect(mainBranchRun({ defaultBranch: 'gone' }, runs)?.number).toBe(3)
  expect(mainBranchRun({}, [])).toBeUndefined()
})

test.each([
  [{ webhook_sender: 'Ann-There' }, true],
  [{ webhook_sender: 'bob' }, false],
  [{}, false],
] as const)('a run with %j is of somebody called ann or ann-there: %s', (annotations, isOwn) => {
  expect(isOwnRun({ annotations }, new Set(['ann', 'ann-there']))).toBe(isOwn)
})

test.each([
  ['failed', [aRun(1, 'main', 'finished', 'failed')], 1],
  ['a setup error', [aRun(1, 'main', 'setuperror')], 1],
  ['being mended', [aRun(2, 'main', 'running'), aRun(1, 'main', 'finished', 'failed')], 1],
  ['mended', [aRun(2, 'main', 'finished', 'success'), aRun(1, 'main', 'finished', 'failed')], undefined],
  ['another branch', [aRun(1, 'topic', 'finished', 'failed')], undefined],
  ['stopped by hand', [aRun(1, 'main', 'finished', 'stopped')], undefined],
])('%s: what broke the main branch', (_, runs, number) => {
  expect(brokenRun({}, runs)?.number).toBe(number)
})
