import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Coordination } from '../../coordination/coordination.ts'
import { LocalCoordination, LocalMeeting } from '../../coordination/local.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import { newSealingKey, type SealingKey } from '../../lib/sealing.ts'
import type { OrderMessage } from '../executor-api.ts'
import { describeReason } from '../reasons.ts'
import { runTaskRowId } from '../row-types.ts'
import { createRunservice } from '../service.ts'
import { nothingLeft } from '../service-expectations-fixture.ts'
import {
  aDirectory,
  aRequest,
  ended,
  FakeExecutor,
  handClock,
  type Installation,
  type InstallationOptions,
  never,
  noSource,
  openInstallation,
  passSlowly,
  textOf,
  until,
  writeLog,
} from '../service-fixture.ts'

const minute = 60_000

async function anInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const installation = await openInstallation({ coordination: (clock) => new LocalCoordination(clock), ...options })
  onTestFinished(() => installation[Symbol.asyncDispose]())
  return installation
}

async function anExecutor(
  { runservice }: Pick<Installation, 'runservice'>,
  ...rest: FakeArguments
): Promise<FakeExecutor> {
  const executor = new FakeExecutor(runservice, ...rest)
  onTestFinished(() => executor[Symbol.asyncDispose]())
  return await executor.connect()
}
type FakeArguments = ConstructorParameters<typeof FakeExecutor> extends [unknown, ...infer R] ? R : never

/** Another instance on the same rows, as far as a runservice can tell. */
function secondInstance(
  { database, ost, caches, clock }: Installation,
  coordination: Coordination,
): Pick<Installation, 'runservice'> {
  const runservice = createRunservice(
    { storeId: 'store', keys: [newSealingKey()] },
    { database, ost, caches, clock, logger: silentLogger, cloneSource: () => noSource, coordination },
  )
  onTestFinished(() => runservice[Symbol.asyncDispose]())
  return { runservice }
}

const taskOf = ({ database }: Installation, runId: string, name: string) =>
  database.view((tx) => tx.get('runtask', runTaskRowId(runId, `${name}-id`)))!

const stateOf = ({ database }: Installation, id = 'x1') => database.view((tx) => tx.get('executor', id)?.state)

