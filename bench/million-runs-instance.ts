// The instance of million-runs.ts: opens the database without a file of its own and measures. Prints one JSON object.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportSnapshot } from '../src/datamanager/export/export-database.ts'
import { importDatabase } from '../src/datamanager/export/import-database.ts'
import { openDatabase } from '../src/datamanager/open-database.ts'
import { contentHashOf } from '../src/datamanager/snapshot/data-file.ts'
import type { StoragePlace } from '../src/datamanager/snapshot/keys.ts'
import { countOf } from '../src/datamanager/snapshot/manifest.ts'
import { systemClock } from '../src/lib/clock.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import type { FindRunsQuery } from '../src/runservice/api.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../src/runservice/row-types.ts'
import { findRuns } from '../src/runservice/runs/find-runs.ts'
import { loadTasks } from '../src/runservice/stimulus.ts'
import { seededRandom } from './inputs/random.ts'
import { base } from './million-runs.ts'

type Measured = { readonly samples: readonly number[]; readonly floor: readonly number[] }
export type InstanceMeasures = {
  readonly start: Measured
  readonly sizeMb: Measured
  readonly memoryMb: Measured
  readonly lists: readonly (Measured & { readonly name: string })[]
  readonly bodies: Measured
  readonly exported: Measured
  readonly imported: Measured
  /** Memory after each part of the last third that was exported, and of the first. */
  readonly exportingMb: Measured
}

/** Samples of each figure; those of a page or a run are the 99th percentiles of so many of them. */
const rounds = 15
const pagesPerRound = 200
const bodiesPerRound = 100
/** Files of 16 MiB of rows that are exported in one sample, and imported. */
const filesExported = 10
const filesImported = 3

async function measure(folder: string): Promise<InstanceMeasures> {
  const path = join(folder, 'instance.db')
  await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const files = filesOf(folder)
  const indexes = files.filter((name) => name.endsWith('.index'))
  const place = { ost, base }
  const start: { samples: number[]; floor: number[] } = { samples: [], floor: [] }
  const opening = async () => {
    const begun = performance.now()
    const db = await open(path, place)
    start.samples.push((performance.now() - begun) / 1000)
    start.floor.push(timed(() => readHashed(indexes)) / 1000)
    return db
  }
  // Instances are opened once: what this one needs is measured before it is opened again and again.
  const measured = await measureOpened(await opening(), { path, place, indexes, files, folder })
  for (let round = 1; round < rounds; round++) await (await opening())[Symbol.asyncDispose]()
  return { start, ...measured }
}

async function measureOpened(
  opened: Db,
  {
    path,
    place,
    indexes,
    files,
    folder,
  }: {
    readonly path: string
    readonly place: StoragePlace
    readonly indexes: readonly string[]
    readonly files: readonly string[]
    readonly folder: string
  },
): Promise<Omit<InstanceMeasures, 'start'>> {
  await using db = opened
  const lists = queries.map(({ name, query }) => ({ name, ...measureLists(db, path, query) }))
  const bodies = await measureBodies(db, folder)
  const memory = process.memoryUsage().rss / 1e6
  const bytes = statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  return {
    sizeMb: { samples: [bytes / 1e6], floor: [readHashed(indexes) / 1e6] },
    memoryMb: { samples: [memory], floor: [memory] },
    lists,
    bodies,
    ...(await measureExport(db, { place, files, folder })),
  }
}

/** A new instance: a file that is there is removed. */
async function open(path: string, place: StoragePlace) {
  for (const end of ['', '-wal', '-shm', '.owner', '.lock']) rmSync(`${path}${end}`, { force: true })
  return await openDatabase<RunserviceSchema>({
    path,
    types: runserviceRowTypes,
    clock: systemClock,
    storage: { place, snapshots: { records: 1e12, ms: 1e15, logBytes: 1e15 } },
  })
}

function readHashed(files: readonly string[]): number {
  let bytes = 0
  for (const file of files) {
    const content = readFileSync(file)
    createHash('sha256').update(content).digest()
    bytes += content.length
  }
  return bytes
}

const random = seededRandom(7)
/** Projects with small numbers have most of the runs. */
const aGroup = () => `/project/p${Math.floor(300 * random() ** 3)}/branch/main`
const aTime = () => 1_700_000_000_000 + random() * 60_000 * 1_000_000
const queries: readonly { readonly name: string; readonly query: () => FindRunsQuery }[] = [
  { name: 'one group', query: () => ({ group: aGroup() }) },
  { name: 'one group, failed', query: () => ({ group: aGroup(), results: ['failed'] }) },
  {
    name: 'a project, somewhere in the middle',
    query: () => ({ group: aGroup().split('/').slice(0, 3).join('/'), isSubtree: true, before: aTime() }),
  },
  { name: 'all, oldest first, failed', query: () => ({ results: ['failed'], from: aTime(), oldestFirst: true }) },
  { name: 'by number', query: () => ({ group: aGroup(), counter: Math.ceil(random() * 1000) }) },
]

type Db = Awaited<ReturnType<typeof openDatabase<RunserviceSchema>>>

