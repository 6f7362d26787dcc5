import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Etcd, startEtcd } from '../../test/support/etcd.ts'
import { type Postgres, startPostgres } from '../../test/support/postgres.ts'
import { openInstallationDatabases } from '../datamanager/installation-databases.ts'
import type { Instances } from '../datamanager/instances.ts'
import { systemClock } from '../lib/clock.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../runservice/row-types.ts'
import { readSettings } from './settings/read-settings.ts'
import { openStoppedInstallation } from './stopped-installation.ts'

let etcd: Etcd
let postgres: Postgres
let folder: string
const signal = new AbortController().signal

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-move-'))
  ;[etcd, postgres] = await Promise.all([startEtcd(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([etcd[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()])
  rmSync(folder, { recursive: true })
})

const logs = ['embedded', 'etcd', 'postgres', 'bucket'] as const
type Log = (typeof logs)[number]

function settingsFile(log: Log): string {
  const key = join(folder, 'key')
  const storage = `{type: posix, path: ${join(folder, 'objects')}}`
  const sections = {
    embedded: '{log: embedded}',
    etcd: `{log: etcd, etcd: {endpoints: ["${etcd.endpoint}"]}}`,
    postgres: `{log: postgres, postgres: {url: "${postgres.url}"}}`,
    bucket: '{log: bucket}',
  }
  const path = join(folder, `${log}.yml`)
  const keys = `{installationFile: ${key}, servicesFile: ${key}}`
  writeFileSync(path, `database: ${sections[log]}\nobjectStorage: ${storage}\nkeys: ${keys}\n`)
  return path
}

/** As a server with these settings has it open. */
async function aServer(log: Log) {
  await using undo = new AsyncDisposableStack()
  const options = { dataDir: join(folder, 'data') }
  const settings = readSettings({ file: settingsFile(log), environment: {}, options })
  const storage = undo.use(await openPosixObjectStorage({ root: join(folder, 'objects') }))
  const databases = undo.use(
    await openInstallationDatabases({
      settings: settings.database,
      directory: join(folder, 'data', 'database'),
      ...{ storage, clock: systemClock, instanceId: `server-${log}`, version: '1' },
    }),
  )
  const db = undo.use(await databases.open<RunserviceSchema>('runservice', { types: runserviceRowTypes }))
  const owned = undo.move()
  return { databases, db, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const place = (log: Log) => ({ directory: join(folder, 'data'), settingsFile: settingsFile(log) })

test('an installation goes from each log to the next and back, with the same content', async () => {
  const way: readonly Log[] = [...logs, 'etcd', 'embedded']
  let value = 0
  for (const [index, from] of way.entries()) {
    let contentHash: string
    {
      await using server = await aServer(from)
      const { db } = server
      if (index === 0) await db.do((tx) => tx.put('counter', 'other', { value: 0 }))
      expect(db.view((tx) => tx.get('counter', 'c')?.value ?? 0)).toBe(value)
      value++
      await db.do((tx) => tx.put('counter', 'c', { value }))
      contentHash = db.contentHash
    }
    const to = way[index + 1]
    if (to === undefined) break
    {
      await using installation = await openStoppedInstallation(place(from), { mustExist: true })
      await using target = await openStoppedInstallation(place(to), { mustExist: true })
      const moved = await installation.move(target, { by: 'test', timeoutMs: 0, signal })
      expect(moved).toMatchObject([{ contentHash, header: { database: 'runservice' } }])
    }
    await expect(aServer(from), `${from} is left`).rejects.toMatchObject({ code: 'database_foreign' })
    await using target = await openStoppedInstallation(place(to), { mustExist: true })
    {
      await using joined = await target.join()
      expect(joined.opened.get('runservice')?.maintenance).toMatchObject({ why: `moves to the log ${to}` })
      await joined.maintenance.leave()
      expect(joined.opened.get('runservice')?.contentHash).toBe(contentHash)
    }
    const [database] = await target.databases('runservice')
    const { file, storage, log } = await target.verify(database!)
    expect([file?.problems, storage?.problems, log?.problems].flat().filter(Boolean)).toEqual([])
  }
}, 120_000)

test('settings that name another log without a move are refused, and nothing is changed', async () => {
  {
    await using server = await aServer('embedded')
    await server.db.do((tx) => tx.put('counter', 'd', { value: 1 }))
  }
  for (const log of ['etcd', 'postgres', 'bucket'] as const)
    await expect(aServer(log), log).rejects.toMatchObject({ code: 'database_foreign' })
  await using installation = await openStoppedInstallation(place('embedded'), { mustExist: true })
  const same = installation.move(installation, { by: 'test', timeoutMs: 0, signal })
  await expect(same).rejects.toMatchObject({ code: 'usage' })
  await using server = await aServer('embedded')
  expect(server.db.view((tx) => tx.get('counter', 'd'))).toEqual({ value: 1 })
  expect(server.db.maintenance).toBeUndefined()
})

test('a shared log moves while instances run, when all of them have entered maintenance', async () => {
  {
    await using installation = await openStoppedInstallation(place('embedded'), { mustExist: true })
    await using target = await openStoppedInstallation(place('etcd'), { mustExist: true })
    await installation.move(target, { by: 'test', timeoutMs: 0, signal })
    await using joined = await target.join()
    await joined.maintenance.leave()
  }
  await using server = await aServer('etcd')
  await using installation = await openStoppedInstallation(place('etcd'), { mustExist: true })
  await using target = await openStoppedInstallation(place('postgres'), { mustExist: true })
  const move = (timeoutMs: number) => installation.move(target, { by: 'test', timeoutMs, signal })
  {
    // One that is there and does not follow, as one that hangs.
    const { instances } = server.databases
    const { identity } = server.db
    const stuck = { identity, position: 0, maintenance: undefined, watchMaintenance: () => ({ [Symbol.dispose]() {} }) }
    using _ = (instances as Instances).watch('gateway', stuck)
    await expect
      .poll(async () => (await instances.list()).map((one) => Object.keys(one.databases)))
      .toContainEqual(['runservice', 'gateway'])
    await expect(move(100)).rejects.toThrow('instances have not entered maintenance: server-etcd; stop them first')
  }
  await expect.poll(() => server.db.maintenance).toBeUndefined()
  await server.db.do((tx) => tx.put('counter', 'e', { value: 1 }))
  await move(30_000)
  await expect.poll(() => server.db.maintenance?.replacedBy).toBeDefined()
  await expect(server.db.do((tx) => tx.put('counter', 'e', { value: 2 }))).rejects.toMatchObject({
    code: 'maintenance',
  })
  await using next = await target.join()
  expect(next.opened.get('runservice')?.view((tx) => tx.get('counter', 'e'))).toEqual({ value: 1 })
}, 60_000)
