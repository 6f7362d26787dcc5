// What is to be told of runs by a real server that is killed meanwhile: each event once, with an id that stays.

import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { definition } from '../cli/command.ts'
import { TestServer } from './test-server.ts'
import { contentsByEvent, openWebhookReceiver } from './webhook-receiver.ts'

const projectRef = 'user/ann/web'
const environment = {
  SLIPWAY_COMPONENTS: '[gateway, configstore, runservice, notification]',
  SLIPWAY_NOTIFICATION_ALLOW_PRIVATE_ADDRESSES: 'true',
}

async function startRun(client: ApiClient): Promise<string> {
  const body = {
    commitSha: 'b'.repeat(40),
    definition: { fileName: 'config.json' as const, content: definition({ greet: { steps: [{ run: 'true' }] } }) },
  }
  const { runs } = await client.call('createProjectRuns', { params: { projectRef }, body })
  return runs[0]!.id
}

const states = async (client: ApiClient) =>
  (await client.call('listNotifications', { params: { projectRef }, query: { limit: 100 } })).items.map(
    ({ state }) => state,
  )

test('a server that is killed with notifications under way sends them when it is there again, and makes none twice', {
  timeout: 120_000,
}, async () => {
  await using receiver = await openWebhookReceiver()
  await using server = await TestServer.start(environment)
  const client = await server.setUp()
  expect((await server.slipway(['project', 'create', 'web'])).stderr).toBe('')
  const added = await server.slipway(['notification', 'add', projectRef, 'chat', '--webhook', receiver.url])
  expect(added.stderr).toBe('')
  expect(added.stdout).toMatch(/^secret +[\w-]{43}$/m)
  const count = 6
  /** Queued, running and stopped. */
  const total = 3 * count
  const ids = new Set<string>()
  for (let run = 0; run < count; run++) ids.add(await startRun(client))
  await until(() => receiver.told.length >= 1)
  await server.stop('SIGKILL')
  receiver.answer()
  await server.start()
  for (const runId of ids) await client.call('stopRun', { params: { runId } })
  await until(async () => (await states(client)).filter((state) => state === 'sent').length === total)
  expect(await states(client)).toHaveLength(total)
  const contents = contentsByEvent(receiver.told)
  expect(contents.size).toBe(total)
  expect([...contents.values()].every((seen) => seen.size === 1)).toBe(true)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  expect(metrics).toMatch(/^slipway_notification_attempts_total\{kind="webhook",outcome="sent"\} [1-9]/m)
  expect(metrics).toMatch(/^slipway_work_waiting\{kind="notification"\} 0$/m)
  const listed = await server.slipway(['notification', 'list', projectRef])
  expect(listed.stdout).toMatch(/webhook +run\.stopped +#\d+ +sent +\d+ +answered 200/)
})

test('what a receiver gets is managed by commands', { timeout: 120_000 }, async () => {
  await using receiver = await openWebhookReceiver()
  receiver.answer()
  await using server = await TestServer.start(environment)
  const client = await server.setUp()
  const run = async (...args: readonly string[]) => {
    const { stdout, stderr, status } = await server.slipway(['notification', ...args])
    return { stdout, stderr, status }
  }
  await server.slipway(['project', 'create', 'web'])
  expect(await run('add', projectRef, 'chat')).toMatchObject({
    stderr: expect.stringContaining('say one of'),
    status: 2,
  })
  await run('add', projectRef, 'chat', '--webhook', receiver.url, '--events', 'run.cancelled')
  expect((await run('receivers', projectRef)).stdout).toMatch(/chat +webhook +http:\S+ +run\.cancelled/)
  expect((await run('test', projectRef, 'chat')).stdout).toMatch(/^event +test$/m)
  await until(() => receiver.told.length === 1)
  await until(async () => (await states(client)).every((state) => state === 'sent'))
  const sent = JSON.parse((await run('list', projectRef, '--output', 'json')).stdout) as readonly { id: string }[]
  expect((await run('show', projectRef, sent[0]!.id)).stdout).toMatch(/^how +answered 200$/m)
  expect((await run('resend', projectRef, sent[0]!.id)).stdout).toMatch(/^state +waiting$/m)
  await until(() => receiver.told.length === 2)
  expect(receiver.told[1]).toMatchObject({ event: 'test', eventId: receiver.told[0]!.eventId })
  expect((await run('change', projectRef, 'chat', '--name', 'talk', '--enabled', 'no')).stdout).toMatch(/^on +no$/m)
  expect((await run('remove', projectRef, 'talk')).status).toBe(0)
  expect((await run('receivers', projectRef)).stdout).toMatch(/^NAME\b.*\n$/)
  expect((await run('add', projectRef, 'mail', '--email', 'ann@example.org')).stderr).toContain('sends no mail')
})
