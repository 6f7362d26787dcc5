// Direct runs: what a commit on the git server becomes, in the name of whoever pushed it.

import { expect, test } from 'vitest'
import type { RepositoryName } from '../../gitserver/api.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { adminToken, openTestGateway } from '../gateway-fixture.ts'
import type { DirectRuns } from './direct-runs.ts'

const commitSha = 'c'.repeat(40)
const body = { repositoryId: 'local-1', commitSha, message: 'direct run' }

const task = (name: string, more: object = {}) => ({
  name,
  runtime: { type: 'pod', containers: [{ image: 'alpine' }] },
  steps: [{ run: 'true' }],
  ...more,
})

const usual = {
  runs: [
    {
      name: 'build',
      tasks: [
        task('compile', { environment: { A: { from_variable: 'PLAIN' }, B: { from_variable: 'SECRET' } } }),
        task('test', { depends: ['compile'] }),
        task('lint'),
      ],
    },
    { name: 'release', when: { tag: { include: '#.*#' } }, tasks: [task('publish')] },
  ],
}

/** A git server with one commit, whoever asks for it. */
function withCommit(definition: unknown, asked: RepositoryName[] = []): DirectRuns {
  return {
    gitserver: {
      readFiles: async (name, sha, folder) => {
        asked.push(name)
        if (sha !== commitSha) throw new SlipwayError('commit_not_found', `there is no commit ${sha}`)
        return folder === '.slipway' ? [{ path: '.slipway/config.json', text: JSON.stringify(definition) }] : []
      },
    },
    repositoryUrl: ({ userId, repositoryId }) => `https://ci.example.org/repos/${userId}/${repositoryId}.git`,
  }
}

async function withAnn(directRuns: DirectRuns) {
  const gateway = await openTestGateway({ directRuns })
  const { id } = await gateway.configstore.createUser({ name: 'ann' })
  const client = gateway.client(await gateway.tokenOf('ann', 'run'))
  return { gateway, client, userId: id }
}

test('runs are of the caller, of the repository of the caller, with caches of its own', async () => {
  const asked: RepositoryName[] = []
  const { gateway, client, userId } = await withAnn(withCommit(usual, asked))
  await using _gateway = gateway
  const { runs, notCreated } = await client.call('createDirectRuns', {
    body: {
      ...body,
      branch: 'a/b',
      variables: { PLAIN: 'seen' },
      secrets: { SECRET: 'unseen' },
      submodules: ['vendor/x'],
    },
  })
  expect(asked[0]).toEqual({ userId, repositoryId: 'local-1' })
  expect(notCreated).toMatchObject([{ name: 'release' }])
  expect(runs).toMatchObject([{ name: 'build', number: 1, owner: { type: 'user', id: userId } }])
  expect(runs[0]!.group).toBe(`/user/${userId}/branch/a%2Fb/local-1`)
  expect(runs[0]!.annotations).toMatchObject({
    run_type: 'user',
    userid: userId,
    branch: 'a/b',
    commit_sha: commitSha,
    local_repository: 'local-1',
    submodules: '["vendor/x"]',
  })
  const { database } = gateway.installation
  const config = database.view((tx) => tx.list('runconfig'))[0]!.body
  expect(config.cacheGroup).toBe(`${userId}-local-1`)
  expect(config.trust).toBe('trusted')
  expect(config.staticEnvironment).toMatchObject({
    SLIPWAY_REPOSITORY_URL: `https://ci.example.org/repos/${userId}/local-1.git`,
    AGOLA_GIT_REF: 'refs/heads/a/b',
    AGOLA_SSHPRIVKEY: '',
  })
  const stored = JSON.stringify(database.view((tx) => [tx.list('runconfigtask'), tx.list('runsecret'), tx.list('run')]))
  expect(stored).toContain('seen')
  expect(stored).not.toContain('unseen')
})