describe('an executor that is cut off', () => {
  test('longer than its lease is lost: its tasks fail once, with end times, and the run goes on elsewhere', async () => {
    const installation = await anInstallation()
    const { runservice, clock, database } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await runservice.createRuns([aRequest({ a: {}, waits: { after: { a: 'F' } } })])
    const a = await executor.order('a')
    await executor.report(a, 'running', { steps: [{ phase: 'running', startedAt: 5 }] })
    await passSlowly(clock, 5 * minute)
    expect(stateOf(installation)).toBe('connected')
    await executor.disconnect()
    const leftAt = clock.now()
    const followed = textOf(runservice.followLog(a.runTaskId, 0, 0, never))
    await passSlowly(clock, 80_000)
    expect(taskOf(installation, run!.id, 'a').status).toBe('running')
    await passSlowly(clock, 20_000)
    await until(() => stateOf(installation) === 'lost')
    expect(await followed).toBe('')
    const failed = taskOf(installation, run!.id, 'a')
    expect(failed).toMatchObject({ status: 'failed', reason: { kind: 'executor_lost', executorId: 'x1' } })
    expect(failed.endedAt).toBeGreaterThan(leftAt)
    expect(failed.steps[0]).toMatchObject({ phase: 'failed', endedAt: failed.endedAt })
    if (failed.reason?.kind !== 'executor_lost') throw new Error('another reason')
    expect(Math.abs(failed.reason.lastSeenAt! - leftAt)).toBeLessThanOrEqual(10_000)
    const events = () => database.view((tx) => tx.count('runevent'))
    const before = [events(), JSON.stringify(failed)]
    await passSlowly(clock, 5 * minute)
    expect([events(), JSON.stringify(taskOf(installation, run!.id, 'a'))]).toEqual(before)

    // It returns: what it has is gone, and nothing it says changes anything.
    await executor.connect([{ id: a.executorTaskId, lastStatus: 1 }])
    await executor.message('gone', ({ executorTaskId }) => executorTaskId === a.executorTaskId)
    expect(await executor.report(a, 'success')).toBe('gone')
    await expect(writeLog(executor.api, a, 0, 'late')).rejects.toMatchObject({ code: 'executor_task_gone' })
    expect(JSON.stringify(taskOf(installation, run!.id, 'a'))).toBe(before[1])
    expect(stateOf(installation)).toBe('connected')
    // And it works again.
    await executor.report(await executor.order('waits'), 'success')
    expect((await ended(runservice, run!.id)).run.result).toBe('failed')
    nothingLeft(database)
  })

  test('without its connection breaking is told on it that its tasks are gone, and to connect anew', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const { token, executorId } = await runservice.createExecutorToken({ name: 'one' })
    const { hello } = new FakeExecutor(runservice)
    const messages: OrderMessage[] = []
    const connect = async () => {
      for await (const message of runservice.admitExecutor(token).connect(hello, never)) messages.push(message)
    }
    const connected = connect().catch((error: SlipwayError) => error.code)
    await until(() => stateOf(installation, executorId) === 'connected')
    const [run] = await runservice.createRuns([aRequest({ a: {} })])
    await until(() => messages.length === 1)
    await passSlowly(clock, 5 * minute)
    expect(await connected).toBe('executor_not_registered')
    expect(messages).toMatchObject([{ kind: 'execute' }, { kind: 'gone' }])
    expect(taskOf(installation, run!.id, 'a').reason).toMatchObject({ kind: 'executor_lost', executorId })
    expect(stateOf(installation, executorId)).toBe('lost')
    const again = runservice.admitExecutor(token).register(hello)
    expect(await again).toMatchObject({ connection: 2, gone: [] })
    expect(stateOf(installation, executorId)).toBe('connected')
  })

  test('for less than its lease has lost nothing', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await runservice.createRuns([aRequest({ a: {} })])
    const a = await executor.order('a')
    await executor.report(a, 'running')
    for (let round = 0; round < 5; round++) {
      await executor.disconnect()
      await passSlowly(clock, 75_000)
      await executor.connect([{ id: a.executorTaskId, lastStatus: 1 }])
    }
    await executor.report(a, 'success')
    expect((await ended(runservice, run!.id)).run.result).toBe('success')
  })

  test('from one instance and held by another is not lost', async () => {
    const meeting = new LocalMeeting()
    const installation = await anInstallation({ coordination: (clock) => new LocalCoordination(clock, meeting) })
    const { clock } = installation
    const other = secondInstance(installation, new LocalCoordination(clock, meeting))
    const executor = await anExecutor(other, {}, () => undefined)
    await passSlowly(clock, 10 * minute)
    expect(stateOf(installation)).toBe('connected')
    expect(await installation.runservice.listExecutors()).toMatchObject([{ id: 'x1', isHeld: true }])
    await executor.disconnect()
    await passSlowly(clock, 2 * minute)
    await until(() => stateOf(installation) === 'lost')
    expect(await installation.runservice.listExecutors()).toMatchObject([{ id: 'x1', isHeld: false, state: 'lost' }])
  })
})

