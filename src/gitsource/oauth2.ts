// Login at a provider by OAuth2: RFC 6749 with PKCE (RFC 7636). The secret of the application and the codes travel in the body of a
// request, which all four providers take, and never in an address.

import { type ErrorCode, SlipwayError } from '../lib/errors.ts'
import { giteaWebUrl } from './gitea/gitea-address.ts'
import { githubAddress } from './github/github-address.ts'
import { gitlabWebUrl } from './gitlab/gitlab-address.ts'
import type { OAuth2Client, OAuth2Settings, OAuth2Tokens, ProviderType } from './provider.ts'
import { optionalTextOf } from './provider-fields.ts'
import { type ProviderAnswer, type ProviderComponents, ProviderHttp } from './provider-http.ts'
import { at } from './webhooks/payload.ts'

type Endpoints = {
  /** For messages. */
  readonly name: string
  /** Of the provider's pages, without a slash at the end. */
  readonly webUrl: (apiUrl: string) => string
  readonly authorize: string
  readonly token: string
  /** Undefined: everything, as no scope is for these. */
  readonly scope: string | undefined
}

const gitea = {
  webUrl: giteaWebUrl,
  authorize: '/login/oauth/authorize',
  token: '/login/oauth/access_token',
  scope: undefined,
}

const endpoints: Readonly<Record<ProviderType, Endpoints>> = {
  github: {
    name: 'GitHub',
    webUrl: (apiUrl) => githubAddress(apiUrl).webUrl,
    authorize: '/login/oauth/authorize',
    token: '/login/oauth/access_token',
    // Private repositories, their hooks, keys and statuses; GitHub has nothing smaller for these together.
    scope: 'repo',
  },
  gitlab: { name: 'GitLab', webUrl: gitlabWebUrl, authorize: '/oauth/authorize', token: '/oauth/token', scope: 'api' },
  gitea: { ...gitea, name: 'Gitea' },
  forgejo: { ...gitea, name: 'Forgejo' },
}

/** 400 is RFC 6749's answer to a code that is not valid, 401 that to an application that is not; GitHub's is 200. */
const refusals = [400, 401]

export function openOAuth2(settings: OAuth2Settings, components: ProviderComponents): OAuth2Client {
  const { type, apiUrl, skipVerify, clientId, clientSecret } = settings
  const { name, webUrl, authorize, token, scope } = endpoints[type]
  const baseUrl = webUrl(apiUrl)
  const http = new ProviderHttp({ name, baseUrl, skipVerify }, components)
  const ask = async (grant: Readonly<Record<string, string>>, signal: AbortSignal): Promise<OAuth2Tokens> => {
    const form = { ...grant, client_id: clientId, client_secret: clientSecret }
    const request = { method: 'POST', path: token, form, answers: refusals } as const
    return tokensOf(await http.request(request, signal), name, components.clock.now())
  }
  return {
    authorizeUrl: ({ redirectUri, state, codeChallenge }) => {
      const url = new URL(`${baseUrl}${authorize}`)
      const query = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        ...(scope === undefined ? {} : { scope }),
        state,
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
      }
      for (const [field, value] of Object.entries(query)) url.searchParams.set(field, value)
      return url.href
    },

    exchange: ({ code, redirectUri, codeVerifier }, signal) =>
      ask({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: codeVerifier }, signal),

    refresh: (refreshToken, signal) => ask({ grant_type: 'refresh_token', refresh_token: refreshToken }, signal),
  }
}

/** Of these the account and its codes are innocent: an administrator has to look after the application. */
const applicationErrors = ['invalid_client', 'incorrect_client_credentials']

function tokensOf(answer: ProviderAnswer, name: string, now: number): OAuth2Tokens {
  const refused = (why: string, code: ErrorCode = 'oauth2_refused') =>
    new SlipwayError(code, `${name} gives no token: ${why}`)
  const value = answer.status < 400 ? answer.json() : jsonOf(answer)
  const error = optionalTextOf(value, 'error')
  if (error !== undefined && applicationErrors.includes(error))
    throw refused(`id or secret of the OAuth2 application are not right (${answer.words()})`, 'provider_refused')
  if (answer.status >= 400) throw refused(answer.words() || `status ${answer.status}`)
  if (error !== undefined) throw refused(optionalTextOf(value, 'error_description') ?? error)
  const accessToken = optionalTextOf(value, 'access_token')
  if (accessToken === undefined) throw refused('its answer has none', 'provider_refused')
  const refreshToken = optionalTextOf(value, 'refresh_token')
  // A number, or one as text; 0 and nothing mean that it does not expire.
  const expiresIn = Number(at(value, 'expires_in') ?? 0)
  return {
    accessToken,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(expiresIn > 0 ? { expiresAt: now + expiresIn * 1000 } : {}),
  }
}

/** Of an error, which may have anything. */
function jsonOf({ body }: ProviderAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
