import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Etcd, startEtcd } from '../../../test/support/etcd.ts'
import { systemClock } from '../clock.ts'
import { until } from '../until-fixture.ts'
import { EtcdClient, type EtcdSettings } from './client.ts'

let etcd: Etcd

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd[Symbol.asyncDispose]())

const open = (settings: Partial<EtcdSettings> = {}) =>
  EtcdClient.open({ endpoints: [etcd.endpoint], ...settings }, systemClock)

const put = (key: string, value: string | Uint8Array) => ({
  compare: [],
  success: [{ kind: 'put' as const, key, value: Buffer.from(value) }],
})

/** Runs Debian's command of etcd. */
function etcdctl(endpoint: string, ...args: string[]): string {
  return execFileSync('etcdctl', ['--endpoints', endpoint, ...args], {
    env: { ...process.env, ETCDCTL_API: '3' },
    encoding: 'utf8',
    stdio: 'pipe',
  })
}

test.each([
  ['none', []],
  ['one without a scheme', ['localhost:2379']],
  ['some with and some without TLS', ['http://a:2379', 'https://b:2379']],
])('endpoints are refused when there are %s', async (_, endpoints) => {
  await expect(open({ endpoints })).rejects.toMatchObject({ code: 'config_invalid' })
})

test('what was put is found, alone and in ranges in the order of keys', async () => {
  await using client = await open()
  for (const key of ['order/b', 'order/a', 'order/c']) await client.transact(put(key, `value of ${key}`))
  expect((await client.range({ key: 'order/b' })).map(({ value }) => value.toString())).toEqual(['value of order/b'])
  const keys = async (limit?: number) =>
    (await client.range({ key: 'order/', end: 'order0', ...(limit ? { limit } : {}) })).map(({ key }) => key)
  expect(await keys()).toEqual(['order/a', 'order/b', 'order/c'])
  expect(await keys(2)).toEqual(['order/a', 'order/b'])
  expect(await client.range({ key: 'order/none' })).toEqual([])
})

test('a watch tells every change once, although the server is killed in between', async () => {
  await using client = await open()
  const stop = new AbortController()
  const seen: string[] = []
  let connections = 0
  const watching = (async () => {
    for await (const { events } of client.watch({ key: 'watched/', end: 'watched0' }, 0, stop.signal)) {
      if (events.length === 0) connections++
      for (const { kind, entry } of events) seen.push(`${kind} ${entry.key} ${entry.value}`)
    }
  })()
  await until(() => connections === 1)
  await client.transact(put('watched/a', '1'))
  await until(() => seen.length === 1)
  await etcd.kill()
  await etcd.start()
  await client.transact(put('watched/b', '2'), undefined, true)
  await client.transact({ compare: [], success: [{ kind: 'delete', key: 'watched/a' }] })
  await until(() => seen.length === 3)
  expect(seen).toEqual(['put watched/a 1', 'put watched/b 2', 'delete watched/a '])
  stop.abort()
  await watching
})

test('a watch from what etcd has compacted says so', async () => {
  await using client = await open()
  const { revision } = await client.transact(put('compacted', '1'))
  await client.transact(put('compacted', '2'))
  const last = await client.transact(put('compacted', '3'))
  etcdctl(etcd.endpoint, 'compact', String(last.revision))
  const watch = client.watch({ key: 'compacted' }, revision, new AbortController().signal)
  const reading = (async () => {
    for await (const { events } of watch) if (events.length > 0) return 'events'
    return 'end'
  })()
  await expect(reading).rejects.toMatchObject({ code: 'history_collected' })
})

test('a request that is too large, or has too many operations, is refused and does nothing', async () => {
  await using client = await open()
  const large = client.transact(put('large', Buffer.alloc(2 * 1024 * 1024)))
  await expect(large).rejects.toMatchObject({ code: 'record_too_large' })
  const success = Array.from({ length: 129 }, (_, n) => put(`many/${n}`, '').success[0]!)
  await expect(client.transact({ compare: [], success })).rejects.toMatchObject({ code: 'record_too_large' })
  expect(await client.range({ key: 'large' })).toEqual([])
  expect(await client.range({ key: 'many/', end: 'many0' })).toEqual([])
})

