// From an account at a provider to runs of its repositories: real processes, the provider's own requests, and every process killed on
// the way.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import { forgejoFlavour, giteaFlavour } from '../providers/gitea-server.ts'
import { githubFlavour } from '../providers/github-server.ts'
import { gitlabFlavour } from '../providers/gitlab-server.ts'
import { startEtcd } from '../support/etcd.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { openBrowser } from '../web/browser.ts'
import { ProcessGroup } from './process-group.ts'
import {
  addRemoteSource,
  createSceneProject,
  definitionFile,
  fateOf,
  linkAccount,
  openProviderScene,
  type ProviderScene,
  theDefinition,
  waitMs,
} from './provider-scene.ts'
import { TestServer } from './test-server.ts'

const projectRef = 'user/ann/web'
const params = { projectRef }

async function runsOf(client: ApiClient, sha: string) {
  const { items } = await client.call('listProjectRuns', { params })
  return items.filter(({ annotations }) => annotations?.commit_sha === sha)
}

const stateOf = (status: { readonly state: string } | undefined) => status?.state

test.each([
  ['GitHub', githubFlavour],
  ['GitLab', gitlabFlavour],
  ['Gitea', giteaFlavour],
  ['Forgejo', forgejoFlavour],
] as const)(
  '%s: link, create, push, run, status; the server is killed after each of them',
  {
    timeout: 500_000,
  },
  async (_, flavour) => {
    await using scene = await openProviderScene(flavour)
    const { provider, repository } = scene
    await using server = await TestServer.start()
    const client = await server.setUp()
    const killed = async () => {
      await server.stop('SIGKILL')
      await server.start()
    }
    await addRemoteSource(client, server.url, scene)
    await linkAccount(server.url, scene)
    await killed()
    await createSceneProject(client, scene)
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])
    await killed()

    const first = await repository.commit({ files: { 'other.txt': 'x' }, message: 'second' })
    expect(provider.deliveries.at(-1)!.status).toBe(202)
    await killed() // With nothing but the delivery.
    await expect.poll(() => fateOf(client, first), { timeout: waitMs }).toBe('running')
    await killed() // With the task under way.
    await expect.poll(() => fateOf(client, first), { timeout: waitMs }).toBe('success')
    const [run] = await runsOf(client, first)
    expect(run!.annotations).toMatchObject({ branch: 'main', message: 'second', commit_link: expect.any(String) })
    await expect.poll(() => stateOf(repository.statusesOf(first).at(-1)), { timeout: waitMs }).toBe('success')

    // Renamed: followed, by what the provider tells.
    provider.renameRepository(repository, `${repository.owner}/site`)
    const second = await repository.commit({ files: { 'other.txt': 'y' }, message: 'third' })
    await expect.poll(() => fateOf(client, second), { timeout: waitMs }).toBe('success')
    expect(await client.call('getProject', { params })).toMatchObject({ source: { repositoryPath: repository.path } })
    await expect.poll(() => stateOf(repository.statusesOf(second).at(-1)), { timeout: waitMs }).toBe('success')

    // By hand, with nothing but a branch.
    const made = await client.call('createProjectRuns', { params, body: { branch: 'main' } })
    expect(made.runs[0]!.annotations).toMatchObject({ commit_sha: second, branch_link: expect.any(String) })

    // Broken by somebody, repaired by `reconfigure`.
    repository.hooks.length = 0
    repository.keys.length = 0
    await client.call('reconfigureProject', { params })
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])

    await client.call('deleteProject', { params })
    await killed()
    await expect.poll(() => [repository.hooks.length, repository.keys.length], { timeout: waitMs }).toEqual([0, 0])
  },
)

