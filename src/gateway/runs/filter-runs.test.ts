import { expect, test } from 'vitest'
import type { FindRunsQuery, RunEntry, RunRow } from '../../runservice/api.ts'
import { filterRuns, type RunTextFilter } from './filter-runs.ts'

/** The newest first; of those with a number below `hotFrom` only the entry is at hand. */
function runsOf(count: number, hotFrom = 0) {
  const entries = Array.from({ length: count }, (_, at) => {
    const counter = count - at
    return { id: `r${counter}`, counter, name: 'build', group: `/project/p/branch/b${counter % 3}` } as RunEntry
  })
  const annotations = (counter: number) => ({
    message: counter % 10 === 0 ? 'Fix the lock' : 'Other',
    webhook_sender: counter % 2 === 0 ? 'ann' : 'bob',
    commit_sha: `sha${counter}`,
  })
  return {
    findRuns: async ({ cursor = '0', limit = 25 }: FindRunsQuery = {}) => {
      const from = Number(cursor)
      const isMore = from + limit < entries.length
      return { runs: entries.slice(from, from + limit), position: 1, ...(isMore ? { next: String(from + limit) } : {}) }
    },
    runRows: async (ids: readonly string[]) =>
      ids.flatMap((id) => {
        const counter = Number(id.slice(1))
        return counter < hotFrom ? [] : [{ run: { id, annotations: annotations(counter) } } as unknown as RunRow]
      }),
  }
}

test.each<[RunTextFilter, number[]]>([
  [{ text: 'fix the LOCK' }, [30, 20, 10]],
  [{ text: 'fix', author: 'bob' }, []],
  [{ text: '#7' }, [7]],
  [{ text: 'sha29' }, [29]],
  [{ text: 'b2', author: 'ann' }, [26, 20, 14, 8, 2]],
])('runs with %o', async (filter, expected) => {
  const { runs, next } = await filterRuns(runsOf(30), {}, filter)
  expect(runs.map(({ counter }) => counter)).toEqual(expected)
  expect(next).toBeUndefined()
})

test('pages go on where the one before ended, and none is found twice', async () => {
  const all: number[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await filterRuns(
      runsOf(95),
      { limit: 3, ...(cursor === undefined ? {} : { cursor }) },
      { text: 'fix' },
    )
    expect(page.runs.length).toBeLessThanOrEqual(3)
    all.push(...page.runs.map(({ counter }) => counter))
    if (page.next === undefined) break
    cursor = page.next
  }
  expect(all).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10])
})

test('of runs that ended long ago name, number and branch are looked at', async () => {
  const { runs } = await filterRuns(runsOf(30, 15), {}, { text: 'fix' })
  expect(runs.map(({ counter }) => counter)).toEqual([30, 20])
  expect((await filterRuns(runsOf(30, 15), {}, { text: 'b1' })).runs).toHaveLength(10)
})
