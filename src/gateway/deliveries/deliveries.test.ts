// From a webhook to runs, over HTTP: what starts them, what does not, and why.

import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aLinkedAccount, aProject, aUser, fromRemote } from '../../configstore/configstore-fixture.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { until } from '../../runservice/service-fixture.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { type FakeRepository, fakeSources } from '../repository-fixture.ts'
import { aHookedProject, definition, type Hooked, pullRequestOf, pushOf, withDefinition } from './deliveries-fixture.ts'

let gateway: TestGateway
let token: string
const repositories = new Map<string, FakeRepository>()

beforeAll(async () => {
  gateway = await openTestGateway({ sources: fakeSources(repositories) })
  await aUser(gateway.configstore, 'ann')
  token = await gateway.tokenOf('ann')
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

const hooked = (settings: Parameters<typeof aHookedProject>[2] = {}) => aHookedProject(gateway, repositories, settings)
const main = 'refs/heads/main'

async function push(project: Hooked, ref = main, message = 'work', id?: string): Promise<string> {
  const sha = project.repository.push(ref, message, withDefinition())
  expect(await project.webhook('push', pushOf(ref, sha, message), id === undefined ? {} : { id })).toBe(202)
  return sha
}

test('a push is answered at once and becomes a run with its origin', async () => {
  const project = await hooked()
  const sha = await push(project, main, 'fix it\n\nall')
  const [delivery] = await project.deliveries()
  expect(delivery).toMatchObject({
    source: 'github',
    event: 'push',
    ref: main,
    state: 'created',
    message: '1 run was created',
  })
  const [run] = await project.runs()
  expect(run).toMatchObject({ id: delivery!.runIds[0], name: 'build', group: `/project/${project.id}/branch/main` })
  expect(run!.annotations).toMatchObject({
    run_creation_trigger: 'webhook',
    webhook_event: 'push',
    webhook_sender: 'ann',
    commit_sha: sha,
    message: 'fix it\n\nall',
  })
})

test('a delivery that comes again starts nothing twice', async () => {
  const project = await hooked()
  const sha = await push(project, main, 'work', 'same')
  await project.deliveries()
  expect(await project.webhook('push', pushOf(main, sha), { id: 'same' })).toBe(202)
  expect(await project.runs()).toHaveLength(1)
  expect((await project.deliveries())[0]).toMatchObject({ state: 'created', repeats: 1 })
})

test('many at once are one each', async () => {
  const project = await hooked()
  const sha = project.repository.push(main, 'work', withDefinition())
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => project.webhook('push', pushOf(main, sha), { id: `b${i % 10}` })),
  )
  expect(await project.runs()).toHaveLength(10)
})

