import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newSealingKey } from '../lib/sealing.ts'
import { listRunsOf, nothingLeft } from './service-expectations-fixture.ts'
import {
  aDirectory,
  aReport,
  aRequest,
  bytesOf,
  ended,
  FakeExecutor,
  type Installation,
  never,
  openInstallation,
  statuses,
  textOf,
  until,
  waiting,
  writeLog,
} from './service-fixture.ts'
import type { RunEvent } from './types.ts'

async function anInstallation(...options: Parameters<typeof openInstallation>): Promise<Installation> {
  const installation = await openInstallation(...options)
  onTestFinished(() => installation[Symbol.asyncDispose]())
  return installation
}

async function anExecutor(
  { runservice }: Installation,
  ...[hello, script]: [
    hello?: ConstructorParameters<typeof FakeExecutor>[1],
    script?: ConstructorParameters<typeof FakeExecutor>[2],
  ]
): Promise<FakeExecutor> {
  const executor = new FakeExecutor(runservice, hello, script)
  onTestFinished(() => executor[Symbol.asyncDispose]())
  return await executor.connect()
}

async function create({ runservice }: Installation, ...requests: Parameters<typeof aRequest>[]) {
  return await runservice.createRuns(requests.map((request) => aRequest(...request)))
}

function eventsOf({ database }: Installation): readonly string[] {
  return database.view((tx) => tx.list('runevent').map(({ body }) => nameOfEvent(body)))
}

const nameOfEvent = ({ phase, result }: RunEvent) => `${phase}/${result}`
const phaseOf = ({ runservice }: Installation, runId: string) => runservice.findRun(runId)!.run.phase

describe('a run', () => {
  test('is executed level by level, and each change of its phase or result is one event', async () => {
    const installation = await anInstallation()
    await anExecutor(installation)
    const [run] = await create(installation, [
      { build: {}, test: { after: { build: 'S' } }, clean: { after: { test: 'F' } } },
    ])
    const view = await ended(installation.runservice, run!.id)
    expect(view.run).toMatchObject({ phase: 'finished', result: 'success', counter: 1, sequence: 1 })
    expect(statuses(view)).toEqual({ build: 'success', test: 'success', clean: 'skipped' })
    expect(eventsOf(installation)).toEqual(['queued/unknown', 'running/unknown', 'running/success', 'finished/success'])
    nothingLeft(installation.database)
  })

  test('that fails goes on with its handlers, and its result is told at once', async () => {
    const installation = await anInstallation()
    await anExecutor(installation, {}, ({ taskName }) => (taskName === 'build' ? 'failed' : 'success'))
    const [run] = await create(installation, [
      { build: {}, test: { after: { build: 'S' } }, clean: { after: { build: 'F' } } },
    ])
    const view = await ended(installation.runservice, run!.id)
    expect(statuses(view)).toEqual({ build: 'failed', test: 'skipped', clean: 'success' })
    expect(view.run).toMatchObject({ result: 'failed', reason: { kind: 'task_failed', task: 'build' } })
    expect(eventsOf(installation)).toEqual(['queued/unknown', 'running/unknown', 'running/failed', 'finished/failed'])
  })

  test('without tasks succeeds at once; one with setup errors shows them and starts nothing', async () => {
    const installation = await anInstallation()
    const [empty, wrong] = await create(installation, [{}], [{ a: {} }, { setupErrors: ['no such image'], ids: 'w' }])
    expect(installation.runservice.findRun(empty!.id)!.run).toMatchObject({ phase: 'finished', result: 'success' })
    const view = installation.runservice.findRun(wrong!.id)!
    expect(view).toMatchObject({ run: { phase: 'setuperror', setupErrors: ['no such image'] }, tasks: [] })
    nothingLeft(installation.database)
  })

  test('of a wrong request is none, and neither is any other of the same call', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    await expect(
      runservice.createRuns([aRequest({ a: {} }), aRequest({ b: {} }, { group: 'nowhere' })]),
    ).rejects.toMatchObject({ code: 'run_group_invalid' })
    expect(runservice.listRuns()).toEqual([])
    expect((await create(installation, [{ a: {} }]))[0]).toMatchObject({ counter: 1, sequence: 1 })
  })

  test('is watched until it ends, also by who comes when it has ended', async () => {
    const installation = await anInstallation()
    await anExecutor(installation)
    const [run] = await create(installation, [{ a: {}, b: { after: { a: 'S' } } }])
    const first = ended(installation.runservice, run!.id)
    expect((await first).run.phase).toBe('finished')
    expect((await ended(installation.runservice, run!.id)).run.phase).toBe('finished')
    await expect(ended(installation.runservice, 'nobody')).rejects.toMatchObject({ code: 'run_not_found' })
  })

  test('is watched to its end by a reader who is slower than changes are kept', async () => {
    const installation = await anInstallation({ recordsKept: 5 })
    const { runservice } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await create(installation, [{ a: {} }])
    const views = runservice.watchRun(run!.id, never)[Symbol.asyncIterator]()
    await views.next()
    for (let index = 0; index < 300; index++)
      await create(installation, [{}, { ids: `r${index}`, group: `/project/p1/branch/b${index}` }])
    await executor.report(await executor.order('a'), 'success')
    const phases: string[] = []
    for (let next = await views.next(); !next.done; next = await views.next()) phases.push(next.value.run.phase)
    expect(phases).toEqual(['finished'])
  })

  test('that nobody executes is watched until the watcher leaves', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ a: {} }])
    const leaving = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      for await (const view of installation.runservice.watchRun(run!.id, leaving.signal)) seen.push(view.run.phase)
    })()
    await until(() => seen.length > 0)
    leaving.abort()
    await watching
    expect(seen).toEqual(['running'])
  })
})

