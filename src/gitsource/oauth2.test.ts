// Where browsers are sent, and what becomes of the answers of token endpoints. The whole way is part of the contract of providers.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { openOAuth2 } from './oauth2.ts'
import type { OAuth2Settings, ProviderType } from './provider.ts'
import { ProviderConnections } from './provider-connections.ts'

const signal = new AbortController().signal
const now = 1_700_000_000_000

function open(type: ProviderType, apiUrl: string) {
  const connections = new ProviderConnections()
  const settings: OAuth2Settings = { type, apiUrl, skipVerify: false, clientId: 'id&1', clientSecret: 'secret&1' }
  const client = openOAuth2(settings, { clock: { ...systemClock, now: () => now }, connections })
  return { client, [Symbol.dispose]: () => connections[Symbol.dispose]() }
}

test.each([
  ['github', 'https://api.github.com', 'https://github.com/login/oauth/authorize', 'repo'],
  ['github', 'https://api.github.com/', 'https://github.com/login/oauth/authorize', 'repo'],
  ['github', 'https://git.example.com/api/v3/', 'https://git.example.com/login/oauth/authorize', 'repo'],
  ['gitlab', 'https://gitlab.com', 'https://gitlab.com/oauth/authorize', 'api'],
  ['gitlab', 'https://example.com/gitlab/api/v4/', 'https://example.com/gitlab/oauth/authorize', 'api'],
  ['gitea', 'https://example.com/git/', 'https://example.com/git/login/oauth/authorize', undefined],
  ['forgejo', 'https://codeberg.org/api/v1', 'https://codeberg.org/login/oauth/authorize', undefined],
] as const)('a browser is sent from %s at %s to %s', (type, apiUrl, page, scope) => {
  using opened = open(type, apiUrl)
  const redirectUri = 'https://ci.example.org/oauth2/callback'
  const url = new URL(opened.client.authorizeUrl({ redirectUri, state: 's&t', codeChallenge: 'c' }))
  expect(`${url.origin}${url.pathname}`).toBe(page)
  expect(Object.fromEntries(url.searchParams)).toEqual({
    response_type: 'code',
    client_id: 'id&1',
    redirect_uri: redirectUri,
    state: 's&t',
    code_challenge: 'c',
    code_challenge_method: 'S256',
    ...(scope === undefined ? {} : { scope }),
  })
})

/** A token endpoint with one answer. */
async function startTokenServer(status: number, answer: string) {
  const seen: { url: string; form: Record<string, string>; authorization: string | undefined }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const { url = '', headers } = request
      seen.push({ url, form: Object.fromEntries(new URLSearchParams(body)), authorization: headers.authorization })
      response.writeHead(status, { 'content-type': 'application/json' }).end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test.each([
  [{ access_token: 'a' }, { accessToken: 'a' }],
  [{ access_token: 'a', refresh_token: '', expires_in: 0 }, { accessToken: 'a' }],
  [
    { access_token: 'a', refresh_token: 'r', expires_in: 7200 },
    { accessToken: 'a', refreshToken: 'r', expiresAt: now + 7_200_000 },
  ],
  [
    { access_token: 'a', expires_in: '60' },
    { accessToken: 'a', expiresAt: now + 60_000 },
  ],
  [{ access_token: 'a', expires_in: null }, { accessToken: 'a' }],
  [{ access_token: 'a', expires_in: 'soon' }, { accessToken: 'a' }],
])('the answer %j is read as %j', async (answer, tokens) => {
  await using server = await startTokenServer(200, JSON.stringify(answer))
  using opened = open('gitlab', server.url)
  const grant = { code: 'c', redirectUri: 'https://ci.example.org/oauth2/callback', codeVerifier: 'v' }
  expect(await opened.client.exchange(grant, signal)).toEqual(tokens)
  expect(await opened.client.refresh('old', signal)).toEqual(tokens)
  const application = { client_id: 'id&1', client_secret: 'secret&1' }
  expect(server.seen).toEqual([
    {
      url: '/oauth/token',
      authorization: undefined,
      form: {
        grant_type: 'authorization_code',
        code: 'c',
        redirect_uri: grant.redirectUri,
        code_verifier: 'v',
        ...application,
      },
    },
    {
      url: '/oauth/token',
      authorization: undefined,
      form: { grant_type: 'refresh_token', refresh_token: 'old', ...application },
    },
  ])
})

test.each([
  [
    200,
    '{"error":"bad_verification_code","error_description":"The code is expired."}',
    'oauth2_refused',
    'The code is expired.',
  ],
  [200, '{"error":"incorrect_client_credentials"}', 'provider_refused', 'application are not right'],
  [400, '{"error":"invalid_grant","error_description":"Revoked"}', 'oauth2_refused', 'invalid_grant: Revoked'],
  [401, '{"error":"invalid_client"}', 'provider_refused', '(invalid_client)'],
  [400, '', 'oauth2_refused', 'status 400'],
  [200, '{"token_type":"bearer"}', 'provider_refused', 'its answer has none'],
  [200, '{"access_token":""}', 'provider_refused', 'its answer has none'],
  [200, 'access_token=a', 'provider_refused', 'not JSON'],
  [404, '<html>', 'provider_refused', '404'],
  [503, '', 'provider_unavailable', '503'],
] as const)('an answer %i %s gives no token: %s', async (status, answer, code, words) => {
  await using server = await startTokenServer(status, answer)
  using opened = open('github', server.url)
  const refreshing = opened.client.refresh('the-refresh-token', signal)
  await expect(refreshing).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
  await expect(refreshing).rejects.toMatchObject({ message: expect.not.stringMatching(/the-refresh-token|secret&1/) })
  // A refresh token may be good for once only.
  expect(server.seen).toHaveLength(1)
})
