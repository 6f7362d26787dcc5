// Identities at remote sources.

import { expect, test } from 'vitest'
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

test('an account tells who it is; its tokens are sealed and told on their own', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  const ann = await aUser(configstore, 'ann')
  const source = await configstore.createRemoteSource(githubSource)
  const account = await configstore.createLinkedAccount({
    user: 'ann',
    remoteSource: 'github',
    remoteUserId: '42',
    remoteUserName: 'ann-at-github',
    remoteUserAvatarUrl: 'https://avatars.example/42',
    accessToken: 'the-access-token',
    refreshToken: 'the-refresh-token',
    accessTokenExpiresAt: 5,
  })
  expect(account).toMatchObject({
    userId: ann.id,
    remoteSourceId: source.id,
    remoteUserId: '42',
    remoteUserName: 'ann-at-github',
    accessTokenExpiresAt: 5,
    version: 1,
  })
  expect((await configstore.listLinkedAccounts({ user: 'ann' })).items).toEqual([plain(account)])
  expect(await configstore.getLinkedAccount({ id: account.id })).toEqual(plain(account))
  expect(await configstore.linkedAccountCredentials({ id: account.id })).toEqual({
    accessToken: 'the-access-token',
    refreshToken: 'the-refresh-token',
    accessTokenExpiresAt: 5,
  })
  const stored = JSON.stringify(database.view((tx) => [tx.list('linkedaccount'), tx.list('sealed')]))
  expect(stored).not.toMatch(/the-(access|refresh)-token/)
  expect(await configstore.findLinkedAccount({ remoteSource: 'github', remoteUserId: '42' })).toEqual({
    account: plain(account),
    user: plain(ann),
  })
  expect(await configstore.findLinkedAccount({ remoteSource: source.id, remoteUserId: '43' })).toEqual({})
  expect(await codeOf(configstore.findLinkedAccount({ remoteSource: 'gitlab', remoteUserId: '42' }))).toBe(
    'remote_source_not_found',
  )
})

test('an identity is linked to one user, a user has one account per source, whoever is first', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const [ann, bob] = [await aUser(configstore, 'ann'), await aUser(configstore, 'bob')]
  await configstore.createRemoteSource(githubSource)
  await configstore.createRemoteSource({ ...githubSource, name: 'enterprise' })
  const link = (user: string, remoteUserId: string, remoteSource = 'github') =>
    codeOf(configstore.createLinkedAccount({ user, remoteSource, remoteUserId, remoteUserName: remoteUserId }))
  const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => link(n % 2 ? ann.id : bob.id, '42')))
  expect(outcomes.filter((outcome) => outcome === 'linked_account_exists')).toHaveLength(9)
  const [first] = (await configstore.listLinkedAccounts({ user: 'ann' })).items.length ? [ann, bob] : [bob, ann]
  expect(await link(first!.id, '43')).toBe('linked_account_exists')
  expect(await link(first!.id, '42', 'enterprise')).toMatchObject({ userId: first!.id })
  expect(await link('nobody', '44')).toBe('user_not_found')
  expect(await link(ann.id, '44', 'gitlab')).toBe('remote_source_not_found')
})

test('who registers with an identity that is linked gets no user', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aLinkedAccount(configstore, await aUser(configstore, 'ann'))
  const linkedAccount = { remoteSource: 'github', remoteUserId: 'remote-ann', remoteUserName: 'ann' }
  expect(await codeOf(configstore.createUser({ name: 'other', linkedAccount }))).toBe('linked_account_exists')
  expect(await codeOf(configstore.getUser({ user: 'other' }))).toBe('user_not_found')
  const eve = await configstore.createUser({ name: 'eve', linkedAccount: { ...linkedAccount, remoteUserId: 'eve' } })
  expect((await configstore.listLinkedAccounts({ user: eve.id })).items).toMatchObject([{ remoteUserId: 'eve' }])
})

