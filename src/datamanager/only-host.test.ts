import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { becomeOnlyHost, type OnlyHostParts } from './only-host.ts'

const timing = { renewMs: 100, expireMs: 1500 }

async function aStorage() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-only-host-'))
  const storage = await openPosixObjectStorage({ root: join(folder, 'objects') })
  onTestFinished(async () => {
    await storage[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  return (name: string, more: Partial<OnlyHostParts> = {}) =>
    becomeOnlyHost({
      storage,
      base: 'database',
      directory: join(folder, name),
      clock: systemClock,
      hostName: name,
      timing,
      ...more,
    })
}

test('a second machine on the same storage is refused, by the name of the first', async () => {
  const become = await aStorage()
  await using _first = await become('first')
  await expect(become('second')).rejects.toMatchObject({
    code: 'database_locked',
    message: expect.stringContaining('(first)'),
  })
})

test('one that only looks is refused as well, and keeps nobody out', async () => {
  const become = await aStorage()
  await using _looking = await become('tool', { isHidden: true })
  await using _first = await become('first')
  await expect(become('tool', { isHidden: true })).rejects.toMatchObject({ code: 'database_locked' })
})

test('the same directory goes on at once, also when it was killed', async () => {
  const become = await aStorage()
  const killed = await become('first')
  await using _again = await become('first', { timing: { renewMs: 60_000, expireMs: 600_000 } })
  await killed[Symbol.asyncDispose]()
})

test('one that ended leaves the storage to the next; of two that begin at once at most one has it', async () => {
  const become = await aStorage()
  const first = await become('first')
  await first[Symbol.asyncDispose]()
  const ended = await Promise.allSettled([become('second'), become('third')])
  const winners = ended.filter(({ status }) => status === 'fulfilled')
  expect(winners.length).toBeLessThanOrEqual(1)
  for (const winner of winners) if (winner.status === 'fulfilled') await winner.value[Symbol.asyncDispose]()
})

test('a machine that is lost is replaced when it has been silent for long enough', async () => {
  const become = await aStorage()
  // What it said stays, and nobody says it again.
  await using _lost = await become('lost', { timing: { renewMs: 3_600_000, expireMs: 7_200_000 } })
  await using _next = await become('next')
})
