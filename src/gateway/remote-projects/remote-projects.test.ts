// Projects of repositories at a provider: set up in one step, repaired, taken over, and removed, whatever fails on the way.

import { describe, expect, test } from 'vitest'
import { createProviderAccess } from '../../configstore/provider-access.ts'
import type { FakeRepository } from '../../gitsource/fake-provider-fixture.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { until } from '../../lib/until-fixture.ts'
import { pushOf, sendAsGithub, withDefinition } from '../deliveries/deliveries-fixture.ts'
import { openTestGateway, replaced, type TestGateway, type TestGatewayOptions } from '../gateway-fixture.ts'
import { FakeRepository as GitRepository } from '../repository-fixture.ts'
import { cleanRemote, notSetUp } from './remote-set-up.ts'

const publicUrl = 'https://ci.example'

type Scene = AsyncDisposable & {
  readonly gateway: TestGateway
  readonly token: string
  readonly found: FakeRepository
  readonly create: (body?: object) => Promise<Answer>
}
type Answer = { readonly status: number; readonly body: unknown }

/** ann has an account at `hub`, and administers acme/web there. */
async function open(options: TestGatewayOptions = {}): Promise<Scene> {
  const gateway = await openTestGateway({ settings: { publicUrl }, ...options })
  const { host } = gateway
  await gateway.configstore.createRemoteSource({
    name: 'hub',
    type: 'github',
    apiUrl: 'https://hub.example',
    authType: 'oauth2',
    oauth2ClientId: 'id',
    oauth2ClientSecret: 'secret',
  })
  await anAccount(gateway, 'ann')
  const found = host.addRepository('acme/web', 'ann', { id: 'repo', defaultBranch: 'trunk' })
  const token = await gateway.tokenOf('ann')
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryPath: 'acme/web' }
  const create = (body: object = {}) => gateway.ask('POST /projects', { token, body: { name: 'web', source, ...body } })
  return { gateway, token, found, create, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
}

async function anAccount({ configstore, host }: TestGateway, name: string): Promise<string> {
  await configstore.createUser({ name })
  const { id, login } = host.addUser(name)
  const { accessToken, refreshToken, expiresAt } = host.giveTokens(name)
  const account = await configstore.createLinkedAccount({
    user: name,
    remoteSource: 'hub',
    remoteUserId: id,
    remoteUserName: login,
    accessToken,
    refreshToken,
    accessTokenExpiresAt: expiresAt,
  })
  return account.id
}

const project = '/projects/user%2Fann%2Fweb'
const idOf = ({ body }: Answer) => (body as { id: string }).id
const hooksOf = ({ found }: Scene) => [...found.hooks.values()].map(({ url }) => url)
const titlesOf = ({ found }: Scene) => [...found.keys.values()].map(({ title }) => title)

/** What a worker does with the tasks that are there. */
async function clean({ gateway }: Scene): Promise<void> {
  const { configstore, clock, host } = gateway
  const { openProvider, openOAuth2 } = host
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} } as never
  const providers = createProviderAccess({ configstore, openProvider, openOAuth2, clock, logger })
  const { tasks } = await configstore.claimTasks({ kinds: ['clean_remote'], holder: 'h', leaseMs: 1000 })
  for (const { id, work } of tasks) {
    if (work.kind !== 'clean_remote') continue
    await cleanRemote(work, { providers, configstore }, new AbortController().signal)
    await configstore.completeTask({ id, holder: 'h' })
  }
}

