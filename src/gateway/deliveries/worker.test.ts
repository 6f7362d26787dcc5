// How deliveries are taken: bounded, again after trouble, and not in a rush while they cannot be.

import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import type { DeliveryOutcome } from './delivery.ts'
import type { DeliveryRow, Inbox } from './inbox.ts'
import { workOnDeliveries } from './worker.ts'

const done: DeliveryOutcome = { kind: 'created', message: 'done' }
const row = (id: string, attempts = 1) =>
  ({ id, body: { queued: { attempts, dueAt: 0 } }, changedAt: 1 }) as unknown as DeliveryRow

/** An inbox that gives out what it is told and notes what becomes of it. */
function anInbox(claim: (most: number) => readonly DeliveryRow[]) {
  const told: string[] = []
  let claims = 0
  let wake = Promise.withResolvers<void>()
  const inbox: Partial<Inbox> = {
    claim: async (_, { most }) => {
      claims++
      return claim(most)
    },
    renew: async () => true,
    finish: async (id, _, outcome) => void told.push(`${id} ${outcome.kind}: ${outcome.message}`),
    giveBack: async (id, _, { error, retryMs }) => void told.push(`${id} again after ${retryMs}: ${error}`),
    nextDueAt: () => 0,
    wake: () => {
      wake.resolve()
      wake = Promise.withResolvers()
    },
  }
  Object.defineProperty(inbox, 'woken', { get: () => wake.promise })
  return { inbox: inbox as Inbox, told, claims: () => claims }
}

async function work(inbox: Inbox, perform: Parameters<typeof workOnDeliveries>[0]['perform'], ms = 60): Promise<void> {
  const stop = new AbortController()
  const working = workOnDeliveries(
    { inbox, perform, turn: async () => {}, clock: systemClock, logger: silentLogger },
    stop.signal,
  )
  await systemClock.sleep(ms)
  stop.abort()
  await working
}

test('so many at once and no more, and nobody asks for more while they are worked on', async () => {
  let next = 0
  const { inbox, claims } = anInbox((most) => Array.from({ length: most }, () => row(`d${next++}`)))
  await work(inbox, async (_delivery, _options, signal) => {
    await systemClock.sleep(10_000, signal)
    return done
  })
  expect(next).toBe(32)
  expect(claims()).toBe(1)
})

test('while the database takes nothing it is not asked in a rush', async () => {
  const { inbox, claims } = anInbox(() => {
    throw new SlipwayError('maintenance', 'in maintenance')
  })
  await work(inbox, async () => done)
  expect(claims()).toBe(1)
})

test.each([
  ['git_failed', 1, 'd again after 1000: no'],
  ['git_failed', 10, 'd failed: no'],
  ['run_invalid', 1, 'd failed: no'],
  ['service_unavailable', 40, 'd again after 300000: no'],
] as const)('%s at attempt %i: %s', async (code, attempts, expected) => {
  const rows = [row('d', attempts)]
  const { inbox, told } = anInbox(() => rows.splice(0))
  await work(inbox, () => Promise.reject(new SlipwayError(code, 'no')), 20)
  expect(told).toEqual([expected])
})

test('trouble of our own is not told to strangers', async () => {
  const rows = [row('d', 10)]
  const { inbox, told } = anInbox(() => rows.splice(0))
  await work(inbox, () => Promise.reject(new Error('secret stack')), 20)
  expect(told).toEqual(['d failed: internal error; the log of the server has more'])
})