test('an endpoint that is gone, and one that is silent, are left for one that answers', async () => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  try {
    const endpoints = ['http://127.0.0.1:1', `http://127.0.0.1:${port}`, etcd.endpoint]
    await using client = await open({ endpoints, callMs: 3000 })
    await client.transact(put('failover', 'yes'), undefined, true)
    expect((await client.range({ key: 'failover' })).length).toBe(1)
  } finally {
    silent.close()
  }
})

test('a call fails when nobody answers in time, and one that is aborted ends at once', async () => {
  await using client = await open({ endpoints: ['http://127.0.0.1:1'], callMs: 600 })
  await expect(client.range({ key: 'a' })).rejects.toMatchObject({ code: 'backend_unavailable' })
  const stop = new AbortController()
  const ended = client.range({ key: 'a' }, stop.signal)
  stop.abort(new Error('enough'))
  await expect(ended).rejects.toThrow('enough')
})

test('a server whose space is used up refuses writes and is read', async () => {
  await using small = await startEtcd({ quotaBytes: 200_000 })
  await using client = await EtcdClient.open({ endpoints: [small.endpoint] }, systemClock)
  await client.transact(put('first', 'kept'))
  const filling = (async () => {
    for (let n = 0; n < 50; n++) await client.transact(put(`fill/${n}`, Buffer.alloc(100_000)))
  })()
  await expect(filling).rejects.toMatchObject({ code: 'backend_full' })
  expect((await client.range({ key: 'first' }))[0]?.value.toString()).toBe('kept')
})

test('user and password open it, a token that etcd forgot is renewed, and a wrong password is told', async () => {
  await using guarded = await startEtcd()
  etcdctl(guarded.endpoint, 'user', 'add', 'root:secret')
  etcdctl(guarded.endpoint, 'user', 'add', 'reader:hidden')
  etcdctl(guarded.endpoint, 'auth', 'enable')
  const as = (user?: string, password?: string) =>
    EtcdClient.open(
      { endpoints: [guarded.endpoint], ...(user ? { user } : {}), ...(password ? { password } : {}) },
      systemClock,
    )
  await using client = await as('root', 'secret')
  await client.transact(put('a', '1'))
  await guarded.kill()
  await guarded.start() // simple tokens are kept in memory only
  await client.transact(put('a', '2'), undefined, true)
  expect((await client.range({ key: 'a' }))[0]?.value.toString()).toBe('2')
  await using wrong = await as('root', 'guessed')
  await expect(wrong.range({ key: 'a' })).rejects.toMatchObject({ code: 'backend_auth_failed' })
  await using nobody = await as()
  await expect(nobody.range({ key: 'a' })).rejects.toMatchObject({ code: 'backend_auth_failed' })
  await using reader = await as('reader', 'hidden')
  await expect(reader.range({ key: 'a' })).rejects.toMatchObject({ code: 'backend_auth_failed' })
  const watching = (async () => {
    for await (const _ of reader.watch({ key: 'a' }, 0, new AbortController().signal));
  })()
  await expect(watching).rejects.toMatchObject({ code: 'backend_auth_failed' })
})

test('TLS is spoken with the authority that is given, and with no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-tls-'))
  try {
    const [certificate, key] = [join(folder, 'certificate'), join(folder, 'key')]
    const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
    await using server = await startEtcd({ tls: { certificate, key } })
    const as = (tls: NonNullable<EtcdSettings['tls']>) =>
      EtcdClient.open({ endpoints: [server.endpoint], tls, callMs: 1500 }, systemClock)
    await using client = await as({ ca: readFileSync(certificate, 'utf8') })
    await client.transact(put('a', '1'))
    await using stranger = await as({})
    await expect(stranger.range({ key: 'a' })).rejects.toMatchObject({ code: 'backend_unavailable' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a lease that was kept alive lives, and its keys vanish with it', async () => {
  await using client = await open()
  const lease = await client.grantLease(60)
  await client.transact({
    compare: [],
    success: [{ kind: 'put', key: 'leased', value: Buffer.from('1'), lease }],
  })
  expect(await client.keepLeaseAlive(lease)).toBe(60)
  await client.revokeLease(lease)
  await client.revokeLease(lease)
  expect(await client.keepLeaseAlive(lease)).toBe(0)
  expect(await client.range({ key: 'leased' })).toEqual([])
})
