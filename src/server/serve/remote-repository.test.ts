// How tasks come to the commits of a repository at a provider.

import { expect, test } from 'vitest'
import type { Project } from '../../configstore/types.ts'
import { FakeProviderHost, type FakeRepository } from '../../gitsource/fake-provider-fixture.ts'
import type { RemoteRepository } from '../../gitsource/provider.ts'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { RecentRepositories } from './recent-repositories.ts'
import { type CloneComponents, type MadeWith, openRemoteRepository, remoteCloneAddress } from './remote-repository.ts'

const source = {
  kind: 'remotesource',
  remoteSourceId: 'r',
  linkedAccountId: 'l',
  repositoryId: 'repo',
  repositoryPath: 'acme/web',
} as const
const signal = new AbortController().signal
const https = 'https://provider.example/acme/web.git'
const ssh = 'ssh://git@provider.example/acme/web.git'

type Scene = CloneComponents & {
  readonly host: FakeProviderHost
  readonly found: FakeRepository
  /** How often the provider was asked for the repository. */
  askedFor: number
}

function aScene(changes: Partial<RemoteRepository> = {}): Scene {
  const host = new FakeProviderHost()
  host.addUser('ann')
  const found = host.addRepository('acme/web', 'ann', { id: 'repo', ...changes })
  const { accessToken } = host.giveTokens('ann')
  const provider = host.openProvider({}, { kind: 'token', accessToken })
  const openProviderOfProject = async () => {
    scene.askedFor++
    return { provider, repository: await provider.getRepository({ id: 'repo' }, signal) }
  }
  const scene = {
    host,
    found,
    askedFor: 0,
    repositories: new RecentRepositories({ providers: { openProviderOfProject }, clock: systemClock }),
    configstore: {
      projectCredentials: async () => ({ deployKey: 'the-key' }),
      getRemoteSource: async () => ({ sshHostKey: 'provider.example ssh-ed25519 AAAA', skipSshHostKeyCheck: false }),
    },
    providers: { accessToken: async () => 'the-token' },
  } as unknown as Scene
  return scene
}

const aProject = (changes: Partial<Project> = {}) =>
  ({ id: 'p', source, skipSshHostKeyCheck: false, deployKeyPublic: 'ssh-ed25519 AAAA', ...changes }) as Project

test.each([
  ['with a deploy key', {}, {}, ssh],
  ['without a deploy key', { deployKeyPublic: undefined }, {}, https],
  ['at a provider without ssh', {}, { sshCloneUrl: '' }, https],
] as const)('%s tasks clone from %s', async (_, project, repository, url) => {
  const opened = await openRemoteRepository(aProject(project as Partial<Project>), source, aScene(repository), signal)
  expect(opened.cloneUrl).toBe(url)
  expect(opened.sshHostKey).toBe('provider.example ssh-ed25519 AAAA')
})

const addressOf = (scene: Scene, made: MadeWith) => remoteCloneAddress(aProject(), source, made, scene)

test('by ssh git logs in with the deploy key, and checks the host', async () => {
  expect(await addressOf(aScene(), { cloneUrl: ssh })).toEqual({
    access: {
      credentials: { type: 'sshkey', privateKey: 'the-key' },
      sshHostKey: 'provider.example ssh-ed25519 AAAA',
      skipSshHostKeyCheck: false,
    },
  })
})

test('by https it logs in with the token of the account, at its provider and nowhere else', async () => {
  const at = async (cloneUrl: string) => {
    const { access, url } = await addressOf(aScene(), { cloneUrl })
    return [access.credentials, url]
  }
  expect(await at(https)).toEqual([{ type: 'password', userName: 'oauth2', password: 'the-token' }, undefined])
  expect(await at('https://former-provider.example/acme/web.git')).toEqual([undefined, undefined])
  expect(await at('http://provider.example/acme/web.git')).toEqual([undefined, undefined])
})

test.each([
  ['ssh', ssh, 'ssh://git@provider.example/acme/site.git'],
  ['https', https, 'https://provider.example/acme/site.git'],
] as const)(
  'by %s a run of before its repository was renamed is cloned from where that is now',
  async (_, made, now) => {
    const scene = aScene()
    scene.host.rename('repo', 'acme/site')
    for (const known of [{ repositoryId: 'repo' }, {}]) {
      const address = await addressOf(scene, { cloneUrl: made, ...known })
      expect(address.url).toBe(now)
      expect(address.access.credentials).toBeDefined()
    }
    expect(await addressOf(scene, { cloneUrl: now })).not.toHaveProperty('url')
  },
)

test('a run that was made a moment after the rename is not sent back to the name of before', async () => {
  const scene = aScene()
  expect(await addressOf(scene, { cloneUrl: ssh })).not.toHaveProperty('url')
  scene.host.rename('repo', 'acme/site')
  expect(await addressOf(scene, { cloneUrl: scene.found.repository.sshCloneUrl })).not.toHaveProperty('url')
})

test('who finds nothing there is told where it is now, whatever the provider said a moment ago', async () => {
  const scene = aScene()
  await addressOf(scene, { cloneUrl: ssh })
  scene.host.rename('repo', 'acme/site')
  expect(await addressOf(scene, { cloneUrl: ssh })).not.toHaveProperty('url')
  const { url } = await addressOf({ ...scene, isAskedAnew: true }, { cloneUrl: ssh })
  expect(url).toBe('ssh://git@provider.example/acme/site.git')
})

test.each([
  ['a project that has another repository by now', { repositoryId: 'another' }, {}],
  [
    'a provider whose repositories are at another host by now',
    {},
    { sshCloneUrl: 'ssh://git@evil.example/acme/web.git' },
  ],
  [
    'a provider whose repositories are at another port by now',
    {},
    { sshCloneUrl: 'ssh://git@provider.example:22/a/b' },
  ],
  ['a provider without ssh by now', {}, { sshCloneUrl: '' }],
] as const)('a run of %s is cloned from where it was', async (_, made, changes) => {
  const scene = aScene()
  scene.host.rename('repo', 'acme/site')
  scene.found.repository = { ...scene.found.repository, ...changes }
  const address = await addressOf(scene, { cloneUrl: ssh, ...made })
  expect(address).not.toHaveProperty('url')
  expect(address.access.credentials).toEqual({ type: 'sshkey', privateKey: 'the-key' })
})

test('a provider that does not answer delays no clone by ssh', async () => {
  const scene = aScene()
  scene.host.before = () => {
    throw new SlipwayError('provider_unavailable', 'down')
  }
  expect(await addressOf(scene, { cloneUrl: ssh })).toMatchObject({
    access: { credentials: { privateKey: 'the-key' } },
  })
  await expect(addressOf(scene, { cloneUrl: https })).rejects.toMatchObject({ code: 'provider_unavailable' })
})

test('of many tasks in a short time one asks the provider', async () => {
  const scene = aScene()
  for (let task = 0; task < 5; task++) await addressOf(scene, { cloneUrl: ssh, repositoryId: 'repo' })
  expect(scene.askedFor).toBe(1)
})
