// Who may fetch from and push to a repository. The table of decideGitAccess is the whole of it; docs/direct-runs.md shows it.

import type { Configstore } from '../configstore/api.ts'
import type { TokenScope } from '../configstore/types.ts'
import { unreachable } from '../lib/errors.ts'
import type { RepositoryName } from './api.ts'
import { type CredentialKeys, type RunTaskName, readRunCredential } from './requests/run-credential.ts'

export type GitOperation = 'fetch' | 'push'

export type GitCaller =
  | { readonly kind: 'anonymous' }
  /** Something was shown that opens nothing. */
  | { readonly kind: 'refused' }
  | {
      readonly kind: 'user'
      readonly userId: string
      readonly isAdmin: boolean
      readonly scope: TokenScope
      /** The token is for some projects only. */
      readonly isRestricted: boolean
    }
  /** A task of a direct run; without a repository when it has ended, or is none of a direct run. */
  | { readonly kind: 'task'; readonly repository: RepositoryName | undefined }

export type GitDecision =
  | 'allowed'
  /** Log in, or with something else. */
  | 'unauthenticated'
  /** The caller may not know whether there is such a repository. */
  | 'hidden'
  /** The user may, this token may not. */
  | 'token_scope'
  | 'forbidden'

/** Pure. */
export function decideGitAccess(caller: GitCaller, operation: GitOperation, repository: RepositoryName): GitDecision {
  switch (caller.kind) {
    case 'anonymous':
    case 'refused':
      return 'unauthenticated'
    case 'user': {
      const isOwner = caller.userId === repository.userId
      // Administrators may look into everything; pushing as somebody else is nothing they need.
      if (!isOwner && !(caller.isAdmin && operation === 'fetch' && !caller.isRestricted)) return 'hidden'
      if (caller.isRestricted) return 'token_scope'
      return scopes.indexOf(caller.scope) >= scopes.indexOf(neededScope[operation]) ? 'allowed' : 'token_scope'
    }
    case 'task': {
      const own = caller.repository
      if (own === undefined) return 'unauthenticated'
      if (own.userId !== repository.userId || own.repositoryId !== repository.repositoryId) return 'hidden'
      return operation === 'fetch' ? 'allowed' : 'forbidden'
    }
    default:
      return unreachable(caller)
  }
}

const scopes: readonly TokenScope[] = ['read', 'run', 'admin']
const neededScope: Readonly<Record<GitOperation, TokenScope>> = { fetch: 'read', push: 'run' }

export type IdentifyComponents = {
  readonly configstore: Pick<Configstore, 'authenticateToken'>
  readonly keys: CredentialKeys
  /** The repository that the task needs now. */
  readonly repositoryOfTask: (task: RunTaskName) => Promise<RepositoryName | undefined>
}

/** `authorization`: the header; a token as `Bearer`, or as the password of `Basic` with any user name. */
export async function identifyGitCaller(
  authorization: string | undefined,
  { configstore, keys, repositoryOfTask }: IdentifyComponents,
): Promise<GitCaller> {
  if (authorization === undefined) return { kind: 'anonymous' }
  const value = secretOf(authorization)
  if (value === undefined) return { kind: 'refused' }
  const task = readRunCredential(value, keys)
  if (task !== undefined) return { kind: 'task', repository: await repositoryOfTask(task) }
  const { user, token } = await configstore.authenticateToken({ value })
  if (user === undefined || token === undefined) return { kind: 'refused' }
  const { scope, projectIds } = token
  return { kind: 'user', userId: user.id, isAdmin: user.isAdmin, scope, isRestricted: projectIds !== undefined }
}

function secretOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(bearer|token|basic) +(\S+)$/i.exec(header.trim()) ?? []
  if (scheme.toLowerCase() !== 'basic') return value === '' ? undefined : value
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 || colon === text.length - 1 ? undefined : text.slice(colon + 1)
}