describe('runs of one group', () => {
  test('wait for each other in order, others do not; a cancelled one is passed over', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const other = '/project/p1/branch/other'
    const [one, two, three, four, elsewhere] = await create(
      installation,
      ...['1', '2', '3', '4'].map((ids): Parameters<typeof aRequest> => [{ a: {} }, { ids }]),
      [{ a: {} }, { ids: '5', group: other }],
    )
    const phases = () => [one, two, three, four, elsewhere].map((run) => phaseOf(installation, run!.id))
    expect(phases()).toEqual(['running', 'queued', 'queued', 'queued', 'running'])
    expect([two, three, four].map((run) => runservice.findRun(run!.id)!.waiting)).toEqual([
      { kind: 'waiting_run', counter: 1 },
      { kind: 'waiting_run', counter: 2 },
      { kind: 'waiting_run', counter: 3 },
    ])
    expect(runservice.findRun(one!.id)!.waiting).toBeUndefined()
    await runservice.cancelRun(two!.id, 'ada')
    expect(eventsOf(installation).at(-1)).toBe('cancelled/unknown')
    expect(runservice.findRun(three!.id)!.waiting).toEqual({ kind: 'waiting_run', counter: 1 })

    const executor = await anExecutor(installation, {}, () => undefined)
    await executor.report((await executor.message('execute', ({ order }) => order.runId === one!.id)).order, 'success')
    expect(phases()).toEqual(['finished', 'cancelled', 'running', 'queued', 'running'])
    expect(runservice.findRun(two!.id)!.run).toMatchObject({
      result: 'unknown',
      reason: { kind: 'stopped', by: 'ada' },
      endedAt: expect.any(Number),
    })
    await expect(runservice.cancelRun(two!.id)).rejects.toMatchObject({ code: 'run_not_queued' })
    await expect(runservice.cancelRun(three!.id)).rejects.toMatchObject({ code: 'run_not_queued' })
    await expect(runservice.stopRun(four!.id)).rejects.toMatchObject({ code: 'run_not_running' })
  })

  test('count together per project, whatever branch, and sequences are of all', async () => {
    const installation = await anInstallation()
    const groups = ['/project/p1/branch/a', '/project/p2/branch/a', '/project/p1/pr/7', '/user/p1/branch/a']
    const runs = await Promise.all(
      groups.map(async (group, index) => (await create(installation, [{ a: {} }, { ids: String(index), group }]))[0]!),
    )
    expect(runs.map(({ counter }) => counter)).toEqual([1, 1, 2, 3])
    expect(runs.map(({ sequence }) => sequence).sort()).toEqual([1, 2, 3, 4])
  })
})

