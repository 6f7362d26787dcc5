// Signs a request of S3 by its URL (AWS Signature Version 4, "Authenticating Requests: Using Query Parameters").

import { createHash, createHmac } from 'node:crypto'
import type { S3Credentials } from './s3-settings.ts'

export type RequestToSign = {
  readonly method: 'GET' | 'PUT'
  /** With encoded path; what is in its query is signed, too. */
  readonly url: URL
  /** Sent and signed, besides `host`; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export type Signing = {
  readonly credentials: S3Credentials
  readonly region: string
  /** From when on, in milliseconds. */
  readonly now: number
  readonly expiresMs: number
}

/** The body is signed when the headers have its hash as `x-amz-content-sha256`. */
export function signedUrl(request: RequestToSign, { credentials, region, now, expiresMs }: Signing): string {
  const time = new Date(now).toISOString().replace(/[:-]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const scope = `${day}/${region}/s3/aws4_request`
  const headers = Object.entries({ ...request.headers, host: request.url.host }).sort(([a], [b]) => compare(a, b))
  const names = headers.map(([name]) => name).join(';')
  const { sessionToken } = credentials
  const query = [
    ...request.url.searchParams,
    ['X-Amz-Algorithm', algorithm],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${scope}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(Math.floor(expiresMs / 1000))],
    ['X-Amz-SignedHeaders', names],
    ...(sessionToken === undefined ? [] : [['X-Amz-Security-Token', sessionToken]]),
  ]
    .map(([name = '', value = '']) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const canonical = [
    request.method,
    request.url.pathname,
    query,
    ...headers.map(([name, value]) => `${name}:${value.trim()}`),
    '',
    names,
    request.headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  ].join('\n')
  const toSign = [algorithm, time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  )
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  return `${request.url.origin}${request.url.pathname}?${query}&X-Amz-Signature=${signature}`
}

const algorithm = 'AWS4-HMAC-SHA256'
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** RFC 3986: more than encodeURIComponent does. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