function measureLists(db: Db, path: string, query: () => FindRunsQuery): Measured {
  const raw = new DatabaseSync(path, { readOnly: true })
  const select = raw.prepare('SELECT * FROM family WHERE number >= ? ORDER BY number LIMIT 25')
  const measured: { samples: number[]; floor: number[] } = { samples: [], floor: [] }
  for (let round = 0; round < rounds; round++) {
    const [times, floor]: [number[], number[]] = [[], []]
    for (let n = 0; n < pagesPerRound; n++) {
      const asked = query()
      times.push(timed(() => findRuns(db, asked)))
      floor.push(timed(() => select.all(Math.floor(random() * 1_000_000))))
    }
    measured.samples.push(percentile(times, 0.99))
    measured.floor.push(percentile(floor, 0.99))
  }
  raw.close()
  return measured
}

async function measureBodies(db: Db, folder: string): Promise<Measured> {
  const entries = Array.from({ length: rounds * bodiesPerRound }, () =>
    findRuns(db, { from: aTime(), oldestFirst: true, limit: 1 }),
  )
  const ids = entries.flatMap(({ runs }) => runs.map(({ id }) => id))
  const data = filesOf(folder).filter((name) => name.endsWith('.rows'))
  const buffer = Buffer.alloc(16 * 1024)
  const [times, floor]: [number[], number[]] = [[], []]
  for (const id of ids) {
    const begun = performance.now()
    await db.read((tx) => [tx.get('run', id), loadTasks(tx, id)])
    times.push(performance.now() - begun)
    const file = data[Math.floor(random() * data.length)]!
    floor.push(
      timed(() => {
        const fd = openSync(file, 'r')
        readSync(fd, buffer, 0, buffer.length, 0)
        closeSync(fd)
      }),
    )
  }
  return { samples: percentilesOf(times), floor: percentilesOf(floor) }
}

/**
 * Exports and imports of a few files at a time: an export takes a pass over the files for each type, so that it is as fast for
 * all of them. An import counts until the database that was imported is open.
 */
async function measureExport(
  db: Db,
  {
    place,
    files,
    folder,
  }: { readonly place: StoragePlace; readonly files: readonly string[]; readonly folder: string },
): Promise<Pick<InstanceMeasures, 'exported' | 'imported' | 'exportingMb'>> {
  await using held = await db.upkeep!.hold()
  const { manifest, source } = held
  const options = { database: 'bench', place, signal: new AbortController().signal }
  const rows = files.filter((name) => name.endsWith('.rows'))
  const part = (round: number, count: number) => {
    const at = Math.floor((round * Math.max(0, manifest.files.length - count)) / rounds)
    const some = manifest.files.slice(at, at + count)
    return { ...manifest, files: some, contentHash: contentHashOf(some), count: countOf(some) }
  }
  const exported: { samples: number[]; floor: number[] } = { samples: [], floor: [] }
  const imported: { samples: number[]; floor: number[] } = { samples: [], floor: [] }
  const memory: number[] = []
  for (let round = 0; round < rounds; round++) {
    let bytes = 0
    const ms = await timedAside(async () => {
      for await (const chunk of exportSnapshot(part(round, filesExported), source, options)) bytes += chunk.length
    })
    exported.samples.push(bytes / 1e3 / ms)
    memory.push(process.memoryUsage().rss / 1e6)
    const file = rows[round % rows.length]!
    exported.floor.push(statSync(file).size / 1e3 / timed(() => readHashed([file])))
  }
  for (let round = 0; round < rounds; round++) {
    const chunks: Uint8Array[] = []
    for await (const chunk of exportSnapshot(part(round, filesImported), source, options)) chunks.push(chunk)
    const bytes = chunks.reduce((total, { length }) => total + length, 0)
    const root = join(folder, 'imported')
    rmSync(root, { recursive: true, force: true })
    await using ost = await openPosixObjectStorage({ root })
    const ms = await timedAside(async () => {
      const to = { ost, base }
      await importDatabase({ place: to, database: 'bench', types: runserviceRowTypes, stream: of(chunks), now: 1 })
      await (await open(join(root, 'main.db'), to))[Symbol.asyncDispose]()
    })
    imported.samples.push(bytes / 1e3 / ms)
    const parsed = timed(() => {
      createHash('sha256').update(Buffer.concat(chunks)).digest()
      for (const line of Buffer.concat(chunks).toString().split('\n').slice(0, -1)) JSON.parse(line)
    })
    imported.floor.push(bytes / 1e3 / parsed)
    rmSync(root, { recursive: true })
  }
  const third = Math.floor(rounds / 3)
  return { exported, imported, exportingMb: { samples: memory.slice(-third), floor: memory.slice(0, third) } }
}

async function* of(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

function filesOf(folder: string): string[] {
  const root = join(folder, 'ost')
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(rows|index)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

async function timedAside(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await act()
  return performance.now() - begun
}

function timed(act: () => unknown): number {
  const begun = performance.now()
  act()
  return performance.now() - begun
}

/** Of each round. */
function percentilesOf(times: readonly number[]): number[] {
  const count = Math.ceil(times.length / rounds)
  return Array.from({ length: Math.ceil(times.length / count) }, (_, n) =>
    percentile(times.slice(n * count, (n + 1) * count), 0.99),
  )
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

// Imported for its types it does nothing.
if (process.argv[2] !== undefined) process.stdout.write(JSON.stringify(await measure(process.argv[2])))
