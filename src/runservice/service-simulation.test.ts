// Whole installations under arbitrary work: runs in groups, executors of every kind that come, go and are removed, tasks with
// any outcome, stops, approvals and cancellations at any time. Everything comes to an end, and nothing is left.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Order } from './executor-api.ts'
import { arbitraryGraph, type Specs, withoutImplied } from './scheduler/run-arbitrary-fixture.ts'
import { nothingLeft } from './service-expectations-fixture.ts'
import { aRequest, FakeExecutor, type Installation, openInstallation, until } from './service-fixture.ts'
import { isFinishedRun } from './types.ts'

const executorKinds = [
  { archs: ['amd64'], taskLimit: 1 },
  { archs: ['amd64', 'arm64'], taskLimit: 2, labels: { gpu: 'yes' } },
  { archs: ['amd64'], taskLimit: 3, allowPrivileged: true, drivers: ['host'] },
  { archs: ['arm64'], taskLimit: 0 },
] as const

const arbitrarySpecs: fc.Arbitrary<Specs> = fc
  .tuple(
    arbitraryGraph(6),
    fc.array(fc.constantFrom({}, {}, {}, { arch: 'arm64' }, { labels: { gpu: 'yes' } }, { privileged: true }), {
      minLength: 6,
      maxLength: 6,
    }),
  )
  .map(([graph, needs]) =>
    Object.fromEntries(
      Object.entries(withoutImplied(graph)).map(([name, spec], index) => [name, { ...spec, ...needs[index] }]),
    ),
  )

type World = {
  readonly installation: Installation
  readonly executors: Map<string, FakeExecutor>
  readonly choose: (count: number) => number
}

/** One event somewhere; `orders` are those not ended. */
async function act({ installation, executors, choose }: World, calm: boolean): Promise<void> {
  const { runservice, database } = installation
  const open = [...executors.values()].flatMap((executor) =>
    executor.orders
      .filter((order) => database.view((tx) => tx.get('executortask', order.executorTaskId)) !== undefined)
      .map((order) => ({ executor, order })),
  )
  const kind = choose(calm ? 12 : 16)
  const runs = runservice.listRuns({ phases: ['queued', 'running'] })
  const run = runs[choose(Math.max(1, runs.length))]
  if (kind === 12 && run?.phase === 'running') return await runservice.stopRun(run.id, 'ada')
  if (kind === 13 && run?.phase === 'queued') return await runservice.cancelRun(run.id)
  if (kind === 14) return await removeOne({ installation, executors, choose })
  if (kind === 15) return await reconnectOne({ installation, executors, choose })
  if (kind === 11 && run !== undefined) {
    const asked = runservice.findRun(run.id)!.tasks.find(({ task }) => task.waitingApproval)
    if (asked !== undefined) await runservice.approveTask(run.id, asked.task.id, 'bob')
    return
  }
  const chosen = open[choose(Math.max(1, open.length))]
  if (chosen !== undefined) await end(chosen, choose)
}

async function end(
  { executor, order }: { readonly executor: FakeExecutor; readonly order: Order },
  choose: (count: number) => number,
): Promise<void> {
  const isStopped = executor.messages.some(
    (message) => message.kind === 'stop' && message.executorTaskId === order.executorTaskId,
  )
  if (choose(3) === 0) await executor.report(order, 'running').catch(() => undefined) // Refused when it runs already.
  const phases = isStopped ? (['stopped'] as const) : (['success', 'success', 'failed'] as const)
  await executor.report(order, phases[choose(phases.length)]!)
}

async function removeOne({ installation, executors, choose }: World): Promise<void> {
  const id = [...executors.keys()][choose(executors.size)]
  if (id === undefined || executors.size < executorKinds.length) return
  await installation.runservice.removeExecutor(id)
  await executors.get(id)!.disconnect()
  executors.delete(id)
  await join({ installation, executors, choose }, `${id}+`, Number(id[1]))
}

