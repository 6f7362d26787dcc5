// Users, their passwords, and what happens to what they have when they go.

import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import {
  aLinkedAccount,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  fromRemote,
  openWorld,
  plain,
} from '../configstore-fixture.ts'
import { Passwords } from './passwords.ts'

test('the first administrator is made once, and only while nobody is there', async () => {
  await using world = await openWorld()
  const { configstore } = world
  expect(await configstore.status()).toMatchObject({ hasUsers: false })
  const first = await configstore.createFirstAdministrator({ name: 'ann', password: 'correct horse' })
  expect(first).toMatchObject({ name: 'ann', isAdmin: true, hasPassword: true, version: 1 })
  expect(await configstore.status()).toMatchObject({ hasUsers: true, position: first.position })
  expect(await codeOf(configstore.createFirstAdministrator({ name: 'bob' }))).toBe('users_exist')
})

test('of two who would be the first administrator at once, one is', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const names = ['ann', 'bob', 'cid']
  const outcomes = await Promise.all(names.map((name) => codeOf(configstore.createFirstAdministrator({ name }))))
  expect(outcomes.filter((outcome) => outcome === 'users_exist')).toHaveLength(2)
  expect((await configstore.listUsers()).items).toHaveLength(1)
})

test('a user has a root group, is found by id and by name, and seen from the position of its creation on', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await configstore.createUser({ name: 'ann' })
  expect(await configstore.getUser({ user: ann.id }, { atLeast: ann.position })).toEqual(plain(ann))
  expect(await configstore.getUser({ user: 'ann' })).toEqual(plain(ann))
  expect(await configstore.getProjectGroup({ group: 'user/ann' })).toMatchObject({
    name: '',
    path: 'user/ann',
    parentPath: 'user/ann',
    parent: { type: 'user', id: ann.id },
    owner: { type: 'user', id: ann.id, name: 'ann' },
    globalVisibility: 'public',
  })
})

test.each(['', '-', 'a b', '6e0f4c1a-7d3b-4b52-9a3e-0d2f7a1c9e11'])('%j is no name of a user', async (name) => {
  await using world = await openWorld()
  const { configstore } = world
  expect(await codeOf(configstore.createUser({ name }))).toBe('name_invalid')
  await aUser(configstore, 'ann')
  expect(await codeOf(configstore.updateUser({ user: 'ann', name }))).toBe('name_invalid')
})

test('of ten creations of one user at once, one succeeds', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(configstore.createUser({ name: 'ann' }))))
  expect(outcomes.filter((outcome) => outcome === 'user_exists')).toHaveLength(9)
  expect((await configstore.listUsers()).items).toHaveLength(1)
})

test('a repeated request with one transaction id acts once and answers the same', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const first = await configstore.createUser({ name: 'ann' }, { transactionId: 't1' })
  expect(await configstore.createUser({ name: 'ann' }, { transactionId: 't1' })).toEqual(first)
  expect(await codeOf(configstore.createUser({ name: 'ann' }, { transactionId: 't2' }))).toBe('user_exists')
})

test('a user is renamed: paths and lists of members follow, the old name is free', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  await anOrganization(configstore, 'acme', ann)
  await aProject(configstore, 'user/ann/web')
  const renamed = await configstore.updateUser({ user: 'ann', name: 'anna', expectedVersion: 1 })
  expect(renamed).toMatchObject({ id: ann.id, name: 'anna', version: 2 })
  expect(await codeOf(configstore.getProject({ project: 'user/ann/web' }))).toBe('project_not_found')
  expect(await configstore.getProject({ project: 'user/anna/web' })).toMatchObject({ path: 'user/anna/web' })
  expect((await configstore.listMembers({ organization: 'acme' })).items).toMatchObject([{ userName: 'anna' }])
  await aUser(configstore, 'ann')
  expect(await codeOf(configstore.updateUser({ user: 'ann', name: 'anna' }))).toBe('user_exists')
})

test('a change that changes nothing is no new version', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  expect(await configstore.updateUser({ user: 'ann', name: 'ann', isAdmin: false })).toMatchObject({ version: 1 })
})

test('who expects another version is told the current one, and changes nothing', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  await configstore.updateUser({ user: 'ann', isAdmin: true })
  const late = { user: 'ann', expectedVersion: 1 }
  await expect(configstore.updateUser({ ...late, name: 'bob' })).rejects.toMatchObject({
    code: 'version_conflict',
    message: 'user ann has version 2, not 1',
  })
  expect(await codeOf(configstore.deleteUser(late))).toBe('version_conflict')
  expect(await codeOf(configstore.setPassword({ ...late, password: 'correct horse' }))).toBe('version_conflict')
  expect(await configstore.getUser({ user: 'ann' })).toMatchObject({ version: 2, hasPassword: false })
})

test('whom nobody knows is not found, by id, by name and by a UUID in another spelling', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const { id } = await aUser(configstore, 'ann')
  for (const user of ['bob', '', id.toUpperCase(), '6e0f4c1a-7d3b-4b52-9a3e-0d2f7a1c9e11']) {
    expect(await codeOf(configstore.getUser({ user }))).toBe('user_not_found')
    expect(await codeOf(configstore.updateUser({ user, isAdmin: true }))).toBe('user_not_found')
    expect(await codeOf(configstore.deleteUser({ user }))).toBe('user_not_found')
    expect(await codeOf(configstore.setPassword({ user, password: 'correct horse' }))).toBe('user_not_found')
  }
})

