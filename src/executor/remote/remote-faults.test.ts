// The executor protocol over a bad network: every call may be cut anywhere, be answered and not heard of, or take its time.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ChaosOptions, startChaosProxy } from '../../../test/support/chaos-proxy.ts'
import { startCuttingProxy } from '../../../test/support/cutting-proxy.ts'
import { openHttpServer } from '../../http/http-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { type Logger, silentLogger } from '../../lib/log.ts'
import type { Step } from '../../pipeline/run-config.ts'
import { aFrame, aRandom, bufferOf, chunksOf } from '../../runservice/executors/executor-api-contract.ts'
import { aConfigTask } from '../../runservice/scheduler/run-fixture.ts'
import {
  aDirectory,
  aHello,
  aReport,
  aRequest,
  ended,
  FakeExecutor,
  never,
  textOf,
  until,
} from '../../runservice/service-fixture.ts'
import { Executor } from '../executor.ts'
import { FakeDriver, simpleShell } from '../fake-driver-fixture.ts'
import { GitMirrors } from '../git/mirrors.ts'
import { openJournal } from '../journal.ts'
import { RemoteExecutorApi } from './remote-api.ts'
import { type ServedInstallation, serveInstallation } from './served-installation-fixture.ts'

async function aServed(): Promise<ServedInstallation & { readonly owner: AsyncDisposableStack }> {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const installation = owner.use(await serveInstallation())
  return { ...installation, owner }
}

/** An executor with pods in memory behind a network of that kind. */
async function behindChaos(options: ChaosOptions) {
  const served = await aServed()
  const { owner, runservice } = served
  const proxy = owner.use(await startChaosProxy(served.port, options))
  const { id, api } = await served.client('one', proxy.url)
  const dir = aDirectory(owner)
  const driver = new FakeDriver()
  const executor = new Executor(
    { id, labels: {}, taskLimit: 0, allowPrivileged: false, pull: 'never', keepFailed: false },
    {
      api,
      drivers: [driver],
      mirrors: new GitMirrors({ dir: join(dir, 'mirrors') }, { clock: systemClock }),
      journal: openJournal(join(dir, 'journal')),
      clock: systemClock,
      logger: silentLogger,
    },
  )
  const stopping = new AbortController()
  const running = executor.run(stopping.signal)
  owner.defer(async () => {
    stopping.abort()
    await running
  })
  return { ...served, runservice, proxy, driver, executor }
}

const step = (command: string): Step => ({
  type: 'run',
  name: command,
  command,
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
})

test.each([1, 2, 3, 4, 5])(
  'seed %d: runs end as they should, with whole logs, archives and caches',
  { timeout: 60_000 },
  async (seed) => {
    const { runservice, driver, executor, proxy } = await behindChaos({ seed, bytesMax: 20_000 })
    const steps: string[] = []
    driver.behaviour = (given) => {
      steps.push(given.command.script ?? '')
      return simpleShell(given)
    }
    const contents = [{ sourceDir: '.', destDir: '', paths: ['**'] }]
    const text = (run: number, task: string) => Array.from({ length: 200 }, (_, line) => `${run} ${task} ${line}`)
    const prints = (run: number, task: string) =>
      step(
        text(run, task)
          .map((line) => `print ${line}`)
          .join('\n'),
      )
    const runs = await Promise.all(
      Array.from({ length: 4 }, async (_, run) => {
        const task = (name: string, own: readonly Step[], after: readonly string[] = []) => ({
          ...aConfigTask(name),
          id: `${run}-${name}`,
          depends: after.map((parent) => ({ taskId: `${run}-${parent}`, conditions: ['on_success' as const] })),
          steps: own,
        })
        const tasks = [
          task('a', [
            prints(run, 'a'),
            { type: 'save_to_workspace', name: 'save', contents },
            { type: 'save_cache', name: 'cache', key: `k${run}`, contents },
          ]),
          task(
            'b',
            [
              { type: 'restore_workspace', name: 'restore', destDir: '' },
              { type: 'restore_cache', name: 'cached', keys: [`k${run}`], destDir: '' },
              prints(run, 'b'),
            ],
            ['a'],
          ),
          task('c', [prints(run, 'c'), step('exit 3')], ['b']),
        ]
        const [created] = await runservice.createRuns([
          { name: 'r', group: `/project/p1/branch/b${run}`, tasks, secrets: {} },
        ])
        return created!.id
      }),
    )
    for (const [run, runId] of runs.entries()) {
      const view = await ended(runservice, runId)
      expect(view.tasks.map(({ task }) => task.status)).toEqual(['success', 'success', 'failed'])
      expect(view.tasks[2]!.task.reason).toEqual({ kind: 'failed_exit', step: 1, code: 3 })
      for (const [name, log] of [
        ['a', 0],
        ['b', 2],
        ['c', 0],
      ] as const)
        expect(await textOf(runservice.readLog(`${run}-${name}`, log))).toBe(`${text(run, name).join('\n')}\n`)
      expect(await textOf(runservice.readLog(`${run}-b`, 1))).toContain('Restored')
    }
    expect(new Set(steps).size).toBe(steps.length - 3) // `exit 3` is the same in four runs: each step was executed once.
    expect(proxy.cuts).toBeGreaterThan(3)
    proxy.calm()
    await executor.idle()
    expect(driver.pods.size).toBe(0)
  },
)

