import { expect, onTestFinished, test } from 'vitest'
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
import type { StepPhase } from '../types.ts'

const day = 24 * 60 * 60 * 1000
const forEver = { logsMs: 0, workspacesMs: 0, eventsMs: 0 }

/** Every task writes a log, and saves what it says to the workspace if it has such a step. */
async function anInstallation(): Promise<Installation & { executor: FakeExecutor; ofB: { phase: StepPhase } }> {
  const installation = await openInstallation()
  onTestFinished(() => installation[Symbol.asyncDispose]())
  const ofB: { phase: StepPhase } = { phase: 'success' }
  const executor = new FakeExecutor(installation.runservice, {}, async (order, { api }) => {
    await writeLog(api, order, 0, `log of ${order.taskName}\n`)
    if (order.steps.length > 1) await api.saveArchive(order.executorTaskId, 1, bytesOf(`files of ${order.taskName}`))
    return order.taskName === 'b' ? ofB.phase : 'success'
  })
  onTestFinished(() => executor[Symbol.asyncDispose]())
  await executor.connect()
  return Object.assign(installation, { executor, ofB })
}

async function objects({ ost }: Installation, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of ost.list({ prefix })) keys.push(key)
  return keys
}

test('logs go when the run ended longer ago than asked, and stay for ever with 0', async () => {
  const installation = await anInstallation()
  const { runservice, clock } = installation
  const [run] = await runservice.createRuns([aRequest({ a: {} })])
  await ended(runservice, run!.id)
  clock.pass(30 * day)
  await runservice.clean(forEver)
  await runservice.clean({ ...forEver, logsMs: 30 * day })
  expect(await textOf(runservice.readLog('a-id', 0))).toBe('log of a\n')
  clock.pass(1)
  await runservice.clean({ ...forEver, logsMs: 30 * day })
  expect(await textOf(runservice.readLog('a-id', 0))).toBe('')
  expect(await objects(installation, 'logs/')).toEqual([])
  expect(runservice.findRun(run!.id)!.run).toMatchObject({ phase: 'finished', logsDeleted: true })
})

test('a log that a restarted run kept goes with the last run that shows it', async () => {
  const installation = await anInstallation()
  const { runservice, clock } = installation
  installation.ofB.phase = 'failed'
  const [first] = await runservice.createRuns([aRequest({ a: {}, b: {} })])
  await ended(runservice, first!.id)
  clock.pass(20 * day)
  installation.ofB.phase = 'success'
  const again = await runservice.restartRun(first!.id, { fromStart: false })
  await ended(runservice, again.id)
  clock.pass(11 * day)
  await runservice.clean({ ...forEver, logsMs: 30 * day })
  expect(await textOf(runservice.readLog('a-id', 0))).toBe('log of a\n')
  expect(await textOf(runservice.readLog('b-id', 0))).toBe('')
  clock.pass(20 * day)
  await runservice.clean({ ...forEver, logsMs: 30 * day })
  expect(await objects(installation, 'logs/')).toEqual([])
})

test('archives go when nobody used them for long; a use counts, and a run that goes on keeps them', async () => {
  const installation = await anInstallation()
  const { runservice, clock, database } = installation
  const [run] = await runservice.createRuns([
    aRequest({ a: { savesWorkspace: true }, waits: { after: { a: 'S' }, approval: 'needed' } }),
  ])
  await waitFor(installation, () => runservice.findRun(run!.id)!.tasks[1]!.task.waitingApproval)
  clock.pass(8 * day)
  const clean = () => runservice.clean({ ...forEver, workspacesMs: 7 * day })
  await clean()
  expect(await objects(installation, 'archives/')).toHaveLength(1)

  // The task that restores it is executed, by an executor that reads it.
  const restore = restoring(installation)
  await runservice.approveTask(run!.id, 'waits-id', 'ada')
  await ended(runservice, run!.id)
  expect(restore.failures).toEqual([])
  clock.pass(6 * day)
  await clean()
  expect(await objects(installation, 'archives/')).toHaveLength(1)
  clock.pass(2 * day)
  await runservice.clean(forEver)
  expect(await objects(installation, 'archives/')).toHaveLength(1)
  await clean()
  expect(await objects(installation, 'archives/')).toEqual([])
  expect(database.view((tx) => tx.list('archive'))).toEqual([])
})

test('an upload that was broken off goes after a day, one of which a row tells stays', async () => {
  const installation = await anInstallation()
  const { runservice, ost, clock } = installation
  const [run] = await runservice.createRuns([aRequest({ a: { savesWorkspace: true } })])
  await ended(runservice, run!.id)
  await ost.put('archives/other-id/1-left.tar.zst', Buffer.from('left'))
  await runservice.clean(forEver)
  expect(await objects(installation, 'archives/')).toHaveLength(2)
  clock.pass(day + 60_000)
  await runservice.clean(forEver)
  expect(await objects(installation, 'archives/')).toEqual([expect.stringContaining('a-id')])
})

test('an archive that is saved twice is the first one', async () => {
  const installation = await anInstallation()
  const { runservice, ost } = installation
  const executor = new FakeExecutor(runservice, { id: 'x2', labels: { manual: 'yes' } }, () => undefined)
  onTestFinished(() => executor[Symbol.asyncDispose]())
  await executor.connect()
  await runservice.createRuns([aRequest({ a: { savesWorkspace: true, labels: { manual: 'yes' } } })])
  const order = await executor.order('a')
  const save = (text: string) => executor.api.saveArchive(order.executorTaskId, 1, bytesOf(text))
  const first = await save('first')
  expect(await save('second')).toEqual(first)
  expect(await textOf(executor.api.readArchive(order.executorTaskId, first))).toBe('first')
  expect(await textOf(ost.read(first.object))).toBe('first')
  expect(await objects(installation, 'archives/')).toHaveLength(1)
})

/** Reads the archive of task `a` when asked to execute what comes after it. */
function restoring({ executor, runservice, database }: Awaited<ReturnType<typeof anInstallation>>): FakeExecutor {
  const read = async () => {
    const order = await executor.order('waits')
    const [archive] = database.view((tx) => tx.list('archive'))
    await textOf(runservice.executorApi('x1').readArchive(order.executorTaskId, archive!.body))
  }
  read().catch((error: unknown) => executor.failures.push(error))
  return executor
}

async function waitFor({ database, runservice }: Installation, condition: () => boolean): Promise<void> {
  const [run] = runservice.listRuns()
  const leaving = new AbortController()
  for await (const _ of runservice.watchRun(run!.id, leaving.signal)) if (condition()) return
  expect(database.position).toBe('the run ended before')
}
