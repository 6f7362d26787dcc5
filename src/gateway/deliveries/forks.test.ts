// What a pull request of a fork gets of a project, from its webhook to the order that an executor has: each sentence about trust of
// docs/architecture.md, "Security", with a push of the project itself beside it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewProject } from '../../configstore/api.ts'
import { aUser } from '../../configstore/configstore-fixture.ts'
import type { Order } from '../../runservice/executor-api.ts'
import { FakeExecutor, until } from '../../runservice/service-fixture.ts'
import { type Answer, adminToken, openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { type FakeRepository, fakeSources } from '../repository-fixture.ts'
import { aHookedProject, type Hooked, pullRequestOf, pushOf } from './deliveries-fixture.ts'

let gateway: TestGateway
let executor: FakeExecutor
let token: string
const repositories = new Map<string, FakeRepository>()

beforeAll(async () => {
  gateway = await openTestGateway({ sources: fakeSources(repositories) })
  await aUser(gateway.configstore, 'ann')
  token = await gateway.tokenOf('ann')
  // Tasks fail, so that their runs can be started again both ways.
  const hello = { allowPrivileged: true, drivers: ['docker'] }
  executor = await new FakeExecutor(gateway.installation.runservice, hello, ({ taskName }) =>
    taskName === 'goes-on' ? undefined : 'failed',
  ).connect()
})
afterAll(async () => {
  await executor?.[Symbol.asyncDispose]()
  await gateway?.[Symbol.asyncDispose]()
})

const [apiKey, deployKey] = ['the-api-key-of-the-project', 'the-deploy-key-of-the-project']

const files = ({ container = {}, name = 'a' }: { readonly container?: object; readonly name?: string } = {}) => ({
  '.slipway/config.json': JSON.stringify({
    runs: [
      {
        name: 'build',
        tasks: [
          {
            name,
            runtime: { containers: [{ image: 'alpine', ...container }] },
            environment: { KEY: { from_variable: 'key' } },
            steps: [{ run: 'true' }],
          },
        ],
      },
    ],
  }),
})

/** Gives its tasks all that a project can give. */
async function generous(settings: Partial<NewProject> = {}): Promise<Hooked> {
  const project = await aHookedProject(gateway, repositories, {
    forkRuns: 'always',
    deployKeyInTasks: true,
    credentials: { deployKey: { privateKey: deployKey, publicKey: 'public' } },
    ...settings,
  })
  const { configstore } = gateway
  const parent = { type: 'project', ref: project.id } as const
  await configstore.createSecret({ parent, name: 'keys', data: { api: apiKey } })
  await configstore.createVariable({ parent, name: 'key', values: [{ secretName: 'keys', secretVar: 'api' }] })
  return project
}

/** The id of its run. */
async function forked(project: Hooked, definition = files()): Promise<string> {
  const sha = project.repository.push('refs/pull/7/head', `change ${Math.random()}`, definition)
  expect(await project.webhook('pull_request', pullRequestOf(sha, { isFork: true }))).toBe(202)
  return (await project.runs()).find(({ annotations }) => annotations.commit_sha === sha)!.id
}

async function pushed(project: Hooked, definition = files()): Promise<string> {
  const sha = project.repository.push('refs/heads/main', `work ${Math.random()}`, definition)
  expect(await project.webhook('push', pushOf('refs/heads/main', sha))).toBe(202)
  return (await project.runs()).find(({ annotations }) => annotations.commit_sha === sha)!.id
}

const orderOf = async (runId: string): Promise<Order> =>
  (await executor.message('execute', ({ order }) => order.runId === runId)).order

const expectNothingOfTheProject = (order: Order) => {
  expect(order).toMatchObject({
    trust: 'fork',
    secrets: [],
    environment: { KEY: '', SLIPWAY_SSHPRIVKEY: '', AGOLA_SSHPRIVKEY: '' },
  })
  for (const secret of [apiKey, deployKey]) expect(JSON.stringify(order)).not.toContain(secret)
}

test('a push of the project itself has its secrets and, where the project says so, its deploy key', async () => {
  const order = await orderOf(await pushed(await generous()))
  expect(order).toMatchObject({ trust: 'trusted', environment: { KEY: apiKey, SLIPWAY_SSHPRIVKEY: deployKey } })
})

test('a run of a fork gets no secrets, no variables and no deploy key', async () => {
  expectNothingOfTheProject(await orderOf(await forked(await generous())))
})

test('where the project passes its variables to forks, these come, and the deploy key does not', async () => {
  const order = await orderOf(await forked(await generous({ passVariablesToForks: true })))
  expect(order).toMatchObject({ trust: 'fork', environment: { KEY: apiKey, SLIPWAY_SSHPRIVKEY: '' } })
  expect(JSON.stringify(order)).not.toContain(deployKey)
})

test.each([
  ['from the start by its owner', { fromStart: true, isAdministrator: false }],
  ['from what failed by its owner', { fromStart: false, isAdministrator: false }],
  ['from the start by an administrator', { fromStart: true, isAdministrator: true }],
  ['from what failed by an administrator', { fromStart: false, isAdministrator: true }],
])('a run of a fork that is started again %s stays one', async (_, { fromStart, isAdministrator }) => {
  const runId = await forked(await generous())
  const ask = (request: string, body?: object): Promise<Answer> =>
    gateway.ask(request, { token: isAdministrator ? adminToken : token, ...(body === undefined ? {} : { body }) })
  const isFinished = async (): Promise<boolean> =>
    ((await ask(`GET /runs/${runId}`)).body as { phase: string }).phase === 'finished'
  await until(isFinished)
  const again = await ask(`POST /runs/${runId}/restart`, { fromStart })
  expect(again.status).toBe(201)
  const order = await orderOf((again.body as { id: string }).id)
  expect(order.runId).not.toBe(runId)
  expectNothingOfTheProject(order)
})

test('a run of a fork reads the caches of the project, and what it saves is found by its own pull request alone', async () => {
  const { api } = executor
  const project = await generous()
  const definition = files({ name: 'goes-on' })
  const own = await orderOf(await pushed(project, definition))
  const fork = await orderOf(await forked(project, definition))
  const bytes = async function* (text: string) {
    yield Buffer.from(text)
  }
  expect(await api.saveCache(own.executorTaskId, 'deps', bytes('of the project'))).toBe('stored')
  expect(await api.saveCache(fork.executorTaskId, 'poison', bytes('of the fork'))).toBe('stored')
  const isFound = async (order: Order, key: string) =>
    (await api.findCache(order.executorTaskId, key, { exactOnly: false })) !== undefined
  expect([await isFound(fork, 'deps'), await isFound(fork, 'poison')]).toEqual([true, true])
  expect([await isFound(own, 'deps'), await isFound(own, 'poison')]).toEqual([true, false])
})

test('a fork that asks for a privileged container gets a run that says no, though the executor has them', async () => {
  const runId = await forked(await generous(), files({ container: { privileged: true } }))
  expect((await gateway.ask(`GET /runs/${runId}`, { token })).body).toMatchObject({
    phase: 'setuperror',
    setupErrors: [expect.stringMatching(/privileged/)],
  })
  expect(executor.orders.filter((order) => order.runId === runId)).toEqual([])
})

test('nothing was trouble of the server or the executor', () => {
  expect([gateway.logged, executor.failures]).toEqual([[], []])
})
