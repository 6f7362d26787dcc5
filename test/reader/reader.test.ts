// docs/storage.md is enough to read what Slipway stores: slipway-reader.ts knows nothing else, and finds what the program put there.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aTestRun, familyTestTypes, putRun, runId, type TestRows } from '../../src/datamanager/cold/families-fixture.ts'
import { openDatabaseBackend } from '../../src/datamanager/database-config.ts'
import { exportDatabase } from '../../src/datamanager/export/export-database.ts'
import { openDatabase } from '../../src/datamanager/open-database.ts'
import { openLogDatabase } from '../../src/datamanager/open-log-database.ts'
import { LocalRowSource } from '../../src/datamanager/snapshot/row-source.ts'
import { collectBytes } from '../../src/lib/bytes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { openPosixObjectStorage } from '../../src/objectstorage/posix.ts'
import { createLogStore } from '../../src/runservice/logs/log-store.ts'
import { createLogWriter } from '../../src/runservice/logs/log-writer.ts'
import { openMasker } from '../../src/runservice/logs/logs-fixture.ts'
import {
  contentHash,
  type Rows,
  readByIndex,
  readDatabaseFile,
  readDataFile,
  readExport,
  readFamilies,
  readFrame,
  readLog,
  readManifest,
  readObjects,
  readRecord,
  readShipped,
  replay,
} from './slipway-reader.ts'

const base = 'database/test'
const signal = new AbortController().signal

async function aFolder() {
  const path = mkdtempSync(join(tmpdir(), 'slipway-reader-'))
  const root = join(path, 'objects')
  const ost = await openPosixObjectStorage({ root })
  return {
    path,
    root,
    ost,
    async [Symbol.asyncDispose]() {
      await ost[Symbol.asyncDispose]()
      rmSync(path, { recursive: true })
    },
  }
}

const textsOf = (rows: Rows) => Object.fromEntries([...rows].map(([key, { text }]) => [key, text]))

test('objects of any key are found with their content', async () => {
  await using folder = await aFolder()
  const keys = [
    'a',
    'a/b',
    'Logs/Ü/x y',
    `${'ü'.repeat(40)}/${'x'.repeat(80)}`,
    `${'y'.repeat(79)}Z/${'z'.repeat(200)}`,
  ]
  for (const key of keys) await folder.ost.put(key, Buffer.from(`content of ${key}`))
  const found = readObjects(folder.root)
  expect([...found.keys()].sort()).toEqual([...keys].sort())
  for (const [key, content] of found) expect(content.toString()).toBe(`content of ${key}`)
})

test('a database is read from its file, its shipped records, a snapshot and an export, with the same rows in each', async () => {
  await using folder = await aFolder()
  const path = join(folder.path, 'main.db')
  await using db = await openDatabase<TestRows>({
    path,
    types: familyTestTypes,
    clock: systemClock,
    storage: {
      place: { ost: folder.ost, base },
      snapshots: { fileBytes: 2000, familyFileBytes: 2000, records: 1e9, ms: 1e12 },
      openSource: (options) => new LocalRowSource(options),
    },
  })
  for (let order = 0; order < 30; order++)
    await db.do((tx) => putRun(tx, runId(order), aTestRun(order, order % 10 === 9 ? { state: 'busy' } : {})))
  const texts = ['tab \t, line \n, "é" \u{10000}', '', 'x'.repeat(60_000), '\uffff']
  await db.do((tx) => {
    for (let n = 0; n < 200; n++) tx.put('note', `note ${n} \u{10000}`, { text: texts[n % 4]! })
  })
  await db.do(
    (tx) => {
      for (let n = 0; n < 200; n += 3) tx.delete('note', `note ${n} \u{10000}`)
      return { deleted: 67 }
    },
    { transactionId: 'tidy' },
  )
  await until(() => db.upkeep!.shipped === db.position)

  // Before the snapshot all rows are in the file; afterwards final runs are not.
  const warm = readDatabaseFile(path)
  expect(warm.position).toBe(db.position)
  expect(warm.contentHash).toBe(db.contentHash)
  const model = textsOf(warm.rows)
  expect(textsOf(replay(warm.records))).toEqual(model)
  expect(warm.records.at(-1)?.transactions).toMatchObject([{ tx: 'tidy', result: { deleted: 67 } }])

  const { manifest: made } = await db.upkeep!.snapshot()
  const cold = readDatabaseFile(path)
  expect(cold.contentHash).toBe(db.contentHash)
  expect(cold.rows.size).toBeLessThan(warm.rows.size)

  const objects = readObjects(folder.root)
  const { generation, store } = db.identity
  const below = (place: string) =>
    [...objects.keys()].filter((key) => key.startsWith(`${base}/${generation}/${place}/`))
  expect(JSON.parse(objects.get(`${base}/root/0000000000000001`)!.toString())).toMatchObject({ store, generation })

  // Shipped records: the log from its beginning.
  const shipped = below('log')
    .sort()
    .flatMap((key) => readShipped(objects.get(key)!, Number.parseInt(key.slice(-16), 16)))
  const byPosition = new Map(shipped.map((record) => [record.position, record]))
  expect([...byPosition.keys()]).toEqual(Array.from({ length: db.position }, (_, at) => at + 1))
  expect(textsOf(replay([...byPosition.values()]))).toEqual(model)
  expect(byPosition.get(db.position)?.hash).toBe(warm.records.at(-1)?.hash)

  // The snapshot.
  const manifest = readManifest(objects.get(below('snapshot').sort().at(-1)!)!)
  expect(manifest).toMatchObject({ store, generation, position: made.position, contentHash: db.contentHash })
  expect(manifest.hash).toBe(byPosition.get(made.position)?.hash)
  const rows: Record<string, string> = {}
  let families = 0
  const fileOf = (name: string, end: string) => objects.get(`${base}/${generation}/data/${name}.${end}`)!
  for (const file of manifest.files) {
    const [data, index] = [fileOf(file.name, 'rows'), fileOf(file.name, 'index')]
    if (file.type === '$families') {
      const found = readFamilies(file, data, index)
      families += found.length
      expect(found.length).toBe(file.count)
      expect(found.reduce((sum, family) => sum + family.rows.length, 0)).toBe(file.rows)
      for (const family of found) {
        const [head] = family.rows
        const order = JSON.parse(head!.text).order
        const { group, number, createdAt } = aTestRun(order)
        expect(family.entry).toEqual([order, group, 1, number, 'test', createdAt, null, null, null, null])
        for (const { type, id, text } of family.rows) rows[`${type}\0${id}`] = text
      }
    } else if (file.type === '$transactions') {
      expect(readDataFile(file, data)).toMatchObject([{ id: 'tidy', changedAt: db.position }])
    } else
      for (const { type, id, text, changedAt } of readDataFile(file, data)) {
        rows[`${type}\0${id}`] = text
        expect(changedAt).toBeLessThanOrEqual(made.position)
        expect(readByIndex(file, data, index, id)).toBe(text)
      }
  }
  expect(families).toBe(27)
  expect(rows).toEqual(model)

  // The export.
  const exporting = exportDatabase(db.upkeep!, { database: 'test', place: { ost: folder.ost, base }, signal })
  const exported = readExport(await collectBytes(exporting))
  expect(exported.header).toMatchObject({ database: 'test', store, generation, contentHash: db.contentHash })
  expect(textsOf(exported.rows)).toEqual(model)
  expect(exported.counts).toEqual({ run: 30, step: 90, note: 133 })
  expect(contentHash(exported.rows)).toBe(db.contentHash)
})

