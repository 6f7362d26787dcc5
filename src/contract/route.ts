// The public API is data: a route says where it is, what goes in and what comes out. The server's routes, the typed client,
// validation and the OpenAPI document derive from it; nothing about them is written a second time.

import type { Static, TObject, TSchema } from 'typebox'
import type { ErrorCode } from '../lib/errors.ts'

/** Every path of a route is below it. */
export const apiBase = '/api/v1'

export const routeMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type RouteMethod = (typeof routeMethods)[number]

export type Route = {
  readonly method: RouteMethod
  /** Below `apiBase`. A parameter is `:name` and one segment, percent-encoded: `org%2Facme%2Fweb` is one. */
  readonly path: `/${string}`
  readonly tag: string
  /** One sentence for the OpenAPI document. */
  readonly summary: string
  /** `none` looks at no credentials at all, `optional` refuses wrong ones. Who may is another matter: docs/permissions.md. */
  readonly auth: 'none' | 'optional' | 'required'
  readonly params?: TObject
  readonly query?: TObject
  /** A JSON body; `bytes` is a body of any size that is streamed. */
  readonly body?: TSchema | 'bytes'
  /** The one status of success and what is answered with it; `undefined` is no content. */
  readonly responses: Readonly<Partial<Record<200 | 201 | 202, TSchema>>> | { readonly 204: undefined }
  /** What is answered is a stream: server-sent events of these names and data, or bytes of this type. */
  readonly stream?:
    | { readonly kind: 'events'; readonly events: Readonly<Record<string, TSchema>> }
    | { readonly kind: 'bytes'; readonly contentType: string }
  /** The answer has an `ETag`, and `If-Match` is understood: the version that the caller last saw. */
  readonly versioned?: true
  /** `Idempotency-Key` is understood: the same request with the same key acts once and is answered alike. */
  readonly repeatable?: true
  /** Of the errors that come with what it takes, those that cannot come here: everybody may, or what is missing is not told. */
  readonly never?: readonly ErrorCode[]
  /** What can go wrong besides what can always: docs/errors.md. */
  readonly errors: readonly ErrorCode[]
}

export type Routes = Readonly<Record<string, Route>>

/** Keeps the literal types of the route. */
export function defineRoute<const R extends Route>(route: R): R {
  return route
}

type StaticOr<S, Otherwise> = S extends TSchema ? Static<S> : Otherwise

export type ParamsOf<R extends Route> = StaticOr<R['params'], Record<never, never>>
export type QueryOf<R extends Route> = StaticOr<R['query'], Record<never, never>>
export type BodyOf<R extends Route> = R['body'] extends 'bytes'
  ? AsyncIterable<Uint8Array>
  : StaticOr<R['body'], undefined>
export type ResponseOf<R extends Route> = StaticOr<R['responses'][keyof R['responses']], undefined>

/** One server-sent event: its name, data and the id that a reader gives back as `Last-Event-ID` to go on after it. */
export type EventOf<R extends Route> = R['stream'] extends { readonly kind: 'events'; readonly events: infer Events }
  ? {
      [Name in keyof Events & string]: {
        readonly event: Name
        readonly id?: string
        readonly data: StaticOr<Events[Name], never>
      }
    }[keyof Events & string]
  : never

/** Status of success. */
export function successStatus(route: Route): number {
  return Number(Object.keys(route.responses)[0])
}

/** Schema of what is answered; undefined when nothing is. */
export function responseSchema(route: Route): TSchema | undefined {
  return Object.values(route.responses)[0]
}
