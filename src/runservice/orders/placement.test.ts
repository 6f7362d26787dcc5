// What placement remembers from one transaction to the next, and over a restart of the runservice.

import { expect, test } from 'vitest'
import type { Order } from '../executor-api.ts'
import { aDirectory, aRequest, FakeExecutor, type Installation, openInstallation, until } from '../service-fixture.ts'

const projects = ['p1', 'p2', 'p3'] as const
const tasksEach = 5

/** Creates a run of 5 tasks for each project, in this order: by first come first served p1 would be done before p2 begins. */
async function createRuns({ runservice, clock }: Installation): Promise<void> {
  for (const project of projects) {
    const tasks = Object.fromEntries(Array.from({ length: tasksEach }, (_, index) => [`t${index}`, {}]))
    await runservice.createRuns([aRequest(tasks, { group: `/project/${project}/branch/main`, ids: `${project}-` })])
    clock.pass(1)
  }
}

const projectOf = (order: Order) => order.runTaskId.slice(0, 2)

/** Ends orders one by one, each when the next one is there, and returns whose turn it was. */
async function turns({ database }: Installation, executor: FakeExecutor, count: number): Promise<readonly string[]> {
  const seen: string[] = []
  for (; seen.length < count; seen.push(projectOf(executor.orders.at(-1)!))) {
    const before = executor.orders.length
    const open = executor.orders.find(({ executorTaskId }) =>
      database.view((tx) => tx.get('executortask', executorTaskId) !== undefined),
    )
    await executor.report(open!, 'running')
    await executor.report(open!, 'success')
    await until(() => executor.orders.length > before)
  }
  return seen
}

test('projects alternate at scarce slots from one freed slot to the next, and go on so after a restart', async () => {
  await using owner = new AsyncDisposableStack()
  const dir = aDirectory(owner)
  const before: string[] = []
  {
    await using installation = await openInstallation({ dir })
    await createRuns(installation)
    await using executor = new FakeExecutor(installation.runservice, { taskLimit: 3 }, () => undefined)
    await executor.connect()
    await until(() => executor.orders.length === 3)
    before.push(...executor.orders.map(projectOf), ...(await turns(installation, executor, 3)))
  }
  await using installation = await openInstallation({ dir })
  await using executor = new FakeExecutor(installation.runservice, { taskLimit: 3 }, () => undefined)
  await executor.connect()
  await until(() => executor.orders.length === 3)
  const after = await turns(installation, executor, 5)
  // The first two came before the slots were scarce; from then on nobody comes again before everybody had a turn.
  const order = [...before, ...after].slice(1)
  for (let index = 0; index + 3 <= order.length; index++)
    expect(new Set(order.slice(index, index + 3)), order.join(' ')).toEqual(new Set(projects))
})

test('a project that is alone is written down as served once, not with every task', async () => {
  await using installation = await openInstallation()
  await using executor = new FakeExecutor(installation.runservice, { taskLimit: 1 }, () => 'success')
  await executor.connect()
  const { database, runservice } = installation
  const [run] = await runservice.createRuns([aRequest({ a: {}, b: {}, c: {} })])
  await until(() => runservice.findRun(run!.id)!.run.phase === 'finished')
  expect(database.view((tx) => tx.list('served'))).toMatchObject([{ id: 'p1', body: { turn: 0 } }])
})

test('orders that were written before slots were counted take theirs all the same', async () => {
  await using installation = await openInstallation()
  const { database, runservice } = installation
  await using executor = new FakeExecutor(runservice, { taskLimit: 3 }, () => undefined)
  await executor.connect()
  await runservice.createRuns([aRequest({ a: {}, b: {} })])
  await until(() => executor.orders.length === 2)
  await database.do((tx) => tx.delete('takenslots', 'x1'))
  await runservice.createRuns([aRequest({ c: {}, d: {} }, { group: '/project/p1/branch/other' })])
  await until(() => executor.orders.length === 3)
  const [waiting] = runservice.listRuns()
  expect(runservice.findRun(waiting!.id)!.tasks.map(({ waiting }) => waiting?.kind)).toEqual([
    undefined,
    'waiting_slot',
  ])
  expect(database.view((tx) => tx.list('takenslots'))).toMatchObject([{ id: 'x1', body: { count: 3 } }])
  for (const order of executor.orders) {
    await executor.report(order, 'running')
    await executor.report(order, 'success')
  }
  await until(() => executor.orders.length === 4)
  expect(database.view((tx) => tx.list('takenslots'))).toMatchObject([{ id: 'x1', body: { count: 1 } }])
})
