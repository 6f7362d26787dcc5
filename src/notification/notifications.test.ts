// The queue of what is to be told: who gets what, in which order, and what becomes of too much of it.

import { expect, test } from 'vitest'
import { HandClock } from '../configstore/configstore-fixture.ts'
import type { Database } from '../datamanager/database.ts'
import { limits } from '../lib/limits.ts'
import { newUuid } from '../lib/uuid.ts'
import { aDatabase } from './notification-fixture.ts'
import { addNotification, dropWaiting, type NewNotification, Notifications, newIds } from './notifications.ts'
import type { NotificationSchema } from './row-types.ts'

const webhook = (receiverId: string, more: Partial<NewNotification> = {}): NewNotification => ({
  projectId: 'p1',
  kind: 'webhook',
  event: 'run.queued',
  receiverId,
  messageId: 'm1',
  lane: `receiver/${receiverId}`,
  sequence: 1,
  ...more,
})
const status = (sequence: number, contextId = 'c1'): NewNotification => ({
  projectId: 'p1',
  kind: 'status',
  event: 'status.queued',
  contextId,
  lane: 'source/s1',
  sequence,
})

async function aQueue() {
  const owned = new AsyncDisposableStack()
  const clock = new HandClock()
  const database = owned.use(await aDatabase(owned, clock))
  const notifications = new Notifications({ database, clock })
  const add = async (...inputs: readonly NewNotification[]) => {
    const ids = newIds(clock.now(), inputs.length)
    await database.do((tx) => {
      for (const [index, input] of inputs.entries()) addNotification(tx, ids[index]!, input, clock.now())
    })
    return ids
  }
  const take = (holder = 'h', most = 100) => notifications.claim(holder, { most, leaseMs: 1000 })
  return { owned, clock, database, notifications, add, take }
}

const stateOf = (database: Database<NotificationSchema>, id: string) =>
  database.view((tx) => tx.get('notification', id)?.outcome?.state ?? 'waiting')

test('each is given out once, again when its lease has ended, and then it is the old holder no more', async () => {
  const { owned, clock, notifications, add, take } = await aQueue()
  await using _ = owned
  const [id = ''] = await add(webhook('r1'))
  expect((await take('one')).map((row) => row.id)).toEqual([id])
  expect(await take('two')).toEqual([])
  expect(await notifications.renew(id, 'one', 1000)).toBe(true)
  clock.pass(1001)
  expect((await take('two')).map((row) => row.id)).toEqual([id])
  expect(await notifications.renew(id, 'one', 1000)).toBe(false)
  await notifications.finish(id, 'one', { kind: 'sent', message: 'late' }, 0)
  expect(notifications.get('p1', id).state).toBe('waiting')
  await notifications.finish(id, 'two', { kind: 'sent', message: 'ok' }, 0)
  expect(notifications.get('p1', id)).toMatchObject({ state: 'sent', message: 'ok', attemptCount: 1 })
})

test('of each lane a few are out at a time, of all instances together, and every lane has its turn', async () => {
  const { owned, clock, add, take, notifications } = await aQueue()
  await using _ = owned
  await add(...Array.from({ length: 10 }, () => webhook('busy')), webhook('other'), webhook('third'))
  const lanes = async (holder: string, most: number) => (await take(holder, most)).map(({ body }) => body.receiverId)
  expect(await lanes('one', 3)).toEqual(['busy', 'other', 'third'])
  expect(await lanes('two', 100)).toEqual(['busy', 'busy', 'busy'])
  expect(await lanes('one', 100)).toEqual([])
  // What is due in a lane without room is nothing to look for.
  expect(notifications.nextDueAt()).toBeGreaterThan(clock.now())
  const { items } = notifications.list({ projectId: 'p1', receiverId: 'other' })
  await notifications.finish(items[0]!.id, 'one', { kind: 'sent', message: '' }, 0)
  expect(await lanes('one', 100)).toEqual([])
})

test('what a killed instance held takes no place of its lane when the leases have ended', async () => {
  const { owned, clock, add, take } = await aQueue()
  await using _ = owned
  const ids = await add(...Array.from({ length: 6 }, () => webhook('r1')))
  expect(await take('killed')).toHaveLength(4)
  clock.pass(1001)
  const again = (await take('one')).map(({ id }) => id)
  expect(again).toHaveLength(4)
  clock.pass(500)
  expect(await take('two')).toEqual([])
  expect(ids).toEqual(expect.arrayContaining(again))
})

test('of one context the newest replaces what was not begun, and waits for what was', async () => {
  const { owned, clock, database, notifications, add, take } = await aQueue()
  await using _ = owned
  const [first = '', other = ''] = await add(status(1), status(1, 'c2'))
  expect((await take()).map(({ id }) => id).toSorted()).toEqual([first, other].toSorted())
  const [second = ''] = await add(status(2))
  const [third = ''] = await add(status(3))
  expect(stateOf(database, second)).toBe('superseded')
  clock.pass(500)
  expect(await take()).toEqual([])
  await notifications.finish(first, 'h', { kind: 'sent', message: '' }, 0)
  expect((await take()).map(({ id }) => id)).toEqual([third])
})

