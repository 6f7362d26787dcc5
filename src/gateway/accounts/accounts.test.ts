// Coming in with an account at a provider: who gets in, what comes back from where, and what is kept.

import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { parseReturnTo, withError } from './return-to.ts'

/** A browser: keeps cookies, follows nothing. */
class Browser {
  readonly #gateway: TestGateway
  readonly #cookies = new Map<string, string>()
  csrf: string | undefined

  constructor(gateway: TestGateway) {
    this.#gateway = gateway
  }

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  keep(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      this.#cookies.set(name, value)
    }
  }

  forget(name: string): void {
    this.#cookies.delete(name)
  }

  async ask(request: string, body?: unknown) {
    const answer = await this.#gateway.ask(request, {
      cookie: this.cookie,
      headers: this.csrf === undefined ? {} : { 'x-csrf-token': this.csrf },
      ...(body === undefined ? {} : { body }),
    })
    this.keep(answer.headers)
    return answer
  }

  /** As it would go to an address of ours; where it is sent from there. */
  async goTo(address: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const response = await fetch(new URL(address, this.#gateway.url), {
      redirect: 'manual',
      headers: { cookie: this.cookie, ...headers },
    })
    this.keep(response.headers)
    expect(response.status, await response.text()).toBe(303)
    expect(response.headers.get('cache-control')).toBe('no-store')
    return response.headers.get('location')!
  }

  /** Begins, lets Slipway in at the provider as `login`, and comes back. */
  async oauth2(login: string, returnTo?: string): Promise<string> {
    const url = await this.begin(returnTo)
    return await this.goTo(this.#gateway.host.approve(url, login))
  }

  async begin(returnTo?: string): Promise<string> {
    const { status, body } = await this.ask('POST /login/oauth2', { remoteSourceRef: 'github', returnTo })
    expect(status).toBe(200)
    return (body as { authorizeUrl: string }).authorizeUrl
  }

  async link(login: string): Promise<string> {
    const { body } = await this.ask('POST /user/linked-accounts/oauth2', { remoteSourceRef: 'github', returnTo: '/me' })
    return await this.goTo(this.#gateway.host.approve((body as { authorizeUrl: string }).authorizeUrl, login))
  }

  async identity() {
    const { body } = await this.ask('GET /session')
    const identity = body as { kind: string; user?: { name: string }; csrfToken?: string }
    this.csrf = identity.csrfToken
    return identity
  }
}

const password = 'correct horse battery'

/** With the user root and the remote sources `github` (OAuth2) and `forge` (password); ann and bob are known there. */
async function aGateway(
  settings: { loginEnabled?: boolean; registrationEnabled?: boolean } = {},
): Promise<TestGateway> {
  const gateway = await openTestGateway()
  const { configstore, host } = gateway
  await configstore.createUser({ name: 'root', password })
  const oauth2 = { authType: 'oauth2', oauth2ClientId: 'id', oauth2ClientSecret: 'secret' } as const
  const apiUrl = 'https://x.example'
  await configstore.createRemoteSource({ name: 'github', type: 'github', apiUrl, ...oauth2, ...settings })
  await configstore.createRemoteSource({ name: 'forge', type: 'forgejo', apiUrl, authType: 'password', ...settings })
  host.addUser('ann')
  host.addUser('bob')
  return gateway
}

async function logInByPassword(gateway: TestGateway, username: string): Promise<Browser> {
  const browser = new Browser(gateway)
  await browser.ask('POST /login', { username, password })
  await browser.identity()
  return browser
}

test('a linked account tells its remote source and who that is there apart', async () => {
  await using gateway = await aGateway()
  await gateway.configstore.createUser({ name: 'ann', password })
  const browser = await logInByPassword(gateway, 'ann')
  await browser.link('bob')
  const { id } = await gateway.configstore.getRemoteSource({ remoteSource: 'github' })
  expect((await browser.ask('GET /users/ann/linked-accounts')).body).toMatchObject({
    items: [{ remoteSourceId: id, remoteUserId: 'id-of-bob', remoteUserName: 'bob' }],
  })
})

test('a remote source is found, changed and deleted by its name and by its id, and errors say what it was', async () => {
  await using gateway = await aGateway()
  const { id } = await gateway.configstore.getRemoteSource({ remoteSource: 'github' })
  await gateway.configstore.createUser({ name: 'admin', isAdmin: true })
  await gateway.configstore.createUser({ name: 'carl' })
  const [admin, carl] = await Promise.all(
    ['admin', 'carl'].map(async (name) => ({ token: await gateway.tokenOf(name), headers: { 'if-match': '*' } })),
  )
  const change = (ref: string, body: object, as = admin) => gateway.ask(`PATCH /remote-sources/${ref}`, { ...as, body })
  for (const ref of [id, 'github']) {
    expect(await gateway.ask(`GET /remote-sources/${ref}`, admin)).toMatchObject({ status: 200, body: { id } })
    expect(await change(ref, { skipVerify: true })).toMatchObject({ status: 200, body: { id } })
    expect(await change(ref, { name: 'forge' })).toMatchObject({ status: 409, body: { code: 'remote_source_exists' } })
    expect(await change(ref, {}, carl)).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    expect(await gateway.ask(`DELETE /remote-sources/${ref}`, carl)).toMatchObject({ status: 403 })
  }
  const body = { name: 'svn', type: 'svn', apiUrl: 'https://x.example', authType: 'password' }
  expect(await gateway.ask('POST /remote-sources', { ...admin, body })).toMatchObject({ status: 400 })
  expect((await gateway.ask(`DELETE /remote-sources/${id}`, admin)).status).toBe(204)
  expect((await gateway.ask('DELETE /remote-sources/forge', admin)).status).toBe(204)
  for (const ref of [id, 'forge'])
    expect(await change(ref, { name: 'x' })).toMatchObject({ status: 404, body: { code: 'remote_source_not_found' } })
})

test('somebody new registers with the name of his choice, and logs in with his account from then on', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  expect(await browser.oauth2('ann', '/projects')).toBe('/register')
  expect((await browser.identity()).kind).toBe('anonymous')
  expect((await browser.ask('GET /register')).body).toMatchObject({
    remoteSource: { name: 'github' },
    remoteUserName: 'ann',
    suggestedName: 'ann',
  })
  expect(await browser.ask('POST /register', { name: 'root' })).toMatchObject({
    status: 409,
    body: { code: 'user_exists' },
  })
  expect(await browser.ask('POST /register', { name: 'a b' })).toMatchObject({ body: { code: 'name_invalid' } })
  expect(await browser.ask('POST /register', { name: 'anna' })).toMatchObject({
    status: 201,
    body: { user: { name: 'anna', isAdmin: false, hasPassword: false } },
  })
  expect(await browser.identity()).toMatchObject({ kind: 'session', user: { name: 'anna' } })
  expect((await browser.ask('GET /register')).status).toBe(404)
  const another = new Browser(gateway)
  expect(await another.oauth2('ann', '/projects?x=1#y')).toBe('/projects?x=1#y')
  expect(await another.identity()).toMatchObject({ kind: 'session', user: { name: 'anna' } })
})

