// Errors of etcd as ours. What etcd says is in the message after "etcdserver:" (api/v3rpc/rpctypes/error.go); the status
// codes are those of gRPC.

import { errorMessage, SlipwayError } from '../errors.ts'

const status = {
  unknown: 2,
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unauthenticated: 16,
} as const

export function grpcStatus(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/** The token of this client is not (or no longer) known: the call was not executed, a new token helps. */
export function isTokenRefused(error: unknown): boolean {
  return grpcStatus(error) === status.unauthenticated || /invalid auth token|revision in auth/.test(errorMessage(error))
}

/**
 * An error of a call to etcd as a SlipwayError. `backend_unavailable` is the only one after which a write may have been
 * done; all others are refusals.
 */
export function etcdError(error: unknown, attempted: string): SlipwayError {
  if (error instanceof SlipwayError) return error
  const details = errorMessage(error)
  const fail = (code: ConstructorParameters<typeof SlipwayError>[0], advice = '') =>
    new SlipwayError(code, `${attempted}: etcd: ${details}${advice}`, { cause: error })
  switch (grpcStatus(error)) {
    case status.outOfRange:
      return fail(details.includes('compacted') ? 'history_collected' : 'backend_failed')
    case status.resourceExhausted:
      if (details.includes('space exceeded'))
        return fail('backend_full', '. Compact and defragment it, or raise its quota, then disarm its alarm')
      if (details.includes('too many requests')) return fail('backend_unavailable')
      return fail('record_too_large')
    case status.invalidArgument:
      if (/too large|too many operations/.test(details)) return fail('record_too_large')
      return fail(/authentication|user name|password/.test(details) ? 'backend_auth_failed' : 'backend_failed')
    case status.permissionDenied:
    case status.unauthenticated:
      return fail('backend_auth_failed', '. Check user, password and roles')
    case status.failedPrecondition:
      return fail(details.includes('authentication') ? 'backend_auth_failed' : 'backend_failed')
    default:
      // Unavailable, deadline exceeded, cancelled and everything that is not known.
      return fail('backend_unavailable')
  }
}
