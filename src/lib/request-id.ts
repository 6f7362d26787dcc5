// The id of the request that is being served: it stands in every log line and travels to the services that are asked, so that one id
// finds all that an installation did for one request.

import { AsyncLocalStorage } from 'node:async_hooks'

/** The header that carries it, in both directions. */
export const requestIdHeader = 'x-request-id'

const current = new AsyncLocalStorage<string>()

/** Everything that `serve` begins, also what goes on after it returned, is done for this request. */
export function withRequestId<T>(id: string, serve: () => T): T {
  return current.run(id, serve)
}

/** Undefined outside of requests. */
export function currentRequestId(): string | undefined {
  return current.getStore()
}

/** What a caller or a proxy in front gave, when it is a UUID; nothing else is taken over into logs. */
export function givenRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(header) ? header : undefined
}
