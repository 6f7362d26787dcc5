// Commits of the embedded database, beside a hand-written loop.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedDatabase, openDatabase } from '../src/datamanager/open-database.ts'
import { systemClock } from '../src/lib/clock.ts'
import { commit, commitOne, latencies, type Rows, rateOf, someRows, types } from './commits.ts'
import { type Figure, figure } from './figure.ts'
import { type FloorRow, SqliteCommits } from './floors/sqlite-commits.ts'

const sampleCount = 15
/** Commits of one sample. */
const commitsAlone = 300
const commitsTogether = 1920
const callersTogether = 64
const latencyMs = 1000

export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    await using db = await openDatabase<Rows>({ path: join(folder, 'ours.db'), types, clock: systemClock })
    using floor = new SqliteCommits(join(folder, 'floor.db'))
    return await measure(db, floor)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measure(db: EmbeddedDatabase<Rows>, floor: SqliteCommits): Promise<Figure[]> {
  const alone = { samples: [] as number[], floor: [] as number[] }
  const together = { samples: [] as number[], floor: [] as number[] }
  const perSync = { samples: [] as number[], floor: [] as number[] }
  const late = { samples: [] as number[], floor: [] as number[] }
  const tail = { samples: [] as number[], floor: [] as number[] }
  for (let round = -2; round < sampleCount; round++) {
    const ours = await rate(commitsAlone, (rows) => commit(db, rows, 1))
    const bare = await rate(commitsAlone, (rows) => commitBare(floor, rows, 1))
    const before = db.position
    const oursTogether = await rate(commitsTogether, (rows) => commit(db, rows, callersTogether))
    const records = db.position - before
    const bareTogether = await rate(commitsTogether, (rows) => commitBare(floor, rows, callersTogether))
    const half = await latencies((row) => commitOne(db, row), oursTogether / 2, latencyMs)
    const bareHalf = await latencies((row) => floor.commitSoon(row), bareTogether / 2, latencyMs)
    if (round < 0) continue // Warms up.
    alone.samples.push(ours)
    alone.floor.push(bare)
    together.samples.push(oursTogether)
    together.floor.push(bareTogether)
    perSync.samples.push(commitsTogether / records)
    perSync.floor.push(callersTogether)
    late.samples.push(half.p99)
    late.floor.push(half.median)
    tail.samples.push(half.p99 / half.median)
    tail.floor.push(bareHalf.p99 / bareHalf.median)
  }
  const unit = 'commits/s'
  return [
    figure({ name: 'commits, 1 caller', unit, ...alone }, { of: 'ratio', least: 0.8 }),
    figure({ name: 'commits, 64 callers', unit, ...together }, { of: 'ratio', least: 0.6 }),
    figure({ name: 'commits per fsync, 64 callers', unit: 'commits', ...perSync }, { of: 'value', least: 40 }),
    figure({ name: 'p99 of a commit at half load, against the median', unit: 'ms', ...late }, { of: 'ratio', most: 5 }),
    figure({ name: 'p99 over median at half load, against the loop', unit: '', ...tail }, { of: 'ratio', most: 1 }),
  ]
}

function rate(count: number, act: (rows: readonly FloorRow[]) => Promise<void> | void): Promise<number> {
  const rows = someRows(count)
  return rateOf(count, () => act(rows))
}

function commitBare(floor: SqliteCommits, rows: readonly FloorRow[], batch: number): void {
  for (let first = 0; first < rows.length; first += batch) floor.commit(rows.slice(first, first + batch))
}