test('who was offered a registration in two browsers registers in one of them', async () => {
  await using gateway = await aGateway()
  const [one, other] = [new Browser(gateway), new Browser(gateway)]
  await one.oauth2('ann')
  await other.oauth2('ann')
  expect((await one.ask('POST /register', { name: 'ann' })).status).toBe(201)
  expect(await other.ask('POST /register', { name: 'anna' })).toMatchObject({
    status: 409,
    body: { code: 'linked_account_exists' },
  })
  expect((await gateway.configstore.listUsers({})).items.map(({ name }) => name)).toEqual(['ann', 'root'])
})

test('nobody registers with a remote source that was removed meanwhile', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  await browser.oauth2('ann')
  await gateway.configstore.deleteRemoteSource({ remoteSource: 'github' })
  expect(await browser.ask('POST /register', { name: 'ann' })).toMatchObject({
    status: 404,
    body: { code: 'remote_source_not_found' },
  })
})

test('tokens of somebody who is not registered are not in the database in clear, nor for another browser', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  await browser.oauth2('ann')
  const stored = JSON.stringify(gateway.database.view((tx) => [tx.list('registration'), tx.list('oauth2flow')]))
  expect(stored).toContain('sealed')
  expect(stored).not.toMatch(/access-|refresh-/)
  expect(stored).not.toContain(/slipway-oauth2=([^;]+)/.exec(browser.cookie)![1])
  const other = new Browser(gateway)
  await other.begin()
  expect((await other.ask('GET /register')).status).toBe(404)
  gateway.clock.pass(limits.oauth2FlowMs.value)
  expect((await browser.ask('POST /register', { name: 'ann' })).body).toMatchObject({ code: 'registration_not_found' })
})

