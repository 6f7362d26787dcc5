// What the rounds of cleaning do in the state of a repository.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { aRequest, ended, FakeExecutor, textOf, writeLog } from '../../runservice/service-fixture.ts'
import { cleanDaily, cleanEarlierInvocations } from './cleaning.ts'
import { openRunservice } from './open-runservice.ts'
import { lockInvocation, newInvocation, openStateDirectory, type StateDirectory } from './state-directory.ts'

const day = 24 * 60 * 60 * 1000
const never = new AbortController().signal

function aState(): StateDirectory {
  const root = mkdtempSync(join(tmpdir(), 'slipway-cleaning-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return openStateDirectory(root)
}

/** One that ended at `at`, with a log. */
async function anEndedInvocation(state: StateDirectory, at: number): Promise<string> {
  const invocation = newInvocation(state, at, 'abcdef')
  using _lock = invocation.lock
  const clock: Clock = { ...systemClock, now: () => at }
  await using opened = await openRunservice(state, invocation, { clock, logger: silentLogger })
  await using executor = new FakeExecutor(opened.runservice, {}, async (order, { api }) => {
    await writeLog(api, order, 0, 'printed\n')
    return 'success' as const
  })
  await executor.connect()
  const [run] = await opened.runservice.createRuns([aRequest({ a: {} })])
  await ended(opened.runservice, run!.id)
  return invocation.id
}

async function logOf(state: StateDirectory, id: string): Promise<string> {
  const invocation = lockInvocation(state, id)!
  using _lock = invocation.lock
  await using opened = await openRunservice(state, invocation, { clock: systemClock, logger: silentLogger })
  return await textOf(opened.runservice.readLog('a-id', 0))
}

test('what is old in earlier invocations goes; younger ones, and one that works, stay as they are', async () => {
  const state = aState()
  const now = Date.now()
  const [old, working, young] = [
    await anEndedInvocation(state, now - 400 * day),
    await anEndedInvocation(state, now - 300 * day),
    await anEndedInvocation(state, now - 20 * day),
  ]
  const own = newInvocation(state, now, 'own')
  using _own = own.lock
  const components = { clock: systemClock, logger: silentLogger }
  {
    using _working = lockInvocation(state, working)!.lock
    await cleanEarlierInvocations(state, own, components, never)
  }
  expect(await logOf(state, old)).toBe('')
  expect(await logOf(state, working)).toBe('printed\n')
  expect(await logOf(state, young)).toBe('printed\n')
  await cleanEarlierInvocations(state, own, components, never)
  expect(await logOf(state, working)).toBe('')
})

test('a daily cleaning is done by whoever comes first, and what was broken off is tried again after an hour', async () => {
  const state = aState()
  let now = Date.now()
  const clock: Clock = { ...systemClock, now: () => now }
  let done = 0
  const clean = async () => void done++
  await cleanDaily(state, clock, clean)
  now += day - 1000
  await cleanDaily(state, clock, clean)
  expect(done).toBe(1)
  now += 2000
  const broken = new Error('the process ends')
  await expect(cleanDaily(state, clock, () => Promise.reject(broken))).rejects.toBe(broken)
  await cleanDaily(state, clock, clean)
  expect(done).toBe(1)
  now += day / 24
  await cleanDaily(state, clock, clean)
  expect(done).toBe(2)
})