test.each([
  ['a wrong secret', { secret: 'guessed' }],
  ['no signature', { headers: { 'x-hub-signature-256': '' } }],
  ['the weak signature only', { headers: { 'x-hub-signature-256': '', 'x-hub-signature': 'sha1=abc' } }],
  ['a header of another provider', { headers: { 'x-gitea-event': 'push' } }],
  ['the token of GitLab', { headers: { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': '' } }],
])('nothing starts with %s, and it is told', async (_, options) => {
  const project = await hooked()
  const sha = project.repository.push(main, 'work', withDefinition())
  expect(await project.webhook('push', pushOf(main, sha), options)).toBe(403)
  expect(await project.runs()).toEqual([])
  expect((await project.deliveries()).filter(({ state }) => state === 'refused')).toMatchObject([
    { message: expect.stringContaining('the signature is missing or wrong') },
  ])
})

test('a project without a secret takes none at all', async () => {
  const source = { kind: 'git', url: 'https://git.example/x.git', auth: 'none', pollIntervalMs: 0 } as const
  const { id } = await aProject(gateway.configstore, 'user/ann/nosecret', { source })
  const headers = { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` }
  expect((await fetch(`${gateway.url}/webhooks/${id}`, { method: 'POST', headers, body: '{}' })).status).toBe(403)
  expect((await fetch(`${gateway.url}/hooks/${id}/x`, { method: 'POST' })).status).toBe(403)
  expect((await fetch(`${gateway.url}/webhooks/none`, { method: 'POST', headers, body: '{}' })).status).toBe(404)
})

test('the secret before the newest is valid still', async () => {
  const project = await hooked()
  await gateway.ask(`POST /projects/${project.id}/webhook-secret`, { token })
  await push(project)
  expect(await project.runs()).toHaveLength(1)
})

test.each([
  ['a message that says so', 'docs [ci skip]', withDefinition(), 'nothing', /\[ci skip\]/],
  [
    'a when that does not match',
    'x',
    { '.slipway/config.json': definition('build', { when: { branch: 'release' } }) },
    'nothing',
    /when branch release does not match main/,
  ],
  ['no definition', 'x', {}, 'ignored', /no definition found/],
])('nothing starts of %s, and it is told why', async (_, message, files, state, why) => {
  const project = await hooked()
  const sha = project.repository.push(main, message, files)
  await project.webhook('push', pushOf(main, sha, message))
  expect((await project.deliveries())[0]).toMatchObject({ state, message: expect.stringMatching(why) })
  expect(await project.runs()).toEqual([])
})

test('a definition with errors is a run that shows them', async () => {
  const project = await hooked()
  const sha = project.repository.push(main, 'x', { '.slipway/config.yml': 'runs: 3' })
  await project.webhook('push', pushOf(main, sha))
  expect(await project.runs()).toMatchObject([{ name: 'Setup Error', phase: 'setuperror' }])
})

test.each([
  ['git_failed', 'git ls-remote: connection refused'],
  ['provider_unavailable', 'gitea: GET /repositories/1: 502 Bad Gateway'],
] as const)(
  'a repository that does not answer (%s) is asked again, and in the end the answer is a run',
  async (code, words) => {
    const project = await hooked()
    project.repository.trouble = new SlipwayError(code, words)
    const sha = project.repository.push(main, 'work', withDefinition())
    await project.webhook('push', pushOf(main, sha))
    const first = async () => (await project.list())[0]!
    await until(async () => (await first()).message.includes(words))
    expect(await first()).toMatchObject({ state: 'queued' })
    await until(async () => {
      gateway.clock.pass(5 * 60_000)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return (await first()).state === 'failed'
    })
    expect(await project.runs()).toMatchObject([{ name: 'Setup Error', phase: 'setuperror' }])
  },
)

test.each([
  ['provider_refused', 'github: GET /repos/acme/web: 403 Forbidden: SAML enforcement'],
  ['provider_unauthorized', 'hub does not take the token of the account any more: link it again'],
] as const)(
  'what a provider refuses (%s) is a run with its words at once, and done again once that is mended',
  async (code, words) => {
    const project = await hooked()
    project.repository.trouble = new SlipwayError(code, words)
    const sha = project.repository.push(main, 'work', withDefinition())
    await project.webhook('push', pushOf(main, sha))
    const [failed] = await project.deliveries()
    const [run] = await project.runs()
    expect(failed).toMatchObject({ state: 'failed', message: words, runIds: [run!.id] })
    expect(run).toMatchObject({ phase: 'setuperror', annotations: { commit_sha: sha, branch: 'main' } })
    const { body } = await gateway.ask(`GET /runs/${run!.id}`, { token })
    expect((body as { setupErrors: string[] }).setupErrors).toEqual([
      words,
      expect.stringMatching(`slipway project redeliver user/ann/hooked\\d+ ${failed!.id}`),
    ])
    project.repository.trouble = undefined
    await gateway.ask(`POST /projects/${project.id}/deliveries/${failed!.id}/redeliver`, { token })
    expect((await project.runs()).map(({ name }) => name)).toEqual(['build', 'Setup Error'])
  },
)

test('what failed is done when it comes again', async () => {
  const project = await hooked()
  const sha = 'c'.repeat(40)
  await project.webhook('push', pushOf(main, sha), { id: 'early' })
  await until(async () => {
    gateway.clock.pass(60_000)
    return (await project.list())[0]!.state === 'failed'
  })
  const there = project.repository.push(main, 'work', withDefinition())
  project.repository.alias(sha, there)
  await project.webhook('push', pushOf(main, sha), { id: 'early' })
  expect((await project.runs()).map(({ name }) => name)).toEqual(['build', 'Setup Error'])
})

test('a definition of very many runs, with a message of any length, makes each of them once', async () => {
  const project = await hooked()
  const [one] = (JSON.parse(definition('x')) as { runs: object[] }).runs
  const names = Array.from({ length: 60 }, (_, i) => `run${i}`)
  const left = names.map((name) => ({ ...one, name: `not-${name}`, when: { branch: 'x' } }))
  const content = JSON.stringify({ runs: [...names.map((name) => ({ ...one, name })), ...left] })
  const sha = project.repository.push(main, 'long '.repeat(20_000), { '.slipway/config.json': content })
  await project.webhook('push', { ...pushOf(main, sha), head_commit: null })
  expect((await project.deliveries())[0]).toMatchObject({ state: 'created', message: '60 runs were created' })
  const made = await project.runs()
  expect(made.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
  expect(made[0]!.annotations.message!.length).toBeLessThan(5_000)
})

test('a delivery is done again on request', async () => {
  const project = await hooked()
  await push(project)
  const { id } = (await project.deliveries())[0]!
  const again = await gateway.ask(`POST /projects/${project.id}/deliveries/${id}/redeliver`, { token })
  expect(again).toMatchObject({ status: 201, body: { redeliveryOf: id } })
  expect(await project.runs()).toHaveLength(2)
})

test('an annotated tag is run at its commit', async () => {
  const project = await hooked()
  const sha = project.repository.push('refs/tags/v1', 'release', withDefinition())
  const payload = { ...pushOf('refs/tags/v1', 'd'.repeat(40)), head_commit: null }
  await project.webhook('push', payload)
  expect((await project.runs())[0]!.annotations).toMatchObject({ commit_sha: sha, tag: 'v1', message: 'Tag v1' })
})

test('a deleted branch, a ping and an unknown event are no errors', async () => {
  const project = await hooked()
  expect(await project.webhook('push', { ref: main, after: '0'.repeat(40), deleted: true, head_commit: null })).toBe(
    202,
  )
  expect(await project.webhook('ping', { zen: 'x' })).toBe(202)
  expect(await project.webhook('star', {})).toBe(202)
  expect((await project.deliveries()).map(({ state }) => state)).toEqual(['ignored', 'ignored', 'ignored', 'ignored'])
})

test('a signed payload that makes no sense is refused and recorded', async () => {
  const project = await hooked()
  expect(await project.webhook('push', { ref: 'refs/heads/a b', after: 'x' })).toBe(400)
  expect((await project.deliveries())[0]).toMatchObject({ state: 'failed', message: expect.stringContaining('ref') })
})

async function openPullRequest(
  project: Hooked,
  options: Parameters<typeof pullRequestOf>[1] = {},
  files = withDefinition(),
) {
  const sha = project.repository.push('refs/pull/7/head', `change ${Math.random()}`, files)
  await project.webhook('pull_request', pullRequestOf(sha, options))
  return sha
}

const liveness = async (project: Hooked) =>
  (await project.runs()).map(({ phase }) => (phase === 'queued' || phase === 'running' ? 'live' : 'ended'))

test('a pull request is a run of its number, and a newer push of it ends the older one', async () => {
  const project = await hooked()
  await openPullRequest(project)
  expect(await project.runs()).toMatchObject([
    { group: `/project/${project.id}/pr/7`, annotations: { message: 'A change', pull_request_id: '7' } },
  ])
  await openPullRequest(project, { action: 'synchronize' })
  expect(await liveness(project)).toEqual(['live', 'ended'])
})

test('older runs of a pull request go on where the project says so', async () => {
  const project = await hooked({ cancelSuperseded: false })
  await openPullRequest(project)
  await openPullRequest(project, { action: 'synchronize' })
  expect(await liveness(project)).toEqual(['live', 'live'])
})

test('closing a pull request ends its runs and starts none', async () => {
  const project = await hooked()
  const sha = await openPullRequest(project)
  await project.deliveries()
  await project.webhook('pull_request', pullRequestOf(sha, { action: 'closed' }))
  expect(await liveness(project)).toEqual(['ended'])
})

test('a label starts nothing where there are runs of the commit, and a run where there are none', async () => {
  const project = await hooked()
  const sha = await openPullRequest(project, { action: 'labeled' })
  expect(await project.runs()).toHaveLength(1)
  await project.webhook('pull_request', pullRequestOf(sha, { action: 'labeled' }))
  expect((await project.deliveries())[0]).toMatchObject({ state: 'ignored' })
  expect(await project.runs()).toHaveLength(1)
})

test.each([
  ['always', 1, undefined],
  ['approval', 1, 'a'],
  ['never', 0, undefined],
] as const)('runs of forks: %s', async (forkRuns, count, waiting) => {
  const project = await hooked({ forkRuns })
  project.repository.push(main, 'base', withDefinition())
  await openPullRequest(project, { isFork: true })
  const runs = await project.runs()
  expect(runs).toHaveLength(count)
  if (runs[0] === undefined) return
  const { body } = await gateway.ask(`GET /runs/${runs[0].id}`, { token })
  const { tasks } = body as { tasks: { name: string; isWaitingApproval: boolean }[] }
  expect(tasks.filter(({ isWaitingApproval }) => isWaitingApproval).map(({ name }) => name)).toEqual(
    waiting === undefined ? [] : [waiting],
  )
  expect(runs[0].annotations.definition_changed).toBeUndefined()
})

test('a fork that changes the definition is marked where somebody approves', async () => {
  const project = await hooked({ forkRuns: 'approval' })
  project.repository.push(main, 'base', withDefinition())
  await openPullRequest(project, { isFork: true }, withDefinition('other'))
  expect((await project.runs())[0]!.annotations.definition_changed).toBe('true')
})

test('the hook has the repository looked at: what changed is run, what was there is not', async () => {
  const project = await hooked()
  const call = () => fetch(`${gateway.url}${project.hookPath}`, { method: 'POST', body: 'anything' })
  const sha = project.repository.push(main, 'from a hook', withDefinition())
  project.repository.push('refs/tags/v1', 'tagged', withDefinition())
  expect((await call()).status).toBe(202)
  expect((await project.runs()).map(({ annotations }) => annotations.message).toSorted()).toEqual([
    'Tag v1',
    'from a hook',
  ])
  expect((await call()).status).toBe(202)
  expect(await project.runs()).toHaveLength(2)
  project.repository.point('refs/tags/v1')
  project.repository.push('refs/heads/other', 'other', withDefinition())
  expect((await call()).status).toBe(202)
  const runs = await project.runs()
  expect(runs).toHaveLength(3)
  expect(runs[0]!.annotations).toMatchObject({ message: 'other', run_creation_trigger: 'poll' })
  // The webhook that comes for the same push starts nothing more.
  await project.webhook('push', pushOf(main, sha))
  expect(await project.runs()).toHaveLength(3)
  expect((await project.deliveries())[0]).toMatchObject({ state: 'ignored' })
})

test('what a look has seen without starting it is started by its webhook', async () => {
  const project = await hooked()
  for (let i = 0; i < 102; i++) project.repository.push(`refs/heads/b${i}`, 'x', {})
  await fetch(`${gateway.url}${project.hookPath}`, { method: 'POST' })
  await project.deliveries()
  const seen = gateway.database.view((tx) => tx.list('seenref', { index: 'byProject', prefix: [project.id] }))
  const [remembered, ...others] = seen.filter(({ body }) => body.by === 'remembered')
  expect(others).toHaveLength(1)
  const { ref, commitSha } = remembered!.body
  await project.webhook('push', pushOf(ref, commitSha))
  expect((await project.deliveries())[0]).toMatchObject({ ref, message: expect.stringContaining('no definition') })
})

test('what a webhook told first is not found by a look again', async () => {
  const project = await hooked()
  await push(project)
  await fetch(`${gateway.url}${project.hookPath}`, { method: 'POST' })
  expect(await project.runs()).toHaveLength(1)
})

test('the address of the hook is a secret', async () => {
  const project = await hooked()
  const wrong = project.hookPath.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
  expect((await fetch(`${gateway.url}${wrong}`, { method: 'POST' })).status).toBe(403)
})

test('of very many branches at once some are run, the rest is told', async () => {
  const project = await hooked()
  for (let i = 0; i < 103; i++) project.repository.push(`refs/heads/b${i}`, 'x', {})
  await fetch(`${gateway.url}${project.hookPath}`, { method: 'POST' })
  await project.deliveries()
  const all: { message: string }[] = []
  for (let cursor = ''; ; ) {
    const { body } = await gateway.ask(`GET /projects/${project.id}/deliveries?limit=50${cursor}`, { token })
    const page = body as { items: { message: string }[]; nextCursor?: string }
    all.push(...page.items)
    if (page.nextCursor === undefined) break
    cursor = `&cursor=${page.nextCursor}`
  }
  expect(all.filter(({ message }) => message.includes('no definition'))).toHaveLength(100)
  expect(all.filter(({ message }) => message.startsWith('3 more branches'))).toHaveLength(1)
})

test('a webhook of another provider or of another repository than the project has is refused, though it is signed', async () => {
  const { configstore } = gateway
  const linked = await aLinkedAccount(configstore, await configstore.getUser({ user: 'ann' }))
  const project = await hooked()
  await configstore.updateProject({ project: project.id, source: fromRemote(linked, 'acme/web') })
  const payload = (id: string) => ({ ...pushOf(main, 'a'.repeat(40)), repository: { id } })
  const sign = (payload: unknown) => createHmac('sha256', project.secret).update(JSON.stringify(payload)).digest('hex')
  // Strangers make nobody ask the provider.
  const asked = gateway.host.asked.length
  expect(await project.webhook('push', payload('id-of-acme/web'), { secret: 'guessed' })).toBe(403)
  expect(gateway.host.asked).toHaveLength(asked)
  expect(await project.webhook('push', payload('id-of-acme/other'))).toBe(403)
  expect(await project.webhook('push', pushOf(main, 'a'.repeat(40)))).toBe(403)
  const gitea = { 'x-gitea-event': 'push', 'x-gitea-signature': sign(payload('id-of-acme/web')) }
  expect(await project.webhook('push', payload('id-of-acme/web'), { headers: gitea })).toBe(403)
  expect(await project.runs()).toEqual([])
  expect((await project.deliveries()).filter(({ state }) => state === 'failed').map(({ message }) => message)).toEqual([
    expect.stringContaining('the project is at github'),
    expect.stringContaining('another repository'),
    expect.stringContaining('another repository'),
  ])
  expect(await project.webhook('push', payload('id-of-acme/web'))).toBe(202)
})

test('a webhook names its project by the id alone: a path finds none, whatever it is signed with', async () => {
  const { id, secret, webhook } = await hooked()
  const { path } = await gateway.configstore.getProject({ project: id })
  const body = JSON.stringify(pushOf(main, 'a'.repeat(40)))
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  const headers = { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${signature}` }
  for (const name of [path, encodeURIComponent(path), id.toUpperCase(), `${id}%2f`]) {
    const { status } = await fetch(`${gateway.url}/webhooks/${name}`, { method: 'POST', headers, body })
    expect(status, name).toBe(404)
  }
  expect(await webhook('push', JSON.parse(body))).toBe(202)
})

test('a webhook of 25 MiB is read, a larger one is not', async () => {
  const { id } = await hooked()
  const send = (bytes: number) => {
    const headers = { 'x-github-event': 'push', 'content-type': 'application/json' }
    return fetch(`${gateway.url}/webhooks/${id}`, { method: 'POST', headers, body: Buffer.alloc(bytes, ' ') })
  }
  expect((await send(limits.webhookBytes.value)).status).toBe(403)
  expect((await send(limits.webhookBytes.value + 1)).status).toBe(413)
})

test('nothing was trouble of the server', () => {
  expect(gateway.logged).toEqual([])
})