test('a project of a repository has its default branch, a key of its own and a hook with a secret', async () => {
  await using scene = await open()
  const { gateway, found, create } = scene
  const made = await create()
  expect(made).toMatchObject({ status: 201, body: { defaultBranch: 'trunk', isSourceBroken: false } })
  expect(made.body).not.toHaveProperty('sourceTrouble')
  const id = idOf(made)
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[`${publicUrl}/webhooks/${id}`], [`slipway ${id}`]])
  const { webhookSecret, deployKey } = await gateway.configstore.projectCredentials({ project: id })
  expect([...found.hooks.values()][0]!.secret).toBe(webhookSecret)
  expect(deployKey).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/)
  expect(found.keys.values().next().value!.publicKey).toMatch(/^ssh-ed25519 /)
  const stored = await gateway.configstore.getProject({ project: id })
  expect([stored.remoteHookId, stored.remoteDeployKeyId]).toEqual([
    [...found.hooks.keys()][0],
    [...found.keys.keys()][0],
  ])
  await gateway.configstore.deleteProject({ project: id })
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[], []])
})

/** An empty repository at the provider. */
function anEmptyRepository({ gateway }: Scene): FakeRepository {
  const found = gateway.host.addRepository('acme/new', 'ann', { id: 'new' })
  const { defaultBranch: _, ...repository } = found.repository
  found.repository = repository
  return found
}

const sourceOf = (repositoryPath: string) => ({ kind: 'remotesource', remoteSourceRef: 'hub', repositoryPath })

test('what is pushed to an empty repository while its project is made is the default branch', async () => {
  await using scene = await open()
  const { host } = scene.gateway
  const found = anEmptyRepository(scene)
  host.before = (asked) => {
    if (asked === 'ensureHook') found.repository = { ...found.repository, defaultBranch: 'trunk' }
  }
  const made = await scene.create({ source: sourceOf('acme/new') })
  expect(made).toMatchObject({ status: 201, body: { defaultBranch: 'trunk' } })
})

test('the project of an empty repository learns its default branch from a push, once the provider says it', async () => {
  let said: string | undefined
  const repository = Object.assign(new GitRepository(), { findDefaultBranch: async () => said })
  const opened = { source: repository, cloneUrl: 'https://hub.example/acme/new.git', skipSshHostKeyCheck: false }
  await using scene = await open({ sources: { open: async () => opened } })
  const { gateway, token } = scene
  anEmptyRepository(scene)
  const made = await scene.create({ source: sourceOf('acme/new') })
  expect(made.body).not.toHaveProperty('defaultBranch')
  const id = idOf(made)
  const { webhookSecret } = await gateway.configstore.projectCredentials({ project: id })
  const push = async () => {
    const sha = repository.push('refs/heads/trunk', 'work', withDefinition())
    const payload = { ...pushOf('refs/heads/trunk', sha), repository: { id: 'new' } }
    expect(await sendAsGithub(`${gateway.url}/webhooks/${id}`, 'push', payload, { secret: webhookSecret! })).toBe(202)
  }
  const runs = async () => {
    const { body } = await gateway.ask(`GET /projects/${id}/runs`, { token })
    return (body as { items: readonly object[] }).items.length
  }
  const branch = async () => (await gateway.configstore.getProject({ project: id })).defaultBranch
  await push()
  await until(async () => (await runs()) === 1)
  expect(await branch()).toBeUndefined()
  said = 'trunk'
  await push()
  await until(async () => (await runs()) === 2)
  expect(await branch()).toBe('trunk')
  // It is that of the project from now on, whatever is chosen there.
  said = 'other'
  await gateway.configstore.updateProject({ project: id, defaultBranch: 'chosen' })
  await push()
  await until(async () => (await runs()) === 3)
  expect(await branch()).toBe('chosen')
})

test.each([
  ['a private repository is private', true, {}, 'private'],
  ['a repository for all is for all', false, {}, 'public'],
  ['a private repository is for all when that is asked for', true, { visibility: 'public' }, 'public'],
] as const)('a project of %s', async (_, isPrivate, body, visibility) => {
  await using scene = await open()
  scene.gateway.host.addRepository('acme/other', 'ann', { id: 'other', isPrivate })
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
  expect(await scene.create({ source, ...body })).toMatchObject({ status: 201, body: { visibility } })
})

