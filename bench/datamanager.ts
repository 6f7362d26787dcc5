// Commits of the embedded database: rows of 300 bytes in a type with two indexes, each a closure that reads, checks, writes.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedDatabase, openDatabase } from '../src/datamanager/open-database.ts'
import { systemClock } from '../src/lib/clock.ts'
import { type Figure, figure } from './figure.ts'
import { type FloorRow, SqliteCommits } from './floors/sqlite-commits.ts'

const sampleCount = 15
/** Commits of one sample. */
const commitsAlone = 300
const commitsTogether = 1920
const callersTogether = 64
const rowBytes = 300

type Rows = { run: FloorRow }
const types = {
  run: { indexes: { group: (run: FloorRow) => [run.group], number: (run: FloorRow) => [run.number] } },
}

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
  for (let round = -2; round < sampleCount; round++) {
    const ours = await perSecond(commitsAlone, (rows) => commit(db, rows, 1))
    const bare = await perSecond(commitsAlone, (rows) => commitBare(floor, rows, 1))
    const before = db.position
    const oursTogether = await perSecond(commitsTogether, (rows) => commit(db, rows, callersTogether))
    const records = db.position - before
    const bareTogether = await perSecond(commitsTogether, (rows) => commitBare(floor, rows, callersTogether))
    if (round < 0) continue // Warms up.
    alone.samples.push(ours)
    alone.floor.push(bare)
    together.samples.push(oursTogether)
    together.floor.push(bareTogether)
    perSync.samples.push(commitsTogether / records)
    perSync.floor.push(callersTogether)
  }
  const unit = 'commits/s'
  return [
    figure({ name: 'commits, 1 caller', unit, ...alone }, { of: 'ratio', least: 0.8 }),
    figure({ name: 'commits, 64 callers', unit, ...together }, { of: 'ratio', least: 0.6 }),
    figure({ name: 'commits per fsync, 64 callers', unit: 'commits', ...perSync }, { of: 'value', least: 40 }),
  ]
}

let rowNumber = 0

async function perSecond(count: number, act: (rows: readonly FloorRow[]) => Promise<void> | void): Promise<number> {
  const rows = Array.from({ length: count }, () => aRow(++rowNumber))
  const start = performance.now()
  await act(rows)
  return (count * 1000) / (performance.now() - start)
}

/** Ids grow, as UUIDv7 do. */
function aRow(number: number): FloorRow {
  const row = { id: `run ${String(number).padStart(10, '0')}`, group: `/project/${number % 50}/main`, number, pad: '' }
  return { ...row, pad: 'x'.repeat(rowBytes - JSON.stringify(row).length) }
}

async function commit(db: EmbeddedDatabase<Rows>, rows: readonly FloorRow[], callers: number): Promise<void> {
  let next = 0
  const call = async () => {
    for (let row = rows[next++]; row; row = rows[next++]) {
      const body = row
      await db.do((tx) => {
        if (tx.get('run', body.id)) throw new Error('the row exists')
        tx.put('run', body.id, body)
      })
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}

function commitBare(floor: SqliteCommits, rows: readonly FloorRow[], batch: number): void {
  for (let first = 0; first < rows.length; first += batch) floor.commit(rows.slice(first, first + batch))
}
