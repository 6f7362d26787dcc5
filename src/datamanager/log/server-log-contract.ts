// What a change log on a server must do besides change-log-contract.ts: large records, and noticing that the server has lost
// what it had acknowledged.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startLossyProxy } from '../../../test/support/lossy-proxy.ts'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type ChangeLog, type EncodedRecord, genesisHash } from '../change-log.ts'
import { aRecord } from '../change-log-contract.ts'
import { openLogDatabase } from '../open-log-database.ts'
import { Payloads } from './payloads.ts'

export type ServerLog = AsyncDisposable & {
  readonly port: number
  /** A writer that reaches the server at another port and waits for an answer for 1 s. */
  joinAt(port: number): Promise<ChangeLog>
  /** One more writer's view of the log. */
  join(payloads?: Payloads): Promise<ChangeLog>
  /** Bytes the server itself holds for the records. */
  storedBytes(): Promise<number>
  /** Makes the log end at `record`, or before the first one, as a restored backup or a standby that lags would. */
  goBack(record: EncodedRecord | undefined): Promise<void>
}

const identity = { store: 'store', generation: 'generation' }
const large = (position: number, prev: string) => aRecord(position, prev, randomBytes(1_500_000).toString('hex'))

async function append(log: ChangeLog, record: EncodedRecord, prev: string): Promise<EncodedRecord> {
  expect(await log.append(record, prev)).toEqual({ kind: 'created' })
  return record
}

async function withStorage(use: (storage: ObjectStorage) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'slipway-payloads-'))
  try {
    await using storage = await openPosixObjectStorage({ root })
    await use(storage)
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function keysOf(storage: ObjectStorage): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list()) keys.push(key)
  return keys
}

