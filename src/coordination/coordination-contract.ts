// What every coordination must do, whatever it is made of; each backend runs it.

import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../lib/clock.ts'
import { until } from '../lib/until-fixture.ts'
import type { Coordination, CoordinationTiming } from './coordination.ts'

/** One meeting place; `join` gives the view of one more instance. */
export type OpenedMeeting = AsyncDisposable & { join(clock: Clock): Promise<Coordination> }

export type CoordinationContract = {
  readonly open: (timing: CoordinationTiming) => Promise<OpenedMeeting>
  /** False: everybody gets every lock. */
  readonly hasLocks: boolean
  /** False: an instance cannot stall and be seen by others. */
  readonly expires: boolean
  /** Default 600 ms. */
  readonly expireMs?: number
}

/** The clock of an instance that stands still: it never renews anything. */
const stalledClock: Clock = {
  ...systemClock,
  sleep: (_ms, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
}

const idsOf = async (coordination: Coordination) => (await coordination.present()).map(({ instanceId }) => instanceId)

export function coordinationContract(name: string, contract: CoordinationContract): void {
  const { open, hasLocks, expires, expireMs = 600 } = contract
  const timing: CoordinationTiming = { renewMs: expireMs / 6, expireMs }

  test(`${name}: instances see each other with their data until they leave`, async () => {
    await using meeting = await open(timing)
    await using first = await meeting.join(systemClock)
    expect(await first.present()).toEqual([])
    await first.announce('b', 'data of b')
    {
      await using second = await meeting.join(systemClock)
      await second.announce('a', 'data of a')
      await second.announce('a', 'new data of a')
      const seen = await first.present()
      expect(seen.map(({ instanceId, data }) => [instanceId, data])).toEqual([
        ['a', 'new data of a'],
        ['b', 'data of b'],
      ])
      for (const { seenAt } of seen) expect(Math.abs(seenAt - Date.now())).toBeLessThan(10_000)
      expect(await idsOf(second)).toEqual(['a', 'b'])
    }
    expect(await idsOf(first)).toEqual(['b'])
  })

  test(`${name}: names that could be other keys are refused`, async () => {
    await using meeting = await open(timing)
    await using coordination = await meeting.join(systemClock)
    for (const wrong of ['', '.', '..', 'a/b', 'a b', 'x'.repeat(201)]) {
      await expect(coordination.announce(wrong, '')).rejects.toMatchObject({ code: 'invariant' })
      await expect(coordination.tryLock(wrong)).rejects.toMatchObject({ code: 'invariant' })
    }
  })

  if (expires)
    test(`${name}: an instance that stands still is not present after a while, one that lives is`, async () => {
      await using meeting = await open(timing)
      await using living = await meeting.join(systemClock)
      await using stalled = await meeting.join(stalledClock)
      await living.announce('living', '')
      await stalled.announce('stalled', '')
      expect(await idsOf(living)).toEqual(['living', 'stalled'])
      await until(async () => !(await idsOf(living)).includes('stalled'))
      expect(await idsOf(living)).toEqual(['living'])
    })

  if (!hasLocks) {
    test(`${name}: everybody gets every lock`, async () => {
      await using meeting = await open(timing)
      await using first = await meeting.join(systemClock)
      await using second = await meeting.join(systemClock)
      await using lock = await first.tryLock('work')
      await using other = await second.tryLock('work')
      expect(lock?.lost.aborted).toBe(false)
      expect(other?.lost.aborted).toBe(false)
    })
    return
  }

  test(`${name}: a lock has one holder, and the next one when it is released`, async () => {
    await using meeting = await open(timing)
    await using first = await meeting.join(systemClock)
    await using second = await meeting.join(systemClock)
    const lock = await first.tryLock('work')
    expect(lock).toBeDefined()
    expect(await second.tryLock('work')).toBeUndefined()
    expect(await first.tryLock('work')).toBeUndefined()
    await using other = await second.tryLock('other')
    expect(other).toBeDefined()
    await lock![Symbol.asyncDispose]()
    const next = await second.tryLock('work')
    expect(next).toBeDefined()
    await lock![Symbol.asyncDispose]() // again releases nothing
    expect(await first.tryLock('work')).toBeUndefined()
    await next![Symbol.asyncDispose]()
  })

  test(`${name}: of many who want a lock at once one gets it`, async () => {
    await using meeting = await open(timing)
    await using first = await meeting.join(systemClock)
    await using second = await meeting.join(systemClock)
    const locks = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 ? first : second).tryLock('work')))
    expect(locks.filter((lock) => lock !== undefined)).toHaveLength(1)
  })

  test(`${name}: who leaves releases its locks`, async () => {
    await using meeting = await open(timing)
    await using first = await meeting.join(systemClock)
    {
      await using second = await meeting.join(systemClock)
      expect(await second.tryLock('work')).toBeDefined()
    }
    expect(await first.tryLock('work')).toBeDefined()
  })

  if (expires)
    test(`${name}: the lock of one that stands still goes to another, that of one that lives stays`, async () => {
      await using meeting = await open(timing)
      await using living = await meeting.join(systemClock)
      await using stalled = await meeting.join(stalledClock)
      await using kept = await living.tryLock('kept')
      await using left = await stalled.tryLock('left')
      expect(left).toBeDefined()
      let taken: Awaited<ReturnType<Coordination['tryLock']>>
      await until(async () => {
        taken = await living.tryLock('left')
        return taken !== undefined
      })
      expect(await stalled.tryLock('kept')).toBeUndefined()
      expect(kept?.lost.aborted).toBe(false)
    })
}
