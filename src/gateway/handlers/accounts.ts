// Logging in, registering and linking with accounts at remote sources.

import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { RemoteSource } from '../../configstore/types.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { BeginOAuth2 } from '../accounts/begin-oauth2.ts'
import type { OAuth2Flows, OfferedRegistration } from '../accounts/oauth2-flows.ts'
import { type ByPassword, identityByPassword } from '../accounts/remote-identity.ts'
import { beginSession } from '../auth/begin-session.ts'
import { browserCookie, browserSecretOf } from '../auth/cookies.ts'
import { newSecretText } from '../auth/hash-secret.ts'
import type { LoginGuard } from '../auth/login-guard.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { linkedAccountView } from '../views/stored.ts'
import { timeText } from '../views/time.ts'
import { userOf, written } from './common.ts'

type Ids =
  | 'beginOAuth2Login'
  | 'loginAtRemoteSource'
  | 'getRegistration'
  | 'register'
  | 'beginOAuth2Link'
  | 'linkAccount'

export type AccountHandlersComponents = {
  readonly configstore: Configstore
  readonly providers: ProviderAccess
  readonly accounts: Accounts
  readonly flows: OAuth2Flows
  readonly beginOAuth2: BeginOAuth2
  readonly sessions: Sessions
  readonly loginGuard: LoginGuard
}

export function accountHandlers(components: AccountHandlersComponents): HandlersOf<Ids> {
  const { configstore, providers, accounts, flows, beginOAuth2, sessions, loginGuard } = components
  const getSource = (remoteSource: string) => configstore.getRemoteSource({ remoteSource })
  const byPassword = async <T>(
    body: { readonly remoteSourceRef: string; readonly username: string; readonly password: string },
    context: HandlerContext,
    act: (source: RemoteSource, shown: ByPassword) => Promise<T>,
  ): Promise<T> => {
    const source = await getSource(body.remoteSourceRef)
    // Guesses of passwords elsewhere are bounded as those of our own.
    return await loginGuard.attempt({ name: `${source.id}/${body.username}`, ...context }, async () =>
      act(source, await identityByPassword(source, body, providers, context.signal)),
    )
  }
  const offer = async (offered: OfferedRegistration) => {
    const { id, name } = await getSource(offered.remoteSourceId)
    return registrationView(offered, { id, name })
  }
  return {
    beginOAuth2Login: async ({ body }, context) => {
      const source = await getSource(body.remoteSourceRef)
      accounts.checkOpen(source)
      return { authorizeUrl: await beginOAuth2({ source, returnTo: body.returnTo, linkTo: undefined }, context) }
    },

    loginAtRemoteSource: async ({ body }, context) =>
      await byPassword(body, context, async (source, { user, makeToken }) => {
        const { signal, from } = context
        const known = await accounts.find(source, user)
        if (known === undefined) {
          const credentials = await makeToken(tokenName(context), signal)
          const secret = browserSecretOf(context.cookies, from.isSecure) ?? newSecretText()
          const offered = await flows.offerRegistration({ remoteSourceId: source.id, user, credentials }, secret)
          const { isSecure } = from
          context.setHeader('set-cookie', browserCookie(secret, { isSecure, maxAgeMs: limits.oauth2FlowMs.value }))
          return { registration: await offer(offered) }
        }
        // A new token ends the one before it, which others may be using.
        if (!(await accounts.isUsable(known, signal))) {
          const credentials = await makeToken(tokenName(context), signal)
          await accounts.renew(known, { remoteSourceId: source.id, user, credentials })
        }
        return await beginSession(known.user, sessions, context)
      }),

    getRegistration: async (_, { cookies, from }) =>
      await offer(flows.registrationOf(browserSecretOf(cookies, from.isSecure))),

    register: async ({ body }, context) =>
      await loginGuard.attempt({ name: 'register', ...context }, async () => {
        const secret = browserSecretOf(context.cookies, context.from.isSecure)
        const { made, position } = await accounts.register(flows.registrationOf(secret), body.name)
        context.wrote('configstore', position)
        // It was found by it.
        await flows.endRegistration(secret!)
        return await beginSession(made, sessions, context)
      }),

    beginOAuth2Link: async ({ body }, context) => {
      const linkTo = userOf(context)
      const { caller } = context
      if (caller.kind !== 'user' || caller.session === undefined)
        throw new SlipwayError(
          'session_needed',
          `a browser has to be sent to the provider: open ${context.from.publicUrl}/oauth2/link?source=${encodeURIComponent(body.remoteSourceRef)} where you are logged in`,
        )
      const source = await getSource(body.remoteSourceRef)
      return { authorizeUrl: await beginOAuth2({ source, returnTo: body.returnTo, linkTo }, context) }
    },

    linkAccount: async ({ body }, context) =>
      await byPassword(body, context, async (source, { user, makeToken }) => {
        const me = userOf(context)
        // Before a token is made, which ends the one that another user may have of it.
        await accounts.checkLinkable(me, source, user)
        const credentials = await makeToken(tokenName(context), context.signal)
        const { made, position } = await accounts.link(me, { remoteSourceId: source.id, user, credentials })
        written(context, { position })
        return linkedAccountView(made)
      }),
  }
}

/** How the provider's list of tokens calls it. */
function tokenName({ from }: HandlerContext): string {
  return `slipway-${new URL(from.publicUrl).host}`.slice(0, 100)
}

function registrationView(
  { identity, expiresAt }: OfferedRegistration,
  remoteSource: { readonly id: string; readonly name: string },
) {
  const { login } = identity.user
  const suggestedName = login
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-|-$/g, '')
  return {
    remoteSource,
    remoteUserName: login,
    ...(suggestedName === '' ? {} : { suggestedName }),
    expiresAt: timeText(expiresAt),
  }
}