describe('a connection that is cut in the middle of its answer', () => {
  /** An order at an executor that is connected directly, and a client of its calls through the proxy. */
  const anOrder = async () => {
    const served = await aServed()
    const { owner, runservice } = served
    const proxy = owner.use(await startCuttingProxy(served.port))
    const client = await served.client('one', `http://127.0.0.1:${proxy.port}`)
    const local = owner.use(new FakeExecutor(runservice, { id: client.id }, () => undefined))
    await local.connect()
    const [run] = await runservice.createRuns([aRequest({ a: {} })])
    return { ...served, ...client, proxy, runId: run!.id, order: await local.order('a') }
  }

  test('costs a report nothing: the next attempt hears that it is known', async () => {
    const { api, order, proxy } = await anOrder()
    proxy.cutOnce(/^POST .*\/report /, 20)
    const report = aReport(order, 'running')
    await expect(api.report(report)).rejects.toMatchObject({ code: 'service_unavailable' })
    expect(await api.report(report)).toBe('known')
  })

  test('costs a frame nothing: it is acknowledged again', async () => {
    const { api, order, proxy } = await anOrder()
    proxy.cutOnce(/^POST .*\/frames /, 20)
    const frame = await aFrame(0, 'text\n')
    await expect(api.storeFrame(order.executorTaskId, 0, frame)).rejects.toMatchObject({ code: 'service_unavailable' })
    expect(await api.storeFrame(order.executorTaskId, 0, frame)).toMatchObject({ bytes: 5 })
  })

  test.each(['/uploads ', '/uploads/[0-9a-f-]+/1 ', '/archives/0 '])(
    'does not keep an archive from being saved (%s)',
    async (path) => {
      const { api, order, proxy } = await anOrder()
      proxy.cutOnce(new RegExp(`^(POST|PUT) .*${path}`), 10)
      const data = aRandom(9 * 1024 * 1024)
      const stored = await api.saveArchive(order.executorTaskId, 0, chunksOf(data))
      expect(stored).toMatchObject({ sizeBytes: data.length, sha256: createHash('sha256').update(data).digest('hex') })
      expect(proxy.cuts).toBe(1)
    },
  )

  test('does not make a cache be saved twice', async () => {
    const { api, order, proxy } = await anOrder()
    proxy.cutOnce(/^POST .*\/caches\?key=k /, 10)
    // The first answer was lost: that it exists is all that can be said.
    expect(await api.saveCache(order.executorTaskId, 'k', chunksOf(aRandom(1000)))).toBe('exists')
    expect(await api.findCache(order.executorTaskId, 'k', { exactOnly: true })).toMatchObject({ sizeBytes: 1000 })
  })

  test.each([100, 200_000, 3_000_000])('after %d bytes does not begin a download again', async (bytes) => {
    const { api, order, proxy } = await anOrder()
    const data = aRandom(4 * 1024 * 1024)
    const stored = await api.saveArchive(order.executorTaskId, 0, chunksOf(data))
    proxy.cutOnce(/^GET .*\/archives\?/, bytes)
    expect((await bufferOf(api.readArchive(order.executorTaskId, stored))).equals(data)).toBe(true)
    expect(proxy.cuts).toBe(1)
  })

  test('of orders ends in an error, and the next connection has all of them', async () => {
    const { api, id, order, proxy } = await anOrder()
    proxy.cutOnce(/^GET .*\/orders/, 600)
    const orders = async (signal: AbortSignal) => {
      const seen: string[] = []
      for await (const message of api.connect(aHello({ id }), signal))
        if (message.kind === 'execute') {
          seen.push(message.order.executorTaskId)
          return seen
        }
      return seen
    }
    await expect(orders(never)).rejects.toMatchObject({ code: 'service_unavailable' })
    expect(await orders(never)).toEqual([order.executorTaskId])
  })
})