describe('a stop', () => {
  test('skips what was not handed out, asks the executor to stop the rest, and says who asked', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const executor = await anExecutor(installation, { taskLimit: 1 }, () => undefined)
    const [run] = await create(installation, [{ a: {}, b: { after: { a: 'S' } }, d: {} }])
    const order = await executor.order('a')
    await executor.report(order, 'running')
    await runservice.stopRun(run!.id, 'ada')
    expect(statuses(runservice.findRun(run!.id)!)).toEqual({ a: 'running', b: 'skipped', d: 'skipped' })
    expect(await executor.message('stop')).toEqual({ kind: 'stop', executorTaskId: order.executorTaskId })
    await runservice.stopRun(run!.id, 'bob')
    await executor.report(order, 'stopped')
    const { run: after } = runservice.findRun(run!.id)!
    expect(after).toMatchObject({
      phase: 'finished',
      result: 'stopped',
      stop: true,
      reason: { kind: 'stopped', by: 'ada' },
    })
    expect(executor.messages.filter(({ kind }) => kind === 'stop')).toHaveLength(1)
    expect(eventsOf(installation)).toEqual(['queued/unknown', 'running/unknown', 'running/stopped', 'finished/stopped'])
    nothingLeft(installation.database)
  })

  test('of a task that was not begun ends it cancelled', async () => {
    const installation = await anInstallation()
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await create(installation, [{ d: {} }])
    const order = await executor.order('d')
    await installation.runservice.stopRun(run!.id)
    await executor.report(order, 'cancelled')
    expect(statuses(await ended(installation.runservice, run!.id))).toEqual({ d: 'cancelled' })
  })
})

describe('an approval', () => {
  test('is waited for, is recorded with who gave it, and lets the task go on', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    await anExecutor(installation)
    const [run] = await create(installation, [{ a: { approval: 'needed' }, b: {} }])
    await until(() => statuses(runservice.findRun(run!.id)!).b === 'success')
    expect(waiting(runservice.findRun(run!.id)!)).toEqual({ a: { kind: 'waiting_approval' } })
    await expect(runservice.approveTask(run!.id, 'b-id', 'ada')).rejects.toMatchObject({
      code: 'task_not_waiting_approval',
    })
    await expect(runservice.approveTask(run!.id, 'nothing', 'ada')).rejects.toMatchObject({ code: 'task_not_found' })
    await expect(runservice.approveTask('nothing', 'a-id', 'ada')).rejects.toMatchObject({ code: 'run_not_found' })
    await runservice.approveTask(run!.id, 'a-id', 'ada')
    await expect(runservice.approveTask(run!.id, 'a-id', 'bob')).rejects.toMatchObject({ kind: 'conflict' })
    const view = await ended(runservice, run!.id)
    expect(view.tasks[0]!.task).toMatchObject({ status: 'success', approved: true, approvers: ['ada'] })
  })

  test('given twice at once is given once', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ a: { approval: 'needed' } }])
    const answers = await Promise.allSettled(
      ['ada', 'bob'].map((approver) => installation.runservice.approveTask(run!.id, 'a-id', approver)),
    )
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(installation.runservice.findRun(run!.id)!.tasks[0]!.task.approvers).toEqual(['ada'])
  })

  test('that is still waited for when the run is stopped is waited for no more', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ a: { approval: 'needed' } }])
    await installation.runservice.stopRun(run!.id)
    const view = await ended(installation.runservice, run!.id)
    expect(view.tasks[0]!.task).toMatchObject({ status: 'skipped', waitingApproval: false })
    expect(view.run.result).toBe('stopped')
  })
})

