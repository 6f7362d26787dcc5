import { describe, expect, test } from 'vitest'
import { setHookType } from '../../../test/providers/gitea-json.ts'
import { forgejoFlavour, giteaFlavour } from '../../../test/providers/gitea-server.ts'
import { ProviderServer } from '../../../test/providers/provider-server.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { newSshKey } from '../../lib/ssh-key.ts'
import type { ProviderCredentials } from '../provider.ts'
import { ProviderConnections } from '../provider-connections.ts'
import { providerContract } from '../provider-contract.ts'
import { deliveryKeyOf, parseWebhook, providerOf } from '../webhooks/webhook.ts'
import { giteaApiUrl, giteaWebUrl } from './gitea-address.ts'
import { GiteaProvider } from './gitea-provider.ts'

const signal = new AbortController().signal
/** Waits are over at once; everything else is as ever. */
const hastyClock: Clock = { ...systemClock, sleep: (_ms, waiting) => systemClock.sleep(0, waiting) }
const hook = { url: 'https://slipway.example.com/webhooks/p1', secret: 'the secret' }

for (const flavour of [giteaFlavour, forgejoFlavour]) {
  const { type, name } = flavour
  const open = async () => {
    const server = await ProviderServer.open(flavour)
    const connections = new ProviderConnections()
    const alice = server.createUser('alice')
    const openWith = (credentials: ProviderCredentials, apiUrl = server.url) =>
      new GiteaProvider({ type, apiUrl, skipVerify: false }, credentials, { clock: hastyClock, connections })
    return {
      server,
      alice,
      openWith,
      provider: openWith({ kind: 'token', accessToken: server.createToken(alice).text }),
      byPassword: openWith({ kind: 'password', userName: 'alice', password: alice.password }),
      [Symbol.asyncDispose]: async () => {
        connections[Symbol.dispose]()
        await server[Symbol.asyncDispose]()
      },
    }
  }

  describe(name, () => {
    providerContract({
      openServer: () => ProviderServer.open(flavour),
      states: {
        queued: 'pending',
        running: 'pending',
        success: 'success',
        failed: 'failure',
        error: 'error',
        cancelled: 'error',
      },
      descriptionCharactersMax: 255,
      definitionRequestsMax: 3,
      pages: { commit: 'commit', branch: 'src/branch', tag: 'src/tag', pullRequest: 'pulls' },
      actsById: true,
      archivedTakesHooks: true,
    })

    describe('tokens for a password', () => {
      test('one is made with the scopes that are needed, and replaces that of the same name', async () => {
        await using world = await open()
        const { server, alice, byPassword, openWith } = world
        server.createToken(alice, { name: 'another', scope: 'all' })
        const first = await byPassword.createAccessToken('slipway', signal)
        // That one, and no more of its name, also when there are more pages of them.
        server.pageItemsMax = 1
        const second = await byPassword.createAccessToken('slipway', signal)
        const kept = server.tokens.filter((token) => token.name !== undefined && !token.isRevoked)
        expect(kept.map(({ name: named, scope }) => [named, scope])).toEqual([
          ['another', 'all'],
          ['slipway', 'write:repository,read:user'],
        ])
        expect(await openWith({ kind: 'token', accessToken: second }).currentUser(signal)).toMatchObject({
          login: 'alice',
        })
        const old = openWith({ kind: 'token', accessToken: first }).currentUser(signal)
        await expect(old).rejects.toMatchObject({ code: 'provider_unauthorized' })
      })

      test('a wrong password is no trouble of the server', async () => {
        await using world = await open()
        const wrong = world.openWith({ kind: 'password', userName: 'alice', password: 'guessed' })
        for (const asking of [wrong.currentUser(signal), wrong.createAccessToken('slipway', signal)])
          await expect(asking).rejects.toMatchObject({ code: 'provider_unauthorized' })
      })

      test.each(['invalid provided OTP', 'Basic authorization is not allowed while webAuthn enrolled'])(
        'who has a second factor is told so: %s',
        async (message) => {
          await using world = await open()
          world.server.addFault({ kind: 'status', status: 401, body: { message, url: '' } })
          const making = world.byPassword.createAccessToken('slipway', signal)
          await expect(making).rejects.toMatchObject({
            code: 'provider_unauthorized',
            message: expect.stringMatching(/two-factor authentication.*OAuth2/),
          })
        },
      )
    })

    test('hooks are of the type of the provider, for pushes and everything that happens to pull requests', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      await world.provider.ensureHook(repository, hook, signal)
      const asked = world.server.requests.findLast(({ method }) => method === 'POST')
      expect(asked?.body).toMatchObject({ type, active: true, config: { content_type: 'json' } })
      expect(made.hooks[0]!.events).toEqual(
        expect.arrayContaining(['push', 'pull_request', 'pull_request_sync', 'pull_request_label']),
      )
    })

    test('a hook of our URL for something else is replaced, for its type cannot be changed', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      const first = await world.provider.ensureHook(repository, hook, signal)
      setHookType(made.hooks[0]!, 'slack')
      expect(await world.provider.ensureHook(repository, hook, signal)).not.toBe(first)
      expect(made.hooks).toHaveLength(1)
    })

    test('a pull request that is labelled or opened again is told, with its number and the headers of the provider', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      await world.provider.ensureHook(repository, { ...hook, url: 'http://127.0.0.1:1/' }, signal)
      await made.commit({ files: { c: 'd' }, branch: 'change' })
      const pullRequest = await made.openPullRequest({ branch: 'change' })
      await made.labelPullRequest(pullRequest, 'ci')
      await made.closePullRequest(pullRequest)
      await made.reopenPullRequest(pullRequest)
      const told = world.server.deliveries.slice(1).map(({ headers, body }) => {
        expect(providerOf(headers)).toBe(type)
        const { action, number } = JSON.parse(body) as { readonly action: string; readonly number: number }
        return [headers[`x-${type}-event-type`], action, number]
      })
      expect(told).toEqual([
        ['pull_request', 'opened', 1],
        ['pull_request_label', 'label_updated', 1],
        ['pull_request', 'closed', 1],
        ['pull_request', 'reopened', 1],
      ])
    })

    test('a push that brings no commits is a push, a tag that is gone is none, and of a branch that is gone nothing is told', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      await world.provider.ensureHook(repository, { ...hook, url: 'http://127.0.0.1:1/' }, signal)
      const sha = made.git('rev-parse', 'main')
      made.git('branch', 'same')
      await made.pushed([{ ref: 'refs/heads/same', before: '0'.repeat(40), after: sha, user: world.alice }])
      await made.tag('v1')
      await made.commit({ files: { a: 'c' }, branch: 'topic' })
      await made.tag('v1', { at: 'topic' })
      for (const ref of ['refs/heads/same', 'refs/tags/v1']) await made.removeRef(ref)
      const told = world.server.deliveries.map(({ headers, body }) => {
        const parsed = parseWebhook({ headers, body: Buffer.from(body) }, type)
        return parsed.kind === 'event' ? parsed.event : parsed.why
      })
      expect(told).toMatchObject([
        { kind: 'branch', branch: 'same', commitSha: sha, message: 'First commit' },
        { kind: 'tag', tag: 'v1' },
        { kind: 'branch', branch: 'topic' },
        { kind: 'tag', tag: 'v1' },
        'refs/tags/v1 was deleted',
      ])
      const pushes = world.server.deliveries.map(
        ({ body }) => JSON.parse(body) as { before: string; compare_url: string },
      )
      // One that was moved comes as a new one.
      expect(pushes.map(({ before }) => /^0+$/.test(before))).toEqual([true, true, true, true, false])
      expect(pushes.slice(0, 3).map(({ compare_url }) => compare_url.split('/').at(-1)!.split('...')[0])).toEqual([
        'main',
        '0'.repeat(40),
        sha,
      ])
    })

    test('pull requests are closed when their branch goes, and before their fork does', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const fork = world.server.fork(made, world.server.createUser('bob'))
      await fork.commit({ files: { a: 'c' }, branch: 'theirs' })
      await made.commit({ files: { a: 'd' }, branch: 'ours' })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      await world.provider.ensureHook(repository, { ...hook, url: 'http://127.0.0.1:1/' }, signal)
      await made.openPullRequest({ branch: 'ours' })
      await made.openPullRequest({ branch: 'theirs', head: fork })
      await made.removeRef('refs/heads/ours')
      await world.server.deleteRepository(fork)
      const told = world.server.deliveries.map(({ headers, body }) => {
        const parsed = parseWebhook({ headers, body: Buffer.from(body) }, type)
        return parsed.kind === 'event' && parsed.event.kind === 'pull_request'
          ? [parsed.event.action, parsed.event.pullRequestId, parsed.event.isFork]
          : parsed
      })
      expect(told).toEqual([
        ['changed', '1', false],
        ['changed', '2', true],
        ['closed', '1', false],
        ['closed', '2', true],
      ])
    })

    test('what somebody has delivered again there is a delivery of its own', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      await world.provider.ensureHook(repository, { ...hook, url: 'http://127.0.0.1:1/' }, signal)
      await made.commit({ files: { a: 'c' } })
      const [first] = world.server.deliveries
      const again = await world.server.redeliver(first!)
      expect(again.body).toBe(first!.body)
      const [key, other] = [first!, again].map(({ headers, body }) =>
        deliveryKeyOf({ headers, body: Buffer.from(body) }, type),
      )
      expect(other).not.toBe(key)
    })

    test('a key that somebody gave another title is ours all the same', async () => {
      await using world = await open()
      const made = await world.server.createRepository('acme/web', { administrator: world.alice, files: { a: 'b' } })
      const repository = await world.provider.getRepository({ path: 'acme/web' }, signal)
      const key = newSshKey('slipway').publicKey
      await world.provider.ensureDeployKey(repository, { title: 'renamed', publicKey: key }, signal)
      const id = await world.provider.ensureDeployKey(repository, { title: 'ours', publicKey: key }, signal)
      expect(made.keys).toMatchObject([{ id: Number(id), title: 'ours' }])
    })
  })
}

test.each([
  ['https://git.example.com', 'https://git.example.com'],
  ['https://git.example.com/', 'https://git.example.com'],
  ['https://git.example.com/api/v1', 'https://git.example.com'],
  ['https://git.example.com/api/v1//', 'https://git.example.com'],
  ['https://example.com/git/', 'https://example.com/git'],
])('the Gitea at %s has its pages at %s', (given, web) => {
  expect(giteaWebUrl(given)).toBe(web)
  expect(giteaApiUrl(given)).toBe(`${web}/api/v1`)
})
