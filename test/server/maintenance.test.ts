// Maintenance, export and import of an installation of two servers over one etcd, through the API of either.

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEtcd } from '../support/etcd.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { TestServer } from './test-server.ts'

const adminToken = 'a-token-of-the-administrator-0123456789'

/** Two instances with everything but files of their own in common. */
async function twoServers(endpoint: string, shared: string) {
  mkdirSync(shared, { recursive: true })
  const key = (name: string, text: string) => {
    writeFileSync(join(shared, name), `${text}\n`, { mode: 0o600 })
    return join(shared, name)
  }
  const environment = {
    SLIPWAY_COMPONENTS: '[gateway, configstore, runservice]',
    SLIPWAY_DATABASE_LOG: 'etcd',
    SLIPWAY_DATABASE_ETCD_ENDPOINTS: `["${endpoint}"]`,
    SLIPWAY_OBJECT_STORAGE_TYPE: 'posix',
    SLIPWAY_OBJECT_STORAGE_PATH: join(shared, 'objects'),
    SLIPWAY_KEYS_INSTALLATION_FILE: key('installation', randomBytes(32).toString('base64')),
    SLIPWAY_KEYS_SERVICES_FILE: key('services', randomBytes(32).toString('base64url')),
    SLIPWAY_KEYS_ADMIN_TOKEN_FILE: key('admin', adminToken),
  }
  const first = await TestServer.start(environment)
  const second = await TestServer.start(environment)
  return [first, second] as const
}

async function ask(server: TestServer, method: string, path: string, body?: object | Uint8Array) {
  const isBytes = body instanceof Uint8Array
  const type = isBytes ? 'application/octet-stream' : 'application/json'
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `token ${adminToken}`, ...(body ? { 'content-type': type } : {}) },
    ...(body ? { body: isBytes ? new Blob([new Uint8Array(body)]) : JSON.stringify(body) } : {}),
  })
  return {
    status: answer.status,
    retryAfter: answer.headers.get('retry-after'),
    bytes: Buffer.from(await answer.arrayBuffer()),
  }
}

const json = ({ bytes }: { readonly bytes: Buffer }) => JSON.parse(bytes.toString())

/** Undefined while it opens its data anew. */
async function users(server: TestServer): Promise<readonly string[] | undefined> {
  const answer = await ask(server, 'GET', '/users').catch(() => undefined) // it does not listen just now
  return answer?.status === 200 ? json(answer).items.map(({ name }: { readonly name: string }) => name) : undefined
}

async function refusalOf(server: TestServer): Promise<unknown> {
  const answer = await ask(server, 'GET', '/users')
  return answer.status === 200 ? undefined : { status: answer.status, code: json(answer).code }
}

test('maintenance that one server begins is entered by both, and an import through the other one replaces both', {
  timeout: 180_000,
}, async () => {
  const patience = { timeout: 60_000, interval: 200 }
  using directory = temporaryDirectory('maintenance')
  await using etcd = await startEtcd()
  await using servers = new AsyncDisposableStack()
  const [first, second] = await twoServers(etcd.endpoint, join(directory.path, 'shared'))
  servers.use(first)
  servers.use(second)
  expect((await ask(first, 'POST', '/users', { name: 'ann' })).status).toBe(201)
  const exported = (await ask(first, 'GET', '/export')).bytes
  expect((await ask(second, 'POST', '/users', { name: 'bob' })).status).toBe(201)
  await expect.poll(() => users(first), patience).toEqual(['ann', 'bob'])

  expect((await ask(first, 'POST', '/import', exported)).status, 'not in maintenance').toBe(409)
  expect((await ask(first, 'PUT', '/maintenance', { why: 'goes back' })).status).toBe(200)
  const state = async () => json(await ask(second, 'GET', '/maintenance'))
  await expect.poll(async () => (await state()).isEverywhere, patience).toBe(true)
  const { instances, why } = await state()
  expect(why).toBe('goes back')
  expect(instances.map((instance: { readonly hasEntered: boolean }) => instance.hasEntered)).toEqual([true, true])
  for (const server of [first, second]) expect(await refusalOf(server)).toEqual({ status: 503, code: 'maintenance' })

  const cut = await ask(second, 'POST', '/import', exported.subarray(0, -20))
  expect([cut.status, json(cut).code]).toEqual([400, 'import_invalid'])
  expect((await ask(second, 'POST', '/import', exported)).status).toBe(204)
  const ended = async () => (await ask(first, 'DELETE', '/maintenance').catch(() => undefined))?.status // opens anew
  await expect.poll(ended, patience).toBe(200)
  for (const server of [first, second]) await expect.poll(() => users(server), patience).toEqual(['ann'])
  expect((await ask(second, 'POST', '/users', { name: 'carol' })).status).toBe(201)
  await expect.poll(() => users(first), patience).toEqual(['ann', 'carol'])
})
