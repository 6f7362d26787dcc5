import { expect, test } from 'vitest'
import type { Clock } from '../../../lib/clock.ts'
import type { PodId } from '../../driver.ts'
import { type SparePod, SparePods } from './spare-pods.ts'

/** Only ids matter here. */
const aPod = (id: PodId) => ({ id }) as SparePod

function aKeeper({
  clock = new SteppedClock(),
  make = async (id: PodId, _signal: AbortSignal) => aPod(id),
  isGood = (): boolean => true,
  tasksMax = Number.POSITIVE_INFINITY,
} = {}) {
  const made: PodId[] = []
  const removed: PodId[] = []
  const spares = new SparePods({
    make: (id, signal) => {
      made.push(id)
      return make(id, signal)
    },
    isGood,
    remove: async (id) => void removed.push(id),
    clock,
    keptMs: 1000,
    tasksMax,
  })
  return { spares, clock, made, removed }
}

/** Sleeps until the test says that the time has come. */
class SteppedClock implements Clock {
  readonly #sleepers = new Set<{ readonly ms: number; readonly wake: () => void }>()

  now = () => 0
  timeout = () => new AbortController().signal

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { ms, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  async pass(ms: number): Promise<void> {
    for (const sleeper of this.#sleepers) {
      if (sleeper.ms > ms) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
    await settled()
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('there is none before one was asked for', async () => {
  const { spares, made } = aKeeper()
  expect(await spares.take()).toBeUndefined()
  expect(made).toEqual([])
})

test('none is made for more tasks than there will be', async () => {
  const { spares, clock, made } = aKeeper({ tasksMax: 3 })
  await spares.prepare()
  for (const _ of [1, 2, 3]) {
    expect(await spares.take()).toBeDefined()
    spares.prepareSoon()
    await clock.pass(1)
  }
  expect(made).toHaveLength(3)
})

test('one is made, however often it is asked for, and taken once', async () => {
  const { spares, clock, made } = aKeeper()
  await Promise.all([spares.prepare(), spares.prepare()])
  spares.prepareSoon()
  await clock.pass(1)
  expect(made).toHaveLength(1)
  expect(await spares.take()).toEqual({ id: made[0] })
  expect(await spares.take()).toBeUndefined()
})

test('the next one is made a moment later, and who takes it meanwhile waits for it', async () => {
  const finish = Promise.withResolvers<void>()
  const { spares, clock, made } = aKeeper({ make: (id) => finish.promise.then(() => aPod(id)) })
  spares.prepareSoon()
  expect(made).toEqual([])
  await clock.pass(1)
  const taken = spares.take()
  finish.resolve()
  expect(await taken).toEqual({ id: made[0] })
})

test('two are kept ahead once a second task has come, and one after nobody came for their time', async () => {
  const { spares, clock, made, removed } = aKeeper()
  const aTask = async () => {
    const taken = await spares.take()
    spares.prepareSoon()
    await clock.pass(1)
    return taken
  }
  await spares.prepare()
  expect(await aTask()).toEqual({ id: made[0] })
  expect(made).toHaveLength(2)
  expect(await aTask()).toEqual({ id: made[1] })
  expect(made).toHaveLength(4)
  expect(await aTask()).toEqual({ id: made[2] })
  expect(made).toHaveLength(5)
  await clock.pass(1000)
  expect(removed).toEqual([made[3], made[4]])
  expect(await aTask()).toBeUndefined()
  expect(made).toHaveLength(6)
})

test('of two of which the older is no longer good the other one is given', async () => {
  let bad = ''
  const { spares, clock, made, removed } = aKeeper({ isGood: ((pod: SparePod) => pod.id !== bad) as () => boolean })
  await spares.take()
  await spares.take()
  spares.prepareSoon()
  await clock.pass(1)
  bad = made[0]!
  expect(await spares.take()).toEqual({ id: made[1] })
  await settled()
  expect(removed).toEqual([bad])
})

test('it is ours until a task has got it', async () => {
  const { spares, made } = aKeeper()
  await spares.prepare()
  await spares.take()
  expect(spares.has(made[0]!)).toBe(true)
  spares.given(made[0]!)
  expect(spares.has(made[0]!)).toBe(false)
})

test('one that is no longer good is removed and not given away', async () => {
  const { spares, made, removed } = aKeeper({ isGood: () => false })
  await spares.prepare()
  expect(await spares.take()).toBeUndefined()
  await settled()
  expect(removed).toEqual(made)
  expect(spares.has(made[0]!)).toBe(false)
})

test('one that no task wanted for its time is removed, and not before', async () => {
  const { spares, clock, made, removed } = aKeeper()
  await spares.prepare()
  await clock.pass(999)
  expect(removed).toEqual([])
  await clock.pass(1000)
  expect(removed).toEqual(made)
  expect(await spares.take()).toBeUndefined()
})

test('one that was taken is not removed when its time is over', async () => {
  const { spares, clock, removed } = aKeeper()
  await spares.prepare()
  await spares.take()
  await clock.pass(1000)
  expect(removed).toEqual([])
})

test('what cannot be made fails who asks for it, is removed, and is tried again', async () => {
  let failures = 1
  const { spares, made, removed } = aKeeper({
    make: async (id) => {
      if (failures-- > 0) throw new Error('no sandbox')
      return aPod(id)
    },
  })
  await expect(spares.prepare()).rejects.toThrow('no sandbox')
  expect(await spares.take()).toBeUndefined()
  await settled()
  expect(removed).toEqual(made)
  await spares.prepare()
  expect(await spares.take()).toEqual({ id: made[1] })
})

test.each(['ready', 'being made'])('disposing removes one that is %s, and none is made after', async (state) => {
  const finish = Promise.withResolvers<void>()
  const { spares, clock, made, removed } = aKeeper({ make: (id) => finish.promise.then(() => aPod(id)) })
  const preparing = spares.prepare()
  if (state === 'ready') {
    finish.resolve()
    await preparing
  }
  const disposed = spares[Symbol.asyncDispose]()
  finish.resolve()
  await disposed
  expect(removed).toEqual(made)
  spares.prepareSoon()
  await clock.pass(1)
  await spares.prepare()
  expect(made).toHaveLength(1)
})

test('disposing does not wait until one is made', async () => {
  const { spares, made, removed } = aKeeper({
    make: (_, signal) =>
      new Promise<SparePod>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  const preparing = spares.prepare()
  preparing.catch(() => {})
  await spares[Symbol.asyncDispose]()
  await expect(preparing).rejects.toThrow()
  expect(removed).toEqual(made)
})
