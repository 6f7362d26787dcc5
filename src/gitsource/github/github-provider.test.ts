// GitHub's client against a server that is like GitHub Enterprise Server.

import { expect, test } from 'vitest'
import { githubFlavour, githubWithExpiry } from '../../../test/providers/github-server.ts'
import { ProviderServer } from '../../../test/providers/provider-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { publicKey } from '../contract/provider-world-fixture.ts'
import { openOAuth2 } from '../oauth2.ts'
import { openProvider } from '../open-provider.ts'
import { ProviderConnections } from '../provider-connections.ts'
import { providerContract } from '../provider-contract.ts'

providerContract({
  openServer: () => ProviderServer.open(githubWithExpiry),
  states: {
    queued: 'pending',
    running: 'pending',
    success: 'success',
    failed: 'failure',
    error: 'error',
    cancelled: 'error',
  },
  descriptionCharactersMax: 140,
  definitionRequestsMax: 2,
  pages: { commit: 'commit', branch: 'tree', tag: 'tree', pullRequest: 'pull' },
  actsById: true,
})

const signal = new AbortController().signal

async function openWorld(flavour = githubFlavour) {
  const server = await ProviderServer.open(flavour)
  const alice = server.createUser('alice')
  const components = { clock: systemClock, connections: new ProviderConnections() }
  const settings = { type: 'github', apiUrl: server.url, skipVerify: false } as const
  const token = server.createToken(alice).text
  const files = { '.slipway/config.yml': 'version: v0\n' }
  const made = await server.createRepository('acme/web', { administrator: alice, files })
  const provider = openProvider(settings, { kind: 'token', accessToken: token }, components)
  return {
    ...{ server, alice, components, settings, made, provider, token },
    repository: await provider.getRepository({ path: 'acme/web' }, signal),
    [Symbol.asyncDispose]: async () => {
      components.connections[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

test('GitHub is asked as it wants to be', async () => {
  await using world = await openWorld()
  const { headers, url } = world.server.requests.at(-1)!
  expect(url).toMatch(/^\/api\/v3\//)
  expect(headers).toMatchObject({
    authorization: `Bearer ${world.token}`,
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    'user-agent': 'Slipway',
  })
})

test('files are read at the API, not where their content is downloaded', async () => {
  await using world = await openWorld()
  const sha = world.made.git('rev-parse', 'main')
  const read = await world.provider
    .openSource(world.repository)
    .readFiles({ sha, ref: undefined }, '.slipway', ['config.yml'], signal)
  expect(read).toHaveLength(1)
  // The server's download addresses are of a host that does not exist.
  for (const { url } of world.server.requests) expect(url).toMatch(/^\/api\/v3\//)
})

test('a definition in a folder of more than 1000 files is found, and a link there is none', async () => {
  await using world = await openWorld()
  const files = Object.fromEntries(Array.from({ length: 1000 }, (_, number) => [`ci/deep/a${number}`, '']))
  const sha = await world.made.commit({
    files: { ...files, 'ci/deep/config.yml': 'found' },
    links: { 'ci/deep/config.star': 'a1' },
    submodules: { 'ci/deep/config.json': sha1 },
  })
  const names = ['config.star', 'config.json', 'config.yml', 'config.jsonnet']
  const read = await world.provider
    .openSource(world.repository)
    .readFiles({ sha, ref: undefined }, 'ci/deep', names, signal)
  expect(read).toEqual([{ path: 'ci/deep/config.yml', text: 'found' }])
})

const sha1 = 'b'.repeat(40)

test('a hook that somebody made at the same moment is taken over', async () => {
  await using world = await openWorld()
  const url = 'http://127.0.0.1:1/hook'
  const hook = { id: world.server.nextId(), url, secret: 'x', events: ['push'], isActive: false, contentType: 'form' }
  world.made.hooks.push(hook)
  // The first list does not have it yet.
  world.server.addFault({ kind: 'status', status: 200, body: [], method: 'GET', path: /\/hooks$/ })
  const id = await world.provider.ensureHook(world.repository, { url, secret: 'ours' }, signal)
  expect(id).toBe(String(hook.id))
  expect(world.made.hooks).toMatchObject([
    { id: hook.id, secret: 'ours', isActive: true, contentType: 'json', events: ['push', 'pull_request'] },
  ])
})

test('a hook that GitHub does not want is refused with its words', async () => {
  await using world = await openWorld()
  const making = world.provider.ensureHook(world.repository, { url: 'slipway/hook', secret: 's' }, signal)
  await expect(making).rejects.toMatchObject({
    code: 'provider_refused',
    message: 'GitHub does not take the hook of acme/web: Validation Failed: url is missing a scheme',
  })
})

test('a deploy key of another title is the same key, unless it may write', async () => {
  await using world = await openWorld()
  const key = publicKey()
  const made = await world.provider.ensureDeployKey(world.repository, { title: 'before', publicKey: key }, signal)
  expect(await world.provider.ensureDeployKey(world.repository, { title: 'now', publicKey: key }, signal)).toBe(made)
  world.made.keys.splice(0, 1, { ...world.made.keys[0]!, isReadOnly: false })
  const next = await world.provider.ensureDeployKey(world.repository, { title: 'now', publicKey: key }, signal)
  expect(next).not.toBe(made)
  expect(world.made.keys).toMatchObject([{ id: Number(next), title: 'now', isReadOnly: true }])
})

test('a deploy key that another repository has is refused with the words of GitHub', async () => {
  await using world = await openWorld()
  const key = { title: 't', publicKey: publicKey() }
  await world.provider.ensureDeployKey(world.repository, key, signal)
  await world.server.createRepository('acme/other', { administrator: world.alice })
  const other = await world.provider.getRepository({ path: 'acme/other' }, signal)
  const making = world.provider.ensureDeployKey(other, key, signal)
  await expect(making).rejects.toMatchObject({
    code: 'provider_refused',
    message: expect.stringContaining('key is already in use'),
  })
})

test('a tag of something that is no commit has none, and hides no others', async () => {
  await using world = await openWorld()
  world.made.git('tag', 'tree', 'main^{tree}')
  await world.made.tag('v1', { isAnnotated: true })
  const source = world.provider.openSource(world.repository)
  expect(await source.findRef('refs/tags/tree', signal)).toBeUndefined()
  const names = async () => (await source.listRefs(signal)).map(({ name }) => name)
  expect(await names()).toEqual(['refs/heads/main', 'refs/tags/v1'])
  const tags = [
    { name: 'tree', commit: null },
    { name: 'a b', commit: { sha: sha1 } },
    { name: 'v2', commit: { sha: sha1 } },
  ]
  world.server.addFault({ kind: 'status', status: 200, body: tags, path: /\/tags$/ })
  expect(await names()).toEqual(['refs/heads/main', 'refs/tags/v2'])
})

test('there is nothing for a password', async () => {
  await using world = await openWorld()
  const password = { kind: 'password', userName: 'alice', password: 'x' } as const
  expect(() => openProvider(world.settings, password, world.components)).toThrow('takes a token, not a password')
  await expect(world.provider.createAccessToken('slipway', signal)).rejects.toMatchObject({ code: 'provider_refused' })
})

test('tokens of an OAuth2 app do not expire; the pages are those of the Enterprise Server', async () => {
  await using world = await openWorld()
  const redirectUri = 'https://slipway.example.com/oauth2/callback'
  const { clientId, clientSecret } = world.server.createApplication('Slipway', [redirectUri])
  const client = openOAuth2(
    { ...world.settings, apiUrl: `${world.server.url}/api/v3/`, clientId, clientSecret },
    world.components,
  )
  const url = new URL(
    client.authorizeUrl({ redirectUri, state: 'a-state-that-nobody-guesses', codeChallenge: 'x'.repeat(43) }),
  )
  expect(`${url.origin}${url.pathname}`).toBe(`${world.server.url}/login/oauth/authorize`)
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    scope: 'repo',
    code_challenge_method: 'S256',
    client_id: clientId,
  })
  // GitHub answers 200 with an error in it.
  const exchanging = client.exchange({ code: 'nonsense', redirectUri, codeVerifier: 'v'.repeat(43) }, signal)
  await expect(exchanging).rejects.toMatchObject({
    code: 'oauth2_refused',
    message: 'GitHub gives no token: The code passed is incorrect or expired.',
  })
})
