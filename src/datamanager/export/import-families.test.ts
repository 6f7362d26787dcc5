import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { aTestRun, familyTestTypes, putRun, runId, stepId, type TestRows } from '../cold/families-fixture.ts'
import type { Row } from '../database.ts'
import { type EmbeddedDatabase, openDatabase } from '../open-database.ts'
import { familiesType } from '../snapshot/data-file.ts'
import { readManifest } from '../snapshot/manifest.ts'
import { LocalRowSource } from '../snapshot/row-source.ts'
import { verifyStorage } from '../snapshot/verify-storage.ts'
import { exportDatabase } from './export-database.ts'
import { importDatabase } from './import-database.ts'

type Db = EmbeddedDatabase<TestRows>
const signal = new AbortController().signal
const count = 60

async function aWorld() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-import-'))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const place = (name: string) => ({ ost, base: `database/${name}` })
  return {
    ost,
    place,
    open: (name: string) =>
      openDatabase<TestRows>({
        path: join(folder, `${name}.db`),
        types: familyTestTypes,
        clock: systemClock,
        storage: {
          place: place(name),
          snapshots: { fileBytes: 1200, familyFileBytes: 4000, records: 1e9, ms: 1e12 },
          openSource: (options) => new LocalRowSource(options),
        },
      }),
    /** Rows that an instance has in its file, by type. */
    rowsOf(name: string): Record<string, number> {
      const db = new DatabaseSync(join(folder, `${name}.db`), { readOnly: true })
      const counts = db
        .prepare(
          'SELECT t.name, count(*) AS n FROM stored_row r JOIN stored_type t ON t.number = r.type GROUP BY t.name',
        )
        .all()
      db.close()
      return Object.fromEntries(counts.map(({ name: type, n }) => [type, n]))
    },
    async [Symbol.asyncDispose]() {
      await ost[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}
type World = Awaited<ReturnType<typeof aWorld>>

/** Runs of which every tenth is busy, and rows that look like theirs. */
async function fill(db: Db): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, order) => runId(order))
  for (const [order, id] of ids.entries())
    await db.do((tx) => putRun(tx, id, aTestRun(order, order % 10 === 0 ? { state: 'busy' } : {}), 1 + (order % 5)))
  const [a = '', b = '', busy = ''] = [ids[1], ids[2], ids[10]]
  await db.do((tx) => {
    const step = (run: string) => ({ run, at: 100, text: 'tab \t, line \n, é, \u{1f600}' })
    tx.put('step', `${a}!`, step(a)) // between the head's id and those of its steps
    tx.put('step', `${a}-x`, step(a))
    tx.put('step', `${busy}!`, step(busy))
    tx.put('step', `${b}0`, step(b))
    tx.put('step', stepId(b, 100), step(b))
    tx.put('step', `${runId(1000)}/1`, step('gone')) // of no run
    tx.put('run', 'a name', aTestRun(2000))
    tx.put('run', 'tab\t "quoted"', aTestRun(2001))
    tx.put('note', 'n', { text: 'x' })
  })
  return ids
}

async function copied(world: World, db: Db, name: string) {
  const stream = exportDatabase(db.upkeep!, { database: 'test', place: world.place('main'), signal })
  const bytes = { fileBytesMax: 1200, familyFileBytesMax: 4000 }
  return await importDatabase({
    ...{ place: world.place(name), database: 'test', types: familyTestTypes, stream, now: 2, ...bytes },
  })
}

const stateOf = (db: Db, ids: readonly string[]) =>
  db.read((tx) => [
    tx.entries({ limit: 1000 }),
    ids.map((id) => [tx.get('run', id), tx.list('step', { index: 'byRun', prefix: [id] }).map(withoutPosition)]),
    tx.list('note').map(withoutPosition),
  ])

const withoutPosition = ({ id, body }: Row<unknown>) => ({ id, body })

test('after an import final families are cold, and everything is there as it was', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  const ids = await fill(db)
  const imported = await copied(world, db, 'copy')
  expect(imported.contentHash).toBe(db.contentHash)
  await using copy = await world.open('copy')
  expect(copy.contentHash).toBe(db.contentHash)
  const { run, note } = world.rowsOf('copy')
  expect({ run, note }).toEqual({ run: count / 10 + 2, note: 1 }) // busy, or of an id that no cold family has
  expect(await stateOf(copy, ids)).toEqual(await stateOf(db, ids))
  expect(copy.verify().problems).toEqual([])
  expect(await verifyStorage(world.place('copy'))).toMatchObject({ problems: [] })
})

test('an import leaves nothing but the files that its manifest names', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  await fill(db)
  const { store, generation } = await copied(world, db, 'copy')
  const manifest = await readManifest(world.place('copy'), { store, generation }, 0)
  expect(manifest.files.filter(({ type }) => type === familiesType).length).toBeGreaterThan(1)
  const found: string[] = []
  const prefix = `database/copy/${generation}/data/`
  for await (const { key } of world.ost.list({ prefix })) found.push(key.slice(prefix.length))
  const named = manifest.files.flatMap(({ name }) => [`${name}.index`, `${name}.rows`])
  expect(found.sort()).toEqual(named.sort())
})

test('what was imported cold can be changed, is in the next snapshot, and is exported as it was', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  const ids = await fill(db)
  await copied(world, db, 'copy')
  await using copy = await world.open('copy')
  const again = await collectBytes(
    exportDatabase(copy.upkeep!, { database: 'test', place: world.place('copy'), signal }),
  )
  const first = await collectBytes(exportDatabase(db.upkeep!, { database: 'test', place: world.place('main'), signal }))
  const rowsOf = (bytes: Buffer) => bytes.toString().split('\n').slice(1, -2)
  expect(rowsOf(again)).toEqual(rowsOf(first))
  await copy.do((tx) => tx.put('run', ids[1]!, aTestRun(1, { note: 'changed' })))
  await copy.do((tx) => tx.put('run', ids[10]!, aTestRun(10)))
  await copy.upkeep!.snapshot()
  expect(await copy.read((tx) => tx.get('run', ids[1]!))).toMatchObject({ note: 'changed' })
  expect(await verifyStorage(world.place('copy'))).toMatchObject({ problems: [] })
})

test('a head of which no entry can be made is refused', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  await fill(db)
  const stream = exportDatabase(db.upkeep!, { database: 'test', place: world.place('main'), signal })
  const types = {
    ...familyTestTypes,
    run: {
      ...familyTestTypes.run,
      family: {
        ...familyTestTypes.run.family,
        entry: () => {
          throw new TypeError('no group')
        },
      },
    },
  }
  const importing = importDatabase({ place: world.place('copy'), database: 'test', types, stream, now: 2 })
  await expect(importing).rejects.toMatchObject({
    code: 'import_invalid',
    message: expect.stringContaining('does not fit the lists of this version'),
  })
  const left: string[] = []
  for await (const { key } of world.ost.list({ prefix: 'database/copy/' })) left.push(key)
  expect(left).toEqual([])
})
