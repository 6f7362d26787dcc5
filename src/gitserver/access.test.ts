// Who may do what with a repository: every cell, decided and then asked for over HTTP.

import { expect, test } from 'vitest'
import { testRepository } from '../../test/support/git-repository.ts'
import { decideGitAccess, type GitCaller, type GitDecision, type GitOperation } from './access.ts'
import { ann, bob, credentialKeys, git, root, startGitserver, temporary } from './gitserver-fixture.ts'
import { readRunCredential, runCredential } from './requests/run-credential.ts'

const repository = { userId: ann, repositoryId: 'web' }
const user = (
  userId: string,
  scope: 'read' | 'run' | 'admin',
  more: { isAdmin?: boolean; isRestricted?: boolean } = {},
) => ({ kind: 'user', userId, scope, isAdmin: false, isRestricted: false, ...more }) as const

const cells: readonly (readonly [who: string, caller: GitCaller, fetch: GitDecision, push: GitDecision])[] = [
  ['nobody', { kind: 'anonymous' }, 'unauthenticated', 'unauthenticated'],
  ['a wrong token', { kind: 'refused' }, 'unauthenticated', 'unauthenticated'],
  ['the owner, scope read', user(ann, 'read'), 'allowed', 'token_scope'],
  ['the owner, scope run', user(ann, 'run'), 'allowed', 'allowed'],
  ['the owner, scope admin', user(ann, 'admin'), 'allowed', 'allowed'],
  ['the owner, a token for some projects', user(ann, 'admin', { isRestricted: true }), 'token_scope', 'token_scope'],
  ['another user', user(bob, 'admin'), 'hidden', 'hidden'],
  ['an administrator, scope read', user(root, 'read', { isAdmin: true }), 'allowed', 'hidden'],
  ['an administrator, scope admin', user(root, 'admin', { isAdmin: true }), 'allowed', 'hidden'],
  [
    'an administrator, a token for some projects',
    user(root, 'admin', { isAdmin: true, isRestricted: true }),
    'hidden',
    'hidden',
  ],
  ['a task of its run', { kind: 'task', repository }, 'allowed', 'forbidden'],
  [
    'a task of another repository',
    { kind: 'task', repository: { ...repository, repositoryId: 'other' } },
    'hidden',
    'hidden',
  ],
  ['a task of another user', { kind: 'task', repository: { ...repository, userId: bob } }, 'hidden', 'hidden'],
  ['a task that has ended', { kind: 'task', repository: undefined }, 'unauthenticated', 'unauthenticated'],
]

test.each(cells)('%s', (_, caller, fetch, push) => {
  expect(decideGitAccess(caller, 'fetch', repository)).toBe(fetch)
  expect(decideGitAccess(caller, 'push', repository)).toBe(push)
})

const running = { runId: '0198a000-0000-7000-8000-000000000001', taskId: '0198a000-0000-7000-8000-000000000002' }
const elsewhere = { ...running, taskId: '0198a000-0000-7000-8000-000000000003' }
const ended = { ...running, taskId: '0198a000-0000-7000-8000-000000000004' }

test('over HTTP it is the same, for both services, with either scheme', { timeout: 60_000 }, async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({
    folder: folder.path,
    repositoryOfTask: async ({ taskId }) =>
      taskId === running.taskId
        ? repository
        : taskId === elsewhere.taskId
          ? { ...repository, repositoryId: 'other' }
          : undefined,
  })
  using local = testRepository({ a: '1' })
  local.commit('first')
  await git(local.dir, 'push', server.repositoryUrl('web'), 'main')
  const status = async (operation: GitOperation, authorization: string | undefined) => {
    const service = operation === 'fetch' ? 'git-upload-pack' : 'git-receive-pack'
    const headers = authorization === undefined ? {} : { authorization }
    const advertised = await fetch(`${server.url}/repos/${ann}/web.git/info/refs?service=${service}`, { headers })
    const called = await fetch(`${server.url}/repos/${ann}/web.git/${service}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': `application/x-${service}-request` },
      body: '0000',
    })
    await Promise.all([advertised.text(), called.text()])
    return [advertised.status, called.status]
  }
  const both = (code: number) => [code, code]
  const asked: readonly (readonly [token: string | undefined, fetch: number, push: number])[] = [
    [undefined, 401, 401],
    ['wrong', 401, 401],
    ['ann-read', 200, 403],
    ['ann-run', 200, 200],
    ['ann-admin', 200, 200],
    ['ann-projects', 403, 403],
    ['bob-run', 404, 404],
    ['root-admin', 200, 404],
    [runCredential(running, credentialKeys), 200, 403],
    [runCredential(elsewhere, credentialKeys), 404, 404],
    [runCredential(ended, credentialKeys), 401, 401],
    [runCredential(running, [Buffer.alloc(32, 9)]), 401, 401],
    // Made under a key that was retired since.
    [runCredential(running, [credentialKeys[1]!]), 200, 403],
  ]
  for (const [token, fetchStatus, pushStatus] of asked) {
    const basic = token === undefined ? undefined : `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`
    const bearer = token === undefined ? undefined : `Bearer ${token}`
    for (const authorization of [basic, bearer]) {
      expect([token, await status('fetch', authorization)]).toEqual([token, both(fetchStatus)])
      expect([token, await status('push', authorization)]).toEqual([token, both(pushStatus)])
    }
  }
  expect(await status('fetch', 'Basic YW5u')).toEqual(both(401))
})

test('git asks for a password when it has none, and tells what the server says', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  const bare = server.repositoryUrl('web').replace('x:ann-run@', '')
  expect((await git(folder.path, 'ls-remote', bare)).stderr).toContain('could not read Username')
  using local = testRepository({ a: '1' })
  local.commit('first')
  const { stderr } = await git(local.dir, 'push', server.repositoryUrl('web', 'ann-read'), 'main')
  expect(stderr).toContain('remote: this token is not for it: pushing needs the scope run')
})

test('a credential opens nothing when a character of it is another', () => {
  const good = runCredential(running, credentialKeys)
  expect(readRunCredential(good, credentialKeys)).toEqual(running)
  for (let at = 0; at < good.length; at++) {
    const other = good[at] === 'a' ? 'b' : 'a'
    const changed = `${good.slice(0, at)}${other}${good.slice(at + 1)}`
    expect(readRunCredential(changed, credentialKeys)).toBeUndefined()
  }
})
