import { afterAll, beforeAll } from 'vitest'
import { type Etcd, startEtcd } from '../../../../test/support/etcd.ts'
import { systemClock } from '../../../lib/clock.ts'
import { EtcdClient, prefixEnd } from '../../../lib/etcd/client.ts'
import { changeLogContract } from '../../change-log-contract.ts'
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
