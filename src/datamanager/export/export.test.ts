import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabase } from '../open-database.ts'
import { exportDatabase, openExport } from './export-database.ts'
import { claimGeneration, collectGenerations } from './generations.ts'
import { importDatabase, prepareImport } from './import-database.ts'

type Rows = { thing: { readonly n: number }; other: { readonly text: string } }
const types = { thing: { indexes: { n: (thing: Rows['thing']) => [thing.n] } }, other: {} }
const signal = new AbortController().signal

async function aWorld() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-export-'))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const place = (name: string) => ({ ost, base: `database/${name}` })
  return {
    place,
    open: (name: string) =>
      openDatabase<Rows>({
        path: join(folder, `${name}.db`),
        types,
        clock: systemClock,
        storage: { place: place(name), snapshots: { fileBytes: 4096 } },
      }),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true })
    },
  }
}
type World = Awaited<ReturnType<typeof aWorld>>
type Opened = Awaited<ReturnType<World['open']>>

async function fill(db: Opened): Promise<void> {
  await db.do((tx) => {
    for (let n = 0; n < 500; n++) tx.put('thing', `thing ${String(n).padStart(4, '0')}`, { n })
    tx.put('other', '\u{10000}', { text: 'tab \t, line \n, é' })
    tx.put('other', '\uffff', { text: '' })
  })
}

const exported = async (world: World, db: Opened, name = 'main') =>
  await collectBytes(exportDatabase(db.upkeep!, { database: 'test', place: world.place(name), signal }))

const streamOf = async function* (bytes: Uint8Array, chunk = 1000) {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
}

test('what is exported is the same after its import into a new installation', async () => {
  await using world = await aWorld()
  let file: Buffer
  let contentHash: string
  {
    await using db = await world.open('main')
    await fill(db)
    contentHash = db.contentHash
    await db.freeze('anna', 'moves house')
    file = await exported(world, db)
  }
  const imported = await importDatabase({
    place: world.place('copy'),
    database: 'test',
    types,
    stream: streamOf(file, 97),
    now: 2,
    fileBytesMax: 4096,
  })
  expect(imported).toMatchObject({ count: 502, contentHash })
  await using copy = await world.open('copy')
  expect(copy.contentHash).toBe(contentHash)
  expect(copy.verify().problems).toEqual([])
  expect(copy.maintenance).toBeUndefined()
  await copy.do((tx) => tx.put('thing', 'new', { n: 1 }))
  expect(copy.position).toBe(1)
})

test('an import replaces a database that is in maintenance, and only such a one', async () => {
  await using world = await aWorld()
  let file: Buffer
  let before: string
  {
    await using db = await world.open('main')
    await fill(db)
    before = db.contentHash
    file = await exported(world, db)
    await db.do((tx) => tx.delete('thing', 'thing 0001'))
    const attempt = () =>
      importDatabase({
        place: world.place('main'),
        database: 'test',
        types,
        stream: streamOf(file),
        now: 2,
        closeOld: (generation) => db.closeGeneration(generation),
      })
    await expect(attempt()).rejects.toMatchObject({ code: 'import_refused' })
    await db.do((tx) => tx.put('thing', 'late', { n: 1 }))
    await db.freeze('anna', 'goes back')
    await attempt()
    await expect(db.do((tx) => tx.put('thing', 'later', { n: 1 }))).rejects.toMatchObject({ code: 'maintenance' })
    await expect(db.unfreeze()).rejects.toMatchObject({ code: 'import_refused' })
  }
  await using db = await world.open('main')
  expect(db.contentHash).toBe(before)
  await db.do((tx) => tx.put('thing', 'later', { n: 1 }))
  expect(db.verify().problems).toEqual([])
})

const replaced = (from: string | RegExp, to: string) => (file: Buffer) => Buffer.from(file.toString().replace(from, to))

