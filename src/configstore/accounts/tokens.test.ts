// Tokens of users: told once, stored hashed, valid for what they were made for and not longer.

import { expect, test } from 'vitest'
import { aProject, aUser, codeOf, openWorld } from '../configstore-fixture.ts'

const hour = 60 * 60 * 1000
const day = 24 * hour

test('a token says who its user is; its value is told once and stored nowhere', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  const ann = await aUser(configstore, 'ann')
  const { token, value } = await configstore.createToken({ user: 'ann', name: 'my laptop / 100 %', scope: 'run' })
  expect(value).toMatch(/^slipway_[0-9a-f]{12}_[0-9a-f]{40}$/)
  expect(token).toMatchObject({ userId: ann.id, name: 'my laptop / 100 %', scope: 'run', version: 1 })
  expect(token).not.toHaveProperty('hash')
  const authenticated = await configstore.authenticateToken({ value })
  expect(authenticated).toMatchObject({ user: { id: ann.id }, token: { id: token.id } })
  expect(authenticated.token).not.toHaveProperty('hash')
  const stored = JSON.stringify(database.view((tx) => tx.list('usertoken')))
  expect(stored).not.toContain(value.slice(-40))
})

test.each([
  ['nothing', () => ''],
  ['another form', () => 'Bearer slipway'],
  [
    'another value with the same look-up part',
    (value: string) => `${value.slice(0, -1)}${value.endsWith('0') ? 1 : 0}`,
  ],
  ['a value in capitals', (value: string) => value.toUpperCase()],
  ['a value with something after it', (value: string) => `${value}0`],
  ['one that nobody has', () => `slipway_${'0'.repeat(12)}_${'0'.repeat(40)}`],
])('nobody is authenticated by %s', async (_, change) => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'admin' })
  expect(await configstore.authenticateToken({ value: change(value) })).toEqual({})
})

test('a request that is repeated gets the same token and value, though the value is not stored', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  const input = { user: 'ann', name: 'laptop', scope: 'read' } as const
  const first = await configstore.createToken(input, { transactionId: 't1' })
  const again = await configstore.createToken(input, { transactionId: 't1' })
  expect(again).toEqual(first)
  await configstore.rotateKey()
  expect(await configstore.createToken(input, { transactionId: 't1' })).toMatchObject({ value: first.value })
  const other = await configstore.createToken({ ...input, name: 'phone' }, { transactionId: 't2' })
  expect(other.value).not.toBe(first.value)
  expect(await configstore.authenticateToken({ value: first.value })).toMatchObject({ token: { name: 'laptop' } })
})

test('a token with an expiry is valid until then; expired ones are removed after 30 days', async () => {
  await using world = await openWorld()
  const { configstore, clock } = world
  await aUser(configstore, 'ann')
  const expiresAt = clock.now() + hour
  const { value } = await configstore.createToken({ user: 'ann', name: 'short', scope: 'read', expiresAt })
  await configstore.createToken({ user: 'ann', name: 'long', scope: 'read', expiresAt: clock.now() + 90 * day })
  await configstore.createToken({ user: 'ann', name: 'forever', scope: 'read' })
  clock.pass(hour - 1)
  expect(await configstore.authenticateToken({ value })).toMatchObject({ token: { name: 'short', expiresAt } })
  clock.pass(1)
  expect(await configstore.authenticateToken({ value })).toEqual({})
  clock.pass(30 * day)
  await configstore.sweep()
  expect((await configstore.listTokens({ user: 'ann' })).items.map(({ name }) => name)).toContain('short')
  clock.pass(1)
  await configstore.sweep()
  expect((await configstore.listTokens({ user: 'ann' })).items.map(({ name }) => name)).toEqual(['forever', 'long'])
})

test('a token can be for some projects only, and stays so when they are gone', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  const web = await aProject(configstore, 'user/ann/web')
  const input = { user: 'ann', name: 'deploy', scope: 'run', projects: ['user/ann/web', web.id] } as const
  const { value } = await configstore.createToken(input)
  await configstore.deleteProject({ project: web.id })
  expect(await configstore.authenticateToken({ value })).toMatchObject({ token: { projectIds: [web.id] } })
  expect(await codeOf(configstore.createToken({ ...input, name: 'other' }))).toBe('project_not_found')
})

