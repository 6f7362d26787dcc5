// The row of a membership: what users, organizations and members all need of it.

import { type MemberRow, memberRowId, type Reading, type Tx } from '../row-types.ts'
import { changed, newStored } from '../store.ts'
import type { MemberRole, Organization, OrganizationMember, User } from '../types.ts'

export type Pair = { readonly organization: Organization; readonly user: User }

/** Adds a member or gives it this role. */
export function putMember(
  tx: Tx,
  { organization, user, role, now }: Pair & { readonly role: MemberRole; readonly now: number },
): MemberRow {
  const existing = findMember(tx, { organization, user })
  const member: MemberRow = existing
    ? changed(existing, { role }, now)
    : {
        ...newStored(memberRowId(organization.id, user.id), now),
        organizationId: organization.id,
        organizationName: organization.name,
        userId: user.id,
        userName: user.name,
        role,
      }
  tx.put('member', member.id, member)
  return member
}

/** Whether an organization has one owner, so that this one must stay. */
export function isOnlyOwner(tx: Reading, organizationId: string): boolean {
  return tx.list('member', { index: 'byRole', prefix: [organizationId, 'owner'], limit: 2 }).length === 1
}

export function findMember(tx: Reading, { organization, user }: Pair): MemberRow | undefined {
  return tx.get('member', memberRowId(organization.id, user.id))
}

export function viewMember({ organizationName: _, ...member }: MemberRow): OrganizationMember {
  return member
}
