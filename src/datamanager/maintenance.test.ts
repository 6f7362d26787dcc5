import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { BucketCoordination } from '../coordination/bucket.ts'
import { collectBytes } from '../lib/bytes.ts'
import { systemClock } from '../lib/clock.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import type { ChangeLog } from './change-log.ts'
import type { Database } from './database.ts'
import { openDatabaseBackend } from './database-config.ts'
import { prepareImport } from './export/import-database.ts'
import { chooseFormat } from './formats.ts'
import { databaseBase, openInstallationDatabases, servicePlace } from './installation-databases.ts'
import { Instances, instancePrefix, listInstances } from './instances.ts'
import { encodeRecord, encodeTransaction } from './record.ts'
import { findRoot } from './snapshot/root.ts'

type Rows = { thing: { readonly n: number } }
const things = { types: { thing: { indexes: { n: (thing: Rows['thing']) => [thing.n] } } } }
const signal = new AbortController().signal
const services = ['configstore', 'runservice'] as const

/** An installation whose log is in object storage, so that several instances are in this process. */
async function aWorld(log: 'bucket' | 'embedded' = 'bucket') {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-maintenance-'))
  const storage = await openPosixObjectStorage({ root: join(folder, 'objects') })
  const open = (instanceId: string, version = '1.0.0', isHidden = false) =>
    openInstallationDatabases({
      settings: { log },
      directory: join(folder, log === 'embedded' ? 'files' : instanceId),
      storage,
      clock: systemClock,
      instanceId,
      version,
      isHidden,
    })
  return { storage, open, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

async function until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await ask()
    if (found) return found
    await systemClock.sleep(20)
  }
}

