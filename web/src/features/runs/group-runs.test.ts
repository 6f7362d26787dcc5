import { expect, test } from 'vitest'
import type { RunSummary } from '../../api/types.ts'
import { groupRuns } from './group-runs.ts'

const aRun = (number: number, group: string) => ({ id: `r${number}`, number, group }) as RunSummary

test('runs stand with those of their branch, tag or pull request, the one with the newest run first', () => {
  const runs = [
    aRun(5, '/project/p/pr/7'),
    aRun(4, '/project/p/branch/main'),
    aRun(3, '/project/p/pr/7'),
    aRun(2, '/project/p/branch/a%2Fb'),
    aRun(1, '/project/p/branch/main'),
  ]
  expect(
    groupRuns(runs).map(({ origin, runs: found }) => [
      origin.kind === 'direct' ? '' : origin.name,
      found.map(({ number }) => number),
    ]),
  ).toEqual([
    ['7', [5, 3]],
    ['main', [4, 1]],
    ['a/b', [2]],
  ])
  expect(groupRuns([])).toEqual([])
})
