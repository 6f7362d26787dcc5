// What happens at the limits of shipping and snapshots, with their own values: time passes when a test says so, and files get old
// by their times.

import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import { until } from '../../lib/until-fixture.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type EmbeddedDatabase, openDatabase } from '../open-database.ts'
import { positionOfKey } from './keys.ts'
import { decodeShipped } from './shipped-log.ts'
import type { SnapshotSettings } from './upkeep.ts'

type Rows = { thing: { readonly n: number; readonly text: string } }
const base = 'database/test'
/** How often is asked whether a snapshot is due. */
const checkMs = 5000
const never = new AbortController().signal

/** Who sleeps is woken when enough has passed; nothing else happens by itself. */
class HandClock implements Clock {
  #now = Date.now()
  readonly #sleepers = new Set<{ readonly at: number; readonly ms: number; readonly wake: () => void }>()

  now(): number {
    return this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { at: this.#now + ms, ms, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  timeout(): AbortSignal {
    return never
  }

  /** Resolves when somebody sleeps for so long. */
  async asleep(ms: number): Promise<void> {
    await expect.poll(() => [...this.#sleepers].map((sleeper) => sleeper.ms), { timeout: 20_000 }).toContain(ms)
  }

  /** Resolves when those it has woken, and what they do in storage, had their turns. */
  async pass(ms: number): Promise<void> {
    this.#now += ms
    for (const sleeper of [...this.#sleepers].filter(({ at }) => at <= this.#now)) {
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
    await settled()
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 100))

type Options = { readonly snapshots?: Partial<SnapshotSettings>; readonly wrap?: (ost: ObjectStorage) => ObjectStorage }

async function aDatabase({ snapshots, wrap = (ost) => ost }: Options = {}) {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const folder = mkdtempSync(join(tmpdir(), 'slipway-limits-'))
  owner.defer(() => rmSync(folder, { recursive: true, force: true }))
  const ost = owner.use(await openPosixObjectStorage({ root: join(folder, 'ost') }))
  const clock = new HandClock()
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
  const db = owner.use(
    await openDatabase<Rows>({
      path: join(folder, 'db'),
      types: { thing: {} },
      clock,
      storage: { place: { ost: wrap(ost), base }, logger, ...(snapshots ? { snapshots } : {}) },
    }),
  )
  await clock.asleep(checkMs) // Until then it looks at what is in storage.
  const keys = async (part: string) =>
    (await Array.fromAsync(ost.list())).map(({ key }) => key).filter((key) => key.includes(part))
  return { db, ost, clock, warnings, keys, root: join(folder, 'ost') }
}

async function put(db: EmbeddedDatabase<Rows>, n: number, text = 'text'): Promise<void> {
  await db.do((tx) => tx.put('thing', String(n).padStart(6, '0'), { n, text }))
}

/** Makes files of object storage look older by so much. */
function age(root: string, path: RegExp, ms: number): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !path.test(file)) continue
    const then = (statSync(file).mtimeMs - ms) / 1000
    utimesSync(file, then, then)
  }
}

const positions = (keys: readonly string[]) => keys.map((key) => positionOfKey(key))

test('records are gathered for 200 ms, and then at most 512 of them go into one object', async () => {
  const { db, ost, clock, keys } = await aDatabase()
  for (let n = 0; n <= limits.shippingRecords.value; n++) await put(db, n)
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(limits.shippingMs.value - 1)
  expect(await keys('/log/')).toEqual([])
  await clock.pass(1)
  await db.upkeep!.flush(AbortSignal.timeout(10_000))
  const shipped = await keys('/log/')
  expect(positions(shipped)).toEqual([512, 513])
  expect(decodeShipped(await collectBytes(ost.read(shipped[0]!)), 512)).toHaveLength(512)
})

test('records of more than 8 MiB together go into several objects', async () => {
  const { db, clock, keys } = await aDatabase()
  const text = 'x'.repeat(60 * 1024)
  const rows = Math.ceil((3 * 2 ** 20) / text.length)
  for (let record = 0; record < 3; record++)
    await db.do((tx) => {
      for (let n = 0; n < rows; n++) tx.put('thing', `${record}-${n}`, { n, text })
    })
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(limits.shippingMs.value)
  await db.upkeep!.flush(AbortSignal.timeout(10_000))
  expect(limits.shippingBytes.value).toBe(8 * 2 ** 20)
  expect(positions(await keys('/log/'))).toEqual([2, 3])
})

test('shipping that is more than 10 s behind is warned of, once', async () => {
  let isBroken = false
  const { db, clock, warnings, keys } = await aDatabase({
    wrap: (ost) =>
      Object.assign(Object.create(ost) as ObjectStorage, {
        create: async (...args: Parameters<ObjectStorage['create']>) => {
          if (isBroken) throw new SlipwayError('object_storage_unavailable', 'away')
          return await ost.create(...args)
        },
        put: ost.put.bind(ost),
        list: ost.list.bind(ost),
        read: ost.read.bind(ost),
        stat: ost.stat.bind(ost),
        delete: ost.delete.bind(ost),
      }),
  })
  isBroken = true
  await put(db, 1)
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(limits.shippingMs.value)
  await clock.pass(limits.shippingLagMs.value - limits.shippingMs.value)
  expect(warnings).toEqual([])
  for (let again = 0; again < 3; again++) await clock.pass(limits.shippingLagMs.value)
  expect(warnings).toEqual(['shipping to object storage is behind'])
  isBroken = false
  for (let again = 0; again < 3; again++) await clock.pass(limits.shippingLagMs.value)
  expect(positions(await keys('/log/'))).toEqual([1])
})

test('an object storage that stops answering delays no commit and no end, and what it lacks stays in the log', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-silent-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  let isSilent = false
  const silence = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      signalOf(args)?.throwIfAborted()
      if (isSilent) await new Promise((_, reject) => signalOf(args)?.addEventListener('abort', reject))
      return await call(...args)
    }
  }
  const signalOf = (args: readonly unknown[]) =>
    args
      .map((one) => (one instanceof AbortSignal ? one : (one as { signal?: AbortSignal } | undefined)?.signal))
      .find((signal) => signal !== undefined)
  const silent: ObjectStorage = Object.assign(Object.create(ost) as ObjectStorage, {
    create: silence(ost.create.bind(ost)),
    put: silence(ost.put.bind(ost)),
    stat: silence(ost.stat.bind(ost)),
    delete: silence(ost.delete.bind(ost)),
    list: ost.list.bind(ost),
    read: ost.read.bind(ost),
  })
  const open = () =>
    openDatabase<Rows>({
      path: join(folder, 'db'),
      types: { thing: {} },
      clock: systemClock,
      recordsKept: 10,
      storage: { place: { ost: silent, base }, snapshots: { records: 20, pauseMs: 0 } },
    })
  {
    await using db = await open()
    await put(db, 0)
    await until(() => db.upkeep!.shipped === 1)
    isSilent = true
    for (let n = 1; n < 300; n++) await put(db, n)
    expect(db.view((tx) => tx.count('thing'))).toBe(300)
    expect(db.upkeep!.shipped).toBe(1)
  }
  isSilent = false
  await using db = await open()
  await until(() => db.upkeep!.shipped === 300)
  expect(db.verify().problems).toEqual([])
})

