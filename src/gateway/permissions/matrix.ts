// The permission table spelled out: what each kind of caller gets, cell by cell. For docs/permissions.md and for the test that
// asks a server for every cell.

import type { Visibility } from '../../configstore/types.ts'
import type { RouteId } from '../../contract/routes.ts'
import type { Caller } from '../auth/caller.ts'
import { type Decision, decide, type Permission, type SubjectAccess, type SubjectKind } from './permission.ts'
import { permissions } from './table.ts'

/** As columns of the table; what a subject has no difference between is left out of its columns. */
export const callerKinds = ['anonymous', 'user', 'member', 'owner', 'admin', 'admintoken'] as const
export type CallerKind = (typeof callerKinds)[number]

export type MatrixRow = {
  readonly operation: RouteId
  readonly permission: Permission
  readonly cells: readonly MatrixCell[]
}

export type MatrixCell = {
  readonly caller: CallerKind
  readonly visibility: Visibility
  /** With a project that lets members perform run actions. */
  readonly membersMay: boolean
  readonly decision: Decision
}

/** In the order of the table. */
export function permissionMatrix(): readonly MatrixRow[] {
  return (Object.entries(permissions) as [RouteId, Permission][]).map(([operation, permission]) => ({
    operation,
    permission,
    cells: cellsOf(permission),
  }))
}

export function callersOf(on: SubjectKind): readonly CallerKind[] {
  switch (on) {
    case 'installation':
    case 'caller':
      return ['anonymous', 'user', 'admin', 'admintoken']
    case 'user':
      return ['anonymous', 'user', 'owner', 'admin', 'admintoken']
    default:
      return callerKinds
  }
}

function cellsOf(permission: Permission): readonly MatrixCell[] {
  const visibilities = hasVisibility(permission.on) ? (['public', 'private'] as const) : (['public'] as const)
  const flags = permission.orMembersIfAllowed ? [false, true] : [false]
  return callersOf(permission.on).flatMap((caller) =>
    visibilities.flatMap((visibility) =>
      flags.map((membersMay) => ({
        caller,
        visibility,
        membersMay,
        decision: decide(permission, aCaller(caller), accessOf(permission.on, { caller, visibility, membersMay })),
      })),
    ),
  )
}

function hasVisibility(on: SubjectKind): boolean {
  return on !== 'installation' && on !== 'caller' && on !== 'user'
}

const nobody = { id: 'u', createdAt: 0, updatedAt: 0, version: 1, name: 'u', hasPassword: true }

function aCaller(kind: CallerKind): Caller {
  if (kind === 'anonymous' || kind === 'admintoken') return { kind }
  return { kind: 'user', user: { ...nobody, isAdmin: kind === 'admin' } }
}

function accessOf(
  on: SubjectKind,
  { caller, visibility, membersMay }: Pick<MatrixCell, 'caller' | 'visibility' | 'membersMay'>,
): SubjectAccess | undefined {
  if (on === 'installation' || on === 'caller') return undefined
  const role = caller === 'member' || caller === 'owner' ? caller : 'none'
  return { type: 'project', id: 'p', globalVisibility: visibility, role, membersCanPerformRunActions: membersMay }
}
