import { expect, onTestFinished, test } from 'vitest'
import type { FindRunsQuery, RunEntry } from '../api.ts'
import {
  aRequest,
  bytesOf,
  ended,
  FakeExecutor,
  type Installation,
  openInstallation,
  textOf,
  writeLog,
} from '../service-fixture.ts'

async function anInstallation(storage = true): Promise<Installation> {
  const installation = await openInstallation({ storage })
  onTestFinished(() => installation[Symbol.asyncDispose]())
  return installation
}

/** Ends every task as its name says. */
async function connectExecutor(installation: Installation): Promise<void> {
  const executor = new FakeExecutor(installation.runservice, {}, async (order, { api }) => {
    await writeLog(api, order, 0, `log of ${order.taskName}\n`)
    if (order.steps.length > 1) await api.saveArchive(order.executorTaskId, 1, bytesOf(`files of ${order.taskName}`))
    return order.taskName === 'bad' ? 'failed' : 'success'
  })
  onTestFinished(() => executor[Symbol.asyncDispose]())
  await executor.connect()
}

let made = 0
async function aRun(installation: Installation, group: string, task: 'good' | 'bad' = 'good'): Promise<string> {
  const [run] = await installation.runservice.createRuns([aRequest({ [task]: {} }, { group, ids: `${made++}-` })])
  return run!.id
}

/** Sequences of all pages of a query. */
async function pages({ runservice }: Installation, query: FindRunsQuery): Promise<number[]> {
  const found: RunEntry[] = []
  for (let cursor: string | undefined; ; ) {
    const { runs, next } = await runservice.findRuns({ ...query, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...runs)
    if (next === undefined) return found.map(({ sequence }) => sequence)
    cursor = next
  }
}

test('runs are found by group, phase, result, number and time, those that are cold among the others', async () => {
  const installation = await anInstallation()
  const { runservice, clock } = installation
  await connectExecutor(installation)
  const groups = ['/project/a/branch/main', '/project/a/branch/x', '/project/b/branch/main', '/project/a']
  const times: number[] = []
  for (let n = 0; n < 12; n++) {
    clock.pass(1000)
    times.push(clock.now())
    await ended(runservice, await aRun(installation, groups[n % 4]!, n % 3 === 0 ? 'bad' : 'good'))
    if (n === 7) await installation.snapshot()
  }
  const queries: [FindRunsQuery, number[]][] = [
    [{}, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]],
    [{ oldestFirst: true, limit: 5 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]],
    [{ group: '/project/a', limit: 1 }, [12, 8, 4]],
    [{ group: '/project/a', isSubtree: true }, [12, 10, 9, 8, 6, 5, 4, 2, 1]],
    [{ group: '/project/a/branch/', isSubtree: true, limit: 2 }, [10, 9, 6, 5, 2, 1]],
    [{ group: '/project/a/branch' }, []],
    [{ group: '/project', isSubtree: true, results: ['failed'], limit: 1 }, [10, 7, 4, 1]],
    [{ results: ['success', 'failed'], phases: ['running'] }, []],
    [{ phases: ['finished'], results: ['success'], oldestFirst: true }, [2, 3, 5, 6, 8, 9, 11, 12]],
    [{ group: '/project/a', isSubtree: true, counter: 4 }, [5]],
    [{ group: '/project/b/branch/main', counter: 2 }, [7]],
    [{ group: '/project/a/branch/x', counter: 4 }, []],
    [{ from: times[3]!, before: times[6]! }, [6, 5, 4]],
    [{ from: times[10]!, oldestFirst: true }, [11, 12]],
    [{ group: '/project/none', isSubtree: true }, []],
  ]
  for (const [query, expected] of queries)
    expect(await pages(installation, query), JSON.stringify(query)).toEqual(expected)
  const { runs } = await runservice.findRuns({ group: '/project/a', isSubtree: true, counter: 1 })
  expect(runs).toEqual([
    {
      id: expect.any(String),
      sequence: 1,
      name: 'build',
      group: '/project/a/branch/main',
      phase: 'finished',
      result: 'failed',
      counter: 1,
      enqueuedAt: times[0],
      startedAt: times[0],
      endedAt: times[0],
    },
  ])
})

