// Every process of an installation is watched by itself.

import { expect, test } from 'vitest'
import { startEtcd } from '../support/etcd.ts'
import { ProcessGroup } from './process-group.ts'

test('each process answers probes, and tells the metrics of its own components', { timeout: 180_000 }, async () => {
  await using etcd = await startEtcd()
  const counts = { gateways: 1, configstores: 1, runservices: 1, notifications: 1, executors: 0 }
  await using group = await ProcessGroup.start(counts, etcd)
  for (const [name, database] of [
    ['configstore-1', 'configstore'],
    ['runservice-1', 'runservice'],
    ['notification-1', 'notification'],
    ['gateway-1', 'gateway'],
  ] as const) {
    for (const probe of ['healthz', 'readyz']) {
      const answer = await fetch(`${group.urlOf(name)}/${probe}`)
      expect([name, probe, answer.status]).toEqual([name, probe, 200])
    }
    const metrics = await (await fetch(`${group.urlOf(name)}/metrics`)).text()
    expect(metrics).toMatch(new RegExp(`^slipway_database_position\\{database="${database}"\\} \\d+$`, 'm'))
    expect(metrics).toContain('slipway_build_info{version=')
  }
  const waiting = async (name: string) => await (await fetch(`${group.urlOf(name)}/metrics`)).text()
  expect(await waiting('notification-1')).toContain('slipway_work_waiting{kind="notification"} 0')
  expect(await waiting('gateway-1')).not.toContain('kind="notification"')
})
