// From an account at a provider to runs of its repositories: real processes, the provider's own requests, and every process killed on
// the way.

import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { forgejoFlavour, giteaFlavour } from '../providers/gitea-server.ts'
import { githubFlavour } from '../providers/github-server.ts'
import { gitlabFlavour } from '../providers/gitlab-server.ts'
import {
  addRemoteSource,
  definitionFile,
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

async function deliveriesOf(client: ApiClient): Promise<string> {
  const { items } = await client.call('listDeliveries', { params }).catch(() => ({ items: [] }))
  return items.map(({ event, state, message }) => `${event} ${state}: ${message}`).join('; ')
}

/** What became of the commit's only run. */
async function fateOf(client: ApiClient, sha: string): Promise<string> {
  const found = await runsOf(client, sha).catch(() => [])
  if (found.length !== 1) return `${found.length} runs; ${await deliveriesOf(client)}`
  return found[0]!.phase === 'finished' ? found[0]!.result : found[0]!.phase
}

async function createProject(client: ApiClient, { repository }: ProviderScene): Promise<void> {
  const { items } = await client.call('listRemoteRepositories', {
    params: { remoteSourceRef: 'hub' },
    query: { search: 'web' },
  })
  expect(items).toMatchObject([{ path: repository.path, defaultBranch: 'main', isPrivate: true }])
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryId: items[0]!.id } as const
  const project = await client.call('createProject', { body: { name: 'web', source } })
  expect(project).toMatchObject({ isSourceBroken: false, defaultBranch: 'main', hasWebhookSecret: true })
  expect(project).not.toHaveProperty('sourceTrouble')
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
    timeout: 240_000,
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
    await createProject(client, scene)
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

test('a pull request of a fork waits for approval, gets nothing of the project, and says when it changes the definition', {
  timeout: 120_000,
}, async () => {
  await using scene = await openProviderScene(gitlabFlavour)
  const { provider, repository } = scene
  await using server = await TestServer.start()
  const client = await server.setUp()
  await addRemoteSource(client, server.url, scene)
  await linkAccount(server.url, scene)
  await createProject(client, scene)
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
