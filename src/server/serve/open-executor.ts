// The executor in the server's own process. It speaks to the runservice directly where that is here, else as any other.

import { join } from 'node:path'
import { isSlipwayError } from '../../lib/errors.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import { createExecutor } from '../drivers/create-executor.ts'
import { openDrivers } from '../drivers/open-drivers.ts'
import type { Settings } from '../settings/read-settings.ts'
import type { Installation } from './open-server.ts'

const executorId = 'local'

/**
 * Starts it. Without anything to make pods with, the server comes up without an executor and says how to get one. Disposing lets go of
 * running tasks as planned: their pods stay for the next start.
 */
export async function openExecutorComponent(
  installation: Installation,
  runservice: RunserviceHost,
): Promise<AsyncDisposable> {
  const { settings, databases, clock, logger, environment, version } = installation
  const { driver, tasks, labels, allowPrivileged, allowUnsandboxed } = settings.executor
  const dir = join(settings.dataDir, 'executor')
  await using undo = new AsyncDisposableStack()
  try {
    const drivers = await openDrivers(
      {
        choice: driver,
        ownerId: databases.installation,
        dataDir: join(dir, 'pods'),
        allowPrivileged,
        allowUnsandboxed,
        hiddenPaths: [settings.dataDir, ...keyFilesOf(settings)],
        environment,
      },
      { clock, logger, notice: (line) => logger.info(line) },
    )
    for (const opened of drivers) undo.use(opened)
    const executor = createExecutor(
      dir,
      { id: executorId, labels, taskLimit: tasks, allowPrivileged, pull: 'if_missing', version },
      { api: runservice.executorApi(executorId), drivers, clock, logger },
    )
    const stopping = new AbortController()
    const running = executor
      .run(stopping.signal)
      .catch((error: unknown) => logger.error('the executor stopped', { error }))
    undo.defer(async () => {
      stopping.abort()
      await running
    })
    logger.info('executor ready', { drivers: drivers.map(({ name }) => name), tasks })
  } catch (error) {
    if (!isSlipwayError(error, 'driver_unavailable')) throw error
    logger.warn('no executor in this process: install bubblewrap or Docker, or start `slipway executor` elsewhere', {
      error,
    })
  }
  const owned = undo.move()
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** What no task may read; the data directory is hidden as a whole. */
function keyFilesOf({ keys }: Settings): readonly string[] {
  const { installationFile, servicesFile, adminTokenFile, retiredFiles } = keys
  return [installationFile, servicesFile, adminTokenFile, ...retiredFiles].filter((path) => path !== undefined)
}
