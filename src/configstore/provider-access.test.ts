// Providers as linked accounts: tokens are renewed once, whoever asks and however many.

import { expect, test } from 'vitest'
import { FakeProviderHost } from '../gitsource/fake-provider-fixture.ts'
import type { Clock } from '../lib/clock.ts'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { silentLogger } from '../lib/log.ts'
import { hashToken } from './accounts/account-tokens.ts'
import type { Configstore } from './api.ts'
import { aProject, aUser, codeOf, fromRemote, githubSource, openWorld, type World } from './configstore-fixture.ts'
import { createProviderAccess, type ProviderAccess } from './provider-access.ts'
import type { LinkedAccount, RemoteSource } from './types.ts'

const signal = new AbortController().signal

class Scene implements AsyncDisposable {
  readonly world: World
  readonly host: FakeProviderHost
  readonly account: LinkedAccount
  readonly source: RemoteSource

  private constructor(world: World, host: FakeProviderHost, account: LinkedAccount, source: RemoteSource) {
    this.world = world
    this.host = host
    this.account = account
    this.source = source
  }

  static async open({ tokenMs = 3_600_000, isOfPassword = false } = {}): Promise<Scene> {
    const world = await openWorld()
    const host = new FakeProviderHost({ now: () => world.clock.now() })
    host.tokenMs = tokenMs
    await aUser(world.configstore, 'ann')
    const source = await world.configstore.createRemoteSource(githubSource)
    const { id, login } = host.addUser('ann')
    const { accessToken, refreshToken, expiresAt } = host.giveTokens('ann')
    const account = await world.configstore.createLinkedAccount({
      user: 'ann',
      remoteSource: source.id,
      remoteUserId: id,
      remoteUserName: login,
      accessToken,
      ...(isOfPassword ? {} : { refreshToken, accessTokenExpiresAt: expiresAt }),
    })
    return new Scene(world, host, account, source)
  }

  /** As of another process each time. */
  access(changes: Partial<Configstore> = {}): ProviderAccess {
    const configstore = { ...this.world.configstore, ...changes }
    // Waiting for others takes real time here.
    const clock: Clock = { ...systemClock, now: () => this.world.clock.now() }
    const { openProvider, openOAuth2 } = this.host
    return createProviderAccess({ configstore, openProvider, openOAuth2, clock, logger: silentLogger })
  }

  get at() {
    return { linkedAccountId: this.account.id, remoteSourceId: this.source.id }
  }

  credentials() {
    return this.world.configstore.linkedAccountCredentials({ id: this.account.id })
  }

  refreshes(): number {
    return this.host.asked.filter((operation) => operation === 'refresh').length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
  }
}

test('a token that expires soon is renewed before it is used, and stored before that', async () => {
  await using scene = await Scene.open()
  const provider = await scene.access().openAccountProvider(scene.at)
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(scene.refreshes()).toBe(0)
  const before = await scene.credentials()
  scene.world.clock.pass(scene.host.tokenMs - 60_000)
  scene.host.before = async (operation) => {
    if (operation === 'currentUser') expect((await scene.credentials()).accessToken).not.toBe(before.accessToken)
  }
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(scene.refreshes()).toBe(1)
  expect((await scene.credentials()).refreshToken).not.toBe(before.refreshToken)
  const { version } = await scene.world.configstore.getLinkedAccount({ id: scene.account.id })
  expect(version).toBe(2)
})

test('a token that is refused before its time is renewed, and the operation done again', async () => {
  await using scene = await Scene.open()
  scene.host.revokeAccess('ann')
  const provider = await scene.access().openAccountProvider(scene.at)
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(scene.host.asked).toEqual(['currentUser', 'refresh', 'currentUser'])
})

test('many at once, in several processes, renew once', async () => {
  await using scene = await Scene.open()
  scene.world.clock.pass(scene.host.tokenMs)
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  scene.host.before = async (operation) => {
    if (operation === 'refresh') await held
  }
  const asked = Array.from({ length: 3 }, () => scene.access()).flatMap((access) =>
    Array.from({ length: 4 }, async () => (await access.openAccountProvider(scene.at)).currentUser(signal)),
  )
  while (scene.refreshes() === 0) await new Promise((resolve) => setImmediate(resolve))
  release()
  expect((await Promise.all(asked)).map(({ login }) => login)).toEqual(asked.map(() => 'ann'))
  expect(scene.refreshes()).toBe(1)
})

