// What is the same for all routes.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { aProject, aUser } from '../configstore/configstore-fixture.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { aRequest, FakeExecutor, until } from '../runservice/service-fixture.ts'
import { adminToken, openTestGateway, replaced } from './gateway-fixture.ts'

test('a change is answered with its version, and a change of an older version is refused', async () => {
  await using gateway = await openTestGateway()
  const made = await gateway.ask('POST /users', { token: adminToken, body: { name: 'ann' } })
  expect(made).toMatchObject({ status: 201, body: { name: 'ann', version: 1, isAdmin: false, hasPassword: false } })
  expect(made.headers.get('etag')).toBe('"1"')
  const change = (ifMatch: string, name: string) =>
    gateway.ask('PATCH /users/ann', { token: adminToken, headers: { 'if-match': ifMatch }, body: { name } })
  expect(await change('"7"', 'bob')).toMatchObject({
    status: 409,
    body: { code: 'version_conflict', currentVersion: 1 },
  })
  expect(await change('"1"', 'bob')).toMatchObject({ status: 200, body: { name: 'bob', version: 2 } })
  expect(await change('seven', 'eve')).toMatchObject({ status: 400, body: { code: 'request_invalid' } })
})

test('the same request with the same key acts once, another one is refused', async () => {
  await using gateway = await openTestGateway()
  const { id: userId } = await aUser(gateway.configstore, 'ann')
  const token = await gateway.tokenOf(userId)
  const create = (key: string, name: string) =>
    gateway.ask('POST /organizations', { token, headers: { 'idempotency-key': key }, body: { name } })
  const first = await create('k1', 'acme')
  expect(first.status).toBe(201)
  expect(await create('k1', 'acme')).toMatchObject({ status: 201, body: first.body })
  expect(await create('k1', 'other')).toMatchObject({ status: 409, body: { code: 'idempotency_key_reused' } })
  expect(await create('k2', 'acme')).toMatchObject({ status: 409, body: { code: 'organization_exists' } })
  // Keys of one caller are nothing to another.
  const bob = await aUser(gateway.configstore, 'bob')
  const other = { token: await gateway.tokenOf(bob.id), headers: { 'idempotency-key': 'k1' }, body: { name: 'bobs' } }
  expect(await gateway.ask('POST /organizations', other)).toMatchObject({ status: 201 })
  const long = 'k'.repeat(limits.idempotencyKeyBytes.value + 1)
  expect(await create(long, 'long')).toMatchObject({ status: 400, body: { code: 'request_invalid' } })
})

test('a key may come with another request after a day', async () => {
  await using gateway = await openTestGateway()
  const create = (name: string) =>
    gateway.ask('POST /users', { token: adminToken, headers: { 'idempotency-key': 'k' }, body: { name } })
  await create('ann')
  gateway.clock.pass(limits.idempotencyKeyMs.value - 1)
  expect(await create('bob')).toMatchObject({ status: 409 })
  gateway.clock.pass(1)
  gateway.world.clock.pass(limits.transactionResultMs.value + 1)
  expect(await create('bob')).toMatchObject({ status: 201, body: { name: 'bob' } })
})

test('an answer says how new it is, and a read never sees less than that', async () => {
  const seen = 1000
  await using gateway = await openTestGateway({
    configstore: (real) =>
      replaced(real, {
        status: async (context) => {
          if (Number(context?.atLeast ?? 0) > seen) throw new SlipwayError('database_behind', 'waited for 2 s')
          return await real.status(context)
        },
      }),
  })
  const made = await gateway.ask('POST /users', { token: adminToken, body: { name: 'ann' } })
  const position = made.headers.get('slipway-position')
  expect(position).toMatch(/^1\.c[0-9]+$/)
  const read = (header: string) =>
    gateway.ask('GET /users/ann', { token: adminToken, headers: { 'slipway-position': header } })
  expect(await read(position!)).toMatchObject({ status: 200 })
  // What this instance will never see is waited for in vain; what is of other data, or nonsense, is ignored.
  const far = await read('1.c999999')
  expect(far).toMatchObject({ status: 503, body: { code: 'database_behind' } })
  expect(far.headers.get('retry-after')).toBe('2')
  expect(await read('2.c999999')).toMatchObject({ status: 200 })
  expect(await read('nonsense')).toMatchObject({ status: 200 })
})

