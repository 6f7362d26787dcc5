import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { exportDatabase } from '../export/export-database.ts'
import { importDatabase } from '../export/import-database.ts'
import { type EmbeddedDatabase, openDatabase } from '../open-database.ts'
import { familiesType } from '../snapshot/data-file.ts'
import { rowsKey } from '../snapshot/keys.ts'
import { listManifests, type Manifest, readManifest } from '../snapshot/manifest.ts'
import { LocalRowSource } from '../snapshot/row-source.ts'
import { verifyStorage } from '../snapshot/verify-storage.ts'
import { aTestRun, familyTestTypes, putRun, runId, stepId, type TestRows, type TestRun } from './families-fixture.ts'

const base = 'database/test'
type Db = EmbeddedDatabase<TestRows>

type World = AsyncDisposable & {
  /** What was logged as an error or warning. */
  readonly troubles: readonly string[]
  readonly ost: ObjectStorage
  open(name?: string): Promise<Db>
  /** Rows in the file of a database, by type. */
  rowsOf(name?: string): Record<string, number>
  manifest(db: Db): Promise<Manifest>
}

async function aWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-cold-'))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const troubles: string[] = []
  const note = (message: string) => void troubles.push(message)
  return {
    troubles,
    ost,
    open: (name = 'main') =>
      openDatabase<TestRows>({
        path: join(folder, `${name}.db`),
        types: familyTestTypes,
        clock: systemClock,
        storage: {
          place: { ost, base },
          logger: { ...silentLogger, error: note, warn: note },
          snapshots: { fileBytes: 2000, familyFileBytes: 2000, records: 1e9, ms: 1e12 },
          openSource: (options) => new LocalRowSource(options),
        },
      }),
    rowsOf(name = 'main') {
      const db = new DatabaseSync(join(folder, `${name}.db`), { readOnly: true })
      const counts = db
        .prepare(
          'SELECT t.name, count(*) AS n FROM stored_row r JOIN stored_type t ON t.number = r.type GROUP BY t.name',
        )
        .all()
      db.close()
      return Object.fromEntries(counts.map(({ name, n }) => [name, n]))
    },
    async manifest(db) {
      const place = { ost, base }
      const [position = 0] = await listManifests(place, db.identity.generation)
      return readManifest(place, db.identity, position)
    },
    async [Symbol.asyncDispose]() {
      await ost[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Runs 0 to `count`, the last of them busy. */
async function fill(db: Db, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, order) => runId(order))
  for (const [order, id] of ids.entries())
    await db.do((tx) => putRun(tx, id, aTestRun(order, order === count - 1 ? { state: 'busy' } : {})))
  await db.do((tx) => tx.put('note', 'n', { text: 'stays' }))
  return ids
}

function expectSound(db: Db): void {
  expect(db.verify().problems).toEqual([])
}

test('after a snapshot the rows of final families leave the file, and reading brings them back', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 20)
  const { contentHash } = db
  expect(world.rowsOf()).toEqual({ run: 20, step: 60, note: 1 })
  await db.upkeep!.snapshot()
  expect(world.rowsOf()).toEqual({ run: 1, step: 3, note: 1 })
  expect(db.contentHash).toBe(contentHash)
  expectSound(db)
  expect(() => db.view((tx) => tx.get('run', ids[4]!))).toThrow(expect.objectContaining({ code: 'row_cold' }))
  const seen = await db.read((tx) => ({
    run: tx.get('run', ids[4]!),
    steps: tx.list('step', { index: 'byRun', prefix: [ids[4]!] }).map(({ id }) => id),
    last: tx.list('step', { index: 'byRun', prefix: [ids[4]!], descending: true, limit: 1 }).map(({ body }) => body.at),
    after: tx.list('step', { index: 'byRun', prefix: [ids[4]!], after: [ids[4]!, 0, stepId(ids[4]!, 0)] }).length,
    count: tx.count('step', { index: 'byRun', prefix: [ids[4]!] }),
    none: tx.get('step', stepId(ids[4]!, 17)),
    other: tx.get('run', runId(4)),
  }))
  expect(seen).toEqual({
    run: aTestRun(4),
    steps: [0, 1, 2].map((at) => stepId(ids[4]!, at)),
    last: [2],
    after: 2,
    count: 3,
    none: undefined,
    other: undefined,
  })
  // Read once, it is at hand.
  expect(db.view((tx) => tx.get('step', stepId(ids[4]!, 1)))).toMatchObject({ at: 1 })
  expect(world.rowsOf()).toEqual({ run: 1, step: 3, note: 1 })
})