describe('why a task waits', () => {
  test('is told: for others, for an executor that could, for a slot', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const [run] = await create(installation, [
      {
        a: {},
        b: { after: { a: 'S' } },
        arm: { arch: 'arm64' },
        gpu: { labels: { gpu: 'yes' } },
        root: { privileged: true },
        c: {},
      },
    ])
    const noExecutor = { kind: 'waiting_executor', labels: {}, privileged: false, matching: 0 }
    const seen = () => waiting(runservice.findRun(run!.id)!)
    expect(seen()).toEqual({
      a: noExecutor,
      b: { kind: 'waiting_dependencies', tasks: ['a'] },
      arm: { ...noExecutor, arch: 'arm64' },
      gpu: { ...noExecutor, labels: { gpu: 'yes' } },
      root: { ...noExecutor, privileged: true },
      c: noExecutor,
    })
    await anExecutor(installation, { taskLimit: 1 }, () => undefined)
    await until(() => !('a' in seen()))
    expect(seen()).toMatchObject({
      c: { kind: 'waiting_slot', executors: ['x1'], limit: 1 },
      arm: { ...noExecutor, arch: 'arm64' },
    })
    await anExecutor(installation, { id: 'x2', archs: ['arm64'], taskLimit: 1 }, () => undefined)
    await until(() => !('arm' in seen()))
    expect(Object.keys(seen()).sort()).toEqual(['b', 'c', 'gpu', 'root'])
  })

  test('is told a watcher when an executor comes', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ gpu: { labels: { gpu: 'yes' } } }])
    const views = installation.runservice.watchRun(run!.id, never)[Symbol.asyncIterator]()
    expect(waiting((await views.next()).value)).toMatchObject({ gpu: { kind: 'waiting_executor' } })
    await anExecutor(installation, { labels: { gpu: 'yes' } }, () => undefined)
    let last = (await views.next()).value
    while ('gpu' in waiting(last)) last = (await views.next()).value
    await views.return?.()
  })
})

describe('an executor', () => {
  test('that is removed loses its tasks: they failed, with end times, it hears gone, and the run goes on', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await create(installation, [{ a: {}, begun: { ignoreFailure: true }, clean: { after: { a: 'F' } } }])
    const [a, begun] = [await executor.order('a'), await executor.order('begun')]
    await executor.report(begun, 'running', { steps: [{ phase: 'running', startedAt: 5 }] })
    const followed = textOf(runservice.followLog(begun.runTaskId, 0, 0, never))
    clock.pass(1000)
    await runservice.removeExecutor('x1')
    expect(await followed).toBe('')
    const view = runservice.findRun(run!.id)!
    const reason = { kind: 'executor_lost', executorId: 'x1', lastSeenAt: clock.now() - 1000 }
    expect(view.tasks.map(({ task }) => task)).toMatchObject([
      { status: 'failed', reason, endedAt: clock.now() },
      { status: 'failed', reason, endedAt: clock.now(), steps: [{ phase: 'failed', endedAt: clock.now() }] },
      { status: 'notstarted' },
    ])
    expect(view.run).toMatchObject({ phase: 'running', result: 'failed' })
    for (const order of [a, begun])
      expect(
        await executor.message('gone', ({ executorTaskId }) => executorTaskId === order.executorTaskId),
      ).toBeDefined()
    expect(await executor.report(a, 'success')).toBe('gone')
    await expect(writeLog(executor.api, a, 0, 'late')).rejects.toMatchObject({ code: 'executor_task_gone' })
    await expect(runservice.removeExecutor('x1')).rejects.toMatchObject({ code: 'executor_not_found' })

    await anExecutor(installation, { id: 'x2' })
    expect(statuses(await ended(runservice, run!.id))).toEqual({ a: 'failed', begun: 'failed', clean: 'success' })
    nothingLeft(installation.database)
  })

  test('that comes back is sent its orders again, gone for what it alone has, and stop for what was stopped', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const before = await anExecutor(installation, {}, () => undefined)
    const [run] = await create(installation, [{ a: {}, b: {} }])
    const a = await before.order('a')
    await before.report(a, 'running')
    await before.disconnect()
    await runservice.stopRun(run!.id)
    const after = new FakeExecutor(runservice, {}, () => undefined)
    onTestFinished(() => after[Symbol.asyncDispose]())
    await after.connect([
      { id: a.executorTaskId, lastStatus: 1 },
      { id: 'old.1', lastStatus: 4 },
    ])
    expect((await after.order('a')).lastStatus).toBe(1)
    expect(await after.message('stop', ({ executorTaskId }) => executorTaskId === a.executorTaskId)).toBeDefined()
    await after.order('b')
    expect(after.messages[0]).toEqual({ kind: 'gone', executorTaskId: 'old.1' })
    expect(after.messages.filter(({ kind }) => kind === 'execute')).toHaveLength(2)
  })

  test('gets what became ready while it was away', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ a: {} }])
    await anExecutor(installation)
    expect((await ended(installation.runservice, run!.id)).run.result).toBe('success')
  })

  test('never has more than its limit, whatever is ready', async () => {
    const installation = await anInstallation()
    const { database } = installation
    let most = 0
    await anExecutor(installation, { taskLimit: 2 }, () => {
      most = Math.max(
        most,
        database.view((tx) => tx.count('executortask', { index: 'byExecutor', prefix: ['x1'] })),
      )
      return 'success'
    })
    const names = Array.from({ length: 12 }, (_, index) => [`t${index}`, {}])
    const [run] = await create(installation, [Object.fromEntries(names)])
    expect((await ended(installation.runservice, run!.id)).run.result).toBe('success')
    expect(most).toBe(2)
  })

  test('may not touch orders, logs and archives of another', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const owner = await anExecutor(installation, {}, () => undefined)
    await create(installation, [{ a: { savesWorkspace: true } }])
    const order = await owner.order('a')
    const stored = await owner.api.saveArchive(order.executorTaskId, 1, bytesOf('tar'))
    const other = runservice.executorApi('x2')
    expect(await other.report(aReport(order, 'failed'))).toBe('gone')
    const gone = { code: 'executor_task_gone' }
    await expect(writeLog(other, order, 0, 'x')).rejects.toMatchObject(gone)
    await expect(other.logPosition(order.executorTaskId, 0)).rejects.toMatchObject(gone)
    await expect(textOf(other.readArchive(order.executorTaskId, stored))).rejects.toMatchObject(gone)
    await expect(other.findCache(order.executorTaskId, 'k', { exactOnly: true })).rejects.toMatchObject(gone)
    // Nor read any other object with its own order.
    const foreign = { object: `logs/${order.runTaskId}/0/end`, sizeBytes: 1, sha256: '' }
    await expect(textOf(owner.api.readArchive(order.executorTaskId, foreign))).rejects.toMatchObject({
      code: 'object_not_found',
    })
    await expect(textOf(owner.api.readCache(order.executorTaskId, { ...stored, key: 'k' }))).rejects.toMatchObject({
      code: 'object_not_found',
    })
  })
})

