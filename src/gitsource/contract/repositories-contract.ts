// Who one is at a provider, and which repositories are there.

import { describe, expect, test } from 'vitest'
import type { ServerRepository } from '../../../test/providers/server-repository.ts'
import type { Provider, RemoteRepository } from '../provider.ts'
import type { ProviderContract } from '../provider-contract.ts'
import { hookUrl, missingSha, type OpenWorld, publicKey, signal } from './provider-world-fixture.ts'

export function repositoriesContract(
  open: OpenWorld,
  { actsById, pages }: Pick<ProviderContract, 'actsById' | 'pages'>,
): void {
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
}

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
