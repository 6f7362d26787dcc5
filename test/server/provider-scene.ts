// A provider with a repository, and an installation whose administrator `ann` has an account there.

import { expect } from 'vitest'
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

/** `name`: of the remote source. */
export async function addRemoteSource(
  client: ApiClient,
  url: string,
  { provider }: ProviderScene,
  name = 'hub',
): Promise<ServerApplication> {
  const application = provider.createApplication('Slipway', [`${url}/oauth2/callback`])
  const { sshHostKey } = provider
  await createHub(client, { provider }, { ...application, ...(sshHostKey === undefined ? {} : { sshHostKey }) }, name)
  return application
}

/** As ann's browser does it, page by page. */
export async function linkAccount(url: string, scene: ProviderScene, source = 'hub'): Promise<void> {
  await linkAtHub(url, scene, { username: 'ann', password }, source)
}

/** A project of the scene's repository, `user/ann/NAME`. */
export async function createSceneProject(
  client: ApiClient,
  { repository }: ProviderScene,
  { name = 'web', source = 'hub' }: { readonly name?: string; readonly source?: string } = {},
): Promise<void> {
  const params = { remoteSourceRef: source }
  const { items } = await client.call('listRemoteRepositories', { params, query: { search: 'web' } })
  expect(items).toMatchObject([{ path: repository.path, defaultBranch: 'main', isPrivate: true }])
  const from = { kind: 'remotesource', remoteSourceRef: source, repositoryId: items[0]!.id } as const
  const project = await client.call('createProject', { body: { name, source: from } })
  expect(project).toMatchObject({ isSourceBroken: false, defaultBranch: 'main', hasWebhookSecret: true })
  expect(project).not.toHaveProperty('sourceTrouble')
}

/** What became of the only run of a commit, or why there is none. */
export async function fateOf(client: ApiClient, sha: string, projectRef = 'user/ann/web'): Promise<string> {
  const params = { projectRef }
  const { items } = await client.call('listProjectRuns', { params }).catch(() => ({ items: [] }))
  const found = items.filter(({ annotations }) => annotations?.commit_sha === sha)
  if (found.length === 1) return found[0]!.phase === 'finished' ? found[0]!.result : found[0]!.phase
  const told = await client.call('listDeliveries', { params }).catch(() => ({ items: [] }))
  const deliveries = told.items.map(({ event, state, message }) => `${event} ${state}: ${message}`)
  return `${found.length} runs; ${deliveries.join('; ')}`
}
