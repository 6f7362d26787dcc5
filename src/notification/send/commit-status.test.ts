// Commit statuses, from run events to what each provider shows at the commit; and what becomes of them when it cannot.

import { describe, expect, test } from 'vitest'
import type { ProviderFlavour } from '../../../test/providers/flavour.ts'
import { forgejoFlavour, giteaFlavour } from '../../../test/providers/gitea-server.ts'
import { githubFlavour } from '../../../test/providers/github-server.ts'
import { gitlabFlavour } from '../../../test/providers/gitlab-server.ts'
import { ProviderServer } from '../../../test/providers/provider-server.ts'
import { HandClock } from '../../configstore/configstore-fixture.ts'
import { openProvider } from '../../gitsource/open-provider.ts'
import { ProviderConnections } from '../../gitsource/provider-connections.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { until } from '../../lib/until-fixture.ts'
import { FakeProvider, openNotificationWorld } from '../notification-fixture.ts'

const context = 'slipway/org/acme/web/build/push'

async function openProviderWorld(flavour: ProviderFlavour, clock: Clock = systemClock) {
  await using undo = new AsyncDisposableStack()
  const server = undo.use(await ProviderServer.open(flavour))
  const connections = undo.use(new ProviderConnections())
  const alice = server.createUser('alice')
  const token = server.createToken(alice)
  const made = await server.createRepository('acme/web', { administrator: alice, files: { a: 'b' } })
  const settings = { type: flavour.type, apiUrl: server.url, skipVerify: false }
  const client = openProvider(settings, { kind: 'token', accessToken: token.text }, { clock: systemClock, connections })
  const { id } = await client.getRepository({ path: 'acme/web' }, new AbortController().signal)
  const provider = new (class extends FakeProvider {
    override get access() {
      return {
        openProviderOfProject: async (_: unknown, signal: AbortSignal) => ({
          provider: client,
          repository: await client.getRepository({ id }, signal),
        }),
      }
    }
  })()
  const world = undo.use(await openNotificationWorld({ provider, clock }))
  world.runs.register()
  const owned = undo.move()
  const commitSha = made.git('rev-parse', 'main')
  return {
    server,
    token,
    made,
    world,
    commitSha,
    /** The last one of the context. */
    shown: () => made.statuses.findLast((status) => status.context === context && status.sha === commitSha),
    /** What became of the one that was made last. */
    last: async () => (await world.list())[0],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

describe.each([
  ['GitHub', githubFlavour, 'pending', 'failure'],
  ['GitLab', gitlabFlavour, 'running', 'failed'],
  ['Gitea', giteaFlavour, 'pending', 'failure'],
  ['Forgejo', forgejoFlavour, 'pending', 'failure'],
] as const)('%s', (_, flavour, running, failed) => {
  test('shows how a run stands, and those of a push and of a pull request beside each other', async () => {
    await using at = await openProviderWorld(flavour)
    const { runs } = at.world
    const id = runs.add({ commitSha: at.commitSha, tasks: { test: 'running', lint: 'running' } })
    runs.add({ commitSha: at.commitSha, refType: 'pull_request' })
    runs.start(id)
    await until(() => at.shown()?.state === running && at.shown()?.description === 'running')
    runs.end(id, 'failed', { test: 'failed', lint: 'success' })
    await until(() => at.shown()?.state === failed)
    expect(at.shown()).toMatchObject({
      description: '1 of 2 tasks failed: test',
      targetUrl: 'https://ci.example.org/projects/p1/runs/1',
    })
    await until(() => at.made.statuses.some((status) => status.context === 'slipway/org/acme/web/build/pr'))
    await until(async () => (await at.world.list('waiting')).length === 0)
    expect(await at.world.list('failed')).toEqual([])
  })

  test('a run that is repeated says anew how it stands', async () => {
    await using at = await openProviderWorld(flavour)
    const { runs } = at.world
    runs.end(runs.add({ commitSha: at.commitSha }), 'failed', { test: 'failed' })
    await until(() => at.shown()?.state === failed)
    runs.end(runs.add({ commitSha: at.commitSha }), 'success', { test: 'success' })
    await until(() => at.shown()?.state === 'success')
    expect(at.shown()?.targetUrl).toMatch(/\/runs\/2$/)
  })

  test('a repository that was renamed gets them all the same', async () => {
    await using at = await openProviderWorld(flavour)
    at.server.renameRepository(at.made, 'acme/site')
    at.world.runs.add({ commitSha: at.commitSha })
    await until(() => at.shown() !== undefined)
  })

  test.each<readonly [string, (at: Awaited<ReturnType<typeof openProviderWorld>>) => void]>([
    ['a repository that is gone', ({ server, made }) => server.deleteRepository(made)],
    [
      'a token that was taken back',
      ({ token }) => {
        token.isRevoked = true
      },
    ],
    [
      'an archived repository',
      ({ made }) => {
        made.isArchived = true
      },
    ],
    ['a commit that is not there', ({ made }) => made.git('update-ref', '-d', 'refs/heads/main')],
  ])('%s ends it in words, with one attempt', async (what, change) => {
    await using at = await openProviderWorld(flavour)
    change(at)
    const commitSha = what.includes('commit') ? 'f'.repeat(40) : at.commitSha
    at.world.runs.add({ commitSha })
    await until(async () => (await at.last())?.state === 'failed')
    const { message, attemptCount } = (await at.last())!
    expect(attemptCount).toBe(1)
    expect(message.length).toBeGreaterThan(10)
  })

  test('a limit of requests that lasts is waited for as the provider asks', async () => {
    const clock = new HandClock()
    await using at = await openProviderWorld(flavour, clock)
    at.server.addFault({ kind: 'rate_limit', seconds: 3000, method: 'POST' })
    at.world.runs.add({ commitSha: at.commitSha })
    await until(async () => (await at.last())?.attemptCount === 1)
    expect(await at.last()).toMatchObject({ state: 'waiting', message: expect.stringMatching(/too many|limit/i) })
    clock.pass(24 * 60 * 60_000)
    await until(() => at.shown() !== undefined)
  })
})
