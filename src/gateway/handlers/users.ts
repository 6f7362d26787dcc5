// Users, tokens, linked accounts, and what concerns the caller itself.

import type { Configstore } from '../../configstore/api.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { isAdministrator } from '../auth/caller.ts'
import type { LoginGuard } from '../auth/login-guard.ts'
import type { Sessions } from '../auth/sessions.ts'
import { mayWithOrganization } from '../permissions/may.ts'
import type { HandlersOf } from '../routes/handler.ts'
import { pageOptions, pageView } from '../views/pages.ts'
import {
  invitationView,
  linkedAccountView,
  memberView,
  organizationView,
  tokenView,
  userDetailView,
  userView,
} from '../views/stored.ts'
import { accessOf, defined, guardOf, userOf, written } from './common.ts'

type Ids =
  | 'getCurrentUser'
  | 'listCurrentUserOrganizations'
  | 'listCurrentUserInvitations'
  | 'acceptInvitation'
  | 'rejectInvitation'
  | 'listUsers'
  | 'createUser'
  | 'getUser'
  | 'updateUser'
  | 'deleteUser'
  | 'setPassword'
  | 'listTokens'
  | 'createToken'
  | 'deleteToken'
  | 'listLinkedAccounts'
  | 'deleteLinkedAccount'

export type UserHandlersComponents = {
  readonly configstore: Configstore
  readonly sessions: Sessions
  readonly loginGuard: LoginGuard
}

export function userHandlers({ configstore, sessions, loginGuard }: UserHandlersComponents): HandlersOf<Ids> {
  return {
    getCurrentUser: (_, context) => userDetailView(userOf(context)),

    listCurrentUserOrganizations: async ({ query }, context) =>
      pageView(
        await configstore.listUserOrganizations({ ...pageOptions(query), user: userOf(context).id }, context.call),
        ({ organization, role }) => {
          const { id, visibility: globalVisibility } = organization
          const access = {
            type: 'organization',
            id,
            globalVisibility,
            role,
            membersCanPerformRunActions: false,
          } as const
          const may = mayWithOrganization({ caller: context.caller, access })
          return { organization: { ...organizationView(organization), may }, role }
        },
      ),

    listCurrentUserInvitations: async ({ query }, context) =>
      pageView(
        await configstore.listInvitations({ ...pageOptions(query), user: userOf(context).id }, context.call),
        invitationView,
      ),

    acceptInvitation: async ({ params }, context) => {
      const input = { organization: params.orgRef, user: userOf(context).id }
      return memberView(
        written(context, await sayNotInvited(params.orgRef, () => configstore.acceptInvitation(input, context.call))),
      )
    },

    rejectInvitation: async ({ params }, context) => {
      const input = { organization: params.orgRef, user: userOf(context).id }
      written(context, await sayNotInvited(params.orgRef, () => configstore.deleteInvitation(input, context.call)))
    },

    listUsers: async ({ query }, { call }) => {
      const { remoteSourceRef, remoteUserId } = query
      if ((remoteSourceRef === undefined) !== (remoteUserId === undefined))
        throw new SlipwayError('request_invalid', 'query: remoteSourceRef and remoteUserId go together')
      if (remoteSourceRef === undefined || remoteUserId === undefined)
        return pageView(await configstore.listUsers(pageOptions(query), call), userDetailView)
      const { user } = await configstore.findLinkedAccount({ remoteSource: remoteSourceRef, remoteUserId }, call)
      return { items: user === undefined ? [] : [userDetailView(user)] }
    },

    createUser: async ({ body }, context) =>
      userDetailView(written(context, await configstore.createUser(defined(body), context.call))),

    getUser: async ({ params }, { call }) => userView(await configstore.getUser({ user: params.userRef }, call)),

    updateUser: async ({ params, body }, context) => {
      const input = { user: params.userRef, ...defined(body), ...guardOf(context) }
      return userDetailView(written(context, await configstore.updateUser(input, context.call)))
    },

    deleteUser: async ({ params, query }, context) => {
      const { id } = await configstore.getUser({ user: params.userRef }, context.call)
      const input = { user: id, ...guardOf(context), ...(query.force === true ? { force: true } : {}) }
      written(context, await configstore.deleteUser(input, context.call))
      await sessions.endAll(id)
    },

    setPassword: async ({ body }, context) => {
      const user = await configstore.getUser({ user: accessOf(context).id }, context.call)
      const isSelf = context.caller.kind === 'user' && context.caller.user.id === user.id
      if (user.hasPassword && (isSelf || !isAdministrator(context.caller)))
        await loginGuard.attempt({ name: user.name, ...context }, async () => {
          const { currentPassword: password = '' } = body
          const { user: verified } = await configstore.verifyPassword({ name: user.name, password })
          if (verified?.id !== user.id) throw new SlipwayError('login_failed', 'the current password is wrong')
        })
      written(context, await configstore.setPassword({ user: user.id, password: body.newPassword }, context.call))
      const current = context.caller.kind === 'user' ? context.caller.session?.id : undefined
      await sessions.endAll(user.id, current === undefined ? {} : { except: current })
    },

    listTokens: async (_, context) => {
      const { items } = await configstore.listTokens({ user: accessOf(context).id }, context.call)
      return { items: items.map(tokenView) }
    },

    createToken: async ({ body }, context) => {
      const { name, scope = 'admin', projects, expiresAt } = body
      const input = {
        user: accessOf(context).id,
        name,
        scope,
        ...(projects === undefined ? {} : { projects }),
        ...(expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }),
      }
      const { token, value } = written(context, await configstore.createToken(input, context.call))
      return { token: tokenView(token), value }
    },

    deleteToken: async ({ params }, context) => {
      const input = { user: accessOf(context).id, token: params.tokenRef }
      written(context, await configstore.deleteToken(input, context.call))
    },

    listLinkedAccounts: async (_, context) => {
      const { items } = await configstore.listLinkedAccounts({ user: accessOf(context).id }, context.call)
      return { items: items.map(linkedAccountView) }
    },

    deleteLinkedAccount: async ({ params, query }, context) => {
      const force = query.force === true ? { force: true } : {}
      const input = { user: accessOf(context).id, id: params.linkedAccountId, ...force }
      written(context, await configstore.deleteLinkedAccount(input, context.call))
    },
  }
}

/** Whether the organization exists is not said to who is not invited. */
async function sayNotInvited<T>(ref: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (isSlipwayError(error) && error.kind === 'notfound')
      throw new SlipwayError('invitation_not_found', `you are not invited to ${ref}`)
    throw error
  }
}
