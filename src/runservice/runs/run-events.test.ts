// Run events and those who must see all of them.

import { expect, onTestFinished, test } from 'vitest'
import { aRequest, ended, FakeExecutor, type Installation, openInstallation } from '../service-fixture.ts'

const day = 24 * 60 * 60 * 1000
const forEver = { logsMs: 0, workspacesMs: 0, eventsMs: 0 }

type Events = Installation & { run(): Promise<void>; kept(): Promise<readonly number[]>; clean(): Promise<void> }

/** Every run has four events: queued, running, success, finished. */
async function anInstallation(): Promise<Events> {
  const installation = await openInstallation()
  onTestFinished(() => installation[Symbol.asyncDispose]())
  const { runservice } = installation
  const executor = new FakeExecutor(runservice)
  onTestFinished(() => executor[Symbol.asyncDispose]())
  await executor.connect()
  let runs = 0
  return Object.assign(installation, {
    run: async () => {
      const [run] = await runservice.createRuns([aRequest({ a: {} }, { ids: `r${runs++}-` })])
      await ended(runservice, run!.id)
    },
    kept: async () => (await runservice.listEvents(0)).map(({ sequence }) => sequence),
    clean: () => runservice.clean({ ...forEver, eventsMs: 7 * day }),
  })
}

test('run events go when they are old and every consumer has passed them', async () => {
  const { runservice, clock, run, kept, clean } = await anInstallation()
  expect(await runservice.registerEventConsumer('notification')).toBe(0)
  await run()
  const all = await kept()
  expect(all).toEqual([1, 2, 3, 4])
  expect(await runservice.registerEventConsumer('cascades')).toBe(4)
  await runservice.passEvents('notification', 2)
  await clean()
  expect(await kept(), 'young ones stay, passed or not').toEqual(all)
  clock.pass(7 * day + 60_000)
  await run()
  await runservice.clean(forEver)
  expect(await kept(), '0 keeps all').toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  await clean()
  expect(await kept()).toEqual([3, 4, 5, 6, 7, 8])
  await runservice.passEvents('notification', 8)
  await clean()
  expect(await kept()).toEqual([5, 6, 7, 8])
})

test('a consumer that was removed keeps nothing, and without any only the age counts', async () => {
  const { runservice, clock, run, kept, clean } = await anInstallation()
  await runservice.registerEventConsumer('notification')
  await run()
  clock.pass(8 * day)
  await clean()
  expect(await kept()).toHaveLength(4)
  await runservice.removeEventConsumer('notification')
  await runservice.removeEventConsumer('notification')
  await clean()
  expect(await kept()).toEqual([])
})

test('a consumer that registers again goes on where it was, and never goes back', async () => {
  const { runservice, run } = await anInstallation()
  await runservice.registerEventConsumer('notification')
  await run()
  await runservice.passEvents('notification', 3)
  await runservice.passEvents('notification', 1)
  expect(await runservice.registerEventConsumer('notification')).toBe(3)
  expect(await runservice.listEvents(3)).toMatchObject([{ sequence: 4, phase: 'finished', result: 'success' }])
  await expect(runservice.passEvents('nobody', 1)).rejects.toMatchObject({ code: 'event_consumer_not_found' })
})

test('more events than one page go in one round, and numbers are never used again', async () => {
  const { runservice, clock, database, run, kept, clean } = await anInstallation()
  await runservice.createRuns(
    Array.from({ length: 150 }, (_, index) =>
      aRequest({}, { ids: `s${index}-`, setupErrors: ['wrong'], group: `/project/p1/branch/b${index}` }),
    ),
  )
  expect(database.view((tx) => tx.count('runevent'))).toBe(150)
  clock.pass(8 * day)
  await clean()
  expect(await kept()).toEqual([])
  await run()
  expect((await kept())[0]).toBe(151)
})

test('a round that is broken off leaves the rest to the next one', async () => {
  const { runservice, clock, run, kept, clean } = await anInstallation()
  await run()
  clock.pass(8 * day)
  const reason = new Error('the process ends')
  await expect(runservice.clean({ ...forEver, eventsMs: day }, AbortSignal.abort(reason))).rejects.toBe(reason)
  expect(await kept()).toHaveLength(4)
  await clean()
  expect(await kept()).toEqual([])
})

test('whose turn it was is forgotten after a day', async () => {
  const { runservice, clock, database, run } = await anInstallation()
  await run()
  const served = () => database.view((tx) => tx.list('served').map(({ id }) => id))
  clock.pass(day)
  await runservice.clean(forEver)
  expect(served()).toEqual(['p1'])
  clock.pass(1)
  await runservice.clean(forEver)
  expect(served()).toEqual([])
})
