import { expect, onTestFinished, test } from 'vitest'
import { silentLogger } from '../../lib/log.ts'
import { newSealingKey } from '../../lib/sealing.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { NewRunRequest, Runservice } from '../api.ts'
import { runserviceRowTypes } from '../row-types.ts'
import { createRunservice } from '../service.ts'
import {
  aDirectory,
  aRequest,
  bytesOf,
  ended,
  FakeExecutor,
  handClock,
  type Installation,
  type InstallationOptions,
  never,
  noSource,
  openInstallation,
  textOf,
  until,
  writeLog,
} from '../service-fixture.ts'

const p1 = { type: 'project', id: 'p1' } as const
const rest = { group: '/project/p2/branch/main', ids: 'other-' }

async function anInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const installation = await openInstallation(options)
  onTestFinished(() => installation[Symbol.asyncDispose]())
  return installation
}

/** Writes logs, an archive and a cache; leaves tasks called `waits` running. */
async function anExecutor({ runservice }: Pick<Installation, 'runservice'>): Promise<FakeExecutor> {
  const executor = new FakeExecutor(runservice, {}, async (order, { api }) => {
    await writeLog(api, order, 'setup', 'setup\n')
    if (order.taskName === 'waits') return undefined
    await writeLog(api, order, 0, `log of ${order.taskName}\n`)
    if (order.steps.length > 1) {
      await api.saveArchive(order.executorTaskId, 1, bytesOf('files'))
      await api.saveCache(order.executorTaskId, 'npm', bytesOf('modules'))
    }
    return 'success'
  })
  onTestFinished(() => executor[Symbol.asyncDispose]())
  return await executor.connect()
}

async function aFinishedRun(runservice: Runservice, fields: Partial<NewRunRequest> & { readonly ids: string }) {
  const [run] = await runservice.createRuns([
    aRequest({ a: { savesWorkspace: true }, b: { after: { a: 'S' } } }, { secrets: { key: 'hunter2' }, ...fields }),
  ])
  await ended(runservice, run!.id)
  return run!
}

async function deleteAll(runservice: Runservice, limit = 2): Promise<number> {
  for (let calls = 1; ; calls++) if ((await runservice.deleteRunsOf({ owner: p1, limit })).isDone) return calls
}

/** What there is of objects and of rows that belong to a run, an order or a project. */
async function left({ ost, database }: Pick<Installation, 'ost' | 'database'>) {
  const objects: string[] = []
  for (const prefix of ['logs/', 'archives/', 'caches/'])
    for await (const { key } of ost.list({ prefix })) objects.push(key)
  const lasting = new Set(['executor', 'executorset', 'sequence', 'runevent', 'removedowner'])
  const types = (Object.keys(runserviceRowTypes) as (keyof typeof runserviceRowTypes)[]).filter(
    (type) => !lasting.has(type),
  )
  const rows = database.view((tx) =>
    types.flatMap((type) => (tx.count(type) === 0 ? [] : [`${type} ${tx.count(type)}`])),
  )
  const runs = database.view((tx) => tx.entries({ limit: 100 }).map(({ id }) => id))
  return { objects: objects.sort(), rows, runs }
}

const nothing = { objects: [], rows: [], runs: [] }

test('all of a project goes, and nothing of another one', async () => {
  const installation = await anInstallation()
  const { runservice } = installation
  await anExecutor(installation)
  await aFinishedRun(runservice, rest)
  const before = await left(installation)
  for (const ids of ['1-', '2-', '3-'])
    await aFinishedRun(runservice, {
      ids,
      group: `/project/p1/branch/${ids}`,
      trust: ids === '3-' ? 'fork' : 'trusted',
    })
  expect((await left(installation)).objects.filter((key) => key.startsWith('caches/p1'))).not.toEqual([])
  expect(await deleteAll(runservice)).toBe(2)
  expect(await left(installation)).toEqual(before)
  expect(await textOf(runservice.readLog('1-a-id', 0))).toBe('')
  expect(await textOf(runservice.readLog('other-a-id', 0))).toBe('log of a\n')
  expect(await runservice.deleteRunsOf({ owner: p1 })).toEqual({ deleted: 0, isDone: true })
})

