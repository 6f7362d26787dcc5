// Sends a browser to a provider, to come back to `/oauth2/callback`.

import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { RemoteSource, User } from '../../configstore/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { AttemptLimiter } from '../auth/attempt-limiter.ts'
import { browserCookie, browserSecretOf } from '../auth/cookies.ts'
import { addressBlock } from '../auth/login-guard.ts'
import type { HandlerContext } from '../routes/handler.ts'
import type { OAuth2Flows } from './oauth2-flows.ts'
import { parseReturnTo } from './return-to.ts'

export const callbackPath = '/oauth2/callback'

export type BeginOAuth2Components = {
  readonly configstore: Pick<Configstore, 'getRemoteSource'>
  readonly providers: Pick<ProviderAccess, 'openSourceOAuth2'>
  readonly flows: OAuth2Flows
  readonly clock: Clock
}

type Asked = {
  readonly source: RemoteSource
  readonly returnTo: string | undefined
  /** Whose account is to be linked; undefined: somebody logs in. */
  readonly linkTo: User | undefined
}

export type BeginOAuth2 = (
  asked: Asked,
  context: Pick<HandlerContext, 'from' | 'cookies' | 'setHeader'>,
) => Promise<string>

/**
 * What begins one: sets the cookie that names the browser, and answers where to send it. Errors: `remote_source_invalid`,
 * `rate_limited`, `request_invalid` for a `returnTo` that leads elsewhere.
 */
export function createBeginOAuth2({ providers, flows, clock }: BeginOAuth2Components): BeginOAuth2 {
  const settings = { attempts: limits.oauth2Begins.value, refillMs: limits.oauth2BeginRefillMs.value }
  const limiter = new AttemptLimiter(settings, clock)
  return async ({ source, returnTo: path, linkTo }, { from, cookies, setHeader }) => {
    const returnTo = parseReturnTo(path)
    const waitMs = limiter.take([`address ${addressBlock(from.address)}`])
    if (waitMs > 0) {
      setHeader('retry-after', String(Math.ceil(waitMs / 1000)))
      throw new SlipwayError('rate_limited', `too many logins: try again in ${Math.ceil(waitMs / 1000)} s`)
    }
    const client = await providers.openSourceOAuth2(source.id)
    const redirectUri = `${from.publicUrl}${callbackPath}`
    const flow = {
      remoteSourceId: source.id,
      redirectUri,
      returnTo,
      ...(linkTo === undefined ? {} : { linkTo: linkTo.id }),
    }
    const begun = await flows.begin(flow, browserSecretOf(cookies, from.isSecure))
    const { isSecure } = from
    setHeader('set-cookie', browserCookie(begun.browserSecret, { isSecure, maxAgeMs: limits.oauth2FlowMs.value }))
    return client.authorizeUrl({ redirectUri, state: begun.state, codeChallenge: begun.codeChallenge })
  }
}
