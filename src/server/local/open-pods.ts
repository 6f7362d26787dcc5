// What an invocation makes pods with: its drivers, and the journal of their tasks. What earlier invocations left is cleaned up
// meanwhile.

import type { Driver, DriverName } from '../../executor/driver.ts'
import { type Journal, openJournal } from '../../executor/journal.ts'
import { limits } from '../../lib/limits.ts'
import { type DriverChoice, driversToTry } from '../drivers/driver-choice.ts'
import { type DriverComponents, openDrivers } from '../drivers/open-drivers.ts'
import { cleanAfterKilled, hostDirectory, journalDirectory, removeOldInvocations } from './left-invocations.ts'
import { endOf, type Invocation, markDrivers, markEnd, type StateDirectory, usedDrivers } from './state-directory.ts'

export type PodSettings = {
  readonly driver: DriverChoice
  readonly keepFailed: boolean
  /** Tasks there will be at most, where that is known. */
  readonly tasksMax?: number | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

export type PodsOfInvocation = AsyncDisposable & { readonly drivers: readonly Driver[]; readonly journal: Journal }

/** Disposing lets go of what the drivers keep ahead of tasks; pods of tasks that are left running stay. */
export async function openPods(
  state: StateDirectory,
  invocation: Invocation,
  { driver, keepFailed, tasksMax, environment }: PodSettings,
  components: DriverComponents,
): Promise<PodsOfInvocation> {
  const { clock, logger } = components
  // An invocation that is repeated may have kept pods the first time, with another driver.
  const keepers = endOf(state, invocation.id) === 'kept' ? usedDrivers(invocation) : []
  const mark = (names: readonly DriverName[]) => markDrivers(invocation, [...new Set([...keepers, ...names])])
  await using undo = new AsyncDisposableStack()
  const journal = openJournal(journalDirectory(invocation))
  // After the drivers have let go of what they keep ahead of tasks: whoever is killed before is cleaned up after.
  undo.defer(() => {
    // Pods of tasks that were left running have no successor here: without the mark the next invocation removes them.
    if (journal.ids().length === 0) markEnd(invocation, keepFailed || keepers.length > 0 ? 'kept' : 'clean')
  })
  // The host driver makes a sandbox on trial when it is opened.
  mark(driversToTry(driver, process.platform).filter((name) => name === 'host'))
  const settings = {
    choice: driver,
    ownerId: invocation.id,
    dataDir: hostDirectory(invocation),
    allowPrivileged: true,
    tasksMax,
    environment,
  }
  const opening = openDrivers(settings, components)
  // Its failure is thrown below, or matters less than what is being thrown.
  const opened = opening.catch(() => [])
  undo.defer(async () => {
    await using owned = new AsyncDisposableStack()
    for (const each of await opened) owned.use(each)
  })
  const cleaning = { clock, logger, environment }
  await cleanAfterKilled(state, invocation, cleaning)
  await removeOldInvocations(state, limits.localRunsKept.value, cleaning)
  const drivers = await opening
  mark(drivers.map(({ name }) => name))
  const owned = undo.move()
  return { drivers, journal, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
