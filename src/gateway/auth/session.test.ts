// Coming in with a password, what a session may do, and going out.

import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { adminToken, openTestGateway, setupToken, type TestGateway } from '../gateway-fixture.ts'

const password = 'correct horse battery'

type LoggedIn = { readonly cookie: string; readonly csrf: string; readonly own: Readonly<Record<string, string>> }

async function aUserWithPassword(gateway: TestGateway, name = 'ann'): Promise<string> {
  return (await gateway.configstore.createUser({ name, password })).id
}

async function logIn(gateway: TestGateway, name = 'ann', given = password): Promise<LoggedIn> {
  const answer = await gateway.ask('POST /login', { body: { username: name, password: given } })
  expect(answer.status).toBe(200)
  const cookie = answer.headers.get('set-cookie')!.split(';')[0]!
  const { csrfToken: csrf } = answer.body as { csrfToken: string }
  return { cookie, csrf, own: { 'x-csrf-token': csrf } }
}

const login = (gateway: TestGateway, username: string, given: string) =>
  gateway.ask('POST /login', { body: { username, password: given } })

test('who knows the password gets a session in a cookie that pages cannot read', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const answer = await login(gateway, 'ann', password)
  expect(answer).toMatchObject({ status: 200, body: { user: { name: 'ann', hasPassword: true } } })
  const cookie = answer.headers.get('set-cookie')!
  expect(cookie).toMatch(/^slipway-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=1209600$/)
  const session = await logIn(gateway)
  expect(await gateway.ask('GET /session', session)).toMatchObject({
    body: { kind: 'session', isAdmin: false, user: { name: 'ann' }, csrfToken: session.csrf },
  })
})

test('behind https the cookie is bound to its origin and never sent in clear', async () => {
  await using gateway = await openTestGateway({ settings: { publicUrl: 'https://ci.example' } })
  await aUserWithPassword(gateway)
  const answer = await login(gateway, 'ann', password)
  expect(answer.headers.get('set-cookie')).toMatch(/^__Host-slipway-session=.*; Path=\/;.*; Secure$/)
  expect(answer.headers.get('strict-transport-security')).toContain('max-age=')
})

test('a wrong password and a user that is not there are the same', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  await gateway.configstore.createUser({ name: 'nopassword' })
  const answers = [
    await login(gateway, 'ann', 'wrong'),
    await login(gateway, 'nobody', 'wrong'),
    await login(gateway, 'nopassword', ''),
  ]
  for (const { status, body, headers } of answers) {
    expect(status).toBe(401)
    expect(body).toMatchObject({ code: 'login_failed', message: 'user name or password is wrong' })
    expect(headers.get('set-cookie')).toBeNull()
  }
})

test('a session changes something only with its own CSRF token', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  await aUserWithPassword(gateway, 'bob')
  const ann = await logIn(gateway)
  const bob = await logIn(gateway, 'bob')
  const create = (headers: Readonly<Record<string, string>>, name: string) =>
    gateway.ask('POST /organizations', { cookie: ann.cookie, headers, body: { name } })
  expect(await create({}, 'acme')).toMatchObject({ status: 403, body: { code: 'csrf_refused' } })
  expect(await create(bob.own, 'acme')).toMatchObject({ status: 403, body: { code: 'csrf_refused' } })
  expect(await create(ann.own, 'acme')).toMatchObject({ status: 201 })
  expect(await gateway.ask('GET /user', { cookie: ann.cookie })).toMatchObject({ status: 200 })
})

test.each([
  ['of this server', (url: string) => ({ origin: url }), 201],
  ['of another site', () => ({ origin: 'https://evil.example' }), 403],
  ['of this server behind a proxy', () => ({ origin: 'https://ci.example', 'sec-fetch-site': 'same-origin' }), 201],
  ['of no site that can be named', () => ({ origin: 'null' }), 403],
  ['of another site, as the browser says', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
  ['of another host of the same site', () => ({ 'sec-fetch-site': 'same-site' }), 403],
  ['typed by a person', () => ({ 'sec-fetch-site': 'none' }), 201],
  [
    'of an origin that the settings allow',
    () => ({ origin: 'https://dash.example', 'sec-fetch-site': 'cross-site' }),
    201,
  ],
] as const)('with a session, a request from a page %s', async (_, headersOf, status) => {
  await using gateway = await openTestGateway({ settings: { allowedOrigins: ['https://dash.example'] } })
  await aUserWithPassword(gateway)
  const { cookie, own } = await logIn(gateway)
  const headers = { ...own, ...headersOf(gateway.url) }
  expect((await gateway.ask('POST /organizations', { cookie, headers, body: { name: 'acme' } })).status).toBe(status)
})

test('no other site logs a visitor in', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const headers = { origin: 'https://evil.example' }
  const answer = await gateway.ask('POST /login', { headers, body: { username: 'ann', password } })
  expect(answer).toMatchObject({ status: 403, body: { code: 'csrf_refused' } })
})

