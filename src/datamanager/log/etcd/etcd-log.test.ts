import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Etcd, startEtcd } from '../../../../test/support/etcd.ts'
import { systemClock } from '../../../lib/clock.ts'
import { EtcdClient, prefixEnd } from '../../../lib/etcd/client.ts'
import { silentLogger } from '../../../lib/log.ts'
import { until } from '../../../lib/until-fixture.ts'
import { changeLogContract } from '../../change-log-contract.ts'
import { openLogDatabase } from '../../open-log-database.ts'
import { serverLogContract } from '../server-log-contract.ts'
import { EtcdChangeLog } from './etcd-log.ts'

let etcd: Etcd
let logs = 0

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd[Symbol.asyncDispose]())

/** Two writers with a connection each. */
async function openTwo(prefix = `log ${++logs}/`) {
  const stack = new AsyncDisposableStack()
  const open = async () => {
    const client = stack.use(await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock))
    return stack.use(new EtcdChangeLog({ client, prefix, clock: systemClock }))
  }
  const client = stack.use(await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock))
  return {
    logs: [await open(), await open()] as const,
    damage: async (position: number) => {
      const key = `${prefix}log/${position.toString(16).padStart(16, '0')}`
      const [entry] = await client.range({ key })
      entry!.value[entry!.value.length - 3]! ^= 1
      await client.transact({ compare: [], success: [{ kind: 'put', key, value: entry!.value }] })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

changeLogContract('etcd', openTwo)

serverLogContract('etcd', async () => {
  const prefix = `log ${++logs}/`
  const stack = new AsyncDisposableStack()
  const client = stack.use(await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock))
  const all = { key: prefix, end: prefixEnd(prefix) }
  return {
    port: Number(new URL(etcd.endpoint).port),
    joinAt: async (port) => {
      const settings = { endpoints: [`http://127.0.0.1:${port}`], callMs: 1000 }
      const other = stack.use(await EtcdClient.open(settings, systemClock))
      return stack.use(new EtcdChangeLog({ client: other, prefix, clock: systemClock }))
    },
    join: async (payloads) =>
      stack.use(new EtcdChangeLog({ client, prefix, clock: systemClock, ...(payloads ? { payloads } : {}) })),
    storedBytes: async () => {
      const entries = await client.range(all)
      return entries.reduce((sum, { value }) => sum + value.length, 0)
    },
    goBack: async (record) => {
      const { position, hash } = record ?? { position: 0, hash: '' }
      const name = (number: number) => number.toString(16).padStart(16, '0')
      const key = `${prefix}head`
      await client.transact({
        compare: [],
        success: [
          record ? { kind: 'put', key, value: Buffer.from(`${name(position)} ${hash}`) } : { kind: 'delete', key },
          { kind: 'delete', key: `${prefix}log/${name(position + 1)}`, end: `${prefix}log0` },
        ],
      })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

test('while etcd has no space left nothing is lost or shown too early, and writers go on when it has', async () => {
  await using small = await startEtcd({ quotaBytes: 400_000 })
  const etcdctl = (...args: string[]) =>
    execFileSync('etcdctl', ['--endpoints', small.endpoint, ...args], {
      env: { ...process.env, ETCDCTL_API: '3' },
      encoding: 'utf8',
    })
  const folder = mkdtempSync(join(tmpdir(), 'slipway-full-'))
  try {
    await using client = await EtcdClient.open({ endpoints: [small.endpoint] }, systemClock)
    await using log = new EtcdChangeLog({ client, prefix: 'full/', clock: systemClock })
    const warned: string[] = []
    await using db = await openLogDatabase<{ box: { readonly text: string } }>({
      ...{ path: join(folder, 'model.db'), types: { box: {} }, clock: systemClock, instanceId: 'one', log },
      ...{ identity: { store: 'store', generation: 'generation' } },
      logger: { ...silentLogger, warn: (message) => void warned.push(message) },
    })
    let acknowledged = 0
    let isEnough = false
    const writing = (async () => {
      while (!isEnough) {
        await db.do((tx) => tx.put('box', 'a', { text: `${acknowledged + 1} `.repeat(10_000) }))
        acknowledged++
      }
    })()
    await until(() => warned.includes('nothing can be written to the change log'))
    expect(acknowledged).toBeGreaterThan(0)
    expect(db.view((tx) => tx.get('box', 'a')?.text.split(' ')[0])).toBe(String(acknowledged))

    isEnough = true
    const before = acknowledged
    await log.collect(db.position - 1)
    const [status] = JSON.parse(etcdctl('endpoint', 'status', '--write-out', 'json'))
    etcdctl('compact', String(status.Status.header.revision))
    etcdctl('defrag')
    etcdctl('alarm', 'disarm')
    await writing
    expect(acknowledged).toBe(before + 1)
    expect(db.position).toBe(acknowledged)
    expect(db.view((tx) => tx.get('box', 'a')?.text.split(' ')[0])).toBe(String(acknowledged))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