test.each([
  [{ tag: 'v1' }, { ref: 'refs/tags/v1', tag: 'v1' }, ['build', 'release']],
  [{ pullRequest: '7' }, { ref: 'refs/pull/7/head', pull_request_id: '7' }, ['build']],
  [{ ref: 'refs/merge-requests/8/head' }, { pull_request_id: '8' }, ['build']],
  [{ ref: 'refs/heads/x' }, { branch: 'x' }, ['build']],
  [{}, { ref: 'HEAD', ref_type: 'branch' }, ['build']],
])('with %j it is as if that was pushed', async (ref, annotations, names) => {
  const { gateway, client } = await withAnn(withCommit(usual))
  await using _gateway = gateway
  const { runs } = await client.call('createDirectRuns', { body: { ...body, ...ref } })
  expect(runs.map(({ name }) => name)).toEqual(names)
  expect(runs[0]!.annotations).toMatchObject(annotations)
})

test('only the tasks that are asked for are there, with what they depend on', async () => {
  const { gateway, client } = await withAnn(withCommit(usual))
  await using _gateway = gateway
  const { runs } = await client.call('createDirectRuns', { body: { ...body, tasks: ['test'] } })
  const { tasks } = await client.call('getRun', { params: { runId: runs[0]!.id } })
  expect(tasks.map(({ name }) => name)).toEqual(['compile', 'test'])
})

test.each([
  ['a commit that was not pushed', { commitSha: 'd'.repeat(40) }, 'commit_not_found'],
  ['a task there is not', { tasks: ['none'] }, 'request_invalid'],
  ['a branch and a tag', { branch: 'x', tag: 'y' }, 'request_invalid'],
  ['a ref of another kind', { ref: 'refs/notes/x' }, 'request_invalid'],
  ['a branch that git would not make', { branch: 'a..b' }, 'request_invalid'],
  ['a tag that git would not make', { tag: 'a b' }, 'request_invalid'],
  ['a ref that git would not make', { ref: 'refs/heads/a:refs/heads/b' }, 'request_invalid'],
  ['a pull request without a number', { ref: 'refs/pull//head' }, 'request_invalid'],
  ['a pull request that is no number', { ref: 'refs/merge-requests/x/head' }, 'request_invalid'],
  ['a repository that is no name', { repositoryId: '../x' }, 'request_invalid'],
])('%s is refused', async (_, wrong, code) => {
  const { gateway, client } = await withAnn(withCommit(usual))
  await using _gateway = gateway
  await expect(client.call('createDirectRuns', { body: { ...body, ...wrong } })).rejects.toMatchObject({ code })
})

test('a definition that is wrong is told to whoever started it, and no run is made', async () => {
  const { gateway, client } = await withAnn(withCommit({ runs: 7 }))
  await using _gateway = gateway
  await expect(client.call('createDirectRuns', { body })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('.slipway/config.json'),
  })
  expect(gateway.installation.runservice.listRuns()).toEqual([])
})

test('tokens that only read, those for projects, and the one of the administrator start none', async () => {
  const { gateway } = await withAnn(withCommit(usual))
  await using _gateway = gateway
  const code = async (token: string | undefined) =>
    await gateway
      .client(token)
      .call('createDirectRuns', { body })
      .then(() => 'created')
      .catch((error: { code: string }) => error.code)
  const project = await gateway.configstore.createProject({
    group: 'user/ann',
    name: 'web',
    visibility: 'private',
    source: { kind: 'none' },
  })
  expect(await code(undefined)).toBe('unauthenticated')
  expect(await code(await gateway.tokenOf('ann', 'read'))).toBe('token_scope')
  expect(await code(await gateway.tokenOf('ann', 'admin', [project.id]))).toBe('token_scope')
  expect(await code(adminToken)).toBe('forbidden')
  expect(await code(await gateway.tokenOf('ann', 'run'))).toBe('created')
})

test('without a git server the answer says so', async () => {
  await using gateway = await openTestGateway()
  await gateway.configstore.createUser({ name: 'ann' })
  const client = gateway.client(await gateway.tokenOf('ann', 'run'))
  await expect(client.call('createDirectRuns', { body })).rejects.toMatchObject({ code: 'service_unavailable' })
})

test('a run is watched with the steps of its tasks where they are asked for', async () => {
  const { gateway, client } = await withAnn(withCommit(usual))
  await using _gateway = gateway
  const { runs } = await client.call('createDirectRuns', { body })
  const params = { runId: runs[0]!.id }
  for (const steps of [true, false]) {
    const first = (await client.events('watchRun', { params, query: { steps } }).next()).value
    expect(first?.event === 'run' && first.data.tasks[0]?.steps?.length).toBe(steps ? 1 : undefined)
  }
})