test.each([
  ['the key', 'ensureDeployKey'],
  ['the hook', 'ensureHook'],
] as const)('when the provider refuses %s there is no project, and nothing is left there', async (_, operation) => {
  await using scene = await open()
  const { gateway, create } = scene
  gateway.host.before = (asked) => {
    if (asked === operation) throw new SlipwayError('provider_refused', 'hooks are not allowed here')
  }
  expect(await create()).toMatchObject({ status: 409, body: { code: 'provider_refused' } })
  gateway.host.before = () => {}
  expect((await gateway.ask(`GET ${project}`, scene)).status).toBe(404)
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[], []])
  expect((await create()).status).toBe(201)
})

test('an answer that was lost after the hook was made leaves no hook either', async () => {
  await using scene = await open({
    configstore: (real) =>
      replaced(real, {
        updateProject: async (input, context) => {
          if (input.remoteHookId !== undefined) throw new SlipwayError('service_unavailable', 'away')
          return await real.updateProject(input, context)
        },
      }),
  })
  expect((await scene.create()).status).toBe(503)
  expect(hooksOf(scene)).toHaveLength(1)
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[], []])
})

test('what a crash left half done says so, and is completed by reconfigure', async () => {
  await using scene = await open()
  const { gateway } = scene
  const { configstore } = gateway
  const source = await configstore.getRemoteSource({ remoteSource: 'hub' })
  const [account] = (await configstore.listLinkedAccounts({ user: 'ann' })).items
  const at = {
    remoteSourceId: source.id,
    linkedAccountId: account!.id,
    repositoryId: 'repo',
    repositoryPath: 'old/name',
  }
  const { id } = await configstore.createProject({
    group: 'user/ann',
    name: 'web',
    visibility: 'public',
    source: { kind: 'remotesource', ...at },
    sourceTrouble: notSetUp,
  })
  expect((await gateway.ask(`GET ${project}`, scene)).body).toMatchObject({
    isSourceBroken: true,
    sourceTrouble: notSetUp,
  })
  const repaired = await gateway.ask(`POST ${project}/reconfigure`, scene)
  expect(repaired).toMatchObject({
    status: 200,
    body: { isSourceBroken: false, defaultBranch: 'trunk', source: { repositoryPath: 'acme/web' } },
  })
  expect(repaired.body).not.toHaveProperty('sourceTrouble')
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[`${publicUrl}/webhooks/${id}`], [`slipway ${id}`]])
})

test('reconfigure repairs what somebody changed there, and moves the hook to the new address of the server', async () => {
  await using scene = await open()
  const { gateway, found, create } = scene
  const id = idOf(await create())
  const [hookId] = [...found.hooks.keys()]
  found.hooks.set(hookId!, { url: `${publicUrl}/webhooks/${id}`, secret: 'another' })
  found.keys.clear()
  await gateway.ask(`POST ${project}/reconfigure`, scene)
  const { webhookSecret } = await gateway.configstore.projectCredentials({ project: id })
  expect([...found.hooks.values()]).toEqual([{ url: `${publicUrl}/webhooks/${id}`, secret: webhookSecret }])
  expect(titlesOf(scene)).toEqual([`slipway ${id}`])
  await gateway.configstore.updateProject({ project: id, remoteHookUrl: `https://old.example/webhooks/${id}` })
  found.hooks.set('old', { url: `https://old.example/webhooks/${id}`, secret: 'x' })
  await gateway.ask(`POST ${project}/reconfigure`, scene)
  expect(hooksOf(scene)).toEqual([`${publicUrl}/webhooks/${id}`])
})

test('a reconfigure that fails is shown in the project until one succeeds', async () => {
  await using scene = await open()
  const { gateway, create } = scene
  await create()
  gateway.host.before = (asked) => {
    if (asked === 'ensureHook') throw new SlipwayError('provider_refused', 'too many hooks')
  }
  expect((await gateway.ask(`POST ${project}/reconfigure`, scene)).status).toBe(409)
  expect((await gateway.ask(`GET ${project}`, scene)).body).toMatchObject({
    isSourceBroken: true,
    sourceTrouble: 'not set up: too many hooks',
  })
  gateway.host.before = () => {}
  expect((await gateway.ask(`POST ${project}/reconfigure`, scene)).body).not.toHaveProperty('sourceTrouble')
})

