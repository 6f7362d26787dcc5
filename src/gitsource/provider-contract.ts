// What every provider promises, held against a server that is like the real one. Requests and answers that the provider does not
// describe fail a test when its server is disposed.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProviderServer, ServerUser } from '../../test/providers/provider-server.ts'
import type { ServerRepository } from '../../test/providers/server-repository.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { newSshKey } from '../lib/ssh-key.ts'
import { isSameKey } from './deploy-keys.ts'
import { openOAuth2 } from './oauth2.ts'
import { openProvider } from './open-provider.ts'
import { type CommitStatusState, commitStatusStates, type Provider, type RemoteRepository } from './provider.ts'
import { ProviderConnections } from './provider-connections.ts'
import type { ProviderComponents } from './provider-http.ts'
import { isSigned, parseWebhook } from './webhooks/webhook.ts'

export type ProviderContract = {
  readonly openServer: () => Promise<ProviderServer>
  /** What the provider calls the states. */
  readonly states: Readonly<Record<CommitStatusState, string>>
  readonly descriptionCharactersMax: number
  /** For the definition of a commit, one file in its folder. */
  readonly definitionRequestsMax: number
  /** Where its pages are, below that of the repository. */
  readonly pages: {
    readonly commit: string
    readonly branch: string
    readonly tag: string
    readonly pullRequest: string
  }
  /** Whether operations name the repository by its id, so that another one that took its path is left alone. */
  readonly actsById: boolean
  /** Whether a hook can be added to an archived repository; else the provider says that it is archived. */
  readonly archivedTakesHooks?: boolean
}

const signal = new AbortController().signal
const files = { '.slipway/config.yml': 'version: v0\n', 'README.md': 'A repository\n' }
const hookUrl = 'http://127.0.0.1:1/webhooks/p1?a=b'
const missingSha = 'a'.repeat(40)

/** Waits are over at once; everything else is as ever. */
const hastyClock: Clock = { ...systemClock, sleep: (_ms, waiting) => systemClock.sleep(0, waiting) }

export function publicKey(comment = 'slipway'): string {
  return newSshKey(comment).publicKey
}

class World implements AsyncDisposable {
  readonly server: ProviderServer
  readonly components: ProviderComponents & { readonly connections: ProviderConnections }
  readonly alice: ServerUser
  readonly provider: Provider

  constructor(server: ProviderServer) {
    this.server = server
    this.components = { clock: hastyClock, connections: new ProviderConnections() }
    this.alice = server.createUser('alice')
    this.provider = this.openAs(this.alice)
  }

  get settings() {
    return { type: this.server.flavour.type, apiUrl: `${this.server.url}/`, skipVerify: false }
  }

  openAs(user: ServerUser): Provider {
    return this.openWith(this.server.createToken(user).text)
  }

  openWith(accessToken: string): Provider {
    return openProvider(this.settings, { kind: 'token', accessToken }, this.components)
  }

  async repository(path = 'acme/web', more: object = {}): Promise<[ServerRepository, RemoteRepository]> {
    const made = await this.server.createRepository(path, { administrator: this.alice, files, ...more })
    return [made, await this.provider.getRepository({ path }, signal)]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.components.connections[Symbol.dispose]()
    await this.server[Symbol.asyncDispose]()
  }
}

