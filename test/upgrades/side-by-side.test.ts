// A version and the next one work side by side for a scripted day. More runs with `node test/upgrades/long-rolling-day.ts RUNS SEED`.

import { expect, test } from 'vitest'
import { seededRandom } from '../server/seeded-random.ts'
import { spendRollingDay } from './rolling-day.ts'

test('a version takes the place of another while people work and processes are killed', {
  timeout: 1_200_000,
}, async () => {
  const report = await spendRollingDay({ runs: 20, killEveryMs: 1500, random: seededRandom(20261123) })
  expect(report.wrong).toEqual([])
  expect(report.accepted).toBe(20)
  expect(report.kills).toBeGreaterThan(1)
  // Services of both have written runs.
  expect(Math.min(report.runsOfNext, report.runsOfOld)).toBeGreaterThan(0)
})
