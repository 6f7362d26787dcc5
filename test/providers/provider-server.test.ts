// The provider server itself: that it is as real as those who test with it believe.

import { expect, test } from 'vitest'
import { openGitAccess } from '../../src/lib/git-access.ts'
import { runProcess } from '../../src/lib/process.ts'
import { newSshKey } from '../../src/lib/ssh-key.ts'
import { temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { ApiDescription } from './api-description.ts'
import { forgejoFlavour, giteaFlavour } from './gitea-server.ts'
import { githubFlavour } from './github-server.ts'
import { gitlabFlavour } from './gitlab-server.ts'
import { ProviderServer } from './provider-server.ts'

const hook = {
  url: 'http://127.0.0.1:1/',
  secret: 's',
  events: ['push', 'pull_request'],
  isActive: true,
  contentType: 'json',
}

async function openWorld(options: { readonly ssh?: boolean } = {}) {
  const server = await ProviderServer.open(githubFlavour, options)
  const alice = server.createUser('alice')
  const bob = server.createUser('bob')
  const web = await server.createRepository('acme/web', { administrator: alice, files: { a: 'b' }, isPrivate: true })
  web.hooks.push({ id: 1, ...hook })
  const urlAs = (text: string, path = 'acme/web') => `${server.url.replace('//', `//x:${text}@`)}/${path}.git`
  return { server, alice, bob, web, urlAs, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** Runs beside the server of this process: nothing here may block it. */
async function git(dir: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const configuration = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0', ...environment }
  return await runProcess('git', args, { cwd: dir, environment: { PATH: process.env.PATH, ...configuration } })
}

test('what git pushes is there, hooks are sent, and pull requests follow', async () => {
  await using world = await openWorld()
  const { server, alice, web, urlAs } = world
  using clone = testRepository({ a: 'c' })
  const sha = clone.commit('From outside')
  clone.git('tag', '--annotate', '--message', 'One', 'v1')
  const to = urlAs(server.createToken(alice).text)
  expect(await git(clone.dir, ['push', to, '+main:change', 'v1'])).toMatchObject({ code: 0 })
  await server.settled()
  expect(web.git('rev-parse', 'change')).toBe(sha)
  expect(server.deliveries.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
    { ref: 'refs/heads/change', after: sha, created: true, sender: { login: 'alice' } },
    { ref: 'refs/tags/v1', head_commit: { id: sha } },
  ])
  const pullRequest = await web.openPullRequest({ branch: 'change' })
  clone.write({ a: 'd' })
  const newer = clone.commit('Newer')
  expect(await git(clone.dir, ['push', to, 'main:change'])).toMatchObject({ code: 0 })
  await server.settled()
  expect(web.git('rev-parse', `refs/pull/${pullRequest.number}/head`)).toBe(newer)
  expect(JSON.parse(server.deliveries.at(-1)!.body)).toMatchObject({
    action: 'synchronize',
    before: sha,
    after: newer,
    pull_request: { number: 1, state: 'open', head: { sha: newer } },
  })
})

test('git gets what its user may see, and pushes where that one may', async () => {
  await using world = await openWorld()
  const { server, alice, bob, web, urlAs } = world
  using clone = testRepository({ a: 'c' })
  clone.commit('From outside')
  const read = (url: string) => git(clone.dir, ['ls-remote', url])
  expect((await read(urlAs('nonsense'))).code).not.toBe(0)
  const ofBob = server.createToken(bob)
  expect((await read(urlAs(ofBob.text))).code).not.toBe(0)
  web.readers.add(bob)
  expect((await read(urlAs(ofBob.text))).code).toBe(0)
  expect((await git(clone.dir, ['push', urlAs(ofBob.text), '+main:main'])).code).not.toBe(0)
  ofBob.isRevoked = true
  expect((await read(urlAs(ofBob.text))).code).not.toBe(0)
  server.renameRepository(web, 'acme/site')
  expect((await read(urlAs(alice.password))).code).toBe(0)
})

test('a deploy key reads its own repository by ssh, and nothing else', async () => {
  await using world = await openWorld({ ssh: true })
  const { server, alice, web } = world
  const other = await server.createRepository('acme/other', { administrator: alice, files: { a: 'b' } })
  const key = newSshKey('a test')
  web.keys.push({ id: 1, title: 't', key: key.publicKey, isReadOnly: true })
  server.keysChanged()
  const run = async (args: (dir: string) => readonly string[], url: string) => {
    using folder = temporaryDirectory('clone')
    const credentials = { type: 'sshkey', privateKey: key.privateKey } as const
    using access = openGitAccess(url, { credentials, sshHostKey: server.sshHostKey! })
    return (await git(folder.path, args(folder.path), access.environment)).code
  }
  expect(await run((dir) => ['clone', web.sshUrl, `${dir}/web`], web.sshUrl)).toBe(0)
  expect(await run((dir) => ['clone', other.sshUrl, `${dir}/other`], other.sshUrl)).not.toBe(0)
  using clone = testRepository({ a: 'c' })
  clone.commit('From outside')
  expect(await run(() => ['-C', clone.dir, 'push', web.sshUrl, '+main:main'], web.sshUrl)).not.toBe(0)
  web.keys.length = 0
  server.keysChanged()
  expect(await run(() => ['ls-remote', web.sshUrl], web.sshUrl)).not.toBe(0)
})

test('what is not as the provider describes it is told when the server ends', async () => {
  const server = await ProviderServer.open(githubFlavour)
  const alice = server.createUser('alice')
  const { text } = server.createToken(alice)
  await server.createRepository('acme/web', { administrator: alice })
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${server.url}/api/v3${path}`, { ...init, headers: { authorization: `Bearer ${text}` } })
  await ask('/user/repos?per_page=2')
  expect(server.violations).toEqual([])
  await ask('/user/repos?per_page=two&limit=3')
  await ask('/user/emails')
  const body = JSON.stringify({ title: 't', key: newSshKey('k').publicKey, readonly: true })
  await fetch(`${server.url}/api/v3/repos/acme/web/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${text}`, 'content-type': 'application/json' },
    body,
  })
  expect(server.violations).toEqual([
    'GET /user/repos: query per_page  must be integer',
    'GET /user/repos: the query parameter limit is not in the description',
    'GET /user/emails: this server does not know that',
    'POST /repos/{owner}/{repo}/keys: the member readonly of the body is not in the description',
  ])
  await expect(server[Symbol.asyncDispose]()).rejects.toThrow('not as GitHub describes its API')
})

const askUser = { method: 'GET', path: '/user', query: new URLSearchParams(), body: undefined, status: 200 }

test.each([giteaFlavour, forgejoFlavour])(
  'of $name nothing is asked or told that its own description does not have',
  async (flavour) => {
    const published = new ApiDescription(flavour.published?.description, { isComplete: true, tellsNull: false })
    expect(published.violations({ ...askUser, answer: { id: 1, login: 'ann', location: null } })).toEqual([])
    expect(published.violations({ ...askUser, answer: { id: '1', login: 'ann', shoe_size: 42 } })).toEqual([
      'GET /user: answer 200/id must be integer',
      'GET /user: answer 200: the member .shoe_size is not in the description',
    ])
  },
)

test('of GitLab nothing is told that its description does not have, and all that is read', () => {
  const described = new ApiDescription(gitlabFlavour.description, { isComplete: gitlabFlavour.isComplete === true })
  const user = { username: 'ann', name: 'Ann', state: 'active', web_url: 'https://gitlab.example.com/ann' }
  expect(described.violations({ ...askUser, answer: { ...user, shoe_size: 42 } })).toEqual([
    "GET /user: answer 200 must have required property 'id'",
    'GET /user: answer 200: the member .shoe_size is not in the description',
  ])
})