test('a transaction reads and writes cold rows as any others', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 20)
  await db.upkeep!.snapshot()
  let runs = 0
  const { result } = await db.do((tx) => {
    runs++
    const sum = [3, 5].reduce((total, n) => total + (tx.get('run', ids[n]!)?.number ?? 0), 0)
    tx.put('run', ids[3]!, { ...tx.get('run', ids[3]!)!, note: 'looked at' })
    tx.delete('step', stepId(ids[3]!, 2))
    return sum
  })
  expect({ result, runs }).toEqual({ result: 4, runs: 3 })
  expect(world.rowsOf()).toEqual({ run: 2, step: 5, note: 1 })
  expect(db.view((tx) => tx.get('run', ids[3]!)?.note)).toBe('looked at')
  expect(db.view((tx) => tx.entry(ids[3]!))).toMatchObject({ order: 3, path: '/project/0/branch/main' })
  expectSound(db)
  await db.do((tx) => {
    tx.delete('run', ids[5]!)
    for (const { id } of tx.list('step', { index: 'byRun', prefix: [ids[5]!] })) tx.delete('step', id)
  })
  expect(db.view((tx) => tx.entry(ids[5]!))).toBeUndefined()
  expectSound(db)
  // With the next snapshot it is cold again, elsewhere; the file that had both was written anew.
  const { contentHash } = db
  await db.upkeep!.snapshot()
  expect(world.rowsOf()).toEqual({ run: 1, step: 3, note: 1 })
  expect(db.contentHash).toBe(contentHash)
  expect(await db.read((tx) => [tx.get('run', ids[3]!)?.note, tx.get('run', ids[4]!)?.order])).toEqual(['looked at', 4])
  expect(await db.read((tx) => tx.get('run', ids[5]!))).toBeUndefined()
  expectSound(db)
  expect((await verifyStorage({ ost: world.ost, base })).problems).toEqual([])
})

test('writing what a cold row says already changes nothing, and a closure that throws leaves it cold', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 10)
  await db.upkeep!.snapshot()
  const { position } = db
  await db.do((tx) => tx.put('run', ids[2]!, aTestRun(2)))
  await db.do((tx) => tx.delete('step', stepId(ids[2]!, 9)))
  expect(db.position).toBe(position)
  const refused = db.do((tx) => {
    tx.put('run', ids[2]!, { ...aTestRun(2), note: 'no' })
    throw new Error('changed its mind')
  })
  await expect(refused).rejects.toThrow('changed its mind')
  expect(world.rowsOf()).toEqual({ run: 1, step: 3, note: 1 })
  // What it was given was no answer to swallow.
  const swallowed = db.do((tx) => {
    let order: number | undefined
    try {
      order = tx.get('run', ids[7]!)?.order
    } catch {
      order = -1
    }
    return order
  })
  expect((await swallowed).result).toBe(7)
})

test('a new instance starts without the rows of cold families, and goes on like the one that was lost', async () => {
  await using world = await aWorld()
  let ids: string[]
  let before: { position: number; contentHash: string }
  {
    await using db = await world.open()
    ids = await fill(db, 30)
    await db.upkeep!.snapshot()
    await db.do((tx) => tx.put('run', ids[8]!, { ...aTestRun(8), note: 'after the snapshot' }))
    await db.do((tx) => tx.put('run', ids[29]!, aTestRun(29, { state: 'bad' })))
    before = { position: db.position, contentHash: db.contentHash }
  }
  await using db = await world.open('another')
  expect({ position: db.position, contentHash: db.contentHash }).toEqual(before)
  expect(world.rowsOf('another')).toEqual({ run: 2, step: 6, note: 1 })
  expectSound(db)
  const listed = db.view((tx) => tx.entries({ limit: 100 }).map(({ id, state }) => [id, state]))
  expect(listed).toEqual(ids.map((id, order) => [id, order === 29 ? 2 : 1]))
  expect(db.view((tx) => tx.entries({ path: '/project/2', isSubtree: true, number: 4, limit: 9 }))).toMatchObject([
    { order: 11 },
  ])
  expect(await db.read((tx) => tx.get('run', ids[8]!)?.note)).toBe('after the snapshot')
  await db.do((tx) => tx.delete('step', stepId(ids[9]!, 0)))
  await db.upkeep!.snapshot()
  expect(world.rowsOf('another')).toEqual({ note: 1 })
  expectSound(db)
})

test('a flipped bit in a family is found when it is read, and other families are not touched by it', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 10)
  await db.upkeep!.snapshot()
  const [file] = (await world.manifest(db)).files.filter(({ type }) => type === familiesType)
  const key = rowsKey(base, db.identity.generation, file!.name)
  const bytes = Buffer.from(await collectBytes(world.ost.read(key)))
  bytes[10]! ^= 1
  await world.ost.put(key, bytes)
  await expect(db.read((tx) => tx.get('run', file!.first))).rejects.toMatchObject({ code: 'snapshot_corrupt' })
  expect(await db.read((tx) => tx.get('run', ids[8]!)?.order)).toBe(8)
})

