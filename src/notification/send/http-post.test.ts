import type { LookupAddress, lookup } from 'node:dns'
import { expect, test } from 'vitest'
import { HttpReceiver } from '../notification-fixture.ts'
import { postOnce } from './http-post.ts'
import { isPublicAddress } from './public-address.ts'
import { SmtpSink } from './smtp-sink-fixture.ts'

const never = new AbortController().signal
const options = { allowPrivateAddresses: true, signal: never, now: () => 1_000 }
const post = { headers: { 'content-type': 'application/json' }, body: '{}' }

test.each([
  ['93.184.215.14', true],
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['172.32.0.1', true],
  ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', true],
  ['0.0.0.0', false],
  ['10.1.2.3', false],
  ['100.64.0.1', false],
  ['127.0.0.1', false],
  ['127.255.255.254', false],
  ['169.254.169.254', false],
  ['172.16.0.1', false],
  ['172.31.255.255', false],
  ['192.168.1.1', false],
  ['198.18.0.1', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:8.8.8.8', false],
  ['::127.0.0.1', false],
  ['64:ff9b::7f00:1', false],
  ['2001::7f00:1', false],
  ['2002:7f00:1::', false],
  ['fc00::1', false],
  ['fd12::1', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['ff02::1', false],
  ['example.org', false],
  ['', false],
])('%s is public: %s', (address, isPublic) => {
  expect(isPublicAddress(address)).toBe(isPublic)
})

/** A name server of somebody who wants in. */
function resolving(...addresses: readonly string[]): typeof lookup {
  const answer = (_: string, __: unknown, callback: (error: null, all: readonly LookupAddress[]) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  return answer as unknown as typeof lookup
}

test.each([
  ['a private address', ['10.0.0.1']],
  ['a private one beside a public one', ['8.8.8.8', '127.0.0.1']],
  ['one within another form', ['::ffff:127.0.0.1']],
])('a name that leads to %s is not called', async (_, addresses) => {
  await using http = await HttpReceiver.open()
  const url = http.url.replace('127.0.0.1', 'tricky.example')
  const result = await postOnce(
    { ...post, url },
    { ...options, allowPrivateAddresses: false, resolve: resolving(...addresses) },
  )
  expect(result).toMatchObject({ kind: 'failed', isFinal: true, message: expect.stringContaining('is not public') })
  expect(http.received).toEqual([])
})

test('one that does not answer in time is not waited for', async () => {
  await using http = await HttpReceiver.open()
  const timeout = new AbortController()
  http.answer = () => timeout.abort(new DOMException('late', 'TimeoutError'))
  await expect(postOnce({ ...post, url: http.url }, { ...options, signal: timeout.signal })).rejects.toThrow('late')
})

test('an answer whose end does not come is one all the same', async () => {
  await using http = await HttpReceiver.open()
  const timeout = new AbortController()
  http.answer = (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setTimeout(() => response.destroy(), 20)
  }
  const result = await postOnce({ ...post, url: http.url }, { ...options, signal: timeout.signal })
  expect(result).toMatchObject({ kind: 'sent', httpStatus: 200, excerpt: 'half' })
})

test.each([
  ['7', 8_000],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 60_000],
  ['soon', undefined],
])('a receiver that asks to come back: %s', async (header, retryAt) => {
  await using http = await HttpReceiver.open()
  http.answer = (_, response) => response.writeHead(429, { 'retry-after': header }).end()
  const result = await postOnce({ ...post, url: http.url }, options)
  expect(result).toMatchObject({ kind: 'failed', httpStatus: 429 })
  expect(result.retryAt).toBe(retryAt)
})

test('that nobody listens is said in words', async () => {
  const http = await HttpReceiver.open()
  await http[Symbol.asyncDispose]()
  expect(await postOnce({ ...post, url: http.url }, options)).toEqual({
    kind: 'failed',
    message: 'nobody listens there',
  })
})

test('a certificate that nobody vouches for is not taken', async () => {
  await using sink = await SmtpSink.open({ security: 'tls' })
  const result = await postOnce({ ...post, url: `https://localhost:${sink.port}` }, options)
  expect(result).toMatchObject({ kind: 'failed', message: expect.stringMatching(/certificate/) })
  expect(sink.commands).toEqual([])
})