test('every process of an installation of several is killed on the way from pushes at all providers to their statuses', {
  timeout: 500_000,
}, async () => {
  await using owned = new AsyncDisposableStack()
  const scenes: ProviderScene[] = []
  for (const flavour of [githubFlavour, gitlabFlavour, giteaFlavour, forgejoFlavour])
    scenes.push(owned.use(await openProviderScene(flavour)))
  await using etcd = await startEtcd()
  const counts = { gateways: 1, configstores: 1, runservices: 1, notifications: 2, executors: 1 }
  await using group = await ProcessGroup.start(counts, etcd)
  const client = group.client(0)
  const url = group.urlOf('gateway-1')
  const killed = async (name: string) => {
    await group.kill(name)
    await group.start(name)
  }
  for (const scene of scenes) {
    const { type } = scene.provider.flavour
    await addRemoteSource(client, url, scene, type)
    await linkAccount(url, scene, type)
    await createSceneProject(client, scene, { name: type, source: type })
  }
  const shas = await Promise.all(
    scenes.map(({ repository }) => repository.commit({ files: { 'other.txt': 'x' }, message: 'second' })),
  )
  expect(scenes.map(({ provider }) => provider.deliveries.at(-1)!.status)).toEqual([202, 202, 202, 202])
  const fates = () =>
    Promise.all(scenes.map(({ provider }, index) => fateOf(client, shas[index]!, `user/ann/${provider.flavour.type}`)))
  const each = (what: unknown) => scenes.map(() => what)
  await killed('gateway-1')
  await killed('configstore-1')
  const begun = expect.stringMatching(/^(running|success)$/)
  await expect.poll(fates, { timeout: waitMs }).toEqual(each(begun))
  await killed('runservice-1')
  await killed('executor-1')
  await killed('notification-1')
  await killed('notification-2')
  await expect.poll(fates, { timeout: waitMs }).toEqual(each('success'))
  const statuses = () => scenes.map(({ repository }, index) => repository.statusesOf(shas[index]!))
  await expect.poll(() => statuses().map((told) => stateOf(told.at(-1))), { timeout: waitMs }).toEqual(each('success'))
  // What was on its way may come twice, but none comes after a later one.
  const order = ['pending', 'running', 'success']
  for (const told of statuses()) {
    const places = told.map(({ state }) => order.indexOf(state))
    expect(places).toEqual(places.toSorted())
  }
})

test('a pull request of a fork waits for approval, gets nothing of the project, and says when it changes the definition', {
  timeout: 300_000,
}, async () => {
  await using scene = await openProviderScene(gitlabFlavour)
  const { provider, repository } = scene
  await using server = await TestServer.start()
  const client = await server.setUp()
  await addRemoteSource(client, server.url, scene)
  await linkAccount(server.url, scene)
  await createSceneProject(client, scene)
  // A project of a private repository is private, and then forks are those of colleagues.
  await client.call('updateProject', { params, body: { forkRuns: 'approval' } })
  const stranger = provider.createUser('stranger')
  repository.readers.add(stranger)
  const fork = provider.fork(repository, stranger)
  const changed = theDefinition.replace('sleep 1', 'true')
  await fork.commit({ branch: 'same', files: { 'other.txt': 'x' } })
  await fork.commit({ branch: 'changed', files: { [definitionFile]: changed } })
  const shas: string[] = []
  for (const branch of ['same', 'changed'])
    shas.push((await repository.openPullRequest({ head: fork, branch })).head.sha)
  for (const sha of shas) await expect.poll(() => runsOf(client, sha), { timeout: waitMs }).toHaveLength(1)
  const [same, other] = await Promise.all(shas.map(async (sha) => (await runsOf(client, sha))[0]!))
  const marks = [same, other].map((run) => run!.annotations?.definition_changed)
  expect(marks).toEqual([undefined, 'true'])
  const { tasks } = await client.call('getRun', { params: { runId: other!.id } })
  expect(tasks).toMatchObject([{ isWaitingApproval: true, status: 'notstarted' }])
})

test.each([
  ['at once', false],
  ['after what the provider said before is forgotten', true],
])(
  'a task that is approved after its repository was renamed clones it under the new name: %s',
  {
    timeout: 300_000,
  },
  async (_, isForgotten) => {
    await using scene = await openProviderScene(forgejoFlavour)
    const { provider, repository } = scene
    await using server = await TestServer.start()
    const client = await server.setUp()
    await addRemoteSource(client, server.url, scene)
    await linkAccount(server.url, scene)
    await createSceneProject(client, scene)
    const waiting = definition({ greet: { approval: true, steps: [{ clone: {} }, { run: 'cat hello.txt' }] } })
    const sha = await repository.commit({ files: { [definitionFile]: waiting }, message: 'second' })
    await expect.poll(() => fateOf(client, sha), { timeout: waitMs }).toBe('running')
    // Ssh leads nobody on from the name of before.
    provider.renameRepository(repository, 'acme/site')
    if (isForgotten) {
      await server.stop('SIGKILL')
      await server.start()
    }
    const [run] = await runsOf(client, sha)
    const { tasks } = await client.call('getRun', { params: { runId: run!.id } })
    await client.call('approveTask', { params: { runId: run!.id, taskId: tasks[0]!.id } })
    await expect.poll(() => fateOf(client, sha), { timeout: waitMs }).toBe('success')
  },
)

