// Coming in and going out.

import type { Configstore } from '../../configstore/api.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { beginSession } from '../auth/begin-session.ts'
import { isAdministrator } from '../auth/caller.ts'
import { noSessionCookie } from '../auth/cookies.ts'
import { equalSecrets, hashSecret } from '../auth/hash-secret.ts'
import type { LoginGuard } from '../auth/login-guard.ts'
import { csrfTokenOf, type Sessions } from '../auth/sessions.ts'
import type { HandlersOf } from '../routes/handler.ts'
import type { GatewaySettings } from '../settings.ts'
import { userDetailView } from '../views/stored.ts'
import { optionalTime, timeText } from '../views/time.ts'
import { userOf, written } from './common.ts'

type Ids = 'getIdentity' | 'login' | 'logout' | 'listSessions' | 'deleteSession' | 'getSetup' | 'setUp'

export type SessionHandlersComponents = {
  readonly settings: GatewaySettings
  readonly configstore: Configstore
  readonly sessions: Sessions
  readonly loginGuard: LoginGuard
  readonly clock: Clock
}

export function sessionHandlers(components: SessionHandlersComponents): HandlersOf<Ids> {
  const { settings, configstore, sessions, loginGuard } = components
  return {
    getIdentity: (_, { caller }) => {
      const isAdmin = isAdministrator(caller)
      if (caller.kind !== 'user') return { kind: caller.kind, isAdmin }
      const { user, token, session } = caller
      return {
        kind: session === undefined ? 'token' : 'session',
        user: userDetailView(user),
        isAdmin,
        ...(token === undefined ? {} : { scope: token.scope, ...optionalTime('expiresAt', token.expiresAt) }),
        ...(session === undefined
          ? {}
          : { csrfToken: csrfTokenOf(session.secret), expiresAt: timeText(session.row.expiresAt) }),
      }
    },

    login: async ({ body }, context) =>
      await loginGuard.attempt({ name: body.username, ...context }, async () => {
        const { user } = await configstore.verifyPassword({ name: body.username, password: body.password })
        if (user === undefined) throw new SlipwayError('login_failed', 'user name or password is wrong')
        return await beginSession(user, sessions, context)
      }),

    logout: async (_, context) => {
      const { caller } = context
      if (caller.kind !== 'user' || caller.session === undefined) return
      try {
        await sessions.end(caller.user.id, caller.session.id)
      } catch (error) {
        // Ended meanwhile: that is what was wanted.
        if (!isSlipwayError(error, 'session_not_found')) throw error
      }
      context.setHeader('set-cookie', noSessionCookie({ isSecure: context.from.isSecure }))
    },

    listSessions: (_, context) => {
      const current = context.caller.kind === 'user' ? context.caller.session?.id : undefined
      return {
        items: sessions.list(userOf(context).id).map(({ id, row }) => ({
          id,
          createdAt: timeText(row.createdAt),
          expiresAt: timeText(row.expiresAt),
          userAgent: row.userAgent,
          address: row.address,
          isCurrent: id === current,
        })),
      }
    },

    deleteSession: async ({ params }, context) => {
      await sessions.end(userOf(context).id, params.sessionId)
    },

    getSetup: async () => {
      const { hasUsers } = await configstore.status()
      return { isNeeded: !hasUsers }
    },

    setUp: async ({ body }, context) =>
      await loginGuard.attempt({ name: 'setup', ...context }, async () => {
        const expected = settings.setupTokenHash
        if (expected === undefined || !equalSecrets(hashSecret(body.token), expected))
          throw new SlipwayError(
            'setup_refused',
            'this link is not valid: look for the newest in the log of the server',
          )
        try {
          const input = { name: body.username, password: body.password }
          const user = written(context, await configstore.createFirstAdministrator(input))
          return await beginSession(user, sessions, context)
        } catch (error) {
          if (isSlipwayError(error, 'users_exist'))
            throw new SlipwayError('setup_refused', 'this link was used: log in, or ask who used it')
          throw error
        }
      }),
  }
}
