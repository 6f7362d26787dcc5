// Which trouble is gone by itself after a while.

import { isSlipwayError, type SlipwayError } from '../lib/errors.ts'

/** It will be possible again: nothing is wrong with what was asked. */
export function isPassing(error: unknown): error is SlipwayError {
  if (!isSlipwayError(error)) return false
  return error.kind === 'unavailable' || error.kind === 'ratelimited' || error.code === 'commit_conflict'
}