test('a session ends at logout, and after its time', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const { cookie, own } = await logIn(gateway)
  const out = await gateway.ask('POST /logout', { cookie, headers: own })
  expect(out.status).toBe(204)
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  expect(await gateway.ask('GET /user', { cookie })).toMatchObject({ status: 401 })
  const later = await logIn(gateway)
  gateway.clock.pass(limits.sessionMs.value - 1)
  expect(await gateway.ask('GET /user', later)).toMatchObject({ status: 200 })
  gateway.clock.pass(1)
  expect(await gateway.ask('GET /user', later)).toMatchObject({ status: 401 })
})

test('a session ends after the time that the settings say', async () => {
  const sessionMs = 3_600_000
  await using gateway = await openTestGateway({ settings: { sessionMs } })
  await aUserWithPassword(gateway)
  const { headers } = await gateway.ask('POST /login', { body: { username: 'ann', password } })
  expect(headers.get('set-cookie')).toContain('Max-Age=3600')
  const session = await logIn(gateway)
  gateway.clock.pass(sessionMs - 1)
  expect(await gateway.ask('GET /user', session)).toMatchObject({ status: 200 })
  gateway.clock.pass(1)
  expect(await gateway.ask('GET /user', session)).toMatchObject({ status: 401 })
})

test('sessions are listed and ended one by one; the secret of none is stored', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  await aUserWithPassword(gateway, 'bob')
  const first = await logIn(gateway)
  gateway.clock.pass(1000)
  const second = await logIn(gateway)
  const bob = await logIn(gateway, 'bob')
  const list = await gateway.ask('GET /user/sessions', second)
  const { items } = list.body as { items: { id: string; isCurrent: boolean }[] }
  expect(items.map(({ isCurrent }) => isCurrent)).toEqual([false, true])
  const { id } = items[0]!
  const end = (session: LoggedIn) =>
    gateway.ask(`DELETE /user/sessions/${id}`, { cookie: session.cookie, headers: session.own })
  expect(await end(bob)).toMatchObject({ status: 404, body: { code: 'session_not_found' } })
  expect(await end(second)).toMatchObject({ status: 204 })
  expect(await gateway.ask('GET /user', first)).toMatchObject({ status: 401 })
  const rows = gateway.database.view((tx) => tx.list('session'))
  expect(JSON.stringify(rows)).not.toContain(second.cookie.split('=')[1])
})

test('with too many sessions the oldest ends', async () => {
  await using gateway = await openTestGateway()
  const userId = await aUserWithPassword(gateway)
  const { cookie } = await logIn(gateway)
  await gateway.database.do((tx) => {
    for (let n = 1; n < limits.sessionsPerUser.value; n++) {
      const createdAt = gateway.clock.now() + n
      tx.put('session', `s${n}`, { userId, createdAt, expiresAt: createdAt + 1e9, userAgent: '', address: '' })
    }
  })
  expect(await gateway.ask('GET /user', { cookie })).toMatchObject({ status: 200 })
  gateway.clock.pass(1000)
  await logIn(gateway)
  expect(await gateway.ask('GET /user', { cookie })).toMatchObject({ status: 401 })
  expect(gateway.database.view((tx) => tx.count('session'))).toBe(limits.sessionsPerUser.value)
})

test('a new password ends all other sessions, and needs the old one', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const other = await logIn(gateway)
  const { cookie, own } = await logIn(gateway)
  const change = (body: unknown) => gateway.ask('PUT /users/ann/password', { cookie, headers: own, body })
  const newPassword = 'another long password'
  expect(await change({ newPassword })).toMatchObject({ status: 401, body: { code: 'login_failed' } })
  expect(await change({ currentPassword: 'wrong', newPassword })).toMatchObject({ status: 401 })
  expect(await change({ currentPassword: password, newPassword: 'short' })).toMatchObject({ status: 400 })
  expect(await change({ currentPassword: password, newPassword })).toMatchObject({ status: 204 })
  expect(await gateway.ask('GET /user', { cookie })).toMatchObject({ status: 200 })
  expect(await gateway.ask('GET /user', other)).toMatchObject({ status: 401 })
  expect(await login(gateway, 'ann', password)).toMatchObject({ status: 401 })
  await logIn(gateway, 'ann', newPassword)
})

test('an administrator sets the password of others without knowing theirs', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const newPassword = 'another long password'
  const set = await gateway.ask('PUT /users/ann/password', { token: adminToken, body: { newPassword } })
  expect(set.status).toBe(204)
  await logIn(gateway, 'ann', newPassword)
})

test('failed logins are limited per user and per address, and come back with time', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  // Who succeeds is not counted.
  for (let n = 0; n < 3; n++) await logIn(gateway)
  for (let n = 0; n < limits.loginAttempts.value; n++)
    expect(await login(gateway, n % 2 === 0 ? 'ann' : 'bob', 'wrong')).toMatchObject({ status: 401 })
  const limited = await login(gateway, 'eve', 'wrong')
  expect(limited).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await login(gateway, 'ann', password)).toMatchObject({ status: 429 })
  gateway.clock.pass(limits.loginRefillMs.value)
  expect(await login(gateway, 'ann', password)).toMatchObject({ status: 200 })
})

