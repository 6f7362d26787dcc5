// Two gateways, two configstores, two runservices and three executors on one etcd and one object storage, killed at random. More runs
// with `node test/server/long-day.ts RUNS SEED`.

import { expect, test } from 'vitest'
import { startEtcd } from '../support/etcd.ts'
import { spendDay } from './day-of-work.ts'
import { ProcessGroup } from './process-group.ts'
import { seededRandom } from './seeded-random.ts'

test('whatever was accepted ends well and once, while processes are killed', { timeout: 300_000 }, async () => {
  await using etcd = await startEtcd()
  await using group = await ProcessGroup.start({ gateways: 2, configstores: 2, runservices: 2, executors: 3 }, etcd)
  const report = await spendDay(group, { runs: 50, killEveryMs: 400, random: seededRandom(20261122) })
  expect(report.wrong).toEqual([])
  expect(report.accepted).toBe(50)
  expect(report.kills).toBeGreaterThan(4)
})
