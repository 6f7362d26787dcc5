// One POST to an address that somebody gave us. The address is checked after its name was resolved and the connection goes to what was
// checked; redirects are not followed, certificates always checked, and of the answer only the beginning is read.

import { type LookupAddress, lookup } from 'node:dns'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { errorMessage } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { SendResult } from '../notifications.ts'
import { isPublicAddress } from './public-address.ts'

export type HttpPost = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type HttpPostOptions = {
  /** Private, loopback and link-local addresses may be called. */
  readonly allowPrivateAddresses: boolean
  readonly signal: AbortSignal
  /** For a `Retry-After` in seconds. */
  readonly now: () => number
  /** Of names; Node's own by default. */
  readonly resolve?: typeof lookup
}

const excerptCharacters = 500

/** What came of it; never throws, but for the reason of the signal. Any status of 200 to 299 is a success. */
export async function postOnce(post: HttpPost, options: HttpPostOptions): Promise<SendResult> {
  try {
    return resultOf(await send(post, options), options)
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (error instanceof RefusedAddress) return { kind: 'failed', isFinal: true, message: error.message }
    return { kind: 'failed', message: describe(error) }
  }
}

class RefusedAddress extends Error {}

type Answer = { readonly status: number; readonly excerpt: string; readonly retryAfter: string | undefined }

function resultOf({ status, excerpt, retryAfter }: Answer, { now }: HttpPostOptions): SendResult {
  const seen = { httpStatus: status, excerpt }
  if (status >= 200 && status < 300) return { kind: 'sent', message: `answered ${status}`, ...seen }
  if (status >= 300 && status < 400)
    return { kind: 'failed', isFinal: true, message: `answered ${status}: redirects are not followed`, ...seen }
  if (status === 410) return { kind: 'failed', isFinal: true, message: 'answered 410: it is gone for good', ...seen }
  const retryAt = retryTime(retryAfter, now())
  return { kind: 'failed', message: `answered ${status}`, ...seen, ...(retryAt === undefined ? {} : { retryAt }) }
}

function send({ url: text, headers, body }: HttpPost, options: HttpPostOptions): Promise<Answer> {
  const { signal, allowPrivateAddresses } = options
  const url = new URL(text)
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(literal) !== 0) checkAddresses([literal], options)
  const request = url.protocol === 'https:' ? requestTls : requestPlain
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' },
      agent: false,
      signal,
      ...(allowPrivateAddresses ? {} : { lookup: checkedLookup(options) }),
    })
    let end: (() => void) | undefined
    // Once the status is known, what else the answer would have been does not matter.
    outgoing.on('error', (error) => (end === undefined ? reject(error) : end()))
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const onEnd = () => {
        const retryAfter = response.headers['retry-after']
        resolve({ status: response.statusCode ?? 0, excerpt: excerptOf(Buffer.concat(chunks)), retryAfter })
        outgoing.destroy()
      }
      end = onEnd
      response.on('data', (chunk: Buffer) => {
        const rest = limits.notificationAnswerBytes.value - bytes
        chunks.push(chunk.subarray(0, rest))
        bytes += chunk.length
        if (bytes >= limits.notificationAnswerBytes.value) onEnd()
      })
      for (const event of ['end', 'error', 'close'] as const) response.on(event, onEnd)
    })
    outgoing.end(body)
  })
}

/** Resolves names for the connection itself: nothing can change between check and use. */
function checkedLookup(options: HttpPostOptions): LookupFunction {
  const resolve = options.resolve ?? lookup
  return (hostname, asked, callback) => {
    resolve(hostname, { ...asked, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      try {
        checkAddresses(
          (addresses as LookupAddress[]).map(({ address }) => address),
          options,
        )
      } catch (refused) {
        return callback(refused as NodeJS.ErrnoException, [])
      }
      const first = addresses[0]
      if (asked.all === true || first === undefined) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

/** All of a name: one that has a private address besides is somebody's trick. */
function checkAddresses(addresses: readonly string[], { allowPrivateAddresses }: HttpPostOptions): void {
  if (allowPrivateAddresses) return
  const refused = addresses.find((address) => !isPublicAddress(address))
  if (refused === undefined) return
  throw new RefusedAddress(
    `the address ${refused} is not public: an administrator may allow such with notification.allowPrivateAddresses`,
  )
}

/** One line, of what was printable. */
function excerptOf(bytes: Buffer): string {
  const text = bytes
    .toString('utf8')
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
  return text.slice(0, excerptCharacters).toWellFormed()
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function retryTime(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return now + Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : at
}

function describe(error: unknown): string {
  // Of several addresses each has an error of its own, and the whole has no message.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error
  const code = first instanceof Error && 'code' in first ? String(first.code) : ''
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nobody listens there',
    ENOTFOUND: 'there is no such host',
    ECONNRESET: 'the connection was cut',
    ETIMEDOUT: 'no answer',
  }
  return words[code] ?? errorMessage(first)
}