test('whoever was slower than its claim changes nothing that was renewed since', async () => {
  await using scene = await Scene.open()
  scene.world.clock.pass(scene.host.tokenMs)
  let first = true
  scene.host.before = async (operation) => {
    if (operation !== 'refresh' || !first) return
    first = false
    // While this one waits for the provider its claim ends, and another one renews.
    scene.world.clock.pass(5 * 60_000)
    const other = await scene.access().openAccountProvider(scene.at)
    expect((await other.currentUser(signal)).login).toBe('ann')
  }
  const provider = await scene.access().openAccountProvider(scene.at)
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(await scene.credentials()).not.toHaveProperty('trouble')
  expect(scene.refreshes()).toBe(2)
})

test('new tokens that cannot be stored at once are not lost', async () => {
  await using scene = await Scene.open()
  scene.world.clock.pass(scene.host.tokenMs)
  let failures = 2
  const access = scene.access({
    noteTokens: async (input, context) => {
      if (input.tokens !== undefined && failures-- > 0)
        throw new SlipwayError('service_unavailable', 'the configstore is away')
      return await scene.world.configstore.noteTokens(input, context)
    },
  })
  expect((await (await access.openAccountProvider(scene.at)).currentUser(signal)).login).toBe('ann')
  expect(failures).toBe(-1)
  expect(scene.refreshes()).toBe(1)
})

test('an account whose tokens are refused says so, is not asked for again and again, and is right when it is linked again', async () => {
  await using scene = await Scene.open()
  const { configstore, clock } = scene.world
  const project = await aProject(configstore, 'user/ann/web', { source: fromRemote(scene) })
  expect(project.isSourceBroken).toBe(false)
  scene.host.revokeAll('ann')
  clock.pass(scene.host.tokenMs)
  const provider = await scene.access().openAccountProvider(scene.at)
  for (let time = 0; time < 3; time++) expect(await codeOf(provider.currentUser(signal))).toBe('provider_unauthorized')
  expect(scene.refreshes()).toBe(1)
  expect((await configstore.getLinkedAccount({ id: scene.account.id })).trouble).toEqual({
    message: 'github does not take the token of the account any more: link it again',
    since: clock.now(),
  })
  expect((await configstore.getProject({ project: project.id })).isSourceBroken).toBe(true)
  // After a while it is tried again: what was refused may have been set wrong at the provider.
  clock.pass(11 * 60_000)
  expect(await codeOf(provider.currentUser(signal))).toBe('provider_unauthorized')
  expect(scene.refreshes()).toBe(2)
  const { accessToken, refreshToken, expiresAt } = scene.host.giveTokens('ann')
  const credentials = { accessToken, refreshToken, accessTokenExpiresAt: expiresAt }
  await configstore.updateLinkedAccount({ user: 'ann', id: scene.account.id, credentials })
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(await configstore.getLinkedAccount({ id: scene.account.id })).not.toHaveProperty('trouble')
  expect((await configstore.getProject({ project: project.id })).isSourceBroken).toBe(false)
})

test('a provider that is away does not make an account wrong, nor a token that is still valid useless', async () => {
  await using scene = await Scene.open()
  scene.host.before = (operation) => {
    if (operation === 'refresh') throw new SlipwayError('provider_unavailable', 'away')
  }
  const provider = await scene.access().openAccountProvider(scene.at)
  scene.world.clock.pass(scene.host.tokenMs - 60_000)
  expect((await provider.currentUser(signal)).login).toBe('ann')
  scene.world.clock.pass(60_000)
  expect(await codeOf(provider.currentUser(signal))).toBe('provider_unavailable')
  expect(await scene.credentials()).not.toHaveProperty('trouble')
  scene.host.before = () => {}
  expect((await provider.currentUser(signal)).login).toBe('ann')
})

