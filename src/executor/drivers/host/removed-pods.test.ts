import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { until } from '../../../lib/until-fixture.ts'
import { RemovedPods } from './removed-pods.ts'

const dirs: string[] = []
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
})

function aRemovedPod(): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-removed-'))
  dirs.push(dir)
  const path = join(dir, 'pod')
  mkdirSync(join(path, 'home/project'), { recursive: true })
  return path
}

/** Time passes at once, and how often somebody waited is counted. */
function aHurriedClock(): Clock & { readonly sleeps: () => number } {
  let sleeps = 0
  return {
    now: () => 0,
    timeout: () => new AbortController().signal,
    sleep: async (_ms, signal) => {
      signal?.throwIfAborted()
      sleeps++
    },
    sleeps: () => sleeps,
  }
}

const logger = silentLogger

test('a removed pod is deleted when no pod is there', async () => {
  let isBusy = true
  const path = aRemovedPod()
  await using removed = new RemovedPods({ isBusy: () => isBusy, clock: systemClock, logger })
  removed.delete(path)
  expect(existsSync(path)).toBe(true)
  isBusy = false
  await until(() => !existsSync(path))
})

test('one that waited for long is deleted while a pod is there', async () => {
  const paths = [aRemovedPod(), aRemovedPod()]
  const clock = aHurriedClock()
  await using removed = new RemovedPods({ isBusy: () => true, clock, logger })
  for (const path of paths) removed.delete(path)
  await until(() => !paths.some(existsSync))
  // Both have waited the same second.
  expect(clock.sleeps()).toBe(50)
})

test('of more than a chain of short tasks leaves the oldest are deleted at once, whatever runs', async () => {
  const paths = Array.from({ length: 70 }, aRemovedPod)
  let sleeps = 0
  const clock: Clock = {
    ...systemClock,
    sleep: (_ms, signal) => systemClock.sleep(++sleeps === 1 ? 0 : 3_600_000, signal),
  }
  await using removed = new RemovedPods({ isBusy: () => true, clock, logger })
  for (const path of paths) removed.delete(path)
  await until(() => !existsSync(paths[5]!))
  expect(paths.filter(existsSync)).toEqual(paths.slice(6))
})

test('what waits is deleted at the end', async () => {
  const paths = [aRemovedPod(), aRemovedPod()]
  const removed = new RemovedPods({ isBusy: () => true, clock: systemClock, logger })
  for (const path of paths) removed.delete(path)
  await removed[Symbol.asyncDispose]()
  expect(paths.filter(existsSync)).toEqual([])
})