describe('no task fails', () => {
  test('when all runservices are stopped for five minutes', async () => {
    const owner = new AsyncDisposableStack()
    onTestFinished(() => owner.disposeAsync())
    const options = {
      dir: aDirectory(owner),
      clock: handClock(),
      coordination: (clock: Clock) => new LocalCoordination(clock),
    }
    const first = await openInstallation(options)
    const before = new FakeExecutor(first.runservice, {}, () => undefined)
    await before.connect()
    const [run] = await first.runservice.createRuns([aRequest({ a: {}, b: { after: { a: 'S' } } })])
    const a = await before.order('a')
    await before.report(a, 'running')
    await passSlowly(options.clock, 30_000)
    await first[Symbol.asyncDispose]()
    await before.disconnect()
    options.clock.pass(5 * minute)

    const second = await anInstallation(options)
    await passSlowly(options.clock, 80_000)
    expect(taskOf(second, run!.id, 'a').status).toBe('running')
    const after = new FakeExecutor(second.runservice, {}, () => undefined)
    onTestFinished(() => after[Symbol.asyncDispose]())
    await after.connect([{ id: a.executorTaskId, lastStatus: 1 }])
    await passSlowly(options.clock, 5 * minute)
    await after.report(await after.order('a'), 'success')
    await after.report(await after.order('b'), 'success')
    expect((await ended(second.runservice, run!.id)).run.result).toBe('success')
  })

  test('when the instance was asleep, and the executor returns within a lease', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await runservice.createRuns([aRequest({ a: {} })])
    await executor.report(await executor.order('a'), 'running')
    await passSlowly(clock, 30_000)
    await executor.disconnect()
    clock.pass(60 * minute)
    await passSlowly(clock, 80_000)
    expect(taskOf(installation, run!.id, 'a').status).toBe('running')
    await passSlowly(clock, 20_000)
    await until(() => taskOf(installation, run!.id, 'a').status === 'failed')
  })

  test('while the store that says who is present is away', async () => {
    let isAway = false
    class Fickle extends LocalCoordination {
      override async present() {
        if (isAway) throw new SlipwayError('backend_unavailable', 'away')
        return await super.present()
      }
    }
    const installation = await anInstallation({ coordination: (clock) => new Fickle(clock) })
    const { clock } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    await passSlowly(clock, 30_000)
    await executor.disconnect()
    isAway = true
    await passSlowly(clock, 10 * minute)
    isAway = false
    await passSlowly(clock, 80_000)
    expect(stateOf(installation)).toBe('connected')
    await passSlowly(clock, 30_000)
    await until(() => stateOf(installation) === 'lost')
  })
})

test('two instances that see an executor go lose its tasks once', async () => {
  const meeting = new LocalMeeting()
  const installation = await anInstallation({ coordination: (clock) => new LocalCoordination(clock, meeting) })
  const { runservice, clock, database } = installation
  secondInstance(installation, new LocalCoordination(clock, meeting))
  const executor = await anExecutor(installation, {}, () => undefined)
  const [run] = await runservice.createRuns([aRequest({ a: {} })])
  await executor.order('a')
  await executor.disconnect()
  await passSlowly(clock, 5 * minute)
  expect((await ended(runservice, run!.id)).tasks[0]!.task.reason).toMatchObject({ kind: 'executor_lost' })
  const ends = database.view((tx) => tx.list('runevent').filter(({ body }) => body.phase === 'finished'))
  expect(ends.length).toBe(1)
  nothingLeft(database)
})

describe('draining', () => {
  test('gives nothing new to an executor, which ends what it has, also after it was away', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const executor = await anExecutor(installation, {}, () => undefined)
    const [run] = await runservice.createRuns([aRequest({ a: {}, b: { after: { a: 'S' } } })])
    const a = await executor.order('a')
    await runservice.drainExecutor('x1', { draining: true })
    await executor.report(a, 'success')
    const waits = async () => (await runservice.listQueue()).items.map(({ task, reason }) => [task?.name, reason.kind])
    expect(await waits()).toEqual([['b', 'waiting_executor']])
    await executor.disconnect()
    await passSlowly(clock, 5 * minute)
    await until(() => stateOf(installation) === 'lost')
    await executor.connect()
    expect(stateOf(installation)).toBe('draining')
    expect(await waits()).toEqual([['b', 'waiting_executor']])
    await runservice.drainExecutor('x1', { draining: false })
    await executor.report(await executor.order('b'), 'success')
    expect((await ended(runservice, run!.id)).run.result).toBe('success')
  })

  test('of an executor that does not exist is refused', async () => {
    const { runservice } = await anInstallation()
    const refused = { code: 'executor_not_found' }
    await expect(runservice.drainExecutor('x9', { draining: true })).rejects.toMatchObject(refused)
  })
})