/** What is wrong with a file, how it came to be so, and what is said. */
const damages: readonly (readonly [string, (file: Buffer) => Buffer, string, string])[] = [
  ['is empty', () => Buffer.alloc(0), 'import_invalid', 'it is empty'],
  ['is something else', () => Buffer.from('{"id":"a","data_type":"run"}\n'), 'import_invalid', 'does not begin with'],
  ['is cut off inside a line', (file: Buffer) => file.subarray(0, 2000), 'import_invalid', 'is cut off'],
  [
    'is cut off after a line',
    (file: Buffer) => file.subarray(0, file.indexOf(0x0a, 2000) + 1),
    'import_invalid',
    'ends without its trailer',
  ],
  ['has another byte', replaced('"n":77', '"n":78'), 'import_invalid', 'do not have the hash'],
  ['has a row that no index can take', replaced('{"n":0}', '{"m":0}'), 'import_invalid', 'does not fit the index "n"'],
  ['lacks a row', replaced(/\{"type":"thing","id":"thing 0100".*\n/, ''), 'import_invalid', 'do not have the hash'],
  ['is of a later version', replaced('"format":1', '"format":2'), 'database_too_new', 'upgrade'],
  ['is of another database', replaced('"database":"test"', '"database":"more"'), 'import_invalid', '"more"'],
  ['has rows in another order', replaced('thing 0100', 'thing 0000'), 'import_invalid', 'is not after'],
  ['goes on after its end', (file: Buffer) => Buffer.concat([file, file]), 'import_invalid', 'follows its trailer'],
]

test('a damaged, cut off, later or foreign file is refused with the reason, and changes nothing', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  await fill(db)
  const file = await exported(world, db)
  await db.freeze('anna', 'test')
  await db.upkeep!.flush(signal)
  const keys = async () => {
    const found: string[] = []
    for await (const { key } of world.place('').ost.list()) found.push(key)
    return found
  }
  const before = await keys()
  for (const [name, damage, code, message] of damages) {
    const importing = importDatabase({
      place: world.place('main'),
      database: 'test',
      types,
      stream: streamOf(damage(file)),
      now: 2,
      closeOld: (generation) => db.closeGeneration(generation),
    })
    await expect(importing, name).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    expect(await keys(), name).toEqual(before)
  }
  await db.unfreeze()
  await db.do((tx) => tx.put('thing', 'goes on', { n: 1 }))
})

test('of a small export every byte that is flipped and every length at which it is cut off is noticed', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  await db.do((tx) => {
    tx.put('thing', 'a', { n: 1 })
    tx.put('other', 'é', { text: 'x' })
  })
  const file = await exported(world, db)
  await db.freeze('anna', 'test')
  let closed = 0
  const attempt = (bytes: Buffer) =>
    importDatabase({
      ...{ place: world.place('main'), database: 'test', types, stream: streamOf(bytes), now: 2 },
      closeOld: async () => {
        closed++
      },
    })
  const refusal = { code: expect.stringMatching(/^(import_invalid|database_too_new)$/) }
  for (let at = 0; at < file.length; at++) {
    const flipped = Buffer.from(file)
    flipped[at]! ^= 1 << (at % 8)
    await expect(attempt(flipped), `bit of byte ${at}`).rejects.toMatchObject(refusal)
    await expect(attempt(file.subarray(0, at)), `cut at ${at}`).rejects.toMatchObject(refusal)
  }
  expect(closed).toBe(0)
  const generations = new Set<string>()
  for await (const { key } of world.place('').ost.list({ prefix: 'database/main/' }))
    generations.add(key.split('/')[2] ?? '')
  expect(generations).toEqual(new Set([db.identity.generation, 'root']))
})

test('an export that broke off anywhere goes on with the same bytes, also after its snapshot would have gone', async () => {
  await using world = await aWorld()
  await using db = await world.open('main')
  await fill(db)
  const options = { database: 'test', place: world.place('main'), signal }
  let id: string
  let whole: Buffer
  {
    await using opened = await openExport(db.upkeep!, options)
    id = opened.id
    whole = await collectBytes(opened.stream)
  }
  for (let snapshot = 0; snapshot < 5; snapshot++) {
    await db.do((tx) => tx.put('thing', 'newer', { n: snapshot }))
    await db.upkeep!.snapshot()
    await db.upkeep!.collect()
  }
  for (const offset of [0, 1, 700, whole.length - 1, whole.length]) {
    await using opened = await openExport(db.upkeep!, { ...options, resume: { id, offset } })
    expect(await collectBytes(opened.stream)).toEqual(whole.subarray(offset))
    expect(opened.id).toBe(id)
  }
  const resuming = (gone: string) => openExport(db.upkeep!, { ...options, resume: { id: gone, offset: 0 } })
  await expect(resuming(id.replace(/\.\d+$/, '.99'))).rejects.toMatchObject({ code: 'export_gone' })
  await expect(resuming(`${crypto.randomUUID()}.1`)).rejects.toMatchObject({ code: 'export_gone' })
  await expect(resuming('other')).rejects.toMatchObject({ code: 'usage' })
})