test('with the command line alone: an account by password, a project, a run, and a repository that goes away', {
  timeout: 300_000,
}, async () => {
  await using scene = await openProviderScene(forgejoFlavour)
  const { provider, repository, user } = scene
  await using files = new AsyncDisposableStack()
  const folder = files.use(temporaryDirectory('known-hosts')).path
  const hostKey = join(folder, 'host-key')
  writeFileSync(hostKey, `${provider.sshHostKey}\n`)
  await using server = await TestServer.start()
  await server.setUp()
  const say = async (line: string, stdin?: string) => {
    const { status, stdout, stderr } = await server.slipway(line.split(' '), stdin === undefined ? {} : { stdin })
    expect([status, stderr], line).toEqual([0, ''])
    return stdout
  }
  const source = `remote-source create forge --type forgejo --url ${provider.url} --auth password`
  await say(`${source} --ssh-host-key-file ${hostKey}`)
  const wrong = ['user', 'link', 'forge', '--username', user.login, '--password-stdin']
  const refused = await server.slipway(wrong, { stdin: 'wrong' })
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('does not take this user name')])
  expect(await say(`user link forge --username ${user.login} --password-stdin`, user.password)).toContain(user.login)
  expect(await say('user accounts')).toMatch(/forge +ann-there/)
  expect(await say('remote-source repositories forge WEB')).toContain('acme/web')
  expect(await say('project create web --from forge:acme/web')).toContain('acme/web')
  await say('runs create user/ann/web --branch main --watch')
  provider.renameRepository(repository, 'acme/site')
  expect(await say('project reconfigure user/ann/web')).toContain('acme/site')
  // The token is made anew when somebody has removed it there.
  for (const token of provider.tokens) token.isRevoked = true
  expect((await server.slipway(['project', 'reconfigure', 'user/ann/web'])).stderr).toContain('link it again')
  expect(await say('project show user/ann/web')).toContain('link it again')
  await say(`user link forge --username ${user.login} --password-stdin`, user.password)
  await say('project reconfigure user/ann/web')
  await provider.deleteRepository(repository)
  expect((await server.slipway(['runs', 'create', 'user/ann/web', '--branch', 'main'])).status).toBe(2)
  expect(await say('project show user/ann/web')).toContain('the repository is not there any more')
  await say('project delete user/ann/web')
  await expect
    .poll(() => server.output, { timeout: waitMs })
    .toContain('what a project had at its provider stays there')
  await say('user unlink forge')
})

test('in a real browser: somebody comes from the provider, registers, and logs in there from then on', {
  timeout: 300_000,
}, async () => {
  await using scene = await openProviderScene(giteaFlavour)
  const { provider, user } = scene
  await using server = await TestServer.start()
  const client = await server.setUp()
  await addRemoteSource(client, server.url, scene)
  await using browser = await openBrowser()
  const ask = (page: Page, method: string, path: string, body?: object) =>
    page.evaluate(
      async ([verb, address, json]) => {
        const headers = { 'content-type': 'application/json' }
        const answer = await fetch(address, { method: verb, ...(json === undefined ? {} : { body: json, headers }) })
        return (await answer.json()) as Record<string, unknown>
      },
      [method, `/api/v1${path}`, body === undefined ? undefined : JSON.stringify(body)] as const,
    )
  const toProvider = async (page: Page) => {
    await page.goto(`${server.url}/login`)
    const { authorizeUrl } = await ask(page, 'POST', '/login/oauth2', { remoteSourceRef: 'hub', returnTo: '/runs?a=b' })
    await page.goto(String(authorizeUrl))
    await page.getByLabel('Login').fill(user.login)
    await page.getByLabel('Password').fill(user.password)
  }
  const agree = async (page: Page, to: string) => {
    await page.getByRole('button', { name: 'Authorize' }).click()
    await page.waitForURL(`${server.url}${to}`)
  }

  const first = await (await browser.newContext()).newPage()
  await toProvider(first)
  await agree(first, '/register')
  const registration = { remoteSource: { name: 'hub' }, remoteUserName: user.login, suggestedName: 'ann-there' }
  expect(await ask(first, 'GET', '/register')).toMatchObject(registration)
  expect(await ask(first, 'POST', '/register', { name: 'ann' })).toMatchObject({ code: 'user_exists' })
  expect(await ask(first, 'POST', '/register', { name: 'ann-there' })).toMatchObject({ user: { name: 'ann-there' } })
  expect(await ask(first, 'GET', '/session')).toMatchObject({ kind: 'session', user: { name: 'ann-there' } })

  const second = await (await browser.newContext()).newPage()
  await toProvider(second)
  await second.getByRole('button', { name: 'Cancel' }).click()
  await second.waitForURL(`${server.url}/login?error=oauth2_refused&remoteSource=hub`)
  await toProvider(second)
  await agree(second, '/runs?a=b')
  expect(await ask(second, 'GET', '/session')).toMatchObject({ kind: 'session', user: { name: 'ann-there' } })
  // Nothing of it can be read by the pages, nor was told to the provider's.
  const [cookies, readable] = [await second.context().cookies(), await second.evaluate('document.cookie')]
  expect([cookies.filter(({ httpOnly }) => !httpOnly), readable]).toEqual([[], ''])
  expect(provider.violations).toEqual([])
})
