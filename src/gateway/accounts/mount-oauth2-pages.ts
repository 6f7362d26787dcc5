// The pages of OAuth2 that a browser is sent to, and leaves at once for a page of ours: `GET /oauth2/callback`, where a provider sends it
// back, and `GET /oauth2/link?source=NAME`, for an address that a program prints.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { RemoteSource, User } from '../../configstore/types.ts'
import { formatPositions } from '../../contract/positions.ts'
import { requestSignal } from '../../http/request-signal.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { requestFrom } from '../auth/authenticate.ts'
import { beginSession } from '../auth/begin-session.ts'
import { browserSecretOf, positionCookie, sessionSecretOf } from '../auth/cookies.ts'
import type { Sessions } from '../auth/sessions.ts'
import type { Maintenance } from '../maintenance.ts'
import type { HandlerContext } from '../routes/handler.ts'
import type { OAuth2Flow } from '../rows.ts'
import type { GatewaySettings } from '../settings.ts'
import type { Accounts } from './accounts.ts'
import { type BeginOAuth2, callbackPath } from './begin-oauth2.ts'
import type { OAuth2Flows } from './oauth2-flows.ts'
import { identityByCode, type RemoteIdentity } from './remote-identity.ts'
import { withError } from './return-to.ts'

export type OAuth2PagesComponents = {
  readonly settings: Pick<GatewaySettings, 'publicUrl'>
  readonly configstore: Pick<Configstore, 'getRemoteSource' | 'getUser'>
  readonly providers: ProviderAccess
  readonly accounts: Accounts
  readonly flows: OAuth2Flows
  readonly beginOAuth2: BeginOAuth2
  readonly sessions: Sessions
  readonly maintenance: Pick<Maintenance, 'checkOpen'>
  readonly clock: Clock
  readonly logger: Logger
  /** As of `mountRoute`. */
  readonly generation: () => string
}

type Page = Pick<HandlerContext, 'from' | 'cookies' | 'setHeader' | 'wrote' | 'signal'>

const loginPage = '/login'
const registerPage = '/register'
/** A provider that answers slower than that is as good as one that does not. */
const exchangeMs = 60_000

export function mountOAuth2Pages(app: FastifyInstance, components: OAuth2PagesComponents): void {
  const { maintenance } = components
  app.get(callbackPath, async (request, reply) => {
    maintenance.checkOpen()
    return await goTo(await comeBack(queryOf(request), pageOf(request, reply, components), components), reply)
  })
  app.get('/oauth2/link', async (request, reply) => {
    maintenance.checkOpen()
    return await goTo(await beginLink(request, pageOf(request, reply, components), components), reply)
  })
}

function goTo(address: string, reply: FastifyReply): FastifyReply {
  return reply
    .header('cache-control', 'no-store')
    .header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
    .redirect(address, 303)
}

/** Where the browser goes from here; what went wrong is told there. */
async function comeBack(
  { code, state, error }: Readonly<Record<string, string>>,
  page: Page,
  components: OAuth2PagesComponents,
): Promise<string> {
  const { flows, configstore, clock, logger } = components
  let flow: OAuth2Flow | undefined
  let source: RemoteSource | undefined
  try {
    const taken = await flows.take(state ?? '', browserSecretOf(page.cookies, page.from.isSecure))
    flow = taken.flow
    source = await configstore.getRemoteSource({ remoteSource: flow.remoteSourceId })
    if (code === undefined || error !== undefined)
      throw new SlipwayError('oauth2_refused', `${source.name} did not let the user in: ${(error ?? '').slice(0, 100)}`)
    const grant = { code, redirectUri: flow.redirectUri, codeVerifier: taken.codeVerifier }
    const during = AbortSignal.any([page.signal, clock.timeout(exchangeMs)])
    const identity = await identityByCode(source.id, grant, components.providers, during)
    if (flow.linkTo === undefined) return await logIn(source, identity, { flow, page }, components)
    const { position } = await components.accounts.link(await sameUser(flow.linkTo, page, components), identity)
    page.wrote('configstore', position)
    return flow.returnTo
  } catch (cause) {
    if (!isSlipwayError(cause)) logger.error('a login at a provider failed', { error: cause })
    else logger.info('a login at a provider was refused', { code: cause.code, why: cause.message })
    const isTold = isSlipwayError(cause) && cause.kind !== 'internal'
    const told = { code: isTold ? cause.code : 'internal', remoteSource: source?.name }
    return withError(flow?.linkTo === undefined ? loginPage : flow.returnTo, told)
  }
}

async function logIn(
  source: RemoteSource,
  identity: RemoteIdentity,
  { flow, page }: { readonly flow: OAuth2Flow; readonly page: Page },
  { accounts, flows, sessions }: OAuth2PagesComponents,
): Promise<string> {
  const known = await accounts.find(source, identity.user)
  if (known === undefined) {
    // It has one: the flow was found by it.
    await flows.offerRegistration(identity, browserSecretOf(page.cookies, page.from.isSecure)!)
    return registerPage
  }
  await accounts.renew(known, identity)
  await beginSession(known.user, sessions, page)
  return flow.returnTo
}

/** Whoever began it is still logged in here. Errors: `unauthenticated`. */
async function sameUser(userId: string, page: Page, components: OAuth2PagesComponents): Promise<User> {
  const user = await userOf(page, components)
  if (user?.id === userId) return user
  throw new SlipwayError('unauthenticated', 'somebody else, or nobody, is logged in by now')
}

async function userOf(
  { cookies, from }: Page,
  { sessions, configstore }: OAuth2PagesComponents,
): Promise<User | undefined> {
  const secret = sessionSecretOf(cookies, from.isSecure)
  const session = secret === undefined ? undefined : sessions.find(secret)
  return session === undefined ? undefined : await configstore.getUser({ user: session.row.userId })
}

/** Errors: `csrf_refused` when another site sends the browser here, those of `BeginOAuth2`. */
async function beginLink(request: FastifyRequest, page: Page, components: OAuth2PagesComponents): Promise<string> {
  const { source: name = '', returnTo } = queryOf(request)
  if (!['none', 'same-origin', undefined].includes(request.headers['sec-fetch-site'] as string | undefined))
    throw new SlipwayError('csrf_refused', 'another site sent the browser here')
  const user = await userOf(page, components)
  if (user === undefined) return `${loginPage}?returnTo=${encodeURIComponent(request.url)}`
  const source = await components.configstore.getRemoteSource({ remoteSource: name })
  return await components.beginOAuth2({ source, returnTo, linkTo: user }, page)
}

function pageOf(request: FastifyRequest, reply: FastifyReply, { settings, generation }: OAuth2PagesComponents): Page {
  const from = requestFrom(request, settings)
  return {
    from,
    cookies: request.headers.cookie,
    setHeader: (name, value) => void reply.header(name, value),
    wrote: (service, position) => {
      const text = formatPositions({ [service]: position }, generation())
      if (text !== undefined) void reply.header('set-cookie', positionCookie(text, from))
    },
    signal: requestSignal(reply),
  }
}

/** Each name once; what comes twice is as good as missing. */
function queryOf({ query }: FastifyRequest): Readonly<Record<string, string>> {
  const entries = Object.entries(query as Readonly<Record<string, unknown>>)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
