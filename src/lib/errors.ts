// Errors that cross a room. An outcome a caller must expect is a value; everything else throws a SlipwayError: a code for
// programs, a message for people, the cause. One table gives each code its kind, that is, what the caller can do; exit
// status and HTTP status derive from the kind, in one place each.

export type ErrorKind =
  /** The request or definition is wrong; sending it again changes nothing. */
  | 'invalid'
  /** Nobody is logged in, or the token or session is not valid. */
  | 'unauthenticated'
  /** The caller is known and may not do this. */
  | 'forbidden'
  /** What was named does not exist (or may not be known of). */
  | 'notfound'
  /** The state does not allow it, or somebody was faster: reload and decide again. */
  | 'conflict'
  /** A limit of docs/limits.md was reached. */
  | 'limit'
  /** Too many requests; the answer says when to try again. */
  | 'ratelimited'
  /** Cannot be answered now; trying later may help. */
  | 'unavailable'
  /** Cancelled by the caller. */
  | 'cancelled'
  /** Trouble of the machinery itself: a bug, a broken disk, damaged data. */
  | 'internal'

type ErrorEntry = { readonly kind: ErrorKind; readonly meaning: string }

function error<K extends ErrorKind>(kind: K, meaning: string): ErrorEntry & { readonly kind: K } {
  return { kind, meaning }
}