test('what another instance made a moment ago is found by who knows no position; what is not there is missing', async () => {
  let caughtUp = 0
  const behind = (name: string) => {
    if (caughtUp === 0) throw new SlipwayError('user_not_found', `there is no user ${name}`)
  }
  await using gateway = await openTestGateway({
    configstore: (real) =>
      replaced(real, {
        status: async (context) => {
          if (context?.atLeast === 'newest') caughtUp++
          return await real.status(context)
        },
        getUser: async (input, context) => {
          behind(input.user)
          return await real.getUser(input, context)
        },
      }),
  })
  await gateway.ask('POST /users', { token: adminToken, body: { name: 'ann' } })
  expect(await gateway.ask('GET /users/ann', { token: adminToken })).toMatchObject({ status: 200 })
  expect(caughtUp).toBe(1)
  expect(await gateway.ask('GET /users/bob', { token: adminToken })).toMatchObject({ status: 404 })
  expect(caughtUp).toBe(2)
})

test.each([
  ['a body that is no JSON', 'POST /users', '{', 'request_invalid'],
  ['a member that is not known', 'POST /users', '{"name":"ann","nick":"a"}', 'body.nick: is not known'],
  ['a member that is missing', 'POST /users', '{}', 'body: name is missing'],
  ['a member of the wrong type', 'POST /users', '{"name":1}', 'body.name: must be string'],
  [
    'a value that is not one of those allowed',
    'POST /organizations',
    '{"name":"a","visibility":"x"}',
    'public, private',
  ],
  ['a query that is not known', 'GET /users?nick=1', undefined, 'query.nick: is not known'],
  ['a number that is none', 'GET /users?limit=many', undefined, 'query.limit'],
  ['a number out of bounds', 'GET /users?limit=101', undefined, 'query.limit'],
] as const)('%s is refused, with the place', async (_, request, body, message) => {
  await using gateway = await openTestGateway()
  const answer = await gateway.ask(request, { token: adminToken, ...(body === undefined ? {} : { body }) })
  expect(answer.status).toBe(400)
  expect(JSON.stringify(answer.body)).toContain(message)
})

test('a body that is too large is refused, an import of any size is not', async () => {
  await using gateway = await openTestGateway()
  const name = 'x'.repeat(limits.requestBodyBytes.value)
  const refused = await gateway.ask('POST /users', { token: adminToken, body: { name } })
  expect(refused).toMatchObject({ status: 413, body: { code: 'request_too_large' } })
  await gateway.ask('PUT /maintenance', { token: adminToken, body: {} })
  const large = 'y'.repeat(3 * limits.requestBodyBytes.value)
  const headers = { 'content-type': 'application/octet-stream' }
  expect(await gateway.ask('POST /import', { token: adminToken, headers, body: large })).toMatchObject({ status: 204 })
  expect(gateway.maintenance.imported).toBe(large)
})

test('an error of the machinery is told to the log, not to the caller', async () => {
  await using gateway = await openTestGateway({
    configstore: (real) => replaced(real, { getUser: () => Promise.reject(new Error('disk /dev/sda1 is on fire')) }),
  })
  const answer = await gateway.ask('GET /users/ann', { token: adminToken })
  const requestId = answer.headers.get('x-request-id')
  expect(answer).toMatchObject({
    status: 500,
    body: { code: 'internal', message: 'internal server error', requestId },
  })
  expect(gateway.logged).toMatchObject([{ message: 'request failed', fields: { requestId } }])
})

test('in maintenance nothing is served but what ends it, and who asks is told to come back', async () => {
  await using gateway = await openTestGateway()
  const started = await gateway.ask('PUT /maintenance', { token: adminToken, body: { why: 'upgrade' } })
  expect(started).toMatchObject({ status: 200, body: { isActive: true, isEverywhere: true, why: 'upgrade' } })
  const refused = await gateway.ask('GET /users', { token: adminToken })
  expect(refused).toMatchObject({ status: 503, body: { code: 'maintenance' } })
  expect(refused.headers.get('retry-after')).not.toBeNull()
  expect(await gateway.ask('GET /version')).toMatchObject({ status: 200 })
  expect(await gateway.ask('GET /session', { token: adminToken })).toMatchObject({ body: { kind: 'admintoken' } })
  const exported = await gateway.ask('GET /export', { token: adminToken, headers: { 'slipway-passphrase': 'p' } })
  expect(exported).toMatchObject({ status: 200, body: '{"rows":"all","under":"p"}\n' })
  expect(exported.headers.get('content-disposition')).toBe('attachment; filename="slipway-export.jsonl"')
  expect(await gateway.ask('DELETE /maintenance', { token: adminToken })).toMatchObject({ body: { isActive: false } })
  expect(await gateway.ask('GET /users', { token: adminToken })).toMatchObject({ status: 200 })
  const headers = { 'content-type': 'application/octet-stream' }
  const outside = await gateway.ask('POST /import', { token: adminToken, headers, body: 'x' })
  expect(outside).toMatchObject({ status: 409, body: { code: 'import_refused' } })
})

