import { expect, onTestFinished, test } from 'vitest'
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import { startCleaning } from './cleaning-rounds.ts'

/** Time that passes when told; who sleeps until then is woken. */
function handClock(): Clock & { pass(ms: number): Promise<void>; readonly sleeping: readonly number[] } {
  const sleepers: { readonly ms: number; readonly wake: () => void }[] = []
  return {
    now: () => 0,
    timeout: () => new AbortController().signal,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { ms, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.splice(sleepers.indexOf(sleeper), 1)
          reject(signal.reason)
        })
      }),
    get sleeping() {
      return sleepers.map(({ ms }) => ms)
    },
    pass: async (ms) => {
      for (const due of sleepers.filter((sleeper) => sleeper.ms === ms)) {
        sleepers.splice(sleepers.indexOf(due), 1)
        due.wake()
      }
      await turns()
    },
  }
}

const turns = () => new Promise((resolve) => setImmediate(resolve))

test('a round begins at once, and again so long after each end', async () => {
  const clock = handClock()
  const rounds: PromiseWithResolvers<void>[] = []
  const cleaning = startCleaning(
    () => {
      rounds.push(Promise.withResolvers())
      return rounds.at(-1)!.promise
    },
    { clock, logger: silentLogger },
  )
  onTestFinished(() => cleaning[Symbol.asyncDispose]())
  await turns()
  expect(rounds).toHaveLength(1)
  expect(clock.sleeping).toEqual([])
  rounds[0]!.resolve()
  await turns()
  expect(clock.sleeping).toEqual([limits.cleaningMs.value])
  await clock.pass(limits.cleaningMs.value)
  expect(rounds).toHaveLength(2)
  rounds[1]!.resolve()
})

test('one that fails is told of, and the next one comes all the same', async () => {
  const clock = handClock()
  const told: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (message, fields) => told.push([message, fields]) }
  const error = new Error('disk')
  let rounds = 0
  await using _cleaning = startCleaning(
    async () => {
      rounds++
      throw error
    },
    { clock, logger },
  )
  await turns()
  expect(told).toEqual([['what is old could not be removed', { error }]])
  await clock.pass(limits.cleaningMs.value)
  expect(rounds).toBe(2)
})

test('at the end the round that is under way may end, and no other begins', async () => {
  const clock = handClock()
  const round = Promise.withResolvers<void>()
  let seen: AbortSignal | undefined
  const cleaning = startCleaning(
    (signal) => {
      seen = signal
      return round.promise
    },
    { clock, logger: silentLogger },
  )
  await turns()
  const closed = cleaning[Symbol.asyncDispose]()
  await turns()
  expect(clock.sleeping).toEqual([limits.cleaningEndMs.value])
  round.resolve()
  await closed
  expect(seen?.aborted).toBe(false)
  expect(clock.sleeping).toEqual([])
})

test('at the end a round is broken off when it does not end soon, and that is no failure', async () => {
  const clock = handClock()
  const told: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => told.push(message) }
  const cleaning = startCleaning(
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    { clock, logger },
  )
  await turns()
  const closed = cleaning[Symbol.asyncDispose]()
  await turns()
  await clock.pass(limits.cleaningEndMs.value)
  await closed
  expect(told).toEqual([])
})
