// What browsers are told about answers of the API: which other origins may read them (the Fetch standard, CORS), and that nothing
// in them is to be run, framed, guessed at or kept.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { GatewaySettings } from '../settings.ts'

export type WebSafetyOptions = {
  /** Where the API is. */
  readonly base: string
  readonly settings: Pick<GatewaySettings, 'allowedOrigins'>
  readonly isSecure: (request: FastifyRequest) => boolean
}

const methods = 'GET, POST, PUT, PATCH, DELETE'
const requestHeaders =
  'Authorization, Content-Type, X-CSRF-Token, If-Match, Idempotency-Key, Slipway-Position, Last-Event-ID'
const exposedHeaders = 'ETag, Slipway-Position, X-Request-Id, Retry-After'
/** Seconds a browser remembers an answer to its question. */
const preflightSeconds = 600
const oneYearSeconds = 365 * 24 * 60 * 60

export function mountWebSafety(app: FastifyInstance, { base, settings, isSecure }: WebSafetyOptions): void {
  const mayRead = (request: FastifyRequest) =>
    request.headers.origin !== undefined && settings.allowedOrigins.includes(request.headers.origin)
  const setCors = (request: FastifyRequest, reply: FastifyReply) => {
    if (settings.allowedOrigins.length === 0) return
    reply.header('vary', 'Origin')
    if (!mayRead(request)) return
    reply.header('access-control-allow-origin', request.headers.origin)
    reply.header('access-control-allow-credentials', 'true')
    reply.header('access-control-expose-headers', exposedHeaders)
  }
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('referrer-policy', 'same-origin')
    reply.header('x-frame-options', 'DENY')
    if (isSecure(request)) reply.header('strict-transport-security', `max-age=${oneYearSeconds}`)
    if (!request.url.startsWith(`${base}/`)) return
    reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
    reply.header('cache-control', 'no-store')
    setCors(request, reply)
  })
  if (settings.allowedOrigins.length === 0) return
  app.options(`${base}/*`, async (request, reply) => {
    if (mayRead(request)) {
      reply.header('access-control-allow-methods', methods)
      reply.header('access-control-allow-headers', requestHeaders)
      reply.header('access-control-max-age', String(preflightSeconds))
    }
    return await reply.status(204).send()
  })
}
