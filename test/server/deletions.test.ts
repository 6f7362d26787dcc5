// What deletions take along elsewhere, seen from a real server; and keys, changed by the command line.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import { startEtcd } from '../support/etcd.ts'
import { ProcessGroup } from './process-group.ts'
import { TestServer } from './test-server.ts'

async function createProject(client: ApiClient, name: string): Promise<string> {
  return (await client.call('createProject', { body: { name, source: { kind: 'none' } } })).id
}

async function createRun(client: ApiClient, projectRef: string, script: string): Promise<string> {
  const content = definition({ only: script })
  const body = { branch: 'main', commitSha: '1'.repeat(40), definition: { fileName: 'config.json' as const, content } }
  const { runs } = await client.call('createProjectRuns', { params: { projectRef }, body })
  return runs[0]!.id
}

async function startRun(client: ApiClient, projectRef: string, script: string) {
  const runId = await createRun(client, projectRef, script)
  for await (const event of client.events('watchRun', { params: { runId } }))
    if (event.event === 'run' && event.data.tasks.some(({ status }) => status !== 'notstarted')) return event.data
  throw new Error('the stream ended before the run began')
}

async function finish(client: ApiClient, runId: string): Promise<void> {
  for await (const event of client.events('watchRun', { params: { runId } }))
    if (event.event === 'run' && event.data.phase === 'finished') return
}

/** What object storage has of these tasks: folders that are empty by then do not count. */
const logsOf = (server: TestServer, taskIds: readonly string[]) => {
  return readdirSync(join(server.dataDir, 'objects'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((name) => taskIds.some((id) => name.includes(id)))
}

/** Whether some step is in `sleep SECONDS`. */
const isSleeping = (seconds: string) =>
  readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8') === `sleep\0${seconds}\0`
    } catch {
      return false // It ended meanwhile.
    }
  })

test.each([
  ['at once', undefined],
  ['also when the server is killed meanwhile', 'SIGKILL'],
] as const)('a deleted project takes its runs and logs along, %s', { timeout: 150_000 }, async (_, signal) => {
  await using server = await TestServer.start()
  const client = await server.setUp()
  const [deleted, other] = [await createProject(client, 'deleted'), await createProject(client, 'other')]
  const runs = []
  for (let n = 0; n < 4; n++) {
    const run = await startRun(client, deleted, 'echo hello')
    await finish(client, run.id)
    runs.push(run)
  }
  const kept = await startRun(client, other, 'echo hello')
  await finish(client, kept.id)
  const seconds = `3${new URL(server.url).port}` // of no other test
  const running = await startRun(client, deleted, `sleep ${seconds}`)
  await expect.poll(() => isSleeping(seconds), { timeout: 20_000 }).toBe(true)
  const taskIds = [...runs, running].flatMap(({ tasks }) => tasks.map(({ id }) => id))
  expect(logsOf(server, taskIds)).not.toEqual([])
  // So many that a server which is killed at once has not removed them all.
  if (signal !== undefined) for (let n = 0; n < 60; n++) await createRun(client, deleted, 'echo hello')
  await client.call('deleteProject', { params: { projectRef: deleted } })
  if (signal !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 100)) // It has begun by then.
    await server.stop(signal)
    await server.start()
  }
  await expect(client.call('getRun', { params: { runId: runs[0]!.id } })).rejects.toMatchObject({
    code: 'run_not_found',
  })
  await expect.poll(() => logsOf(server, taskIds), { timeout: 100_000 }).toEqual([])
  await expect.poll(async () => (await client.call('listExecutors')).items[0]?.slotsUsed, { timeout: 10_000 }).toBe(0)
  await expect.poll(() => server.output, { timeout: 10_000 }).toContain('runs of what was deleted are removed')
  await expect.poll(() => isSleeping(seconds), { timeout: 20_000 }).toBe(false)
  expect((await client.call('getRun', { params: { runId: kept.id } })).result).toBe('success')
  expect(
    logsOf(
      server,
      kept.tasks.map(({ id }) => id),
    ),
  ).not.toEqual([])
  expect(await client.call('listQueue')).toMatchObject({ total: 0 })
})

test('configstore and runservice are processes of their own', { timeout: 120_000 }, async () => {
  await using etcd = await startEtcd()
  await using group = await ProcessGroup.start({ gateways: 1, configstores: 1, runservices: 1, executors: 1 }, etcd)
  const client = group.client(0)
  const projectRef = await createProject(client, 'deleted')
  const run = await startRun(client, projectRef, 'sleep 300')
  const slotsUsed = async () => (await client.call('listExecutors')).items[0]?.slotsUsed
  expect(await slotsUsed()).toBe(1)
  await client.call('deleteProject', { params: { projectRef } })
  await expect.poll(slotsUsed, { timeout: 60_000 }).toBe(0)
  await expect(client.call('getRun', { params: { runId: run.id } })).rejects.toMatchObject({ code: 'run_not_found' })
})

test('the data key is changed and the old one removed, while secrets stay what they are', {
  timeout: 60_000,
}, async () => {
  await using server = await TestServer.start()
  const client = await server.setUp()
  await createProject(client, 'web')
  const key = async <T>(...args: readonly string[]) => {
    const { stdout, stderr, status } = await server.slipway(['key', ...args, '--output', 'json'])
    return { status, stderr, answer: (stdout === '' ? undefined : JSON.parse(stdout)) as T }
  }
  await client.call('createProjectSecret', {
    params: { projectRef: 'user/ann/web' },
    body: { name: 'db', data: { password: 'hunter2-hunter2' } },
  })
  type Status = { readonly items: readonly { id: string; isActive: boolean; values: number }[] }
  const [first] = (await key<Status>('status')).answer.items
  expect(first).toMatchObject({ isActive: true })
  expect(first!.values).toBeGreaterThan(0)
  expect(await key('retire', first!.id)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('rotate it first'),
  })
  const { answer } = await key<{ keyId: string; resealed: number }>('rotate')
  expect(answer.resealed).toBe(first!.values)
  expect((await key<Status>('status')).answer.items).toMatchObject([
    { id: first!.id, isActive: false, values: 0 },
    { id: answer.keyId, isActive: true, values: first!.values },
  ])
  expect((await key<{ keyId: string }>('rotate', '--resume')).answer).toEqual({ keyId: answer.keyId, resealed: 0 })
  expect((await key('retire', first!.id)).status).toBe(0)
  expect(await key('retire', first!.id)).toMatchObject({ status: 2, stderr: expect.stringContaining('no data key') })
  expect((await server.slipway(['key', 'status'])).stdout).toMatch(/^ID +ACTIVE +VALUES +CREATED +INSTALLATION KEY\n/)
  await server.stop()
  await server.start()
  const run = await startRun(client, 'user/ann/web', 'true')
  await finish(client, run.id)
})
