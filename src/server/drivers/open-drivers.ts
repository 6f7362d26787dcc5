// Which drivers an executor has: the one asked for, or the best there is.

import type { Driver } from '../../executor/driver.ts'
import { findHelperBinary, findHelperFile, hostArch } from '../../executor/helper/helper-binary.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { type DriverChoice, driversToTry } from './driver-choice.ts'

export type DriverSettings = {
  readonly choice: DriverChoice
  /** Owns the pods: only they are ever listed and removed. */
  readonly ownerId: string
  readonly dataDir: string
  readonly allowPrivileged: boolean
  /** Hidden from tasks of the host driver, where a path that they see contains them. */
  readonly hiddenPaths?: readonly string[]
  /** Without bubblewrap tasks run as ordinary processes of this user; default true, for who runs what is his own. */
  readonly allowUnsandboxed?: boolean
  /** Tasks there will be at most, where that is known: nothing is made ahead of more. */
  readonly tasksMax?: number | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

export type DriverComponents = {
  readonly clock: Clock
  readonly logger: Logger
  /** A line for the person who waits: what was fallen back to, and why. */
  readonly notice: (line: string) => void
}

/**
 * At least one; `auto` prefers docker and falls back to host, where there is one. Fails with `driver_unavailable` and what
 * was tried.
 */
export async function openDrivers(settings: DriverSettings, components: DriverComponents): Promise<readonly Driver[]> {
  const [first, second] = driversToTry(settings.choice, process.platform)
  if (second !== undefined) return await openBest(settings, components)
  return [first === 'docker' ? await openDocker(settings, components) : await openHost(settings, components)]
}

async function openBest(settings: DriverSettings, components: DriverComponents): Promise<readonly Driver[]> {
  let dockerFailure: unknown
  try {
    return [await openDocker(settings, components)]
  } catch (error) {
    dockerFailure = error
  }
  try {
    const host = await openHost(settings, components)
    components.notice(
      `Docker is not reachable: tasks run on this machine with the host driver (${host.facts.description})`,
    )
    return [host]
  } catch (error) {
    throw new SlipwayError(
      'driver_unavailable',
      `neither docker nor the host driver can be used. Docker: ${errorMessage(dockerFailure)}. Host: ${errorMessage(error)}`,
      { cause: error },
    )
  }
}

// Drivers are loaded when they are opened: the other one costs no time at the start.

async function openDocker(settings: DriverSettings, { clock, logger }: DriverComponents): Promise<Driver> {
  const { openDockerDriver } = await import('../../executor/drivers/docker/docker-driver.ts')
  return await openDockerDriver({
    ownerId: settings.ownerId,
    environment: settings.environment,
    allowPrivileged: settings.allowPrivileged,
    helperBinary: findHelperBinary,
    clock,
    logger,
  })
}

async function openHost(settings: DriverSettings, { clock, logger, notice }: DriverComponents): Promise<Driver> {
  const helperFile = findHelperFile(hostArch())
  const { openHostDriver } = await import('../../executor/drivers/host/host-driver.ts')
  const open = (allowUnsandboxed: boolean) =>
    openHostDriver({
      dataDir: settings.dataDir,
      ownerId: settings.ownerId,
      helperFile,
      allowUnsandboxed,
      readOnlyPaths: [],
      hiddenPaths: settings.hiddenPaths ?? [],
      ...(settings.tasksMax === undefined ? {} : { tasksMax: settings.tasksMax }),
      clock,
      logger,
    })
  try {
    return await open(false)
  } catch (error) {
    if (settings.allowUnsandboxed === false) throw error
    const driver = await open(true)
    notice(
      `No sandbox: ${errorMessage(error)}. Tasks run as ordinary processes of this user; install bubblewrap to shut them in`,
    )
    return driver
  }
}
