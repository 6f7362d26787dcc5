// A process, the server of its log and its read model are gone at once, in the middle of some 200 commits a second: what the
// bucket still has. The embedded database: snapshot/lost-disk.test.ts.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { startEtcd } from '../../../test/support/etcd.ts'
import { startPostgres } from '../../../test/support/postgres.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Json } from '../../lib/json.ts'
import { silentLogger } from '../../lib/log.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabaseBackend } from '../database-config.ts'
import { openDatabase } from '../open-database.ts'
import { openLogDatabase } from '../open-log-database.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import { restoreDatabase } from '../snapshot/restore.ts'
import { type LostRows, lostBase, lostIdentity, lostService, lostTypes } from './losing-rows.ts'

const commits = 400
/** Milliseconds of acknowledged commits that may be missing when the log was not in the bucket. */
const lostMsMax = 2000

type Server = AsyncDisposable & { readonly settings: Json }

/** When each number was acknowledged, in milliseconds. */
async function loseEverything(server: Server, folder: string): Promise<number[]> {
  const program = join(import.meta.dirname, 'losing-process.ts')
  const args = [program, JSON.stringify(server.settings), join(folder, 'lost.db'), join(folder, 'storage')]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const acknowledged: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line.split(' ')[1]))
    if (acknowledged.length === commits) child.kill('SIGKILL')
  }
  await exited
  await server[Symbol.asyncDispose]()
  return acknowledged
}

const place = (ost: ObjectStorage) => ({ ost, base: `${lostBase}/${lostService}` })

/** The numbers of the rows that are found with nothing but the bucket. */
async function findShipped(ost: ObjectStorage, folder: string): Promise<number[]> {
  const path = join(folder, 'found.db')
  const common = { path, types: lostTypes, identity: lostIdentity, logger: silentLogger, isEmbedded: true }
  await restoreDatabase({ ...common, place: place(ost), firstContentHash: emptyContentHash })
  await using db = await openDatabase<LostRows>({ path, types: lostTypes, clock: systemClock })
  expect(db.verify().problems).toEqual([])
  return db.view((tx) => tx.list('line')).map(({ body }) => body.n)
}

async function findLogged(ost: ObjectStorage, folder: string): Promise<number[]> {
  const components = { storage: ost, base: lostBase, clock: systemClock }
  await using backend = await openDatabaseBackend({ log: 'bucket' }, components)
  const log = await backend.openLog(lostService, lostIdentity)
  await using db = await openLogDatabase<LostRows>({
    ...{ path: join(folder, 'found.db'), types: lostTypes, clock: systemClock, instanceId: 'judge' },
    ...{ log: log!, identity: lostIdentity, shipsLog: false, storage: { place: place(ost) } }, // a bucket log is shared
  })
  return db.view((tx) => tx.list('line')).map(({ body }) => body.n)
}

test.each<[string, number, () => Promise<Server>, typeof findShipped]>([
  [
    'etcd',
    lostMsMax,
    async () => {
      const server = await startEtcd()
      return Object.assign(server, { settings: { log: 'etcd', etcd: { endpoints: [server.endpoint] } } })
    },
    findShipped,
  ],
  [
    'PostgreSQL',
    lostMsMax,
    async () => {
      const server = await startPostgres()
      return Object.assign(server, { settings: { log: 'postgres', postgres: { url: server.url } } })
    },
    findShipped,
  ],
  [
    'a log in the bucket, with snapshots and collection',
    0,
    async () => ({ settings: { log: 'bucket' }, [Symbol.asyncDispose]: async () => {} }),
    findLogged,
  ],
])(
  '%s: when everything but the bucket is lost, what is missing is the end, of at most %d ms',
  async (_, lostMs, start, find) => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-everything-'))
    try {
      const acknowledged = await loseEverything(await start(), folder)
      await using ost = await openPosixObjectStorage({ root: join(folder, 'storage') })
      const numbers = await find(ost, folder)
      expect(numbers).toEqual(numbers.map((_, at) => at))
      const lostAt = acknowledged.at(-1)!
      for (const at of acknowledged.slice(numbers.length)) expect(lostAt - at).toBeLessThan(lostMs)
      expect(numbers.length).toBeGreaterThan(0)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
