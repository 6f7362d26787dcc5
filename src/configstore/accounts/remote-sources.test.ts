// Remote sources: providers and plain git hosts.

import { expect, test } from 'vitest'
import type { NewRemoteSource } from '../api.ts'
import {
  aLinkedAccount,
  aProject,
  aUser,
  codeOf,
  fromRemote,
  githubSource,
  openWorld,
  plain,
} from '../configstore-fixture.ts'

test('a remote source is open for login unless it says otherwise; its secret is sealed', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  const source = await configstore.createRemoteSource({ ...githubSource, sshHostKey: 'github ssh-ed25519 AAAA' })
  expect(plain(source)).toEqual({
    id: source.id,
    createdAt: source.createdAt,
    updatedAt: source.createdAt,
    version: 1,
    name: 'github',
    type: 'github',
    authType: 'oauth2',
    apiUrl: 'https://api.github.example',
    skipVerify: false,
    oauth2ClientId: 'client',
    sshHostKey: 'github ssh-ed25519 AAAA',
    skipSshHostKeyCheck: false,
    registrationEnabled: true,
    loginEnabled: true,
  })
  expect(await configstore.remoteSourceCredentials({ remoteSource: 'github' })).toEqual({
    oauth2ClientSecret: 'client-secret',
  })
  expect(JSON.stringify(database.view((tx) => tx.list('remotesource')))).not.toContain('client-secret')
  for (const remoteSource of ['github', source.id])
    expect(await configstore.getRemoteSource({ remoteSource })).toEqual(plain(source))
  expect((await configstore.listRemoteSources()).items).toEqual([plain(source)])
})

test.each<[string, Partial<NewRemoteSource>, string]>([
  ['a wrong name', { name: 'a_b' }, 'name_invalid'],
  ['an unknown type', { type: 'svn' as 'git' }, 'remote_source_invalid'],
  ['an unknown authentication', { authType: 'kerberos' as 'none' }, 'remote_source_invalid'],
  ['an authentication that the type has not', { authType: 'password' }, 'remote_source_invalid'],
  ['no URL', { apiUrl: '' }, 'remote_source_invalid'],
  ['a URL that is none', { apiUrl: 'api.github.example' }, 'remote_source_invalid'],
  ['a URL of a file', { apiUrl: 'file:///etc/passwd' }, 'remote_source_invalid'],
  ['a password in the URL', { apiUrl: 'https://ann:pw@github.example' }, 'remote_source_invalid'],
  ['no client id', { oauth2ClientId: '' }, 'remote_source_invalid'],
  ['no client secret', { oauth2ClientSecret: '' }, 'remote_source_invalid'],
  ['a host key that is too long', { sshHostKey: 'a'.repeat(4097) }, 'remote_source_invalid'],
])('a remote source with %s is refused, new or changed', async (_, wrong, code) => {
  await using world = await openWorld()
  const { configstore } = world
  expect(await codeOf(configstore.createRemoteSource({ ...githubSource, ...wrong }))).toBe(code)
  if ('type' in wrong || 'authType' in wrong) return
  await configstore.createRemoteSource(githubSource)
  expect(await codeOf(configstore.updateRemoteSource({ remoteSource: 'github', ...wrong }))).toBe(code)
  expect(await configstore.getRemoteSource({ remoteSource: 'github' })).toMatchObject({ version: 1 })
})

test('of a plain git host only host and host key are known: nobody logs in there', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const host: NewRemoteSource = { name: 'plain', type: 'git', authType: 'none', apiUrl: 'ssh://git@git.example:2222' }
  expect(await configstore.createRemoteSource(host)).toMatchObject({ loginEnabled: false, registrationEnabled: false })
  expect(await codeOf(configstore.createRemoteSource({ ...host, name: 'other', loginEnabled: true }))).toBe(
    'remote_source_invalid',
  )
  expect(await codeOf(configstore.createRemoteSource({ ...githubSource, apiUrl: 'ssh://git@git.example' }))).toBe(
    'remote_source_invalid',
  )
})

test('of ten creations of one remote source at once, one succeeds', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, () => codeOf(configstore.createRemoteSource(githubSource))),
  )
  expect(outcomes.filter((outcome) => outcome === 'remote_source_exists')).toHaveLength(9)
})

test('a remote source is changed by its name or id; what is not given stays', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const { id } = await configstore.createRemoteSource({ ...githubSource, sshHostKey: 'key' })
  await configstore.createRemoteSource({ ...githubSource, name: 'other' })
  const renamed = await configstore.updateRemoteSource({
    remoteSource: id,
    name: 'gh',
    sshHostKey: '',
    expectedVersion: 1,
  })
  expect(renamed).toMatchObject({ id, name: 'gh', version: 2, oauth2ClientId: 'client' })
  expect(renamed).not.toHaveProperty('sshHostKey')
  expect(await configstore.updateRemoteSource({ remoteSource: 'gh', oauth2ClientSecret: 'new' })).toMatchObject({
    version: 3,
  })
  expect(await configstore.remoteSourceCredentials({ remoteSource: 'gh' })).toEqual({ oauth2ClientSecret: 'new' })
  expect(await configstore.updateRemoteSource({ remoteSource: 'gh', name: 'gh' })).toMatchObject({ version: 3 })
  expect(await codeOf(configstore.updateRemoteSource({ remoteSource: 'gh', name: 'other' }))).toBe(
    'remote_source_exists',
  )
  expect(await codeOf(configstore.updateRemoteSource({ remoteSource: 'gh', name: 'x', expectedVersion: 1 }))).toBe(
    'version_conflict',
  )
  for (const operation of [
    () => configstore.getRemoteSource({ remoteSource: 'none' }),
    () => configstore.updateRemoteSource({ remoteSource: 'none', name: 'x' }),
    () => configstore.deleteRemoteSource({ remoteSource: 'none' }),
    () => configstore.remoteSourceCredentials({ remoteSource: 'none' }),
  ])
    expect(await codeOf(operation())).toBe('remote_source_not_found')
})

test('a remote source that accounts or projects need stays; the message says what needs it', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  const ann = await aUser(configstore, 'ann')
  const linked = await aLinkedAccount(configstore, ann)
  await aProject(configstore, 'user/ann/web', { source: fromRemote(linked) })
  await expect(configstore.deleteRemoteSource({ remoteSource: 'github' })).rejects.toMatchObject({
    code: 'remote_source_in_use',
    message: 'remote source github is used: 1 linked accounts, 1 projects',
  })
  await configstore.deleteLinkedAccount({ user: 'ann', id: linked.account.id, force: true })
  expect(await codeOf(configstore.deleteRemoteSource({ remoteSource: 'github' }))).toBe('remote_source_in_use')
  await configstore.updateProject({ project: 'user/ann/web', source: { kind: 'none' } })
  expect(await codeOf(configstore.deleteRemoteSource({ remoteSource: 'github', expectedVersion: 2 }))).toBe(
    'version_conflict',
  )
  await configstore.deleteRemoteSource({ remoteSource: 'github' })
  expect((await configstore.listRemoteSources()).items).toEqual([])
  expect(database.view((tx) => tx.count('sealed'))).toBe(0)
})