test('the last administrator stays', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await configstore.createFirstAdministrator({ name: 'ann' })
  expect(await codeOf(configstore.updateUser({ user: 'ann', isAdmin: false }))).toBe('last_administrator')
  expect(await codeOf(configstore.deleteUser({ user: 'ann' }))).toBe('last_administrator')
  await configstore.createUser({ name: 'bob', isAdmin: true })
  await configstore.deleteUser({ user: 'ann' })
  expect(await codeOf(configstore.updateUser({ user: 'bob', isAdmin: false }))).toBe('last_administrator')
})

test('the last owner of an organization cannot be deleted, and the message names the organization', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  const bob = await aUser(configstore, 'bob')
  await anOrganization(configstore, 'acme', ann)
  await anOrganization(configstore, 'umbrella', ann)
  await configstore.setMember({ organization: 'umbrella', user: bob.id, role: 'owner' })
  await expect(configstore.deleteUser({ user: 'ann' })).rejects.toMatchObject({
    code: 'last_owner',
    message: 'user ann is the only owner of acme',
  })
  await configstore.setMember({ organization: 'acme', user: bob.id, role: 'owner' })
  await configstore.deleteUser({ user: 'ann' })
  expect(await configstore.getOrganization({ organization: 'acme' })).not.toHaveProperty('creatorUserId')
})

test('a deleted user takes everything along, and the name is free at once', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await configstore.createUser({ name: 'ann', password: 'correct horse' })
  const bob = await aUser(configstore, 'bob')
  await anOrganization(configstore, 'acme', bob)
  await anOrganization(configstore, 'umbrella', bob)
  await configstore.setMember({ organization: 'acme', user: ann.id, role: 'member' })
  await configstore.createInvitation({ organization: 'umbrella', user: ann.id, role: 'member' })
  const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'read' })
  const linked = await aLinkedAccount(configstore, ann)
  const project = await aProject(configstore, 'user/ann/web')
  await configstore.deleteUser({ user: 'ann' })
  expect(await configstore.authenticateToken({ value })).toEqual({})
  expect(await configstore.verifyPassword({ name: 'ann', password: 'correct horse' })).toEqual({})
  expect((await configstore.listMembers({ organization: 'acme' })).items).toMatchObject([{ userName: 'bob' }])
  expect((await configstore.listInvitations({ organization: 'umbrella' })).items).toEqual([])
  expect(await codeOf(configstore.getProject({ project: project.id }))).toBe('project_not_found')
  expect(await codeOf(configstore.getLinkedAccount({ id: linked.account.id }))).toBe('linked_account_not_found')
  const again = await aUser(configstore, 'ann')
  expect((await configstore.listProjects({ group: 'user/ann' })).items).toEqual([])
  expect((await aLinkedAccount(configstore, again)).account.remoteUserId).toBe(linked.account.remoteUserId)
})

test('a user whose linked account projects of others use is deleted only by force, and they show it', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const [ann, bob] = [await aUser(configstore, 'ann'), await aUser(configstore, 'bob')]
  await anOrganization(configstore, 'acme', bob)
  const linked = await aLinkedAccount(configstore, ann)
  await aProject(configstore, 'user/ann/own', { source: fromRemote(linked) })
  await aProject(configstore, 'org/acme/web', { source: fromRemote(linked) })
  await expect(configstore.deleteUser({ user: 'ann' })).rejects.toMatchObject({
    code: 'linked_account_in_use',
    message: expect.stringContaining('org/acme/web;'),
  })
  await configstore.deleteUser({ user: 'ann', force: true })
  expect(await configstore.getProject({ project: 'org/acme/web' })).toMatchObject({ isSourceBroken: true })
})

test('a password is 10 to 200 characters', async () => {
  await using world = await openWorld()
  const { configstore } = world
  for (const password of ['', 'short', 'a'.repeat(9), 'a'.repeat(201)]) {
    expect(await codeOf(configstore.createUser({ name: 'ann', password }))).toBe('password_invalid')
    expect(await codeOf(configstore.setPassword({ user: 'ann', password }))).toBe('password_invalid')
  }
  for (const [name, length] of [
    ['ann', 10],
    ['bob', 200],
  ] as const) {
    await configstore.createUser({ name, password: 'ä'.repeat(length) })
    expect(await configstore.verifyPassword({ name, password: 'ä'.repeat(length) })).toMatchObject({ user: { name } })
  }
})