test('caches of a project are found by runs of its forks, which save only for their own pull request', async () => {
  const installation = await anInstallation()
  const executor = await anExecutor(installation, {}, () => undefined)
  const orderOf = async (ids: string, fields: Parameters<typeof aRequest>[1]) => {
    const [run] = await create(installation, [{ a: {} }, { ids, ...fields }])
    return (await executor.message('execute', ({ order }) => order.runId === run!.id)).order.executorTaskId
  }
  const own = await orderOf('1', {})
  const fork = await orderOf('2', { group: '/project/p1/pr/7', trust: 'fork' })
  const otherFork = await orderOf('3', { group: '/project/p1/pr/8', trust: 'fork' })
  const stranger = await orderOf('4', { group: '/project/p2/branch/main' })
  const { api } = executor
  const found = async (order: string, key: string, exactOnly = false) => {
    const cache = await api.findCache(order, key, { exactOnly })
    return cache === undefined ? undefined : await textOf(api.readCache(order, cache))
  }
  await api.saveCache(own, 'shared', bytesOf('of the project'))
  expect(await api.saveCache(fork, 'poison', bytesOf('of the fork'))).toBe('stored')
  expect(await api.saveCache(fork, 'shared-2', bytesOf('newer'))).toBe('stored')
  const all = [own, fork, otherFork, stranger]
  expect(await Promise.all(all.map((order) => found(order, 'shared')))).toEqual([
    ...['of the project', 'of the project', 'of the project'],
    undefined,
  ])
  expect(await Promise.all(all.map((order) => found(order, 'poison')))).toEqual([
    undefined,
    'of the fork',
    undefined,
    undefined,
  ])
})

describe('reports', () => {
  test('that are doubled or late are known, and impossible ones are refused without a trace', async () => {
    const installation = await anInstallation()
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await create(installation, [{ a: {} }])
    const order = await executor.order('a')
    const { api } = executor
    expect(await api.report(aReport(order, 'running', { number: 3 }))).toBe('applied')
    expect(await api.report(aReport(order, 'running', { number: 3 }))).toBe('known')
    expect(await api.report(aReport(order, 'failed', { number: 2 }))).toBe('known')
    const tooMany = aReport(order, 'running', { number: 4, steps: [{ phase: 'running' }, { phase: 'running' }] })
    await expect(api.report(tooMany)).rejects.toMatchObject({ code: 'status_impossible' })
    await expect(api.report(aReport(order, 'notstarted', { number: 4 }))).rejects.toMatchObject({
      code: 'status_impossible',
    })
    await expect(api.report(aReport(order, 'cancelled', { number: 4 }))).rejects.toMatchObject({
      code: 'status_impossible',
    })
    expect(installation.runservice.findRun(run!.id)!.tasks[0]!.task.status).toBe('running')
    expect(await api.report(aReport(order, 'success', { number: 4 }))).toBe('applied')
    expect(await api.report(aReport(order, 'failed', { number: 5 }))).toBe('gone')
    expect((await ended(installation.runservice, run!.id)).run.result).toBe('success')
  })
})

