import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { Command } from 'commander'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ConfigstoreSchema, configstoreRowTypes, type TaskRow } from '../../configstore/row-types.ts'
import { openInstallationDatabases } from '../../datamanager/installation-databases.ts'
import { openDatabase } from '../../datamanager/open-database.ts'
import { type GatewaySchema, gatewayRowTypes } from '../../gateway/rows.ts'
import { systemClock } from '../../lib/clock.ts'
import { loadInstallationKey, seal, unseal } from '../../lib/sealing.ts'
import { type NotificationSchema, notificationRowTypes } from '../../notification/row-types.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../runservice/row-types.ts'
import { addDatabaseCommand } from '../commands/database.ts'
import { addExportCommands } from '../commands/export.ts'
import { addMaintenanceCommand } from '../commands/maintenance.ts'
import type { Io } from '../io.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-database-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function slipway(args: readonly string[], stdin = Buffer.alloc(0)) {
  const chunks = { out: [] as Buffer[], err: [] as Buffer[] }
  const into = (list: Buffer[]) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        list.push(chunk)
        done()
      },
    })
  const io: Io = {
    cwd: '/',
    environment: {},
    stdin: stdin.length === 0 ? new PassThrough().end() : Readable.from([stdin]),
    stdout: into(chunks.out),
    stderr: into(chunks.err),
    onInterrupt: () => ({ [Symbol.dispose]() {} }),
    onExit: () => ({ [Symbol.dispose]() {} }),
    onSuspend: () => ({ [Symbol.dispose]() {} }),
    exit: () => {
      throw new Error('exit')
    },
  }
  let status = -1
  const program = new Command('slipway').exitOverride()
  const setStatus = (value: number) => {
    status = value
  }
  addDatabaseCommand(program, io, setStatus)
  addMaintenanceCommand(program, io, setStatus)
  addExportCommands(program, io, setStatus)
  await program.parseAsync(args, { from: 'user' })
  return {
    status,
    bytes: Buffer.concat(chunks.out),
    out: Buffer.concat(chunks.out).toString(),
    err: Buffer.concat(chunks.err).toString(),
  }
}

/** A server's directory with runs and a gateway's rows, which has worked and is stopped. */
async function aDirectory(name: string): Promise<string> {
  const directory = join(folder, name)
  const key = loadInstallationKey(join(mkdirp(join(directory, 'keys')), 'installation'), { create: true })
  await using storage = await openPosixObjectStorage({ root: join(directory, 'objects') })
  await using databases = await openInstallationDatabases({
    settings: { log: 'embedded' },
    directory: join(directory, 'database'),
    ...{ storage, clock: systemClock, instanceId: 'server', version: '1.2.3' },
  })
  await using runs = await databases.open<RunserviceSchema>('runservice', { types: runserviceRowTypes })
  await using _ = await databases.open('gateway', { types: {} })
  const place = { storeId: runs.identity.store, type: 'runconfig', id: 'c', field: 'TOKEN' }
  const sealed = seal(key, place, 'hunter2hunter2')
  await runs.do((tx) => tx.put('counter', 'a', { value: 1 }))
  await runs.do((tx) => tx.put('runsecret', 'c/1', { runConfigId: 'c', name: 'TOKEN', sealed }))
  await runs.upkeep.snapshot()
  return directory
}

function mkdirp(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}

