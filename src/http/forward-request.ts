// Requests handed on as they are to processes that serve them: bodies are streamed both ways, nothing is kept.

import { Agent, type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorMessage, invariant, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { requestIdHeader } from '../lib/request-id.ts'
import { requestSignal } from './request-signal.ts'

/** Of one connection, not of what is said over it (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade'],
])

/** Hands requests to the first instance that can be reached, beginning with the one that took the last. */
export class RequestForwarder implements Disposable {
  readonly #urls: readonly string[]
  readonly #plain = new Agent({ keepAlive: true, maxSockets: 256 })
  readonly #tls = new TlsAgent({ keepAlive: true, maxSockets: 256 })
  #preferred = 0

  /** `urls`: of instances that all serve the same, without a path. */
  constructor(urls: readonly string[]) {
    invariant(urls.length > 0, 'requests are handed on to somebody')
    this.#urls = urls
  }

  /**
   * Answers as the instance does. The body of the request must not have been read: a stream, or nothing. Errors: `service_unavailable`
   * when none can be reached, and nothing was sent to any.
   */
  async forward(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const signal = requestSignal(reply)
    const body = request.body instanceof Readable ? request.body : Readable.from([])
    let last: unknown
    for (let attempt = 0; attempt < this.#urls.length; attempt++) {
      const index = (this.#preferred + attempt) % this.#urls.length
      const outgoing = this.#open(this.#urls[index]!, request, signal)
      try {
        await connected(outgoing)
      } catch (error) {
        if (signal.aborted) throw error
        last = error
        continue
      }
      this.#preferred = index
      const response = await exchange(outgoing, body)
      for (const [name, value] of Object.entries(response.headers))
        if (value !== undefined && !hopByHop.has(name)) reply.header(name, value)
      return reply.status(response.statusCode ?? 502).send(response)
    }
    const message = `none of ${this.#urls.join(', ')} can be reached: ${errorMessage(last)}`
    throw new SlipwayError('service_unavailable', message, { cause: last })
  }

  #open(url: string, { raw, id, ip, protocol }: FastifyRequest, signal: AbortSignal): ClientRequest {
    const isTls = url.startsWith('https:')
    const kept = Object.entries(raw.headers).filter(([name]) => !hopByHop.has(name) && name !== 'expect')
    const headers = { ...Object.fromEntries(kept), [requestIdHeader]: id }
    const forwarded = { 'x-forwarded-for': ip, 'x-forwarded-proto': protocol }
    return (isTls ? requestTls : requestPlain)(`${url}${raw.url}`, {
      method: raw.method ?? 'GET',
      headers: { ...headers, ...forwarded },
      agent: isTls ? this.#tls : this.#plain,
      signal,
    })
  }

  [Symbol.dispose](): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }
}

/** Nothing has been sent before. */
async function connected(outgoing: ClientRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const late = () => outgoing.destroy(new SlipwayError('service_unavailable', 'it does not accept the connection'))
  const timer = setTimeout(late, limits.rpcConnectMs.value)
  outgoing.once('error', reject)
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return resolve()
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', resolve)
  })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    outgoing.off('error', reject)
  }
}

/** The answer may begin, and end, before all of the body was taken. */
async function exchange(outgoing: ClientRequest, body: Readable): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  outgoing.once('response', resolve)
  outgoing.on('error', (cause) =>
    reject(new SlipwayError('service_unavailable', `the answer was lost: ${cause.message}`, { cause })),
  )
  body.once('error', (error) => outgoing.destroy(error))
  // Who was refused before all of the body was taken listens only when it has sent everything.
  outgoing.once('close', () => body.resume())
  body.pipe(outgoing)
  return await promise
}