describe('a restart', () => {
  test('from failed keeps what succeeded with its logs, and executes the rest under new ids', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    let fails = true
    await anExecutor(installation, {}, async (order, executor) => {
      await writeLog(executor.api, order, 0, `${order.taskName} ${fails ? 'first' : 'second'}\n`)
      return order.taskName === 'b' && fails ? 'failed' : 'success'
    })
    const specs = { a: {}, b: { after: { a: 'S' } }, c: { after: { b: 'S' } }, d: {} } as const
    const [run] = await create(installation, [specs])
    await ended(runservice, run!.id)
    fails = false
    const again = await runservice.restartRun(run!.id, { fromStart: false })
    expect(again).toMatchObject({ counter: 2, restartOf: run!.id })
    const view = await ended(runservice, again.id)
    expect(statuses(view)).toEqual({ a: 'success', b: 'success', c: 'success', d: 'success' })
    const ids = view.tasks.map(({ task }) => task.id)
    expect(ids.map((id) => id.endsWith('-id'))).toEqual([true, false, false, true])
    const logs = await Promise.all(ids.map((id) => textOf(runservice.readLog(id, 0))))
    expect(logs).toEqual(['a first\n', 'b second\n', 'c second\n', 'd first\n'])
    await expect(runservice.restartRun(again.id, { fromStart: false })).rejects.toMatchObject({
      code: 'run_not_restartable',
    })

    const whole = await runservice.restartRun(again.id, { fromStart: true })
    const wholeView = await ended(runservice, whole.id)
    expect(wholeView.tasks.filter(({ task }) => ids.includes(task.id))).toEqual([])
  })

  test('is refused while the run goes on', async () => {
    const installation = await anInstallation()
    const [run] = await create(installation, [{ a: {} }])
    for (const fromStart of [true, false])
      await expect(installation.runservice.restartRun(run!.id, { fromStart })).rejects.toMatchObject({
        code: 'run_not_restartable',
      })
  })

  test('from failed executes a task again whose archive is gone, and what comes after it', async () => {
    const installation = await anInstallation()
    const { runservice, database } = installation
    await anExecutor(installation, {}, async (order, executor) => {
      if (order.steps.length > 1) await executor.api.saveArchive(order.executorTaskId, 1, bytesOf('x'))
      return order.taskName === 'bad' ? 'failed' : 'success'
    })
    const specs = {
      kept: { savesWorkspace: true },
      lost: { savesWorkspace: true },
      after: { after: { lost: 'S' } },
      bad: {},
    } as const
    const [run] = await create(installation, [specs])
    await ended(runservice, run!.id)
    await database.do((tx) => tx.delete('archive', 'lost-id.1'))
    const again = await ended(runservice, (await runservice.restartRun(run!.id, { fromStart: false })).id)
    expect(again.tasks.map(({ task }) => task.id.endsWith('-id'))).toEqual([true, false, false, false])
  })

  test('with a new definition keeps the tasks of the same id that succeeded, and secrets that are not given anew', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const executor = await anExecutor(installation, {}, ({ taskName }) => (taskName === 'b' ? 'failed' : 'success'))
    const environment = { A: { secret: 'a' }, B: { secret: 'b' } }
    const secrets = { a: 'value of a', b: 'value of b' }
    const [run] = await create(installation, [
      { a: {}, b: {} },
      { environment, secrets },
    ])
    await ended(runservice, run!.id)
    const request = aRequest({ a: {}, b: {} }, { environment, secrets: { b: 'new value' } })
    const tasks = request.tasks!.map((task) => (task.name === 'b' ? { ...task, id: 'b2-id' } : task))
    const [next] = await runservice.createRuns([{ ...request, tasks, keepFrom: run!.id }])
    const view = await ended(runservice, next!.id)
    expect(view.tasks.map(({ task }) => [task.id, task.status])).toEqual([
      ['a-id', 'success'],
      ['b2-id', 'failed'],
    ])
    expect(view.run.restartOf).toBe(run!.id)
    expect(executor.orders.map(({ taskName, environment: { A, B } }) => [taskName, A, B])).toEqual([
      ['a', 'value of a', 'value of b'],
      ['b', 'value of a', 'value of b'],
      ['b', 'value of a', 'new value'],
    ])
  })
})