test.each([
  ['an empty name', { name: '' }],
  ['a name that is too long', { name: 'a'.repeat(101) }],
  ['a control character in the name', { name: 'a\nb' }],
  ['half a character in the name', { name: 'a\ud800' }],
  ['an unknown scope', { scope: 'write' as 'read' }],
  ['no project at all', { projects: [] }],
  ['too many projects', { projects: Array.from({ length: 101 }, () => 'user/ann/web') }],
  ['an expiry that has passed', { expiresAt: 1 }],
  ['an expiry that is no time', { expiresAt: Number.NaN }],
])('a token with %s is refused', async (_, wrong) => {
  await using world = await openWorld()
  await aUser(world.configstore, 'ann')
  const input = { user: 'ann', name: 'laptop', scope: 'read' as const, ...wrong }
  expect(await codeOf(world.configstore.createToken(input))).toBe('token_invalid')
})

test('names of tokens are unique per user, whoever is first', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  await aUser(configstore, 'bob')
  const make = (user: string) => codeOf(configstore.createToken({ user, name: 'laptop', scope: 'read' }))
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => make('ann')))
  expect(outcomes.filter((outcome) => outcome === 'token_exists')).toHaveLength(9)
  expect(await make('bob')).toMatchObject({ token: { name: 'laptop' } })
  expect(await make('nobody')).toBe('user_not_found')
})

test('a token is deleted by its name or id, by its own user only', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  await aUser(configstore, 'bob')
  const name = 'a name / with 100 % odd characters'
  const { token, value } = await configstore.createToken({ user: 'ann', name, scope: 'read' })
  for (const wrong of [
    { user: 'bob', token: token.id },
    { user: 'ann', token: 'other' },
  ])
    expect(await codeOf(configstore.deleteToken(wrong))).toBe('token_not_found')
  await configstore.deleteToken({ user: 'ann', token: name })
  expect(await configstore.authenticateToken({ value })).toEqual({})
  const other = await configstore.createToken({ user: 'ann', name, scope: 'read' })
  await configstore.deleteToken({ user: 'ann', token: other.token.id })
  expect((await configstore.listTokens({ user: 'ann' })).items).toEqual([])
})

test('a user with 100 tokens gets no further one', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  const make = (n: number) => configstore.createToken({ user: 'ann', name: `token ${n}`, scope: 'read' })
  await Promise.all(Array.from({ length: 100 }, (_, n) => make(n)))
  expect(await codeOf(make(100))).toBe('limit_exceeded')
})

test('the use of a token is noted once an hour, and costs nothing in between', async () => {
  await using world = await openWorld()
  const { configstore, clock, database } = world
  await aUser(configstore, 'ann')
  const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'read' })
  const noted = async () => {
    await database.do(() => undefined) // What was begun before is committed by then.
    return (await configstore.listTokens({ user: 'ann' })).items[0]!.lastUsedAt
  }
  await configstore.authenticateToken({ value })
  const first = clock.now()
  expect(await noted()).toBe(first)
  const { position } = database
  clock.pass(hour - 1)
  await configstore.authenticateToken({ value })
  expect(await noted()).toBe(first)
  expect(database.position).toBe(position)
  clock.pass(1)
  await configstore.authenticateToken({ value })
  expect(await noted()).toBe(first + hour)
})

test('a thousand requests with one token note its use once', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  await aUser(configstore, 'ann')
  const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'read' })
  await Promise.all(Array.from({ length: 1000 }, () => configstore.authenticateToken({ value })))
  await database.do(() => undefined)
  const changes = new AbortController()
  let notes = 0
  const { position } = await configstore.createUser({ name: 'last' })
  for await (const change of database.changes(0, changes.signal)) {
    notes += change.operations.filter(({ type, kind }) => type === 'usertoken' && kind === 'put').length
    if (change.position === position) changes.abort()
  }
  expect(notes).toBe(2) // Its creation is the other one.
})
