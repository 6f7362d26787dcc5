// The parts of Slipway, composed for one invocation of `slipway run`: the same runservice, scheduler and executor as a
// server's, in this process, on a database of their own.

import { join } from 'node:path'
import { freePercent, readDiskSpace } from '../../executor/drivers/host/disk-watch.ts'
import { Executor } from '../../executor/executor.ts'
import { GitMirrors } from '../../executor/git/mirrors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import type { DriverChoice } from '../drivers/driver-choice.ts'
import { cleanCaches, cleanDaily, cleanEarlierInvocations, localRetention } from './cleaning.ts'
import { openPods } from './open-pods.ts'
import { openRunservice } from './open-runservice.ts'
import type { Invocation, StateDirectory } from './state-directory.ts'

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
    /** Tasks there will be at most, where that is known. */
    readonly tasksMax?: number | undefined
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
  const openingPods = execution && openPods(state, invocation, execution, components)
  // Its failure is thrown below, or matters less than what is being thrown.
  const openedPods = openingPods?.catch(() => undefined)
  undo.defer(async () => await (await openedPods)?.[Symbol.asyncDispose]())
  const { runservice, caches } = undo.use(
    await openRunservice(state, invocation, { clock, logger, cloneSource: execution?.cloneSource }),
  )
  let idle = async () => {}
  if (execution !== undefined && openingPods !== undefined) {
    const { drivers, journal } = await openingPods
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
        (signal) =>
          cleanDaily(state, clock, async () => {
            await runservice.clean(localRetention, signal)
            await cleanCaches(caches, signal)
            await cleanEarlierInvocations(state, invocation, { clock, logger }, signal)
          }),
        { clock, logger },
      ),
    )
  }
  const owned = undo.move()
  return { runservice, idle, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
