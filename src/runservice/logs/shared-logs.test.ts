// Three instances on the same rows and storage; executors' calls go to any of them.

import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../../test/support/server-process.ts'
import { LocalCoordination, LocalMeeting } from '../../coordination/local.ts'
import { openHttpServer } from '../../http/http-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { newSealingKey } from '../../lib/sealing.ts'
import type { RunserviceHost } from '../api.ts'
import { aFrame } from '../executors/executor-api-contract.ts'
import { createRunservice } from '../service.ts'
import { aHello, aReport, aRequest, FakeExecutor, noSource, openInstallation, until } from '../service-fixture.ts'

async function threeInstances() {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const installation = owner.use(await openInstallation())
  const reads: string[] = []
  const meeting = new LocalMeeting()
  const { database, ost, caches } = installation
  const counted = new Proxy(ost, {
    get: (target, name: keyof typeof ost) => {
      if (name === 'read') reads.push(name)
      const value = target[name]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const open = async (): Promise<RunserviceHost> => {
    const port = await freePort()
    const runservice = owner.use(
      createRunservice(
        {
          storeId: 'store',
          keys: [newSealingKey()],
          instanceUrl: `http://127.0.0.1:${port}`,
          instanceToken: 'x'.repeat(32),
        },
        {
          database,
          ost: counted,
          caches,
          clock: systemClock,
          logger: silentLogger,
          cloneSource: () => noSource,
          coordination: new LocalCoordination(systemClock, meeting),
        },
      ),
    )
    const listen = { host: '127.0.0.1', port }
    owner.use(
      await openHttpServer({ listen }, { logger: silentLogger, mount: (app) => runservice.serveInstances(app) }),
    )
    return runservice
  }
  const instances = [await open(), await open(), await open()] as const
  const executor = owner.use(new FakeExecutor(instances[1], {}, () => undefined))
  await executor.connect()
  await instances[0].createRuns([aRequest({ a: {} })])
  const order = await executor.order('a')
  /** The executor's calls as they arrive at an instance. */
  const api = (index: 0 | 1 | 2) => instances[index].executorApi('x1')
  return { instances, executor, order, api, reads }
}

function follow(runservice: RunserviceHost, runTaskId: string, fromByte = 0) {
  const stop = new AbortController()
  const state = { text: '', stop }
  const done = (async () => {
    for await (const chunk of runservice.followLog(runTaskId, 0, fromByte, stop.signal))
      state.text += Buffer.from(chunk).toString()
  })()
  done.catch(() => undefined)
  return Object.assign(state, { done })
}

test('a follower at one instance has what others are told, each byte once, to the end', async () => {
  const { instances, order, api } = await threeInstances()
  const task = order.executorTaskId
  const seen = follow(instances[0], order.runTaskId)
  api(1).offerLive(task, 0, 0, Buffer.from('one '))
  await until(() => seen.text === 'one ')
  // The next bytes go elsewhere.
  api(2).offerLive(task, 0, 4, Buffer.from('two '))
  await until(() => seen.text === 'one two ')
  api(1).offerLive(task, 0, 8, Buffer.from('three '))
  await until(() => seen.text === 'one two three ')
  await api(2).storeFrame(task, 0, await aFrame(0, 'one two three '))
  await api(1).storeFrame(task, 0, await aFrame(14, 'four'))
  await until(() => seen.text === 'one two three four')
  // Who comes now reads what is stored, wherever.
  const late = follow(instances[2], order.runTaskId, 8)
  await until(() => late.text === 'three four')
  await api(2).finishLog(task, 0)
  await Promise.all([seen.done, late.done])
  expect([seen.text, late.text]).toEqual(['one two three four', 'three four'])
})

test('an instance that tells nothing costs only time: what is stored is seen', async () => {
  const { instances, order, api } = await threeInstances()
  const task = order.executorTaskId
  const seen = follow(instances[0], order.runTaskId)
  await api(1).storeFrame(task, 0, await aFrame(0, 'stored '))
  await until(() => seen.text === 'stored ')
  // Behind a gap: it waits for what is missing.
  api(1).offerLive(task, 0, 20, Buffer.from('late'))
  await api(2).storeFrame(task, 0, await aFrame(7, 'between here '))
  await until(() => seen.text === 'stored between here late')
  seen.stop.abort()
  await seen.done.catch(() => undefined)
})

test('a hundred followers at an instance cost one read of what is stored', async () => {
  const { instances, order, api, reads } = await threeInstances()
  const task = order.executorTaskId
  const all = Array.from({ length: 100 }, () => follow(instances[0], order.runTaskId))
  api(1).offerLive(task, 0, 0, Buffer.from('line\n'))
  await until(() => all.every(({ text }) => text === 'line\n'))
  const before = reads.length
  for (let line = 1; line <= 20; line++) api(1).offerLive(task, 0, line * 5, Buffer.from('line\n'))
  await until(() => all.every(({ text }) => text.length === 105))
  expect(reads.length - before).toBeLessThan(10)
  await api(1).storeFrame(task, 0, await aFrame(0, 'line\n'.repeat(21)))
  await api(1).finishLog(task, 0)
  await Promise.all(all.map(({ done }) => done))
  expect(new Set(all.map(({ text }) => text)).size).toBe(1)
})

test('a hundred followers that come late read what is stored once', async () => {
  const { instances, order, api, reads } = await threeInstances()
  const task = order.executorTaskId
  for (let frame = 0; frame < 5; frame++)
    await api(1).storeFrame(task, 0, await aFrame(frame * 10, 'ten bytes\n', frame))
  const before = reads.length
  const all = Array.from({ length: 100 }, () => follow(instances[1], order.runTaskId))
  await until(() => all.every(({ text }) => text.length === 50))
  expect(reads.length - before).toBeLessThan(15)
  // Merged by the end of the log: what was kept of the first frame ends too early now.
  await api(1).storeFrame(task, 0, await aFrame(50, 'the last\n', 5))
  await api(1).finishLog(task, 0)
  const later = [follow(instances[1], order.runTaskId), follow(instances[1], order.runTaskId, 5)]
  await Promise.all([...all, ...later].map(({ done }) => done))
  expect(all[99]!.text).toBe(`${'ten bytes\n'.repeat(5)}the last\n`)
  expect(later.map(({ text }) => text.length)).toEqual([59, 54])
})

test('the end of a run whose executor is gone ends its followers everywhere', async () => {
  const { instances, order, executor } = await threeInstances()
  await executor.report(order, 'running')
  const seen = follow(instances[2], order.runTaskId)
  await instances[1].removeExecutor('x1')
  await seen.done
})

test('orders are sent by the instance that has the connection, whoever made them', async () => {
  const { instances, executor, order, api } = await threeInstances()
  expect(await api(2).report(aReport(order, 'success'))).toBe('applied')
  const stop = new AbortController()
  const second = instances[2].executorApi('x2').connect(aHello({ id: 'x2', labels: { only: 'x2' } }), stop.signal)
  const first = second[Symbol.asyncIterator]().next()
  await instances[1].createRuns([
    aRequest({ b: { labels: { only: 'x2' } }, c: {} }, { ids: 'r2-', group: '/project/p2/branch/main' }),
  ])
  expect((await first).value).toMatchObject({ kind: 'execute', order: { taskName: 'b' } })
  expect(executor.orders.map(({ taskName }) => taskName)).not.toContain('b')
  expect((await instances[0].listExecutors()).map(({ id }) => id)).toEqual(['x1', 'x2'])
  stop.abort()
})