test('a task that cannot be kept after all is executed under another id, and so is what comes after it', async () => {
  const installation = await anInstallation()
  const { runservice, database } = installation
  const executor = await anExecutor(installation, {}, async (order, { api }) => {
    await writeLog(api, order, 0, `log ${order.executorTaskId}\n`)
    if (order.steps.length > 1) await api.saveArchive(order.executorTaskId, 1, bytesOf('x'))
    return 'success' as const
  })
  const request = aRequest({ lost: { savesWorkspace: true }, after: { after: { lost: 'S' } }, kept: {} })
  const [run] = await runservice.createRuns([request])
  await ended(runservice, run!.id)
  await database.do((tx) => tx.delete('archive', 'lost-id.1'))
  const [next] = await runservice.createRuns([{ ...request, keepFrom: run!.id }])
  const view = await ended(runservice, next!.id)
  expect(executor.failures).toEqual([])
  expect(statuses(view)).toEqual({ lost: 'success', after: 'success', kept: 'success' })
  expect(view.tasks.map(({ task }) => task.id.endsWith('-id'))).toEqual([false, false, true])
  const [lost] = view.tasks
  expect(await textOf(runservice.readLog(lost!.task.id, 0))).toBe(`log ${lost!.task.id}.1\n`)
})

describe('secrets', () => {
  const secret = 'correct horse battery staple'
  const request = [
    { a: {} },
    { environment: { PASSWORD: { secret: 'password' } }, secrets: { password: secret } },
  ] as const

  test('are nowhere on the disk in clear, and in the order as values to mask', async () => {
    const installation = await anInstallation()
    const executor = await anExecutor(installation, {}, () => undefined)
    await create(installation, [...request])
    const order = await executor.order('a')
    expect(order.environment.PASSWORD).toBe(secret)
    expect(order.secrets).toEqual([{ name: 'password', value: secret }])
    for (const file of readdirSync(installation.dir, { recursive: true, withFileTypes: true }))
      if (file.isFile()) expect(readFileSync(join(file.parentPath, file.name)).includes(secret)).toBe(false)
  })

  test('are opened by an older key, and are sealed under the new one by a restart', async () => {
    await using owner = new AsyncDisposableStack()
    const dir = aDirectory(owner)
    const [oldKey, newKey] = [newSealingKey(), newSealingKey()]
    let runId: string
    {
      await using installation = await openInstallation({ dir, keys: [oldKey] })
      await using executor = new FakeExecutor(installation.runservice, {}, () => 'failed')
      await executor.connect()
      runId = (await create(installation, [...request]))[0]!.id
      await ended(installation.runservice, runId)
    }
    {
      await using installation = await openInstallation({ dir, keys: [newKey, oldKey] })
      runId = (await installation.runservice.restartRun(runId, { fromStart: true })).id
    }
    await using installation = await openInstallation({ dir, keys: [newKey] })
    await using executor = new FakeExecutor(installation.runservice, {}, () => 'success')
    await executor.connect()
    expect((await ended(installation.runservice, runId)).run.result).toBe('success')
    expect(executor.orders[0]!.environment.PASSWORD).toBe(secret)
  })

  test('are a row each, and one that is too large is refused by its name', async () => {
    const installation = await anInstallation()
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`s${index}`, 'x'.repeat(2000)]))
    await create(installation, [{ a: {} }, { secrets: many }])
    await expect(create(installation, [{ a: {} }, { secrets: { TOKEN: 'x'.repeat(40_000) } }])).rejects.toThrow(
      /secret TOKEN has 40000 bytes/,
    )
  })

  test.each([
    ['another store', { storeId: 'another' }],
    ['another key', { keys: [newSealingKey()] as [ReturnType<typeof newSealingKey>] }],
  ])('sealed for %s fail the task that needs them and nothing else', async (_, other) => {
    await using owner = new AsyncDisposableStack()
    const dir = aDirectory(owner)
    const keys = [newSealingKey()] as [ReturnType<typeof newSealingKey>]
    let runId: string
    {
      await using installation = await openInstallation({ dir, keys })
      runId = (await create(installation, [...request]))[0]!.id
    }
    await using installation = await openInstallation({ dir, keys, ...other })
    await using executor = new FakeExecutor(installation.runservice)
    await executor.connect()
    const view = await ended(installation.runservice, runId)
    expect(view.tasks[0]!.task).toMatchObject({
      status: 'failed',
      reason: { kind: 'failed_setup', message: expect.stringMatching(/^a secret of runconfig/) },
    })
    const [fine] = await create(installation, [{ b: {} }, { ids: 'fine' }])
    expect((await ended(installation.runservice, fine!.id)).run.result).toBe('success')
    await expect(installation.runservice.restartRun(runId, { fromStart: true })).rejects.toMatchObject({
      code: 'key_wrong',
    })
    nothingLeft(installation.database)
  })
})

