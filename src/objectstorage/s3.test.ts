// Against a real server: Ceph's gateway.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import { newBucket } from '../../test/support/ceph-server.ts'
import { startCuttingProxy } from '../../test/support/cutting-proxy.ts'
import { collectBytes } from '../lib/bytes.ts'
import { objectStorageContract } from './object-storage-contract.ts'
import { openS3ObjectStorage } from './s3.ts'
import type { S3Settings } from './s3-settings.ts'
import { selfTest } from './self-test.ts'

const MiB = 1024 * 1024
const bytes = (text: string) => Buffer.from(text)

let shared: S3Settings & { readonly endpoint: string }

beforeAll(async () => {
  shared = await newBucket()
}, 120_000)

/** A storage of its own in the shared bucket. */
const settings = (): S3Settings & { readonly endpoint: string } => ({ ...shared, prefix: `${randomUUID()}/` })

objectStorageContract('s3 (Ceph)', () => openS3ObjectStorage(settings()), { listingRuns: 15 })

async function* pieces(data: Buffer, size = 700_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size)
}

async function uploadsOf({ endpoint, region, bucket, prefix, credentials }: S3Settings): Promise<unknown[]> {
  const client = new S3Client({ endpoint: endpoint!, region, forcePathStyle: true, credentials: credentials! })
  const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }))
  client.destroy()
  return Uploads ?? []
}

test.each([
  ['of unknown size', undefined],
  ['of announced size', 27 * MiB + 5],
])('a large stream %s is written in parts and read whole and in ranges', async (_, sizeBytes) => {
  await using ost = await openS3ObjectStorage(settings())
  const data = randomBytes(27 * MiB + 5)
  const result = await ost.put('large', pieces(data), sizeBytes === undefined ? {} : { sizeBytes })
  expect(result.sizeBytes).toBe(data.length)
  expect(await ost.stat('large')).toMatchObject({ sizeBytes: data.length })
  expect((await collectBytes(ost.read('large'))).equals(data)).toBe(true)
  const range = { start: 8 * MiB - 3, end: 16 * MiB + 9 }
  expect((await collectBytes(ost.read('large', { range }))).equals(data.subarray(range.start, range.end))).toBe(true)
  const tail = { start: data.length - 10 }
  expect((await collectBytes(ost.read('large', { range: tail }))).equals(data.subarray(-10))).toBe(true)
})

test.each([8 * MiB - 49, 8 * MiB - 48, 8 * MiB - 47, 8 * MiB, 8 * MiB + 1, 16 * MiB - 48, 16 * MiB])(
  'an object of %d bytes, about a whole number of parts, is stored',
  async (size) => {
    await using ost = await openS3ObjectStorage(settings())
    const data = randomBytes(size)
    await ost.put('key', data)
    expect((await collectBytes(ost.read('key'))).equals(data)).toBe(true)
  },
)

test.each([
  ['fails', { code: 'object_size_mismatch' }, 30 * MiB, undefined],
  ['is cancelled', { message: 'enough' }, undefined, 20 * MiB],
])('a large upload that %s leaves no parts and no object', async (_, expected, sizeBytes, cancelAt) => {
  const where = settings()
  await using ost = await openS3ObjectStorage(where)
  const cancel = new AbortController()
  let sent = 0
  async function* source() {
    for await (const piece of pieces(randomBytes(26 * MiB))) {
      sent += piece.length
      if (cancelAt !== undefined && sent > cancelAt) cancel.abort(new Error('enough'))
      yield piece
    }
  }
  const options = { signal: cancel.signal, ...(sizeBytes === undefined ? {} : { sizeBytes }) }
  await expect(ost.put('key', source(), options)).rejects.toMatchObject(expected)
  expect(await ost.stat('key')).toBeUndefined()
  expect(await uploadsOf(where)).toEqual([])
})

test('a large stream is created once, by way of a file that has no name', async () => {
  const spoolFolder = await mkdtemp(join(tmpdir(), 'slipway-spool-'))
  try {
    await using ost = await openS3ObjectStorage({ ...settings(), spoolFolder })
    const data = randomBytes(9 * MiB + 1)
    async function* source() {
      yield* pieces(data)
      expect(await readdir(spoolFolder)).toEqual([])
    }
    await ost.create('large', source())
    expect((await collectBytes(ost.read('large'))).equals(data)).toBe(true)
    await expect(ost.create('large', pieces(data))).rejects.toMatchObject({ code: 'object_exists' })
    await expect(ost.create('large', data)).rejects.toMatchObject({ code: 'object_exists' })
  } finally {
    await rm(spoolFolder, { recursive: true })
  }
})

test('more objects than a page of the server holds are listed in order, from anywhere', async () => {
  await using ost = await openS3ObjectStorage(settings())
  const keys = Array.from({ length: 1010 }, (_, index) => `k/${String(index).padStart(4, '0')}`)
  for (let at = 0; at < keys.length; at += 50)
    await Promise.all(keys.slice(at, at + 50).map((key) => ost.put(key, bytes('x'))))
  expect((await Array.fromAsync(ost.list())).map(({ key }) => key)).toEqual(keys)
  const rest = await Array.fromAsync(ost.list({ prefix: 'k/', after: 'k/1002' }))
  expect(rest.map(({ key }) => key)).toEqual(keys.slice(1003))
})

test('a bucket of this server passes the self-test', async () => {
  await using ost = await openS3ObjectStorage(settings())
  await selfTest(ost)
  expect(await Array.fromAsync(ost.list())).toEqual([])
})

