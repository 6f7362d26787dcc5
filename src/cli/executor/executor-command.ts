// `slipway executor`: runs an executor until it is stopped.

import { resolve } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { runExecutorProcess } from '../../server/executor-process/executor-process.ts'
import { readExecutorSettings } from '../../server/executor-process/executor-settings.ts'
import { createServerLog } from '../../server/serve/server-log.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'

export type ExecutorOptions = {
  readonly config?: string
  readonly url?: string
  readonly tokenFile?: string
  readonly caFile?: string
  readonly bucketCaFile?: string
  readonly data?: string
  readonly driver?: string
  readonly tasks?: number
  readonly label?: Readonly<Record<string, string>>
  readonly allowPrivileged?: boolean
  readonly allowUnsandboxed?: boolean
}

/** Resolves when it has stopped as planned. A second signal ends the process at once. Errors: those of runExecutorProcess. */
export async function executorCommand(options: ExecutorOptions, io: Io, version: string): Promise<void> {
  const path = (given: string | undefined) => (given === undefined ? undefined : resolve(io.cwd, given))
  const { url, driver, tasks, label, allowPrivileged, allowUnsandboxed } = options
  const settings = readExecutorSettings({
    ...(options.config === undefined ? {} : { file: resolve(io.cwd, options.config) }),
    environment: io.environment,
    options: {
      url,
      driver,
      tasks,
      allowPrivileged,
      allowUnsandboxed,
      tokenFile: path(options.tokenFile),
      caFile: path(options.caFile),
      bucketCaFile: path(options.bucketCaFile),
      dataDir: path(options.data),
      labels: label === undefined ? undefined : { ...label },
    },
  })
  const isTerminal = 'isTTY' in io.stderr && io.stderr.isTTY === true
  const logger = createServerLog(
    { level: settings.log.level, format: settings.log.format ?? (isTerminal ? 'text' : 'json') },
    io.stderr,
  )
  for (const warning of settings.warnings) logger.warn(warning)
  const stopping = new AbortController()
  using _ = io.onInterrupt((signal) => {
    if (stopping.signal.aborted) io.exit(exitStatus.stopped)
    logger.info('stopping: tasks that run are left to the next start', { signal })
    stopping.abort()
  })
  await runExecutorProcess(
    settings,
    { clock: systemClock, logger, version, environment: io.environment },
    stopping.signal,
  )
  logger.info('stopped')
}
