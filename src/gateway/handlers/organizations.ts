// Organizations, members, invitations.

import type { Configstore } from '../../configstore/api.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { isAdministrator } from '../auth/caller.ts'
import { mayWithOrganization } from '../permissions/may.ts'
import type { HandlersOf } from '../routes/handler.ts'
import type { GatewaySettings } from '../settings.ts'
import { pageOptions, pageView } from '../views/pages.ts'
import { invitationView, memberView, organizationView } from '../views/stored.ts'
import { accessOf, defined, guardOf, written } from './common.ts'

type Ids =
  | 'listOrganizations'
  | 'createOrganization'
  | 'getOrganization'
  | 'updateOrganization'
  | 'deleteOrganization'
  | 'listMembers'
  | 'setMember'
  | 'removeMember'
  | 'listInvitations'
  | 'createInvitation'
  | 'getInvitation'
  | 'deleteInvitation'

export type OrganizationHandlersComponents = {
  readonly settings: Pick<GatewaySettings, 'memberAdding'>
  readonly configstore: Configstore
}

export function organizationHandlers({ settings, configstore }: OrganizationHandlersComponents): HandlersOf<Ids> {
  return {
    listOrganizations: async ({ query }, { caller, call }) =>
      pageView(
        await configstore.listOrganizations(
          { ...pageOptions(query), ...(isAdministrator(caller) ? {} : { visibility: 'public' as const }) },
          call,
        ),
        organizationView,
      ),

    createOrganization: async ({ body }, context) => {
      const { name, visibility = 'public', ownerRef } = body
      const { caller } = context
      if (ownerRef !== undefined && !isAdministrator(caller))
        throw new SlipwayError('forbidden', 'only administrators make organizations for others')
      const owner = ownerRef ?? (caller.kind === 'user' ? caller.user.id : undefined)
      if (owner === undefined)
        throw new SlipwayError('request_invalid', 'body: ownerRef is missing: the caller is no user')
      const made = await configstore.createOrganization({ name, visibility, owner }, context.call)
      return organizationView(written(context, made))
    },

    getOrganization: async (_, context) => ({
      ...organizationView(await configstore.getOrganization({ organization: accessOf(context).id }, context.call)),
      may: mayWithOrganization(context),
    }),

    updateOrganization: async ({ body }, context) => {
      const input = { organization: accessOf(context).id, ...defined(body), ...guardOf(context) }
      return organizationView(written(context, await configstore.updateOrganization(input, context.call)))
    },

    deleteOrganization: async (_, context) => {
      const input = { organization: accessOf(context).id, ...guardOf(context) }
      written(context, await configstore.deleteOrganization(input, context.call))
    },

    listMembers: async ({ query }, context) =>
      pageView(
        await configstore.listMembers({ ...pageOptions(query), organization: accessOf(context).id }, context.call),
        memberView,
      ),

    setMember: async ({ params, body }, context) => {
      const member = { organization: accessOf(context).id, user: params.userRef }
      if (settings.memberAdding === 'invitation' && !isAdministrator(context.caller))
        await requireMember(member, context.call)
      const input = { ...member, role: body.role, ...guardOf(context) }
      return memberView(written(context, await configstore.setMember(input, context.call)))
    },

    removeMember: async ({ params }, context) => {
      const input = { organization: accessOf(context).id, user: params.userRef, ...guardOf(context) }
      written(context, await configstore.removeMember(input, context.call))
    },

    listInvitations: async ({ query }, context) =>
      pageView(
        await configstore.listInvitations({ ...pageOptions(query), organization: accessOf(context).id }, context.call),
        invitationView,
      ),

    createInvitation: async ({ body }, context) => {
      if (settings.memberAdding !== 'invitation')
        throw new SlipwayError('invitations_off', 'here owners add members directly')
      const input = { organization: accessOf(context).id, user: body.userRef, role: body.role }
      return invitationView(written(context, await configstore.createInvitation(input, context.call)))
    },

    getInvitation: async ({ params }, context) => {
      const input = { organization: accessOf(context).id, user: params.userRef }
      return invitationView(await configstore.getInvitation(input, context.call))
    },

    deleteInvitation: async ({ params }, context) => {
      const input = { organization: accessOf(context).id, user: params.userRef }
      written(context, await configstore.deleteInvitation(input, context.call))
    },
  }

  /** Where members are invited, owners still change the roles of those who are there. */
  async function requireMember(
    member: { readonly organization: string; readonly user: string },
    call: Parameters<Configstore['getMember']>[1],
  ): Promise<void> {
    try {
      await configstore.getMember(member, call)
    } catch (error) {
      if (isSlipwayError(error, 'member_not_found'))
        throw new SlipwayError('member_adding_refused', 'here members are invited, not added')
      throw error
    }
  }
}
