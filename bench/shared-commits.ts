// Commits over a log in etcd and in PostgreSQL, beside single puts and one-row inserts of the same bytes by as many callers.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EtcdChangeLog } from '../src/datamanager/log/etcd/etcd-log.ts'
import { PostgresChangeLog } from '../src/datamanager/log/postgres/postgres-log.ts'
import { openLogDatabase } from '../src/datamanager/open-log-database.ts'
import { systemClock } from '../src/lib/clock.ts'
import { EtcdClient } from '../src/lib/etcd/client.ts'
import { PostgresClient } from '../src/lib/postgres.ts'
import { startEtcd } from '../test/support/etcd.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { commit, commitOne, latencies, type Rows, rateOf, someRows, types } from './commits.ts'
import { type Figure, figure } from './figure.ts'
import { EtcdPuts } from './floors/etcd-puts.ts'
import { PostgresInserts } from './floors/postgres-inserts.ts'
import type { FloorRow } from './floors/sqlite-commits.ts'

const sampleCount = 15
const commitsOfOurs = 1920
const commitsOfFloor = 640
const callers = 64
const latencyMs = 1000
const identity = { store: 'bench-store', generation: 'bench-generation' }

type Shared = Awaited<ReturnType<typeof openLogDatabase<Rows>>>
type Bare = {
  all(values: readonly Uint8Array[], prefix: string): Promise<void>
  one(value: Uint8Array, name: string): Promise<void>
}

export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  const open = (name: string, log: Parameters<typeof openLogDatabase>[0]['log']) =>
    openLogDatabase<Rows>({
      ...{ path: join(folder, `${name}.db`), types, clock: systemClock, instanceId: 'bench' },
      ...{ log, identity },
    })
  try {
    await using etcd = await startEtcd()
    await using client = await EtcdClient.open({ endpoints: [etcd.endpoint] }, systemClock)
    await using overEtcd = await open('etcd', new EtcdChangeLog({ client, prefix: 'bench/', clock: systemClock }))
    using puts = new EtcdPuts(new URL(etcd.endpoint).host)
    const figures = await measure('etcd', overEtcd, {
      all: (values, prefix) => puts.put(values, prefix, callers),
      one: (value, name) => puts.putOne(name, value),
    })

    await using postgres = await startPostgres()
    await using connection = await PostgresClient.open({ url: postgres.url })
    const log = await PostgresChangeLog.open({ client: connection, schema: 'bench', clock: systemClock })
    await using overPostgres = await open('postgres', log)
    await using inserts = await PostgresInserts.open(postgres.url, callers)
    return [
      ...figures,
      ...(await measure('PostgreSQL', overPostgres, {
        all: (values, prefix) => inserts.insert(values, prefix),
        one: (value, name) => inserts.insertOne(name, value),
      })),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measure(name: string, db: Shared, bare: Bare): Promise<Figure[]> {
  const together = { samples: [] as number[], floor: [] as number[] }
  const late = { samples: [] as number[], floor: [] as number[] }
  const tail = { samples: [] as number[], floor: [] as number[] }
  for (let round = -2; round < sampleCount; round++) {
    const rows = someRows(commitsOfOurs)
    const ours = await rateOf(rows.length, () => commit(db, rows, callers))
    const values = someRows(commitsOfFloor).map(encoded)
    const floor = await rateOf(values.length, () => bare.all(values, `floor ${round} `))
    const half = await latencies((row) => commitOne(db, row), ours / 2, latencyMs)
    const bareHalf = await latencies((row) => bare.one(encoded(row), `one ${row.id}`), floor / 2, latencyMs)
    if (round < 0) continue // Warms up.
    together.samples.push(ours)
    together.floor.push(floor)
    late.samples.push(half.p99)
    late.floor.push(half.median)
    tail.samples.push(half.p99 / half.median)
    tail.floor.push(bareHalf.p99 / bareHalf.median)
  }
  return [
    figure({ name: `${name}: commits, 64 callers`, unit: 'commits/s', ...together }, { of: 'ratio', least: 4 }),
    figure(
      { name: `${name}: p99 of a commit at half load, against the median`, unit: 'ms', ...late },
      { of: 'ratio', most: 5 },
    ),
    figure(
      { name: `${name}: p99 over median at half load, against single writes`, unit: '', ...tail },
      { of: 'ratio', most: 1 },
    ),
  ]
}

function encoded(row: FloorRow): Buffer {
  return Buffer.from(JSON.stringify(row))
}
