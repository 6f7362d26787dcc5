// An installation and a provider server: the remote source `hub`, and an account there that somebody links.

import { deepStrictEqual } from 'node:assert'
import type { ApiClient } from '../../src/contract/client.ts'
import type { ProviderFlavour } from '../providers/flavour.ts'

type AtProvider = { readonly provider: { readonly url: string; readonly flavour: ProviderFlavour } }

/** `application`: as the provider knows it; `name`: of the remote source. */
export async function createHub(
  client: ApiClient,
  { provider }: AtProvider,
  application: { readonly clientId: string; readonly clientSecret: string; readonly sshHostKey?: string },
  name = 'hub',
): Promise<void> {
  const { clientId, clientSecret, sshHostKey } = application
  await client.call('createRemoteSource', {
    body: {
      name,
      type: provider.flavour.type,
      authType: 'oauth2',
      apiUrl: provider.url,
      oauth2ClientId: clientId,
      oauth2ClientSecret: clientSecret,
      ...(sshHostKey === undefined ? {} : { sshHostKey }),
    },
  })
}

export type LinkingUser = { readonly username: string; readonly password: string }

/** As the browser of `who` does it, page by page. `user`: the one at the provider; `source`: its name here. */
export async function linkAtHub(
  url: string,
  { provider, user }: AtProvider & { readonly user: { readonly login: string; readonly password: string } },
  who: LinkingUser,
  source = 'hub',
): Promise<void> {
  const login = await fetch(`${url}/api/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(who),
  })
  deepStrictEqual(login.status, 200)
  const { csrfToken } = (await login.json()) as { csrfToken: string }
  const session = cookieOf(login)
  const begun = await fetch(`${url}/api/v1/user/linked-accounts/oauth2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: session, 'x-csrf-token': csrfToken },
    body: JSON.stringify({ remoteSourceRef: source, returnTo: '/done' }),
  })
  deepStrictEqual(begun.status, 200, await begun.clone().text())
  const { authorizeUrl } = (await begun.json()) as { authorizeUrl: string }
  const asked = new URL(authorizeUrl)
  deepStrictEqual((await fetch(asked)).status, 200)
  const form = new URLSearchParams({
    ...Object.fromEntries(asked.searchParams),
    login: user.login,
    password: user.password,
    decision: 'authorize',
  })
  const agreed = await fetch(new URL(provider.flavour.oauth2.authorizePath, provider.url), {
    method: 'POST',
    body: form,
    redirect: 'manual',
  })
  const back = await fetch(agreed.headers.get('location')!, {
    redirect: 'manual',
    headers: { cookie: `${session}; ${cookieOf(begun)}` },
  })
  deepStrictEqual([back.status, back.headers.get('location')], [303, '/done'])
}

const cookieOf = (response: Response) => response.headers.getSetCookie()[0]!.split(';')[0]!