async function reconnectOne({ executors, choose }: World): Promise<void> {
  const executor = [...executors.values()][choose(Math.max(1, executors.size))]
  await executor?.disconnect()
  await executor?.connect()
}

async function join({ installation, executors }: World, id: string, kind: number): Promise<void> {
  const executor = new FakeExecutor(installation.runservice, { ...executorKinds[kind]!, id }, () => undefined)
  executors.set(id, await executor.connect())
}

function checkLimits({ database }: Installation): void {
  database.view((tx) => {
    for (const { body: executor } of tx.list('executor')) {
      const taken = tx.count('executortask', { index: 'byExecutor', prefix: [executor.id] })
      if (executor.taskLimit > 0) expect(taken).toBeLessThanOrEqual(executor.taskLimit)
    }
    const orders = Map.groupBy(tx.list('executortask'), ({ body }) => body.executorId)
    expect(new Map(tx.list('takenslots').map(({ id, body }) => [id, body.count]))).toEqual(
      new Map([...orders].map(([id, rows]) => [id, rows.length])),
    )
    for (const { body: order } of tx.list('executortask')) expect(tx.get('executor', order.executorId)).toBeDefined()
    const running = tx.list('run', { index: 'byPhase', prefix: ['running'] }).map(({ body }) => body.group)
    expect(new Set(running).size).toBe(running.length)
  })
}

test('whatever happens, all runs end, no limit is exceeded, and no order or ready task is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(arbitrarySpecs, fc.nat(2)), { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.nat(1_000_000)),
      async (runs, numbers) => {
        const choose = (count: number) => numbers.next().value! % count
        await using installation = await openInstallation()
        await using owner = new AsyncDisposableStack()
        const world: World = { installation, executors: new Map(), choose }
        owner.defer(async () => {
          for (const executor of world.executors.values()) await executor.disconnect()
        })
        for (const [kind] of executorKinds.entries()) await join(world, `x${kind}`, kind)
        const { runservice } = installation
        for (const [index, [specs, branch]] of runs.entries()) {
          const group = `/project/p${branch}/branch/b${branch}`
          await runservice.createRuns([aRequest(specs, { group, ids: `r${index}` })])
        }
        const isOver = () => runservice.listRuns().every(({ phase }) => isFinishedRun(phase))
        for (let step = 0; !isOver(); step++) {
          // Orders that were handed out are on their way to their executor.
          await until(() => [...world.executors.values()].every((executor) => hasItsOrders(installation, executor)))
          await act(world, step > 60)
          checkLimits(installation)
          expect(step).toBeLessThan(2000)
        }
        nothingLeft(installation.database)
        for (const { id } of runservice.listRuns()) expect(runservice.findRun(id)!.waiting).toBeUndefined()
        expectEvents(installation)
      },
    ),
    { numRuns: 25 },
  )
}, 60_000)

function hasItsOrders({ database }: Installation, executor: FakeExecutor): boolean {
  const has = new Set(executor.orders.map(({ executorTaskId }) => executorTaskId))
  return database.view((tx) =>
    tx
      .list('executortask', { index: 'byExecutor', prefix: [executor.hello.id] })
      .every(
        ({ id, body }) =>
          has.has(id) && (!body.stop || executor.messages.some((m) => m.kind === 'stop' && m.executorTaskId === id)),
      ),
  )
}

/** Per run: begins with its creation, ends with its end, and no two neighbours are the same. */
function expectEvents({ database, runservice }: Installation): void {
  const events = database.view((tx) => tx.list('runevent').map(({ body }) => body))
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1))
  for (const run of runservice.listRuns()) {
    const own = events.filter(({ runId }) => runId === run.id).map(({ phase, result }) => `${phase}/${result}`)
    expect(own[0]).toMatch(/^(queued|setuperror)\/unknown$/)
    expect(own.at(-1)).toBe(`${run.phase}/${run.result}`)
    expect(own.filter((event, index) => event === own[index - 1])).toEqual([])
  }
}
