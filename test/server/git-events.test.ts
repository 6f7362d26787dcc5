// From a git server to finished runs, with a real server: hook, webhook, by hand; and what was accepted survives a kill.

import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import { GitServer, TestServer } from './test-server.ts'

type Hook = { readonly webhookUrl: string; readonly hookUrl: string; readonly secret: string }

const files = {
  'hello.txt': 'hello\n',
  '.slipway/config.json': definition({ greet: { steps: [{ clone: {} }, { run: 'test "$(cat hello.txt)" = hello' }] } }),
}
const projectRef = 'user/ann/web'
const waitMs = 60_000

/** A project whose branches are known already. */
async function createProject(server: TestServer, client: ApiClient, git: GitServer): Promise<Hook> {
  const make = (args: readonly string[]) => server.slipway([...args, '--output', 'json'])
  expect((await make(['project', 'create', 'web', '--git', git.url, '--poll-seconds', '0'])).stderr).toBe('')
  const { stdout, stderr } = await make(['project', 'hook', projectRef])
  expect(stderr).toBe('')
  await expect.poll(() => states(client), { timeout: waitMs }).toEqual(['ignored'])
  return JSON.parse(stdout) as Hook
}

async function states(client: ApiClient): Promise<readonly string[]> {
  const { items } = await client.call('listDeliveries', { params: { projectRef } })
  return items.map(({ state }) => state)
}

async function runs(client: ApiClient) {
  const { items } = await client.call('listProjectRuns', { params: { projectRef } })
  return items
}

const results = async (client: ApiClient) => (await runs(client)).map(({ result }) => result)

async function sendPush({ webhookUrl, secret }: Hook, sha: string, delivery: string): Promise<number> {
  const body = JSON.stringify({ ref: 'refs/heads/main', after: sha, head_commit: { id: sha, message: 'pushed' } })
  const { status } = await fetch(webhookUrl, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': delivery,
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  })
  return status
}

test('a push is run when its hook is called, and why is told', { timeout: 120_000 }, async () => {
  await using server = await TestServer.start()
  await using git = await GitServer.start(files)
  const client = await server.setUp()
  const hook = await createProject(server, client, git)
  const sha = git.repository.commit('second [ci skip]')
  expect((await fetch(hook.hookUrl, { method: 'POST' })).status).toBe(202)
  await expect.poll(() => states(client), { timeout: waitMs }).toContain('nothing')
  const commit = git.repository.commit('third')
  expect(commit).not.toBe(sha)
  expect((await fetch(hook.hookUrl, { method: 'POST' })).status).toBe(202)
  await expect.poll(() => results(client), { timeout: waitMs }).toEqual(['success'])
  expect((await runs(client))[0]!.annotations).toMatchObject({ commit_sha: commit, message: 'third', branch: 'main' })
  const told = await server.slipway(['project', 'deliveries', projectRef])
  expect(told.stdout).toMatch(/poll +push +refs\/heads\/main +nothing +.*\[ci skip\]/)
  // By hand nothing but the branch is needed.
  const byHand = await server.slipway(['runs', 'create', projectRef, '--branch', 'main', '--watch'])
  expect(byHand.stderr).toBe('')
  expect(byHand.status).toBe(0)
})

test('a webhook that was accepted makes its run once, though the server is killed before', {
  timeout: 120_000,
}, async () => {
  await using server = await TestServer.start()
  await using git = await GitServer.start(files)
  const client = await server.setUp()
  const hook = await createProject(server, client, git)
  const sha = git.repository.commit('second')
  git.pause() // So it cannot be done with it yet.
  expect(await sendPush(hook, sha, 'first')).toBe(202)
  await server.stop('SIGKILL')
  git.resume()
  await server.start()
  expect(await sendPush(hook, sha, 'first')).toBe(202)
  await expect.poll(() => results(client), { timeout: waitMs }).toEqual(['success'])
  expect(await sendPush(hook, sha, 'first')).toBe(202)
  expect(await states(client)).toEqual(['created', 'ignored'])
  expect(await results(client)).toHaveLength(1)
})

test('many webhooks, and a kill in the middle of making their runs: each makes one', { timeout: 120_000 }, async () => {
  await using server = await TestServer.start({ SLIPWAY_COMPONENTS: '[gateway, configstore, runservice]' })
  await using git = await GitServer.start(files)
  const client = await server.setUp()
  const hook = await createProject(server, client, git)
  const sha = git.repository.commit('second')
  const count = 12
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => sendPush(hook, sha, `delivery-${i}`)))
  expect(answers).toEqual(answers.map(() => 202))
  await expect.poll(async () => (await runs(client)).length, { interval: 5, timeout: waitMs }).toBeGreaterThan(1)
  await server.stop('SIGKILL')
  await server.start()
  await expect
    .poll(async () => (await states(client)).filter((state) => state === 'created').length, { timeout: waitMs })
    .toBe(count)
  expect(await runs(client)).toHaveLength(count)
})
