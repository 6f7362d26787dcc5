import { expect, test } from 'vitest'
import type { RunChanges } from '../api.ts'
import { aRequest, ended, FakeExecutor, never, openInstallation, until } from '../service-fixture.ts'

test('changes of all runs are told as they are committed, with whose they are', async () => {
  await using installation = await openInstallation()
  const { runservice } = installation
  const stop = new AbortController()
  const told: RunChanges[] = []
  const reading = (async () => {
    for await (const changes of runservice.watchChanges(undefined, stop.signal)) told.push(changes)
  })().catch(() => undefined)
  await until(() => told.length === 1)
  expect(told[0]).toMatchObject({ runs: [], tasks: [], position: await runservice.position() })
  await using executor = await new FakeExecutor(runservice).connect()
  const [run] = await runservice.createRuns([aRequest({ a: {} })])
  await ended(runservice, run!.id)
  await until(() => told.some(({ runs }) => runs.some(({ phase }) => phase === 'finished')))
  stop.abort()
  await reading
  expect(executor.failures).toEqual([])
  expect(told.flatMap(({ runs }) => runs.map(({ phase }) => phase))).toEqual(['running', 'finished'])
  expect(new Set(told.flatMap(({ tasks }) => tasks.map(({ group }) => group)))).toEqual(
    new Set(['/project/p1/branch/main']),
  )
  const positions = told.map(({ position }) => position)
  expect(positions).toEqual(positions.toSorted((a, b) => a - b))
})

test('changes are told again from a position on', async () => {
  await using installation = await openInstallation()
  const { runservice } = installation
  const from = await runservice.position()
  const [run] = await runservice.createRuns([aRequest({ a: {} })])
  for await (const { runs, position } of runservice.watchChanges(from, never)) {
    if (runs.length === 0) expect(position).toBe(from)
    else {
      expect(runs).toEqual([expect.objectContaining({ id: run!.id })])
      break
    }
  }
})

test('runs said to be created again with the same transaction id are created once', async () => {
  await using installation = await openInstallation()
  const { runservice } = installation
  const first = await runservice.createRuns([aRequest({ a: {} })], { transactionId: 't1' })
  expect(await runservice.createRuns([aRequest({ a: {} }, { ids: 'x' })], { transactionId: 't1' })).toEqual(first)
  expect((await runservice.findRuns()).runs).toHaveLength(1)
})

test('rows of runs come in the order asked for, with the tasks that wait for approval', async () => {
  await using installation = await openInstallation()
  const { runservice } = installation
  const [plain] = await runservice.createRuns([aRequest({ a: {} })])
  const request = aRequest({ b: { approval: 'needed' } }, { group: '/project/p2/branch/main' })
  const [waiting] = await runservice.createRuns([request])
  const rows = await runservice.runRows([waiting!.id, 'none', plain!.id])
  expect(rows.map(({ run, tasksWaitingApproval }) => [run.id, tasksWaitingApproval])).toEqual([
    [waiting!.id, ['b-id']],
    [plain!.id, []],
  ])
})