test('name and password fit or not; a changed or removed password does not fit any more', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  await configstore.createUser({ name: 'ann', password: 'correct horse' })
  await aUser(configstore, 'bob')
  const fits = async (name: string, password: string) =>
    (await configstore.verifyPassword({ name, password })).user !== undefined
  expect(await fits('ann', 'correct horse')).toBe(true)
  expect(await fits('ann', 'correct horse ')).toBe(false)
  expect(await fits('bob', 'correct horse')).toBe(false)
  expect(await fits('bob', '')).toBe(false)
  expect(await fits('nobody', 'correct horse')).toBe(false)
  await configstore.setPassword({ user: 'ann', password: 'battery staple' })
  expect(await fits('ann', 'correct horse')).toBe(false)
  expect(await fits('ann', 'battery staple')).toBe(true)
  const stored = JSON.stringify(database.view((tx) => [tx.list('password'), tx.list('user')]))
  expect(stored).toContain('$argon2id$v=19$m=19456,t=2,p=1$')
  expect(stored).not.toContain('battery')
  expect(await configstore.setPassword({ user: 'ann' })).toMatchObject({ hasPassword: false })
  expect(await fits('ann', 'battery staple')).toBe(false)
})

test('a password that is removed while it is compared does not fit any more', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await configstore.createUser({ name: 'ann', password: 'correct horse' })
  const verify = (name: string) => configstore.verifyPassword({ name, password: 'correct horse' })
  // Those before it let the comparison of ann's begin long after the password was removed.
  const others = Array.from({ length: 20 }, () => verify('nobody'))
  const [answer] = await Promise.all([verify('ann'), configstore.setPassword({ user: 'ann' }), ...others])
  expect(answer).toEqual({})
})

test('one password fits however its letters were composed', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await configstore.createUser({ name: 'ann', password: 'passwörter'.normalize('NFC') })
  const { user } = await configstore.verifyPassword({ name: 'ann', password: 'passwörter'.normalize('NFD') })
  expect(user?.name).toBe('ann')
})

test('a wrong name is not told by the time it takes: there is a hash to compare in any case', async () => {
  await using world = await openWorld()
  const { configstore } = world
  let fastestMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    expect(await configstore.verifyPassword({ name: 'nobody', password: 'wrong password' })).toEqual({})
    fastestMs = Math.min(fastestMs, performance.now() - started)
  }
  expect(fastestMs).toBeGreaterThan(3) // Without hashing it is a fraction of a millisecond.
})

test('when too many passwords wait to be checked, further ones are refused', async () => {
  const passwords = new Passwords()
  const checks = Array.from({ length: 110 }, () => codeOf(passwords.verify('a'.repeat(201), undefined)))
  expect(await Promise.all(checks)).toEqual(checks.map(() => false)) // Too long is known without hashing.
  const hash = await passwords.hash('correct horse')
  const outcomes = await Promise.all(
    Array.from({ length: 105 }, () => codeOf(passwords.verify('correct horse', hash.replace('m=19456', 'm=8')))),
  )
  expect(outcomes.filter((outcome) => outcome === 'rate_limited')).toHaveLength(3)
})

test('users are listed by name, a page at a time, both ways', async () => {
  await using world = await openWorld()
  const { configstore } = world
  for (const name of ['eve', 'bob', 'Zed', 'ann', 'dan']) await aUser(configstore, name)
  const first = await configstore.listUsers({ limit: 2 })
  expect(first.items.map(({ name }) => name)).toEqual(['Zed', 'ann'])
  await configstore.deleteUser({ user: 'ann' })
  await aUser(configstore, 'abe')
  await aUser(configstore, 'bea')
  const second = await configstore.listUsers({ limit: 2, cursor: first.nextCursor! })
  expect(second.items.map(({ name }) => name)).toEqual(['bea', 'bob'])
  const last = await configstore.listUsers({ limit: 2, cursor: second.nextCursor! })
  expect(last.items.map(({ name }) => name)).toEqual(['dan', 'eve'])
  expect(last.nextCursor).toBeUndefined()
  const down = await configstore.listUsers({ limit: 3, descending: true })
  expect(down.items.map(({ name }) => name)).toEqual(['eve', 'dan', 'bob'])
  const further = await configstore.listUsers({ limit: 10, cursor: down.nextCursor! })
  expect(further.items.map(({ name }) => name)).toEqual(['bea', 'abe', 'Zed'])
})

test('a list gives 25 items when not asked for more, and at most 100', async () => {
  await using world = await openWorld()
  const { configstore } = world
  for (let n = 0; n < 101; n++) await aUser(configstore, `user${String(n).padStart(3, '0')}`)
  expect((await configstore.listUsers()).items).toHaveLength(25)
  expect((await configstore.listUsers({ limit: 100 })).items).toHaveLength(100)
  for (const limit of [0, -1, 1.5, 101, Number.NaN])
    expect(await codeOf(configstore.listUsers({ limit }))).toBe('list_invalid')
  for (const cursor of ['', 'x', 'bm9uc2Vuc2U', Buffer.from('[2,"a","b"]').toString('base64url')])
    expect(await codeOf(configstore.listUsers({ cursor }))).toBe('list_invalid')
})

test('who waits for a position that does not come is told', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const leaving = new AbortController()
  const waiting = codeOf(configstore.getUser({ user: 'ann' }, { atLeast: 1000, signal: leaving.signal }))
  leaving.abort(new SlipwayError('cancelled', 'left'))
  expect(await waiting).toBe('cancelled')
})
