// Who goes first: webhooks that are being taken, or runs that are made of those before.

import { setImmediate as nextRound } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { until } from '../../lib/until-fixture.ts'
import { AcceptFirst } from './accept-first.ts'

/** Its time passes when the test says so. */
function aClock() {
  const waiting: { readonly ms: number; readonly pass: () => void }[] = []
  const clock: Pick<Clock, 'sleep'> = {
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        waiting.push({ ms, pass: resolve })
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  }
  return { clock: clock as Clock, waiting }
}

test('while nothing is taken all who ask get their turn together, in the order they asked', async () => {
  const first = new AcceptFirst({ clock: aClock().clock })
  const told: string[] = []
  const all = ['a', 'b', 'c'].map((name) => first.turn().then(() => void told.push(name)))
  await nextRound()
  await Promise.all(all)
  expect(told).toEqual(['a', 'b', 'c'])
})

test('nobody gets a turn while a webhook is being taken, all do after the last', async () => {
  const { clock } = aClock()
  const first = new AcceptFirst({ clock })
  const one = first.take()
  const other = first.take()
  let turns = 0
  const waiting = [first.turn(), first.turn()].map((turn) => turn.then(() => turns++))
  one[Symbol.dispose]()
  one[Symbol.dispose]()
  await nextRound()
  expect(turns).toBe(0)
  other[Symbol.dispose]()
  await Promise.all(waiting)
  expect(turns).toBe(2)
})

test('a webhook that has come when somebody asks is taken before', async () => {
  const { clock, waiting } = aClock()
  const first = new AcceptFirst({ clock })
  await first.turn()
  let isTurn = false
  const turn = first.turn().then(() => {
    isTurn = true
  })
  const taking = first.take()
  await until(() => waiting.length === 1)
  expect(isTurn).toBe(false)
  taking[Symbol.dispose]()
  await turn
})

test('where webhooks never end a turn is given after two seconds all the same', async () => {
  const { clock, waiting } = aClock()
  const first = new AcceptFirst({ clock })
  using _ = first.take()
  const turn = first.turn()
  await until(() => waiting.length === 1)
  expect(waiting.map(({ ms }) => ms)).toEqual([2_000])
  waiting[0]!.pass()
  await turn
})