describe('what an answer means', () => {
  /** A server that is none of ours, or ours in trouble. */
  const answering = async (status: number, body: string, logger: Logger = silentLogger) => {
    const owner = new AsyncDisposableStack()
    onTestFinished(() => owner.disposeAsync())
    let calls = 0
    const server = owner.use(
      await openHttpServer(
        { listen: { host: '127.0.0.1', port: 0 } },
        {
          logger: silentLogger,
          mount: (app) =>
            void app.all('/*', (_, reply) => {
              calls++
              return reply.status(status).type('text/html').send(body)
            }),
        },
      ),
    )
    const api = owner.use(new RemoteExecutorApi({ url: server.url, token: 't' }, { clock: systemClock, logger }))
    return { api, calls: () => calls }
  }
  const ours = (code: string) => JSON.stringify({ code, message: 'm', requestId: 'r' })

  test.each([
    ['a 404 of somebody else is nothing', 404, '<h1>Not found</h1>', 'service_unavailable'],
    ['a 404 of our server, which has no such address, is nothing', 404, ours('route_not_found'), 'service_unavailable'],
    ['a 404 with a code is what the code says', 404, ours('executor_task_gone'), 'executor_task_gone'],
    ['a proxy without a server is nothing', 502, '', 'service_unavailable'],
    ['maintenance is for a while', 503, ours('maintenance'), 'maintenance'],
    ['too many requests are for a while', 429, '', 'service_unavailable'],
    ['401 is a token that is not valid', 401, '', 'unauthenticated'],
    ['an internal error is one', 500, ours('internal'), 'upstream'],
    ['a code of a newer server is nothing known', 409, ours('not_invented_yet'), 'upstream'],
    ['an answer that is no JSON is nothing', 200, '<h1>Welcome to the hotel network</h1>', 'service_unavailable'],
  ])('%s', async (_, status, body, code) => {
    const { api } = await answering(status, body)
    await expect(api.logPosition('a.1', 0)).rejects.toMatchObject({ code })
  })

  test('while it is not available, an archive waits until it is given up', async () => {
    const { api, calls } = await answering(503, ours('maintenance'))
    const stop = new AbortController()
    const saving = api.saveArchive('a.1', 0, chunksOf(aRandom(10)), stop.signal)
    await until(() => calls() >= 3)
    stop.abort(new SlipwayError('cancelled', 'the task was stopped'))
    await expect(saving).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('an executor that is refused again and again stops, and leaves its pods', async () => {
    const { api, calls } = await answering(401, ours('unauthenticated'))
    const owner = new AsyncDisposableStack()
    onTestFinished(() => owner.disposeAsync())
    const dir = aDirectory(owner)
    const driver = new FakeDriver()
    const executor = new Executor(
      { id: 'x1', labels: {}, taskLimit: 0, allowPrivileged: false, pull: 'never', keepFailed: false },
      {
        api,
        drivers: [driver],
        mirrors: new GitMirrors({ dir: join(dir, 'mirrors') }, { clock: systemClock }),
        journal: openJournal(join(dir, 'journal')),
        clock: systemClock,
        logger: silentLogger,
      },
    )
    await expect(executor.run(never)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(calls()).toBe(4)
  })

  test.each(['ftp://x', 'x', 'https://user:password@x', 'https://x/?a=b'])('%s is no URL of a server', (url) => {
    expect(() => new RemoteExecutorApi({ url, token: 't' }, { clock: systemClock, logger: silentLogger })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    )
  })
})
