// Real backends, real processes: nothing that was acknowledged is missing or doubled, whoever is killed or stopped.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { newBucket } from '../../../test/support/ceph-server.ts'
import { type Etcd, startEtcd } from '../../../test/support/etcd.ts'
import { type Postgres, startPostgres } from '../../../test/support/postgres.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Json } from '../../lib/json.ts'
import type { ObjectStorageSettings } from '../../objectstorage/open-object-storage.ts'
import { disturb, type RacedServer } from './disturb.ts'
import { prng } from './prng.ts'
import { type RaceOptions, race } from './race.ts'

/** A tenth of it on a machine that does nothing else. */
const patienceMs = 10 * 60_000

let etcd: Etcd
let postgres: Postgres

beforeAll(async () => {
  ;[etcd, postgres] = await Promise.all([startEtcd(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([etcd[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()])
})

const aCephBucket = async (): Promise<ObjectStorageSettings> => ({ type: 's3', ...(await newBucket()) })

const backends = {
  etcd: {
    settings: (place: string) => ({ log: 'etcd', etcd: { endpoints: [etcd.endpoint], prefix: place } }),
    server: () => etcd,
  },
  PostgreSQL: {
    settings: (place: string) => ({ log: 'postgres', postgres: { url: postgres.url, schema: place } }),
    server: () => postgres,
  },
}

// Both at once: they mostly wait.
test.concurrent.each(['etcd', 'PostgreSQL'] as const)(
  '%s: the server is killed and started again, and stands still for longer than a call may take',
  async (name) => {
    const { settings, server } = backends[name]
    const report = await race({
      settings: settings('server'),
      writers: 2,
      largeBytes: 400_000,
      disturb: async ({ writers: [first, second] }) => {
        const both = () => Promise.all([first!.progress(30), second!.progress(30)])
        await both()
        await server().kill()
        await server().start()
        await both()
        server().pause()
        await systemClock.sleep(6000)
        server().resume()
        await both()
      },
    })
    expect(report.acknowledged).toBeGreaterThan(180)
  },
  patienceMs,
)

test.each<[string, () => Json]>([
  ['etcd', () => backends.etcd.settings('writers')],
  ['PostgreSQL', () => backends.PostgreSQL.settings('writers')],
  ['object storage', () => ({ log: 'bucket' })],
])(
  '%s: writers are killed, and one that stood still wakes up after the others went on',
  async (_, settings) => {
    const report = await race({
      settings: settings(),
      writers: 3,
      disturb: async ({ writers: [first, second, third] }) => {
        await Promise.all([first!.progress(15), second!.progress(15), third!.progress(15)])
        third!.pause()
        await first!.progress(30)
        await first!.restart()
        await first!.progress(15)
        third!.resume()
        await second!.restart()
        await Promise.all([second!.progress(30), third!.progress(30)])
      },
    })
    expect(report.acknowledged).toBeGreaterThan(120)
  },
  patienceMs,
)

test.each<[string, () => Promise<Pick<RaceOptions, 'settings' | 'storage'>>]>([
  ['etcd', async () => ({ settings: backends.etcd.settings('collected') })],
  ['PostgreSQL', async () => ({ settings: backends.PostgreSQL.settings('collected') })],
  ['object storage in a directory', async () => ({ settings: { log: 'bucket' } })],
  ['object storage of Ceph', async () => ({ settings: { log: 'bucket' }, storage: await aCephBucket() })],
])(
  '%s: a writer that stood still while what it needs was put into snapshots and collected writes nothing wrong',
  async (_, open) => {
    const report = await race({
      ...(await open()),
      writers: 3,
      makesSnapshots: true,
      disturb: async ({ writers: [first, second, third], collected }) => {
        await Promise.all([first!.progress(15), second!.progress(15), third!.progress(15)])
        third!.pause()
        await Promise.all([collected(), first!.progress(30)])
        third!.resume()
        await Promise.all([first!.progress(15), second!.progress(15), third!.progress(15)])
        await second!.restart()
        await second!.progress(15)
      },
    })
    expect(report.acknowledged).toBeGreaterThan(120)
  },
  patienceMs,
)

// Longer, and on each backend alone: npm run race -- --seconds 60
test.each<[string, () => Promise<Pick<RaceOptions, 'settings' | 'storage'> & { readonly server?: RacedServer }>]>([
  ['etcd', async () => ({ settings: backends.etcd.settings('disturbed'), server: etcd })],
  ['PostgreSQL', async () => ({ settings: backends.PostgreSQL.settings('disturbed'), server: postgres })],
  ['object storage in a directory', async () => ({ settings: { log: 'bucket' } })],
  ['object storage of Ceph', async () => ({ settings: { log: 'bucket' }, storage: await aCephBucket() })],
])(
  '%s: four processes write while they and the server are killed, stopped and started again',
  async (_, open) => {
    const { settings, storage, server } = await open()
    const report = await race({
      settings,
      ...(storage ? { storage } : {}),
      writers: 4,
      disturb: (running) => disturb(running, { ms: 8000, random: prng(1), server }),
    })
    expect(report.acknowledged).toBeGreaterThan(50)
  },
  patienceMs,
)