test('what failed is not tried again when something newer waits', async () => {
  const { owned, database, notifications, add, take } = await aQueue()
  await using _ = owned
  const [first = ''] = await add(status(1))
  await take()
  const [second = ''] = await add(status(2))
  await notifications.finish(first, 'h', { kind: 'failed', message: 'no answer' }, 0)
  expect(stateOf(database, first)).toBe('superseded')
  expect((await take()).map(({ id }) => id)).toEqual([second])
})

test('with too many waiting for a receiver further ones are dropped, and what waits goes with it', async () => {
  const { owned, clock, database, add, take } = await aQueue()
  await using _ = owned
  const most = limits.notificationsWaiting.value
  const ids = await add(...Array.from({ length: most + 2 }, () => webhook('r1')))
  expect(ids.slice(-3).map((id) => stateOf(database, id))).toEqual(['waiting', 'dropped', 'dropped'])
  const [held] = await take('h', 1)
  await database.do((tx) => dropWaiting(tx, 'r1', { message: 'its receiver was removed', now: clock.now() }))
  expect(ids.filter((id) => stateOf(database, id) === 'waiting')).toEqual([held!.id])
})

test('an hour that a provider asks to wait is waited, at most a day, and trouble of ours is no attempt', async () => {
  const { owned, clock, database, notifications, add, take } = await aQueue()
  await using _ = owned
  const [id = ''] = await add(status(1))
  const failing = async (result: { readonly retryAt?: number; readonly isOurs?: boolean }) => {
    await take()
    await notifications.finish(id, 'h', { kind: 'failed', message: 'later', ...result }, 0)
    const row = database.view((tx) => tx.get('notification', id)!)
    const wait = row.queued!.dueAt - clock.now()
    clock.pass(wait)
    return [wait, row.attemptCount]
  }
  expect(await failing({ retryAt: clock.now() + 3_600_000 })).toEqual([3_600_000, 1])
  expect(await failing({ retryAt: clock.now() + 1e12 })).toEqual([limits.notificationRetryMs.value, 2])
  expect(await failing({ isOurs: true })).toEqual([30_000, 2])
})

test('lists have pages and filters, and no cursor is made up', async () => {
  const { owned, clock, database, notifications, add, take } = await aQueue()
  await using _ = owned
  for (let index = 0; index < 5; index++) {
    await add(webhook(index % 2 === 0 ? 'even' : 'odd'))
    clock.pass(1)
  }
  const [one] = await take('h', 1)
  await notifications.finish(one!.id, 'h', { kind: 'sent', message: '' }, 0)
  const all = notifications.list({ projectId: 'p1' }).items
  expect(all.map(({ createdAt }) => createdAt)).toEqual(all.map(({ createdAt }) => createdAt).toSorted((a, b) => b - a))
  const paged: string[] = []
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const page = notifications.list({ projectId: 'p1', limit: 2, ...(cursor === undefined ? {} : { cursor }) })
    paged.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor
  }
  expect(paged).toEqual(all.map(({ id }) => id))
  expect(notifications.list({ projectId: 'p1', state: 'sent' }).items).toHaveLength(1)
  expect(notifications.list({ projectId: 'p1', receiverId: 'odd' }).items).toHaveLength(2)
  expect(notifications.list({ projectId: 'other', receiverId: 'odd' }).items).toEqual([])
  expect(() => notifications.list({ projectId: 'p1', cursor: 'x' })).toThrow('the cursor')
  expect(() => notifications.list({ projectId: 'p1', limit: 101 })).toThrow('a limit')
  expect(() => notifications.get('other', all[0]!.id)).toThrow('no notification')
  expect(database.position).toBeGreaterThan(0)
})

test('of more of a project than are kept the oldest go that wait no more', async () => {
  const { owned, clock, database, notifications } = await aQueue()
  await using _ = owned
  const most = limits.notificationsPerProject.value
  const base = { ...webhook('r1'), attemptCount: 1, attempts: [] }
  const outcome = { state: 'sent', message: '', at: clock.now() } as const
  await database.do((tx) => {
    tx.put('notification', newUuid(1), { ...base, createdAt: clock.now() - 2, queued: { dueAt: clock.now() } })
    for (let index = 0; index < most + 3; index++)
      tx.put('notification', newUuid(clock.now()), { ...base, createdAt: clock.now() - 1, outcome })
  })
  await notifications.clean()
  expect(database.view((tx) => tx.count('notification'))).toBe(most + 1)
  expect(notifications.list({ projectId: 'p1', state: 'waiting' }).items).toHaveLength(1)
})

test('how branches ended that had no run for long is forgotten', async () => {
  const { owned, clock, database, notifications } = await aQueue()
  await using _ = owned
  const row = { projectId: 'p1', state: 'failed', runSequence: 1 } as const
  const old = clock.now() - limits.branchStateMs.value
  await database.do((tx) => {
    tx.put('branchstate', 'old', { ...row, updatedAt: old - 1 })
    tx.put('branchstate', 'new', { ...row, updatedAt: old })
  })
  await notifications.clean()
  expect(database.view((tx) => tx.list('branchstate').map(({ id }) => id))).toEqual(['new'])
})
