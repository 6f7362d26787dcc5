// What a repository is given, and what is taken from it again.

import { describe, expect, test } from 'vitest'
import { isSameKey } from '../deploy-keys.ts'
import type { ProviderContract } from '../provider-contract.ts'
import { isSigned, parseWebhook } from '../webhooks/webhook.ts'
import { hookUrl, type OpenWorld, publicKey, signal } from './provider-world-fixture.ts'

export function keysAndHooksContract(
  open: OpenWorld,
  { archivedTakesHooks = false }: Pick<ProviderContract, 'archivedTakesHooks'>,
): void {
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
      const merging = await made.openPullRequest({ branch: 'feature/é#1' })
      const merged = await made.mergePullRequest(merging)
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
        { kind: 'pull_request', action: 'changed', pullRequestId: String(merging.number), isFork: false },
        { kind: 'pull_request', action: 'closed', pullRequestId: String(merging.number) },
        { kind: 'branch', branch: 'main', commitSha: merged, message: 'Merge A change' },
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
}
