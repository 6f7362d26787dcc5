import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newBucket } from '../../../../test/support/ceph-server.ts'
import { collectBytes } from '../../../lib/bytes.ts'
import { systemClock } from '../../../lib/clock.ts'
import type { ObjectStorage } from '../../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../../objectstorage/posix.ts'
import { openS3ObjectStorage } from '../../../objectstorage/s3.ts'
import { genesisHash } from '../../change-log.ts'
import { aRecord, changeLogContract } from '../../change-log-contract.ts'
import { BucketChangeLog } from './bucket-log.ts'

const prefix = 'base/generation/'

async function openStorage() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bucket-'))
  const storage = await openPosixObjectStorage({ root: folder })
  return {
    storage,
    log: (through: ObjectStorage = storage) =>
      new BucketChangeLog({ storage: through, prefix, clock: systemClock, pollMs: 20 }),
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

changeLogContract('object storage', async () => {
  const opened = await openStorage()
  return {
    logs: [opened.log(), opened.log()],
    damage: async (position) => {
      const key = `${prefix}log/${position.toString(16).padStart(16, '0')}`
      const bytes = await collectBytes(opened.storage.read(key))
      bytes[bytes.length - 3]! ^= 1
      await opened.storage.put(key, bytes)
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
})

changeLogContract('object storage of Ceph', async () => {
  const storage = await openS3ObjectStorage({ ...(await newBucket()) })
  const log = () => new BucketChangeLog({ storage, prefix, clock: systemClock, pollMs: 50 })
  return {
    logs: [log(), log()],
    damage: async (position) => {
      const key = `${prefix}log/${position.toString(16).padStart(16, '0')}`
      const bytes = await collectBytes(storage.read(key))
      bytes[bytes.length - 3]! ^= 1
      await storage.put(key, bytes)
    },
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
})

/** Calls `storage`, but what is named in `replaced`. */
function replacing(storage: ObjectStorage, replaced: Partial<ObjectStorage>): ObjectStorage {
  return {
    put: (...args) => storage.put(...args),
    create: (...args) => storage.create(...args),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    delete: (...args) => storage.delete(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: async () => {},
    ...replaced,
  }
}

async function fill(log: BucketChangeLog, from: number, to: number, prev = genesisHash) {
  let newest = prev
  for (let position = from; position <= to; position++) {
    const record = aRecord(position, newest)
    expect(await log.append(record, newest)).toEqual({ kind: 'created' })
    newest = record.hash
  }
  return newest
}

test('a writer that slept while its slot was taken and collected has written nothing', async () => {
  await using opened = await openStorage()
  const log = opened.log()
  const prev = await fill(log, 1, 3)
  const asleep = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const slow = opened.log(
    replacing(opened.storage, {
      create: async (...args) => {
        reached.resolve()
        await asleep.promise
        return opened.storage.create(...args)
      },
    }),
  )
  const record = aRecord(4, prev, 'stalled')
  const stalled = slow.append(record, prev)
  await reached.promise
  await fill(log, 4, 8, prev)
  await log.collect(7)
  asleep.resolve()
  expect(await stalled).toEqual({ kind: 'exists' })
  await expect(slow.read(3, 1)).rejects.toMatchObject({ code: 'history_collected' })
  expect(await slow.head()).toBe(8)
  expect(await opened.storage.stat(`${prefix}log/0000000000000004`)).toBeUndefined()
})

test('what a stalled writer has put into a collected slot nobody reads, before it is deleted too', async () => {
  await using opened = await openStorage()
  const log = opened.log()
  const behind = opened.log()
  const prev = await fill(log, 1, 3)
  await behind.read(0, 10)
  await fill(log, 4, 8, prev)
  await log.collect(7)
  const void4 = aRecord(4, prev, 'stalled')
  await opened.storage.create(`${prefix}log/0000000000000004`, void4.bytes)
  await expect(behind.read(3, 10)).rejects.toMatchObject({ code: 'history_collected' })
  expect(await behind.head()).toBe(8)
  expect(await behind.append(aRecord(5, void4.hash), void4.hash)).toEqual({ kind: 'exists' })
})

test('the head is found although listings show nothing of late', async () => {
  await using opened = await openStorage()
  await fill(opened.log(), 1, 20)
  async function* stale() {}
  const reader = opened.log(replacing(opened.storage, { list: stale }))
  expect(await reader.head()).toBe(20)
})

test('an answer that is lost leaves the outcome unknown, and the slot tells', async () => {
  await using opened = await openStorage()
  const lossy = opened.log(
    replacing(opened.storage, {
      create: async (...args) => {
        await opened.storage.create(...args)
        throw new Error('connection reset')
      },
    }),
  )
  const record = aRecord(1, genesisHash)
  expect(await lossy.append(record, genesisHash)).toMatchObject({ kind: 'unknown' })
  expect((await lossy.read(0, 1))[0]?.hash).toBe(record.hash)
  expect(await lossy.append(record, genesisHash)).toEqual({ kind: 'exists' })
})

test('collectors that race never lower the mark', async () => {
  await using opened = await openStorage()
  const logs = [opened.log(), opened.log(), opened.log()] as const
  const prev = await fill(logs[0], 1, 12)
  await Promise.all([logs[0].collect(9), logs[1].collect(3), logs[2].collect(6)])
  await logs[1].collect(4)
  await expect(opened.log().read(8, 5)).rejects.toMatchObject({ code: 'history_collected' })
  expect((await opened.log().read(9, 5)).map(({ position }) => position)).toEqual([10, 11, 12])
  await fill(opened.log(), 13, 13, prev)
})

test('a record that is gone from the middle is not taken for the end, and stops the reader after a minute', async () => {
  await using opened = await openStorage()
  await fill(opened.log(), 1, 5)
  await opened.storage.delete(`${prefix}log/0000000000000003`)
  let now = 1000
  const clock = { ...systemClock, now: () => now }
  const reader = new BucketChangeLog({ storage: opened.storage, prefix, clock })
  expect(await reader.head()).toBe(5)
  expect((await reader.read(0, 5)).map(({ position }) => position)).toEqual([1, 2])
  await expect(reader.read(2, 5)).rejects.toMatchObject({ code: 'backend_unavailable' })
  now += 61_000
  await expect(reader.read(2, 5)).rejects.toMatchObject({ code: 'database_corrupt' })
})
