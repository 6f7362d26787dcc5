// How people log in at a provider, by OAuth2.

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ServerUser } from '../../../test/providers/provider-server.ts'
import { openOAuth2 } from '../oauth2.ts'
import { type OpenWorld, type ProviderWorld, signal } from './provider-world-fixture.ts'

export function loginContract(open: OpenWorld): void {
  describe('login', () => {
    const redirectUri = 'https://slipway.example.com/oauth2/callback'
    const state = 'a-state-that-nobody-guesses'
    const codeVerifier = 'v'.repeat(64)
    const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')

    const openLogin = (world: ProviderWorld, clientSecret?: string) => {
      const application = world.server.createApplication('Slipway', [redirectUri])
      const client = openOAuth2(
        { ...world.settings, clientId: application.clientId, clientSecret: clientSecret ?? application.clientSecret },
        world.components,
      )
      return { client, codeOf: () => agree(client.authorizeUrl({ redirectUri, state, codeChallenge }), world.alice) }
    }

    test('a code becomes a token, once', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      const code = await codeOf()
      const tokens = await client.exchange({ code, redirectUri, codeVerifier }, signal)
      expect(await world.openWith(tokens.accessToken).currentUser(signal)).toMatchObject({ login: 'alice' })
      const again = client.exchange({ code, redirectUri, codeVerifier }, signal)
      await expect(again).rejects.toMatchObject({ code: 'oauth2_refused' })
    })

    test('a wrong verifier, code or address gets none; a wrong secret is the trouble of the administrator', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      for (const grant of [
        { code: await codeOf(), redirectUri, codeVerifier: 'w'.repeat(64) },
        { code: 'nonsense', redirectUri, codeVerifier },
        { code: await codeOf(), redirectUri: 'https://slipway.example.com/elsewhere', codeVerifier },
      ])
        await expect(client.exchange(grant, signal)).rejects.toMatchObject({ code: 'oauth2_refused' })
      const wrong = openLogin(world, 'wrong')
      const exchanging = wrong.client.exchange({ code: await wrong.codeOf(), redirectUri, codeVerifier }, signal)
      await expect(exchanging).rejects.toMatchObject({ code: 'provider_refused' })
    })

    test('a token that expired is renewed, and the old pair is worth nothing', async () => {
      await using world = await open()
      const { client, codeOf } = openLogin(world)
      const first = await client.exchange({ code: await codeOf(), redirectUri, codeVerifier }, signal)
      if (first.refreshToken === undefined) return void expect(first).not.toHaveProperty('expiresAt')
      expect(first.expiresAt).toBeGreaterThan(Date.now())
      world.server.expireTokens(world.alice)
      const expired = world.openWith(first.accessToken).currentUser(signal)
      await expect(expired).rejects.toMatchObject({ code: 'provider_unauthorized' })
      const second = await client.refresh(first.refreshToken, signal)
      expect(await world.openWith(second.accessToken).currentUser(signal)).toMatchObject({ login: 'alice' })
      expect(second.refreshToken).not.toBe(first.refreshToken)
      await expect(client.refresh(first.refreshToken, signal)).rejects.toMatchObject({ code: 'oauth2_refused' })
    })

    test('a refresh token is not sent again when the answer may have been lost', async () => {
      await using world = await open()
      const { client } = openLogin(world)
      world.server.addFault({ kind: 'reset', method: 'POST', times: 10 })
      const before = world.server.requests.length
      await expect(client.refresh('refresh', signal)).rejects.toMatchObject({ code: 'provider_unavailable' })
      expect(world.server.requests.length - before).toBe(1)
    })

    test('who cancels comes back with that', async () => {
      await using world = await open()
      const { client } = openLogin(world)
      const url = client.authorizeUrl({ redirectUri, state, codeChallenge })
      const back = await decide(url, { decision: 'cancel' })
      expect(Object.fromEntries(back.searchParams)).toEqual({ error: 'access_denied', state })
    })
  })
}

/** The code that the provider gives to a browser whose user agrees. */
async function agree(url: string, { login, password }: ServerUser): Promise<string> {
  const back = await decide(url, { login, password, decision: 'authorize' })
  return back.searchParams.get('code')!
}

/** Sends the form of the page as a browser does; answers where that leads to. */
async function decide(url: string, fields: Readonly<Record<string, string>>): Promise<URL> {
  const page = await (await fetch(url)).text()
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(
    ([, name, value]): [string, string] => [
      name!,
      value!.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
    ],
  )
  const action = new URL(/action="([^"]+)"/.exec(page)![1]!, url)
  const body = new URLSearchParams([...hidden, ...Object.entries(fields)])
  const answer = await fetch(action, { method: 'POST', body, redirect: 'manual' })
  return new URL(answer.headers.get('location')!)
}