const errors = {
  // lib
  invariant: error('internal', "An assumption of Slipway's own is broken: a bug, please report it."),
  cancelled: error('cancelled', 'The caller gave up before it was done.'),
  // pipeline
  config_invalid: error('invalid', 'The definition has errors; the message lists them with file and place.'),
  config_not_found: error('notfound', 'There is no definition in the repository at that commit.'),
  // datamanager
  database_corrupt: error('internal', 'Rows, log or index of a database do not fit together.'),
  database_failed: error('internal', 'The database could not be read or written.'),
  database_too_new: error('conflict', 'The database was written by a newer version of Slipway.'),
  history_collected: error('notfound', 'Changes from that position on are not kept any more: read the rows again.'),
  database_foreign: error('conflict', 'The file or store belongs to another installation.'),
  database_overloaded: error('unavailable', 'Too many writers wait already; try again later.'),
  database_closed: error('unavailable', 'The database is being closed; try again later.'),
  database_locked: error('conflict', 'Another process has the database open.'),
  database_behind: error('unavailable', 'This instance has not yet seen what the caller wrote; try again.'),
  commit_conflict: error('conflict', 'The transaction lost too many races against others; try again.'),
  outcome_unknown: error('unavailable', 'Whether the transaction was committed is not known; ask by its id.'),
  row_too_large: error('limit', 'One thing to be stored is larger than a row may be.'),
  record_too_large: error('limit', 'One transaction writes more than a record may hold.'),
  row_cold: error('unavailable', 'What was asked for is in object storage only and was not read from there.'),
  snapshot_corrupt: error('internal', 'A snapshot is damaged or incomplete.'),
  snapshot_impossible: error('unavailable', 'No snapshot can be made now; the next one is tried later.'),
  maintenance: error('unavailable', 'The installation is in maintenance; try again when it has ended.'),
  import_invalid: error('invalid', 'The file to import is damaged or none of ours; nothing was changed.'),
  import_refused: error('conflict', 'The state does not allow an import: it needs maintenance.'),
  export_gone: error('notfound', 'The snapshot of an interrupted export is not kept any more: begin again.'),
  backend_unavailable: error(
    'unavailable',
    'The store of the change log or of coordination does not answer; try again later.',
  ),
  backend_auth_failed: error('invalid', 'The store refuses the credentials it was given.'),
  backend_full: error('unavailable', 'The store has no room left.'),
  backend_failed: error('internal', 'The store answered with an error of its own.'),
  backend_unfit: error('invalid', 'The store cannot do what is needed of it: wrong version or settings.'),
  module_missing: error('invalid', 'An optional package that this setting needs is not installed.'),
  // objectstorage
  object_exists: error('conflict', 'There is an object with that key already.'),
  object_not_found: error('notfound', 'There is no object with that key.'),
  object_corrupt: error('internal', 'The content of an object is not what was written.'),
  object_size_mismatch: error('invalid', 'The content is shorter or longer than announced.'),
  object_key_invalid: error('invalid', 'The key of an object is not a valid one.'),
  disk_full: error('unavailable', 'A disk is full; nothing of the write stays.'),
  object_storage_failed: error('internal', 'Object storage could not be read or written.'),
  object_too_large: error('limit', 'The object is larger than the storage takes in this way.'),
  object_changed: error('conflict', 'The object was replaced while it was read: begin again.'),
  object_storage_config: error('invalid', 'The settings of the object storage are wrong.'),
  object_storage_unavailable: error('unavailable', 'Object storage does not answer; try again later.'),
  object_storage_denied: error('unavailable', 'Object storage refuses the credentials, or they may not do this.'),
  object_storage_no_bucket: error('unavailable', 'The bucket does not exist.'),
  object_storage_unsafe: error('internal', 'The object storage does not keep the promises Slipway relies on.'),
  // runservice
  run_not_found: error('notfound', 'There is no such run.'),
  run_query_invalid: error('invalid', 'What was asked of the list of runs cannot be answered; the message says why.'),
  run_group_invalid: error('invalid', 'The group of a run is not a path like `/project/ID/branch/NAME`.'),
  run_invalid: error('invalid', 'The request to create a run cannot be right.'),
  run_not_queued: error('conflict', 'The run has started or ended already.'),
  run_not_running: error('conflict', 'The run has not started, or has ended.'),
  run_not_restartable: error('conflict', 'The run cannot be restarted in this way; the message says why.'),
  task_not_found: error('notfound', 'The run has no such task.'),
  task_not_waiting_approval: error('conflict', 'The task does not wait for approval.'),
  task_already_approved: error('conflict', 'Somebody approved the task before.'),
  executor_not_found: error('notfound', 'There is no such executor.'),
  event_consumer_not_found: error('notfound', 'Nobody is registered as this consumer of run events.'),
  executor_task_gone: error('notfound', 'The executor has no such task, or not any more.'),
  executor_removed: error('conflict', 'The executor was removed on purpose; it needs a new token.'),
  executor_superseded: error('conflict', 'The executor has connected again: an older connection of it ends.'),
  executor_not_registered: error('conflict', 'The executor has to say what it is and has before it gets orders.'),
  executor_running: error('conflict', 'Another executor works in that data directory.'),
  executor_data_foreign: error('conflict', 'The data directory belongs to another executor.'),
  executor_token_not_found: error('notfound', 'There is no such token of an executor.'),
  executor_token_exists: error('conflict', 'Another token of an executor has that name.'),
  executor_token_invalid: error('invalid', 'The name of a token of an executor is not a valid one.'),
  executor_labels_invalid: error('invalid', 'The labels of an executor are too many or not valid.'),
  upload_not_found: error('notfound', 'There is no such upload, or it was completed or given up.'),
  upload_unfinished: error('unavailable', 'The upload is still being put together; ask again.'),
  queue_cursor_invalid: error('invalid', 'The cursor of the queue is none that was given out.'),
  status_impossible: error('conflict', 'An executor reported what cannot follow from what is known.'),
  cache_key_invalid: error('invalid', 'A cache key is empty, too long, or its template is wrong.'),
  limit_exceeded: error('limit', 'A limit of [limits](limits.md) was reached; the message names it.'),
  log_moved: error('conflict', 'Somebody else wrote the log meanwhile.'),
  log_corrupt: error('internal', 'A stored log is damaged.'),
  key_missing: error('internal', 'A key that secrets are sealed under is not there.'),
  key_wrong: error(
    'internal',
    'A secret is sealed under another key or for another place, or a key is not kept safely.',
  ),
  // configstore
  name_invalid: error('invalid', 'The name is not one: 1 to 40 letters, digits and single hyphens, and no UUID.'),
  ref_invalid: error('invalid', 'A path is not like `org/NAME/GROUP` or `user/NAME/GROUP`.'),
  list_invalid: error('invalid', 'Limit or cursor of a list are not valid.'),
  version_conflict: error('conflict', 'Somebody changed it meanwhile; the message says which version it has now.'),
  owner_changed: error('conflict', 'It belongs to another user or organization by now than was asked for.'),
  visibility_invalid: error('invalid', 'A visibility is `public` or `private`.'),
  role_invalid: error('invalid', 'A role is `owner` or `member`.'),
  user_not_found: error('notfound', 'There is no such user.'),
  user_exists: error('conflict', 'There is a user with that name.'),
  users_exist: error('conflict', 'The first administrator can be made only while there are no users.'),
  last_administrator: error('conflict', 'There would be no administrator any more: make another one first.'),
  password_invalid: error('invalid', 'The password is too short or too long.'),
  token_not_found: error('notfound', 'The user has no such token.'),
  token_exists: error('conflict', 'The user has a token with that name.'),
  token_invalid: error('invalid', 'Name, scope, projects or expiry of a token are not valid; the message says which.'),
  linked_account_not_found: error('notfound', 'There is no such linked account.'),
  linked_account_exists: error('conflict', 'The remote identity is linked already, or the user has one there.'),
  linked_account_invalid: error(
    'invalid',
    'A member of a linked account is missing or too long; the message says which.',
  ),
  linked_account_in_use: error('conflict', 'Projects use the linked account; the message names them.'),
  organization_not_found: error('notfound', 'There is no such organization.'),
  organization_exists: error('conflict', 'There is an organization with that name.'),
  member_not_found: error('notfound', 'The user is not a member of the organization.'),
  member_exists: error('conflict', 'The user is a member of the organization already.'),
  last_owner: error('conflict', 'An organization would be left without an owner: make another one first.'),
  invitation_not_found: error('notfound', 'The user is not invited to the organization.'),
  invitation_exists: error('conflict', 'The user is invited to the organization already.'),
  project_group_not_found: error('notfound', 'There is no such project group.'),
  project_group_exists: error('conflict', 'The group has a group with that name.'),
  parent_group_not_found: error('notfound', 'The group to put it into does not exist.'),
  root_group: error('conflict', 'A root group goes with its owner: it cannot be renamed, moved or deleted.'),
  move_invalid: error('invalid', 'A group cannot be moved into itself or below, nor deeper than the tree may be.'),
  project_not_found: error('notfound', 'There is no such project.'),
  project_exists: error('conflict', 'The group has a project with that name.'),
  project_invalid: error('invalid', 'A setting of the project cannot be right; the message says which.'),
  remote_source_not_found: error('notfound', 'There is no such remote source.'),
  remote_source_exists: error('conflict', 'There is a remote source with that name.'),
  remote_source_invalid: error('invalid', 'A setting of the remote source cannot be right; the message says which.'),
  remote_source_in_use: error('conflict', 'Linked accounts or projects need the remote source.'),
  secret_not_found: error('notfound', 'There is no such secret.'),
  secret_exists: error('conflict', 'There is a secret with that name.'),
  secret_invalid: error('invalid', 'A secret has no values, or a key of it cannot be right; the message says which.'),
  variable_not_found: error('notfound', 'There is no such variable.'),
  variable_exists: error('conflict', 'There is a variable with that name.'),
  variable_invalid: error('invalid', 'A variable has no values, or a condition is wrong; the message says which.'),
  task_lease_lost: error('conflict', 'The task is held by another one, or done.'),
  sealing_key_not_found: error('notfound', 'There is no such data key.'),
  sealing_key_in_use: error('conflict', 'Values are sealed under that data key, or it seals what is written now.'),
  // notification
  receiver_not_found: error('notfound', 'The project has no such receiver of notifications.'),
  receiver_exists: error('conflict', 'The project has a receiver of notifications with that name.'),
  receiver_invalid: error(
    'invalid',
    'A setting of a receiver of notifications cannot be right; the message says which.',
  ),
  notification_not_found: error('notfound', 'The project has no such notification, or not any more.'),
  notification_not_repeatable: error('conflict', 'The notification cannot be sent again; the message says why.'),
  // executor and drivers
  setup_failed: error('invalid', 'The pod of a task cannot be made as the task asks.'),
  driver_unavailable: error('unavailable', 'A driver cannot be used here: Docker or the sandbox does not answer.'),
  driver_unsupported: error('invalid', 'The driver cannot do what the task asks for.'),
  image_pull: error('invalid', 'An image is missing or cannot be pulled; the message has the answer of the registry.'),
  pod_gone: error('notfound', 'The pod of the task does not exist any more.'),
  helper_protocol: error('internal', 'The helper in a pod answered what it should not.'),
  helper_failed: error(
    'invalid',
    'What was asked of the pod failed: a file that is missing, a directory that is not empty.',
  ),
  // http
  request_invalid: error('invalid', 'The request does not have the form the operation needs; the message says where.'),
  request_too_large: error('limit', 'The body of the request is larger than the operation takes.'),
  route_not_found: error('notfound', 'There is no such address, or not with that method.'),
  unauthenticated: error('unauthenticated', 'Nobody is logged in, or the token or session is not valid any more.'),
  forbidden: error('forbidden', 'The caller may not do this.'),
  rate_limited: error('ratelimited', 'Too many requests; the header Retry-After says when to try again.'),
  protocol_unsupported: error(
    'unavailable',
    'Another service of the installation is of a version that cannot work with this one; the message says which to upgrade.',
  ),
  service_unavailable: error('unavailable', 'Another service of the installation does not answer; try again later.'),
  upstream: error('internal', 'Another service of the installation answered with trouble of its own.'),
  address_in_use: error('conflict', 'Another process listens on that address.'),
  // gateway
  login_failed: error('unauthenticated', 'User name or password is wrong.'),
  token_scope: error('forbidden', 'The token is not for this: its scope or its projects do not allow it.'),
  csrf_refused: error('forbidden', 'A request with a session lacks its CSRF token or comes from another site.'),
  session_not_found: error('notfound', 'There is no such session, or not any more.'),
  remote_login_off: error('forbidden', 'People do not log in, or do not register, with this remote source.'),
  registration_not_found: error(
    'notfound',
    'Nobody is to be registered from this browser, or not any more: log in again.',
  ),
  session_needed: error('conflict', 'This is for a browser with a session, not for a token.'),
  setup_refused: error('forbidden', 'The link for the first administrator is wrong or was used.'),
  cursor_invalid: error('invalid', 'The cursor is none that this list gave.'),
  member_adding_refused: error('conflict', 'Members are invited here, not added.'),
  invitations_off: error('conflict', 'Members are added here, not invited.'),
  idempotency_key_reused: error('conflict', 'The Idempotency-Key came before with another request.'),
  webhook_refused: error('forbidden', 'A webhook is not signed with the secret of the project, or not for it.'),
  delivery_not_found: error('notfound', 'The project has no such delivery, or not any more.'),
  delivery_not_repeatable: error('conflict', 'Nothing is kept of the delivery that could be done again.'),
  log_not_found: error('notfound', 'There is no such log, or it was removed.'),
  log_not_complete: error('conflict', 'The log is still being written.'),
  // gitserver
  git_repository_not_found: error('notfound', 'There is no such repository of direct runs.'),
  git_repository_corrupt: error('internal', 'The stored state of a repository of direct runs is damaged.'),
  // command line
  usage: error('invalid', 'The command was called in a wrong way.'),
  // gitsource
  provider_unavailable: error('unavailable', 'The provider of the repository does not answer, or asks to come later.'),
  provider_unauthorized: error('forbidden', 'The provider does not take the token: link the account again.'),
  provider_refused: error('conflict', 'The provider refuses to do this; the message has its words.'),
  oauth2_refused: error('forbidden', 'The provider does not take the code or token of its login: begin again.'),
  remote_repository_not_found: error('notfound', 'The provider has no such repository, or hides it from this account.'),
  commit_not_found: error('notfound', 'The repository has no such commit, or the ref does not contain it.'),
  git_failed: error('invalid', 'Git could not do it; the message has what it said.'),
  not_a_repository: error('invalid', 'The directory is not in a git repository.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errors

/** Every error code with its kind and one line of meaning; docs/errors.md is generated from it. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorEntry>> = errors

export type SlipwayErrorOptions = {
  readonly cause?: unknown
  readonly currentVersion?: number
  readonly retryAt?: number
}

export class SlipwayError extends Error {
  readonly code: ErrorCode
  /** With `version_conflict`: the version there is now. */
  readonly currentVersion?: number
  /** With `provider_unavailable`: when it is worth trying again, in milliseconds since 1970, if the provider said so. */
  readonly retryAt?: number

  /** `message`: what was attempted, on what, and what to do. Never a secret, token or environment value. */
  constructor(code: ErrorCode, message: string, options: SlipwayErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.name = 'SlipwayError'
    this.code = code
    if (options.currentVersion !== undefined) this.currentVersion = options.currentVersion
    if (options.retryAt !== undefined) this.retryAt = options.retryAt
  }

  get kind(): ErrorKind {
    return errors[this.code].kind
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
