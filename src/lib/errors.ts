// Errors that cross a room. An outcome a caller must expect is a value; everything else throws a SlipwayError: a code for
// programs, a message for people, the cause. One table gives each code its kind, that is, what the caller can do; exit
// status and HTTP status derive from the kind, in one place each.

export type ErrorKind =
  /** The request or definition is wrong; sending it again changes nothing. */
  | 'invalid'
  /** What was named does not exist (or may not be known of). */
  | 'notfound'
  /** The state does not allow it, or somebody was faster: reload and decide again. */
  | 'conflict'
  /** A limit of docs/limits.md was reached. */
  | 'limit'
  /** Cannot be answered now; trying later may help. */
  | 'unavailable'
  /** Cancelled by the caller. */
  | 'cancelled'
  /** Trouble of the machinery itself: a bug, a broken disk, damaged data. */
  | 'internal'

const errorKinds = {
  // lib
  invariant: 'internal',
  cancelled: 'cancelled',
  // pipeline
  config_invalid: 'invalid',
  config_not_found: 'notfound',
  // datamanager
  database_corrupt: 'internal',
  database_failed: 'internal',
  database_too_new: 'conflict',
  history_collected: 'notfound',
  database_foreign: 'conflict',
  database_overloaded: 'unavailable',
  database_closed: 'unavailable',
  database_locked: 'conflict',
  database_behind: 'unavailable',
  commit_conflict: 'conflict',
  outcome_unknown: 'unavailable',
  row_too_large: 'limit',
  record_too_large: 'limit',
  snapshot_corrupt: 'internal',
  snapshot_impossible: 'unavailable',
  maintenance: 'unavailable',
  import_invalid: 'invalid',
  import_refused: 'conflict',
  backend_unavailable: 'unavailable',
  backend_auth_failed: 'invalid',
  backend_full: 'unavailable',
  backend_failed: 'internal',
  backend_unfit: 'invalid',
  module_missing: 'invalid',
  // objectstorage
  object_exists: 'conflict',
  object_not_found: 'notfound',
  object_corrupt: 'internal',
  object_size_mismatch: 'invalid',
  object_key_invalid: 'invalid',
  disk_full: 'unavailable',
  object_storage_failed: 'internal',
  object_too_large: 'limit',
  object_changed: 'conflict',
  object_storage_config: 'invalid',
  object_storage_unavailable: 'unavailable',
  object_storage_denied: 'unavailable',
  object_storage_no_bucket: 'unavailable',
  object_storage_unsafe: 'internal',
  // runservice
  run_not_found: 'notfound',
  run_group_invalid: 'invalid',
  run_invalid: 'invalid',
  run_not_queued: 'conflict',
  run_not_running: 'conflict',
  run_not_restartable: 'conflict',
  task_not_found: 'notfound',
  task_not_waiting_approval: 'conflict',
  task_already_approved: 'conflict',
  executor_not_found: 'notfound',
  executor_task_gone: 'notfound',
  status_impossible: 'conflict',
  cache_key_invalid: 'invalid',
  limit_exceeded: 'limit',
  log_moved: 'conflict',
  log_corrupt: 'internal',
  key_missing: 'internal',
  key_wrong: 'internal',
  // executor and drivers
  setup_failed: 'invalid',
  driver_unavailable: 'unavailable',
  driver_unsupported: 'invalid',
  image_pull: 'invalid',
  pod_gone: 'notfound',
  helper_protocol: 'internal',
  helper_failed: 'invalid',
  // command line
  usage: 'invalid',
  git_failed: 'invalid',
  not_a_repository: 'invalid',
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

/** Every error code with its kind; docs/errors.md is generated from it. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorKind>> = errorKinds

export class SlipwayError extends Error {
  readonly code: ErrorCode

  /** `message`: what was attempted, on what, and what to do. Never a secret, token or environment value. */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'SlipwayError'
    this.code = code
  }

  get kind(): ErrorKind {
    return errorKinds[this.code]
  }
}

/** True when `error` is a SlipwayError, with one of `codes` if any are given. */
export function isSlipwayError(error: unknown, ...codes: readonly ErrorCode[]): error is SlipwayError {
  return error instanceof SlipwayError && (codes.length === 0 || codes.includes(error.code))
}

/** A broken assumption of our own: fails loudly. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new SlipwayError('invariant', message)
}

/** For the default branch of a switch over a union: a new variant does not compile until it is thought about. */
export function unreachable(value: never): never {
  throw new SlipwayError('invariant', `unexpected variant ${JSON.stringify(value)}`)
}

/** The text of anything thrown, for a message or a log line. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
