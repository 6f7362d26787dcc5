import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Etcd, startEtcd } from '../../test/support/etcd.ts'
import { systemClock } from '../lib/clock.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import type { DatabaseSettings } from './database-config.ts'
import {
  databaseServices,
  type OpenServiceDatabaseOptions,
  openInstallationDatabases,
} from './installation-databases.ts'

type Rows = { thing: { readonly n: number } }
const things: OpenServiceDatabaseOptions = { types: { thing: {} } }
const signal = new AbortController().signal

let etcd: Etcd
let folder: string
let worlds = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-installation-'))
  etcd = await startEtcd()
})
afterAll(async () => {
  await etcd[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

type Settings = (world: string) => DatabaseSettings
const embedded: Settings = () => ({ log: 'embedded' })
const bucket: Settings = () => ({ log: 'bucket' })
const inEtcd: Settings = (world) => ({ log: 'etcd', etcd: { endpoints: [etcd.endpoint], prefix: world } })

/** Two installations, `a` and `b`, and what can be mixed of them. */
function aWorld(settings: Settings) {
  const name = `world-${worlds++}`
  const at = (...parts: string[]) => join(folder, name, ...parts)
  const open = async (parts: { readonly directory: string; readonly storage: string; readonly log: string }) => {
    await using undo = new AsyncDisposableStack()
    const storage = undo.use(await openPosixObjectStorage({ root: at(parts.storage) }))
    const databases = undo.use(
      await openInstallationDatabases({
        settings: settings(`${name}-${parts.log}`),
        directory: at(parts.directory),
        storage,
        clock: systemClock,
        instanceId: parts.directory,
        version: '1.0.0',
      }),
    )
    const owned = undo.move()
    return { ...databases, storage, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }
  return { at, open }
}
const own = (name: string) => ({ directory: `${name}-files`, storage: `${name}-objects`, log: `${name}-log` })

describe.each([
  ['embedded', embedded],
  ['bucket', bucket],
  ['etcd', inEtcd],
])('with the log %s', (log, settings) => {
  test('each service has its own database below one base, found again after a restart', async () => {
    const world = aWorld(settings)
    let installation: string
    {
      await using databases = await world.open(own('a'))
      installation = databases.installation
      for (const [n, service] of databaseServices.entries()) {
        await using db = await databases.open<Rows>(service, things)
        await db.do((tx) => tx.put('thing', service, { n }))
        await db.upkeep.snapshot()
      }
      const tops = new Set<string>()
      for await (const { key } of databases.storage.list()) tops.add(key.split('/').slice(0, 2).join('/'))
      for (const service of databaseServices) expect(tops).toContain(`database/${service}`)
      expect(tops).toContain('database/installation')
    }
    expect(existsSync(world.at('a-files', 'runservice.db'))).toBe(true)
    await using databases = await world.open(own('a'))
    expect(databases.installation).toBe(installation)
    for (const [n, service] of databaseServices.entries()) {
      await using db = await databases.open<Rows>(service, things)
      expect(db.view((tx) => tx.list('thing').map(({ id, body }) => [id, body.n]))).toEqual([[service, n]])
    }
  })

  test('a second instance has the rows without files of its own', async () => {
    const world = aWorld(settings)
    await using first = await world.open(own('a'))
    let contentHash: string
    {
      await using db = await first.open<Rows>('runservice', things)
      await db.do((tx) => tx.put('thing', 'before', { n: 1 }))
      await db.upkeep.snapshot()
      await db.do((tx) => tx.put('thing', 'after', { n: 2 }))
      await db.upkeep.flush(signal)
      contentHash = db.contentHash
    }
    await using second = await world.open({ ...own('a'), directory: 'other-files' })
    await using db = await second.open<Rows>('runservice', things)
    expect(db.contentHash).toBe(contentHash)
  })

  test('what is of two installations is refused together, and stays as it was', async () => {
    const world = aWorld(settings)
    for (const name of ['a', 'b']) {
      await using databases = await world.open(own(name))
      await using db = await databases.open<Rows>('runservice', things)
      await db.do((tx) => tx.put('thing', name, { n: 1 }))
    }
    const mixtures = [
      { ...own('a'), directory: own('b').directory },
      { ...own('a'), storage: own('b').storage },
      { ...own('a'), storage: 'nothing-yet' },
      ...(log === 'etcd' ? [{ ...own('a'), log: own('b').log, directory: 'nothing-yet' }] : []),
    ]
    for (const mixture of mixtures)
      await expect(world.open(mixture), JSON.stringify(mixture)).rejects.toMatchObject({ code: 'database_foreign' })
    await using databases = await world.open(own('a'))
    await using db = await databases.open<Rows>('runservice', things)
    expect(db.view((tx) => tx.list('thing').map(({ id }) => id))).toEqual(['a'])
  })

  test('the file of another service is refused', async () => {
    const world = aWorld(settings)
    {
      await using databases = await world.open(own('a'))
      for (const service of ['runservice', 'gateway'] as const) {
        await using db = await databases.open<Rows>(service, things)
        await db.do((tx) => tx.put('thing', service, { n: 1 }))
      }
    }
    renameSync(world.at('a-files', 'runservice.db'), world.at('a-files', 'gateway.db'))
    await using databases = await world.open(own('a'))
    await expect(databases.open<Rows>('gateway', things)).rejects.toMatchObject({ code: 'database_foreign' })
  })

  test('objects that were copied to another place of one installation are refused', async () => {
    const world = aWorld(settings)
    {
      await using databases = await world.open(own('a'))
      await using db = await databases.open<Rows>('runservice', things)
      await db.do((tx) => tx.put('thing', 'a', { n: 1 }))
      await db.upkeep.snapshot()
    }
    {
      await using databases = await world.open(own('b'))
      await using db = await databases.open<Rows>('runservice', things)
      await db.do((tx) => tx.put('thing', 'b', { n: 1 }))
    }
    const service = (name: string) => world.at(`${name}-objects`, 'data', 'ddatabase', 'drunservice')
    rmSync(service('b'), { recursive: true })
    cpSync(service('a'), service('b'), { recursive: true })
    await using databases = await world.open(own('b'))
    await expect(databases.open<Rows>('runservice', things)).rejects.toMatchObject({ code: 'database_foreign' })
  })
})

test('instances that make an installation at once make one', async () => {
  const world = aWorld(inEtcd)
  const opened = await Promise.all(
    ['x', 'y', 'z'].map((directory) => world.open({ directory, storage: 'objects', log: 'log' })),
  )
  const databases = await Promise.all(opened.map((installation) => installation.open<Rows>('configstore', things)))
  expect(new Set(opened.map(({ installation }) => installation)).size).toBe(1)
  expect(new Set(databases.map(({ identity }) => identity.generation)).size).toBe(1)
  for (const db of databases) await db[Symbol.asyncDispose]()
  for (const installation of opened) await installation[Symbol.asyncDispose]()
})
