// Snapshots of a database with many rows: how much of one is written again after a few changes, and what snapshot, export
// and shipping cost those who commit at the same time. SLIPWAY_BENCH_ROWS sets the number of rows.

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportSnapshot } from '../src/datamanager/export/export-database.ts'
import { type EmbeddedDatabase, openDatabase } from '../src/datamanager/open-database.ts'
import { systemClock } from '../src/lib/clock.ts'
import { newUuid } from '../src/lib/uuid.ts'
import type { ObjectStorage } from '../src/objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { type Figure, figure } from './figure.ts'

const rowsDefault = 500_000
const newRows = 900
const changedRows = 100
const changedAmong = 5000
const commitsPerSecond = 200
/** Of one sample; so many of them with and without the load, in turn by some. */
const loadMs = 4000
const turns = 3
const samplesPerTurn = 5
const snapshotRounds = 15
const never = Number.MAX_SAFE_INTEGER

type Run = { readonly group: string; readonly number: number; readonly text: string }
type Rows = { run: Run }
type Opened = EmbeddedDatabase<Rows>
const types = { run: { indexes: { group: (run: Run) => [run.group], number: (run: Run) => [run.number] } } }
const aRun = (number: number): Run => ({ group: `/project/${number % 40}`, number, text: hex(number).repeat(24) })
/** As hard to compress as ids and hashes are. */
const hex = (number: number) => Math.imul(number, 2654435761).toString(16).padStart(9, '0')

export async function run(): Promise<Figure[]> {
  const count = Number(process.env.SLIPWAY_BENCH_ROWS ?? rowsDefault)
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
    const path = join(folder, 'main.db')
    const snapshots = { records: never, logBytes: never, ms: never }
    await using db = await openDatabase<Rows>({
      path,
      types,
      clock: systemClock,
      storage: { place: { ost, base: 'database/bench' }, snapshots },
    })
    const ids = await fill(db, count)
    return [...(await rewritten(db, ids)), ...(await underLoad(db, { ids, path, ost }))]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function fill(db: Opened, count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) await append(db, ids, Math.min(2000, count - ids.length))
  return ids
}

async function append(db: Opened, ids: string[], count: number): Promise<void> {
  const first = ids.length
  // Each a millisecond after the one before: ids in the order of time.
  for (let number = 0; number < count; number++) ids.push(newUuid(1_800_000_000_000 + first + number))
  await db.do((tx) => {
    for (let number = first; number < first + count; number++) tx.put('run', ids[number]!, aRun(number))
  })
}

async function rewritten(db: Opened, ids: string[]): Promise<Figure[]> {
  await db.upkeep!.snapshot()
  const newest: number[] = []
  const random: number[] = []
  const change = async (among: number, count: number) => {
    await db.do((tx) => {
      for (let n = 0; n < count; n++) {
        const number = ids.length - 1 - Math.floor(Math.random() * among)
        tx.put('run', ids[number]!, { ...aRun(number), group: `/changed/${Math.random()}` })
      }
    })
  }
  const share = async () => {
    const { writtenBytes, bytes } = await db.upkeep!.snapshot()
    return (100 * writtenBytes) / bytes
  }
  for (let round = 0; round < snapshotRounds; round++) {
    await change(changedAmong, changedRows)
    await append(db, ids, newRows)
    newest.push(await share())
  }
  await change(ids.length, newRows + changedRows)
  random.push(await share())
  const bare = (100 * (changedAmong + newRows)) / ids.length
  return [
    figure(
      {
        name: '900 new rows, 100 changed of the newest 5,000: written again',
        unit: '%',
        samples: newest,
        floor: [bare],
      },
      { of: 'value', most: 3 },
    ),
    figure(
      { name: '1,000 changed rows anywhere: written again', unit: '%', samples: random, floor: [bare] },
      { of: 'value', most: 100 },
    ),
  ]
}

async function underLoad(
  db: Opened,
  { ids, path, ost }: { readonly ids: readonly string[]; readonly path: string; readonly ost: ObjectStorage },
): Promise<Figure[]> {
  const alone: Load[] = []
  const together: Load[] = []
  const rates: number[] = []
  await using held = await db.upkeep!.hold()
  for (let turn = 0; turn < turns; turn++) {
    for (let n = 0; n < samplesPerTurn; n++) alone.push(await commitFor(db, ids, path, loadMs))
    const stop = new AbortController()
    let exportedBytes = 0
    const untilStopped = (act: () => Promise<void>) =>
      (async () => {
        while (!stop.signal.aborted) await act()
      })().catch((error: unknown) => {
        if (!stop.signal.aborted) throw error
      })
    const options = { database: 'bench', place: { ost, base: 'database/bench' }, now: Date.now(), signal: stop.signal }
    const exporting = untilStopped(async () => {
      for await (const chunk of exportSnapshot(held.manifest, held.source, options)) exportedBytes += chunk.length
    })
    const snapshots = untilStopped(async () => void (await db.upkeep!.snapshot()))
    for (let n = 0; n < samplesPerTurn; n++) {
      const [before, begun] = [exportedBytes, performance.now()]
      together.push(await commitFor(db, ids, path, loadMs))
      rates.push((exportedBytes - before) / 1e3 / (performance.now() - begun))
    }
    stop.abort()
    await Promise.all([exporting, snapshots])
  }
  const load = 'with snapshot, export and 200 commits/s'
  const of = (read: (load: Load) => number) => ({ samples: together.map(read), floor: alone.map(read) })
  return [
    figure(
      { name: `event loop delay p99.9 ${load}`, unit: 'ms', ...of(({ delayMs }) => delayMs) },
      { of: 'value', most: 20 },
    ),
    figure({ name: `WAL ${load}`, unit: 'MB', ...of(({ walBytes }) => walBytes / 1e6) }, { of: 'value', most: 64 }),
    figure(
      { name: `shipping behind ${load}`, unit: 'ms', ...of(({ behindMs }) => behindMs) },
      { of: 'value', most: 1000 },
    ),
    figure(
      { name: 'export beside snapshot and 200 commits/s', unit: 'MB/s', samples: rates, floor: rates },
      { of: 'value', least: 50 },
    ),
  ]
}

type Load = { readonly delayMs: number; readonly walBytes: number; readonly behindMs: number }

async function commitFor(db: Opened, ids: readonly string[], path: string, ms: number): Promise<Load> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const commits: Promise<unknown>[] = []
  let walBytes = 0
  let behindMs = 0
  const begun = performance.now()
  for (let number = 0; performance.now() - begun < ms; number++) {
    const id = ids[Math.floor(Math.random() * ids.length)]!
    commits.push(db.do((tx) => tx.put('run', id, { ...aRun(number), group: `/busy/${Math.random()}` })))
    if (existsSync(`${path}-wal`)) walBytes = Math.max(walBytes, statSync(`${path}-wal`).size)
    behindMs = Math.max(behindMs, db.upkeep!.lag.waitingMs)
    const due = begun + ((number + 1) * 1000) / commitsPerSecond
    await sleep(Math.max(0, due - performance.now()))
  }
  await Promise.all(commits)
  delay.disable()
  // What the timer itself waits is no delay.
  return { delayMs: Math.max(0, delay.percentile(99.9) / 1e6 - 1), walBytes, behindMs }
}
