// Secrets that are kept elsewhere: looked up when a task is handed out, and the same for as long as its order lives.

import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { newSealingKey, seal } from '../../lib/sealing.ts'
import type { Environment, RunConfigTask } from '../../pipeline/run-config.ts'
import { describeReason } from '../reasons.ts'
import { createRunservice } from '../service.ts'
import {
  aDirectory,
  aRequest,
  ended,
  FakeExecutor,
  type Installation,
  noSource,
  openInstallation,
  type Script,
  statuses,
  until,
} from '../service-fixture.ts'
import type { CloneAccess } from './make-order.ts'
import type { FoundSecret, SecretLookUp, SecretResolver } from './secret-resolver.ts'

/** Values that a test changes, kept by references that begin with `kept/`. */
class Vault implements SecretResolver {
  readonly asked: SecretLookUp[] = []
  readonly values = new Map<string, FoundSecret>()
  /** What it answers instead. */
  failure: Error | undefined
  /** Called before it answers. */
  beforeAnswer: () => Promise<void> = async () => {}

  set(ref: string, value: string): void {
    const version = (this.values.get(ref)?.version ?? 0) + 1
    this.values.set(ref, { value, version, name: ref.replace('kept/', 'deploy/') })
  }

  isKept(ref: string, group: string): boolean {
    return ref.startsWith('kept/') && group.startsWith('/project/')
  }

  async lookUp(asked: SecretLookUp): Promise<ReadonlyMap<string, FoundSecret>> {
    this.asked.push(asked)
    const answer = new Map(
      asked.refs.flatMap((ref) => {
        const found = this.values.get(ref)
        return found === undefined ? [] : [[ref, found] as const]
      }),
    )
    await this.beforeAnswer()
    if (this.failure !== undefined) throw this.failure
    return answer
  }
}

function aVault(): Vault {
  const vault = new Vault()
  vault.set('kept/token', 'the-first-token')
  return vault
}

/** A run of one task with that environment. */
function withEnvironment(environment: Environment, fields: Parameters<typeof aRequest>[1] = {}) {
  const request = aRequest({ deploy: {} }, fields)
  return { ...request, tasks: request.tasks!.map((task): RunConfigTask => ({ ...task, environment })) }
}

const token: Environment = { TOKEN: { secret: 'kept/token' } }
const waits: Script = () => undefined

const everythingStored = ({ database }: Installation) =>
  JSON.stringify(
    database.view((tx) => [
      tx.list('run'),
      tx.list('runconfig'),
      tx.list('runconfigtask'),
      tx.list('runtask'),
      tx.list('runsecret'),
      tx.list('executortask'),
      tx.list('ordersecret'),
    ]),
  )

async function restarted({ runservice }: Installation, runId: string) {
  return await runservice.restartRun(runId, { fromStart: true })
}

test('a secret is looked up when its task is handed out, and stored nowhere in clear', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice, database } = installation
  const [run] = await runservice.createRuns([withEnvironment(token, { trust: 'trusted' })])
  expect(vault.asked).toEqual([])
  vault.set('kept/token', 'the-second-token')
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  const order = await executor.order('deploy')
  expect(order.environment.TOKEN).toBe('the-second-token')
  expect(order.secrets).toEqual([{ name: 'deploy/token', value: 'the-second-token' }])
  expect(vault.asked).toEqual([{ group: run!.group, trust: 'trusted', refs: ['kept/token'] }])
  const stored = everythingStored(installation)
  expect(stored).toContain('v1.')
  expect(stored).not.toMatch(/the-(first|second)-token/)
  expect(database.view((tx) => tx.get('executortask', order.executorTaskId))?.secrets).toEqual([
    { ref: 'kept/token', name: 'deploy/token', version: 2 },
  ])
  await executor.report(order, 'running')
  await executor.report(order, 'success')
  const { tasks } = await ended(runservice, run!.id)
  expect(tasks[0]!.task.usedSecrets).toEqual([{ name: 'deploy/token', version: 2 }])
  expect(database.view((tx) => tx.count('ordersecret'))).toBe(0)
})

test('a run that is restarted gets the values of then', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  const values: unknown[] = []
  await using _ = await new FakeExecutor(runservice, {}, ({ environment }) => {
    values.push(environment.TOKEN)
    return 'failed'
  }).connect()
  const [run] = await runservice.createRuns([withEnvironment(token)])
  await ended(runservice, run!.id)
  vault.set('kept/token', 'the-second-token')
  await ended(runservice, (await restarted(installation, run!.id)).id)
  expect(values).toEqual(['the-first-token', 'the-second-token'])
})

test('a run whose secrets were sealed when it was created has those values, and its restart the values of then', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  const seen: unknown[] = []
  await using _ = await new FakeExecutor(runservice, {}, ({ environment }) => {
    seen.push([environment.TOKEN, environment.GIVEN])
    return 'success'
  }).connect()
  const environment = { ...token, GIVEN: { secret: 'given/x' } }
  const secrets = { 'kept/token': 'sealed-long-ago', 'given/x': 'given-by-hand' }
  const [run] = await runservice.createRuns([withEnvironment(environment, { secrets })])
  await ended(runservice, run!.id)
  await ended(runservice, (await restarted(installation, run!.id)).id)
  expect(seen).toEqual([
    ['sealed-long-ago', 'given-by-hand'],
    ['the-first-token', 'given-by-hand'],
  ])
})