test('what comes back is believed once, in time, and from the browser that was sent', async () => {
  await using gateway = await aGateway()
  const { host, clock } = gateway
  const refused = '/login?error=oauth2_refused'
  const victim = new Browser(gateway)
  const attacker = new Browser(gateway)
  // Somebody makes another one come back with his own code: that one does not become him.
  const stolen = host.approve(await attacker.begin(), 'bob')
  expect(await victim.goTo(stolen)).toBe(refused)
  await victim.begin()
  expect(await victim.goTo(stolen)).toBe(refused)
  expect((await victim.identity()).kind).toBe('anonymous')
  // It was the attacker's to use, and is used up then.
  expect(await attacker.goTo(stolen)).toBe('/register')
  expect(await attacker.goTo(stolen)).toBe(refused)
  const late = host.approve(await victim.begin(), 'ann')
  clock.pass(limits.oauth2FlowMs.value)
  expect(await victim.goTo(late)).toBe(refused)
  for (const query of ['', '?state=x', '?code=x', `?code=x&state=${'y'.repeat(43)}`, '?state=a&state=b&code=c'])
    expect(await victim.goTo(`/oauth2/callback${query}`)).toBe(refused)
})

test('the code is worth nothing without the verifier that only this browser has', async () => {
  await using gateway = await aGateway()
  const [ann, bob] = [new Browser(gateway), new Browser(gateway)]
  const annsUrl = await ann.begin()
  const bobsState = new URL(await bob.begin()).searchParams.get('state')!
  // Ann's code in the login of bob.
  const back = new URL(gateway.host.approve(annsUrl, 'ann'))
  back.searchParams.set('state', bobsState)
  expect(await bob.goTo(back.href)).toBe('/login?error=oauth2_refused&remoteSource=github')
})

test('somebody who says no at the provider comes back to the login', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  const state = new URL(await browser.begin('/x')).searchParams.get('state')
  const told = '/login?error=oauth2_refused&remoteSource=github'
  expect(await browser.goTo(`/oauth2/callback?error=access_denied&state=${state}`)).toBe(told)
})

test('the page that a browser comes to sees the session, whichever instance answers', async () => {
  await using gateway = await aGateway({ registrationEnabled: true })
  const browser = new Browser(gateway)
  await browser.oauth2('ann')
  await browser.ask('POST /register', { name: 'ann' })
  const another = new Browser(gateway)
  await another.oauth2('ann')
  const position = /slipway-position=1\.g(\d+)/.exec(another.cookie)?.[1]
  expect(Number(position)).toBe(gateway.database.position)
  // As the database of an instance that has not come as far.
  another.keep(new Headers([['set-cookie', `slipway-position=1.g${gateway.database.position + 1}`]]))
  const waiting = another.ask('GET /session')
  await gateway.database.do((tx) => tx.put('request', 'x', { fingerprint: '', expiresAt: 0 }))
  expect(await waiting).toMatchObject({ status: 200, body: { kind: 'session' } })
})

test('several logins may be under way in one browser', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  const [first, second] = [await browser.begin('/1'), await browser.begin('/2')]
  await browser.goTo(gateway.host.approve(second, 'ann'))
  await browser.ask('POST /register', { name: 'ann' })
  expect(await browser.goTo(gateway.host.approve(first, 'ann'))).toBe('/1')
})

test.each([
  ['https://evil.example/'],
  ['//evil.example'],
  ['/\\evil.example'],
  ['/.//evil.example'],
  ['/x/..//evil.example'],
  ['\t//evil.example'],
  ['/\n/evil.example'],
  ['javascript:alert(1)'],
  ['x'],
  [''],
])('a browser is not sent to %j afterwards', (path) => {
  expect(() => parseReturnTo(path)).toThrow(expect.objectContaining({ code: 'request_invalid' }))
})

test('a page of ours is one as browsers read it, and takes what went wrong', () => {
  expect(parseReturnTo(undefined)).toBe('/')
  expect(parseReturnTo('/a/../b?c=d#e')).toBe('/b?c=d#e')
  expect(parseReturnTo('/a?next=https://x.example')).toBe('/a?next=https://x.example')
  expect(withError('/b?c=d#e', { code: 'x', remoteSource: 'git hub' })).toBe('/b?c=d&error=x&remoteSource=git+hub#e')
})