test('a log in the bucket is read, and where it was collected a mark says so', async () => {
  await using folder = await aFolder()
  const identity = { store: 'a store', generation: 'a generation' }
  const components = { storage: folder.ost, base: 'database', clock: systemClock }
  await using backend = await openDatabaseBackend({ log: 'bucket' }, components)
  const log = (await backend.openLog('test', identity))!
  await using db = await openLogDatabase<TestRows>({
    ...{
      path: join(folder.path, 'model.db'),
      types: familyTestTypes,
      clock: systemClock,
      instanceId: 'one',
      log,
      identity,
    },
  })
  for (let n = 0; n < 20; n++) await db.do((tx) => tx.put('note', `n ${n}`, { text: `${n}` }))
  const records = () => {
    const objects = readObjects(folder.root)
    const prefix = `${base}/${identity.generation}/bucket/`
    const keys = [...objects.keys()].filter((key) => key.startsWith(`${prefix}log/`)).sort()
    const marks = [...objects.keys()].filter((key) => key.startsWith(`${prefix}low/`)).sort()
    return {
      low: marks.length === 0 ? 0 : JSON.parse(objects.get(marks.at(-1)!)!.toString()).position,
      found: keys.map((key) => {
        const record = readRecord(objects.get(key)!)
        expect(record.position).toBe(Number.parseInt(key.slice(-16), 16))
        return record
      }),
    }
  }
  const all = records()
  expect(all.low).toBe(0)
  expect(contentHash(replay(all.found))).toBe(db.contentHash)
  await log.collect(7)
  const left = records()
  expect(left.low).toBe(7)
  expect(left.found.map(({ position }) => position)).toEqual(all.found.slice(7).map(({ position }) => position))
})

test('logs of steps are read from their frames', async () => {
  await using folder = await aFolder()
  const store = createLogStore(folder.ost)
  let now = 1_760_000_000_000
  const clock = { ...systemClock, now: () => (now += 7), sleep: systemClock.sleep, timeout: systemClock.timeout }
  const write = async (log: number | 'setup', pieces: readonly string[], frameBytes: number) => {
    const key = { runTaskId: 'task', log }
    const sizes = { frameBytes }
    const writing = { masker: openMasker(), store: (frame: Uint8Array) => store.storeFrame(key, frame), clock, sizes }
    await using writer = createLogWriter(writing)
    for (const piece of pieces) await writer.write(Buffer.from(piece))
    await writer.end()
    return key
  }
  const pieces = Array.from({ length: 300 }, (_, n) => `line ${n}${n % 100 === 50 ? ' error: no' : ''}\n`)
  const text = `${pieces.join('')}unfinished`
  const objectsNow = () => readObjects(folder.root)
  const framesNow = () =>
    [...objectsNow()]
      .filter(([key]) => key.startsWith('logs/task/0') && key.endsWith('.zst'))
      .map(([, bytes]) => readFrame(bytes))
  await write('setup', ['short\n'], 1 << 20)
  expect(readLog(objectsNow(), 'task', 'setup').toString()).toBe('short\n')

  const key = await write(0, [...pieces, 'unfinished'], 1000)
  expect(framesNow().length).toBeGreaterThan(2)
  expect(readLog(objectsNow(), 'task', '0').toString()).toBe(text)
  await store.finish(key)
  expect(readLog(objectsNow(), 'task', '0').toString()).toBe(text)
  const frames = framesNow()
  expect(frames.flatMap(({ errorLines }) => errorLines)).toEqual([50, 150, 250])
  for (const { lineTimes, firstAt } of frames)
    expect([firstAt, ...lineTimes]).toEqual([firstAt, ...lineTimes].toSorted((a, b) => a - b))
})