test('an executor that connects again gets what it was handed out, whatever has become of it', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  await runservice.createRuns([withEnvironment(token)])
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  const first = await executor.order('deploy')
  await executor.report(first, 'running')
  await executor.disconnect()
  vault.set('kept/token', 'the-second-token')
  await using again = await new FakeExecutor(runservice, {}, waits).connect([
    { id: first.executorTaskId, lastStatus: 1 },
  ])
  const second = await again.order('deploy')
  expect([second.environment, second.secrets]).toEqual([first.environment, first.secrets])
  expect(vault.asked).toHaveLength(1)
})

test('a runservice that starts on the same rows sends what was handed out before', async () => {
  await using owner = new AsyncDisposableStack()
  const dir = aDirectory(owner)
  const keys = [newSealingKey()] as const
  const vault = aVault()
  const open = () => openInstallation({ dir, keys, secretResolver: vault })
  {
    await using installation = await open()
    await installation.runservice.createRuns([withEnvironment(token)])
    await using executor = await new FakeExecutor(installation.runservice, {}, waits).connect()
    await executor.order('deploy')
  }
  vault.values.clear()
  await using installation = await open()
  await using executor = await new FakeExecutor(installation.runservice, {}, waits).connect()
  expect((await executor.order('deploy')).environment.TOKEN).toBe('the-first-token')
})

test('of two instances that look up at the same time the first one decides', async () => {
  const vault = aVault()
  const keys = [newSealingKey()] as const
  await using installation = await openInstallation({ secretResolver: vault, storeId: 'store', keys })
  const { runservice, database, ost, caches, clock } = installation
  const answering = Promise.withResolvers<void>()
  vault.beforeAnswer = () => answering.promise
  await runservice.createRuns([withEnvironment(token)])
  await using first = await new FakeExecutor(runservice, {}, waits).connect()
  await until(() => vault.asked.length === 1)
  await using other = createRunservice(
    { storeId: 'store', keys },
    { database, ost, caches, clock, logger: silentLogger, cloneSource: () => noSource, secretResolver: vault },
  )
  vault.set('kept/token', 'the-second-token')
  vault.beforeAnswer = async () => {}
  await using second = await new FakeExecutor(other, {}, waits).connect()
  expect((await second.order('deploy')).environment.TOKEN).toBe('the-second-token')
  answering.resolve()
  await first.disconnect()
  expect(database.view((tx) => tx.list('executortask'))[0]!.body.secrets).toEqual([
    { ref: 'kept/token', name: 'deploy/token', version: 2 },
  ])
})

test('what cannot be looked up now delays its task alone, which says so', async () => {
  const vault = aVault()
  vault.failure = new SlipwayError('service_unavailable', 'no instance of the configstore answers')
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice, clock } = installation
  await using executor = await new FakeExecutor(runservice).connect()
  const [delayed] = await runservice.createRuns([withEnvironment(token)])
  const [other] = await runservice.createRuns([aRequest({ build: {} }, { ids: 'o', group: '/project/p2/branch/x' })])
  expect(statuses(await ended(runservice, other!.id))).toEqual({ build: 'success' })
  const reasonOf = () => runservice.findRun(delayed!.id)?.tasks[0]?.task.reason
  await until(() => reasonOf()?.kind === 'waiting_secrets')
  expect(describeReason(reasonOf()!)).toContain('service_unavailable')
  expect(executor.orders.map(({ taskName }) => taskName)).toEqual(['build'])
  const asked = vault.asked.length
  await until(() => {
    clock.pass(10_000)
    return vault.asked.length > asked
  })
  vault.failure = undefined
  await until(() => {
    clock.pass(10_000)
    return executor.orders.length > 1
  })
  expect((await executor.order('deploy')).environment.TOKEN).toBe('the-first-token')
  const view = await ended(runservice, delayed!.id)
  expect([statuses(view), view.tasks[0]!.task.reason]).toEqual([{ deploy: 'success' }, undefined])
})

test('a task that waits for its secrets can be stopped: it is never begun', async () => {
  const vault = aVault()
  vault.failure = new SlipwayError('outcome_unknown', 'the answer was lost')
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  await using executor = await new FakeExecutor(runservice, {}, ({ stop }) =>
    stop ? 'cancelled' : 'success',
  ).connect()
  const [run] = await runservice.createRuns([withEnvironment(token)])
  await until(() => runservice.findRun(run!.id)?.tasks[0]?.task.reason?.kind === 'waiting_secrets')
  await runservice.stopRun(run!.id)
  const order = await executor.order('deploy')
  expect([order.stop, order.environment.TOKEN, order.secrets]).toEqual([true, undefined, []])
})

