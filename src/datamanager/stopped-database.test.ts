import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collectBytes } from '../lib/bytes.ts'
import { systemClock } from '../lib/clock.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { openDatabase } from './open-database.ts'
import {
  databaseStatus,
  exportStopped,
  importStopped,
  restoreStopped,
  type StoppedDatabase,
  verifyStopped,
} from './stopped-database.ts'

type Rows = { thing: { readonly n: number } }
const types = { thing: { indexes: { n: (thing: Rows['thing']) => [thing.n] } } }
const signal = new AbortController().signal

async function anInstallation() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-stopped-'))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const stopped = (name: string): StoppedDatabase => ({
    path: join(folder, `${name}.db`),
    types,
    place: { ost, base: `database/${name}` },
    name: 'things',
    clock: systemClock,
  })
  const open = (name: string) => {
    const { path, place } = stopped(name)
    return openDatabase<Rows>({ path, types, clock: systemClock, storage: { place } })
  }
  return { ost, folder, stopped, open, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

async function aFilled(installation: Awaited<ReturnType<typeof anInstallation>>): Promise<string> {
  await using db = await installation.open('main')
  await db.do((tx) => {
    for (let n = 0; n < 50; n++) tx.put('thing', `thing ${n}`, { n })
  })
  await db.upkeep!.snapshot()
  await db.do((tx) => tx.delete('thing', 'thing 3'))
  return db.contentHash
}

test('a stopped database says where it is, verifies, and is made anew from any of its snapshots', async () => {
  using installation = await anInstallation()
  const contentHash = await aFilled(installation)
  const stopped = installation.stopped('main')
  expect(await databaseStatus(stopped)).toMatchObject({ file: { position: 2 }, shipped: 2, snapshots: [1] })
  const { file, storage } = await verifyStopped(stopped)
  expect({ file: file?.problems, storage: storage?.problems }).toEqual({ file: [], storage: [] })
  expect(storage).toMatchObject({
    snapshots: [{ position: 1, count: 50, isSound: true }],
    shipped: { oldest: 1, newest: 2 },
  })
  expect(await restoreStopped(stopped, 1)).toEqual({ position: 2, snapshot: 1, contentHash })
  await expect(restoreStopped(stopped, 2)).rejects.toMatchObject({ code: 'snapshot_corrupt' })
  await using db = await installation.open('main')
  expect(db.contentHash).toBe(contentHash)
  await expect(restoreStopped(stopped)).rejects.toMatchObject({ code: 'database_locked' })
})

test('verifying finds a flipped bit in every object', async () => {
  using installation = await anInstallation()
  await aFilled(installation)
  const { place } = installation.stopped('main')
  const problems = async () => (await verifyStopped(installation.stopped('main'))).storage?.problems
  for await (const { key } of installation.ost.list({ prefix: place.base })) {
    if (key.endsWith('/clock') || key.includes('/root/')) continue
    const bytes = await collectBytes(installation.ost.read(key))
    const damaged = Buffer.from(bytes)
    damaged[Math.floor(bytes.length / 2)]! ^= 2
    await installation.ost.put(key, damaged)
    expect(await problems(), key).not.toEqual([])
    await installation.ost.put(key, bytes)
  }
  expect(await problems()).toEqual([])
})

test('an export of a stopped database replaces another one, and a bad one leaves it as it was', async () => {
  using installation = await anInstallation()
  const contentHash = await aFilled(installation)
  const file = await collectBytes(exportStopped(installation.stopped('main'), signal))
  const streamOf = async function* (bytes: Uint8Array) {
    yield bytes
  }
  const other = installation.stopped('other')
  expect(await importStopped(other, streamOf(file))).toMatchObject({ count: 49, contentHash })
  {
    await using db = await installation.open('other')
    await db.do((tx) => tx.put('thing', 'more', { n: 100 }))
  }
  await expect(importStopped(other, streamOf(file.subarray(0, 500)))).rejects.toMatchObject({ code: 'import_invalid' })
  {
    await using db = await installation.open('other')
    expect(db.view((tx) => tx.count('thing'))).toBe(50)
    await db.do((tx) => tx.put('thing', 'even more', { n: 101 }))
  }
  await importStopped(other, streamOf(file))
  await using db = await installation.open('other')
  expect(db.contentHash).toBe(contentHash)
  expect(db.verify().problems).toEqual([])
})