test('more logins at once than allowed are refused', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const answers = await Promise.all(
    Array.from({ length: limits.loginsAtOnce.value * 2 }, () => login(gateway, 'ann', password)),
  )
  const statuses = answers.map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([200, 429]))
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(limits.loginsAtOnce.value)
})

const setUp = (gateway: TestGateway, token: string, username = 'root') =>
  gateway.ask('POST /setup', { body: { token, username, password } })

test('the first administrator is made with the link, once', async () => {
  await using gateway = await openTestGateway()
  expect(await gateway.ask('GET /setup')).toMatchObject({ body: { isNeeded: true } })
  const visitor = await setUp(gateway, 'guessed')
  expect(visitor).toMatchObject({ status: 403, body: { code: 'setup_refused' } })
  const made = await setUp(gateway, setupToken)
  expect(made).toMatchObject({ status: 201, body: { user: { name: 'root', isAdmin: true } } })
  const cookie = made.headers.get('set-cookie')!.split(';')[0]!
  expect(await gateway.ask('GET /users', { cookie })).toMatchObject({ status: 200 })
  expect(await setUp(gateway, setupToken, 'eve')).toMatchObject({ status: 403, body: { code: 'setup_refused' } })
  expect(await gateway.ask('GET /setup')).toMatchObject({ body: { isNeeded: false } })
})

test('of two who use the link at once one becomes the administrator', async () => {
  await using gateway = await openTestGateway()
  const answers = await Promise.all([setUp(gateway, setupToken, 'ann'), setUp(gateway, setupToken, 'bob')])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 403])
})

test('without a link there is no way to become the first administrator', async () => {
  await using gateway = await openTestGateway({ settings: { setupTokenHash: '' } })
  expect(await setUp(gateway, '')).toMatchObject({ status: 403, body: { code: 'setup_refused' } })
})

test.each([
  ['none', {}, 'anonymous', 200],
  ['a token of the wrong kind', { authorization: 'Basic YTpi' }, 'anonymous', 200],
  ['a token without a value', { authorization: 'token' }, 'anonymous', 200],
  ['the token of the administrator', { authorization: `token ${adminToken}` }, 'admintoken', 200],
  ['a wrong token', { authorization: 'Bearer wrong' }, undefined, 401],
] as const)('credentials: %s', async (_, headers, kind, status) => {
  await using gateway = await openTestGateway()
  const answer = await gateway.ask('GET /session', { headers })
  expect(answer.status).toBe(status)
  if (kind !== undefined) expect(answer.body).toMatchObject({ kind })
  else expect(answer.body).toMatchObject({ code: 'unauthenticated' })
})

test('a wrong token is refused although the session is good', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const { cookie } = await logIn(gateway)
  expect(await gateway.ask('GET /user', { cookie, token: 'wrong' })).toMatchObject({ status: 401 })
})

test('a session of a user that is gone is none', async () => {
  await using gateway = await openTestGateway()
  await gateway.configstore.createUser({ name: 'root', isAdmin: true })
  await aUserWithPassword(gateway)
  const { cookie } = await logIn(gateway)
  await gateway.configstore.deleteUser({ user: 'ann' })
  expect(await gateway.ask('GET /session', { cookie })).toMatchObject({ status: 401 })
})

test('a token is shown once, is stored as its hash, and ends when revoked or expired', async () => {
  await using gateway = await openTestGateway()
  await aUserWithPassword(gateway)
  const expiresAt = new Date(gateway.world.clock.now() + 60_000).toISOString()
  const make = async (name: string, more: object = {}) => {
    const body = { name, scope: 'read', ...more }
    const made = await gateway.ask('POST /users/ann/tokens', { token: adminToken, body })
    expect(made.status).toBe(201)
    return (made.body as { value: string }).value
  }
  const token = await make('laptop')
  const short = await make('short', { expiresAt })
  expect(await gateway.ask('GET /user', { token })).toMatchObject({ status: 200 })
  expect(await gateway.ask('GET /session', { token: short })).toMatchObject({
    body: { kind: 'token', scope: 'read', expiresAt },
  })
  const list = await gateway.ask('GET /users/ann/tokens', { token: adminToken })
  expect(JSON.stringify(list.body)).not.toContain(token)
  gateway.world.clock.pass(60_000)
  expect(await gateway.ask('GET /user', { token: short })).toMatchObject({ status: 401 })
  expect(await gateway.ask('DELETE /users/ann/tokens/laptop', { token: adminToken })).toMatchObject({ status: 204 })
  expect(await gateway.ask('GET /user', { token })).toMatchObject({ status: 401 })
})
