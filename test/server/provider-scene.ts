// A provider with a repository, and an installation whose administrator `ann` has an account there.

import { expect } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import type { ProviderFlavour } from '../providers/flavour.ts'
import { ProviderServer, type ServerApplication, type ServerUser } from '../providers/provider-server.ts'
import type { ServerRepository } from '../providers/server-repository.ts'
import { password } from './test-server.ts'

export const waitMs = 120_000

export const definitionFile = '.slipway/config.json'
export const theDefinition = definition({
  greet: { steps: [{ clone: {} }, { run: 'test "$(cat hello.txt)" = hello && sleep 1' }] },
})

export type ProviderScene = AsyncDisposable & {
  readonly provider: ProviderServer
  readonly repository: ServerRepository
  readonly user: ServerUser
}

/** Private, so that only the deploy key reads it with git. Disposing fails when requests were not as the provider describes them. */
export async function openProviderScene(flavour: ProviderFlavour): Promise<ProviderScene> {
  await using undo = new AsyncDisposableStack()
  const provider = undo.use(await ProviderServer.open(flavour, { ssh: true }))
  const user = provider.createUser('ann-there')
  const path = flavour.type === 'gitlab' ? 'acme/team/web' : 'acme/web'
  const files = { 'hello.txt': 'hello\n', [definitionFile]: theDefinition }
  const repository = await provider.createRepository(path, { administrator: user, files, isPrivate: true })
  const owned = undo.move()
  return { provider, repository, user, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** The remote source `hub`. */
export async function addRemoteSource(
  client: ApiClient,
  url: string,
  { provider }: ProviderScene,
): Promise<ServerApplication> {
  const application = provider.createApplication('Slipway', [`${url}/oauth2/callback`])
  await client.call('createRemoteSource', {
    body: {
      name: 'hub',
      type: provider.flavour.type,
      authType: 'oauth2',
      apiUrl: provider.url,
      oauth2ClientId: application.clientId,
      oauth2ClientSecret: application.clientSecret,
      sshHostKey: provider.sshHostKey!,
    },
  })
  return application
}

/** As ann's browser does it, page by page. */
export async function linkAccount(url: string, { provider, user }: ProviderScene): Promise<void> {
  const login = await fetch(`${url}/api/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ann', password }),
  })
  expect(login.status).toBe(200)
  const { csrfToken } = (await login.json()) as { csrfToken: string }
  const session = cookieOf(login)
  const begun = await fetch(`${url}/api/v1/user/linked-accounts/oauth2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: session, 'x-csrf-token': csrfToken },
    body: JSON.stringify({ remoteSourceRef: 'hub', returnTo: '/done' }),
  })
  expect(begun.status, await begun.clone().text()).toBe(200)
  const { authorizeUrl } = (await begun.json()) as { authorizeUrl: string }
  const asked = new URL(authorizeUrl)
  expect((await fetch(asked)).status).toBe(200)
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
  expect([back.status, back.headers.get('location')]).toEqual([303, '/done'])
}

const cookieOf = (response: Response) => response.headers.getSetCookie()[0]!.split(';')[0]!
