// How tasks come to the commits of a repository at a provider.

import { expect, test } from 'vitest'
import type { Project } from '../../configstore/types.ts'
import { FakeProviderHost } from '../../gitsource/fake-provider-fixture.ts'
import type { RemoteRepository } from '../../gitsource/provider.ts'
import { systemClock } from '../../lib/clock.ts'
import { RecentRepositories } from './recent-repositories.ts'
import { openRemoteRepository, type RemoteComponents, remoteGitAccess } from './remote-repository.ts'

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

function components(changes: Partial<RemoteRepository> = {}, deployKey: string | undefined = 'the-key') {
  const host = new FakeProviderHost()
  host.addUser('ann')
  const { repository } = host.addRepository('acme/web', 'ann', changes)
  const { accessToken } = host.giveTokens('ann')
  const provider = host.openProvider({}, { kind: 'token', accessToken })
  return {
    configstore: {
      projectCredentials: async () => (deployKey === undefined ? {} : { deployKey }),
      getRemoteSource: async () => ({ sshHostKey: 'provider.example ssh-ed25519 AAAA', skipSshHostKeyCheck: false }),
    },
    providers: {
      openProviderOfProject: async () => ({ provider, repository }),
      accessToken: async () => 'the-token',
    },
  } as unknown as RemoteComponents
}

const withRecent = ({ configstore, providers }: RemoteComponents) => ({
  configstore,
  repositories: new RecentRepositories({ providers, clock: systemClock }),
})

const aProject = (changes: Partial<Project> = {}) =>
  ({ id: 'p', source, skipSshHostKeyCheck: false, deployKeyPublic: 'ssh-ed25519 AAAA', ...changes }) as Project

test.each([
  ['with a deploy key', {}, {}, ssh],
  ['without a deploy key', { deployKeyPublic: undefined }, {}, https],
  ['at a provider without ssh', {}, { sshCloneUrl: '' }, https],
] as const)('%s tasks clone from %s', async (_, project, repository, url) => {
  const opened = await openRemoteRepository(
    aProject(project as Partial<Project>),
    source,
    withRecent(components(repository)),
    signal,
  )
  expect(opened.cloneUrl).toBe(url)
  expect(opened.sshHostKey).toBe('provider.example ssh-ed25519 AAAA')
})

test('by ssh git logs in with the deploy key, and checks the host', async () => {
  expect(await remoteGitAccess(aProject(), source, ssh, components())).toEqual({
    credentials: { type: 'sshkey', privateKey: 'the-key' },
    sshHostKey: 'provider.example ssh-ed25519 AAAA',
    skipSshHostKeyCheck: false,
  })
})

test('by https it logs in with the token of the account, at its provider and nowhere else', async () => {
  const at = async (url: string) => (await remoteGitAccess(aProject(), source, url, components())).credentials
  expect(await at(https)).toEqual({ type: 'password', userName: 'oauth2', password: 'the-token' })
  expect(await at('https://former-provider.example/acme/web.git')).toBeUndefined()
  expect(await at('http://provider.example/acme/web.git')).toBeUndefined()
})