test('an account is linked to who is logged in, in that browser, and renewed by linking it again', async () => {
  await using gateway = await aGateway()
  const { configstore } = gateway
  await configstore.createUser({ name: 'zoe', password })
  const browser = await logInByPassword(gateway, 'zoe')
  expect(await browser.link('ann')).toBe('/me')
  const accounts = async () => (await configstore.listLinkedAccounts({ user: 'zoe' })).items
  const [linked] = await accounts()
  expect(linked).toMatchObject({ remoteUserId: 'id-of-ann', remoteUserName: 'ann', version: 1 })
  const before = await configstore.linkedAccountCredentials({ id: linked!.id })
  expect(await browser.link('ann')).toBe('/me')
  expect((await accounts())[0]).toMatchObject({ id: linked!.id, version: 2 })
  expect(await configstore.linkedAccountCredentials({ id: linked!.id })).not.toEqual(before)
  expect(await browser.link('bob')).toBe('/me?error=linked_account_exists&remoteSource=github')
  const root = await logInByPassword(gateway, 'root')
  expect(await root.link('ann')).toBe('/me?error=linked_account_exists&remoteSource=github')
})

test('nothing is linked to who logged out, or logged in as somebody else, on the way', async () => {
  await using gateway = await aGateway()
  const { configstore, host } = gateway
  await configstore.createUser({ name: 'zoe', password })
  const browser = await logInByPassword(gateway, 'zoe')
  const begin = async () => {
    const { body } = await browser.ask('POST /user/linked-accounts/oauth2', { remoteSourceRef: 'github' })
    return host.approve((body as { authorizeUrl: string }).authorizeUrl, 'ann')
  }
  const [first, second] = [await begin(), await begin()]
  const root = await logInByPassword(gateway, 'root')
  for (const cookie of root.cookie.split('; ')) browser.keep(new Headers([['set-cookie', cookie]]))
  expect(await browser.goTo(first)).toBe('/?error=unauthenticated&remoteSource=github')
  browser.forget('slipway-session')
  expect(await browser.goTo(second)).toBe('/?error=unauthenticated&remoteSource=github')
  for (const user of ['zoe', 'root']) expect((await configstore.listLinkedAccounts({ user })).items).toEqual([])
})

test('an address that a program prints links for who is logged in there, and no other site leads to it', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  const page = '/oauth2/link?source=github'
  expect(await browser.goTo(page)).toBe(`/login?returnTo=${encodeURIComponent(page)}`)
  const root = await logInByPassword(gateway, 'root')
  const url = await root.goTo(page, { 'sec-fetch-site': 'none' })
  expect(url).toMatch(/^https:\/\/provider\.example\/authorize/)
  expect(await root.goTo(gateway.host.approve(url, 'ann'))).toBe('/')
  expect((await gateway.configstore.listLinkedAccounts({ user: 'root' })).items).toHaveLength(1)
  const { status } = await fetch(`${gateway.url}${page}`, {
    redirect: 'manual',
    headers: { cookie: root.cookie, 'sec-fetch-site': 'cross-site' },
  })
  expect(status).toBe(403)
})

test.each([
  [{ loginEnabled: false, registrationEnabled: false }, 'begin', 'remote_login_off'],
  [{ loginEnabled: true, registrationEnabled: false }, 'new', 'login_failed'],
  [{ loginEnabled: false, registrationEnabled: true }, 'known', 'remote_login_off'],
  [{ loginEnabled: false, registrationEnabled: true }, 'new', undefined],
  [{ loginEnabled: true, registrationEnabled: false }, 'known', undefined],
] as const)('with %j, somebody who is %s: %s', async (settings, who, code) => {
  await using gateway = await aGateway(settings)
  const { configstore, host } = gateway
  if (who === 'known')
    for (const remoteSource of ['github', 'forge']) {
      const input = { user: 'root', remoteSource, remoteUserId: 'id-of-ann', remoteUserName: 'ann' }
      await configstore.createLinkedAccount(input)
    }
  const browser = new Browser(gateway)
  if (who === 'begin')
    expect((await browser.ask('POST /login/oauth2', { remoteSourceRef: 'github' })).body).toMatchObject({ code })
  else {
    const to = await browser.oauth2('ann', '/in')
    expect(to).toBe(
      code === undefined ? (who === 'new' ? '/register' : '/in') : `/login?error=${code}&remoteSource=github`,
    )
  }
  const byPassword = await new Browser(gateway).ask('POST /login/remote', {
    remoteSourceRef: 'forge',
    username: 'ann',
    password: 'password-of-ann',
  })
  if (code !== undefined) {
    expect(byPassword.body).toMatchObject({ code })
    expect(host.asked).not.toContain('createAccessToken')
  } else expect(Object.keys(byPassword.body as object)).toContain(who === 'new' ? 'registration' : 'user')
})

