// What an error looks like over HTTP, decided in one place: status by kind, body `{code, message, requestId}`.

import { type ErrorKind, isSlipwayError } from '../lib/errors.ts'

export type ErrorBody = {
  readonly code: string
  readonly message: string
  /** Also in the header `X-Request-Id` and in the server's log. */
  readonly requestId: string
  /** With `version_conflict`: the version there is now. */
  readonly currentVersion?: number
}

/** Status of each kind of error. 499 is what nginx logs for a caller that went away; nobody is there to read it. */
export const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notfound: 404,
  conflict: 409,
  limit: 413,
  ratelimited: 429,
  cancelled: 499,
  internal: 500,
  unavailable: 503,
}

/**
 * Status and body for anything thrown. What is not a SlipwayError, or one of kind `internal`, tells nothing of itself:
 * whoever sends it logs it under the request id.
 */
export function errorResponse(error: unknown, requestId: string): { status: number; body: ErrorBody } {
  if (!isSlipwayError(error) || error.kind === 'internal')
    return { status: 500, body: { code: 'internal', message: 'internal server error', requestId } }
  const { kind, code, message, currentVersion } = error
  const version = currentVersion === undefined ? {} : { currentVersion }
  return { status: statusOfKind[kind], body: { code, message, requestId, ...version } }
}