describe('a connection', () => {
  test('gives way to a newer one of the same executor', async () => {
    const { runservice } = await anInstallation()
    const hello = new FakeExecutor(runservice).hello
    const first = runservice.executorApi('x1').connect(hello, never)[Symbol.asyncIterator]().next()
    const stop = new AbortController()
    await until(async () => (await runservice.listExecutors()).some(({ isHeld }) => isHeld))
    const second = runservice.executorApi('x1').connect(hello, stop.signal)[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'executor_superseded' })
    stop.abort()
    await second
  })

  test('of an executor that is removed ends after it heard gone', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const stream = runservice
      .executorApi('x1')
      .connect(new FakeExecutor(runservice).hello, never)
      [Symbol.asyncIterator]()
    const first = stream.next()
    await until(async () => (await runservice.listExecutors()).some(({ isHeld }) => isHeld))
    await runservice.createRuns([aRequest({ a: {} })])
    expect((await first).value).toMatchObject({ kind: 'execute' })
    await runservice.removeExecutor('x1')
    expect((await stream.next()).value).toMatchObject({ kind: 'gone', executorTaskId: 'a-id.1' })
    await expect(stream.next()).rejects.toMatchObject({ code: 'executor_removed' })
  })
})

describe('a token', () => {
  test('is shown once, stored as a hash, and lets in one executor', async () => {
    const { runservice, database } = await anInstallation()
    const made = await runservice.createExecutorToken({ name: 'builder', createdBy: 'ada' })
    expect(made).toMatchObject({ name: 'builder', createdBy: 'ada' })
    const { token, ...view } = made
    expect(await runservice.listExecutorTokens()).toEqual([view])
    expect(JSON.stringify(database.view((tx) => tx.list('executortoken')))).not.toContain(token)
    expect(runservice.admitExecutor(token).executorId).toBe(made.executorId)
    expect(() => runservice.admitExecutor(`${token}x`)).toThrow('not valid')
  })

  test('a token that is asked for again is the same one, also under a key that is not the newest any more', async () => {
    await using owner = new AsyncDisposableStack()
    const dir = aDirectory(owner)
    const keys = [newSealingKey(), newSealingKey()] as const
    const asked = { name: 'builder' }
    const again = { transactionId: 'builder-1' }
    const make = async (installationKeys: readonly [SealingKey, ...SealingKey[]]) => {
      await using installation = await openInstallation({ dir, keys: installationKeys })
      const { runservice, database } = installation
      const made = await runservice.createExecutorToken(asked, again)
      expect(runservice.admitExecutor(made.token).executorId).toBe(made.executorId)
      const stored = JSON.stringify(database.view((tx) => tx.list('executortoken')))
      expect(stored).not.toContain(made.token)
      expect(database.view((tx) => tx.count('executortoken'))).toBe(1)
      return made
    }
    const first = await make([keys[0]])
    expect(await make([keys[0]])).toEqual(first)
    expect(await make([keys[1], keys[0]])).toEqual(first)
    await using installation = await openInstallation({ dir, keys: [keys[0]] })
    const other = await installation.runservice.createExecutorToken({ name: 'other' }, { transactionId: 'other-1' })
    expect(other.token).not.toBe(first.token)
    await installation.runservice.revokeExecutorToken(first.id)
    const repeated = installation.runservice.createExecutorToken(asked, again)
    await expect(repeated).rejects.toMatchObject({ code: 'executor_token_not_found' })
  })

  test('names the labels of its executor, whatever that says', async () => {
    const { runservice } = await anInstallation()
    const { token, executorId } = await runservice.createExecutorToken({ name: 'gpu', labels: { gpu: 'yes' } })
    const hello = { ...new FakeExecutor(runservice).hello, labels: { deploy: 'prod' } }
    await runservice.admitExecutor(token).register(hello)
    expect(await runservice.listExecutors()).toMatchObject([{ id: executorId, name: 'gpu', labels: { gpu: 'yes' } }])
  })

  test('that is revoked ends the connection and lets nobody in; another one of the executor does', async () => {
    const { runservice } = await anInstallation()
    const first = await runservice.createExecutorToken({ name: 'one' })
    const second = await runservice.createExecutorToken({ name: 'two', executorId: first.executorId })
    const api = runservice.admitExecutor(first.token)
    const connected = api.connect(new FakeExecutor(runservice).hello, never)[Symbol.asyncIterator]().next()
    await until(async () => (await runservice.listExecutors()).some(({ isHeld }) => isHeld))
    await runservice.revokeExecutorToken(first.id)
    await expect(connected).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(() => runservice.admitExecutor(first.token)).toThrow('not valid')
    expect(runservice.admitExecutor(second.token).executorId).toBe(first.executorId)
    await expect(runservice.revokeExecutorToken(first.id)).rejects.toMatchObject({ code: 'executor_token_not_found' })
  })

  test('of an executor that was removed tells it only that all it has is gone, for 30 days', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    const { token, id, executorId } = await runservice.createExecutorToken({ name: 'one' })
    const { hello } = new FakeExecutor(runservice)
    await runservice.admitExecutor(token).register(hello)
    await runservice.removeExecutor(executorId)
    const has = [{ id: 'a.1', lastStatus: 1 }]
    const messages: unknown[] = []
    const connect = async () => {
      for await (const message of runservice.admitExecutor(token).connect({ ...hello, has }, never))
        messages.push(message)
    }
    await expect(connect()).rejects.toMatchObject({ code: 'executor_removed' })
    expect(messages).toEqual([{ kind: 'gone', executorTaskId: 'a.1' }])
    expect(await runservice.listExecutors()).toEqual([])
    expect(await runservice.listExecutorTokens()).toEqual([])
    await expect(runservice.revokeExecutorToken(id)).rejects.toMatchObject({ code: 'executor_token_not_found' })
    await expect(runservice.createExecutorToken({ name: 'two', executorId })).rejects.toMatchObject({
      code: 'executor_not_found',
    })
    await runservice.createExecutorToken({ name: 'one' })
    clock.pass(31 * 24 * 60 * minute)
    await runservice.clean({ logsMs: 0, workspacesMs: 0, eventsMs: 0 })
    expect(() => runservice.admitExecutor(token)).toThrow('not valid')
  })

  test.each([
    ['a name that is taken', { name: 'one' }, 'executor_token_exists'],
    ['a name with a space', { name: 'a b' }, 'executor_token_invalid'],
    ['no name', { name: '' }, 'executor_token_invalid'],
    ['an executor nobody knows', { name: 'two', executorId: 'x9' }, 'executor_not_found'],
    ['a label without name', { name: 'two', labels: { '': 'x' } }, 'executor_labels_invalid'],
    ['a label that is too long', { name: 'two', labels: { x: 'y'.repeat(256) } }, 'executor_labels_invalid'],
  ])('with %s is refused', async (_, request, code) => {
    const { runservice } = await anInstallation()
    await runservice.createExecutorToken({ name: 'one' })
    await expect(runservice.createExecutorToken(request)).rejects.toMatchObject({ code })
  })
})

