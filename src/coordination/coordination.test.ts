import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { type Etcd, startEtcd } from '../../test/support/etcd.ts'
import { type Postgres, startPostgres } from '../../test/support/postgres.ts'
import { systemClock } from '../lib/clock.ts'
import { EtcdClient } from '../lib/etcd/client.ts'
import { PostgresClient } from '../lib/postgres.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { BucketCoordination } from './bucket.ts'
import { coordinationContract } from './coordination-contract.ts'
import { EtcdCoordination } from './etcd.ts'
import { LocalCoordination, LocalMeeting } from './local.ts'
import { PostgresCoordination } from './postgres.ts'

let etcd: Etcd
let postgres: Postgres
let meetings = 0

beforeAll(async () => {
  ;[etcd, postgres] = await Promise.all([startEtcd(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([etcd[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()])
})

coordinationContract('in one process', {
  hasLocks: true,
  expires: false,
  open: async () => {
    const meeting = new LocalMeeting()
    return { join: async (clock) => new LocalCoordination(clock, meeting), [Symbol.asyncDispose]: async () => {} }
  },
})

coordinationContract('etcd', {
  expireMs: 2000, // etcd's leases live that long at least
  hasLocks: true,
  expires: true,
  open: async (timing) => {
    const client = await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock)
    const prefix = `meeting ${++meetings}/`
    return {
      join: async (clock) => new EtcdCoordination({ client, prefix, clock, timing }),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    }
  },
})

coordinationContract('PostgreSQL', {
  hasLocks: true,
  expires: true,
  open: async (timing) => {
    const client = await PostgresClient.open({ url: postgres.url })
    const schema = `meeting ${++meetings}`
    return {
      join: (clock) => PostgresCoordination.open({ client, schema, clock, timing }),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    }
  },
})

coordinationContract('object storage', {
  hasLocks: false,
  expires: true,
  open: async (timing) => {
    const root = mkdtempSync(join(tmpdir(), 'slipway-meeting-'))
    const storage = await openPosixObjectStorage({ root })
    return {
      join: async (clock) => new BucketCoordination({ storage, prefix: 'base/', clock, timing }),
      async [Symbol.asyncDispose]() {
        await storage[Symbol.asyncDispose]()
        rmSync(root, { recursive: true })
      },
    }
  },
})

test('a lock in etcd whose lease was revoked is told to be lost', async () => {
  await using client = await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock)
  const timing = { renewMs: 100, expireMs: 2000 }
  await using coordination = new EtcdCoordination({ client, prefix: 'revoked/', clock: systemClock, timing })
  await using lock = await coordination.tryLock('work')
  const lost = new Promise((resolve) => lock!.lost.addEventListener('abort', resolve, { once: true }))
  const [entry] = await client.range({ key: 'revoked/lock/work' })
  await client.revokeLease(entry!.lease)
  await lost
})
