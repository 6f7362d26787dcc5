import { expect, test } from 'vitest'
import { applyRunToList, applyTaskToList, type RunFilter } from './apply-run-change.ts'
import type { RunSummary, TaskChange } from './types.ts'

function aRun(number: number, changes: Partial<RunSummary> = {}): RunSummary {
  return {
    id: `run-${number}`,
    number,
    name: 'build',
    owner: { type: 'project', id: 'p' },
    group: '/project/p/branch/main',
    annotations: { branch: 'main' },
    phase: 'running',
    result: 'unknown',
    enqueuedAt: '2026-01-01T00:00:00Z',
    ...changes,
  }
}

const listOf = (numbers: readonly (readonly number[])[], isComplete = true) => ({
  pages: numbers.map((page, index) => ({
    items: page.map((number) => aRun(number)),
    ...(index === numbers.length - 1 && isComplete ? {} : { nextCursor: `after ${index}` }),
  })),
  pageParams: [],
})
const numbersOf = (list: ReturnType<typeof listOf>) => list.pages.map(({ items }) => items.map(({ number }) => number))

test.each([
  ['a newer run comes first', [[3, 2], [1]], true, 4, {}, [[4, 3, 2], [1]]],
  ['a run between others takes its place', [[5, 2], [1]], true, 3, {}, [[5, 3, 2], [1]]],
  ['the oldest run comes last in a whole list', [[5, 4]], true, 3, {}, [[5, 4, 3]]],
  ['the oldest run is left out while there are more pages', [[5, 4]], false, 3, {}, [[5, 4]]],
  ['the first run of an empty list', [[]], true, 1, {}, [[1]]],
  ['a run of another branch stays out', [[2]], true, 3, { branch: 'next' }, [[2]]],
  ['a run of the branch comes in', [[2]], true, 3, { branch: 'main' }, [[3, 2]]],
  ['a run of a branch comes in where those of all branches are', [[2]], true, 3, { refType: 'branch' }, [[3, 2]]],
  ['a run of a branch stays out where those of tags are', [[2]], true, 3, { refType: 'tag' }, [[2]]],
  ['a run in another phase stays out', [[2]], true, 3, { phase: ['finished'] }, [[2]]],
  ['a run with another result stays out', [[2]], true, 3, { result: ['failed'] }, [[2]]],
] satisfies readonly [string, number[][], boolean, number, RunFilter, number[][]][])(
  '%s',
  (_, list, isComplete, number, filter, after) => {
    expect(numbersOf(applyRunToList(listOf(list, isComplete), aRun(number), filter))).toEqual(after)
  },
)

test('a run that changed keeps its place, and the approvals it waits for', () => {
  const list = listOf([[2, 1]])
  list.pages[0]!.items[0] = aRun(2, { tasksWaitingApproval: ['t'] })
  const after = applyRunToList(list, aRun(2, { isStopping: true }), {})
  expect(after.pages[0]!.items[0]).toMatchObject({ isStopping: true, tasksWaitingApproval: ['t'] })
  const ended = applyRunToList(after, aRun(2, { phase: 'finished', result: 'stopped' }), {})
  expect(ended.pages[0]!.items[0]).not.toHaveProperty('tasksWaitingApproval')
})

test('a run that does not match any more goes', () => {
  const after = applyRunToList(listOf([[2, 1]]), aRun(2, { phase: 'finished', result: 'success' }), {
    phase: ['running'],
  })
  expect(numbersOf(after)).toEqual([[1]])
})

test('a task that begins to wait for approval, and one that was approved', () => {
  const change = (isWaitingApproval: boolean): TaskChange => ({
    runId: 'run-2',
    owner: { type: 'project', id: 'p' },
    task: {
      id: 't',
      status: 'notstarted',
      isWaitingApproval,
      isApproved: !isWaitingApproval,
      approvers: [],
      timedOut: false,
    },
  })
  const waiting = applyTaskToList(listOf([[2, 1]]), change(true))
  expect(waiting.pages[0]!.items[0]!.tasksWaitingApproval).toEqual(['t'])
  expect(applyTaskToList(waiting, change(true))).toBe(waiting)
  expect(applyTaskToList(waiting, change(false)).pages[0]!.items[0]!.tasksWaitingApproval).toEqual([])
})
