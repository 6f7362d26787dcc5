import { afterAll, beforeAll, expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { aRequest } from '../../runservice/service-fixture.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { FakeRepository, fakeSources } from '../repository-fixture.ts'

const url = 'https://git.example/web.git'
const text = JSON.stringify({
  runs: [
    { name: 'ci', tasks: [{ name: 'a', runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'true' }] }] },
  ],
})

const repository = new FakeRepository()
let gateway: TestGateway
let token: string
let ann: string
let project: string

beforeAll(async () => {
  gateway = await openTestGateway({ sources: fakeSources(new Map([[url, repository]])) })
  const { configstore } = gateway
  ann = (await aUser(configstore, 'ann')).id
  token = await gateway.tokenOf('ann')
  const source = { kind: 'git', url, auth: 'none', pollIntervalMs: 0 } as const
  project = (await aProject(configstore, 'user/ann/web', { source })).id
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

test('the definition of a run is read at its commit, also when the branch has moved on', async () => {
  const sha = repository.push('refs/heads/main', 'first', { '.slipway/config.json': text })
  const created = await gateway.ask(`POST /projects/${project}/runs`, { token, body: { branch: 'main' } })
  const [run] = (created.body as { readonly runs: readonly { readonly id: string }[] }).runs
  repository.push('refs/heads/main', 'second', { '.slipway/config.json': '{"runs":[]}' })
  const answer = await gateway.ask(`GET /runs/${run!.id}/definition`, { token })
  expect([answer.status, answer.body]).toEqual([200, { path: '.slipway/config.json', text }])
  repository.trouble = new SlipwayError('git_failed', 'the server of the repository is away')
  const failed = await gateway.ask(`GET /runs/${run!.id}/definition`, { token })
  repository.trouble = undefined
  expect(failed.body).toMatchObject({ code: 'git_failed' })
  expect(sha).toMatch(/^[0-9a-f]{40}$/)
})

test('a run of a user is found by its number', async () => {
  const request = aRequest({ a: {} }, { ids: 'direct', group: `/user/${ann}/local/branch/main` })
  const [run] = await gateway.installation.runservice.createRuns([request])
  const answer = await gateway.ask('GET /users/ann/runs/1', { token })
  expect(answer).toMatchObject({ status: 200, body: { id: run!.id, number: 1, owner: { type: 'user', id: ann } } })
})