test('a project whose account is gone is taken over with the account of another owner', async () => {
  await using scene = await open()
  const { gateway, found, create } = scene
  const { configstore } = gateway
  await configstore.createOrganization({ name: 'acme', visibility: 'public', owner: 'ann' })
  const id = idOf(await create({ parentRef: 'org/acme' }))
  const bobsAccount = await anAccount(gateway, 'bob')
  await configstore.setMember({ organization: 'acme', user: 'bob', role: 'owner' })
  const bob = { token: await gateway.tokenOf('bob') }
  const takeOver = () => gateway.ask(`PUT /projects/${id}/linked-account`, bob)
  expect(await takeOver()).toMatchObject({ status: 409, body: { code: 'provider_refused' } })
  found.administrators.add('bob')
  const [ann] = (await configstore.listLinkedAccounts({ user: 'ann' })).items
  await configstore.deleteLinkedAccount({ user: 'ann', id: ann!.id, force: true })
  expect((await gateway.ask(`GET /projects/${id}`, bob)).body).toMatchObject({ isSourceBroken: true })
  const [keyBefore] = [...found.keys.keys()]
  expect(await takeOver()).toMatchObject({
    status: 200,
    body: { isSourceBroken: false, source: { linkedAccountId: bobsAccount } },
  })
  // Keys go with the rights of who made them.
  expect([found.keys.size, found.keys.has(keyBefore!), found.hooks.size]).toEqual([1, false, 1])
})

test.each([
  ['that is archived', { isArchived: true }],
  ['that the account may not administer', {}],
] as const)('no project is made of a repository %s', async (_, changes) => {
  await using scene = await open()
  const { gateway, token } = scene
  gateway.host.addRepository('acme/other', 'isArchived' in changes ? 'ann' : 'nobody', changes)
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
  expect(await gateway.ask('POST /projects', { token, body: { name: 'other', source } })).toMatchObject({
    status: 409,
    body: { code: 'provider_refused' },
  })
  expect((await gateway.configstore.listProjects({ group: 'user/ann' })).items).toEqual([])
  expect((await gateway.configstore.listTasks()).items).toEqual([])
})

test('repositories are listed page by page, and found by a part of their path', async () => {
  await using scene = await open()
  const { gateway, token } = scene
  for (let index = 0; index < 5; index++) gateway.host.addRepository(`acme/tool-${index}`, 'ann')
  const list = async (query: string) => {
    const { body } = await gateway.ask(`GET /remote-sources/hub/repositories${query}`, { token })
    const { items, nextCursor } = body as { items: { path: string }[]; nextCursor?: string }
    return { paths: items.map(({ path }) => path), nextCursor }
  }
  const first = await list('?limit=4&search=tool')
  const rest = await list(`?limit=4&search=tool&cursor=${first.nextCursor}`)
  expect([...first.paths, ...rest.paths]).toEqual([0, 1, 2, 3, 4].map((index) => `acme/tool-${index}`))
  expect(rest.nextCursor).toBeUndefined()
})

test('a project that is given another source leaves nothing at the provider', async () => {
  await using scene = await open()
  const { gateway, token, create } = scene
  await create()
  const body = { source: { kind: 'none' } }
  const changed = await gateway.ask(`PATCH ${project}`, { token, body })
  expect(changed.body).toMatchObject({ source: { kind: 'none' }, isSourceBroken: false })
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene)]).toEqual([[], []])
})

test('a new secret is that of the hook at the provider as well', async () => {
  await using scene = await open()
  const { gateway, token, found, create } = scene
  await create()
  const before = [...found.hooks.values()][0]!.secret
  const { status, body } = await gateway.ask(`POST ${project}/webhook-secret`, { token })
  expect(status).toBe(201)
  const { secret } = body as { secret: string }
  expect(secret).not.toBe(before)
  expect([...found.hooks.values()].map((hook) => hook.secret)).toEqual([secret])
})

