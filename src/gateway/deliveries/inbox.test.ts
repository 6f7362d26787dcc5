// What is kept of deliveries, for how long, and who gets which when.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HandClock } from '../../configstore/configstore-fixture.ts'
import type { Database } from '../../datamanager/database.ts'
import { openDatabase } from '../../datamanager/open-database.ts'
import type { RepositoryEvent } from '../../gitsource/repository-event.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import { type GatewaySchema, gatewayRowTypes } from '../rows.ts'
import { add, endDeliveryLeases, Inbox } from './inbox.ts'

const leaseMs = 15_000
const done = { kind: 'created', message: 'done' } as const
let dir: string
let database: Database<GatewaySchema> & AsyncDisposable
let clock: HandClock
let inbox: Inbox

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'slipway-inbox-'))
  clock = new HandClock()
  database = await openDatabase<GatewaySchema>({ path: join(dir, 'gateway.db'), types: gatewayRowTypes, clock })
  inbox = new Inbox({ database, clock })
})
afterEach(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

const push = (branch: string): RepositoryEvent => ({
  kind: 'branch',
  branch,
  ref: `refs/heads/${branch}`,
  commitSha: 'a'.repeat(40),
  sender: '',
  links: {},
})
const delivery = (branch: string, projectId = 'p') =>
  ({ projectId, source: 'github', event: 'push', work: { kind: 'event', event: push(branch) } }) as const
const accept = async (branch: string, projectId?: string) => (await inbox.accept(delivery(branch, projectId))).id
const claim = async (holder: string, most = 10) => (await inbox.claim(holder, { most, leaseMs })).map(({ id }) => id)
const listed = (projectId = 'p') => inbox.list(projectId, { limit: 100 }).items

test('those of one ref are given out one after the other, others beside them', async () => {
  const [first, second, other] = [await accept('main'), await accept('main'), await accept('topic')]
  expect(await claim('x')).toEqual([first, other])
  expect(await claim('y')).toEqual([])
  await inbox.finish(first, 'x', done)
  expect(await claim('y')).toEqual([second])
})

test('each outcome is counted once, by whoever notes it; what waits is told with the oldest', async () => {
  const outcomes: string[] = []
  const counting = new Inbox({ database, clock, onOutcome: (kind) => void outcomes.push(kind) })
  const since = clock.now()
  const { id } = await counting.accept(delivery('main'))
  await accept('topic')
  expect(counting.waiting()).toEqual({ count: 2, oldestAt: since })
  await claim('x')
  await counting.finish(id, 'y', done)
  expect(outcomes).toEqual([])
  await counting.finish(id, 'x', done)
  await counting.finish(id, 'x', done)
  expect(counting.waiting().count).toBe(1)
  await counting.refuse('p', 'github', 'push', 'wrong')
  const ignored = {
    projectId: 'p',
    source: 'github',
    event: 'ping',
    outcome: { kind: 'ignored', message: 'ping' },
  } as const
  await counting.accept(ignored, { transactionId: 't' })
  await counting.accept(ignored, { transactionId: 't' })
  expect(outcomes).toEqual(['created', 'refused', 'ignored'])
})

test('one that is tried again later holds back those after it', async () => {
  const [first, second] = [await accept('main'), await accept('main')]
  await claim('x')
  await inbox.giveBack(first, 'x', { error: 'down', retryMs: 1_000 })
  expect(await claim('x')).toEqual([])
  clock.pass(1_000)
  expect(await claim('x')).toEqual([first])
  await inbox.finish(first, 'x', done)
  expect(await claim('x')).toEqual([second])
})

test('who holds one too long has it no more, and what it says then does not count', async () => {
  const id = await accept('main')
  await claim('x')
  clock.pass(leaseMs - 1)
  expect(await inbox.renew(id, 'x', leaseMs)).toBe(true)
  clock.pass(leaseMs - 1)
  expect(await claim('y')).toEqual([])
  clock.pass(1)
  expect(await claim('y')).toEqual([id])
  expect(await inbox.renew(id, 'x', leaseMs)).toBe(false)
  await inbox.finish(id, 'x', { kind: 'failed', message: 'late' })
  await inbox.finish(id, 'y', done)
  expect(listed()[0]!.body).toMatchObject({ outcome: done })
})

test('what a process held that was the only one is taken at once when it starts anew', async () => {
  const id = await accept('main')
  await claim('killed')
  await endDeliveryLeases(database, clock.now())
  expect(await claim('next')).toEqual([id])
  await inbox.finish(id, 'killed', { kind: 'failed', message: 'late' })
  expect(listed()[0]!.body.outcome).toBeUndefined()
})

test('many that wait for one hold back nobody else', async () => {
  for (let i = 0; i < 250; i++) await accept('busy')
  const other = await accept('other')
  await claim('x', 1)
  let claimed: readonly string[] = []
  for (let i = 0; i < 4 && claimed.length === 0; i++) claimed = await claim('y', 1)
  expect(claimed).toEqual([other])
})

test('those that ask one server have their places, and leave the others to the rest', async () => {
  for (let i = 0; i < 250; i++) await inbox.accept({ ...delivery(`b${i}`, `p${i}`), lane: 'source/hanging' })
  const hanging = await claim('x', 32)
  expect(hanging).toHaveLength(8)
  // Nothing is due for who has no place for what is.
  expect(inbox.nextDueAt('x')).toBe(Number.POSITIVE_INFINITY)
  expect(inbox.nextDueAt('y')).toBe(clock.now())
  const { id } = await inbox.accept({ ...delivery('main', 'elsewhere'), lane: 'source/other' })
  expect(await claim('x', 24)).toEqual([id])
  await inbox.finish(hanging[0]!, 'x', done)
  expect(await claim('x', 23)).toHaveLength(1)
})

test('however many lanes wait, each has its turn', async () => {
  const lanes = Array.from({ length: 1100 }, (_, i) => `host/${String(i).padStart(4, '0')}`)
  for (const lane of lanes) await inbox.accept({ ...delivery('main', lane), lane })
  const looks: string[][] = []
  for (let look = 0; look < 3; look++) {
    expect(inbox.nextDueAt('x')).toBe(clock.now())
    looks.push((await inbox.claim('x', { most: 1100, leaseMs })).map(({ body }) => body.lane!))
  }
  expect(looks.map(({ length }) => length)).toEqual([500, 500, 100])
  expect(looks.flat().sort()).toEqual(lanes)
  // There may be more in lanes that were not looked at.
  expect(inbox.nextDueAt('x')).toBe(clock.now() + 1000)
})

test('lanes have places in turn', async () => {
  for (const lane of ['source/a', 'source/b'])
    for (let i = 0; i < 4; i++) await inbox.accept({ ...delivery(`b${i}`, lane), lane })
  const claimed = await inbox.claim('x', { most: 4, leaseMs })
  expect(claimed.map(({ body }) => body.lane)).toEqual(['source/a', 'source/b', 'source/a', 'source/b'])
})

test('with too many waiting a project gets no more, others do', async () => {
  const now = clock.now()
  const most = limits.deliveriesQueued.value
  for (let made = 0; made < most; made += 2_000)
    await database.do((tx) => {
      for (let i = 0; i < 2_000; i++)
        tx.put('delivery', `${made + i}`, { ...row('main'), queued: { dueAt: now, attempts: 0 } })
    })
  await expect(accept('main')).rejects.toMatchObject({ code: 'rate_limited' })
  await accept('main', 'other')
})

const row = (branch: string) => {
  const { work, ...rest } = delivery(branch)
  return { ...rest, work, ref: work.event.ref, sender: '', receivedAt: clock.now(), repeats: 0 }
}

test('with too many of a project the oldest are forgotten, but none that waits', async () => {
  const waiting = await accept('main')
  const most = limits.deliveriesPerProject.value
  await database.do((tx) => {
    for (let i = 0; i < most; i++)
      add(tx, newUuid(clock.now() + i), { ...delivery('main'), outcome: done }, clock.now() + i)
  })
  const count = () => database.view((tx) => tx.count('delivery', { index: 'byProject', prefix: ['p'] }))
  clock.pass(10_000)
  await accept('topic')
  expect(count()).toBeLessThan(most + 2)
  expect(database.view((tx) => tx.get('delivery', waiting))).toBeDefined()
})

test('what is older than deliveries are kept goes with the next one', async () => {
  const id = await accept('main')
  await claim('x')
  await inbox.finish(id, 'x', done)
  clock.pass(limits.deliveryRetentionMs.value)
  await accept('topic')
  expect(listed()).toHaveLength(2)
  clock.pass(1)
  await accept('topic')
  expect(listed().map(({ id }) => id)).not.toContain(id)
})

test('of refused ones there is one row, written now and then', async () => {
  for (let i = 0; i < 5; i++) await inbox.refuse('p', 'github', 'push', 'wrong')
  clock.pass(10_000)
  await inbox.refuse('p', 'github', 'push', 'wrong again')
  expect(listed().map(({ body }) => [body.repeats, body.outcome?.message])).toEqual([[1, 'wrong again']])
})

test('looks that nobody has begun are one', async () => {
  const look = () => inbox.accept({ projectId: 'p', source: 'hook', event: 'hook', work: { kind: 'look' } })
  const first = await look()
  expect(await look()).toEqual({ id: first.id, isRepeated: true })
  await claim('x')
  // It may have asked the repository before this push.
  expect((await look()).isRepeated).toBe(false)
})
