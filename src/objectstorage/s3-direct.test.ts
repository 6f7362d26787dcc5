// Against a real server: Ceph's gateway, which checks signatures and hashes as S3 does.

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { newBucket } from '../../test/support/ceph-server.ts'
import { collectBytes } from '../lib/bytes.ts'
import { systemClock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { SignedRequest } from './direct-transfers.ts'
import { encodeFooter } from './object-footer.ts'
import { openS3ObjectStorage } from './s3.ts'
import type { S3Settings } from './s3-settings.ts'

const partBytes = 5 * 1024 * 1024

let shared: S3Settings

beforeAll(async () => {
  shared = await newBucket()
}, 120_000)

async function aStorage(more: Partial<S3Settings> = {}, now?: () => number) {
  const clock = { ...systemClock, sleep: systemClock.sleep, timeout: systemClock.timeout, now: now ?? systemClock.now }
  const ost = await openS3ObjectStorage({ ...shared, prefix: `${randomUUID()}/`, ...more }, { clock })
  return { ost, direct: ost.direct!, [Symbol.asyncDispose]: () => ost[Symbol.asyncDispose]() }
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** Content with its footer, in parts. */
function inParts(content: Buffer): readonly Buffer[] {
  const stored = Buffer.concat([content, encodeFooter(content.length, createHash('sha256').update(content).digest())])
  return Array.from({ length: Math.ceil(stored.length / partBytes) }, (_, index) =>
    stored.subarray(index * partBytes, (index + 1) * partBytes),
  )
}

const announced = (content: Buffer) => ({ sizeBytes: content.length, sha256: sha256(content) })

async function send(method: string, { url, headers }: SignedRequest, body?: Uint8Array) {
  const { 'content-length': _, ...others } = headers // fetch sets it by the body.
  return await fetch(url, { method, headers: others, ...(body === undefined ? {} : { body: new Uint8Array(body) }) })
}

test.each([
  ['of one part', 100_000, false],
  ['of several parts', 2 * partBytes + 17, true],
  ['whose footer is cut by the end of a part', 2 * partBytes - 20, true],
])('an object %s is written and read by signed URLs', async (_, sizeBytes, isLarge) => {
  await using storage = await aStorage()
  const { ost, direct } = storage
  const key = 'archives/a b+ä/1'
  const content = randomBytes(sizeBytes)
  const uploadId = isLarge ? await direct.begin(key) : undefined
  for (const [index, data] of inParts(content).entries()) {
    const part = { key, uploadId, index, sizeBytes: data.length, sha256: sha256(data) }
    // One of them through whoever has the keys, as for an executor that cannot reach the bucket.
    if (index === 1) await direct.putPart(part, data)
    else expect((await send('PUT', await direct.signPart(part), data)).status).toBe(200)
    if (isLarge) expect(await ost.stat(key)).toBeUndefined()
  }
  await direct.complete({ key, uploadId }, announced(content))
  await direct.complete({ key, uploadId }, announced(content)) // The first answer may be lost.
  expect(sha256(await collectBytes(ost.read(key)))).toBe(sha256(content))
  const signed = await direct.signRead(key)
  const part = await fetch(signed.url, { headers: { range: `bytes=50000-${sizeBytes - 1}` } })
  expect(part.status).toBe(206)
  expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(50_000))).toBe(true)
})

test('a signed part takes these bytes and no others', async () => {
  await using storage = await aStorage()
  const { ost, direct } = storage
  const data = randomBytes(1000)
  const part = { key: 'k', uploadId: undefined, index: 0, sizeBytes: data.length, sha256: sha256(data) }
  const signed = await direct.signPart(part)
  const other = randomBytes(1000)
  const refusals = [
    await send('PUT', signed, other),
    await send('PUT', signed, Buffer.concat([data, data])),
    await send('PUT', signed, data.subarray(1)),
    await send('PUT', { ...signed, headers: { ...signed.headers, 'x-amz-content-sha256': sha256(other) } }, other),
    await send('PUT', { ...signed, headers: {} }, other),
    await send('PUT', { ...signed, url: signed.url.replace('/data/k?', '/data/l?') }, data),
    await send('GET', signed),
    await send('DELETE', signed),
  ]
  for (const { status } of refusals) expect([400, 403, 411]).toContain(status)
  expect(await ost.stat('k')).toBeUndefined()
  await expect(direct.putPart(part, other)).rejects.toMatchObject({ code: 'object_corrupt' })
  expect((await send('PUT', signed, data)).status).toBe(200)
})

test('a URL is refused when it is old', async () => {
  let now = Date.now() - limits.signedUrlMs.value - 60_000
  await using storage = await aStorage({}, () => now)
  const { ost, direct } = storage
  await ost.put('k', Buffer.from('content'))
  expect((await send('GET', await direct.signRead('k'))).status).toBe(403)
  now = Date.now()
  expect((await send('GET', await direct.signRead('k'))).status).toBe(200)
})

test.each([
  ['other bytes than announced', (content: Buffer) => announced(randomBytes(content.length))],
  ['more bytes than announced', (content: Buffer) => announced(content.subarray(1))],
  ['fewer bytes than announced', (content: Buffer) => announced(Buffer.concat([content, content]))],
])('an object of %s is not there', async (_, claim) => {
  await using storage = await aStorage()
  const { ost, direct } = storage
  const content = randomBytes(1000)
  for (const uploadId of [undefined, await direct.begin('k')]) {
    const data = inParts(content)[0]!
    const part = { key: 'k', uploadId, index: 0, sizeBytes: data.length, sha256: sha256(data) }
    expect((await send('PUT', await direct.signPart(part), data)).status).toBe(200)
    await expect(direct.complete({ key: 'k', uploadId }, claim(content))).rejects.toMatchObject({
      code: 'object_corrupt',
    })
    expect(await ost.stat('k')).toBeUndefined()
  }
})

test('an upload that was never completed is removed when it is old, and cannot be completed any more', async () => {
  await using storage = await aStorage()
  const { direct } = storage
  const uploadId = await direct.begin('k')
  const data = inParts(Buffer.from('content'))[0]!
  const part = { key: 'k', uploadId, index: 0, sizeBytes: data.length, sha256: sha256(data) }
  await direct.removeOldUploads(Date.now() - 60_000)
  await direct.putPart(part, data)
  await direct.removeOldUploads(Date.now() + 60_000)
  await expect(direct.putPart(part, data)).rejects.toMatchObject({ code: 'upload_not_found' })
  const completing = direct.complete({ key: 'k', uploadId }, announced(Buffer.from('content')))
  await expect(completing).rejects.toMatchObject({ code: 'upload_not_found' })
})

test('URLs lead to the address at which others reach the bucket', async () => {
  const { endpoint } = shared
  await using storage = await aStorage({ publicEndpoint: endpoint!.replace('localhost', '127.0.0.1') })
  const { ost, direct } = storage
  await ost.put('k', Buffer.from('content'))
  const signed = await direct.signRead('k')
  expect(new URL(signed.url).hostname).toBe('127.0.0.1')
  expect((await send('GET', signed)).status).toBe(200)
})

test('a storage may be told to sign nothing', async () => {
  await using ost = await openS3ObjectStorage({ ...shared, signedUrls: false })
  expect(ost.direct).toBeUndefined()
})