test('nobody registers before there is a first administrator', async () => {
  await using gateway = await aGateway()
  const browser = new Browser(gateway)
  expect(await browser.oauth2('ann')).toBe('/register')
  await gateway.configstore.deleteUser({ user: 'root' })
  expect((await browser.ask('POST /register', { name: 'ann' })).body).toMatchObject({ code: 'remote_login_off' })
  expect(await new Browser(gateway).oauth2('ann')).toBe('/login?error=login_failed&remoteSource=github')
})

test('with a password there: registering, logging in with the token that is there, and with a new one when that was revoked', async () => {
  await using gateway = await aGateway()
  const { host, configstore } = gateway
  const form = { remoteSourceRef: 'forge', username: 'ann', password: 'password-of-ann' }
  const browser = new Browser(gateway)
  const offered = await browser.ask('POST /login/remote', form)
  expect(offered).toMatchObject({ status: 200, body: { registration: { remoteUserName: 'ann' } } })
  expect((await browser.ask('POST /register', { name: 'ann' })).status).toBe(201)
  const stored = JSON.stringify(gateway.world.database.view((tx) => [tx.list('linkedaccount'), tx.list('sealed')]))
  expect(stored).not.toContain('password-of-ann')
  const made = () => host.asked.filter((operation) => operation === 'createAccessToken').length
  expect(made()).toBe(1)
  const again = new Browser(gateway)
  expect(await again.ask('POST /login/remote', form)).toMatchObject({ body: { user: { name: 'ann' } } })
  expect(made()).toBe(1)
  host.revokeAll('ann')
  expect(await again.ask('POST /login/remote', form)).toMatchObject({ body: { user: { name: 'ann' } } })
  expect(made()).toBe(2)
  const [account] = (await configstore.listLinkedAccounts({ user: 'ann' })).items
  expect(account).not.toHaveProperty('trouble')
})

test('wrong passwords there are bounded as our own, and their owner is not told apart', async () => {
  await using gateway = await aGateway()
  const wrong = (username: string) =>
    gateway.ask('POST /login/remote', { body: { remoteSourceRef: 'forge', username, password: 'wrong' } })
  const [known, unknown] = [await wrong('ann'), await wrong('nobody')]
  expect([known.status, (known.body as { message: string }).message]).toEqual([
    unknown.status,
    (unknown.body as { message: string }).message,
  ])
  for (let time = 1; time < limits.loginAttempts.value; time++) await wrong('ann')
  const refused = await wrong('ann')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)])
})

test('logins that are begun are bounded, and forgotten when they are over', async () => {
  await using gateway = await aGateway()
  const begin = () => gateway.ask('POST /login/oauth2', { body: { remoteSourceRef: 'github' } })
  for (let time = 0; time < limits.oauth2Begins.value; time++) expect((await begin()).status).toBe(200)
  expect((await begin()).status).toBe(429)
  gateway.clock.pass(limits.oauth2BeginRefillMs.value)
  expect([(await begin()).status, (await begin()).status]).toEqual([200, 429])
  gateway.clock.pass(limits.oauth2FlowMs.value)
  for (let time = 0; time < 3; time++) await begin()
  expect(gateway.database.view((tx) => tx.count('oauth2flow'))).toBeLessThanOrEqual(3)
})

test('pages of other sites begin nothing', async () => {
  await using gateway = await aGateway()
  for (const [request, body] of [
    ['POST /login/oauth2', { remoteSourceRef: 'github' }],
    ['POST /login/remote', { remoteSourceRef: 'forge', username: 'ann', password: 'password-of-ann' }],
    ['POST /register', { name: 'ann' }],
  ] as const) {
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect(await gateway.ask(request, { headers, body })).toMatchObject({ status: 403, body: { code: 'csrf_refused' } })
  }
})
