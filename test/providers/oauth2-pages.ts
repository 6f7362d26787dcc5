// OAuth2 of a provider (RFC 6749, RFC 7636): a page where a browser logs in and agrees, and the token endpoint.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ProviderServer, ServerApplication, ServerUser } from './provider-server.ts'
import { randomText } from './random-text.ts'

export type OAuth2Grants = {
  /** Codes that were given out; one that was used stays, and is refused. */
  readonly codes: Map<string, Grant>
}

type Grant = {
  readonly application: ServerApplication
  readonly user: ServerUser
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly scope: string
  isUsed: boolean
}

export type PageAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export function answerOAuth2(server: ProviderServer, request: IncomingMessage, body: string): PageAnswer {
  const url = new URL(request.url ?? '/', server.url)
  const { authorizePath } = server.flavour.oauth2
  if (url.pathname !== authorizePath) return answerToken(server, request, new URLSearchParams(body))
  const isForm = request.method === 'POST'
  const parameters = isForm ? new URLSearchParams(body) : url.searchParams
  const application = server.applications.find(({ clientId }) => clientId === parameters.get('client_id'))
  const redirectUri = parameters.get('redirect_uri') ?? ''
  if (application === undefined || !application.redirectUris.includes(redirectUri))
    return page(400, '<p>The application or its redirect URI is not registered.</p>')
  if (!isForm) server.violations.push(...wrongRequest(server, parameters))
  const back = new URL(redirectUri)
  back.searchParams.set('state', parameters.get('state') ?? '')
  if (parameters.get('decision') === 'cancel') {
    back.searchParams.set('error', 'access_denied')
    return { status: 302, headers: { location: back.href } }
  }
  const login = parameters.get('login')
  const user = server.users.find((each) => each.login === login && each.password === parameters.get('password'))
  if (!isForm || user === undefined)
    return page(200, form(server, application, parameters, isForm ? 'Login or password is wrong.' : ''))
  const code = randomText('code')
  server.grants.codes.set(code, {
    application,
    user,
    redirectUri,
    codeChallenge: parameters.get('code_challenge') ?? '',
    scope: parameters.get('scope') ?? '',
    isUsed: false,
  })
  back.searchParams.set('code', code)
  return { status: 302, headers: { location: back.href } }
}

function wrongRequest(server: ProviderServer, parameters: URLSearchParams): string[] {
  const { needsResponseType, scope } = server.flavour.oauth2
  const wrong: string[] = []
  if (!/^[A-Za-z0-9_-]{43}$/.test(parameters.get('code_challenge') ?? '')) wrong.push('no code challenge')
  if (parameters.get('code_challenge_method') !== 'S256') wrong.push('the code challenge is not S256')
  if ((parameters.get('state') ?? '').length < 20) wrong.push('no state that cannot be guessed')
  if (needsResponseType && parameters.get('response_type') !== 'code') wrong.push('no response_type')
  if ((parameters.get('scope') ?? '') !== scope) wrong.push(`the scope is not ${JSON.stringify(scope)}`)
  return wrong.map((text) => `authorization request: ${text}`)
}

function form(server: ProviderServer, { name }: ServerApplication, parameters: URLSearchParams, note: string): string {
  const kept = [
    'client_id',
    'redirect_uri',
    'state',
    'scope',
    'response_type',
    'code_challenge',
    'code_challenge_method',
  ]
  const inputs = kept
    .filter((field) => parameters.has(field))
    .map((field) => `<input type="hidden" name="${field}" value="${escaped(parameters.get(field)!)}">`)
  return `<p role="alert">${note}</p>
<form method="post" action="${server.flavour.oauth2.authorizePath}">
${inputs.join('\n')}
<label>Login <input name="login" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button name="decision" value="authorize">Authorize ${escaped(name)}</button>
<button name="decision" value="cancel">Cancel</button>
</form>`
}

function page(status: number, content: string): PageAnswer {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!doctype html><html lang="en"><title>Authorize</title><main>${content}</main></html>`,
  }
}

function answerToken(server: ProviderServer, request: IncomingMessage, parameters: URLSearchParams): PageAnswer {
  const { expiresInSeconds, refusals } = server.flavour.oauth2
  const answer = (status: number, body: object): PageAnswer => ({
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(body),
  })
  const refuse = (what: keyof typeof refusals, error_description: string, error = refusals[what].error) =>
    answer(refusals[what].status, { error, error_description })

  const application = applicationOf(server, request, parameters)
  if (application === undefined) return refuse('application', 'The client id or secret is not right.')
  const give = (user: ServerUser, scope: string): PageAnswer => {
    const refreshToken = expiresInSeconds === undefined ? undefined : randomText('refresh')
    const token = server.createToken(user, {
      scope,
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(expiresInSeconds === undefined ? {} : { expiresInMs: expiresInSeconds * 1000 }),
    })
    return answer(200, {
      access_token: token.text,
      token_type: 'bearer',
      scope,
      ...(refreshToken === undefined ? {} : { expires_in: expiresInSeconds, refresh_token: refreshToken }),
    })
  }
  if (parameters.get('grant_type') === 'refresh_token') {
    const old = server.tokens.find((token) => token.refreshToken === parameters.get('refresh_token'))
    if (old === undefined || old.isRevoked) return refuse('refreshToken', 'The refresh token is not valid.')
    // Rotation: the old pair is worth nothing any more.
    old.isRevoked = true
    return give(old.user, old.scope)
  }
  const grant = server.grants.codes.get(parameters.get('code') ?? '')
  const verifier = parameters.get('code_verifier') ?? ''
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  if (grant === undefined || grant.isUsed || grant.application !== application)
    return refuse('code', 'The code passed is incorrect or expired.')
  grant.isUsed = true
  if (grant.redirectUri !== parameters.get('redirect_uri'))
    return refuse('code', 'Not where it began.', 'redirect_uri_mismatch')
  if (grant.codeChallenge !== challenge) return refuse('code', 'The code verifier is not right.')
  return give(grant.user, grant.scope)
}

/** By Basic, or in the body. */
function applicationOf(
  server: ProviderServer,
  request: IncomingMessage,
  parameters: URLSearchParams,
): ServerApplication | undefined {
  const [, encoded] = /^Basic (.+)$/i.exec(request.headers.authorization ?? '') ?? []
  const [id, secret] =
    encoded === undefined
      ? [parameters.get('client_id'), parameters.get('client_secret')]
      : Buffer.from(encoded, 'base64').toString('utf8').split(':').map(decodeURIComponent)
  return server.applications.find(({ clientId, clientSecret }) => clientId === id && clientSecret === secret)
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
