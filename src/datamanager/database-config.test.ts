import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Etcd, startEtcd } from '../../test/support/etcd.ts'
import { type Postgres, startPostgres } from '../../test/support/postgres.ts'
import { systemClock } from '../lib/clock.ts'
import type { Json } from '../lib/json.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { genesisHash } from './change-log.ts'
import { aRecord } from './change-log-contract.ts'
import { openDatabaseBackend, parseDatabaseSettings } from './database-config.ts'

let etcd: Etcd
let postgres: Postgres
let folder: string
let storage: ObjectStorage

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-database-config-'))
  ;[etcd, postgres, storage] = await Promise.all([
    startEtcd(),
    startPostgres(),
    openPosixObjectStorage({ root: join(folder, 'storage') }),
  ])
})
afterAll(async () => {
  await Promise.all([etcd[Symbol.asyncDispose](), postgres[Symbol.asyncDispose](), storage[Symbol.asyncDispose]()])
  rmSync(folder, { recursive: true })
})

test('without a section the log is embedded', () => {
  expect(parseDatabaseSettings(undefined)).toEqual({ log: 'embedded' })
  expect(parseDatabaseSettings({})).toEqual({ log: 'embedded' })
})

test('a section is parsed with its defaults', () => {
  expect(parseDatabaseSettings({ log: 'bucket' })).toEqual({ log: 'bucket' })
  expect(parseDatabaseSettings({ log: 'etcd', etcd: { endpoints: ['http://a:2379'], user: 'me' } })).toEqual({
    log: 'etcd',
    etcd: { endpoints: ['http://a:2379'], prefix: 'slipway', user: 'me' },
  })
  expect(parseDatabaseSettings({ log: 'postgres', postgres: { urlFile: '/secret/url' } })).toEqual({
    log: 'postgres',
    postgres: { schema: 'slipway', urlFile: '/secret/url' },
  })
})

test.each<[string, Json, string]>([
  ['that is no object', [], 'database must be an object'],
  ['with another log', { log: 'redis' }, 'database.log is redis'],
  ['with a log that is no text', { log: 1 }, 'database.log must be a text'],
  ['with a member that is not known', { log: 'embedded', path: '/x' }, 'database.path is not known here'],
  ['with the members of two logs', { log: 'bucket', etcd: { endpoints: ['http://a'] } }, 'database.etcd is not known'],
  ['of etcd without its part', { log: 'etcd' }, 'database.etcd is missing'],
  ['of etcd without endpoints', { log: 'etcd', etcd: { endpoints: [] } }, 'database.etcd.endpoints must be a list'],
  [
    'of etcd with a misspelt member',
    { log: 'etcd', etcd: { endpoints: ['a'], caFil: 'x' } },
    'etcd.caFil is not known',
  ],
  ['of PostgreSQL without URL', { log: 'postgres', postgres: {} }, 'needs one of url and urlFile'],
  [
    'of PostgreSQL with two URLs',
    { log: 'postgres', postgres: { url: 'postgres://a', urlFile: 'b' } },
    'needs one of url and urlFile',
  ],
  [
    'of PostgreSQL with a schema that needs quotes',
    { log: 'postgres', postgres: { url: 'u', schema: 'A b' } },
    'match',
  ],
])('a section %s is refused', (_, section, message) => {
  expect(() => parseDatabaseSettings(section)).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(message) }),
  )
})

test('the embedded log has nothing to open, and coordination of its own', async () => {
  await using backend = await openDatabaseBackend({ log: 'embedded' }, { storage, base: 'a', clock: systemClock })
  expect(await backend.openLog('runservice', { store: 's', generation: 'g' })).toBeUndefined()
  await backend.coordination.announce('me', 'data')
  expect(await backend.coordination.present()).toMatchObject([{ instanceId: 'me' }])
})

test('a bucket that ignores conditions is refused', async () => {
  const ignoring: ObjectStorage = {
    put: (...args) => storage.put(...args),
    create: (...args) => storage.put(...args),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    delete: (...args) => storage.delete(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: async () => {},
  }
  const opening = openDatabaseBackend({ log: 'bucket' }, { storage: ignoring, base: 'a', clock: systemClock })
  await expect(opening).rejects.toMatchObject({ code: 'object_storage_unsafe' })
})

describe.each(['etcd', 'postgres', 'bucket'] as const)('%s', (log) => {
  const section = (): Json => {
    if (log === 'etcd') return { log, etcd: { endpoints: [etcd.endpoint] } }
    if (log === 'bucket') return { log }
    const urlFile = join(folder, 'url')
    writeFileSync(urlFile, `${postgres.url}\n`)
    return { log, postgres: { urlFile } }
  }
  const openBackend = (base = 'installation') =>
    openDatabaseBackend(parseDatabaseSettings(section()), { storage, base, clock: systemClock })
  const identity = { store: 'store-1', generation: '0199aaaa-0000-7000-8000-000000000001' }

  test('services and generations have logs of their own, which are found again', async () => {
    const record = aRecord(1, genesisHash)
    {
      await using backend = await openBackend()
      await using opened = await backend.openLog('runservice', identity)
      expect(await opened!.append(record, genesisHash)).toEqual({ kind: 'created' })
    }
    await using backend = await openBackend()
    await using again = await backend.openLog('runservice', identity)
    expect((await again!.read(0, 5)).map(({ hash }) => hash)).toEqual([record.hash])
    await using other = await backend.openLog('configstore', identity)
    expect(await other!.head()).toBe(0)
    const generation = '0199aaaa-0000-7000-8000-000000000002'
    await using next = await backend.openLog('runservice', { ...identity, generation })
    expect(await next!.head()).toBe(0)
  })

  if (log !== 'bucket')
    test('the log of a generation that is dropped is gone, and the others stay', async () => {
      await using backend = await openBackend()
      const record = aRecord(1, genesisHash)
      const generations = ['1', '2'].map((end) => `0199bbbb-0000-7000-8000-00000000000${end}`)
      for (const generation of generations) {
        await using opened = await backend.openLog('gateway', { ...identity, generation })
        await opened!.append(record, genesisHash)
      }
      await backend.dropLog('gateway', generations[0]!)
      await backend.dropLog('gateway', 'one that never was')
      for (const [index, generation] of generations.entries()) {
        await using opened = await backend.openLog('gateway', { ...identity, generation })
        expect(await opened!.head()).toBe(index)
      }
    })

  test('instances of one installation meet', async () => {
    await using first = await openBackend()
    await using second = await openBackend()
    await first.coordination.announce('first', '')
    await second.coordination.announce('second', '')
    const seen = (await second.coordination.present()).map(({ instanceId }) => instanceId)
    expect(seen).toEqual(['first', 'second'])
  })

  if (log !== 'bucket')
    test('a log of another store than the object storage is refused', async () => {
      await using backend = await openBackend()
      await using _ = await backend.openLog('runservice', identity)
      const stranger = { ...identity, store: 'store-2' }
      await expect(backend.openLog('runservice', stranger)).rejects.toMatchObject({ code: 'database_foreign' })
    })
})