test('the status tells what has waited for longer than a minute, also while a server works', async () => {
  const directory = await aDirectory('waiting')
  await using storage = await openPosixObjectStorage({ root: join(directory, 'objects') })
  await using databases = await openInstallationDatabases({
    settings: { log: 'embedded' },
    directory: join(directory, 'database'),
    ...{ storage, clock: systemClock, instanceId: 'working', version: '1.2.3' },
  })
  await using configstore = await databases.open<ConfigstoreSchema>('configstore', { types: configstoreRowTypes })
  await using gateway = await databases.open<GatewaySchema>('gateway', { types: gatewayRowTypes })
  await using notification = await databases.open<NotificationSchema>('notification', { types: notificationRowTypes })
  const hourAgo = Date.now() - 60 * 60_000
  const now = Date.now()
  const aTask = (id: string, createdAt: number, lastError?: string): TaskRow => ({
    ...{ id, createdAt, attempts: 1, dueAt: 0, ...(lastError === undefined ? {} : { lastError }) },
    work: { kind: 'delete_runs', owner: { type: 'project', id } },
  })
  await configstore.do((tx) => {
    tx.put('task', 'a', aTask('a', hourAgo, 'the runservice does not answer'))
    tx.put('task', 'b', aTask('b', hourAgo + 1, 'another'))
    tx.put('task', 'c', aTask('c', now))
  })
  const aDelivery = { projectId: 'p', source: 'hook', event: 'push', ref: '', sender: '', repeats: 0 } as const
  await gateway.do((tx) => {
    tx.put('delivery', 'w', { ...aDelivery, receivedAt: hourAgo, queued: { dueAt: now, attempts: 3 } })
    tx.put('delivery', 'd', { ...aDelivery, receivedAt: hourAgo, outcome: { kind: 'ignored', message: '' } })
  })
  const aNotification = { projectId: 'p', kind: 'webhook', event: 'run.failed', lane: 'r', sequence: 1 } as const
  const attempts = ['answered 500', 'no answer in time'].map((message) => ({ at: hourAgo, durationMs: 1, message }))
  await notification.do((tx) => {
    const old = { ...aNotification, createdAt: hourAgo, attemptCount: 2, attempts }
    tx.put('notification', 'w', { ...old, queued: { dueAt: now } })
    tx.put('notification', 'y', { ...old, createdAt: now, queued: { dueAt: now } })
    tx.put('notification', 's', { ...old, outcome: { state: 'sent', message: '', at: now } })
  })
  const { out } = await slipway(['database', 'status', directory])
  expect(out).toMatch(/^notification: 1 notification waiting, the oldest for 1h.*: no answer in time$/m)
  expect(out).toMatch(/^configstore: 2 delete_runs waiting, the oldest for 1h.*: the runservice does not answer$/m)
  expect(out).toMatch(/^gateway: 1 delivery waiting, the oldest for 1h\S*( \S+)*$/m)
  const { databases: told } = JSON.parse((await slipway(['database', 'status', directory, '-o', 'json'])).out)
  expect(told.configstore.waiting).toEqual([
    { kind: 'delete_runs', count: 2, oldestAt: hourAgo, lastError: 'the runservice does not answer' },
  ])
  expect(told.runservice.waiting).toEqual([])
})

test('a stopped installation is looked at, verified, exported, lost, restored and imported elsewhere', async () => {
  const first = await aDirectory('first')
  const status = (await slipway(['database', 'status', first])).out
  expect(status).toMatch(/^runservice: log embedded, file at record 2, generation .*\nrunservice: object storage: /)
  expect(status).toMatch(/runservice: shipped: up to record 2\nrunservice: snapshots: 1, the newest at record 2/)
  expect(status).toMatch(/instance server 1\.2\.3: gone, seen .* ago, at record gateway 0, runservice 2/)
  const told = JSON.parse((await slipway(['database', 'status', first, '-o', 'json'])).out)
  expect(told).toMatchObject({ log: 'embedded', databases: { runservice: { shipped: 2 } } })
  const verified = await slipway(['database', 'verify', first])
  expect({ status: verified.status, err: verified.err }).toEqual({ status: 0, err: '' })
  const exported = await slipway(['export', first])
  expect(exported.out.match(/"kind":"slipway-export"/g)).toHaveLength(2)
  rmSync(join(first, 'database', 'runservice.db'))
  const restored = await slipway(['database', 'restore', first, '--database', 'runservice', '--from', '2'])
  expect(restored.out).toMatch(/^runservice: restored up to record 2, from snapshot 2;/)
  expect(readFileSync(join(first, 'database', 'runservice.db')).length).toBeGreaterThan(0)
  const second = join(folder, 'second')
  const imported = await slipway(['import', second], exported.bytes)
  expect(imported.out).toMatch(/^runservice: imported 2 rows .*\ngateway: imported 0 rows/)
  expect((await slipway(['database', 'verify', second])).status).toBe(0)
  const rows = (text: string) => text.split('\n').filter((line) => line.includes('"type":'))
  expect(rows((await slipway(['export', second])).out)).toEqual(rows(exported.out))
  const cut = slipway(['import', second], exported.bytes.subarray(0, -5))
  await expect(cut).rejects.toMatchObject({ code: 'import_invalid' })
  expect(rows((await slipway(['export', second])).out)).toEqual(rows(exported.out))
  expect((await slipway(['maintenance', 'status', second])).out).toMatch(/runservice: open; record \d+\n/)
})

test('an export that broke off goes on by its id', async () => {
  const directory = await aDirectory('resumed')
  const whole = await slipway(['export', directory, '--database', 'runservice'])
  const id = /^export (\S+)\n$/.exec(whole.err)?.[1] ?? ''
  const rest = await slipway(['export', directory, '--database', 'runservice', '--resume', id, '--offset', '300'])
  expect(rest.bytes).toEqual(whole.bytes.subarray(300))
})