export function providerContract({
  openServer,
  states,
  descriptionCharactersMax,
  definitionRequestsMax,
  pages,
  actsById,
  archivedTakesHooks = false,
}: ProviderContract): void {
  const open = async () => new World(await openServer())

  describe('users', () => {
    test('a token tells whose it is', async () => {
      await using world = await open()
      const user = await world.provider.currentUser(signal)
      expect(user).toMatchObject({ id: String(world.alice.id), login: 'alice', email: 'alice@example.org' })
    })

    test('a token that is wrong, expired or revoked is refused', async () => {
      await using world = await open()
      const tokens = ['nonsense', '', ...['expired', 'revoked'].map(() => world.server.createToken(world.alice).text)]
      world.server.tokens.at(-2)!.expiresAt = world.server.now() - 1
      world.server.tokens.at(-1)!.isRevoked = true
      for (const token of tokens)
        await expect(world.openWith(token).currentUser(signal)).rejects.toMatchObject({ code: 'provider_unauthorized' })
    })
  })

  describe('repositories', () => {
    test('those are listed that the user administers, page by page, each once', async () => {
      await using world = await open()
      world.server.pageItemsMax = 2
      const bob = world.server.createUser('bob')
      for (let number = 0; number < 7; number++) await world.repository(`acme/web${number}`)
      for (const name of ['private', 'public'])
        await world.server.createRepository(`bob/${name}`, { administrator: bob, isPrivate: name === 'private' })
      const found: string[] = []
      let cursor: string | undefined
      do {
        const page = await world.provider.listRepositories(
          { limit: 3, ...(cursor === undefined ? {} : { cursor }) },
          signal,
        )
        expect(page.items.length).toBeLessThanOrEqual(3)
        found.push(...page.items.map(({ path }) => path))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      expect(found.toSorted()).toEqual(Array.from({ length: 7 }, (_, number) => `acme/web${number}`))
    })

    test('a search finds part of the path, in any case', async () => {
      await using world = await open()
      for (const path of ['acme/web', 'acme/website', 'acme/server']) await world.repository(path)
      const search = async (text: string) =>
        (await world.provider.listRepositories({ search: text }, signal)).items.map(({ path }) => path).toSorted()
      expect(await search('WEB')).toEqual(['acme/web', 'acme/website'])
      expect(await search('nothing')).toEqual([])
    })

    test('a cursor that nobody gave is refused', async () => {
      await using world = await open()
      await expect(world.provider.listRepositories({ cursor: '../x' }, signal)).rejects.toMatchObject({
        code: 'cursor_invalid',
      })
    })

    test('one is found by its path and by its id', async () => {
      await using world = await open()
      const [made, byPath] = await world.repository('acme/web', { defaultBranch: 'trunk', isPrivate: true })
      expect(byPath).toEqual({
        id: String(made.id),
        path: 'acme/web',
        htmlUrl: made.webUrl,
        sshCloneUrl: made.sshUrl,
        httpCloneUrl: made.cloneUrl,
        defaultBranch: 'trunk',
        isPrivate: true,
        isArchived: false,
        canAdminister: true,
      })
      expect(await world.provider.getRepository({ id: byPath.id }, signal)).toEqual(byPath)
    })

    test('an empty one has no default branch, and no refs', async () => {
      await using world = await open()
      await world.server.createRepository('acme/empty', { administrator: world.alice })
      const empty = await world.provider.getRepository({ path: 'acme/empty' }, signal)
      expect(empty).not.toHaveProperty('defaultBranch')
      const source = world.provider.openSource(empty)
      expect(await source.findDefaultBranch(signal)).toBeUndefined()
      expect(await source.listRefs(signal)).toEqual([])
      expect(await source.findRef('refs/heads/main', signal)).toBeUndefined()
      await expect(source.getCommit(missingSha, undefined, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
    })

    test('who may only read one does not administer it; what is archived says so', async () => {
      await using world = await open()
      const [made] = await world.repository()
      made.isArchived = true
      const bob = world.server.createUser('bob')
      made.readers.add(bob)
      const seen = await world.openAs(bob).getRepository({ path: 'acme/web' }, signal)
      expect(seen).toMatchObject({ canAdminister: false, isArchived: true })
    })

    test('after a rename its old path and its id lead to it', async () => {
      await using world = await open()
      const [made, { id }] = await world.repository()
      world.server.renameRepository(made, 'acme/site')
      expect(await world.provider.getRepository({ id }, signal)).toMatchObject({ id, path: 'acme/site' })
      expect(await world.provider.getRepository({ path: 'acme/web' }, signal)).toMatchObject({ id, path: 'acme/site' })
    })

    test.each(['acme/none', 'acme', 'acme/..', '../user', 'acme/web/../../x', 'acme/ü?a=b#c', '/', ''])(
      'one that is not there is not found: %j',
      async (path) => {
        await using world = await open()
        await world.repository()
        await expect(world.provider.getRepository({ path }, signal)).rejects.toMatchObject({
          code: 'remote_repository_not_found',
        })
      },
    )

    test('one that was deleted, or is hidden from the user, is not found by anything', async () => {
      await using world = await open()
      const [made, repository] = await world.repository('acme/web', { isPrivate: true })
      const sha = made.git('rev-parse', 'main')
      const hidden = world.openAs(world.server.createUser('bob'))
      const { provider } = world
      for (const [eyes, isDeleted] of [
        [hidden, false],
        [provider, true],
      ] as const) {
        if (isDeleted) world.server.deleteRepository(made)
        const source = eyes.openSource(repository)
        for (const asking of [
          () => eyes.getRepository({ id: repository.id }, signal),
          () => eyes.getRepository({ path: repository.path }, signal),
          () => eyes.ensureHook(repository, { url: hookUrl, secret: 's' }, signal),
          () => eyes.ensureDeployKey(repository, { title: 't', publicKey: publicKey() }, signal),
          () =>
            eyes.setCommitStatus(
              repository,
              { commitSha: sha, state: 'success', context: 'c', description: '' },
              signal,
            ),
          () => source.listRefs(signal),
          () => source.findRef('refs/heads/main', signal),
          () => source.findDefaultBranch(signal),
          () => source.getCommit(sha, undefined, signal),
          () => source.readFiles({ sha, ref: undefined }, '.slipway', ['config.yml'], signal),
        ])
          await expect(asking()).rejects.toMatchObject({ code: 'remote_repository_not_found' })
      }
    })

    test('everything works on with what was known before a rename', async () => {
      await using world = await open()
      const [made, before] = await world.repository()
      world.server.renameRepository(made, 'acme/site')
      await allOperations(world.provider, before, made)
      expect(made.hooks).toHaveLength(1)
      expect(made.keys).toHaveLength(1)
      expect(made.statuses).toHaveLength(1)
    })

    if (actsById)
      test('another repository that took the path is left alone', async () => {
        await using world = await open()
        const [made, before] = await world.repository()
        world.server.renameRepository(made, 'acme/site')
        const [other] = await world.repository('acme/web')
        await allOperations(world.provider, before, made)
        expect([other.hooks, other.keys, other.statuses]).toEqual([[], [], []])
        expect(made.hooks).toHaveLength(1)
      })
  })

  describe('deploy keys', () => {
    const title = 'Slipway acme/web'

    test('one is made that may only read, and stays as it is', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const key = { title, publicKey: publicKey('a comment') }
      const id = await world.provider.ensureDeployKey(repository, key, signal)
      expect(made.keys).toMatchObject([{ id: Number(id), title, isReadOnly: true }])
      const [before] = made.keys
      expect(await world.provider.ensureDeployKey(repository, key, signal)).toBe(id)
      expect(made.keys[0]).toBe(before)
      expect(made.keys).toHaveLength(1)
    })

    test('another key of that title is replaced, others stay, also beyond the first page', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      for (const other of ['one', 'two', 'three'])
        await world.provider.ensureDeployKey(repository, { title: other, publicKey: publicKey() }, signal)
      await world.provider.ensureDeployKey(repository, { title, publicKey: publicKey() }, signal)
      world.server.pageItemsMax = 2
      const publicKeyNow = publicKey()
      await world.provider.ensureDeployKey(repository, { title, publicKey: publicKeyNow }, signal)
      expect(made.keys.map((key) => key.title)).toEqual(['one', 'two', 'three', title])
      expect(isSameKey(made.keys.at(-1)!.key, publicKeyNow)).toBe(true)
    })

    test('one is removed by its id or its title, and others are not', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const id = await world.provider.ensureDeployKey(repository, { title: 'old', publicKey: publicKey() }, signal)
      for (const name of [title, 'other'])
        await world.provider.ensureDeployKey(repository, { title: name, publicKey: publicKey() }, signal)
      world.server.pageItemsMax = 1
      await world.provider.removeDeployKey(repository, { id, title }, signal)
      expect(made.keys.map((key) => key.title)).toEqual(['other'])
      await world.provider.removeDeployKey(repository, { id, title }, signal)
    })
  })

  describe('hooks', () => {
    const secret = 'the secret of the hook'

    test('one is made that sends what our own parser understands', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      await world.provider.ensureHook(repository, { url: hookUrl, secret }, signal)
      expect(made.hooks).toMatchObject([{ url: hookUrl, secret, isActive: true }])
      const sha = await made.commit({ files: { a: 'b' }, message: 'A push', branch: 'feature/é#1', user: world.alice })
      await made.tag('v1', { isAnnotated: true })
      const fork = world.server.fork(made, world.server.createUser('carol'))
      await fork.commit({ files: { c: 'd' }, branch: 'change' })
      const pullRequest = await made.openPullRequest({ head: fork, branch: 'change', title: 'From a fork' })
      const newer = await fork.commit({ files: { c: 'e' }, branch: 'change' })
      await made.closePullRequest(pullRequest)
      const { type } = world.server.flavour
      const events = world.server.deliveries.flatMap(({ headers, body }) => {
        const webhook = { headers, body: Buffer.from(body) }
        expect(isSigned(webhook, type, [secret])).toBe(true)
        expect(isSigned(webhook, type, ['another'])).toBe(false)
        const parsed = parseWebhook(webhook, type)
        expect(parsed.repositoryId).toBe(repository.id)
        if (parsed.kind === 'ignored') expect(parsed.why).toMatch(/tries the hook/)
        return parsed.kind === 'event' ? [parsed.event] : []
      })
      const ref = world.provider.pullRequestRef(String(pullRequest.number))
      const ofFork = {
        kind: 'pull_request',
        pullRequestId: String(pullRequest.number),
        ref,
        isFork: true,
        message: 'From a fork',
      }
      expect(events).toMatchObject([
        { kind: 'branch', branch: 'feature/é#1', commitSha: sha, message: 'A push', sender: 'alice' },
        { kind: 'tag', tag: 'v1', ref: 'refs/tags/v1' },
        { ...ofFork, action: 'changed' },
        { ...ofFork, action: 'changed', commitSha: newer, targetBranch: 'main' },
        { ...ofFork, action: 'closed' },
      ])
    })

    test('the same again changes nothing but the secret', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const id = await world.provider.ensureHook(repository, { url: hookUrl, secret }, signal)
      expect(await world.provider.ensureHook(repository, { url: hookUrl, secret: 'a newer one' }, signal)).toBe(id)
      expect(made.hooks).toMatchObject([{ id: Number(id), url: hookUrl, secret: 'a newer one' }])
    })

    test('one that somebody switched off or changed is repaired; doubles go, beyond the first page too', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const { provider } = world
      const id = await provider.ensureHook(repository, { url: hookUrl, secret }, signal)
      await provider.ensureHook(repository, { url: 'http://127.0.0.1:1/other', secret }, signal)
      const [ours, other] = made.hooks
      const right = { ...ours }
      Object.assign(ours!, { isActive: false, events: [], secret: 'x' })
      made.hooks.push({ ...ours!, id: world.server.nextId() }, { ...ours!, id: world.server.nextId() })
      world.server.pageItemsMax = 1
      expect(await provider.ensureHook(repository, { url: hookUrl, secret }, signal)).toBe(id)
      expect(made.hooks).toEqual([right, other])
    })

    test('one is removed by its id or its URL, and others are not', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const ids: string[] = []
      for (const url of [hookUrl, 'http://127.0.0.1:1/old', 'http://127.0.0.1:1/other'])
        ids.push(await world.provider.ensureHook(repository, { url, secret }, signal))
      world.server.pageItemsMax = 1
      await world.provider.removeHook(repository, { id: ids[1]!, url: hookUrl }, signal)
      expect(made.hooks.map(({ url }) => url)).toEqual(['http://127.0.0.1:1/other'])
      await world.provider.removeHook(repository, { id: ids[1]!, url: hookUrl }, signal)
    })

    test('who may not is told so in the words of the provider', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      made.isArchived = true
      const making = world.provider.ensureHook(repository, { url: hookUrl, secret }, signal)
      if (archivedTakesHooks) return void expect(await making).toMatch(/^\d+$/)
      await expect(making).rejects.toMatchObject({
        code: 'provider_refused',
        message: expect.stringMatching(/archived/i),
      })
    })
  })

  describe('commit statuses', () => {
    test.each(commitStatusStates)(
      '%s is shown as what the provider has for it, and may be said again',
      async (state) => {
        await using world = await open()
        const [made, repository] = await world.repository()
        const commitSha = made.git('rev-parse', 'main')
        const status = { commitSha, state, context: 'slipway/project/run', description: 'Says what it is' }
        const targetUrl = 'https://slipway.example.com/runs/1'
        await world.provider.setCommitStatus(repository, { ...status, targetUrl }, signal)
        await world.provider.setCommitStatus(repository, { ...status, targetUrl }, signal)
        expect(made.statuses.at(-1)).toMatchObject({
          sha: commitSha,
          state: states[state],
          context: status.context,
          description: status.description,
          targetUrl,
        })
      },
    )

    test('one goes from queued to its end', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const commitSha = made.git('rev-parse', 'main')
      for (const state of ['queued', 'running', 'success'] as const)
        await world.provider.setCommitStatus(repository, { commitSha, state, context: 'c', description: state }, signal)
      expect(made.statuses.at(-1)).toMatchObject({ state: states.success, description: 'success' })
    })

    test('a long description is cut to what the provider takes, and not within a character', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const commitSha = made.git('rev-parse', 'main')
      const description = '😀'.repeat(descriptionCharactersMax + 1)
      await world.provider.setCommitStatus(
        repository,
        { commitSha, state: 'failed', context: 'c', description },
        signal,
      )
      const shown = made.statuses.at(-1)!.description
      expect([...shown].length).toBeLessThanOrEqual(descriptionCharactersMax)
      expect(shown).toMatch(/^(😀)+…?$/u)
    })

    test('a commit of a pull request from a fork gets one as well', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const fork = world.server.fork(made, world.server.createUser('carol'))
      const commitSha = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      await made.openPullRequest({ head: fork, branch: 'change' })
      await world.provider.setCommitStatus(
        repository,
        { commitSha, state: 'success', context: 'c', description: '' },
        signal,
      )
      expect(made.statuses.at(-1)).toMatchObject({ sha: commitSha, state: states.success })
    })

    test('a commit that is not there gets none', async () => {
      await using world = await open()
      const [, repository] = await world.repository()
      const status = { commitSha: missingSha, state: 'success', context: 'c', description: '' } as const
      const setting = world.provider.setCommitStatus(repository, status, signal)
      await expect(setting).rejects.toMatchObject({ code: expect.stringMatching(/commit_not_found|provider_refused/) })
    })
  })

  describe('refs and commits', () => {
    test('branches and tags are listed with their commits, annotated tags too, over all pages', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      world.server.pageItemsMax = 2
      const main = made.git('rev-parse', 'main')
      const branches = ['a/b', 'feature', 'feature2', 'main']
      for (const branch of branches.slice(0, 3)) made.git('branch', branch)
      for (const name of ['light', 'light2']) await made.tag(name)
      await made.tag('annotated', { isAnnotated: true })
      made.git('tag', '--annotate', '--message', 'Of a tag', 'of-a-tag', 'annotated')
      const names = [
        ...branches.map((branch) => `refs/heads/${branch}`),
        ...['annotated', 'light', 'light2', 'of-a-tag'].map((tag) => `refs/tags/${tag}`),
      ]
      const source = world.provider.openSource(repository)
      const refs = await source.listRefs(signal)
      expect(refs.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
        names.map((name) => ({ name, commitSha: main })),
      )
      for (const name of names) expect(await source.findRef(name, signal)).toEqual({ name, commitSha: main })
      expect(await source.findDefaultBranch(signal)).toBe('main')
    })

    test.each([
      'refs/heads/feat',
      'refs/heads/none',
      'refs/tags/main',
      'refs/heads/a',
      'refs/heads/../main',
      'main',
      'refs/heads/ä?b#',
    ])('a ref that is not there is not found: %s', async (name) => {
      await using world = await open()
      const [made, repository] = await world.repository()
      for (const branch of ['feature', 'a/b']) made.git('branch', branch)
      expect(await world.provider.openSource(repository).findRef(name, signal)).toBeUndefined()
    })

    test('a pull request has a ref, and so has a branch with odd characters', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const fork = world.server.fork(made, world.server.createUser('carol'))
      const ofFork = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      const { number } = await made.openPullRequest({ head: fork, branch: 'change' })
      const source = world.provider.openSource(repository)
      const name = world.provider.pullRequestRef(String(number))
      expect(await source.findRef(name, signal)).toEqual({ name, commitSha: ofFork })
      const odd = await made.commit({ files: { a: 'b' }, branch: 'fix/#7%20é&c=d+e' })
      expect(await source.findRef('refs/heads/fix/#7%20é&c=d+e', signal)).toMatchObject({ commitSha: odd })
    })

    test('a commit tells its message and author', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({ files: { a: 'b' }, message: 'Subject é\n\nBody\n[ci skip]' })
      const source = world.provider.openSource(repository)
      expect(await source.getCommit(sha, 'refs/heads/main', signal)).toEqual({
        sha,
        message: 'Subject é\n\nBody\n[ci skip]',
        author: 'Test',
      })
      for (const missing of [missingSha, 'main', '../../user'])
        await expect(source.getCommit(missing, undefined, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
    })
  })

  describe('files', () => {
    const names = ['config.star', 'config.jsonnet', 'config.json', 'config.yml']

    test('a definition is read with few requests', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({ files: { '.slipway/config.yml': 'text: é\n', '.slipway/other.yml': '' } })
      await made.commit({ files: { '.slipway/config.yml': 'newer' } })
      const before = world.server.requests.length
      const source = world.provider.openSource(repository)
      const read = await source.readFiles({ sha, ref: 'refs/heads/main' }, '.slipway', names, signal)
      expect(read).toEqual([{ path: '.slipway/config.yml', text: 'text: é\n' }])
      expect(world.server.requests.length - before).toBeLessThanOrEqual(definitionRequestsMax)
    })

    test('links, folders and submodules are no files, and a missing folder is empty', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({
        files: { '.slipway/config.json/x': 'in a folder', '.slipway/config.yml': 'A definition', 'a-file': '' },
        links: { '.slipway/config.star': '../README.md', 'a-link': '.slipway' },
        submodules: { '.slipway/config.jsonnet': missingSha },
      })
      const source = world.provider.openSource(repository)
      const read = (folder: string) => source.readFiles({ sha, ref: 'refs/heads/main' }, folder, names, signal)
      expect(await read('.slipway')).toEqual([{ path: '.slipway/config.yml', text: 'A definition' }])
      for (const folder of ['none', 'a-file', 'a-link', '.slipway/none', 'ü?#%']) expect(await read(folder)).toEqual([])
    })

    test('one that is larger than a definition may be is refused', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const bytes = limits.definitionBytes.value
      const source = world.provider.openSource(repository)
      const read = (sha: string) => source.readFiles({ sha, ref: undefined }, '.slipway', names, signal)
      const full = await made.commit({ files: { '.slipway/config.yml': 'x'.repeat(bytes) } })
      expect((await read(full))[0]!.text).toHaveLength(bytes)
      const tooMuch = await made.commit({ files: { '.slipway/config.yml': 'x'.repeat(bytes + 1) } })
      await expect(read(tooMuch)).rejects.toMatchObject({ code: 'limit_exceeded' })
    })

    test('a commit that is not there has none', async () => {
      await using world = await open()
      const [, repository] = await world.repository()
      const source = world.provider.openSource(repository)
      for (const sha of [missingSha, 'main'])
        await expect(source.readFiles({ sha, ref: undefined }, '.slipway', names, signal)).rejects.toMatchObject({
          code: 'commit_not_found',
        })
    })
  })

  test('links lead to the pages of the provider, with names escaped', async () => {
    await using world = await open()
    const [, repository] = await world.repository()
    const links = world.provider.linksOf(repository, {
      commitSha: missingSha,
      branch: 'a/b#1',
      tag: 'v 1',
      pullRequestId: '7',
    })
    expect(links).toEqual({
      commit: `${repository.htmlUrl}/${pages.commit}/${missingSha}`,
      branch: `${repository.htmlUrl}/${pages.branch}/a/b%231`,
      tag: `${repository.htmlUrl}/${pages.tag}/v%201`,
      pullRequest: `${repository.htmlUrl}/${pages.pullRequest}/7`,
    })
    expect(world.provider.linksOf(repository, {})).toEqual({})
  })

  describe('troubles', () => {
    test.each([
      ['a server error', { kind: 'status', status: 502 }],
      ['a cut answer', { kind: 'cut' }],
      ['a connection that ends', { kind: 'reset' }],
      ['a rate limit that is soon over', { kind: 'rate_limit', seconds: 2 }],
    ] as const)('what can be asked again is, after %s', async (_, fault) => {
      await using world = await open()
      const [, repository] = await world.repository()
      world.server.addFault({ ...fault, times: 2 })
      expect(await world.provider.getRepository({ id: repository.id }, signal)).toEqual(repository)
    })

    test.each([
      ['server errors', { kind: 'status', status: 500 }],
      ['cut answers', { kind: 'cut' }],
      ['a rate limit that lasts', { kind: 'rate_limit', seconds: 3000 }],
    ] as const)('a provider that goes on with %s is not available', async (_, fault) => {
      await using world = await open()
      const [, repository] = await world.repository()
      world.server.addFault({ ...fault, times: 1000 })
      const source = world.provider.openSource(repository)
      for (const asking of [
        () => world.provider.getRepository({ id: repository.id }, signal),
        () => world.provider.removeHook(repository, { url: hookUrl }, signal),
        () => source.listRefs(signal),
        () => source.findRef('refs/heads/main', signal),
        () => source.findDefaultBranch(signal),
        () => source.getCommit(missingSha, undefined, signal),
        () => source.readFiles({ sha: missingSha, ref: undefined }, '.slipway', ['config.yml'], signal),
      ])
        await expect(asking()).rejects.toMatchObject({ code: 'provider_unavailable' })
    })

    test('a rate limit that lasts says when it ends', async () => {
      await using world = await open()
      world.server.addFault({ kind: 'rate_limit', seconds: 3000 })
      const before = Date.now()
      const error = await world.provider.currentUser(signal).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'provider_unavailable', retryAt: expect.any(Number) })
      expect((error as { retryAt: number }).retryAt).toBeGreaterThan(before + 2_900_000)
    })

    test('who gives up waits no longer', async () => {
      await using world = await open()
      const answer = Promise.withResolvers<void>()
      world.server.addFault({ kind: 'slow', until: answer.promise })
      const giving = new AbortController()
      const asking = world.provider.currentUser(giving.signal)
      giving.abort(new Error('enough'))
      await expect(asking).rejects.toThrow('enough')
      answer.resolve()
    })

    test('no message has the token', async () => {
      await using world = await open()
      const { text } = world.server.createToken(world.alice)
      const provider = world.openWith(text)
      for (const status of [400, 401, 403, 404, 409, 422, 500]) {
        world.server.addFault({ kind: 'status', status, body: { message: `you said ${text}\n\u001b[31m` }, times: 10 })
        const error = await provider.currentUser(signal).catch((thrown: unknown) => thrown)
        world.server.clearFaults()
        expect(error).toMatchObject({ message: expect.not.stringMatching(/token_|[\x00-\x1f]/) })
        expect((error as Error).message).toMatch(/you said \*\*\*/)
      }
    })

    test('whatever a provider answers becomes a value or an error for people', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = made.git('rev-parse', 'main')
      const { provider } = world
      const source = provider.openSource(repository)
      const operations: readonly (() => Promise<unknown>)[] = [
        () => provider.currentUser(signal),
        () => provider.listRepositories({ search: 'a' }, signal),
        () => provider.getRepository({ id: repository.id }, signal),
        () => provider.ensureDeployKey(repository, { title: 't', publicKey: 'ssh-ed25519 AAAA' }, signal),
        () => provider.removeHook(repository, { url: hookUrl }, signal),
        () => provider.ensureHook(repository, { url: hookUrl, secret: 's' }, signal),
        () => source.listRefs(signal),
        () => source.findRef('refs/heads/main', signal),
        () => source.findRef('refs/tags/v1', signal),
        () => source.getCommit(sha, undefined, signal),
        () => source.readFiles({ sha, ref: undefined }, '.slipway', ['config.yml'], signal),
      ]
      const answers = fc.oneof(fc.jsonValue(), oddMembers, fc.array(oddMembers, { maxLength: 3 }))
      const statuses = fc.constantFrom(200, 200, 200, 201, 204, 404, 409, 422)
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: operations.length - 1 }), answers, statuses, async (chosen, body, status) => {
          world.server.clearFaults()
          world.server.addFault({ kind: 'status', status, body, times: 20 })
          const error = await operations[chosen]!().then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
          if (error !== undefined && !isSlipwayError(error)) throw error
        }),
        { numRuns: 150 },
      )
    })

    test('a commit status is said again after trouble', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const commitSha = made.git('rev-parse', 'main')
      world.server.addFault({ kind: 'status', status: 503, method: 'POST' })
      world.server.addFault({ kind: 'cut', method: 'POST' })
      const status = { commitSha, state: 'success', context: 'c', description: '' } as const
      await world.provider.setCommitStatus(repository, status, signal)
      expect(made.statuses.at(-1)).toMatchObject({ state: states.success })
    })

    test.each(['ensureHook', 'ensureDeployKey'] as const)(
      '%s makes nothing twice when its answer is lost',
      async (name) => {
        await using world = await open()
        const [made, repository] = await world.repository()
        const key = publicKey()
        const ensure = () =>
          name === 'ensureHook'
            ? world.provider.ensureHook(repository, { url: hookUrl, secret: 's' }, signal)
            : world.provider.ensureDeployKey(repository, { title: 't', publicKey: key }, signal)
        world.server.addFault({ kind: 'cut', method: 'POST' })
        await expect(ensure()).rejects.toMatchObject({ code: 'provider_unavailable' })
        const id = await ensure()
        expect(name === 'ensureHook' ? made.hooks : made.keys).toMatchObject([{ id: Number(id) }])
      },
    )
  })

  describe('login', () => {
    const redirectUri = 'https://slipway.example.com/oauth2/callback'
    const state = 'a-state-that-nobody-guesses'
    const codeVerifier = 'v'.repeat(64)
    const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')

    const openLogin = (world: World, clientSecret?: string) => {
      const application = world.server.createApplication('Slipway', [redirectUri])
      const client = openOAuth2(
        { ...world.settings, clientId: application.clientId, clientSecret: clientSecret ?? application.clientSecret },
        world.components,
      )
      return { client, codeOf: () => agree(client.authorizeUrl({ redirectUri, state, codeChallenge }), world.alice) }
    }

    test('a code becomes a token, once', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      const code = await codeOf()
      const tokens = await client.exchange({ code, redirectUri, codeVerifier }, signal)
      expect(await world.openWith(tokens.accessToken).currentUser(signal)).toMatchObject({ login: 'alice' })
      const again = client.exchange({ code, redirectUri, codeVerifier }, signal)
      await expect(again).rejects.toMatchObject({ code: 'oauth2_refused' })
    })

    test('a wrong verifier, code or address gets none; a wrong secret is the trouble of the administrator', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      for (const grant of [
        { code: await codeOf(), redirectUri, codeVerifier: 'w'.repeat(64) },
        { code: 'nonsense', redirectUri, codeVerifier },
        { code: await codeOf(), redirectUri: 'https://slipway.example.com/elsewhere', codeVerifier },
      ])
        await expect(client.exchange(grant, signal)).rejects.toMatchObject({ code: 'oauth2_refused' })
      const wrong = openLogin(world, 'wrong')
      const exchanging = wrong.client.exchange({ code: await wrong.codeOf(), redirectUri, codeVerifier }, signal)
      await expect(exchanging).rejects.toMatchObject({ code: 'provider_refused' })
    })

    test('a token that expired is renewed, and the old pair is worth nothing', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      const first = await client.exchange({ code: await codeOf(), redirectUri, codeVerifier }, signal)
      if (first.refreshToken === undefined) return void expect(first).not.toHaveProperty('expiresAt')
      expect(first.expiresAt).toBeGreaterThan(Date.now())
      world.server.expireTokens(world.alice)
      const expired = world.openWith(first.accessToken).currentUser(signal)
      await expect(expired).rejects.toMatchObject({ code: 'provider_unauthorized' })
      const second = await client.refresh(first.refreshToken, signal)
      expect(await world.openWith(second.accessToken).currentUser(signal)).toMatchObject({ login: 'alice' })
      expect(second.refreshToken).not.toBe(first.refreshToken)
      await expect(client.refresh(first.refreshToken, signal)).rejects.toMatchObject({ code: 'oauth2_refused' })
    })

    test('a refresh token is not sent again when the answer may have been lost', async () => {
      await using world = await open()
      const { client } = openLogin(world)
      world.server.addFault({ kind: 'reset', method: 'POST', times: 10 })
      const before = world.server.requests.length
      await expect(client.refresh('refresh', signal)).rejects.toMatchObject({ code: 'provider_unavailable' })
      expect(world.server.requests.length - before).toBe(1)
    })

    test('who cancels comes back with that', async () => {
      await using world = await open()
      const { client } = openLogin(world)
      const url = client.authorizeUrl({ redirectUri, state, codeChallenge })
      const back = await decide(url, { decision: 'cancel' })
      expect(Object.fromEntries(back.searchParams)).toEqual({ error: 'access_denied', state })
    })
  })
}