test('rows that change while a snapshot is made are in it once, wherever their family was', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 24)
  await db.upkeep!.snapshot()
  await db.do((tx) => {
    for (let order = 24; order < 30; order++) putRun(tx, runId(order), aTestRun(order))
  })
  for (let round = 0; round < 6; round++) {
    await db.do((tx) => tx.put('run', ids[round]!, { ...tx.get('run', ids[round]!)!, note: `before ${round}` }))
    const making = db.upkeep!.snapshot()
    const changing = (async () => {
      for (let n = 0; n < 8; n++) {
        const id = ids[(round * 3 + n * 5) % 23]!
        await db.do((tx) => {
          const run = tx.get('run', id)
          if (n % 4 === 3) {
            tx.delete('run', id)
            for (const row of tx.list('step', { index: 'byRun', prefix: [id] })) tx.delete('step', row.id)
          } else if (run) tx.put('run', id, { ...run, note: `${round} ${n}` })
          else putRun(tx, id, aTestRun(100 + round * 10 + n))
        })
        await new Promise((resolve) => setTimeout(resolve, n % 3))
      }
    })()
    await Promise.all([making, changing])
    expectSound(db)
  }
  expect(world.troubles).toEqual([])
  const { problems } = await verifyStorage({ ost: world.ost, base })
  expect(problems).toEqual([])
  const all = async (opened: Db) =>
    opened.read((tx) =>
      tx
        .entries({ limit: 1000 })
        .map(({ id }) => [tx.get('run', id), tx.list('step', { index: 'byRun', prefix: [id] })]),
    )
  await db.upkeep!.snapshot()
  await db.upkeep!.flush(AbortSignal.timeout(5000))
  const expected = await all(db)
  await using other = await world.open('other')
  expect(await all(other)).toEqual(expected)
  expect(other.contentHash).toBe(db.contentHash)
})

test('a family with a row that an index must find stays in the file', async () => {
  await using world = await aWorld()
  type Odd = TestRun & { readonly odd?: boolean }
  const isOdd = (run: Odd) => (run.order === 3 ? [run.order] : undefined)
  const { run, ...others } = familyTestTypes
  const types = { ...others, run: { ...run, indexes: { ...run.indexes, isOdd } } }
  const folder = mkdtempSync(join(tmpdir(), 'slipway-cold-'))
  await using db = await openDatabase<TestRows>({
    path: join(folder, 'odd.db'),
    types,
    clock: systemClock,
    storage: { place: { ost: world.ost, base: 'database/odd' }, snapshots: { records: 1e9, ms: 1e12 } },
  })
  const ids = await fill(db, 6)
  for (let round = 0; round < 3; round++) {
    await db.upkeep!.snapshot()
    expect(db.view((tx) => tx.list('run', { index: 'isOdd' }).map(({ id }) => id))).toEqual([ids[3]])
    expectSound(db)
    await db.do((tx) => tx.put('note', 'n', { text: `round ${round}` }))
  }
  expect(() => db.view((tx) => tx.get('run', ids[2]!))).toThrow(expect.objectContaining({ code: 'row_cold' }))
  await db[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

test('without its object storage a database opens, and says what it cannot read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-cold-'))
  await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const common = { path: join(folder, 'main.db'), types: familyTestTypes, clock: systemClock }
  let ids: string[]
  {
    await using db = await openDatabase<TestRows>({
      ...common,
      storage: { place: { ost, base }, snapshots: { records: 1e9, ms: 1e12 } },
    })
    ids = await fill(db, 4)
    await db.upkeep!.snapshot()
  }
  await using db = await openDatabase<TestRows>(common)
  await expect(db.read((tx) => tx.get('run', ids[0]!))).rejects.toMatchObject({ code: 'row_cold' })
  await expect(db.do((tx) => tx.delete('run', ids[0]!))).rejects.toMatchObject({ code: 'row_cold' })
  expect(db.view((tx) => tx.entries({ limit: 9 }).length)).toBe(4)
  expect(db.verify().problems).toEqual([])
  await db[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

test('an export has the rows of cold families in the order of all rows, and imports like any other', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  const ids = await fill(db, 40)
  await db.upkeep!.snapshot()
  for (const n of [3, 17, 30])
    await db.do((tx) => tx.put('run', ids[n]!, { ...tx.get('run', ids[n]!)!, state: 'busy', note: 'again' }))
  const place = { ost: world.ost, base }
  const chunks: Uint8Array[] = []
  for await (const chunk of exportDatabase(db.upkeep!, {
    database: 'test',
    place,
    signal: AbortSignal.timeout(10_000),
  }))
    chunks.push(chunk)
  expect(world.rowsOf()).toMatchObject({ run: 4, step: 12 })
  const [header, ...lines] = Buffer.concat(chunks).toString().trimEnd().split('\n')
  const rows = lines.slice(0, -1).map((line) => JSON.parse(line) as { type: string; id: string })
  expect(rows).toHaveLength(40 * 4 + 1)
  expect(rows.map(({ type, id }) => `${type} ${id}`)).toEqual(rows.map(({ type, id }) => `${type} ${id}`).sort())
  expect(JSON.parse(header!)).toMatchObject({ count: rows.length, contentHash: db.contentHash })
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ counts: { note: 1, run: 40, step: 120 } })
  async function* stream() {
    yield* chunks
  }
  const imported = await importDatabase({
    place: { ost: world.ost, base: 'database/imported' },
    database: 'test',
    stream: stream(),
    now: 1,
    types: familyTestTypes,
  })
  expect(imported.contentHash).toBe(db.contentHash)
})