/** `storage` with some of its methods replaced. */
function altered(storage: ObjectStorage, methods: Partial<ObjectStorage>): ObjectStorage {
  return {
    put: (...args) => storage.put(...args),
    create: (...args) => storage.create(...args),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    delete: (...args) => storage.delete(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: async () => {},
    ...methods,
  }
}

test('maintenance that one instance begins is entered by all, who say so with version, position and generation', async () => {
  using world = await aWorld()
  await using first = await world.open('first', '1.0.0')
  await using second = await world.open('second', '1.1.0')
  await using a = await first.open<Rows>('runservice', things)
  await using b = await second.open<Rows>('runservice', things)
  await a.do((tx) => tx.put('thing', 'before', { n: 1 }))
  first.maintenance.checkOpen()
  await first.maintenance.enter('anna', 'upgrade')
  expect(() => first.maintenance.checkOpen()).toThrow(expect.objectContaining({ code: 'maintenance' }))
  const status = await until(async () => {
    const now = await second.maintenance.status()
    return now.isEverywhere && now
  })
  expect(status.databases).toMatchObject([
    { service: 'runservice', position: 2, maintenance: { by: 'anna', why: 'upgrade' } },
  ])
  const { generation } = a.identity
  const database = { runservice: { generation, position: 2, maintenance: 'entered' } }
  expect(status.instances).toMatchObject([
    { instanceId: 'first', version: '1.0.0', hasEntered: true, isPresent: true, databases: database },
    { instanceId: 'second', version: '1.1.0', hasEntered: true, isPresent: true, databases: database },
  ])
  for (const { seenAt } of status.instances) expect(systemClock.now() - seenAt).toBeLessThan(30_000)
  expect(() => second.maintenance.checkOpen()).toThrow('in maintenance by anna: upgrade')
  await expect(b.do((tx) => tx.put('thing', 'late', { n: 2 }))).rejects.toMatchObject({ code: 'maintenance' })
  await second.maintenance.leave()
  await until(async () => !first.maintenance.current)
  await a.do((tx) => tx.put('thing', 'after', { n: 3 }))
})

test('an instance that has not entered is told from those that have', async () => {
  using world = await aWorld()
  await using first = await world.open('first')
  await using db = await first.open<Rows>('runservice', things)
  await using coordination = new BucketCoordination({
    storage: world.storage,
    prefix: `${databaseBase}/coordination/`,
    clock: systemClock,
  })
  // An instance that is there and does not follow: as one that hangs.
  await using _hanging = await (async () => {
    const parts = { coordination, storage: world.storage, base: databaseBase, clock: systemClock }
    const instances = new Instances({ ...parts, instanceId: 'hangs', version: '0.9.0' })
    const stuck = { identity: db.identity, position: 0, maintenance: undefined }
    instances.watch('runservice', { ...stuck, watchMaintenance: () => ({ [Symbol.dispose]() {} }) })
    await instances.start()
    return instances
  })()
  await first.maintenance.enter('anna', 'upgrade')
  const status = await until(async () => {
    const now = await first.maintenance.status()
    return now.instances.some(({ hasEntered }) => hasEntered) && now
  })
  expect(status.instances.map(({ instanceId, hasEntered }) => [instanceId, hasEntered])).toEqual([
    ['first', true],
    ['hangs', false],
  ])
  expect(status.isEverywhere).toBe(false)
})

test('a stopped installation says from its storage that it is in maintenance and who was there last', async () => {
  using world = await aWorld()
  {
    await using instance = await world.open('first')
    await using _ = await instance.open<Rows>('runservice', things)
    await instance.maintenance.enter('anna', 'upgrade')
    await until(async () => (await instance.maintenance.status()).isEverywhere)
  }
  await using looking = await world.open('looking', '2.0.0', true)
  await using _ = await looking.open<Rows>('runservice', things)
  const status = await looking.maintenance.status()
  expect(status.databases).toMatchObject([{ maintenance: { by: 'anna', why: 'upgrade' } }])
  expect(status.instances).toMatchObject([{ instanceId: 'first', isPresent: false, stoppedAt: expect.any(Number) }])
})

test('an instance that was killed is known for an hour, by the clock of the storage', async () => {
  using world = await aWorld()
  const seen = await listInstances({ storage: world.storage, base: databaseBase, clock: systemClock })
  expect(seen).toEqual([])
  const state = { instanceId: 'killed', version: '1.0.0', startedAt: 1, formats: { record: 1 }, databases: {} }
  const aged = (ageMs: number) =>
    altered(world.storage, {
      async *list(options) {
        for await (const info of world.storage.list(options)) yield { ...info, modifiedAt: info.modifiedAt - ageMs }
      },
    })
  await world.storage.put(`${instancePrefix(databaseBase)}killed`, Buffer.from(JSON.stringify(state)))
  const list = (ageMs: number) =>
    listInstances({ storage: aged(ageMs), base: databaseBase, clock: systemClock }).then((all) =>
      all.map(({ instanceId }) => instanceId),
    )
  expect(await list(59 * 60_000)).toEqual(['killed'])
  expect(await list(61 * 60_000)).toEqual([])
  expect(await list(0), 'it is forgotten for good').toEqual([])
})

test('a newer format is written only when every instance of the last hour reads it', async () => {
  using world = await aWorld()
  const at = async (instanceId: string, version: string, record: number) => {
    const coordination = new BucketCoordination({
      storage: world.storage,
      prefix: `${databaseBase}/coordination/`,
      clock: systemClock,
    })
    const parts = { coordination, storage: world.storage, base: databaseBase, clock: systemClock }
    const instances = new Instances({ ...parts, instanceId, version, formats: { record } })
    await instances.start()
    return instances
  }
  const old = await at('old', '1.0.0', 1)
  const young = await at('young', '2.0.0', 2)
  const record = { kind: 'record', newest: 2 }
  const now = systemClock.now()
  const together = chooseFormat(record, await young.list(), now)
  expect(together).toMatchObject({ format: 1, heldBackBy: [{ instanceId: 'old', version: '1.0.0' }] })
  await old[Symbol.asyncDispose]()
  const seen = await young.list()
  expect(chooseFormat(record, seen, now), 'it has stopped, and may be started again').toMatchObject({ format: 1 })
  const later = seen.map((instance) =>
    instance.instanceId === 'old' ? { ...instance, seenAt: now - 60 * 60_000 - 1 } : instance,
  )
  expect(chooseFormat(record, later, now)).toEqual({ format: 2, heldBackBy: [] })
  expect(chooseFormat({ kind: 'unheard', newest: 3 }, later, now), 'who does not say reads 1').toMatchObject({
    format: 1,
  })
  await young[Symbol.asyncDispose]()
})

test('a record that must not be ignored stops an instance that does not know it, loudly and again after a restart', async () => {
  using world = await aWorld()
  await using instance = await world.open('old')
  await using db = await instance.open<Rows>('runservice', things)
  await db.do((tx) => tx.put('thing', 'a', { n: 1 }))
  await using backend = await openDatabaseBackend(
    { log: 'bucket' },
    { storage: world.storage, base: databaseBase, clock: systemClock },
  )
  await using log = (await backend.openLog('runservice', db.identity)) as ChangeLog
  const append = async (operation: string) => {
    const last = (await log.read((await log.head()) - 1, 1))[0]!
    const place = { ...db.identity, position: last.position + 1, prev: last.hash }
    const line = encodeTransaction({ at: 1, operations: [operation] })
    expect(await log.append(encodeRecord(place, 'later', [line]), last.hash)).toEqual({ kind: 'created' })
  }
  await append('{"kind":"annotate","text":"may be ignored"}')
  await db.waitFor(2)
  await append('{"kind":"reshard","must":true}')
  const tooNew = { code: 'database_too_new', message: expect.stringContaining('"reshard" that must not be ignored') }
  await until(async () => {
    try {
      db.view((tx) => tx.count('thing'))
      return false
    } catch (error) {
      expect(error).toMatchObject(tooNew)
      return true
    }
  })
  await expect(db.do((tx) => tx.put('thing', 'b', { n: 1 }))).rejects.toMatchObject(tooNew)
  await db[Symbol.asyncDispose]()
  await expect(instance.open<Rows>('runservice', things)).rejects.toMatchObject({ code: 'database_too_new' })
})

async function fill(db: Database<Rows>): Promise<void> {
  await db.do((tx) => {
    for (let n = 0; n < 40; n++) tx.put('thing', `thing ${String(n).padStart(3, '0')}`, { n })
  })
}

test.each(['bucket', 'embedded'] as const)(
  'all databases are exported at any time and replaced together, in maintenance, with the log %s',
  async (log) => {
    using world = await aWorld(log)
    const files = new Map<string, Buffer>()
    const hashes = new Map<string, string>()
    {
      await using instance = await world.open('first')
      const databases = new Map<string, Awaited<ReturnType<typeof instance.open<Rows>>>>()
      for (const service of services) {
        const db = await instance.open<Rows>(service, things)
        databases.set(service, db)
        await fill(db)
        hashes.set(service, db.contentHash)
        await using opened = await instance.maintenance.openExport(service, { signal })
        files.set(service, await collectBytes(opened.stream))
        await db.do((tx) => tx.delete('thing', 'thing 001'))
      }
      const importing = () => instance.maintenance.import(Readable.from(files.values()), { signal })
      await expect(importing()).rejects.toMatchObject({ code: 'import_refused' })
      await instance.maintenance.enter('anna', 'goes back')
      const good = files.get('runservice')!
      files.set('runservice', good.subarray(0, -10))
      await expect(importing()).rejects.toMatchObject({ code: 'import_invalid' })
      for (const db of databases.values()) expect(db.maintenance?.replacedBy).toBeUndefined()
      files.set('runservice', good)
      const twice = Readable.from([good, good])
      await expect(instance.maintenance.import(twice, { signal })).rejects.toThrow(
        'has the database "runservice" twice',
      )
      const other = instance.maintenance.import(Readable.from([good]), { signal, only: 'configstore' })
      await expect(other).rejects.toThrow('of the database "runservice", not "configstore"')
      const all = await collectBytes(instance.maintenance.exportAll({ signal }))
      expect(all.toString().match(/"kind":"slipway-export"/g)).toHaveLength(services.length)
      await importing()
      await expect(importing()).rejects.toMatchObject({ code: 'import_refused' })
      for (const db of databases.values()) expect(db.maintenance?.replacedBy).toBeDefined()
      for (const db of databases.values()) await db[Symbol.asyncDispose]()
    }
    await using instance = await world.open('second')
    for (const service of services) {
      const db = await instance.open<Rows>(service, things)
      expect(db.maintenance, 'the new generation begins in maintenance').toMatchObject({ by: 'anna' })
      await db.unfreeze()
      expect(db.contentHash).toBe(hashes.get(service))
      await db.do((tx) => tx.put('thing', 'new', { n: 1 }))
      await db[Symbol.asyncDispose]()
    }
  },
)

test('an import that died between its last two steps is completed by whoever opens the database', async () => {
  using world = await aWorld()
  let contentHash: string
  const place = servicePlace({ storage: world.storage }, 'runservice')
  {
    await using instance = await world.open('first')
    await using db = await instance.open<Rows>('runservice', things)
    await fill(db)
    contentHash = db.contentHash
    await using opened = await instance.maintenance.openExport('runservice', { signal })
    const file = await collectBytes(opened.stream)
    await db.do((tx) => tx.delete('thing', 'thing 001'))
    await instance.maintenance.enter('anna', 'goes back')
    const root = await findRoot(place)
    const dying = altered(world.storage, {
      create: async (key, ...rest) => {
        if (key.includes('/root/')) throw new Error('killed')
        return await world.storage.create(key, ...rest)
      },
    })
    const prepared = await prepareImport({
      ...{ place: { ...place, ost: dying }, types: things.types, database: 'runservice', now: 2 },
      stream: Readable.from([file]),
      closeOld: (generation) => db.closeGeneration(generation),
    })
    await expect(prepared.commit()).rejects.toThrow('killed')
    expect(await findRoot(place)).toEqual(root)
  }
  await using instance = await world.open('second')
  await using db = await instance.open<Rows>('runservice', things)
  expect((await findRoot(place))?.number).toBe(2)
  expect(db.contentHash).toBe(contentHash)
})