test('what comes between two pages moves nothing', async () => {
  const installation = await anInstallation()
  const { runservice } = installation
  const group = '/project/p/branch/main'
  for (let n = 0; n < 6; n++) await aRun(installation, group)
  const first = await runservice.findRuns({ group, limit: 3 })
  for (let n = 0; n < 4; n++) await aRun(installation, group)
  const second = await runservice.findRuns({
    group,
    limit: 3,
    ...(first.next === undefined ? {} : { cursor: first.next }),
  })
  expect([...first.runs, ...second.runs].map(({ sequence }) => sequence)).toEqual([6, 5, 4, 3, 2, 1])
  expect(second.next).toBeUndefined()
})

test.each<[FindRunsQuery]>([
  [{ counter: 1 }],
  [{ counter: 1, group: '/project' }],
  [{ cursor: 'elsewhere' }],
  [{ cursor: '' }],
])('the query %j says that it cannot be answered', async (query) => {
  const { runservice } = await anInstallation(false)
  await expect(runservice.findRuns(query)).rejects.toMatchObject({ code: 'run_query_invalid' })
})

test('a run that is cold is loaded, followed, and repeated like any other', async () => {
  const installation = await anInstallation()
  const { runservice, database } = installation
  await connectExecutor(installation)
  const tasks = { good: {}, bad: { after: { good: 'S' } } } as const
  const [run] = await runservice.createRuns([aRequest(tasks, { secrets: { token: 'abc' }, ids: `${made++}-` })])
  const before = await ended(runservice, run!.id)
  await installation.snapshot()
  expect(() => runservice.findRun(run!.id)).toThrow(expect.objectContaining({ code: 'row_cold' }))
  const { position: _, ...loaded } = (await runservice.loadRun(run!.id))!
  const { position: __, ...expected } = before
  expect(loaded).toEqual(expected)
  expect(database.view((tx) => tx.list('runtask', { index: 'byRun', prefix: [run!.id] }))).toHaveLength(2)
  const again = await runservice.restartRun(run!.id, { fromStart: false })
  const repeated = await ended(runservice, again.id)
  expect(repeated.tasks.map(({ task }) => task.status)).toEqual(['success', 'failed'])
  // Reading for a repetition has left the first one where it is.
  await expect(runservice.stopRun(run!.id)).rejects.toMatchObject({ code: 'run_not_running' })
  await installation.snapshot()
  expect((await runservice.findRuns({})).runs.map(({ id }) => id)).toEqual([again.id, run!.id])
  expect((await ended(runservice, again.id)).run.restartOf).toBe(run!.id)
})

test('logs of cold runs are removed when they are old, but for those that a repetition shows', async () => {
  const day = 24 * 60 * 60 * 1000
  const installation = await anInstallation()
  const { runservice, clock, database } = installation
  await connectExecutor(installation)
  const ids = `${made++}-`
  const [first] = await runservice.createRuns([aRequest({ good: {}, bad: { after: { good: 'S' } } }, { ids })])
  await ended(runservice, first!.id)
  clock.pass(20 * day)
  const second = await runservice.restartRun(first!.id, { fromStart: false })
  await ended(runservice, second.id)
  await installation.snapshot()
  clock.pass(15 * day)
  await runservice.clean({ logsMs: 30 * day, workspacesMs: 0, eventsMs: 0 })
  expect(await textOf(runservice.readLog(`${ids}good-id`, 0))).toBe('log of good\n')
  expect((await runservice.loadRun(first!.id))!.run.logsDeleted).toBe(true)
  expect(database.view((tx) => tx.removableEntries(clock.now(), 9)).map(({ id }) => id)).toEqual([second.id])
  await installation.snapshot()
  clock.pass(30 * day)
  await runservice.clean({ logsMs: 30 * day, workspacesMs: 0, eventsMs: 0 })
  expect(await textOf(runservice.readLog(`${ids}good-id`, 0))).toBe('')
})
