// Archives between executors and the bucket of their server, past the server. Against a real S3 server: Ceph's gateway.

import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { newBucket } from '../../../test/support/ceph-server.ts'
import { startCuttingProxy } from '../../../test/support/cutting-proxy.ts'
import { startLossyProxy } from '../../../test/support/lossy-proxy.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { openS3ObjectStorage } from '../../objectstorage/s3.ts'
import type { S3Settings } from '../../objectstorage/s3-settings.ts'
import { aRandom, bufferOf, chunksOf, executorApiContract } from '../../runservice/executors/executor-api-contract.ts'
import { aDirectory, aRequest, FakeExecutor } from '../../runservice/service-fixture.ts'
import { createServerLog } from '../../server/serve/server-log.ts'
import type { RemoteApiSettings } from './remote-api.ts'
import { serveInstallation } from './served-installation-fixture.ts'

const MiB = 1024 * 1024
const day = 24 * 60 * 60 * 1000

let shared: S3Settings & { readonly endpoint: string }

beforeAll(async () => {
  shared = await newBucket()
}, 120_000)

const settings = () => ({ ...shared, prefix: `${randomUUID()}/` })
const portOf = (url: string) => Number(new URL(url).port)

describe('with archives in a bucket', () => {
  executorApiContract(async () => {
    const installation = await serveInstallation({ ost: await openS3ObjectStorage(settings()) })
    return {
      installation,
      executors: [await installation.client('one'), await installation.client('two')],
      [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
    }
  })
})

type Given = {
  readonly storage?: Partial<S3Settings>
  readonly clock?: Clock
  readonly executor?: Partial<RemoteApiSettings>
}

/** An order, and its executor, whose bytes to and from the server are counted. */
async function anOrder({ storage = {}, clock = systemClock, executor = {} }: Given = {}) {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const ost = await openS3ObjectStorage({ ...settings(), ...storage }, { clock })
  let logged = ''
  const write = (text: string) => {
    logged += text
    return true
  }
  const logger = createServerLog({ level: 'debug', format: 'json' }, { write } as unknown as NodeJS.WriteStream)
  const served = owner.use(await serveInstallation({ ost, logger }))
  const proxy = owner.use(await startLossyProxy(served.port))
  const { id, token, api } = await served.client('one', `http://127.0.0.1:${proxy.port}`, { ...executor, logger })
  const local = owner.use(new FakeExecutor(served.runservice, { id }, () => undefined))
  await local.connect()
  await served.runservice.createRuns([aRequest({ a: {} })])
  const { executorTaskId } = await local.order('a')
  return {
    ...served,
    owner,
    api,
    token,
    ost,
    executorTaskId,
    serverBytes: () => proxy.passedBytes,
    log: () => logged,
  }
}

type Scene = Awaited<ReturnType<typeof anOrder>>

/** Saves an archive and a cache of several parts each, and reads them as they were. */
async function savedAndRestored({ api, executorTaskId, log }: Scene, size = 2 * limits.uploadPartBytes.value + 17) {
  const data = aRandom(size)
  const archive = await api.saveArchive(executorTaskId, 0, chunksOf(data))
  expect(archive).toMatchObject({ sizeBytes: size, sha256: createHash('sha256').update(data).digest('hex') })
  expect((await bufferOf(api.readArchive(executorTaskId, archive))).equals(data)).toBe(true)
  expect(await api.saveCache(executorTaskId, 'deps', chunksOf(data))).toBe('stored')
  const cache = (await api.findCache(executorTaskId, 'deps', { exactOnly: true }))!
  expect((await bufferOf(api.readCache(executorTaskId, cache))).equals(data)).toBe(true)
  // A URL is a credential.
  expect(log()).not.toMatch(/X-Amz|Signature/i)
  return { data, archive, cache }
}

test('archives and caches of several parts do not pass through the server', async () => {
  const scene = await anOrder()
  await savedAndRestored(scene)
  expect(scene.serverBytes()).toBeLessThan(100_000)
  const objects = await Array.fromAsync(scene.ost.list({ prefix: 'uploads/' }))
  expect(objects).toEqual([])
})

test.each([
  ['an executor that is told so', { executor: { signedUrls: false } }],
  ['a server that is told so', { storage: { signedUrls: false } }],
  ['an executor that cannot reach the bucket', { storage: { publicEndpoint: 'http://127.0.0.1:1' } }],
] as const)('with %s they pass through the server', async (_, given) => {
  const scene = await anOrder(given)
  await savedAndRestored(scene)
  expect(scene.serverBytes()).toBeGreaterThan(4 * 16 * MiB)
})

test('a URL that has expired is asked for anew', async () => {
  let behindMs = limits.signedUrlMs.value + 60_000
  let signed = 0
  const clock: Clock = {
    ...systemClock,
    sleep: systemClock.sleep,
    timeout: systemClock.timeout,
    now: () => Date.now() - behindMs,
  }
  const scene = await anOrder({ clock })
  const { direct } = scene.ost
  for (const name of ['signPart', 'signRead'] as const) {
    const sign = direct![name].bind(direct) as (given: never) => Promise<never>
    // Every second URL is an old one.
    direct![name] = ((given: never) => {
      behindMs = signed++ % 2 === 0 ? limits.signedUrlMs.value + 60_000 : 0
      return sign(given)
    }) as never
  }
  await savedAndRestored(scene)
  expect(signed).toBeGreaterThan(10)
  expect(scene.log()).toContain('answered with status 403')
  expect(scene.serverBytes()).toBeLessThan(100_000)
})

test.each([
  ['before the answer to a part', /^PUT .*partNumber=2/, 0],
  ['in the answer to a part', /^PUT .*partNumber=1/, 10],
  ['in the middle of a download', /^GET .*archives/, 3 * MiB],
])('a connection to the bucket that breaks %s costs one request', async (_, requestLine, afterBytes) => {
  const proxy = await startCuttingProxy(portOf(shared.endpoint))
  const scene = await anOrder({ storage: { publicEndpoint: `http://127.0.0.1:${proxy.port}` } })
  scene.owner.use(proxy)
  proxy.cutOnce(requestLine, afterBytes)
  await savedAndRestored(scene)
  expect(proxy.cuts).toBe(1)
  expect(scene.serverBytes()).toBeLessThan(100_000)
})

test("the bucket's own authority is trusted when the executor is told so, else archives go through the server", async () => {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const folder = aDirectory(owner)
  const [keyFile, caFile] = [join(folder, 'key'), join(folder, 'cert')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  execFileSync('openssl', ['req', '-x509', ...key, '-out', caFile, ...subject], { stdio: 'pipe' })
  const tls = { key: readFileSync(keyFile), cert: readFileSync(caFile) }
  const server = createTlsServer(tls, (client) => {
    const upstream = connect(portOf(shared.endpoint), '127.0.0.1')
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => {}) // The other side ends, too.
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  owner.defer(() => void server.close())
  const publicEndpoint = `https://localhost:${(server.address() as { port: number }).port}`
  const knowing = await anOrder({ storage: { publicEndpoint }, executor: { bucketCaFile: caFile } })
  await savedAndRestored(knowing)
  expect(knowing.serverBytes()).toBeLessThan(100_000)
  const doubting = await anOrder({ storage: { publicEndpoint } })
  await savedAndRestored(doubting)
  expect(doubting.serverBytes()).toBeGreaterThan(4 * 16 * MiB)
  expect(doubting.log()).toContain('cannot be reached from here')
})

test('an upload is for what it was begun for, and for the executor of its task', async () => {
  const { runservice, executorTaskId, token, ost } = await anOrder()
  const own = runservice.admitExecutor(token)
  const data = aRandom(100)
  const sha256 = createHash('sha256').update(data).digest('hex')
  const archive = { parts: 1, sizeBytes: 100, sha256 }
  const { uploadId } = await own.beginUpload(executorTaskId, { kind: 'cache', key: 'k' })
  const part = { uploadId, index: 0, isLast: true, sizeBytes: 100, sha256, data }
  await own.relayPart(executorTaskId, part)
  const notFound = { code: 'upload_not_found' }
  await expect(own.completeArchive(executorTaskId, 0, { ...archive, uploadId })).rejects.toMatchObject(notFound)
  await expect(own.completeCache(executorTaskId, 'l', { ...archive, uploadId })).rejects.toMatchObject(notFound)
  for (const foreign of ['w0.', 'w0.../../x', 'w0.0123456789-0123456789-0123456789abcdef../x', 'x0.y'])
    await expect(own.relayPart(executorTaskId, { ...part, uploadId: foreign })).rejects.toMatchObject(notFound)
  await expect(own.relayPart(executorTaskId, { ...part, index: 1 })).rejects.toMatchObject(notFound)
  const other = runservice.admitExecutor((await runservice.createExecutorToken({ name: 'other' })).token)
  const gone = { code: 'executor_task_gone' }
  await expect(other.beginUpload(executorTaskId, { kind: 'workspace', step: 0 })).rejects.toMatchObject(gone)
  await expect(other.signPart(executorTaskId, part)).rejects.toMatchObject(gone)
  const [object] = await Array.fromAsync(ost.list({ prefix: 'caches/' }))
  await expect(other.signCacheRead(executorTaskId, object!.key)).rejects.toMatchObject(gone)
  await expect(own.signArchiveRead(executorTaskId, object!.key)).rejects.toMatchObject({ code: 'object_not_found' })
  await expect(own.signCacheRead(executorTaskId, 'archives/x/0-y')).rejects.toMatchObject({ code: 'object_not_found' })
})

test('what was begun and never completed is removed with the next cleaning a day later', async () => {
  const { runservice, api, executorTaskId, ost, clock } = await anOrder()
  const direct = ost.direct!
  const breaking = async function* () {
    yield aRandom(2 * limits.uploadPartBytes.value)
    throw new Error('the pod is gone')
  }
  let uploadId = ''
  const begin = direct.begin.bind(direct)
  let key = ''
  direct.begin = async (object, signal) => {
    key = object
    uploadId = await begin(object, signal)
    return uploadId
  }
  await expect(api.saveArchive(executorTaskId, 0, breaking())).rejects.toThrow('the pod is gone')
  const data = aRandom(100)
  const part = { key, uploadId, index: 0, sizeBytes: 100, sha256: createHash('sha256').update(data).digest('hex') }
  const retention = { logsMs: 0, workspacesMs: 0, eventsMs: 0, cachesMs: 0 } as never
  await runservice.clean(retention)
  await direct.putPart(part, data)
  clock.pass(day + 60_000)
  await runservice.clean(retention)
  await expect(direct.putPart(part, data)).rejects.toMatchObject({ code: 'upload_not_found' })
})