test('there are at most 10,000 tokens of executors', async () => {
  const { runservice, database } = await anInstallation()
  for (let from = 0; from < limits.executorTokens.value; from += 1000)
    await database.do((tx) => {
      for (let index = from; index < from + 1000; index++)
        tx.put('executortoken', `t${index}`, {
          id: `t${index}`,
          name: `n${index}`,
          executorId: 'x',
          hash: `${index}`,
          createdAt: 0,
        })
    })
  await expect(runservice.createExecutorToken({ name: 'more' })).rejects.toMatchObject({ code: 'limit_exceeded' })
})

test.each([
  [limits.executorLabels.value, undefined],
  [limits.executorLabels.value + 1, 'executor_labels_invalid'],
])('an executor with %d labels gets %s', async (count, code) => {
  const { runservice } = await anInstallation()
  const { token } = await runservice.createExecutorToken({ name: 'one' })
  const labels = Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, 'x']))
  const registering = runservice.admitExecutor(token).register({ ...new FakeExecutor(runservice).hello, labels })
  const refused = await registering.then(
    () => undefined,
    (error: unknown) => (error as SlipwayError).code,
  )
  expect(refused).toBe(code)
})

test('parts of an upload that nobody completed are removed after a day', async () => {
  const installation = await anInstallation()
  const { runservice, clock, ost } = installation
  const executor = await anExecutor(installation, {}, () => undefined)
  await runservice.createRuns([aRequest({ a: {} })])
  const { executorTaskId } = await executor.order('a')
  const { token } = await runservice.createExecutorToken({ name: 'one', executorId: 'x1' })
  const api = runservice.admitExecutor(token)
  const { uploadId } = await api.beginUpload(executorTaskId)
  const data = Buffer.from('part')
  const sha256 = createHash('sha256').update(data).digest('hex')
  await api.putPart(executorTaskId, { uploadId, index: 0, data, sha256 })
  const parts = async () => (await Array.fromAsync(ost.list({ prefix: 'uploads/' }))).length
  const keep = { logsMs: 0, workspacesMs: 0, eventsMs: 0 }
  await runservice.clean(keep)
  expect(await parts()).toBe(1)
  clock.pass(25 * 60 * minute)
  await runservice.clean(keep)
  expect(await parts()).toBe(0)
})