/** Members that some provider's answers have, with anything in them. */
const oddMembers = fc.dictionary(
  fc.constantFrom(
    ...['id', 'iid', 'sha', 'ref', 'name', 'path', 'type', 'mode', 'size', 'url', 'config', 'key', 'title', 'message'],
    ...['object', 'commit', 'tree', 'content', 'encoding', 'full_name', 'path_with_namespace', 'html_url', 'web_url'],
    ...['default_branch', 'permissions', 'owner', 'login', 'username', 'read_only', 'can_push', 'author', 'blob_id'],
  ),
  fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('commit', 'tag', 'blob', 'file', 'main', 'config.yml', '../..', missingSha, -1, 1.5, 'base64'),
    fc.dictionary(
      fc.constantFrom('sha', 'id', 'type', 'name', 'url', 'admin'),
      fc.oneof(fc.jsonValue(), fc.constantFrom('tag', missingSha)),
    ),
  ),
  { maxKeys: 12 },
)

async function allOperations(provider: Provider, repository: RemoteRepository, made: ServerRepository): Promise<void> {
  const sha = made.git('rev-parse', 'main')
  const source = provider.openSource(repository)
  for (let round = 0; round < 2; round++) {
    await provider.ensureHook(repository, { url: hookUrl, secret: 's' }, signal)
    await provider.ensureDeployKey(repository, { title: 't', publicKey: publicKey() }, signal)
  }
  const status = { commitSha: sha, state: 'success', context: 'c', description: '' } as const
  await provider.setCommitStatus(repository, status, signal)
  expect(await source.findRef('refs/heads/main', signal)).toMatchObject({ commitSha: sha })
  expect(await source.listRefs(signal)).toHaveLength(1)
  expect(await source.findDefaultBranch(signal)).toBe('main')
  expect(await source.getCommit(sha, undefined, signal)).toMatchObject({ sha })
  expect(await source.readFiles({ sha, ref: undefined }, '.slipway', ['config.yml'], signal)).toHaveLength(1)
}

/** The code that the provider gives to a browser whose user agrees. */
async function agree(url: string, { login, password }: ServerUser): Promise<string> {
  const back = await decide(url, { login, password, decision: 'authorize' })
  return back.searchParams.get('code')!
}

/** Sends the form of the page as a browser does; answers where that leads to. */
async function decide(url: string, fields: Readonly<Record<string, string>>): Promise<URL> {
  const page = await (await fetch(url)).text()
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(
    ([, name, value]): [string, string] => [
      name!,
      value!.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
    ],
  )
  const action = new URL(/action="([^"]+)"/.exec(page)![1]!, url)
  const body = new URLSearchParams([...hidden, ...Object.entries(fields)])
  const answer = await fetch(action, { method: 'POST', body, redirect: 'manual' })
  return new URL(answer.headers.get('location')!)
}
