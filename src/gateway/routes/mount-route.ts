// One route of the contract as a route of the server. What all have in common is here, in this order: who asks, what is asked,
// whether it is allowed, how new the data must be, whether it came before; then the handler; then the answer.

import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Configstore } from '../../configstore/api.ts'
import { formatPositions, mergePositions, type Positions, parsePositions } from '../../contract/positions.ts'
import { apiBase, type Route, successStatus } from '../../contract/route.ts'
import type { RouteId } from '../../contract/routes.ts'
import type { Database } from '../../datamanager/database.ts'
import { errorResponse } from '../../http/error-response.ts'
import { requestSignal } from '../../http/request-signal.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { NotificationService } from '../../notification/api.ts'
import type { Runservice } from '../../runservice/api.ts'
import { authenticate, isSecure, originOf, requestFrom } from '../auth/authenticate.ts'
import { type Caller, describeCaller } from '../auth/caller.ts'
import { positionOf } from '../auth/cookies.ts'
import { checkOrigin } from '../auth/csrf.ts'
import { addressBlock } from '../auth/login-guard.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { Maintenance } from '../maintenance.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { authorize } from '../permissions/authorize.ts'
import { permissions } from '../permissions/table.ts'
import type { GatewaySchema } from '../rows.ts'
import type { GatewaySettings } from '../settings.ts'
import { eventStream } from '../streams/event-stream.ts'
import type { StreamCounter } from '../streams/stream-counter.ts'
import type { BytesAnswer, Handler, HandlerContext } from './handler.ts'
import { transactionIdOf } from './idempotency.ts'
import { createRouteValidator, type RouteValidator } from './validation.ts'

export type MountComponents = {
  readonly settings: GatewaySettings
  readonly configstore: Configstore
  readonly runservice: Runservice
  readonly notification: Pick<NotificationService, 'position'>
  readonly database: Database<GatewaySchema>
  readonly sessions: Sessions
  readonly streams: StreamCounter
  readonly maintenance: Pick<Maintenance, 'checkOpen'>
  readonly metrics: Pick<Metrics, 'observeRequest'>
  readonly clock: Clock
  readonly logger: Logger
  /** Changes when the data was replaced: positions of before mean nothing then. */
  readonly generation: () => string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the body is read. */
    caller: Caller | undefined
    /** Aborted when the caller goes away or the server stops; begins with the request, so that no going away is missed. */
    gone: AbortSignal | undefined
  }
}

export function mountRoute(
  app: FastifyInstance,
  id: RouteId,
  route: Route,
  handler: Handler<Route>,
  components: MountComponents,
): void {
  const validator = createRouteValidator(id, route)
  app.route({
    method: route.method,
    url: `${apiBase}${route.path}`,
    exposeHeadRoute: route.method === 'GET' && route.stream === undefined,
    // A body that is streamed has no bound; all others are small.
    ...(route.body === 'bytes' ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}),
    onRequest: async (request, reply) => {
      request.gone = requestSignal(reply)
      if (!isServedInMaintenance(route)) components.maintenance.checkOpen()
      // Before the body: strangers do not make the server read it.
      // A session that another instance began a moment ago is one.
      const { gateway } = parsePositions(seenBy(request, components), components.generation())
      if (gateway !== undefined) await components.database.waitFor(gateway)
      if (route.auth === 'none') checkOrigin(originOf(request, components.settings))
      request.caller = route.auth === 'none' ? { kind: 'anonymous' } : await authenticate(request, components)
      if (route.auth === 'required' && request.caller.kind === 'anonymous')
        throw new SlipwayError('unauthenticated', 'log in, or send a token')
    },
    ...(route.stream === undefined
      ? {
          onResponse: async (_, reply) => components.metrics.observeRequest(id, reply.statusCode, reply.elapsedTime),
        }
      : {}),
    handler: async (request, reply) => await answer({ id, route, handler, validator, request, reply }, components),
  })
}

