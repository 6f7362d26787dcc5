import { expect, test } from 'vitest'
import type { RunserviceHost } from '../../runservice/api.ts'
import type { Run } from '../../runservice/types.ts'
import { newestRuns } from './last-invocation.ts'

test('of runs that were repeated a hundred times and more each is the newest one', () => {
  const runs = Array.from(
    { length: 250 },
    (_, index) => ({ name: index % 2 === 0 ? 'a' : 'b', sequence: index + 1 }) as Run,
  )
  const runservice: Pick<RunserviceHost, 'listRuns'> = {
    listRuns: ({ after = 0, limit = 25 } = {}) =>
      runs.filter(({ sequence }) => sequence > after).slice(0, Math.min(limit, 100)),
  }
  expect(newestRuns(runservice).map(({ name, sequence }) => [name, sequence])).toEqual([
    ['a', 249],
    ['b', 250],
  ])
})