const repositoryOf = (answer: Answer) =>
  (answer.body as { source: { repositoryPath: string; remoteSourceId: string } }).source

test('a project goes on with another repository: a key and a hook of its own there, none where it was', async () => {
  await using scene = await open()
  const { gateway, token, found, create } = scene
  const id = idOf(await create())
  const before = await gateway.configstore.projectCredentials({ project: id })
  const other = gateway.host.addRepository('acme/other', 'ann', { id: 'other', defaultBranch: 'main' })
  const body = { remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
  const moved = await gateway.ask(`PUT ${project}/repository`, { token, body })
  expect(moved).toMatchObject({ status: 200, body: { id, defaultBranch: 'main', isSourceBroken: false } })
  expect(repositoryOf(moved).repositoryPath).toBe('acme/other')
  expect(moved.body).not.toHaveProperty('sourceTrouble')
  const after = await gateway.configstore.projectCredentials({ project: id })
  expect([...other.hooks.values()]).toEqual([{ url: `${publicUrl}/webhooks/${id}`, secret: after.webhookSecret }])
  expect([...other.keys.values()].map(({ title }) => title)).toEqual([`slipway ${id}`])
  expect([after.webhookSecret === before.webhookSecret, after.deployKey === before.deployKey]).toEqual([false, false])
  // The provider of before need not answer for it.
  expect(found.hooks.size).toBe(1)
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene), other.hooks.size, other.keys.size]).toEqual([[], [], 1, 1])
})

test('a project goes to another provider with the account of the caller there', async () => {
  await using scene = await open()
  const { gateway, token, create } = scene
  const { configstore } = gateway
  const id = idOf(await create())
  const forge = await configstore.createRemoteSource({
    name: 'forge',
    type: 'gitea',
    apiUrl: 'https://forge.example',
    authType: 'oauth2',
    oauth2ClientId: 'id',
    oauth2ClientSecret: 'secret',
  })
  const there = gateway.host.addRepository('team/web', 'ann', { id: 'there' })
  const body = { remoteSourceRef: 'forge', repositoryId: 'there' }
  const move = () => gateway.ask(`PUT ${project}/repository`, { token, body })
  expect(await move()).toMatchObject({ status: 404, body: { code: 'linked_account_not_found' } })
  const { accessToken, refreshToken, expiresAt } = gateway.host.giveTokens('ann')
  await configstore.createLinkedAccount({
    user: 'ann',
    remoteSource: 'forge',
    remoteUserId: 'id-of-ann',
    remoteUserName: 'ann',
    accessToken,
    refreshToken,
    accessTokenExpiresAt: expiresAt,
  })
  expect(repositoryOf(await move())).toMatchObject({ remoteSourceId: forge.id, repositoryPath: 'team/web' })
  await clean(scene)
  expect([hooksOf(scene), titlesOf(scene), there.hooks.size]).toEqual([[], [], 1])
  // And back again, which leaves nothing at the second.
  const back = { remoteSourceRef: 'hub', repositoryPath: 'acme/web' }
  expect((await gateway.ask(`PUT ${project}/repository`, { token, body: back })).status).toBe(200)
  await clean(scene)
  expect([hooksOf(scene), there.hooks.size]).toEqual([[`${publicUrl}/webhooks/${id}`], 0])
})

