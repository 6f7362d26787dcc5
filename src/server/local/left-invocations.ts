// What invocations leave outside their databases and who takes it away: pods of killed ones at the next start, kept pods and
// everything else of old ones when newer ones have taken their place.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import { openDrivers } from '../drivers/open-drivers.ts'
import {
  endOf,
  type Invocation,
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

/**
 * Removes the pods of an invocation that was killed and is taken over now, and the journal that would have its executor go on
 * with them: other drivers may be chosen this time, which know nothing of those pods. False when a driver it used cannot be reached
 * now: pods may be left.
 */
export async function cleanKilled(invocation: Invocation, components: CleaningComponents): Promise<boolean> {
  const isClean = await removePods(invocation, components)
  rmSync(journalDirectory(invocation), { recursive: true, force: true })
  return isClean
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

/** Where the executor of an invocation keeps its journal. */
export function journalDirectory(invocation: Invocation): string {
  return join(invocation.dir, 'executor', 'journal')
}

/** Where the host driver of an invocation keeps its pods. */
export function hostDirectory(invocation: Invocation): string {
  return join(invocation.dir, 'host')
}