test('secrets go to another installation under a passphrase from a file', async () => {
  const directory = await aDirectory('with-secrets')
  const file = join(folder, 'passphrase')
  writeFileSync(file, 'correct horse\n')
  const exported = await slipway(['export', directory, '--with-secrets', file])
  expect(exported.out).not.toContain('hunter2')
  expect(exported.out).toContain('"secrets":{"value"')
  const other = join(folder, 'takes-secrets')
  const key = loadInstallationKey(join(mkdirp(join(other, 'keys')), 'installation'), { create: true })
  await slipway(['import', other, '--with-secrets', file], exported.bytes)
  const line = (await slipway(['export', other])).out.split('\n').find((text) => text.includes('"runsecret"'))
  const { sealed } = JSON.parse(line ?? '').body
  const storeId = JSON.parse(exported.out.split('\n')[0] ?? '').store
  expect(unseal([key], { storeId, type: 'runconfig', id: 'c', field: 'TOKEN' }, sealed)).toBe('hunter2hunter2')
  writeFileSync(file, 'wrong horse\n')
  const wrong = slipway(['import', other, '--with-secrets', file], exported.bytes)
  await expect(wrong).rejects.toMatchObject({ code: 'key_wrong' })
})

test('maintenance of a stopped installation is begun, shown and ended, and an import leaves it as it was', async () => {
  const directory = await aDirectory('maintained')
  const exported = await slipway(['export', directory])
  const entered = await slipway(['maintenance', 'enter', directory, '--why', 'new disk'])
  expect(entered.status).toBe(0)
  expect(entered.out).toMatch(/runservice: in maintenance since .*: new disk; record 3\n/)
  await slipway(['import', directory], exported.bytes)
  const status = JSON.parse((await slipway(['maintenance', 'status', directory, '-o', 'json'])).out)
  expect(status.databases).toMatchObject([{ maintenance: { why: 'new disk' } }, { maintenance: { why: 'new disk' } }])
  expect(status.instances).toMatchObject([{ instanceId: 'server', version: '1.2.3', isPresent: false }])
  expect((await slipway(['maintenance', 'leave', directory])).out).toBe('maintenance has ended\n')
  expect((await slipway(['maintenance', 'status', directory])).out).toMatch(/^runservice: open; record 1\n/)
})

test('runs of Agola are imported, with what was dropped', async () => {
  const directory = join(folder, 'from-agola')
  loadInstallationKey(join(mkdirp(join(directory, 'keys')), 'installation'), { create: true })
  const run = {
    id: 'r1',
    group: '/project/p/branch/main',
    phase: 'finished',
    result: 'success',
    counter: 4,
    mood: 'good',
  }
  const object = (kind: string, members: object) => JSON.stringify({ exportMeta: { kind }, ...members })
  const text = `${object('RunConfig', { id: 'c1' })}\n${object('Run', { ...run, run_config_id: 'c1' })}\n`
  const { out } = await slipway(['import', directory, '--agola', 'runservice'], Buffer.from(text))
  expect(out).toMatch(
    /^read, in the format newer: 1 Run, 1 RunConfig\nwritten: 1 counter, 1 run, 1 runconfig, 1 sequence\ndropped: Run\.mood, 1 times: .* \(r1\)\nrunservice: imported 4 rows/,
  )
  expect((await slipway(['database', 'verify', directory])).status).toBe(0)
  const cut = slipway(['import', directory, '--agola', 'runservice'], Buffer.from(text.slice(0, -9)))
  await expect(cut).rejects.toMatchObject({ code: 'import_invalid' })
  expect((await slipway(['export', directory])).out).toContain('"type":"run","id":"r1"')
})

test('a local run is one database, which is verified and exported', async () => {
  const directory = join(folder, 'local')
  {
    await using db = await openDatabase<RunserviceSchema>({
      path: join(directory, 'database'),
      types: runserviceRowTypes,
      clock: systemClock,
    })
    await db.do((tx) => tx.put('counter', 'a', { value: 1 }))
  }
  expect((await slipway(['database', 'verify', directory])).out).toMatch(/^runservice: 1 rows, 1 records/)
  expect((await slipway(['export', directory])).out.trimEnd().split('\n')).toHaveLength(3)
  await expect(slipway(['maintenance', 'enter', directory])).rejects.toMatchObject({ code: 'usage' })
})

test.each([
  ['a directory of nothing', ['database', 'status', 'nothing']],
  ['a position that is none', ['database', 'restore', 'first', '--database', 'runservice', '--from', 'x']],
  ['a position of no database', ['database', 'restore', 'first', '--from', '1']],
  ['a database that is none', ['database', 'verify', 'first', '--database', 'runs']],
  ['an offset of no export', ['export', 'first', '--offset', '5']],
  ['an id of no database', ['export', 'first', '--resume', 'x']],
  ['an offset that is none', ['export', 'first', '--database', 'runservice', '--resume', 'x', '--offset', '-1']],
])('%s is refused', async (_, args) => {
  const [first, second, ...rest] = args as [string, string, ...string[]]
  const directory =
    first === 'export' ? [join(folder, second), ...rest] : [second, join(folder, rest[0]!), ...rest.slice(1)]
  await expect(slipway([first, ...directory])).rejects.toMatchObject({ code: 'usage' })
})
