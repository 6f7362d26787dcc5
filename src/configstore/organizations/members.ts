// Members of organizations, and who is invited to become one. Whether members are added at once or invited is a rule of the
// gateway; here both are possible, and nobody is member and invited at the same time.

import { SlipwayError } from '../../lib/errors.ts'
import type { Configstore } from '../api.ts'
import { pageOf } from '../paging.ts'
import { getOrganization, getUser } from '../refs.ts'
import { type MemberRow, memberRowId, type Reading } from '../row-types.ts'
import { checkVersion, newStored, type Store } from '../store.ts'
import { type MemberRole, memberRoles, type OrganizationInvitation } from '../types.ts'
import { findMember, isOnlyOwner, type Pair, putMember, viewMember } from './membership.ts'
import { viewOrganization } from './organizations.ts'

type Operations = Pick<
  Configstore,
  | 'listMembers'
  | 'getMember'
  | 'setMember'
  | 'removeMember'
  | 'listUserOrganizations'
  | 'createInvitation'
  | 'getInvitation'
  | 'listInvitations'
  | 'acceptInvitation'
  | 'deleteInvitation'
>

type PairRef = { readonly organization: string; readonly user: string }

export function memberOperations(store: Store): Operations {
  return {
    listMembers: ({ organization: ref, ...options }, context) =>
      store.read(context, (tx) => {
        const { id } = getOrganization(tx, ref)
        return pageOf(tx, options, { type: 'member', index: 'byOrganization', prefix: [id] }, viewMember)
      }),

    getMember: (refs, context) => store.read(context, (tx) => viewMember(getMemberRow(tx, getPair(tx, refs)))),

    setMember: async ({ role, expectedVersion, ...refs }, context) => {
      checkRole(role)
      const now = store.now()
      return store.write(context, 'setMember', (tx) => {
        const pair = getPair(tx, refs)
        const existing = findMember(tx, pair)
        if (expectedVersion !== undefined)
          checkVersion(existing ?? getMemberRow(tx, pair), { expectedVersion }, nameOf(pair))
        if (existing?.role === 'owner' && role !== 'owner') checkNotLastOwner(tx, pair)
        tx.delete('invitation', memberRowId(pair.organization.id, pair.user.id))
        return viewMember(putMember(tx, { ...pair, role, now }))
      })
    },

    removeMember: ({ expectedVersion, ...refs }, context) =>
      store.write(context, 'removeMember', (tx) => {
        const pair = getPair(tx, refs)
        const member = getMemberRow(tx, pair)
        if (expectedVersion !== undefined) checkVersion(member, { expectedVersion }, nameOf(pair))
        if (member.role === 'owner') checkNotLastOwner(tx, pair)
        tx.delete('member', member.id)
        return {}
      }),

    listUserOrganizations: ({ user: ref, ...options }, context) =>
      store.read(context, (tx) => {
        const { id } = getUser(tx, ref)
        return pageOf(tx, options, { type: 'member', index: 'byUser', prefix: [id] }, ({ organizationId, role }) => {
          const organization = tx.get('organization', organizationId)
          return organization && { organization: viewOrganization(tx, organization), role }
        })
      }),

    createInvitation: async ({ role, ...refs }, context) => {
      checkRole(role)
      const now = store.now()
      return store.write(context, 'createInvitation', (tx) => {
        const pair = getPair(tx, refs)
        const { organization, user } = pair
        if (findMember(tx, pair) !== undefined)
          throw new SlipwayError('member_exists', `${user.name} is a member of ${organization.name}`)
        const id = memberRowId(organization.id, user.id)
        if (tx.get('invitation', id) !== undefined)
          throw new SlipwayError('invitation_exists', `${user.name} is invited to ${organization.name}`)
        const invitation: OrganizationInvitation = {
          ...newStored(id, now),
          organizationId: organization.id,
          organizationName: organization.name,
          userId: user.id,
          userName: user.name,
          role,
        }
        tx.put('invitation', id, invitation)
        return invitation
      })
    },

    getInvitation: (refs, context) => store.read(context, (tx) => getInvitation(tx, getPair(tx, refs))),

    listInvitations: (input, context) =>
      store.read(context, (tx) => {
        const listing =
          'organization' in input
            ? ({ index: 'byOrganization', prefix: [getOrganization(tx, input.organization).id] } as const)
            : ({ index: 'byUser', prefix: [getUser(tx, input.user).id] } as const)
        return pageOf(tx, input, { type: 'invitation', ...listing }, (invitation) => invitation)
      }),

    acceptInvitation: ({ expectedVersion, ...refs }, context) => {
      const now = store.now()
      return store.write(context, 'acceptInvitation', (tx) => {
        const pair = getPair(tx, refs)
        const invitation = getInvitation(tx, pair)
        if (expectedVersion !== undefined) checkVersion(invitation, { expectedVersion }, nameOf(pair))
        tx.delete('invitation', invitation.id)
        return viewMember(putMember(tx, { ...pair, role: invitation.role, now }))
      })
    },

    deleteInvitation: ({ expectedVersion, ...refs }, context) =>
      store.write(context, 'deleteInvitation', (tx) => {
        const pair = getPair(tx, refs)
        const invitation = getInvitation(tx, pair)
        if (expectedVersion !== undefined) checkVersion(invitation, { expectedVersion }, nameOf(pair))
        tx.delete('invitation', invitation.id)
        return {}
      }),
  }
}

function checkNotLastOwner(tx: Reading, { organization, user }: Pair): void {
  if (isOnlyOwner(tx, organization.id))
    throw new SlipwayError(
      'last_owner',
      `${user.name} is the only owner of ${organization.name}: make another one first`,
    )
}

function getPair(tx: Reading, { organization, user }: PairRef): Pair {
  return { organization: getOrganization(tx, organization), user: getUser(tx, user) }
}

function getMemberRow(tx: Reading, pair: Pair): MemberRow {
  const member = findMember(tx, pair)
  if (member !== undefined) return member
  throw new SlipwayError('member_not_found', `${pair.user.name} is not a member of ${pair.organization.name}`)
}

function getInvitation(tx: Reading, { organization, user }: Pair): OrganizationInvitation {
  const invitation = tx.get('invitation', memberRowId(organization.id, user.id))
  if (invitation !== undefined) return invitation
  throw new SlipwayError('invitation_not_found', `${user.name} is not invited to ${organization.name}`)
}

function checkRole(role: MemberRole): void {
  if (!memberRoles.includes(role))
    throw new SlipwayError('role_invalid', `the role is one of ${memberRoles.join(', ')}`)
}

const nameOf = ({ organization, user }: Pair) => `membership of ${user.name} in ${organization.name}`
