import { expect, test } from 'vitest'
import { startEtcdCluster } from '../../../test/support/etcd-cluster.ts'
import { race } from './race.ts'

test('writers to an etcd of three members go on when the leader is killed, the lead moves, and a member is replaced', async () => {
  await using cluster = await startEtcdCluster()
  const report = await race({
    settings: { log: 'etcd', etcd: { endpoints: [...cluster.endpoints] } },
    writers: 2,
    disturb: async ({ writers }) => {
      const everybody = () => Promise.all(writers.map((writer) => writer.progress(10)))
      await everybody()
      const killed = await cluster.kill('leader')
      await everybody()
      await cluster.start(killed)
      cluster.moveLeader()
      await everybody()
      await cluster.replace('follower')
      await everybody()
      await cluster.replace('leader')
      await everybody()
    },
  })
  expect(report.acknowledged).toBeGreaterThan(100)
}, 600_000)