test('an hour after the last one a snapshot is made, if anything changed', async () => {
  const { db, clock, keys } = await aDatabase()
  await put(db, 1)
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(limits.shippingMs.value)
  await clock.pass(limits.snapshotMs.value - 60_000)
  expect(await keys('/snapshot/')).toEqual([])
  await clock.asleep(checkMs)
  await clock.pass(60_000)
  await expect.poll(() => keys('/snapshot/')).toHaveLength(1)
  await clock.pass(limits.snapshotMs.value)
  await clock.pass(limits.snapshotMs.value)
  expect(await keys('/snapshot/')).toHaveLength(1)
})

test('64 MiB of records after the last one a snapshot is made', async () => {
  const { db, clock, keys } = await aDatabase()
  await put(db, 1)
  await clock.pass(checkMs)
  expect(await keys('/snapshot/')).toEqual([])
  // Noise is shipped as large as it is.
  const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(45_000))).toString('base64')
  for (let record = 0; record < 6; record++)
    await db.do((tx) => {
      for (let n = 0; n < 280; n++) tx.put('thing', `${record}-${n}`, { n, text: noise() })
    })
  await clock.pass(limits.shippingMs.value)
  await db.upkeep!.flush(AbortSignal.timeout(20_000))
  await clock.asleep(checkMs)
  await clock.pass(checkMs)
  await expect.poll(() => keys('/snapshot/'), { timeout: 20_000 }).toHaveLength(1)
}, 60_000)