test('what is wrong with the task itself fails it', async () => {
  const vault = aVault()
  vault.failure = new SlipwayError('limit_exceeded', 'at most 500 secrets are opened at once')
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  await using _ = await new FakeExecutor(runservice).connect()
  const [run] = await runservice.createRuns([withEnvironment(token)])
  const { tasks } = await ended(runservice, run!.id)
  expect(tasks[0]!.task).toMatchObject({
    status: 'failed',
    reason: { kind: 'failed_setup', message: 'at most 500 secrets are opened at once' },
  })
})

test('a variable whose secret is gone is not set, and the setup log says so', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice } = installation
  await runservice.createRuns([withEnvironment({ ...token, GONE: { secret: 'kept/gone' }, EMPTY: '' })])
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  const order = await executor.order('deploy')
  expect(order.environment).toMatchObject({ TOKEN: 'the-first-token', EMPTY: '' })
  expect(order.environment).not.toHaveProperty('GONE')
  expect(order.notes).toEqual(['GONE is not set: its secret is not there any more'])
})

test.each(['trusted', 'fork'] as const)('who looks up is told that the run is of trust %s', async (trust) => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  await installation.runservice.createRuns([withEnvironment(token, { trust })])
  await using executor = await new FakeExecutor(installation.runservice, { drivers: ['docker'] }, waits).connect()
  await executor.order('deploy')
  expect(vault.asked.map((asked) => asked.trust)).toEqual([trust])
})

test('a run of a person has only what was sealed with it', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  await installation.runservice.createRuns([withEnvironment(token, { group: '/user/u1/branch/main' })])
  await using executor = await new FakeExecutor(installation.runservice, {}, waits).connect()
  expect((await executor.order('deploy')).environment).not.toHaveProperty('TOKEN')
  expect(vault.asked).toEqual([])
})

test('a repository whose login cannot be asked for now delays only what clones it', async () => {
  let answers: (() => void) | undefined
  const password = 'password-of-the-repository'
  const cloneAccess = async () => {
    if (answers === undefined) await new Promise<void>((resolve) => (answers = resolve))
    return { access: { credentials: { type: 'password', userName: 'git', password } } } as const
  }
  await using installation = await openInstallation({ cloneAccess })
  const { runservice } = installation
  const request = aRequest({ clones: {}, works: {} })
  const clone = { type: 'clone', name: '', recurseSubmodules: false } as const
  const tasks = request.tasks!.map((task) => (task.name === 'clones' ? { ...task, steps: [clone] } : task))
  await runservice.createRuns([{ ...request, tasks }])
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  expect((await executor.order('works')).secrets).toEqual([])
  expect(executor.orders).toHaveLength(1)
  await until(() => answers !== undefined)
  answers!()
  const order = await executor.order('clones')
  expect([order.secrets, order.clone.access?.credentials]).toMatchObject([[{ value: password }], { password }])
})

test('an order says where the repository of its run is by now', async () => {
  const url = 'ssh://git@provider.example/acme/site.git'
  const later = 'ssh://git@provider.example/acme/home.git'
  const cloneAccess: CloneAccess = async (_config, _task, options) => ({
    access: {},
    url: options?.isAskedAnew === true ? later : url,
  })
  const cloneSource = { ...noSource, url: 'ssh://git@provider.example/acme/web.git', mirrorKey: 'project-p' }
  await using installation = await openInstallation({ cloneAccess, cloneSource })
  const { runservice } = installation
  const request = aRequest({ clones: {} })
  const clone = { type: 'clone', name: '', recurseSubmodules: false } as const
  await runservice.createRuns([{ ...request, tasks: request.tasks!.map((task) => ({ ...task, steps: [clone] })) }])
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  const order = await executor.order('clones')
  expect(order.clone).toMatchObject({ url, originUrl: url, mirrorKey: 'project-p' })
  // Asked anew for a clone that fails there.
  expect(await executor.api.cloneUrl(order.executorTaskId)).toBe(later)
})

test('what orders left that the first version deleted is cleaned away, and nothing else', async () => {
  const vault = aVault()
  await using installation = await openInstallation({ secretResolver: vault })
  const { runservice, database } = installation
  await runservice.createRuns([withEnvironment(token)])
  await using executor = await new FakeExecutor(runservice, {}, waits).connect()
  const order = await executor.order('deploy')
  const place = { storeId: 'store', type: 'ordersecret', id: 'gone.1', field: 'kept/token' }
  const sealed = seal(newSealingKey(), place, 'x')
  await database.do((tx) => {
    for (let n = 0; n < 250; n++)
      tx.put('ordersecret', `gone${n}.1/x`, { orderId: `gone${n}.1`, ref: 'kept/token', sealed })
  })
  await runservice.clean({ logsMs: 0, workspacesMs: 0, eventsMs: 0 })
  expect(database.view((tx) => tx.list('ordersecret')).map(({ body }) => body.orderId)).toEqual([order.executorTaskId])
})
