// What becomes of a provider that does not answer as it should.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSlipwayError } from '../../lib/errors.ts'
import type { ProviderContract } from '../provider-contract.ts'
import { hookUrl, missingSha, type OpenWorld, publicKey, signal } from './provider-world-fixture.ts'

export function troublesContract(open: OpenWorld, { states }: Pick<ProviderContract, 'states'>): void {
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
