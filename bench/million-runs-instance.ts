// The instance of million-runs.ts: opens the database without a file of its own and measures. Prints one JSON object.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportSnapshot } from '../src/datamanager/export/export-database.ts'
import { openDatabase } from '../src/datamanager/open-database.ts'
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
}

const samples = 2000
const bodySamples = 500

async function measure(folder: string): Promise<InstanceMeasures> {
  const path = join(folder, 'instance.db')
  for (const end of ['', '-wal', '-shm', '.owner', '.lock']) rmSync(`${path}${end}`, { force: true })
  await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const begun = performance.now()
  await using db = await openDatabase<RunserviceSchema>({
    path,
    types: runserviceRowTypes,
    clock: systemClock,
    storage: { place: { ost, base }, snapshots: { records: 1e12, ms: 1e15, logBytes: 1e15 } },
  })
  const startS = (performance.now() - begun) / 1000
  const lists = queries.map(({ name, query }) => ({ name, ...measureLists(db, path, query) }))
  const bodies = await measureBodies(db, folder)
  const memory = process.memoryUsage().rss / 1e6
  const bytes = statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  const files = filesOf(folder)
  const readBegun = performance.now()
  let indexBytes = 0
  for (const file of files.filter((name) => name.endsWith('.index'))) {
    const content = readFileSync(file)
    createHash('sha256').update(content).digest()
    indexBytes += content.length
  }
  const floorS = (performance.now() - readBegun) / 1000
  return {
    start: { samples: [startS], floor: [floorS] },
    sizeMb: { samples: [bytes / 1e6], floor: [indexBytes / 1e6] },
    memoryMb: { samples: [memory], floor: [memory] },
    lists,
    bodies,
    exported: await measureExport(db, { ost, files }),
  }
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
  const [times, floor]: [number[], number[]] = [[], []]
  for (let n = 0; n < samples; n++) {
    const asked = query()
    times.push(timed(() => findRuns(db, asked)))
    floor.push(timed(() => select.all(Math.floor(random() * 1_000_000))))
  }
  raw.close()
  return { samples: [percentile(times, 0.99)], floor: [percentile(floor, 0.99)] }
}

async function measureBodies(db: Db, folder: string): Promise<Measured> {
  const entries = Array.from({ length: bodySamples }, () =>
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
  return { samples: [percentile(times, 0.99)], floor: [percentile(floor, 0.99)] }
}

/** An export of all types takes a pass for each: so it is measured whole, of a tenth of the runs. */
async function measureExport(
  db: Db,
  {
    ost,
    files,
  }: { readonly ost: Awaited<ReturnType<typeof openPosixObjectStorage>>; readonly files: readonly string[] },
): Promise<Measured> {
  await using held = await db.upkeep!.hold()
  const part = { ...held.manifest, files: held.manifest.files.slice(0, Math.ceil(held.manifest.files.length / 10)) }
  const options = { database: 'bench', place: { ost, base }, signal: new AbortController().signal }
  const begun = performance.now()
  let bytes = 0
  for await (const chunk of exportSnapshot(part, held.source, options)) bytes += chunk.length
  const perS = bytes / 1e3 / (performance.now() - begun)
  const [file] = files.filter((name) => name.endsWith('.rows'))
  const floor = timed(() => createHash('sha256').update(readFileSync(file!)).digest())
  return { samples: [perS], floor: [statSync(file!).size / 1e3 / floor] }
}

function filesOf(folder: string): string[] {
  const root = join(folder, 'ost')
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(rows|index)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

function timed(act: () => unknown): number {
  const begun = performance.now()
  act()
  return performance.now() - begun
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

// Imported for its types it does nothing.
if (process.argv[2] !== undefined) process.stdout.write(JSON.stringify(await measure(process.argv[2])))
