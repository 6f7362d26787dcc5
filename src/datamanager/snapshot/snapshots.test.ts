import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type EmbeddedDatabase, openDatabase } from '../open-database.ts'
import { decodeIndexFile, decodeRowAt } from './data-file.ts'
import { indexKey, rowsKey } from './keys.ts'

type Rows = { thing: { readonly n: number; readonly text: string }; other: { readonly n: number } }
const types = { thing: { indexes: { n: (thing: Rows['thing']) => [thing.n] } }, other: {} }
const base = 'database/test'

type World = AsyncDisposable & {
  readonly ost: ObjectStorage
  readonly folder: string
  /** What was logged as an error. */
  readonly errors: readonly string[]
  open(name?: string): Promise<EmbeddedDatabase<Rows>>
}

async function aWorld(fileBytes = 4096): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-snapshot-'))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const errors: string[] = []
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) }
  return {
    ost,
    folder,
    errors,
    open: (name = 'main') =>
      openDatabase<Rows>({
        path: join(folder, `${name}.db`),
        types,
        clock: systemClock,
        storage: { place: { ost, base }, logger, snapshots: { fileBytes } },
      }),
    async [Symbol.asyncDispose]() {
      await ost[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

const id = (n: number) => `id-${String(n).padStart(6, '0')}`
const aThing = (n: number) => ({ n, text: `text of ${n} `.repeat(10) })

async function fill(db: EmbeddedDatabase<Rows>, from: number, to: number): Promise<void> {
  await db.do((tx) => {
    for (let n = from; n < to; n++) tx.put('thing', id(n), aThing(n))
  })
}

async function keys(ost: ObjectStorage, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of ost.list({ prefix })) found.push(key)
  return found
}

test('a database whose disk is lost is the same again from object storage', async () => {
  await using world = await aWorld()
  let contentHash: string
  let position: number
  {
    await using db = await world.open()
    await fill(db, 0, 300)
    await db.do((tx) => tx.put('other', 'é\u{10000}', { n: 1 }), { transactionId: 'before' })
    await db.upkeep?.snapshot()
    await fill(db, 300, 350)
    await db.do((tx) => tx.delete('thing', id(7)))
    await db.do((tx) => void tx.put('other', '\uffff', { n: 2 }), { transactionId: 'after' })
    contentHash = db.contentHash
    position = db.position
  }
  await using restored = await world.open('another')
  expect({ contentHash: restored.contentHash, position: restored.position }).toEqual({ contentHash, position })
  expect(restored.verify().problems).toEqual([])
  expect(restored.outcome('before')?.position).toBe(2)
  expect(restored.outcome('after')?.position).toBe(position)
  expect(restored.view((tx) => tx.list('thing', { index: 'n', descending: true, limit: 1 }))[0]?.id).toBe(id(349))
  await fill(restored, 400, 401)
  expect(restored.position).toBe(position + 1)
})

test('an older copy of the file gets the shipped records it lacks', async () => {
  await using world = await aWorld()
  let contentHash: string
  {
    await using db = await world.open()
    await fill(db, 0, 10)
  }
  const { copyFileSync } = await import('node:fs')
  copyFileSync(join(world.folder, 'main.db'), join(world.folder, 'copy.db'))
  {
    await using db = await world.open()
    await fill(db, 10, 20)
    contentHash = db.contentHash
  }
  {
    await using copy = await world.open('copy')
    expect(copy.contentHash).toBe(contentHash)
    expect(copy.verify().problems).toEqual([])
    await fill(copy, 20, 30)
  }
  await using db = await world.open()
  expect(db.view((tx) => tx.count('thing'))).toBe(30)
})

test('only files with changed rows are written again, and neighbours that deletions made small become one', async () => {
  await using world = await aWorld(8192)
  await using db = await world.open()
  await fill(db, 0, 2000)
  const first = await db.upkeep!.snapshot()
  expect(first.manifest.files.length).toBeGreaterThan(20)
  await db.do((tx) => tx.put('thing', id(1000), { n: -1, text: 'changed' }))
  const second = await db.upkeep!.snapshot()
  const names = new Set(first.manifest.files.map(({ name }) => name))
  expect(second.manifest.files.filter(({ name }) => !names.has(name))).toHaveLength(1)
  await db.do((tx) => {
    for (let n = 0; n < 2000; n++) if (n % 50 !== 0) tx.delete('thing', id(n))
  })
  await db.upkeep!.snapshot()
  await db.do((tx) => tx.delete('thing', id(0)))
  const last = await db.upkeep!.snapshot()
  expect(last.manifest.files.length).toBeLessThan(8)
  expect(last.manifest.contentHash).toBe(db.contentHash)
})

test('a row that is only deleted makes its file be written again, and no other', async () => {
  await using world = await aWorld(8192)
  await using db = await world.open()
  await fill(db, 0, 500)
  const { manifest: first } = await db.upkeep!.snapshot()
  await db.do((tx) => tx.delete('thing', id(250)))
  const { manifest: second } = await db.upkeep!.snapshot()
  const names = new Set(first.files.map(({ name }) => name))
  expect(second.files.filter(({ name }) => !names.has(name))).toHaveLength(1)
  expect({ contentHash: second.contentHash, errors: world.errors }).toEqual({ contentHash: db.contentHash, errors: [] })
})

test('rows that change while a snapshot is made are in it exactly when they were before its cut', async () => {
  await using world = await aWorld(2048)
  await using db = await world.open()
  await fill(db, 0, 500)
  let isDone = false
  const making = db.upkeep!.snapshot().finally(() => {
    isDone = true
  })
  for (let n = 0; !isDone; n++) {
    await db.do((tx) => {
      tx.put('thing', id((n * 37) % 600), { n, text: 'changed meanwhile' })
      tx.delete('thing', id((n * 53) % 600))
      tx.put('other', id(n % 5), { n })
    })
  }
  const { manifest } = await making
  expect(manifest.position).toBeGreaterThan(1)
  const { manifest: next } = await db.upkeep!.snapshot()
  expect(next.contentHash).toBe(db.contentHash)
  expect(world.errors).toEqual([])
})

test('one row is read by its place in the index file', async () => {
  await using world = await aWorld(100_000)
  await using db = await world.open()
  await fill(db, 0, 2000)
  const { manifest } = await db.upkeep!.snapshot()
  const file = manifest.files.find(({ first, last }) => first <= id(1234) && id(1234) <= last)!
  const index = await collectBytes(world.ost.read(indexKey(base, manifest.generation, file.name)))
  const place = decodeIndexFile(file, index).get(id(1234))!
  const range = { start: place.start, end: place.end }
  const bytes = await collectBytes(world.ost.read(rowsKey(base, manifest.generation, file.name), { range }))
  expect(JSON.parse(decodeRowAt('thing', id(1234), place, bytes).body)).toEqual(aThing(1234))
  bytes[5]! ^= 1
  expect(() => decodeRowAt('thing', id(1234), place, bytes)).toThrow('damaged')
})

test('records get into object storage in order, and many share an object', async () => {
  await using world = await aWorld()
  await using db = await world.open()
  await Promise.all(Array.from({ length: 20 }, (_, n) => fill(db, n, n + 1)))
  for (let n = 0; n < 20; n++) await fill(db, n, n + 2)
  await db.upkeep!.flush(AbortSignal.timeout(50_000))
  expect(db.upkeep!.lag).toMatchObject({ shipped: db.position, head: db.position, waitingMs: 0 })
  const shipped = (await keys(world.ost, `${base}/`)).filter((key) => key.includes('/log/'))
  expect(shipped.length).toBeLessThan(db.position)
})

test.each([
  ['a bit of a data file flipped', 'data', (bytes: Buffer) => bytes.fill(bytes[30]! ^ 4, 30, 31)],
  ['a data file cut off', 'data', (bytes: Buffer) => bytes.subarray(0, bytes.length - 9)],
  ['the manifest changed', 'snapshot', (bytes: Buffer) => bytes.fill(bytes[200]! ^ 1, 200, 201)],
  ['the manifest empty', 'snapshot', () => Buffer.alloc(0)],
] as const)('with %s an older snapshot is used, and the result is the same', async (_name, kind, damage) => {
  await using world = await aWorld()
  let contentHash: string
  {
    await using db = await world.open()
    await fill(db, 0, 100)
    await db.upkeep!.snapshot()
    await fill(db, 100, 200)
    await db.upkeep!.snapshot()
    await fill(db, 200, 210)
    contentHash = db.contentHash
  }
  const newest = (await keys(world.ost, `${base}/`)).filter(
    (key) => key.includes(`/${kind}/`) && !key.endsWith('index'),
  )
  const key = newest.at(-1)!
  await world.ost.put(key, damage(await collectBytes(world.ost.read(key))))
  await using restored = await world.open('another')
  expect(restored.contentHash).toBe(contentHash)
  expect(restored.verify().problems).toEqual([])
})
