// Requests to the bucket of a server by URLs that the server signed. A URL is a credential: of what goes wrong only the host is
// told.

import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { SignedRequest } from '../../objectstorage/direct-transfers.ts'
import { authoritiesOf } from './http-connection.ts'

export type BucketRequest = {
  readonly method: 'GET' | 'PUT'
  readonly bytes?: Uint8Array
  /** From a byte to another, inclusive. */
  readonly range?: { readonly first: number; readonly last: number }
  readonly signal: AbortSignal | undefined
  /** Until the answer begins, milliseconds. */
  readonly timeoutMs: number
}

export type BucketAnswer =
  | { readonly kind: 'done'; readonly response: IncomingMessage }
  /** With another URL, or another time, it may work. */
  | { readonly kind: 'refused' | 'cut'; readonly error: SlipwayError }
  /** There was no connection: no such host, a firewall, a certificate that is not trusted. */
  | { readonly kind: 'unreached'; readonly error: SlipwayError }

const connectMsMax = 10_000
const connectionsMax = 64
const idleMs = 5000

export class BucketConnection implements Disposable {
  readonly #agents: { readonly 'http:': Agent; readonly 'https:': TlsAgent }

  /** Errors: `config_invalid` when the file cannot be read. */
  constructor(settings: { readonly caFile?: string }) {
    const options = { keepAlive: true, maxSockets: connectionsMax, timeout: idleMs }
    this.#agents = { 'http:': new Agent(options), 'https:': new TlsAgent({ ...options, ...authoritiesOf(settings) }) }
  }

  /** One attempt. The body of an answer that is `done` is left to the caller. */
  send({ url: text, headers }: SignedRequest, given: BucketRequest): Promise<BucketAnswer> {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      return Promise.resolve({ kind: 'unreached', error: unavailable('the server', 'it signed no URL') })
    const { method, bytes, range, signal, timeoutMs } = given
    signal?.throwIfAborted()
    const isTls = url.protocol === 'https:'
    return new Promise((resolve, reject) => {
      let isReached = false
      const fail = (what: string, cause?: unknown) => {
        const error = unavailable(url.host, what, cause)
        resolve({ kind: isReached ? 'cut' : 'unreached', error })
      }
      const outgoing = (isTls ? requestTls : request)(url, {
        method,
        agent: this.#agents[url.protocol as 'http:'],
        headers: { ...headers, ...(range === undefined ? {} : { range: `bytes=${range.first}-${range.last}` }) },
        ...(signal === undefined ? {} : { signal }),
      })
      const timers = [
        setTimeout(() => isReached || outgoing.destroy(new Error('no connection in time')), connectMsMax),
        setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs),
      ]
      outgoing.once('socket', (socket) => {
        if (!socket.connecting) isReached = true
        else
          socket.once(isTls ? 'secureConnect' : 'connect', () => {
            isReached = true
          })
      })
      outgoing.once('error', (error) => {
        for (const timer of timers) clearTimeout(timer)
        if (signal?.aborted) reject(signal.reason)
        else fail(errorMessage(error) || ((error as NodeJS.ErrnoException).code ?? 'no connection'), error)
      })
      outgoing.once('response', (response) => {
        for (const timer of timers) clearTimeout(timer)
        const { statusCode = 0 } = response
        if (statusCode === (range === undefined ? 200 : 206)) return resolve({ kind: 'done', response })
        // What it says may name what it was asked for.
        response.resume()
        resolve({ kind: 'refused', error: unavailable(url.host, `it answered with status ${statusCode}`) })
      })
      outgoing.end(bytes)
    })
  }

  [Symbol.dispose](): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }
}

function unavailable(host: string, what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('service_unavailable', `the bucket at ${host}: ${what}`, { cause })
}
