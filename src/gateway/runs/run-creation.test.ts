// What runs get of their project, and what those of a fork do not (docs/architecture.md, "Security").

import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployKeyRef, type NewProject } from '../../configstore/api.ts'
import { aProject, aUser, openWorld, type World } from '../../configstore/configstore-fixture.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { isSecretRef } from '../../pipeline/run-config.ts'
import { readDefinition } from './fetch-definition.ts'
import { planRunsOf, type RunTrigger } from './run-creation.ts'

const text = JSON.stringify({
  runs: [
    {
      name: 'build',
      tasks: [
        {
          name: 'a',
          runtime: { containers: [{ image: 'alpine' }] },
          environment: { KEY: { from_variable: 'key' } },
          steps: [{ run: 'a' }],
        },
        { name: 'b', depends: ['a'], runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'b' }] },
      ],
    },
    {
      name: 'release',
      when: { tag: '/v.*/' },
      tasks: [{ name: 'a', runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'a' }] }],
    },
  ],
})
const definition = readDefinition('.slipway/config.json', text)
const push: GitEvent = {
  refType: 'branch',
  ref: 'refs/heads/feature/x',
  branch: 'feature/x',
  tag: '',
  pullRequestId: '',
  commitSha: 'a'.repeat(40),
  message: 'work',
}
const pullRequest: GitEvent = {
  ...push,
  refType: 'pull_request',
  ref: 'refs/pull/7/head',
  branch: '',
  pullRequestId: '7',
}
const repository = {
  cloneUrl: 'ssh://git@git.example:2222/web.git',
  skipSshHostKeyCheck: false,
  sshHostKey: 'host key',
}

let world: World
let counter = 0
beforeAll(async () => {
  world = await openWorld()
  await aUser(world.configstore, 'ann')
})
afterAll(async () => await world?.[Symbol.asyncDispose]())

async function planned(settings: Partial<NewProject>, trigger: Partial<RunTrigger>) {
  const { configstore } = world
  const credentials = { deployKey: { privateKey: 'the-deploy-key', publicKey: 'public' } }
  const project = await aProject(configstore, `user/ann/p${++counter}`, { credentials, ...settings })
  const parent = { type: 'project', ref: project.id } as const
  await configstore.createSecret({ parent, name: 'keys', data: { api: 'the-api-key' } })
  await configstore.createVariable({ parent, name: 'key', values: [{ secretName: 'keys', secretVar: 'api' }] })
  const plan = await planRunsOf(
    project,
    { event: push, definition, repository, trigger: 'webhook', ...trigger },
    configstore,
  )
  const run = plan.requests[0]!
  /** What its tasks are handed out with. */
  const opened = async () => {
    const environments = [run.staticEnvironment ?? {}, ...(run.tasks ?? []).map((task) => task.environment)]
    const refs = environments.flatMap(Object.values).flatMap((value) => (isSecretRef(value) ? [value.secret] : []))
    const asked = { refs, project: project.id, isFork: run.trust === 'fork' }
    return Object.values((await configstore.openSecrets(asked)).values)
  }
  return { project, ...plan, run, opened }
}

const fork = { event: pullRequest, isFork: true } as const

test('a push is a run of its branch, with secrets, and with what names the commit', async () => {
  const { run, notCreated, project, opened } = await planned({}, { webhookEvent: 'push', webhookSender: 'ann' })
  expect(run).toMatchObject({ name: 'build', trust: 'trusted', group: `/project/${project.id}/branch/feature%2Fx` })
  expect([run.secrets, await opened()]).toEqual([{}, ['the-api-key']])
  expect(run.staticEnvironment).toMatchObject({
    CI: 'true',
    AGOLA_REPOSITORY_URL: repository.cloneUrl,
    AGOLA_GIT_PORT: '2222',
    SLIPWAY_GIT_BRANCH: 'feature/x',
    SLIPWAY_SSHHOSTKEY: 'host key',
    AGOLA_SSHPRIVKEY: '',
  })
  expect(run.annotations).toMatchObject({ webhook_event: 'push', webhook_sender: 'ann', branch: 'feature/x' })
  expect(notCreated).toEqual([{ name: 'release', message: expect.stringContaining('tag') }])
})

test('the deploy key is in the environment only where the project says so', async () => {
  const { run, opened } = await planned({ deployKeyInTasks: true }, {})
  expect(run.staticEnvironment!.AGOLA_SSHPRIVKEY).toEqual({ secret: deployKeyRef })
  expect(await opened()).toContain('the-deploy-key')
})

test('runs of a fork get no secrets', async () => {
  const { run } = await planned({}, fork)
  expect(run).toMatchObject({ trust: 'fork', secrets: {} })
  expect(run.tasks![0]!.environment).toEqual({ KEY: '' })
})

test('runs of a fork get variables where the project passes them to forks', async () => {
  const { run, opened } = await planned({ passVariablesToForks: true }, fork)
  expect(await opened()).toEqual(['the-api-key'])
  expect(run.trust).toBe('fork')
})

test.each([[false], [true]])(
  'pull requests of the same repository get variables, whatever is passed to forks (%s)',
  async (passVariablesToForks) => {
    const { run, project, opened } = await planned({ passVariablesToForks }, { event: pullRequest })
    expect(await opened()).toEqual(['the-api-key'])
    expect(run).toMatchObject({ trust: 'trusted', group: `/project/${project.id}/pr/7` })
  },
)

test('runs of a fork never get the deploy key', async () => {
  const { run } = await planned({ deployKeyInTasks: true, passVariablesToForks: true }, fork)
  expect(run.staticEnvironment!.AGOLA_SSHPRIVKEY).toBe('')
  expect(JSON.stringify(run)).not.toContain('the-deploy-key')
})

test('a cache group is one of the owner, for forks too: what they write is kept apart by their trust', async () => {
  const { run, project } = await planned({ cacheGroup: 'shared' }, fork)
  expect(run).toMatchObject({ cacheGroup: `${project.owner.id}-shared`, trust: 'fork' })
})

test('with approval nothing begins before somebody gave it, and what follows waits anyway', async () => {
  const { run } = await planned({}, { ...fork, needsApproval: true })
  expect(run.tasks!.map(({ name, needsApproval }) => [name, needsApproval])).toEqual([
    ['a', true],
    ['b', false],
  ])
})

test('a definition with errors is one run with all of them and without secrets', async () => {
  const broken = readDefinition('.slipway/config.yml', 'runs: [{ nam: x }]\nrun: 1\n')
  const { requests } = await planned({}, { definition: broken, event: { ...push, message: 'x [ci skip]' } })
  expect(requests).toHaveLength(1)
  expect(requests[0]).toMatchObject({ name: 'Setup Error', secrets: {} })
  expect(requests[0]!.setupErrors!.length).toBeGreaterThan(1)
  expect(requests[0]!.tasks).toBeUndefined()
})