export function serverLogContract(name: string, open: () => Promise<ServerLog>): void {
  test(`${name}: a record of many megabytes comes back whole, and nothing of it stays when it is collected`, async () => {
    await using opened = await open()
    const log = await opened.join()
    const first = await append(log, large(1, genesisHash), genesisHash)
    const second = await append(log, aRecord(2, first.hash), first.hash)
    const lost = large(2, first.hash)
    expect(await log.append(lost, first.hash)).toEqual({ kind: 'exists' }) // what was stored for it is collected too
    const [found] = await (await opened.join()).read(0, 1)
    expect(found?.hash).toBe(first.hash)
    expect(Buffer.compare(found!.bytes, first.bytes)).toBe(0)
    const third = await append(log, aRecord(3, second.hash), second.hash)
    await log.collect(2)
    expect(await opened.storedBytes()).toBeLessThan(10_000)
    expect((await log.read(2, 5)).map(({ hash }) => hash)).toEqual([third.hash])
  })

  test(`${name}: large records lie on object storage when there is one, and leave it when they are collected`, async () => {
    await withStorage(async (storage) => {
      await using opened = await open()
      const payloads = new Payloads(storage, 'base/payload/')
      const log = await opened.join(payloads)
      const first = await append(log, large(1, genesisHash), genesisHash)
      const second = await append(log, aRecord(2, first.hash), first.hash)
      expect(await log.append(large(2, first.hash), first.hash)).toEqual({ kind: 'exists' })
      expect(await keysOf(storage)).toHaveLength(2)
      expect(await opened.storedBytes()).toBeLessThan(10_000)
      const other = await opened.join(payloads)
      expect((await other.read(0, 5)).map(({ hash }) => hash)).toEqual([first.hash, second.hash])
      expect(Buffer.compare((await other.read(0, 1))[0]!.bytes, first.bytes)).toBe(0)
      await expect((await opened.join()).read(0, 5)).rejects.toMatchObject({ code: 'database_corrupt' })
      await append(log, aRecord(3, second.hash), second.hash)
      await log.collect(2)
      expect(await keysOf(storage)).toEqual([])
    })
  })

  test(`${name}: an answer that is lost leaves the outcome unknown, and the slot tells`, async () => {
    await using opened = await open()
    await using proxy = await startLossyProxy(opened.port)
    const log = await opened.joinAt(proxy.port)
    const first = await append(log, aRecord(1, genesisHash), genesisHash)
    const second = aRecord(2, first.hash)
    proxy.loseAnswers()
    expect(await log.append(second, first.hash)).toMatchObject({ kind: 'unknown' })
    expect(proxy.lostBytes).toBeGreaterThan(0)
    expect((await (await opened.join()).read(0, 5)).map(({ hash }) => hash)).toEqual([first.hash, second.hash])
    proxy.recover()
    expect((await log.read(1, 5)).map(({ hash }) => hash)).toEqual([second.hash])
    expect(await log.append(second, first.hash)).toEqual({ kind: 'exists' })
    await append(log, aRecord(3, second.hash), second.hash)
  })

  test(`${name}: a server that cannot be reached leaves the outcome unknown and reads fail`, async () => {
    await using opened = await open()
    const log = await (async () => {
      await using proxy = await startLossyProxy(opened.port)
      const joined = await opened.joinAt(proxy.port)
      await append(joined, aRecord(1, genesisHash), genesisHash)
      return joined
    })()
    const first = aRecord(1, genesisHash)
    expect(await log.append(aRecord(2, first.hash), first.hash)).toMatchObject({ kind: 'unknown' })
    await expect(log.read(0, 5)).rejects.toMatchObject({ code: 'backend_unavailable' })
    await expect(log.head()).rejects.toMatchObject({ code: 'backend_unavailable' })
    expect(await (await opened.join()).head()).toBe(1)
  })

  test(`${name}: a record of up to inlineRecordBytes is in the server, a larger one on object storage`, async () => {
    await withStorage(async (storage) => {
      await using opened = await open()
      const log = await opened.join(new Payloads(storage, 'payload/'))
      const overhead = aRecord(1, genesisHash, 'x'.repeat(10_000)).bytes.length - 30_000 // the text is in it three times
      const fitting = Math.floor((limits.inlineRecordBytes.value - overhead) / 3) - 10
      const first = await append(log, aRecord(1, genesisHash, 'x'.repeat(fitting)), genesisHash)
      expect(await keysOf(storage)).toEqual([])
      await append(log, aRecord(2, first.hash, 'x'.repeat(fitting + 100)), first.hash)
      expect(await keysOf(storage)).toHaveLength(1)
    })
  })

  test(`${name}: a server that has lost acknowledged records is not believed`, async () => {
    await using opened = await open()
    const log = await opened.join()
    const first = await append(log, aRecord(1, genesisHash), genesisHash)
    const second = await append(log, aRecord(2, first.hash), first.hash)
    await opened.goBack(first)
    await expect(log.head()).rejects.toMatchObject({ code: 'database_corrupt' })
    await expect(log.read(1, 5)).rejects.toMatchObject({ code: 'database_corrupt' })
    const third = aRecord(3, second.hash)
    await expect(log.append(third, second.hash)).rejects.toMatchObject({ code: 'database_corrupt' })
    // Another one that knows nothing goes on from there; the one that knows sees a fork.
    const ignorant = await opened.join()
    await append(ignorant, aRecord(2, first.hash, 'fork'), first.hash)
    await expect(log.head()).rejects.toMatchObject({ code: 'database_corrupt' })
  })

  test(`${name}: a database whose rows are newer than the log does not open, and one that is open stops`, async () => {
    await using opened = await open()
    const folder = mkdtempSync(join(tmpdir(), 'slipway-lost-'))
    try {
      const openDatabase = async () =>
        openLogDatabase<{ box: number }>({
          path: join(folder, 'rows.db'),
          types: { box: {} },
          clock: systemClock,
          instanceId: 'instance',
          log: await opened.join(),
          identity,
        })
      {
        await using db = await openDatabase()
        await db.do((tx) => tx.put('box', 'a', 1))
        await db.do((tx) => tx.put('box', 'a', 2))
        await opened.goBack(undefined)
        await expect(db.do((tx) => tx.put('box', 'a', 3))).rejects.toMatchObject({
          code: expect.stringMatching('database_corrupt|outcome_unknown'),
        })
        expect(() => db.view((tx) => tx.get('box', 'a'))).toThrow(expect.objectContaining({ code: 'database_corrupt' }))
      }
      await expect(openDatabase()).rejects.toMatchObject({ code: 'database_corrupt' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