test('a snapshot is not made within a minute of the last one', async () => {
  const { db, clock, keys } = await aDatabase({ snapshots: { records: 1 } })
  await put(db, 1)
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(checkMs)
  await expect.poll(() => keys('/snapshot/')).toHaveLength(1)
  await put(db, 2)
  await clock.asleep(limits.shippingMs.value)
  await clock.asleep(checkMs)
  await clock.pass(limits.snapshotPauseMs.value - checkMs)
  await clock.asleep(checkMs)
  expect(await keys('/snapshot/')).toHaveLength(1)
  await clock.pass(checkMs)
  await expect.poll(() => keys('/snapshot/')).toHaveLength(2)
})

test('three snapshots are kept; what only older ones need goes when it is a day old, shipped records when they are seven', async () => {
  const { db, clock, keys, root } = await aDatabase()
  for (let n = 1; n <= 4; n++) {
    await put(db, 1, `text ${n}`)
    await clock.asleep(limits.shippingMs.value)
    await clock.pass(limits.shippingMs.value)
    await db.upkeep!.snapshot()
  }
  expect(await keys('/snapshot/')).toHaveLength(4)
  const files = (await keys('/data/')).length
  expect(await db.upkeep!.collect()).toEqual({ manifests: 1, files: 0, shipped: 0 })
  expect(await keys('/snapshot/')).toHaveLength(limits.snapshotsKept.value)
  expect(await keys('/data/')).toHaveLength(files)

  age(root, /\.(rows|index)/, limits.storageGraceMs.value - 60_000)
  expect(await db.upkeep!.collect()).toEqual({ manifests: 0, files: 0, shipped: 0 })
  age(root, /\.(rows|index)/, 61_000)
  expect(await db.upkeep!.collect()).toEqual({ manifests: 0, files: 2, shipped: 0 })

  const shipped = (await keys('/log/')).length
  age(root, /log\/f0{8}/, limits.shippedRecordsKeptMs.value - 60_000)
  expect(await db.upkeep!.collect()).toMatchObject({ shipped: 0 })
  age(root, /log\/f0{8}/, 61_000)
  // Below the oldest of the three, that is.
  expect(await db.upkeep!.collect()).toMatchObject({ shipped: 1 })
  expect(await keys('/log/')).toHaveLength(shipped - 1)
})

test('a data file of a snapshot ends with the row that makes it 2 MiB', async () => {
  const { db, clock } = await aDatabase()
  const text = 'x'.repeat(60 * 1024)
  await db.do((tx) => {
    for (let n = 0; n < 90; n++) tx.put('thing', String(n).padStart(6, '0'), { n, text })
  })
  await clock.asleep(limits.shippingMs.value)
  await clock.pass(limits.shippingMs.value)
  const { manifest } = await db.upkeep!.snapshot()
  expect(manifest.files.length).toBeGreaterThanOrEqual(3)
  for (const { rawBytes } of manifest.files)
    expect(rawBytes).toBeLessThan(limits.snapshotFileBytes.value + limits.rowBytes.value)
})