type Call = {
  readonly id: RouteId
  readonly route: Route
  readonly handler: Handler<Route>
  readonly validator: RouteValidator
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

async function answer(call: Call, components: MountComponents): Promise<unknown> {
  const { id, route, handler, validator, request, reply } = call
  const caller = request.caller ?? { kind: 'anonymous' }
  const input = {
    params: validator.params(request.params),
    query: validator.query(request.query),
    body: route.body === 'bytes' ? request.body : validator.body(request.body),
  }
  const generation = components.generation()
  const wanted = parsePositions(seenBy(request, components), generation)
  await waitForPositions(wanted, components)
  const authorized = await asOfNow(() => authorize(permissions[id], input, caller, components), components)
  const key = headerOf(request, 'idempotency-key')
  const transactionId =
    key === undefined || !route.repeatable || caller.kind === 'anonymous'
      ? undefined
      : await transactionIdOf({ key, caller, operation: id, input }, components)
  const signal = request.gone ?? requestSignal(reply)
  const expectedVersion = route.versioned ? versionOf(headerOf(request, 'if-match')) : undefined
  let positions = wanted
  const context: HandlerContext = {
    caller,
    ...authorized,
    call: {
      actor: describeCaller(caller),
      ...(transactionId === undefined ? {} : { transactionId }),
      ...(wanted.configstore === undefined ? {} : { atLeast: wanted.configstore }),
    },
    expectedVersion,
    lastEventId: headerOf(request, 'last-event-id'),
    passphrase: headerOf(request, 'slipway-passphrase'),
    signal,
    from: requestFrom(request, components.settings),
    cookies: request.headers.cookie,
    setHeader: (name, value) => void reply.header(name, value),
    wrote: (service, position) => {
      positions = mergePositions(positions, { [service]: position })
    },
  }
  if (route.stream?.kind === 'events') {
    const owner = caller.kind === 'anonymous' ? `address ${addressBlock(request.ip)}` : describeCaller(caller)
    const stream = components.streams.enter(owner)
    reply.raw.once('close', () => stream.leave())
  }
  const handle = async () => await handler(input as Parameters<typeof handler>[0], context)
  const result = route.method === 'GET' ? await asOfNow(handle, components) : await handle()
  const position = formatPositions(positions, generation)
  if (position !== undefined) reply.header('slipway-position', position)
  return send(call, result, { components, signal })
}

function send(
  { route, validator, reply }: Call,
  result: unknown,
  { components, signal }: { readonly components: MountComponents; readonly signal: AbortSignal },
): unknown {
  reply.status(successStatus(route))
  switch (route.stream?.kind) {
    case 'events':
      reply.type('text/event-stream')
      // Proxies that gather answers would hold events back.
      reply.header('x-accel-buffering', 'no')
      return Readable.from(
        eventStream(result as AsyncIterable<never>, {
          signal,
          describeError: (error) => describe(error, reply, components),
        }),
      )
    case 'bytes': {
      const { bytes, fileName } = result as BytesAnswer
      reply.type(route.stream.contentType)
      if (fileName !== undefined) reply.header('content-disposition', `attachment; filename="${fileName}"`)
      return Readable.from(bytes)
    }
    default:
      if (components.settings.checkAnswers) validator.answer(result)
      if (result === undefined) return reply.send()
      if (route.versioned && hasVersion(result)) reply.header('etag', `"${result.version}"`)
      return reply.type('application/json').send(JSON.stringify(result))
  }
}

/** As an answer would have it; what is ours is logged and not told. */
function describe(error: unknown, { request }: FastifyReply, { logger }: MountComponents): object {
  const { status, body } = errorResponse(error, request.id)
  if (status === 500) logger.error('stream failed', { requestId: request.id, error })
  return { ...body, status }
}

/** `"3"`, as an ETag, or 3; `*` is any. Errors: `request_invalid`. */
function versionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const [, digits] = /^\s*(?:W\/)?"?([0-9]{1,15})"?\s*$/.exec(header) ?? []
  if (digits === undefined) throw new SlipwayError('request_invalid', 'If-Match: a version like "3" is expected')
  return Number(digits)
}

/** What the caller has seen or caused: as it says, or as a redirect left it in its browser. */
function seenBy(request: FastifyRequest, { settings }: MountComponents): string | undefined {
  return headerOf(request, 'slipway-position') ?? positionOf(request.headers.cookie, isSecure(request, settings))
}

/** A read sees at least what its caller has seen or caused before, whichever instance answers. */
async function waitForPositions(
  wanted: Positions,
  { configstore, runservice, notification }: MountComponents,
): Promise<void> {
  if (wanted.configstore !== undefined) await configstore.status({ atLeast: wanted.configstore })
  if (wanted.runservice !== undefined) await runservice.position(wanted.runservice)
  if (wanted.notification !== undefined) await notification.position(wanted.notification)
}

/**
 * What another instance made a moment ago may not be here yet, and whoever looks for it need not know a position: it is missing
 * only if it is when this one has seen all that was committed.
 */
async function asOfNow<T>(
  look: () => Promise<T>,
  { configstore, runservice, database }: Pick<MountComponents, 'configstore' | 'runservice' | 'database'>,
): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!isSlipwayError(error) || error.kind !== 'notfound') throw error
  }
  await Promise.all([
    configstore.status({ atLeast: 'newest' }),
    runservice.position('newest'),
    database.waitFor('newest'),
  ])
  return await look()
}

/** What ends a maintenance, and what says who one is. */
function isServedInMaintenance({ tag, method, path }: Route): boolean {
  return tag === 'maintenance' || tag === 'server' || (method === 'GET' && path === '/session')
}

function hasVersion(result: unknown): result is { readonly version: number } {
  return typeof result === 'object' && result !== null && 'version' in result && typeof result.version === 'number'
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
