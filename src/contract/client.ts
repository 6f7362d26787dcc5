// The typed client: everything it knows of an operation comes from its route. Used by the command line and the web UI; needs
// nothing but `fetch`.

import { type ErrorCode, SlipwayError } from '../lib/errors.ts'
import { laterPosition } from './positions.ts'
import {
  apiBase,
  type BodyOf,
  type EventOf,
  type ParamsOf,
  type QueryOf,
  type ResponseOf,
  type Route,
} from './route.ts'
import { type ApiRoutes, type RouteId, routes } from './routes.ts'
import type { ErrorBody } from './schemas/common.ts'
import { parseEvents } from './server-sent-events.ts'

export type ClientOptions = {
  /** Of the server, without a path: `https://ci.example.org`. */
  readonly url: string
  /** Of a user, of the administrator; without one the caller is anonymous, or has a session cookie in a browser. */
  readonly token?: string
  /** Of the session, in a browser. */
  readonly csrfToken?: () => string | undefined
  readonly fetch?: typeof fetch
}

type Member<Name extends string, Value> = keyof Value extends never
  ? { readonly [N in Name]?: Value }
  : Record<never, never> extends Value
    ? { readonly [N in Name]?: Value }
    : { readonly [N in Name]: Value }

/** What an operation takes; parts without any required member may be left out. */
export type InputOf<R extends Route> = Member<'params', ParamsOf<R>> &
  Member<'query', QueryOf<R>> &
  (BodyOf<R> extends undefined ? { readonly body?: undefined } : { readonly body: BodyOf<R> }) &
  CallOptions

export type CallOptions = {
  /** The version that was last seen: another one there is `version_conflict`. */
  readonly ifMatch?: number
  /** With a POST: the same request with the same key acts once. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
  /** Of a stream of events: go on after this one. */
  readonly lastEventId?: string
}

type Inputs<R extends Route> = Record<never, never> extends InputOf<R> ? [input?: InputOf<R>] : [input: InputOf<R>]

/** An answer that is no success: the server's own code and message. */
export class ApiError extends Error {
  readonly status: number
  readonly code: ErrorCode | (string & {})
  readonly requestId: string | undefined
  /** With `version_conflict`: the version there is now. */
  readonly currentVersion: number | undefined

  constructor(status: number, body: Partial<ErrorBody>) {
    super(body.message ?? `the server answered with status ${status}`)
    this.name = 'ApiError'
    this.status = status
    this.code = body.code ?? 'unknown'
    this.requestId = body.requestId
    this.currentVersion = body.currentVersion
  }
}

export type ApiClient = {
  /**
   * Calls an operation. The client remembers how new the server's data was and never reads older data after it. Errors:
   * `ApiError`; `service_unavailable` when the server cannot be reached; the signal's reason.
   */
  call<Id extends RouteId>(id: Id, ...input: Inputs<ApiRoutes[Id]>): Promise<ResponseOf<ApiRoutes[Id]>>
  /** Events of a stream until it ends or `signal` is aborted. To go on after a loss give the last id as `lastEventId`. */
  events<Id extends RouteId>(
    id: Id,
    ...input: Inputs<ApiRoutes[Id]>
  ): AsyncGenerator<EventOf<ApiRoutes[Id]>, void, undefined>
  /** The bytes of an operation that answers with bytes. */
  bytes<Id extends RouteId>(id: Id, ...input: Inputs<ApiRoutes[Id]>): AsyncGenerator<Uint8Array, void, undefined>
}

type AnyInput = CallOptions & {
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

/** A client of one server. Holds no connection of its own; nothing to close. */
export function createClient(options: ClientOptions): ApiClient {
  let position: string | undefined
  const send = async (id: RouteId, input: AnyInput = {}): Promise<Response> => {
    const response = await request(routes[id] as Route, input, { ...options, position })
    position = laterPosition(position, response.headers.get('slipway-position') ?? undefined)
    if (response.ok) return response
    const body = (await response.json().catch(() => ({}))) as Partial<ErrorBody>
    throw new ApiError(response.status, body)
  }
  return {
    call: async (id, ...[input]) => {
      const response = await send(id, input as AnyInput | undefined)
      const text = await response.text()
      return (text === '' ? undefined : JSON.parse(text)) as never
    },
    events: async function* (id, ...[input]) {
      const response = await send(id, input as AnyInput | undefined)
      for await (const { event, id: eventId, data } of parseEvents(bytesOf(response))) {
        if (event === 'failure') throw failureOf(data)
        yield { event, ...(eventId === undefined ? {} : { id: eventId }), data: JSON.parse(data) as unknown } as never
      }
    },
    bytes: async function* (id, ...[input]) {
      yield* bytesOf(await send(id, input as AnyInput | undefined))
    },
  }
}

/** What went wrong after the answer had begun. */
function failureOf(data: string): ApiError {
  const { status, ...body } = JSON.parse(data) as ErrorBody & { readonly status: number }
  return new ApiError(status, body)
}

async function* bytesOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body !== null) yield* response.body
}

async function request(
  route: Route,
  input: AnyInput,
  options: ClientOptions & { readonly position: string | undefined },
): Promise<Response> {
  const csrfToken = options.csrfToken?.()
  const isBytes = route.body === 'bytes'
  const headers: Record<string, string> = {
    accept: route.stream?.kind === 'events' ? 'text/event-stream' : '*/*',
    ...(input.body === undefined ? {} : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
    ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    ...(csrfToken === undefined || route.method === 'GET' ? {} : { 'x-csrf-token': csrfToken }),
    ...(options.position === undefined ? {} : { 'slipway-position': options.position }),
    ...(input.ifMatch === undefined ? {} : { 'if-match': `"${input.ifMatch}"` }),
    ...(input.idempotencyKey === undefined ? {} : { 'idempotency-key': input.idempotencyKey }),
    ...(input.lastEventId === undefined ? {} : { 'last-event-id': input.lastEventId }),
  }
  const init: RequestInit & { duplex?: 'half' } = {
    method: route.method,
    headers,
    ...(input.signal === undefined ? {} : { signal: input.signal }),
    ...(input.body === undefined
      ? {}
      : isBytes
        ? {
            body: streamOf(input.body as AsyncIterable<Uint8Array>),
            duplex: 'half' as const,
          }
        : { body: JSON.stringify(input.body) }),
  }
  try {
    return await (options.fetch ?? fetch)(`${options.url}${addressOf(route, input)}`, init)
  } catch (cause) {
    input.signal?.throwIfAborted()
    throw new SlipwayError('service_unavailable', `the server ${options.url} cannot be reached`, { cause })
  }
}

/** Not every browser has `ReadableStream.from`, and not every type of it; only the command line sends bytes. */
function streamOf(chunks: AsyncIterable<Uint8Array>): NonNullable<RequestInit['body']> {
  const { from } = ReadableStream as unknown as { from(chunks: AsyncIterable<Uint8Array>): unknown }
  return from.call(ReadableStream, chunks) as NonNullable<RequestInit['body']>
}

/** Path and query of a call. */
export function addressOf(route: Route, input: Pick<AnyInput, 'params' | 'query'>): string {
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(input.params?.[name])))
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input.query ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) if (item !== undefined) query.append(name, String(item))
  }
  const text = query.toString()
  return `${apiBase}${path}${text === '' ? '' : `?${text}`}`
}