test('a token without a successor that is refused is told, and what works again is right again', async () => {
  await using scene = await Scene.open({ isOfPassword: true })
  const provider = await scene.access().openAccountProvider(scene.at)
  scene.host.before = (operation) => {
    if (operation === 'currentUser') throw new SlipwayError('provider_unauthorized', 'no')
  }
  for (let time = 0; time < 3; time++) expect(await codeOf(provider.currentUser(signal))).toBe('provider_unauthorized')
  const { trouble, version } = await scene.world.configstore.getLinkedAccount({ id: scene.account.id })
  expect([trouble?.message, version]).toEqual([expect.stringContaining('link it again'), 2])
  scene.host.before = () => {}
  expect((await provider.currentUser(signal)).login).toBe('ann')
  expect(await scene.credentials()).not.toHaveProperty('trouble')
})

test('a renamed repository is followed; one that is gone is told, and one that is there again', async () => {
  await using scene = await Scene.open()
  const { configstore } = scene.world
  const { repository } = scene.host.addRepository('acme/web', 'ann')
  const source = { ...fromRemote(scene), repositoryId: repository.id, repositoryPath: 'acme/web' } as never
  const { id } = await aProject(configstore, 'user/ann/web', { source })
  const access = scene.access()
  const open = async () => access.openProviderOfProject(await configstore.getProject({ project: id }), signal)
  expect((await open()).repository.path).toBe('acme/web')
  expect((await configstore.getProject({ project: id })).version).toBe(1)
  scene.host.rename(repository.id, 'acme/site')
  expect((await open()).repository.path).toBe('acme/site')
  expect(await configstore.getProject({ project: id })).toMatchObject({
    source: { repositoryPath: 'acme/site' },
    version: 2,
  })
  const kept = scene.host.repositories.get(repository.id)!
  scene.host.repositories.delete(repository.id)
  for (let time = 0; time < 2; time++) expect(await codeOf(open())).toBe('remote_repository_not_found')
  expect(await configstore.getProject({ project: id })).toMatchObject({
    isSourceBroken: true,
    sourceTrouble: expect.stringContaining('acme/site'),
    version: 3,
  })
  scene.host.repositories.set(repository.id, kept)
  await open()
  const back = await configstore.getProject({ project: id })
  expect(back.isSourceBroken).toBe(false)
  expect(back).not.toHaveProperty('sourceTrouble')
})

test('the tokens of an account that was deleted are renewed while a task needs them', async () => {
  await using scene = await Scene.open()
  const { configstore, clock } = scene.world
  const project = await aProject(configstore, 'user/ann/web', { source: fromRemote(scene) })
  await configstore.updateProject({ project: project.id, remoteHookId: '7' })
  await configstore.deleteProject({ project: project.id })
  await configstore.deleteLinkedAccount({ user: 'ann', id: scene.account.id })
  clock.pass(scene.host.tokenMs)
  const provider = await scene.access().openAccountProvider(scene.at)
  expect((await provider.currentUser(signal)).login).toBe('ann')
})

test('nobody keeps others from renewing for longer than five minutes, or with tokens that are not those', async () => {
  await using scene = await Scene.open()
  const { configstore, clock } = scene.world
  const { id } = scene.account
  const accessTokenHash = hashToken((await scene.credentials()).accessToken!)
  const claim = (holder: string, leaseMs: number) =>
    configstore.claimTokenRefresh({ id, holder, leaseMs, accessTokenHash })
  const most = limits.tokenRefreshLeaseMs.value
  expect(await codeOf(claim('a', most + 1))).toBe('list_invalid')
  expect(await claim('a', most)).toMatchObject({ outcome: 'claimed' })
  expect(await claim('b', most)).toMatchObject({ outcome: 'held' })
  clock.pass(most)
  expect(await claim('b', most)).toMatchObject({ outcome: 'claimed' })
  const other = { id, accessTokenHash: hashToken('another'), tokens: { accessToken: 'x' } }
  expect(await configstore.noteTokens(other)).toMatchObject({ isKept: false })
  expect(await configstore.claimTokenRefresh({ ...other, holder: 'c', leaseMs: 1 })).toMatchObject({
    outcome: 'renewed',
  })
  expect(await configstore.getLinkedAccount({ id })).not.toHaveProperty('refresh')
})
