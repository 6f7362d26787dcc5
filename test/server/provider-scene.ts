// A provider with a repository, and an installation whose administrator `ann` has an account there.

import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import type { ProviderFlavour } from '../providers/flavour.ts'
import { ProviderServer, type ServerApplication, type ServerUser } from '../providers/provider-server.ts'
import type { ServerRepository } from '../providers/server-repository.ts'
import { createHub, linkAtHub } from './link-account.ts'
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
  const { sshHostKey } = provider
  await createHub(client, { provider }, { ...application, ...(sshHostKey === undefined ? {} : { sshHostKey }) })
  return application
}

/** As ann's browser does it, page by page. */
export async function linkAccount(url: string, scene: ProviderScene): Promise<void> {
  await linkAtHub(url, scene, { username: 'ann', password })
}
