// Every error that an operation can answer: its own, and those that come with what it takes.

import type { ErrorCode } from '../lib/errors.ts'
import type { Route } from './route.ts'

/** Of what is asked of a provider of repositories with a linked account: the account, its answer, and what of it is too large. */
export const ofProvider = [
  'linked_account_not_found',
  'provider_unauthorized',
  'provider_refused',
  'provider_unavailable',
  'limit_exceeded',
] as const

/** Of what is read of the repository of a project, wherever it is. */
export const ofProjectSource = ['commit_not_found', 'git_failed', 'remote_repository_not_found', ...ofProvider] as const

/** By parameters of the path. */
const ofParameters: Readonly<Record<string, readonly ErrorCode[]>> = {
  userRef: ['user_not_found'],
  orgRef: ['organization_not_found'],
  projectRef: ['project_not_found', 'ref_invalid'],
  projectGroupRef: ['project_group_not_found', 'ref_invalid'],
  remoteSourceRef: ['remote_source_not_found'],
  runId: ['run_not_found'],
  taskId: ['task_not_found'],
  secretName: ['secret_not_found'],
  variableName: ['variable_not_found'],
}

/** What any operation can answer besides: the state of the server, or trouble of it. */
export const errorsOfAll: readonly ErrorCode[] = [
  'route_not_found',
  'maintenance',
  'database_behind',
  'service_unavailable',
]

/** Without those of all operations and those of kind `internal`. */
export function errorsOfRoute(route: Route): readonly ErrorCode[] {
  const { params, query, body, auth, method } = route
  const isGet = method === 'GET'
  const members = body === undefined || body === 'bytes' ? {} : (body as { readonly properties?: object }).properties
  const errors: readonly ErrorCode[] = [
    ...(params || query || body || isGet ? (['request_invalid'] as const) : []),
    ...(body !== undefined && body !== 'bytes' ? (['request_too_large'] as const) : []),
    ...(auth === 'none' ? [] : (['unauthenticated', 'token_scope'] as const)),
    ...(auth === 'required' ? (['forbidden'] as const) : []),
    ...(isGet ? [] : (['request_invalid', 'csrf_refused'] as const)),
    ...Object.keys(params?.properties ?? {}).flatMap((name) => ofParameters[name] ?? []),
    ...(members !== undefined && 'parentRef' in members ? (['parent_group_not_found', 'ref_invalid'] as const) : []),
    ...(route.repeatable ? (['idempotency_key_reused'] as const) : []),
    ...(route.versioned && !isGet && method !== 'POST' ? (['version_conflict'] as const) : []),
    ...(route.stream?.kind === 'events' ? (['rate_limited'] as const) : []),
    ...route.errors,
  ]
  return [...new Set(errors)].filter((code) => route.never?.includes(code) !== true)
}