test('a project is not the one whose id begins alike', async () => {
  const installation = await anInstallation()
  await anExecutor(installation)
  await aFinishedRun(installation.runservice, { ids: '1-', group: '/project/p10/branch/main' })
  const before = await left(installation)
  await deleteAll(installation.runservice)
  expect(await left(installation)).toEqual(before)
})

test('runs that are running, queued or wait for approval end; their executor hears it and has room for others', async () => {
  const installation = await anInstallation()
  const { runservice } = installation
  const executor = await anExecutor(installation)
  const specs = { waits: {}, later: { after: { waits: 'S' } }, asks: { approval: 'needed' } } as const
  const [running] = await runservice.createRuns([
    aRequest(specs, { ids: '1-' }),
    aRequest(specs, { ids: '2-' }),
    aRequest({ waits: { labels: { none: 'such' } } }, { ids: '3-', group: '/project/p1/pr/1' }),
  ])
  const order = await executor.order('waits')
  await executor.report(order, 'running')
  const watched = ended(runservice, running!.id)
  const followed = textOf(runservice.followLog('1-waits-id', 0, 0, never))
  await deleteAll(runservice, 1)
  await executor.message('gone', ({ executorTaskId }) => executorTaskId === order.executorTaskId)
  await watched
  expect(await followed).toBe('')
  expect(await left(installation)).toEqual(nothing)
  expect(executor.orders).toHaveLength(1)
  expect(await executor.report(order, 'success')).toBe('gone')
  await expect(writeLog(executor.api, order, 0, 'late\n')).rejects.toMatchObject({ code: 'executor_task_gone' })
  expect((await runservice.listQueue()).total).toBe(0)
  const [next] = await runservice.createRuns([aRequest({ a: {} }, rest)])
  expect((await ended(runservice, next!.id)).run.result).toBe('success')
})

test('an executor that was away meanwhile hears that its task is gone', async () => {
  const installation = await anInstallation()
  const executor = await anExecutor(installation)
  await installation.runservice.createRuns([aRequest({ waits: {} })])
  const order = await executor.order('waits')
  await executor.disconnect()
  await deleteAll(installation.runservice)
  await executor.connect([{ id: order.executorTaskId, lastStatus: 0 }])
  await executor.message('gone', ({ executorTaskId }) => executorTaskId === order.executorTaskId)
})

test('what was on its way when the project was deleted makes no run, nor leaves a log or an archive', async () => {
  const installation = await anInstallation()
  const { runservice, database } = installation
  const executor = await anExecutor(installation)
  const old = await aFinishedRun(runservice, { ids: '1-' })
  await runservice.createRuns([aRequest({ waits: { savesWorkspace: true } }, { ids: '2-' })])
  const order = await executor.order('waits')
  const slow = Promise.withResolvers<void>()
  const upload = executor.api.saveArchive(
    order.executorTaskId,
    1,
    (async function* () {
      yield Buffer.from('begin')
      await slow.promise
    })(),
  )
  const refused = expect(upload).rejects.toMatchObject({ code: 'executor_task_gone' })
  await runservice.deleteRunsOf({ owner: p1, limit: 1 })
  await expect(runservice.createRuns([aRequest({ a: {} }, { ids: '3-' })])).rejects.toMatchObject({
    code: 'project_not_found',
  })
  expect(await runservice.loadRun(old.id)).toBeUndefined()
  await expect(runservice.restartRun(old.id, { fromStart: true })).rejects.toMatchObject({ code: 'run_not_found' })
  await deleteAll(runservice)
  slow.resolve()
  await refused
  expect(database.view((tx) => tx.list('archive'))).toEqual([])
})

