// One HTTP listener: what every route of Slipway has in common, whoever mounts it. Request ids, errors as JSON, limits of
// bodies and headers, a stop that lets running requests end.

import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify'
import { errorMessage, isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import { givenRequestId, requestIdHeader, withRequestId } from '../lib/request-id.ts'
import { errorResponse } from './error-response.ts'
import { endRequests, trackRequests } from './request-signal.ts'

export type HttpServerSettings = {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** True when a proxy in front sets X-Forwarded-For, so that addresses of callers are taken from it. */
  readonly trustProxy?: boolean
  /** Default `limits.httpStopMs`. */
  readonly stopMs?: number
}

export type HttpServerComponents = {
  readonly logger: Logger
  /** Adds the routes. */
  readonly mount: (app: FastifyInstance) => void | Promise<void>
}

export interface HttpServer extends AsyncDisposable {
  /** `http://127.0.0.1:8080`: where it listens, with the port it got. */
  readonly url: string
  readonly port: number
}

/**
 * Listens. Disposing takes no new requests, ends streams (`stopping` of their request is aborted, see `requestSignal`), and waits at most
 * `limits.httpStopMs` for the rest. Errors: `address_in_use`, `config_invalid` for an address that is none of this machine.
 */
export async function openHttpServer(
  settings: HttpServerSettings,
  { logger, mount }: HttpServerComponents,
): Promise<HttpServer> {
  const app = createHttpApp({ logger, trustProxy: settings.trustProxy ?? false })
  await mount(app)
  const { host, port } = settings.listen
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'EADDRINUSE')
      throw new SlipwayError(
        'address_in_use',
        `another process listens on ${host}:${port}: choose another with --listen`,
      )
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EACCES')
      throw new SlipwayError('config_invalid', `cannot listen on ${host}:${port}: ${errorMessage(cause)}`, { cause })
    throw cause
  }
  const address = app.server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${shownHost}:${actual}`,
    port: actual,
    [Symbol.asyncDispose]: async () => {
      endRequests(app, new SlipwayError('service_unavailable', 'the server stops'))
      const late = setTimeout(() => app.server.closeAllConnections(), settings.stopMs ?? limits.httpStopMs.value)
      try {
        await app.close()
      } finally {
        clearTimeout(late)
      }
    },
  }
}

/** The application without a listener: for tests with `inject`. */
export function createHttpApp({ logger, trustProxy }: { logger: Logger; trustProxy: boolean }): FastifyInstance {
  const app = Fastify({
    logger: false,
    trustProxy,
    bodyLimit: limits.requestBodyBytes.value,
    requestTimeout: 0,
    // Uploads and event streams are long; a connection that says nothing before its headers is not.
    connectionTimeout: 0,
    http: { headersTimeout: limits.requestHeadersMs.value, maxHeaderSize: limits.requestHeaderBytes.value },
    forceCloseConnections: 'idle',
    genReqId: ({ headers }) => givenRequestId(headers[requestIdHeader]) ?? randomUUID(),
    routerOptions: { maxParamLength: limits.requestHeaderBytes.value, ignoreTrailingSlash: false },
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: false, allErrors: false, useDefaults: true } },
  })
  trackRequests(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header(requestIdHeader, request.id)
    withRequestId(request.id, done)
  })
  // What happens after a body was read is of the connection, which has no request.
  app.addHook('preValidation', (request, _, done) => withRequestId(request.id, done))
  app.setErrorHandler((thrown: FastifyError | Error, request, reply) => {
    const error = asSlipwayError(thrown)
    const { status, body } = errorResponse(error, request.id)
    if (status === 500)
      logger.error('request failed', {
        requestId: request.id,
        method: request.method,
        route: routeOf(request),
        error: thrown,
      })
    if (status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', '2')
    void reply.status(status).type('application/json').send(body)
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new SlipwayError(
      'route_not_found',
      `there is nothing at ${request.method} ${request.url.split('?')[0]}`,
    )
    const { status, body } = errorResponse(error, request.id)
    void reply.status(status).type('application/json').send(body)
  })
  return app
}

/** The pattern of the route, not the address: an address may hold what a log should not. */
function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? '(none)'
}

/** Fastify's own errors (a body that is no JSON, a schema not met) in our words. */
function asSlipwayError(error: FastifyError | Error): unknown {
  if (isSlipwayError(error) || !('code' in error)) return error
  if ('validation' in error && error.validation !== undefined)
    return new SlipwayError('request_invalid', `the request is not as it should be: ${error.message}`)
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new SlipwayError('request_too_large', 'the body of the request is too large')
  const status = 'statusCode' in error ? error.statusCode : undefined
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new SlipwayError('request_invalid', `the request cannot be read: ${error.message}`)
  return error
}