test('answers tell browsers to run, frame and keep nothing of them', async () => {
  await using gateway = await openTestGateway()
  const { headers } = await gateway.ask('GET /version')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('x-frame-options')).toBe('DENY')
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('strict-transport-security')).toBeNull()
})

test('pages of other origins may read answers where the settings say so', async () => {
  await using gateway = await openTestGateway({ settings: { allowedOrigins: ['https://dash.example'] } })
  const from = async (origin: string) => (await gateway.ask('GET /version', { headers: { origin } })).headers
  const allowed = await from('https://dash.example')
  expect(allowed.get('access-control-allow-origin')).toBe('https://dash.example')
  expect(allowed.get('vary')).toBe('Origin')
  expect((await from('https://evil.example')).get('access-control-allow-origin')).toBeNull()
  const preflight = (origin: string) => gateway.ask('OPTIONS /users', { headers: { origin } })
  expect((await preflight('https://dash.example')).headers.get('access-control-allow-methods')).toContain('PATCH')
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-methods')).toBeNull()
  await using closed = await openTestGateway()
  expect(await closed.ask('OPTIONS /users')).toMatchObject({ status: 404 })
})

test('refs are ids, names, or paths of one encoded segment', async () => {
  await using gateway = await openTestGateway()
  const { configstore } = gateway
  await aUser(configstore, 'ann')
  const { id } = await aProject(configstore, 'user/ann/web')
  for (const ref of [id, 'user%2Fann%2Fweb'])
    expect(await gateway.ask(`GET /projects/${ref}`)).toMatchObject({ status: 200, body: { id, path: 'user/ann/web' } })
  expect(await gateway.ask('GET /projects/user/ann/web')).toMatchObject({
    status: 404,
    body: { code: 'route_not_found' },
  })
})

test('the description of the API is served, with the version', async () => {
  await using gateway = await openTestGateway()
  expect(await gateway.ask('GET /version')).toMatchObject({ status: 200, body: { version: '1.2.3', api: 'v1' } })
  const { status, body } = await gateway.ask('GET /openapi.json')
  expect(status).toBe(200)
  expect(body).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } })
})

test('probes need no login', async () => {
  await using gateway = await openTestGateway()
  const get = async (path: string) => await fetch(`${gateway.url}${path}`)
  expect((await get('/healthz')).status).toBe(200)
  expect((await get('/readyz')).status).toBe(200)
  const metrics = await (await get('/metrics')).text()
  expect(metrics).toContain('slipway_build_info{version="1.2.3"} 1')
  expect(metrics).toContain('slipway_queue_length 0')
  for (const database of ['configstore', 'runservice', 'gateway'])
    expect(metrics).toMatch(new RegExp(`slipway_database_position\\{database="${database}"\\} \\d+`))
})

test('readers of streams that go away leave nothing behind', async () => {
  let watching = 0
  await using gateway = await openTestGateway({
    runservice: (real) =>
      replaced(real, {
        watchChanges: async function* (from, signal) {
          watching += 1
          try {
            yield* real.watchChanges(from, signal)
          } finally {
            watching -= 1
          }
        },
      }),
  })
  // The metrics follow runs for as long as the gateway lives.
  await until(() => watching === 1)
  const leave = new AbortController()
  const told: string[] = []
  const read = async () => {
    const events = gateway.client(adminToken).events('watchAllRuns', { signal: leave.signal })
    for await (const { event } of events) told.push(event)
  }
  const reading = Array.from({ length: 5 }, () => read().catch(() => undefined))
  await until(() => told.length === reading.length)
  expect(watching).toBe(2)
  leave.abort()
  await Promise.all(reading)
  await until(() => watching === 1)
  expect(gateway.logged).toEqual([])
})

test('with a collector every run that ends is sent to it as a trace', async () => {
  const received: { path: string | undefined; body: string }[] = []
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ path: request.url, body: Buffer.concat(chunks).toString() })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const { port } = collector.address() as AddressInfo
  try {
    await using gateway = await openTestGateway({ settings: { tracingEndpoint: `http://127.0.0.1:${port}` } })
    const { runservice } = gateway.installation
    await using _ = await new FakeExecutor(runservice).connect()
    await until(async () => (await (await fetch(`${gateway.url}/metrics`)).text()).includes('slipway_executors{'))
    const [run] = await runservice.createRuns([aRequest({ a: {} })])
    await until(() => received.length > 0)
    expect(received[0]!.path).toBe('/v1/traces')
    expect(received[0]!.body).toContain(run!.id.replaceAll('-', ''))
    expect(gateway.logged).toEqual([])
  } finally {
    collector.closeAllConnections()
    collector.close()
  }
})