test('the runs of a user go, and the caches that projects of this user shared', async () => {
  const installation = await anInstallation()
  const { runservice } = installation
  await anExecutor(installation)
  const owner = { type: 'user', id: 'u1' } as const
  await aFinishedRun(runservice, { ...rest, cacheGroup: 'u2-shared' })
  const before = await left(installation)
  await aFinishedRun(runservice, { ids: '1-', group: '/user/u1/branch/main' })
  await aFinishedRun(runservice, { ids: '2-', group: '/user/u1/branch/main', cacheGroup: 'u1-shared' })
  expect(await runservice.deleteRunsOf({ owner })).toEqual({ deleted: 2, isDone: true })
  expect(await left(installation)).toEqual(before)
  await expect(
    runservice.createRuns([aRequest({ a: {} }, { ids: '3-', group: '/user/u1/branch/main' })]),
  ).rejects.toMatchObject({ code: 'user_not_found' })
})

test('runs that are cold go as well', async () => {
  const installation = await anInstallation({ storage: true })
  await anExecutor(installation)
  for (const ids of ['1-', '2-', '3-']) await aFinishedRun(installation.runservice, { ids })
  await installation.snapshot()
  const id = installation.database.view((tx) => tx.entries({ limit: 1 }))[0]!.id
  expect(() => installation.runservice.findRun(id)).toThrow(/is in object storage/)
  await deleteAll(installation.runservice)
  expect(await left(installation)).toEqual(nothing)
})

test('a run of more tasks than go in one transaction', async () => {
  const installation = await anInstallation()
  const names = Array.from({ length: 1100 }, (_, index) => `t${index}`)
  await installation.runservice.createRuns([aRequest(Object.fromEntries(names.map((name) => [name, {}])))])
  await deleteAll(installation.runservice)
  expect(await left(installation)).toEqual(nothing)
})

test('the owner is forgotten when it has been gone for a week', async () => {
  const installation = await anInstallation()
  const { runservice, database, clock } = installation
  await deleteAll(runservice)
  const clean = () => runservice.clean({ logsMs: 0, workspacesMs: 0, eventsMs: 0 })
  const known = () => database.view((tx) => tx.list('removedowner').map(({ id }) => id))
  clock.pass(7 * 24 * 60 * 60 * 1000)
  await clean()
  expect(known()).toEqual(['project/p1'])
  clock.pass(1)
  await clean()
  expect(known()).toEqual([])
})

test('wherever it is broken off, the next one goes on', { timeout: 20_000 }, async () => {
  const crash = new Error('killed')
  let isLast = false
  for (let deletions = 0; !isLast; deletions++) {
    await using undo = new AsyncDisposableStack()
    const clock = handClock()
    const keys = [newSealingKey()] as const
    const options = { dir: aDirectory(undo), keys, clock }
    {
      await using first = await openInstallation(options)
      await using executor = await anExecutor(first)
      await aFinishedRun(first.runservice, { ids: '1-' })
      await first.runservice.createRuns([aRequest({ waits: {} }, { ids: '2-' })])
      await executor.order('waits')
      await until(async () => (await textOf(first.runservice.readLog('2-waits-id', 'setup'))) !== '')
      let remaining = deletions
      const failing = failAfter(first.ost, () => {
        if (remaining-- === 0) throw crash
      })
      const breaking = createRunservice(
        { storeId: 'store', keys },
        { ...first, ost: failing, caches: first.caches, logger: silentLogger, cloneSource: () => noSource },
      )
      await using _ = breaking
      isLast = await deleteAll(breaking).then(
        () => true,
        (error: unknown) => {
          expect(error).toBe(crash)
          return false
        },
      )
    }
    await using again = await openInstallation(options)
    await deleteAll(again.runservice)
    expect(await left(again)).toEqual(nothing)
    if (isLast) expect(deletions).toBeGreaterThan(3)
  }
})

/** Deletions fail as `before` says. */
function failAfter(ost: ObjectStorage, before: () => void): ObjectStorage {
  return new Proxy(ost, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: readonly unknown[]) => {
        if (name === 'delete') before()
        return Reflect.apply(value, target, args)
      }
    },
  })
}