describe('a list of runs', () => {
  test('is filtered by group, phase and result, and paged in either direction without gap or double', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const groups = [
      '/project/p1/branch/feat',
      '/project/p1/branch/feat2',
      '/project/p1/branch/feat',
      '/project/p2/tag/v1',
    ]
    for (const [index, group] of groups.entries())
      await create(installation, [{ a: {} }, { group, ids: String(index), setupErrors: index === 3 ? ['x'] : [] }])
    const sequences = (...options: Parameters<typeof runservice.listRuns>) =>
      runservice.listRuns(...options).map(({ sequence }) => sequence)
    expect(sequences()).toEqual([4, 3, 2, 1])
    expect(sequences({ oldestFirst: true })).toEqual([1, 2, 3, 4])
    expect(sequences({ group: '/project/p1/branch/feat' })).toEqual([3, 1])
    expect(sequences({ group: '/project/p1/branch/feat/' })).toEqual([3, 1])
    expect(sequences({ group: '/project/p1' })).toEqual([3, 2, 1])
    expect(sequences({ group: '/project/p' })).toEqual([])
    expect(sequences({ phases: ['queued'] })).toEqual([3])
    expect(sequences({ phases: ['setuperror', 'running'] })).toEqual([4, 2, 1])
    expect(sequences({ results: ['failed'] })).toEqual([])
    expect(sequences({ limit: 2 })).toEqual([4, 3])
    expect(sequences({ limit: 2, after: 3 })).toEqual([2, 1])
    expect(sequences({ limit: 2, after: 2, oldestFirst: true })).toEqual([3, 4])
    expect(listRunsOf(runservice, { limit: 1 })).toEqual([4, 3, 2, 1])
    expect(listRunsOf(runservice, { limit: 3, oldestFirst: true })).toEqual([1, 2, 3, 4])
  })

  test('finds rare ones behind many others', async () => {
    const installation = await anInstallation()
    await installation.runservice.createRuns([
      aRequest({}, { group: '/project/rare/branch/a' }),
      ...Array.from({ length: 250 }, () => aRequest({}, { group: '/project/many/branch/a' })),
    ])
    expect(installation.runservice.listRuns({ group: '/project/rare' })).toHaveLength(1)
    expect(installation.runservice.listRuns({ limit: 1000 })).toHaveLength(100)
    expect(listRunsOf(installation.runservice, { limit: 99 })).toHaveLength(251)
  })
})

describe('what is large', () => {
  test('a script of a megabyte reaches the executor as it is', async () => {
    const installation = await anInstallation()
    const executor = await anExecutor(installation)
    const command = 'echo "ä€"\n'.repeat(87_000)
    const request = aRequest({ a: {} })
    const task = request.tasks![0]!
    const step = task.steps[0]!
    const [run] = await installation.runservice.createRuns([
      { ...request, tasks: [{ ...task, steps: [{ ...step, command } as typeof step] }] },
    ])
    await ended(installation.runservice, run!.id)
    expect(executor.orders[0]!.steps[0]).toMatchObject({ command })
  })
})