test('storages with different prefixes in a bucket do not see each other', async () => {
  const prefix = `${randomUUID()}/`
  await using outer = await openS3ObjectStorage({ ...shared, prefix })
  await using inner = await openS3ObjectStorage({ ...shared, prefix: `${prefix}data2/` })
  await outer.put('a', bytes('outer'))
  await inner.put('a', bytes('inner'))
  expect((await collectBytes(outer.read('a'))).toString()).toBe('outer')
  expect((await Array.fromAsync(inner.list())).length).toBe(1)
})

test('a key and a prefix of their full lengths fit together', async () => {
  await using ost = await openS3ObjectStorage({ ...shared, prefix: `${'p'.repeat(99)}/` })
  const key = 'ü'.repeat(450)
  await ost.put(key, bytes('x'))
  expect((await Array.fromAsync(ost.list())).map((info) => info.key)).toEqual([key])
  await ost.delete(key)
})

test('the bucket may be a part of the host name', async () => {
  const asked: string[] = []
  const lookup: LookupFunction = (name, options, callback) => {
    asked.push(name)
    if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
    else callback(null, '127.0.0.1', 4)
  }
  const where = { ...settings(), pathStyle: false }
  await using ost = await openS3ObjectStorage(where, { lookup })
  await ost.create('a b/ü', bytes('x'))
  expect((await collectBytes(ost.read('a b/ü'))).toString()).toBe('x')
  expect((await Array.fromAsync(ost.list())).map(({ key }) => key)).toEqual(['a b/ü'])
  expect(new Set(asked)).toEqual(new Set([`${shared.bucket}.localhost`]))
})

test('credentials are those of the environment when none are configured', async () => {
  const { credentials, ...where } = settings()
  const folder = await mkdtemp(join(tmpdir(), 'slipway-aws-'))
  const before = { ...process.env }
  try {
    await writeFile(
      join(folder, 'credentials'),
      `[ci]\naws_access_key_id = ${credentials!.accessKeyId}\naws_secret_access_key = ${credentials!.secretAccessKey}\n`,
    )
    process.env.AWS_SHARED_CREDENTIALS_FILE = join(folder, 'credentials')
    process.env.AWS_PROFILE = 'ci'
    await using ost = await openS3ObjectStorage(where)
    await ost.put('a', bytes('x'))
    expect(await ost.stat('a')).toMatchObject({ sizeBytes: 1 })
  } finally {
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_PROFILE'])
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    await rm(folder, { recursive: true })
  }
})

test.each([
  [
    'a secret that is wrong',
    { secretAccessKey: 'wrong' },
    {},
    'object_storage_denied',
    /does not accept the credentials/,
  ],
  ['a key that is unknown', { accessKeyId: 'nobody' }, {}, 'object_storage_denied', /does not accept the credentials/],
  ['a bucket that is missing', {}, { bucket: 'missing' }, 'object_storage_no_bucket', /bucket missing does not exist/],
])('%s is said at opening', async (_, credentials, other, code, message) => {
  const where = settings()
  const wrong = { ...where, ...other, credentials: { ...where.credentials!, ...credentials } }
  const failure = await openS3ObjectStorage(wrong).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) })
  expect(String(failure)).not.toContain(where.credentials!.secretAccessKey)
})

describe('when an answer of the real server is cut', () => {
  async function openThroughProxy() {
    await using undo = new AsyncDisposableStack()
    const proxy = undo.use(await startCuttingProxy(Number(new URL(shared.endpoint).port)))
    const endpoint = `http://127.0.0.1:${proxy.port}`
    const ost = undo.use(await openS3ObjectStorage({ ...settings(), endpoint }))
    const owned = undo.move()
    return { proxy, ost, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }

  test('a reader goes on where it was', async () => {
    await using through = await openThroughProxy()
    const data = randomBytes(9 * MiB)
    await through.ost.put('key', data)
    through.proxy.cutOnce(/^GET .*key/, 5 * MiB)
    expect((await collectBytes(through.ost.read('key'))).equals(data)).toBe(true)
    expect(through.proxy.cuts).toBe(1)
  })

  test('a reader of an object that was replaced is told so', async () => {
    await using through = await openThroughProxy()
    await through.ost.put('key', randomBytes(9 * MiB))
    through.proxy.cutOnce(/^GET .*key/, 5 * MiB)
    const reader = through.ost.read('key')[Symbol.asyncIterator]()
    await reader.next()
    await through.ost.put('key', randomBytes(9 * MiB))
    const rest = async () => {
      while (!(await reader.next()).done);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'object_changed' })
  })

  test('a creation knows that the object is its own', async () => {
    await using through = await openThroughProxy()
    through.proxy.cutOnce(/^PUT /, 0)
    expect(await through.ost.create('key', bytes('mine'))).toMatchObject({ sizeBytes: 4 })
    expect(through.proxy.cuts).toBe(1)
    await expect(through.ost.create('key', bytes('mine'))).rejects.toMatchObject({ code: 'object_exists' })
  })

  test('an upload in parts knows that it ended', async () => {
    await using through = await openThroughProxy()
    const data = randomBytes(17 * MiB)
    through.proxy.cutOnce(/^POST .*uploadId=/, 0)
    await through.ost.put('key', data)
    expect(through.proxy.cuts).toBe(1)
    expect((await collectBytes(through.ost.read('key'))).equals(data)).toBe(true)
  })
})
