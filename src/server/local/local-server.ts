// The parts of Slipway, composed for one invocation of `slipway run`: the same runservice, scheduler and executor as a
// server's, in this process, on a database of their own.

import { join } from 'node:path'
import { freePercent, readDiskSpace } from '../../executor/drivers/host/disk-watch.ts'
import { Executor } from '../../executor/executor.ts'
import { GitMirrors } from '../../executor/git/mirrors.ts'
import { openJournal } from '../../executor/journal.ts'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import type { DriverChoice } from '../drivers/driver-choice.ts'
import { openDrivers } from '../drivers/open-drivers.ts'
import {
  cleanAfterKilled,
  cleanCaches,
  cleanDaily,
  cleanEarlierInvocations,
  hostDirectory,
  localRetention,
  removeOldInvocations,
} from './cleaning.ts'
import { openRunservice } from './open-runservice.ts'
import { type Invocation, markDrivers, markEnd, type StateDirectory } from './state-directory.ts'

export type LocalServerSettings = {
  readonly state: StateDirectory
  readonly invocation: Invocation
  /** Undefined reads only: nothing is executed. */
  readonly execution?: {
    readonly driver: DriverChoice
    /** Tasks at once. */
    readonly jobs: number
    readonly keepFailed: boolean
    readonly pull: 'if_missing' | 'always' | 'never'
    /** Asked when a task is handed out. */
    readonly cloneSource: () => CloneSource
    readonly environment: Readonly<Record<string, string | undefined>>
  }
}

export type LocalServerComponents = {
  readonly clock: Clock
  readonly logger: Logger
  readonly notice: (line: string) => void
}

export interface LocalServer extends AsyncDisposable {
  readonly runservice: RunserviceHost
  /** Resolves when no task is executed or torn down. */
  idle(): Promise<void>
}

const executorId = 'local'

/** Disposing stops the executor as planned (its pods stay when tasks run) and closes the database. */
export async function openLocalServer(
  settings: LocalServerSettings,
  components: LocalServerComponents,
): Promise<LocalServer> {
  const { state, invocation, execution } = settings
  const { clock, logger } = components
  await using undo = new AsyncDisposableStack()
  const { runservice, caches } = undo.use(
    await openRunservice(state, invocation, { clock, logger, cloneSource: execution?.cloneSource }),
  )
  let idle = async () => {}
  if (execution !== undefined) {
    const cleaning = { clock, logger, environment: execution.environment }
    await cleanAfterKilled(state, invocation, cleaning)
    await removeOldInvocations(state, limits.localRunsKept.value, cleaning)
    const drivers = await openDrivers(
      {
        choice: execution.driver,
        ownerId: invocation.id,
        dataDir: hostDirectory(invocation),
        allowPrivileged: true,
        environment: execution.environment,
      },
      components,
    )
    const journal = openJournal(join(invocation.dir, 'executor', 'journal'))
    // After the drivers have let go of what they keep ahead of tasks: whoever is killed before is cleaned up after.
    undo.defer(() => {
      // Pods of tasks that were left running have no successor here: without the mark the next invocation removes them.
      if (journal.ids().length === 0) markEnd(invocation, execution.keepFailed ? 'kept' : 'clean')
    })
    for (const driver of drivers) undo.use(driver)
    markDrivers(
      invocation,
      drivers.map((driver) => driver.name),
    )
    const executor = new Executor(
      {
        id: executorId,
        labels: {},
        taskLimit: execution.jobs,
        allowPrivileged: true,
        pull: execution.pull,
        keepFailed: execution.keepFailed,
      },
      {
        api: runservice.executorApi(executorId),
        drivers,
        mirrors: new GitMirrors({ dir: join(state.shared, 'mirrors') }, { clock }),
        journal,
        freeDiskPercent: () => freePercent(readDiskSpace(invocation.dir)),
        clock,
        logger,
      },
    )
    const stopping = new AbortController()
    const running = executor.run(stopping.signal)
    undo.defer(async () => {
      stopping.abort()
      await running
    })
    idle = () => executor.idle()
    undo.use(
      startCleaning(
        async (signal) => {
          await runservice.clean(localRetention, signal)
          await cleanDaily(state, clock, async () => {
            await cleanCaches(caches, signal)
            await cleanEarlierInvocations(state, invocation, { clock, logger }, signal)
          })
        },
        { clock, logger },
      ),
    )
  }
  const owned = undo.move()
  return { runservice, idle, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
