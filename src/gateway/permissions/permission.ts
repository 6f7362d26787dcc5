// Who may do what: the words of the table in permissions/table.ts, and the one function that decides by it. Pure.

import type { Access } from '../../configstore/types.ts'
import type { Caller } from '../auth/caller.ts'

/**
 * How a caller stands to what an operation is about; each may what those before it may. `owner`: the user itself, owners of the
 * organization. `admin`: administrators, for everything.
 */
export const standings = ['anonymous', 'user', 'member', 'owner', 'admin'] as const
export type Standing = (typeof standings)[number]

/**
 * What an operation is about. `installation` and `caller` need no look-up. `parentgroup`: the group that the body names, or the
 * caller's own. `run`: the project or user it is a run of.
 */
export type SubjectKind =
  | 'installation'
  | 'caller'
  | 'user'
  | 'organization'
  | 'projectgroup'
  | 'parentgroup'
  | 'project'
  | 'run'

/** What a token must be for at least; `none` is for every token. */
export type NeededScope = 'none' | 'read' | 'run' | 'admin'

export type Permission = {
  readonly on: SubjectKind
  /** The least standing that may, where the subject is public for all, and where it is private. */
  readonly public: Standing
  readonly private: Standing
  readonly scope: NeededScope
  /** Done as a user: the administrator's token is nobody. */
  readonly asUser?: true
  /** Members may where the project lets them perform run actions. */
  readonly orMembersIfAllowed?: true
  /** With a `parentRef` in the body the caller must own that group as well. */
  readonly andDestination?: true
}

export type Decision =
  | 'allowed'
  /** Nobody is logged in, and that is needed. */
  | 'unauthenticated'
  /** The caller may not know that it exists. */
  | 'hidden'
  | 'forbidden'
  /** The user may, this token may not. */
  | 'token_scope'

/** What the decision needs of the subject; undefined for the installation and the caller itself. */
export type SubjectAccess = Pick<Access, 'type' | 'id' | 'globalVisibility' | 'role' | 'membersCanPerformRunActions'>

export function decide(permission: Permission, caller: Caller, access: SubjectAccess | undefined): Decision {
  if (caller.kind === 'anonymous' && leastStanding(permission) !== 'anonymous') return 'unauthenticated'
  const full = decideFor(permission, standingOf(caller, access), access)
  if (caller.kind === 'anonymous') return full
  if (permission.asUser && caller.kind === 'admintoken') return full === 'hidden' ? 'hidden' : 'forbidden'
  if (caller.kind !== 'user' || caller.token === undefined) return full
  const { scope, projectIds } = caller.token
  // Whoever has only a token for some projects need not know of others: it is as good as nobody there.
  const isWithin = projectIds === undefined || (access?.type === 'project' && projectIds.includes(access.id))
  if (!isWithin && permission.scope !== 'none') {
    const limited = decideFor(permission, 'user', access)
    if (access === undefined || limited !== 'allowed') return limited === 'hidden' ? 'hidden' : 'token_scope'
  }
  if (full !== 'allowed') return full
  return scopeIncludes(scope, permission.scope) ? 'allowed' : 'token_scope'
}

function decideFor(permission: Permission, standing: Standing, access: SubjectAccess | undefined): Decision {
  const visibility = access?.globalVisibility ?? 'public'
  if (isAtLeast(standing, permission[visibility])) return 'allowed'
  if (permission.orMembersIfAllowed && access?.membersCanPerformRunActions && isAtLeast(standing, 'member'))
    return 'allowed'
  if (!maySee(standing, access)) return 'hidden'
  return standing === 'anonymous' ? 'unauthenticated' : 'forbidden'
}

/** Everybody may know of what is public, members of what is private. */
export function maySee(standing: Standing, access: Pick<SubjectAccess, 'globalVisibility'> | undefined): boolean {
  return access?.globalVisibility !== 'private' || isAtLeast(standing, 'member')
}

export function standingOf(caller: Caller, access: Pick<SubjectAccess, 'role'> | undefined): Standing {
  switch (caller.kind) {
    case 'anonymous':
      return 'anonymous'
    case 'admintoken':
      return 'admin'
    case 'user':
      if (caller.user.isAdmin) return 'admin'
      if (access === undefined || access.role === 'none') return 'user'
      return access.role === 'member' ? 'member' : 'owner'
  }
}

export function isAtLeast(standing: Standing, needed: Standing): boolean {
  return standings.indexOf(standing) >= standings.indexOf(needed)
}

function leastStanding(permission: Permission): Standing {
  return isAtLeast(permission.public, permission.private) ? permission.private : permission.public
}

const scopeOrder: readonly NeededScope[] = ['none', 'read', 'run', 'admin']

function scopeIncludes(scope: NeededScope, needed: NeededScope): boolean {
  return scopeOrder.indexOf(scope) >= scopeOrder.indexOf(needed)
}
