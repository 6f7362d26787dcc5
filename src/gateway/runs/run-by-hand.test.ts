// Runs made by hand of what is in the repository.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { FakeRepository, fakeSources } from '../repository-fixture.ts'
import { planRunsByHand } from './run-by-hand.ts'

const url = 'https://git.example/web.git'
const definition = (name: string) =>
  JSON.stringify({
    runs: [{ name, tasks: [{ name: 'a', runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'true' }] }] }],
  })
const slipway = (name: string) => ({ '.slipway/config.json': definition(name) })

const repository = new FakeRepository()
let gateway: TestGateway
let token: string
let project: string

beforeAll(async () => {
  gateway = await openTestGateway({ sources: fakeSources(new Map([[url, repository]])) })
  const { configstore } = gateway
  await aUser(configstore, 'ann')
  token = await gateway.tokenOf('ann')
  const source = { kind: 'git', url, auth: 'none', pollIntervalMs: 0 } as const
  project = (await aProject(configstore, 'user/ann/web', { source })).id
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

const create = (body: object) => gateway.ask(`POST /projects/${project}/runs`, { token, body })
const annotationsOf = (body: unknown) =>
  (body as { runs: { annotations: Record<string, string> }[] }).runs[0]!.annotations

test('a branch is enough: commit, message and definition are those of the repository', async () => {
  const sha = repository.push('refs/heads/main', 'second commit\n\nbody', slipway('build'))
  const { status, body } = await create({ branch: 'main' })
  expect(status, JSON.stringify(body)).toBe(201)
  expect(body).toMatchObject({ runs: [{ name: 'build', group: `/project/${project}/branch/main`, phase: 'queued' }] })
  expect(annotationsOf(body)).toMatchObject({
    commit_sha: sha,
    message: 'second commit\n\nbody',
    run_creation_trigger: 'manual',
    branch: 'main',
  })
})

test('nothing at all is the default branch', async () => {
  repository.push('refs/heads/main', 'third', slipway('default'))
  expect((await create({})).body).toMatchObject({ runs: [{ name: 'default' }] })
})

test('an older commit of the branch is run when it is named', async () => {
  const older = repository.push('refs/heads/main', 'older', slipway('older'))
  repository.push('refs/heads/main', 'newer', slipway('newer'))
  const { body } = await create({ branch: 'main', commitSha: older })
  expect(body).toMatchObject({ runs: [{ name: 'older' }] })
  expect(annotationsOf(body)).toMatchObject({ commit_sha: older, message: 'older' })
})

test('a tag has its name as the message', async () => {
  const sha = repository.push('refs/tags/v1', 'release it [ci skip]', slipway('release'))
  const { body } = await create({ tag: 'v1' })
  expect(annotationsOf(body)).toMatchObject({ commit_sha: sha, message: 'Tag v1', tag: 'v1', ref_type: 'tag' })
})

test('a given definition is used in the place of that of the commit', async () => {
  repository.push('refs/heads/main', 'x', slipway('of-the-commit'))
  const { body } = await create({
    branch: 'main',
    definition: { fileName: 'config.json', content: definition('given') },
  })
  expect(body).toMatchObject({ runs: [{ name: 'given' }] })
})

test.each([
  ['.slipway before .agola', { ...slipway('ours'), '.agola/config.json': definition('other') }, 'ours'],
  ['.agola alone', { '.agola/config.json': definition('agola') }, 'agola'],
  ['a name that is none of .agola, and .slipway', { ...slipway('ours'), '.agola/config.yaml': 'x' }, 'ours'],
])('the definition is looked for in the order of the folders: %s', async (_, files, name) => {
  repository.push('refs/heads/main', 'x', files)
  expect((await create({})).body).toMatchObject({ runs: [{ name }] })
})

test('a definition of the commit with errors is a run that shows all of them', async () => {
  repository.push('refs/heads/main', 'broken [ci skip]', {
    '.slipway/config.yml': 'runs:\n  - name: 3\n    taks: []\n',
  })
  const { body } = await create({})
  const { runs } = body as { runs: { id: string }[] }
  expect(runs).toMatchObject([{ name: 'Setup Error', phase: 'setuperror' }])
  const run = (await gateway.ask(`GET /runs/${runs[0]!.id}`, { token })).body as { setupErrors: string[] }
  expect(run.setupErrors.join('\n')).toContain('taks')
  expect(run.setupErrors.join('\n')).toContain('.slipway/config.yml')
})

test('a language that is not evaluated yet is refused by its name, in a run', async () => {
  repository.push('refs/heads/main', 'x', { '.slipway/config.star': 'def main(ctx): pass' })
  const { runs } = (await create({})).body as { runs: { reason: { message: string } }[] }
  expect(runs[0]!.reason.message).toContain('starlark')
})

test('a message that asks for no runs is obeyed', async () => {
  repository.push('refs/heads/main', 'docs [skip ci]', slipway('build'))
  expect((await create({})).body).toEqual({
    runs: [],
    notCreated: [{ name: 'build', message: 'the message asks for no runs: [skip ci]' }],
  })
})

test.each([
  ['a branch that is not there', { branch: 'gone' }, 404, 'commit_not_found'],
  ['a commit that is not there', { commitSha: 'f'.repeat(40) }, 404, 'commit_not_found'],
  ['a pull request that is not there', { ref: 'refs/pull/1/head' }, 404, 'commit_not_found'],
  ['a ref of another kind', { ref: 'refs/changes/1/head' }, 400, 'request_invalid'],
  ['a branch that git would not make', { branch: 'a..b', commitSha: 'f'.repeat(40) }, 400, 'request_invalid'],
  ['a tag that git would not make', { tag: 'a b', commitSha: 'f'.repeat(40) }, 400, 'request_invalid'],
])('no run is made of %s', async (_, body, status, code) => {
  repository.push('refs/heads/main', 'x', slipway('build'))
  expect(await create(body)).toMatchObject({ status, body: { code } })
})

test('a commit without a definition says which files were expected', async () => {
  repository.push('refs/heads/main', 'x', { '.agola/config.yaml': 'x' })
  expect(await create({})).toMatchObject({
    status: 400,
    body: {
      code: 'config_invalid',
      message: expect.stringMatching(/expected .slipway\/config.yml.*\.agola\/config\.yaml/),
    },
  })
})

test('a project without a repository needs what it cannot look up', async () => {
  const { id } = await aProject(gateway.configstore, 'user/ann/none')
  const answer = await gateway.ask(`POST /projects/${id}/runs`, { token, body: { branch: 'main' } })
  expect(answer).toMatchObject({ status: 400, body: { code: 'request_invalid' } })
})

test.each([
  ['that is on a branch of the repository', true, 'trusted'],
  ['that is not', false, 'fork'],
] as const)('a pull request with a commit %s is run as one of the repository: %s', async (_, isOwn, trust) => {
  const { configstore, host } = gateway
  const user = `ann-${trust}`
  await configstore.createUser({ name: user })
  host.addUser(user)
  const found = host.addRepository(`acme/${trust}`, user)
  const { accessToken } = host.giveTokens(user)
  const provider = host.openProvider({}, { kind: 'token', accessToken })
  const opened = {
    source: provider.openSource(found.repository),
    cloneUrl: found.repository.sshCloneUrl,
    skipSshHostKeyCheck: false,
    linksOf: provider.linksOf.bind(provider, found.repository),
    pullRequestRef: provider.pullRequestRef,
  }
  const sha = host.commit(found.repository.id, 'refs/pull/7/head', 'a change', slipway('pr'))
  if (isOwn) found.refs.set('refs/heads/feature', sha)
  const made = await aProject(configstore, `user/${user}/web`, { source: { kind: 'none' } })
  const components = { configstore, sources: { open: async () => opened } }
  const signal = new AbortController().signal
  for (const asked of [{ pullRequest: '7' }, { ref: 'refs/pull/7/head' }]) {
    const { requests } = await planRunsByHand(made, asked, components, signal)
    expect(requests).toMatchObject([{ name: 'pr', trust, group: `/project/${made.id}/pr/7` }])
    expect(requests[0]!.annotations).toMatchObject({
      commit_sha: sha,
      pull_request_link: `https://provider.example/acme/${trust}/pull/7`,
    })
  }
})
