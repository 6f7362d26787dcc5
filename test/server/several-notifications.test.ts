// Two notification services and two gateways on one etcd and one object storage, each killed while runs are told of: each event comes
// to each receiver, and what comes twice is the same.

import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { definition } from '../cli/command.ts'
import { startEtcd } from '../support/etcd.ts'
import { createPeople, type People } from './people.ts'
import { ProcessGroup } from './process-group.ts'
import { contentsByEvent, openWebhookReceiver, type Told } from './webhook-receiver.ts'

const projectRef = 'user/ann/web'
const params = { projectRef }
const waitMs = 120_000
const runsPerKill = 3
const events = ['run.queued', 'run.running', 'run.stopped']

test('every event comes to every receiver under one id, whichever process is killed while it is told', {
  timeout: 500_000,
}, async () => {
  await using prompt = await openWebhookReceiver()
  await using slow = await openWebhookReceiver()
  await using etcd = await startEtcd()
  const counts = { gateways: 2, configstores: 1, runservices: 1, notifications: 2, executors: 0 }
  await using group = await ProcessGroup.start(counts, etcd)
  const people = createPeople(group)
  await people.insist((client) => client.call('createProject', { body: { name: 'web', source: { kind: 'none' } } }))
  for (const [name, { url }] of Object.entries({ prompt, slow }))
    await people.insist((client) => client.call('createReceiver', { params, body: { name, kind: 'webhook', url } }))
  prompt.answer()
  const runIds: string[] = []
  for (const name of ['notification-1', 'gateway-1', 'notification-2', 'gateway-2']) {
    slow.hold()
    const heard = slow.told.length
    const begun = await Promise.all(Array.from({ length: runsPerKill }, () => startRun(people)))
    runIds.push(...begun)
    await expect.poll(() => slow.told.length, { timeout: waitMs }).toBeGreaterThan(heard)
    // They end while it dies, and one more begins.
    const [, late] = await Promise.all([
      group.kill(name),
      startRun(people),
      ...begun.map((runId) => stopRun(people, runId)),
    ])
    runIds.push(late)
    slow.answer()
    await group.start(name)
    await stopRun(people, late)
  }
  const total = runIds.length * events.length
  for (const { told } of [prompt, slow])
    await expect.poll(() => contentsByEvent(told).size, { timeout: waitMs }).toBe(total)
  await expect.poll(() => waiting(people), { timeout: waitMs }).toBe(0)
  for (const { told } of [prompt, slow]) expect(faultsOf(told, runIds)).toEqual([])
  const idsAndBodies = (told: readonly Told[]) => new Map(told.map(({ eventId, body }) => [eventId, body]))
  expect(idsAndBodies(slow.told)).toEqual(idsAndBodies(prompt.told))
})

async function startRun(people: People): Promise<string> {
  const idempotencyKey = randomUUID()
  const body = {
    commitSha: 'b'.repeat(40),
    definition: { fileName: 'config.json' as const, content: definition({ greet: { steps: [{ run: 'true' }] } }) },
  }
  const { runs } = await people.insist((client) => client.call('createProjectRuns', { params, body, idempotencyKey }))
  return runs[0]!.id
}

async function stopRun(people: People, runId: string): Promise<void> {
  const idempotencyKey = randomUUID()
  await people.insist((client) => client.call('stopRun', { params: { runId }, idempotencyKey }))
}

async function waiting(people: People): Promise<number> {
  const query = { state: 'waiting' as const, limit: 100 }
  return (await people.insist((client) => client.call('listNotifications', { params, query }))).items.length
}

/** What is wrong with what one receiver has heard of these runs. */
function faultsOf(told: readonly Told[], runIds: readonly string[]): readonly string[] {
  const faults: string[] = []
  const contents = contentsByEvent(told)
  for (const [eventId, seen] of contents) if (seen.size > 1) faults.push(`${eventId} came with different contents`)
  const heard = [...contents.values()].map(([first]) => JSON.parse(first!.slice(first!.indexOf('{'))) as Message)
  for (const runId of runIds) {
    const ofRun = heard.filter(({ run }) => run.id === runId).toSorted((a, b) => order(a) - order(b))
    const names = ofRun.map(({ event }) => event)
    if (JSON.stringify(names) !== JSON.stringify(events)) faults.push(`${runId}: ${names.join(' ')}`)
    const times = ofRun.map(({ time }) => Date.parse(time))
    if (times.some((time, index) => index > 0 && time < times[index - 1]!)) faults.push(`${runId}: times go back`)
  }
  return faults
}

type Message = { readonly event: string; readonly time: string; readonly run: { readonly id: string } }

const order = ({ event }: Message) => events.indexOf(event)