test.each([
  ['that is archived', 'ann', { isArchived: true }, 'provider_refused', 'is archived'],
  ['that the account may not administer', 'nobody', {}, 'provider_refused', 'may not add webhooks'],
  ['that is private, while everybody sees the project', 'ann', { isPrivate: true }, 'project_invalid', 'is private'],
] as const)(
  'a project does not go to a repository %s, and stays as it is',
  async (_, administrator, changes, code, why) => {
    await using scene = await open()
    const { gateway, token, create } = scene
    const id = idOf(await create())
    const other = gateway.host.addRepository('acme/other', administrator, { id: 'other', ...changes })
    const body = { remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
    expect((await gateway.ask(`PUT ${project}/repository`, { token, body })).body).toMatchObject({
      code,
      message: expect.stringContaining(why),
    })
    await clean(scene)
    expect([hooksOf(scene), other.hooks.size]).toEqual([[`${publicUrl}/webhooks/${id}`], 0])
    const { body: same } = await gateway.ask(`GET ${project}`, { token })
    expect(same).toMatchObject({ isSourceBroken: false, source: { repositoryPath: 'acme/web' } })
  },
)

test('a private repository is taken with the visibility that is said', async () => {
  await using scene = await open()
  const { gateway, token, create } = scene
  await create()
  gateway.host.addRepository('acme/other', 'ann', { id: 'other', isPrivate: true })
  const body = { remoteSourceRef: 'hub', repositoryPath: 'acme/other', visibility: 'private' }
  const moved = await gateway.ask(`PUT ${project}/repository`, { token, body })
  expect(moved).toMatchObject({ status: 200, body: { visibility: 'private' } })
})

test('a move that the new provider does not complete says so, and reconfigure completes it', async () => {
  await using scene = await open()
  const { gateway, token, create } = scene
  const id = idOf(await create())
  const other = gateway.host.addRepository('acme/other', 'ann', { id: 'other' })
  gateway.host.before = (asked) => {
    if (asked === 'ensureHook') throw new SlipwayError('provider_refused', 'too many hooks')
  }
  const body = { remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
  expect(await gateway.ask(`PUT ${project}/repository`, { token, body })).toMatchObject({
    status: 409,
    body: { code: 'provider_refused', message: expect.stringMatching(/acme\/other.*too many hooks.*Reconfigure/) },
  })
  const told = { isSourceBroken: true, sourceTrouble: 'not set up: too many hooks' }
  expect((await gateway.ask(`GET ${project}`, { token })).body).toMatchObject(told)
  gateway.host.before = () => {}
  expect((await gateway.ask(`POST ${project}/reconfigure`, { token })).body).toMatchObject({ isSourceBroken: false })
  await clean(scene)
  expect([hooksOf(scene), [...other.hooks.values()].map(({ url }) => url)]).toEqual([
    [],
    [`${publicUrl}/webhooks/${id}`],
  ])
})

test('whatever is done about its repository, a project keeps its other settings', async () => {
  await using scene = await open()
  const { gateway, token, create } = scene
  const settings = { passVariablesToForks: true, forkRuns: 'never', cancelSuperseded: false, cacheGroup: 'shared' }
  await create(settings)
  gateway.host.addRepository('acme/other', 'ann', { id: 'other' })
  for (const [what, body] of [
    [`POST ${project}/reconfigure`, undefined],
    [`PUT ${project}/linked-account`, undefined],
    [`PUT ${project}/repository`, { remoteSourceRef: 'hub', repositoryPath: 'acme/other' }],
  ] as const)
    expect(await gateway.ask(what, { token, body }), what).toMatchObject({ status: 200, body: settings })
})

type Changing = Scene & {
  readonly id: string
  readonly other: FakeRepository
  readonly bob: { readonly token: string }
}

const changes = {
  'a move to another repository': {
    prepare: async () => {},
    act: ({ gateway, token, id }: Changing) => {
      const body = { remoteSourceRef: 'hub', repositoryPath: 'acme/other' }
      return gateway.ask(`PUT /projects/${id}/repository`, { token, body })
    },
  },
  'a reconfigure after the server got another address': {
    prepare: async ({ gateway, found, id }: Changing) => {
      const url = `https://old.example/webhooks/${id}`
      await gateway.configstore.updateProject({ project: id, remoteHookUrl: url })
      for (const [hookId, hook] of found.hooks) found.hooks.set(hookId, { ...hook, url })
    },
    act: ({ gateway, token, id }: Changing) => gateway.ask(`POST /projects/${id}/reconfigure`, { token }),
  },
  'a change to the account of another owner': {
    prepare: async () => {},
    act: ({ gateway, bob, id }: Changing) => gateway.ask(`PUT /projects/${id}/linked-account`, bob),
  },
} as const

const asked = [
  'getProject',
  'listLinkedAccounts',
  'getRemoteSource',
  'updateProject',
  'setProjectCredentials',
  'projectCredentials',
] as const

/** Everything of the project at its repository, with the address that it knows and its own secrets, and whether it says that it is not. */
async function standing({ gateway, found, other, id }: Changing) {
  const { configstore } = gateway
  const [stored, { webhookSecret }] = await Promise.all([
    configstore.getProject({ project: id }),
    configstore.projectCredentials({ project: id }),
  ])
  const { source, deployKeyPublic, remoteHookUrl } = stored
  const at = source.kind === 'remotesource' && source.repositoryId === 'other' ? other : found
  const hooks = [...at.hooks.values()]
  const keys = [...at.keys.values()].map(({ publicKey }) => publicKey)
  const isWhole =
    JSON.stringify([hooks, keys]) ===
    JSON.stringify([[{ url: remoteHookUrl, secret: webhookSecret }], [deployKeyPublic]])
  const elsewhere = at === found ? other : found
  return { isWhole, isTold: stored.sourceTrouble !== undefined, left: elsewhere.hooks.size + elsewhere.keys.size }
}

describe.each(Object.entries(changes))('%s', (_, { prepare, act }) => {
  test.each(['of which one call fails', 'that is killed at a call'] as const)(
    '%s is as before, complete, or told; reconfigure completes it and nothing is left behind',
    async (how) => {
      let calls = 0
      let failing = Number.POSITIVE_INFINITY
      const call = (fail: () => Error) => {
        calls++
        if (how === 'of which one call fails' ? calls === failing : calls >= failing) throw fail()
      }
      const away = () => new SlipwayError('service_unavailable', 'away')
      await using scene = await open({
        configstore: (real) =>
          replaced(
            real,
            Object.fromEntries(
              asked.map((name) => [
                name,
                async (...args: readonly never[]) => {
                  call(away)
                  return await (real[name] as (...all: readonly never[]) => Promise<unknown>)(...args)
                },
              ]),
            ),
          ),
      })
      const { gateway, found } = scene
      const { host, configstore } = gateway
      await configstore.createOrganization({ name: 'acme', visibility: 'public', owner: 'ann' })
      await anAccount(gateway, 'bob')
      await configstore.setMember({ organization: 'acme', user: 'bob', role: 'owner' })
      found.administrators.add('bob')
      const other = host.addRepository('acme/other', 'ann', { id: 'other' })
      const bob = { token: await gateway.tokenOf('bob') }
      host.before = () => call(() => new SlipwayError('provider_unavailable', 'away'))
      let faults = 0
      for (let at = 1, isDone = false; !isDone; at++) {
        const id = idOf(await scene.create({ parentRef: 'org/acme' }))
        const changing = { ...scene, id, other, bob }
        await prepare(changing)
        calls = 0
        failing = at
        const { status } = await act(changing)
        isDone = calls < at
        failing = Number.POSITIVE_INFINITY
        expect(status === 200, `fault ${at}`).toBe(isDone)
        if (!isDone) faults++
        const after = await standing(changing)
        expect(after.isWhole || after.isTold, `fault ${at}`).toBe(true)
        expect(await gateway.ask(`POST /projects/${id}/reconfigure`, scene), `fault ${at}`).toMatchObject({
          status: 200,
        })
        await clean(scene)
        expect(await standing(changing), `fault ${at}`).toEqual({ isWhole: true, isTold: false, left: 0 })
        await gateway.ask(`DELETE /projects/${id}`, scene)
        await clean(scene)
        expect([found.hooks.size, found.keys.size, other.hooks.size, other.keys.size]).toEqual([0, 0, 0, 0])
      }
      expect(faults).toBeGreaterThan(5)
    },
  )
})
