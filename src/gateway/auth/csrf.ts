// Whether a request comes from a page that may act for the session in its cookie. Two proofs: the browser says where it comes
// from (https://www.w3.org/TR/fetch-metadata/, Origin), and the page knows the token, which other sites cannot read.

import { SlipwayError } from '../../lib/errors.ts'
import { equalSecrets } from './hash-secret.ts'
import { csrfTokenOf } from './sessions.ts'

export type RequestOrigin = {
  readonly method: string
  /** Headers of the request; undefined where there is none. */
  readonly origin: string | undefined
  readonly secFetchSite: string | undefined
  readonly csrfToken: string | undefined
  /** Origins of this server, as a browser may see it. */
  readonly ownOrigins: readonly string[]
  readonly allowedOrigins: readonly string[]
}

/** Errors: `csrf_refused`. */
export function checkCsrf(request: RequestOrigin, sessionSecret: string): void {
  if (isSafe(request.method)) return
  checkOrigin(request)
  if (request.csrfToken === undefined || !equalSecrets(request.csrfToken, csrfTokenOf(sessionSecret)))
    throw new SlipwayError(
      'csrf_refused',
      'the header X-CSRF-Token is missing or not that of the session: load the page again',
    )
}

/** For requests that begin a session, too: no other site logs a visitor in. Errors: `csrf_refused`. */
export function checkOrigin(request: RequestOrigin): void {
  const { method, origin, secFetchSite, ownOrigins, allowedOrigins } = request
  if (isSafe(method)) return
  // What the browser says itself holds also behind a proxy that changes scheme and host; no page can make it say so.
  if (secFetchSite === 'same-origin') return
  if (origin !== undefined && (ownOrigins.includes(origin) || allowedOrigins.includes(origin))) return
  if (origin === undefined && (secFetchSite === undefined || secFetchSite === 'none')) return
  const from = origin === undefined ? 'another site' : `${origin}, which is not this server`
  throw new SlipwayError(
    'csrf_refused',
    `the request comes from a page of ${from}: if it is this server behind a proxy, set its url in the settings`,
  )
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}
