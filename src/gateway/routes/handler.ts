// What the operation of a route is: a function of what came in, and of who asked for what. It knows nothing of HTTP, so a call in
// this process goes straight to it.

import type { CallContext } from '../../configstore/api.ts'
import type { Access } from '../../configstore/types.ts'
import type { Positions } from '../../contract/positions.ts'
import type { BodyOf, EventOf, ParamsOf, QueryOf, ResponseOf, Route } from '../../contract/route.ts'
import type { ApiRoutes, RouteId } from '../../contract/routes.ts'
import type { RunView } from '../../runservice/api.ts'
import type { Caller } from '../auth/caller.ts'

export type HandlerInput<R extends Route> = {
  readonly params: ParamsOf<R>
  readonly query: QueryOf<R>
  readonly body: BodyOf<R>
}

/** Bytes with what the answer says about them. */
export type BytesAnswer = {
  readonly bytes: AsyncIterable<Uint8Array>
  /** As a file of this name. */
  readonly fileName?: string
}

export type HandlerResult<R extends Route> = R['stream'] extends { readonly kind: 'events' }
  ? AsyncIterable<EventOf<R>>
  : R['stream'] extends { readonly kind: 'bytes' }
    ? BytesAnswer
    : ResponseOf<R>

export type RequestFrom = {
  readonly address: string
  readonly userAgent: string
  readonly isSecure: boolean
  /** How the installation is reached: as it is set, else as this request came. */
  readonly publicUrl: string
}

export type HandlerContext = {
  readonly caller: Caller
  /** What the permission was asked for: handlers use its id, because a path may name something else a moment later. */
  readonly access: Access | undefined
  /** The group that is put into, where one is. */
  readonly destination: Access | undefined
  /** With operations on a run. */
  readonly run: RunView | undefined
  /** For services: who, and the transaction id of a request that may come again. */
  readonly call: CallContext
  /** From `If-Match`. */
  readonly expectedVersion: number | undefined
  /** From `Last-Event-ID`. */
  readonly lastEventId: string | undefined
  /** From `Slipway-Passphrase`: of an export or import. */
  readonly passphrase: string | undefined
  /** Aborted when the caller goes away or the server stops: for what waits, never for a change. */
  readonly signal: AbortSignal
  readonly from: RequestFrom
  /** The header `Cookie`. */
  readonly cookies: string | undefined
  /** A header of the answer. */
  readonly setHeader: (name: string, value: string) => void
  /** A change was made: the caller's next read sees at least this. */
  readonly wrote: (service: keyof Positions, position: number) => void
}

export type Handler<R extends Route> = (
  input: HandlerInput<R>,
  context: HandlerContext,
) => Promise<HandlerResult<R>> | HandlerResult<R>

/** One for each route of the contract. */
export type Handlers = { readonly [Id in RouteId]: Handler<ApiRoutes[Id]> }
/** Some of them. */
export type HandlersOf<Ids extends RouteId> = Pick<Handlers, Ids>
