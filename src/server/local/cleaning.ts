// What is left behind, and who takes it away: pods of killed invocations at the next start, kept pods and everything else of
// old invocations when newer ones have taken their place; in those that stay, and in what they share, logs, archives and
// caches that are old.

import { existsSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Retention } from '../../runservice/api.ts'
import type { Caches } from '../../runservice/archives/caches.ts'
import { openDrivers } from '../drivers/open-drivers.ts'
import { databaseOf, openRunservice } from './open-runservice.ts'
import {
  endOf,
  type Invocation,
  invocationTime,
  listInvocations,
  lockInvocation,
  markEnd,
  removeInvocation,
  type StateDirectory,
  usedDrivers,
} from './state-directory.ts'

export type CleaningComponents = {
  readonly clock: Clock
  readonly logger: Logger
  readonly environment: Readonly<Record<string, string | undefined>>
}

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs

/** Removes the pods of invocations that were killed. One that works holds its lock and is left alone. */
export async function cleanAfterKilled(
  state: StateDirectory,
  own: Invocation,
  components: CleaningComponents,
): Promise<void> {
  for (const id of listInvocations(state)) {
    if (id === own.id || endOf(state, id) !== undefined) continue
    const killed = lockInvocation(state, id)
    if (killed === undefined) continue
    using _lock = killed.lock
    if (await removePods(killed, components)) markEnd(killed, 'clean')
  }
}

/** Removes invocations beyond the newest `kept`, with the pods that were kept for looking at. */
export async function removeOldInvocations(
  state: StateDirectory,
  kept: number,
  components: CleaningComponents,
): Promise<void> {
  for (const id of listInvocations(state).slice(kept)) {
    const invocation = lockInvocation(state, id)
    if (invocation === undefined) continue
    using _lock = invocation.lock
    if (endOf(state, id) !== 'clean' && !(await removePods(invocation, components))) continue
    await removeInvocation(invocation)
  }
}

/** What is old in the database and objects of an invocation. */
export const localRetention: Retention = {
  logsMs: limits.logRetentionMs.value,
  workspacesMs: limits.workspaceRetentionMs.value,
  eventsMs: limits.runEventRetentionMs.value,
}

/** Runs `clean` when nobody did for a day. One that fails, or is broken off, is tried again after an hour. */
export async function cleanDaily(state: StateDirectory, clock: Clock, clean: () => Promise<void>): Promise<void> {
  const marker = join(state.shared, 'cleaned')
  const cleanedAt = statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const now = clock.now()
  if (cleanedAt + dayMs > now) return
  const mark = (at: number) => {
    writeFileSync(marker, '')
    utimesSync(marker, at / 1000, at / 1000)
  }
  mark(now - dayMs + hourMs)
  await clean()
  mark(now)
}

/** Removes caches that nobody used for long, and those used longest ago when there are too many. */
export async function cleanCaches(caches: Caches, signal: AbortSignal): Promise<void> {
  const bounds = { maxAgeMs: limits.cacheRetentionMs.value, maxBytesPerGroup: limits.cacheBytesPerProject.value }
  await caches.clean(bounds, signal)
}

/** Removes what is old in earlier invocations that do not work. One in which nothing can be old yet is not opened. */
export async function cleanEarlierInvocations(
  state: StateDirectory,
  own: Invocation,
  { clock, logger }: Pick<CleaningComponents, 'clock' | 'logger'>,
  signal: AbortSignal,
): Promise<void> {
  const youngest = clock.now() - Math.min(...Object.values(localRetention))
  for (const id of listInvocations(state)) {
    signal.throwIfAborted()
    if (id === own.id || id >= invocationTime(youngest)) continue
    const invocation = lockInvocation(state, id)
    if (invocation === undefined) continue
    using _lock = invocation.lock
    if (!existsSync(databaseOf(invocation))) continue
    await using opened = await openRunservice(state, invocation, { clock, logger })
    await opened.runservice.clean(localRetention, signal)
  }
}

/** False when a driver it used cannot be reached now: the next one tries again. */
async function removePods(
  invocation: Invocation,
  { clock, logger, environment }: CleaningComponents,
): Promise<boolean> {
  const signal = clock.timeout(limits.podRemoveMs.value)
  for (const choice of usedDrivers(invocation)) {
    try {
      const settings = {
        choice,
        ownerId: invocation.id,
        dataDir: hostDirectory(invocation),
        allowPrivileged: true,
        environment,
      }
      for (const driver of await openDrivers(settings, { clock, logger, notice: () => {} })) {
        await using _driver = driver
        for (const pod of await driver.listPods(signal)) await driver.removePod(pod, signal)
      }
    } catch (error) {
      if (!isSlipwayError(error) || error.kind !== 'unavailable') throw error
      logger.warn('pods of an earlier run cannot be removed now', { invocation: invocation.id, driver: choice, error })
      return false
    }
  }
  return true
}

/** Where the host driver of an invocation keeps its pods. */
export function hostDirectory(invocation: Invocation): string {
  return join(invocation.dir, 'host')
}
