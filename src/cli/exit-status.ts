// Exit status of the command, decided in one place.

import { type ErrorKind, isSlipwayError } from '../lib/errors.ts'

export const exitStatus = { success: 0, runFailed: 1, usage: 2, stopped: 3, trouble: 4 } as const

const byKind: Readonly<Record<ErrorKind, number>> = {
  invalid: exitStatus.usage,
  unauthenticated: exitStatus.usage,
  forbidden: exitStatus.usage,
  notfound: exitStatus.usage,
  conflict: exitStatus.usage,
  limit: exitStatus.usage,
  ratelimited: exitStatus.trouble,
  unavailable: exitStatus.trouble,
  cancelled: exitStatus.stopped,
  internal: exitStatus.trouble,
}

export function exitStatusOf(error: unknown): number {
  if (error instanceof SuppressedError) return exitStatusOf(error.suppressed)
  return isSlipwayError(error) ? byKind[error.kind] : exitStatus.trouble
}