test.each([
  ['an empty id', { remoteUserId: '' }],
  ['an empty name', { remoteUserName: '' }],
  ['a name that is too long', { remoteUserName: 'a'.repeat(4097) }],
  ['half a character in its id', { remoteUserId: 'a\ud800' }],
  ['an avatar that is too long', { remoteUserAvatarUrl: 'a'.repeat(4097) }],
])('an account with %s is refused', async (_, wrong) => {
  await using world = await openWorld()
  const { configstore } = world
  const { account } = await aLinkedAccount(configstore, await aUser(configstore, 'ann'))
  await aUser(configstore, 'bob')
  const input = { user: 'bob', remoteSource: 'github', remoteUserId: '1', remoteUserName: 'bob', ...wrong }
  expect(await codeOf(configstore.createLinkedAccount(input))).toBe('linked_account_invalid')
  expect(await codeOf(configstore.updateLinkedAccount({ user: 'ann', id: account.id, ...wrong }))).toBe(
    'linked_account_invalid',
  )
})

test('renewed tokens replace the old ones together; the rest stays', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const { account } = await aLinkedAccount(configstore, await aUser(configstore, 'ann'))
  const update = { user: 'ann', id: account.id }
  const renewed = await configstore.updateLinkedAccount({
    ...update,
    credentials: { accessToken: 'new', refreshToken: 'refresh', accessTokenExpiresAt: 7 },
    expectedVersion: 1,
  })
  expect(renewed).toMatchObject({ remoteUserName: 'ann', accessTokenExpiresAt: 7, version: 2 })
  await configstore.updateLinkedAccount({ ...update, remoteUserName: 'anna' })
  const last = await configstore.updateLinkedAccount({ ...update, credentials: { accessToken: 'newer' } })
  expect(last).toMatchObject({ remoteUserName: 'anna', version: 4 })
  expect(last).not.toHaveProperty('accessTokenExpiresAt')
  expect(await configstore.linkedAccountCredentials({ id: account.id })).toEqual({ accessToken: 'newer' })
  expect(await codeOf(configstore.updateLinkedAccount({ ...update, remoteUserName: 'x', expectedVersion: 1 }))).toBe(
    'version_conflict',
  )
})

test('an account is not taken over, nor changed or deleted through another user', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const [ann, bob] = [await aUser(configstore, 'ann'), await aUser(configstore, 'bob')]
  const [ofAnn, ofBob] = [await aLinkedAccount(configstore, ann), await aLinkedAccount(configstore, bob)]
  const taken = { user: 'bob', id: ofBob.account.id, remoteUserId: ofAnn.account.remoteUserId }
  expect(await codeOf(configstore.updateLinkedAccount(taken))).toBe('linked_account_exists')
  const through = { user: 'bob', id: ofAnn.account.id }
  expect(await codeOf(configstore.updateLinkedAccount({ ...through, remoteUserName: 'x' }))).toBe(
    'linked_account_not_found',
  )
  expect(await codeOf(configstore.deleteLinkedAccount(through))).toBe('linked_account_not_found')
  expect(await codeOf(configstore.getLinkedAccount({ id: bob.id }))).toBe('linked_account_not_found')
  expect(await codeOf(configstore.linkedAccountCredentials({ id: bob.id }))).toBe('linked_account_not_found')
})

test('an account that projects use is deleted only by force; its identity is free at once', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  const linked = await aLinkedAccount(configstore, ann)
  for (let n = 0; n < 12; n++) await aProject(configstore, `user/ann/p${n}`, { source: fromRemote(linked) })
  const deletion = { user: 'ann', id: linked.account.id }
  await expect(configstore.deleteLinkedAccount(deletion)).rejects.toMatchObject({
    code: 'linked_account_in_use',
    message: expect.stringMatching(/user\/ann\/p\d+, .* and more;/),
  })
  expect(await codeOf(configstore.deleteLinkedAccount({ ...deletion, expectedVersion: 9 }))).toBe('version_conflict')
  await configstore.deleteLinkedAccount({ ...deletion, force: true })
  expect(await configstore.getProject({ project: 'user/ann/p3' })).toMatchObject({ isSourceBroken: true })
  expect(await codeOf(configstore.linkedAccountCredentials(deletion))).toBe('linked_account_not_found')
  expect((await aLinkedAccount(configstore, ann)).account.id).not.toBe(linked.account.id)
})

test('an account that only deleted projects used is deleted', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  const linked = await aLinkedAccount(configstore, ann)
  await aProject(configstore, 'user/ann/web', { source: fromRemote(linked) })
  await configstore.deleteProject({ project: 'user/ann/web' })
  await configstore.deleteLinkedAccount({ user: 'ann', id: linked.account.id })
  expect(await configstore.linkedAccountCredentials({ id: linked.account.id })).toEqual({ accessToken: 'token-of-ann' })
})
