import { describe, expect, test } from 'vitest'
import { stopHook } from '../../../test/providers/gitlab-json.ts'
import { gitlabFlavour } from '../../../test/providers/gitlab-server.ts'
import { ProviderServer, type ServerUser } from '../../../test/providers/provider-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { newSshKey } from '../../lib/ssh-key.ts'
import type { CommitStatusState } from '../provider.ts'
import { ProviderConnections } from '../provider-connections.ts'
import { providerContract } from '../provider-contract.ts'
import { parseWebhook } from '../webhooks/webhook.ts'
import { gitlabApiUrl, gitlabWebUrl } from './gitlab-address.ts'
import { GitlabProvider } from './gitlab-provider.ts'

const signal = new AbortController().signal
const hook = { url: 'https://slipway.example.com/webhooks/p1', secret: 'the secret' }

async function open() {
  const server = await ProviderServer.open(gitlabFlavour)
  const connections = new ProviderConnections()
  const alice = server.createUser('alice')
  const openAs = (user: ServerUser) =>
    new GitlabProvider({ type: 'gitlab', apiUrl: server.url, skipVerify: false }, server.createToken(user).text, {
      clock: systemClock,
      connections,
    })
  const provider = openAs(alice)
  return {
    server,
    alice,
    openAs,
    provider,
    repository: async (path: string) => {
      const made = await server.createRepository(path, { administrator: alice, files: { a: 'b' } })
      return [made, await provider.getRepository({ path }, signal)] as const
    },
    [Symbol.asyncDispose]: async () => {
      connections[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

describe('GitLab', () => {
  providerContract({
    openServer: () => ProviderServer.open(gitlabFlavour),
    states: {
      queued: 'pending',
      running: 'running',
      success: 'success',
      failed: 'failed',
      error: 'failed',
      cancelled: 'canceled',
    },
    descriptionCharactersMax: 255,
    definitionRequestsMax: 2,
    pages: { commit: '-/commit', branch: '-/tree', tag: '-/tags', pullRequest: '-/merge_requests' },
    actsById: true,
    archivedTakesHooks: true,
  })

  test('a project in nested groups is found by its whole path, and in a search by any part of it', async () => {
    await using world = await open()
    const [made] = await world.repository('acme/team/sub/web')
    const found = await world.provider.getRepository({ path: 'acme/team/sub/web' }, signal)
    expect(found).toMatchObject({ id: String(made.id), path: 'acme/team/sub/web' })
    for (const search of ['team/sub', 'WEB', 'we'])
      expect((await world.provider.listRepositories({ search }, signal)).items).toMatchObject([{ id: found.id }])
  })

  test('who administers a project through a group is known, though the project itself does not tell', async () => {
    await using world = await open()
    const [made] = await world.repository('acme/team/web')
    const { canAdminister } = await world.provider.getRepository({ id: String(made.id) }, signal)
    expect(canAdminister).toBe(true)
    const bob = world.server.createUser('bob')
    made.readers.add(bob)
    expect(await world.openAs(bob).getRepository({ id: String(made.id) }, signal)).toMatchObject({
      canAdminister: false,
    })
  })

  test('a hook is for pushes of any branch, tags and merge requests', async () => {
    await using world = await open()
    const [made, repository] = await world.repository('acme/web')
    await world.provider.ensureHook(repository, hook, signal)
    expect(made.hooks).toMatchObject([{ events: ['push_events', 'tag_push_events', 'merge_requests_events'] }])
    const asked = world.server.requests.findLast(({ method }) => method === 'POST')
    expect(asked?.body).toMatchObject({ branch_filter_strategy: 'all_branches', push_events_branch_filter: '' })
  })

  test.each(['disabled', 'temporarily_disabled'] as const)(
    'a hook that GitLab does not call any more (%s) is replaced',
    async (how) => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const first = await world.provider.ensureHook(repository, hook, signal)
      stopHook(made.hooks[0]!, how)
      const second = await world.provider.ensureHook(repository, hook, signal)
      expect(second).not.toBe(first)
      expect(made.hooks).toMatchObject([{ id: Number(second), isActive: true }])
    },
  )

  test('a key that was added by hand under another title, or that may write, is replaced', async () => {
    await using world = await open()
    const [made, repository] = await world.repository('acme/web')
    const key = newSshKey('slipway').publicKey
    made.keys.push({ id: 1, title: 'ours', key, isReadOnly: false }, { id: 2, title: 'by hand', key, isReadOnly: true })
    const id = await world.provider.ensureDeployKey(repository, { title: 'ours', publicKey: key }, signal)
    expect(made.keys).toMatchObject([{ id: Number(id), title: 'ours', isReadOnly: true }])
  })

  test('a key that another project has, too, is taken with the title it has, and stays there when it goes here', async () => {
    await using world = await open()
    const [made, repository] = await world.repository('acme/web')
    const [other] = await world.repository('acme/other')
    const { publicKey } = newSshKey('slipway')
    other.keys.push({ id: 7, title: 'of both', key: publicKey, isReadOnly: false })
    const key = { title: 'ours', publicKey }
    for (let round = 0; round < 2; round++) {
      expect(await world.provider.ensureDeployKey(repository, key, signal)).toBe('7')
      expect(made.keys).toMatchObject([{ id: 7, isReadOnly: true }])
    }
    await world.provider.removeDeployKey(repository, { id: '7', title: 'ours' }, signal)
    expect(made.keys).toEqual([])
    expect(other.keys).toMatchObject([{ id: 7, title: 'of both', isReadOnly: false }])
  })

  test('a key that a project of others has is refused, in words', async () => {
    await using world = await open()
    const [, repository] = await world.repository('acme/web')
    const bob = world.server.createUser('bob')
    const others = await world.server.createRepository('bob/web', { administrator: bob })
    const { publicKey } = newSshKey('slipway')
    others.keys.push({ id: 7, title: 'theirs', key: publicKey, isReadOnly: true })
    const adding = world.provider.ensureDeployKey(repository, { title: 'ours', publicKey }, signal)
    await expect(adding).rejects.toMatchObject({
      code: 'provider_refused',
      message: expect.stringContaining('has already been taken'),
    })
  })

  describe('statuses', () => {
    const say = async (states: readonly CommitStatusState[]): Promise<string | undefined> => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const commitSha = made.git('rev-parse', 'main')
      for (const state of states)
        await world.provider.setCommitStatus(repository, { commitSha, state, context: 'c', description: '' }, signal)
      expect(made.statuses.length).toBeGreaterThan(0)
      return made.statuses.at(-1)?.state
    }

    test.each([
      [['queued', 'queued'], 'pending'],
      [['queued', 'running', 'running', 'success'], 'success'],
      // It cannot go back, and shows what is further.
      [['running', 'queued'], 'running'],
      [['running', 'queued', 'failed'], 'failed'],
      // One that has ended is left as it is, and another one begins.
      [['success', 'success'], 'success'],
      [['failed', 'queued', 'running', 'success'], 'success'],
      [['cancelled', 'running'], 'running'],
    ] as const)('%j end as %s', async (states, last) => {
      expect(await say(states)).toBe(last)
    })

    test('an address that is too long is left out, for a part of it would lead elsewhere', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const commitSha = made.git('rev-parse', 'main')
      const targetUrl = `https://slipway.example.com/${'x'.repeat(255)}`
      const context = 'c'.repeat(300)
      const status = { commitSha, state: 'success', context, description: '', targetUrl } as const
      await world.provider.setCommitStatus(repository, status, signal)
      expect(made.statuses).toMatchObject([{ targetUrl: '' }])
    })

    test('that of a merge request from a fork is set where its branch is, if one may', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const fork = world.server.fork(made, world.server.createUser('carol'))
      fork.administrators.add(world.alice)
      const commitSha = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      await made.openPullRequest({ head: fork, branch: 'change' })
      const status = { commitSha, state: 'success', context: 'c', description: '' } as const
      await world.provider.setCommitStatus(repository, status, signal)
      expect(fork.statuses).toMatchObject([{ sha: commitSha, state: 'success' }])
      expect(made.statuses).toEqual([])
    })

    test.each([
      ['a developer of the fork sets it there', 'writers', [0, 1]],
      ['who may only read the fork sets it in the project', 'readers', [1, 0]],
    ] as const)('%s', async (_, role, counts) => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const fork = world.server.fork(made, world.server.createUser('carol'))
      fork[role].add(world.alice)
      const commitSha = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      await made.openPullRequest({ head: fork, branch: 'change' })
      const status = { commitSha, state: 'success', context: 'c', description: '' } as const
      await world.provider.setCommitStatus(repository, status, signal)
      expect([made.statuses.length, fork.statuses.length]).toEqual(counts)
    })

    test('one that another user began stays that one, and does not keep this from being said', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const bob = world.server.createUser('bob')
      made.writers.add(bob)
      const status = { commitSha: made.git('rev-parse', 'main'), context: 'c', description: '' } as const
      await world.openAs(bob).setCommitStatus(repository, { ...status, state: 'running' }, signal)
      for (const state of ['queued', 'running', 'failed'] as const)
        await world.provider.setCommitStatus(repository, { ...status, state }, signal)
      // GitLab shows the newest of a name.
      expect(made.statuses.map(({ state }) => state)).toEqual(['running', 'failed'])
    })

    test('that of a merge request whose fork is gone stays with the project', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const fork = world.server.fork(made, world.server.createUser('carol'))
      const commitSha = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      await made.openPullRequest({ head: fork, branch: 'change' })
      await world.server.deleteRepository(fork)
      const status = { commitSha, state: 'success', context: 'c', description: '' } as const
      await world.provider.setCommitStatus(repository, status, signal)
      expect(made.statuses).toMatchObject([{ sha: commitSha, state: 'success' }])
    })

    test('one that is being set by somebody else may be tried again', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web')
      const message = 'Another update to this commit status is in progress'
      world.server.addFault({ kind: 'status', status: 409, method: 'POST', body: { message } })
      const commitSha = made.git('rev-parse', 'main')
      const status = { commitSha, state: 'success', context: 'c', description: '' } as const
      const setting = world.provider.setCommitStatus(repository, status, signal)
      await expect(setting).rejects.toMatchObject({ code: 'provider_unavailable' })
    })
  })

  test('what its hooks say: the newest commit of a push, the commit of an annotated tag, and what happened', async () => {
    await using world = await open()
    const [made, repository] = await world.repository('acme/web')
    await world.provider.ensureHook(repository, { ...hook, url: 'http://127.0.0.1:1/' }, signal)
    const sha = await made.commit({ files: { a: 'c' }, message: 'The newest' })
    await made.tag('v1', { isAnnotated: true })
    made.git('branch', 'same')
    await made.pushed([{ ref: 'refs/heads/same', before: '0'.repeat(40), after: sha, user: world.alice }])
    await made.removeRef('refs/heads/same')
    await made.commit({ files: { c: 'd' }, branch: 'change' })
    const request = await made.openPullRequest({ branch: 'change' })
    await made.labelPullRequest(request, 'ci')
    await made.closePullRequest(request)
    await made.reopenPullRequest(request)
    const events = world.server.deliveries.map(({ headers, body }) => {
      const parsed = parseWebhook({ headers, body: Buffer.from(body) }, 'gitlab')
      return parsed.kind === 'event' ? parsed.event : parsed.why
    })
    const ofRequest = { kind: 'pull_request', pullRequestId: '1', isFork: false }
    expect(events).toMatchObject([
      { kind: 'branch', branch: 'main', commitSha: sha, message: 'The newest' },
      { kind: 'tag', tag: 'v1', commitSha: sha },
      // A new branch that brings no commits is a push like others.
      { kind: 'branch', branch: 'same', commitSha: sha },
      expect.stringMatching(/deleted/),
      { kind: 'branch', branch: 'change' },
      { ...ofRequest, action: 'changed' },
      { ...ofRequest, action: 'labelled' },
      { ...ofRequest, action: 'closed' },
      { ...ofRequest, action: 'changed' },
    ])
  })
})

test.each([
  ['https://gitlab.example.com', 'https://gitlab.example.com'],
  ['https://gitlab.example.com/', 'https://gitlab.example.com'],
  ['https://gitlab.example.com/api/v4', 'https://gitlab.example.com'],
  ['https://gitlab.example.com/api/v4/', 'https://gitlab.example.com'],
  ['https://example.com/gitlab/', 'https://example.com/gitlab'],
])('the GitLab at %s has its pages at %s', (given, web) => {
  expect(gitlabWebUrl(given)).toBe(web)
  expect(gitlabApiUrl(given)).toBe(`${web}/api/v4`)
})