describe('the queue', () => {
  test('says of everything that waits why, in the order in which it waits', async () => {
    const installation = await anInstallation()
    const { runservice, clock } = installation
    await anExecutor(installation, { taskLimit: 2 }, () => undefined)
    const specs = { a: {}, b: {}, arm: { arch: 'arm64' }, ask: { approval: 'needed' } } as const
    const [run] = await runservice.createRuns([aRequest(specs)])
    clock.pass(1000)
    await runservice.createRuns([aRequest({ a: {} }, { ids: 'second-' })])
    clock.pass(1000)
    await runservice.createRuns([aRequest({ c: {} }, { ids: 'third-', group: '/project/p2/branch/main' })])
    const { items, total } = await runservice.listQueue()
    expect(
      items.map(({ position, runCounter, task, reason }) => [position, runCounter, task?.name, describeReason(reason)]),
    ).toEqual([
      [1, 1, 'arm', 'no executor with arch arm64'],
      [2, 1, 'c', '2 of 2 slots busy on x1'],
      [3, 1, 'ask', 'waits for approval by an owner'],
      [4, 2, undefined, 'waits for run #1 of this branch'],
    ])
    expect(total).toBe(4)
    expect(items[0]).toMatchObject({ runId: run!.id, runName: 'build', task: { id: 'arm-id', arch: 'arm64' } })
  })

  test('is read by pages, each entry once', async () => {
    const installation = await anInstallation()
    const { runservice } = installation
    const specs = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`t${index}`, {}]))
    await runservice.createRuns([aRequest({ ...specs, ask: { approval: 'needed' } })])
    await runservice.createRuns([aRequest({ a: {} }, { ids: 'second-' })])
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await runservice.listQueue({ limit: 7, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.total).toBe(32)
      seen.push(...page.items.map(({ position, task }) => `${position} ${task?.name}`))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen.map((entry) => Number(entry.split(' ')[0]))).toEqual(
      Array.from({ length: 32 }, (_, index) => index + 1),
    )
    expect(new Set(seen.map((entry) => entry.split(' ')[1])).size).toBe(32)
    expect(seen.slice(-2)).toEqual(['31 ask', '32 undefined'])
  })

  test.each(['x', 'bm9uZQ', Buffer.from('["ready",[],1]').toString('base64url')])(
    'refuses the cursor %s',
    async (cursor) => {
      const { runservice } = await anInstallation()
      await expect(runservice.listQueue({ cursor })).rejects.toMatchObject({ code: 'queue_cursor_invalid' })
    },
  )
})

test('the list of executors tells what each one does', async () => {
  const installation = await anInstallation()
  const { runservice } = installation
  const executor = await anExecutor(installation, { taskLimit: 3, version: '1.2.3' }, () => undefined)
  const [run] = await runservice.createRuns([aRequest({ a: {}, b: {} })])
  await executor.report(await executor.order('a'), 'running')
  await executor.order('b')
  const [view] = await runservice.listExecutors()
  expect(view).toMatchObject({
    id: 'x1',
    state: 'connected',
    isHeld: true,
    taskLimit: 3,
    slotsUsed: 2,
    version: '1.2.3',
  })
  expect(view!.lastSeenAt).toBe(installation.clock.now())
  expect(view!.tasks.map(({ runId, runTaskId, phase }) => [runId, runTaskId, phase])).toEqual([
    [run!.id, 'a-id', 'running'],
    [run!.id, 'b-id', 'notstarted'],
  ])
})
