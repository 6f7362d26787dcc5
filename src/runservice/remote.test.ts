import { expect, onTestFinished, test } from 'vitest'
import { openHttpServer } from '../http/http-server.ts'
import { silentLogger } from '../lib/log.ts'
import { createRemoteRunservice, serveRunservice } from './remote.ts'
import {
  aRequest,
  ended,
  FakeExecutor,
  never,
  openInstallation,
  statuses,
  textOf,
  until,
  writeLog,
} from './service-fixture.ts'

const token = 'x'.repeat(32)

/** A runservice here, and the same one as another process sees it. */
async function both() {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const installation = owner.use(await openInstallation())
  const { runservice: local } = installation
  const server = owner.use(
    await openHttpServer(
      { listen: { host: '127.0.0.1', port: 0 } },
      {
        logger: silentLogger,
        mount: (app) => serveRunservice(app, { token }, { runservice: local, logger: silentLogger }),
      },
    ),
  )
  const remote = owner.use(createRemoteRunservice({ urls: [server.url], token }))
  const executor = owner.use(new FakeExecutor(local, {}, () => undefined))
  return { local, remote, executor: await executor.connect(), url: server.url }
}

test('a run is created, watched, shown, approved and ended from another process as from here', async () => {
  const { local, remote, executor } = await both()
  const [run] = await remote.createRuns([aRequest({ a: {}, ask: { approval: 'needed', after: { a: 'S' } } })])
  const watched = ended(remote as never, run!.id)
  await writeLog(executor.api, await executor.order('a'), 0, 'said\n')
  await executor.report(await executor.order('a'), 'success')
  await until(async () => (await remote.loadRun(run!.id))?.tasks[1]?.task.waitingApproval === true)
  expect(await remote.loadRun(run!.id)).toEqual(JSON.parse(JSON.stringify(await local.loadRun(run!.id))))
  await remote.approveTask(run!.id, 'ask-id', 'ada')
  await executor.report(await executor.order('ask'), 'success')
  expect(statuses(await watched)).toEqual({ a: 'success', ask: 'success' })
  expect(await textOf(remote.readLog('a-id', 0))).toBe('said\n')
  expect(await textOf(remote.followLog('a-id', 0, 2, never))).toBe('id\n')
  expect(await remote.logExtent('a-id', 0, never)).toEqual({ sizeBytes: 5, lineCount: 1, isComplete: true })
  expect(await remote.readLogLines('a-id', 0, { tailLines: 9 }, never)).toMatchObject({ lines: ['said'], endByte: 5 })
  expect(await remote.logGroups('a-id', 0, 0)).toEqual({ begins: [], ends: [], commands: [] })
  expect(await remote.searchLog('a-id', 0, { text: 'SAID' })).toEqual({ lines: [0] })
  expect(await remote.findRuns()).toEqual(JSON.parse(JSON.stringify(await local.findRuns())))
  expect(await remote.loadRun('none')).toBeUndefined()
  expect((await remote.listEvents(0)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4])
})

test('executors, their tokens and the queue are managed from another process as from here', async () => {
  const { local, remote } = await both()
  const { token: shown, executorId } = await remote.createExecutorToken({ name: 'builder' })
  expect(local.admitExecutor(shown).executorId).toBe(executorId)
  await remote.drainExecutor('x1', { draining: true })
  await remote.createRuns([aRequest({ a: {} })])
  expect(await remote.listExecutors()).toEqual(await local.listExecutors())
  expect(await remote.listQueue({ limit: 1 })).toEqual(await local.listQueue({ limit: 1 }))
  expect((await remote.listQueue()).items).toMatchObject([{ reason: { kind: 'waiting_executor' } }])
  const [row] = await remote.listExecutorTokens()
  await remote.revokeExecutorToken(row!.id)
  expect(() => local.admitExecutor(shown)).toThrow('not valid')
  await remote.removeExecutor('x1')
  expect(await remote.listExecutors()).toEqual([])
})

test('runs of a deleted project are deleted from another process as from here', async () => {
  const { local, remote, executor } = await both()
  const [run] = await remote.createRuns([aRequest({ a: {} })])
  const order = await executor.order('a')
  const owner = { type: 'project', id: 'p1' } as const
  expect(await remote.deleteRunsOf({ owner }, never)).toEqual({ deleted: 1, isDone: true })
  await executor.message('gone', ({ executorTaskId }) => executorTaskId === order.executorTaskId)
  expect(await local.loadRun(run!.id)).toBeUndefined()
  await expect(remote.createRuns([aRequest({ a: {} })])).rejects.toMatchObject({ code: 'project_not_found' })
})

test('errors keep their code, and a wrong token opens nothing', async () => {
  const { remote, url } = await both()
  await expect(remote.stopRun('none')).rejects.toMatchObject({ code: 'run_not_found' })
  await expect(remote.removeExecutor('none')).rejects.toMatchObject({ code: 'executor_not_found' })
  await using stranger = createRemoteRunservice({ urls: [url], token: 'y'.repeat(32) })
  await expect(stranger.listExecutors()).rejects.toMatchObject({ code: 'unauthenticated' })
})