test('dead generations go when their time is over: half an import, and what an import has replaced', async () => {
  await using world = await aWorld()
  const place = world.place('main')
  const keysOf = async (generation: string) => {
    let keys = 0
    for await (const _ of place.ost.list({ prefix: `${place.base}/${generation}/` })) keys++
    return keys
  }
  const dropped: string[] = []
  const collect = (graceMs: number, keptMs: number) =>
    collectGenerations({ place, graceMs, keptMs, dropLog: async (generation) => void dropped.push(generation) })
  let replaced: string
  {
    await using db = await world.open('main')
    await fill(db)
    replaced = db.identity.generation
    const file = await exported(world, db)
    await db.freeze('anna', 'goes back')
    const common = { place, database: 'test', types, now: 2 }
    const closeOld = (generation: string) => db.closeGeneration(generation)
    const halfImported = await prepareImport({ ...common, stream: streamOf(file), closeOld })
    const { generation } = halfImported.imported
    expect(await collect(60_000, 0)).toEqual({ replaced: [], halfImported: [] })
    expect(await collect(0, 0)).toEqual({ replaced: [], halfImported: [generation] })
    expect(await keysOf(generation)).toBe(0)
    const decided = await prepareImport({ ...common, stream: streamOf(file), closeOld })
    await claimGeneration(place, decided.imported.generation, { fate: 'imported', replaces: replaced })
    expect(await collect(0, 0), 'may still be completed').toEqual({ replaced: [], halfImported: [] })
    const late = await prepareImport({ ...common, stream: streamOf(file), closeOld })
    await claimGeneration(place, late.imported.generation, { fate: 'dropped' })
    await expect(late.commit(), 'its rows may be gone').rejects.toMatchObject({ code: 'import_refused' })
    expect(db.maintenance?.replacedBy).toBeUndefined()
    await late.discard()
    await importDatabase({ ...common, stream: streamOf(file), closeOld })
    await expect(decided.commit(), 'another one has').rejects.toMatchObject({ code: 'import_refused' })
    expect(await collect(0, 60_000)).toEqual({ replaced: [], halfImported: [decided.imported.generation] })
  }
  expect(await keysOf(replaced)).toBeGreaterThan(0)
  expect(await collect(0, 0)).toEqual({ replaced: [replaced], halfImported: [] })
  expect(await keysOf(replaced)).toBe(0)
  expect(dropped).toContain(replaced)
  await using db = await world.open('main')
  expect(db.verify().problems).toEqual([])
  expect(db.view((tx) => tx.count('thing'))).toBe(500)
})

test('a frozen database reads, refuses to write with the reason, and is still frozen after a restart', async () => {
  await using world = await aWorld()
  {
    await using db = await world.open('main')
    await fill(db)
    const racing = [db.do((tx) => tx.put('thing', 'before', { n: 1 })), db.freeze('anna', 'upgrade')] as const
    const after = db.do((tx) => tx.put('thing', 'after', { n: 1 }))
    await expect(after).rejects.toMatchObject({
      code: 'maintenance',
      message: expect.stringContaining('anna: upgrade'),
    })
    expect((await racing[0]).position).toBe((await racing[1]).position)
    const swallows = db.do((tx) => {
      try {
        tx.delete('thing', 'before')
      } catch {
        // A closure cannot hide it.
      }
    })
    await expect(swallows).rejects.toMatchObject({ code: 'maintenance' })
    expect((await db.do((tx) => tx.count('thing'))).result).toBe(501)
    expect((await db.freeze('bert', 'again')).result).toMatchObject({ by: 'anna', why: 'upgrade' })
  }
  await using db = await world.open('main')
  expect(db.maintenance).toMatchObject({ by: 'anna', why: 'upgrade' })
  await expect(db.do((tx) => tx.delete('thing', 'before'))).rejects.toMatchObject({ code: 'maintenance' })
  await db.unfreeze()
  expect(db.maintenance).toBeUndefined()
  await db.do((tx) => tx.delete('thing', 'before'))
  expect(db.verify().problems).toEqual([])
})
