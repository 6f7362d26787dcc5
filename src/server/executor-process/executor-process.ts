// An executor as a process of its own, on any machine that reaches the server:
//
//   <data>/lock        held while it runs
//   <data>/id          which executor the data belongs to
//   <data>/journal/    what it remembers of its tasks
//   <data>/mirrors/    repositories it cloned from
//   <data>/pods/       of the host driver

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RemoteExecutorApi } from '../../executor/remote/remote-api.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { tryFileLock } from '../../lib/file-lock.ts'
import type { Logger } from '../../lib/log.ts'
import { createExecutor } from '../drivers/create-executor.ts'
import { openDrivers } from '../drivers/open-drivers.ts'
import type { ExecutorProcessSettings } from './executor-settings.ts'

export type ExecutorProcessComponents = {
  readonly clock: Clock
  readonly logger: Logger
  /** Of this build. */
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

const retryMsMin = 500
const retryMsMax = 10_000

/**
 * Executes tasks until `signal` is aborted, then lets go of those that run: their pods stay, and the next process on the same data
 * directory goes on with them. Errors: `unauthenticated` for a token that is not valid, `executor_removed`, `driver_unavailable`,
 * `executor_running`, `executor_data_foreign`.
 */
export async function runExecutorProcess(
  settings: ExecutorProcessSettings,
  components: ExecutorProcessComponents,
  signal: AbortSignal,
): Promise<void> {
  const { dataDir, url, token, caFile, signedUrls, bucketCaFile } = settings
  const { clock, logger, version, environment } = components
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  await using owned = new AsyncDisposableStack()
  const lock = tryFileLock(join(dataDir, 'lock'))
  if (lock === undefined)
    throw new SlipwayError('executor_running', `another executor works in ${dataDir}: give each its own data directory`)
  owned.use(lock)
  const api = owned.use(
    new RemoteExecutorApi(
      {
        url,
        token,
        signedUrls,
        ...(caFile === undefined ? {} : { caFile }),
        ...(bucketCaFile === undefined ? {} : { bucketCaFile }),
      },
      { clock, logger },
    ),
  )
  const id = await askWhoWeAre(api, { settings, components, signal })
  if (id === undefined) return
  checkOwner(dataDir, id)
  const drivers = await openDrivers(
    {
      choice: settings.driver,
      ownerId: id,
      dataDir: join(dataDir, 'pods'),
      allowPrivileged: settings.allowPrivileged,
      allowUnsandboxed: settings.allowUnsandboxed,
      hiddenPaths: [dataDir, settings.tokenFile],
      environment,
    },
    { clock, logger, notice: (line) => logger.info(line) },
  )
  for (const driver of drivers) owned.use(driver)
  const executor = createExecutor(
    dataDir,
    {
      id,
      labels: settings.labels,
      taskLimit: settings.tasks,
      allowPrivileged: settings.allowPrivileged,
      pull: settings.pull,
      version,
    },
    { api, drivers, clock, logger },
  )
  logger.info('executor ready', {
    executorId: id,
    url,
    drivers: drivers.map(({ name }) => name),
    tasks: settings.tasks,
  })
  try {
    await executor.run(signal)
  } catch (error) {
    if (isSlipwayError(error, 'unauthenticated')) throw refusedBy(settings, error)
    if (!isSlipwayError(error, 'executor_removed')) throw error
    const message = `this executor was removed from ${url}; what it had was ended. To come back it needs a new token and an empty data directory`
    throw new SlipwayError('executor_removed', message, { cause: error })
  }
}

/** Which executor the token is for; waits for a server that is away. Undefined when it is stopped first. */
async function askWhoWeAre(
  api: RemoteExecutorApi,
  {
    settings,
    components: { clock, logger },
    signal,
  }: {
    readonly settings: ExecutorProcessSettings
    readonly components: ExecutorProcessComponents
    readonly signal: AbortSignal
  },
): Promise<string | undefined> {
  for (let waitMs = retryMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
    try {
      return (await api.self(signal)).executorId
    } catch (error) {
      if (signal.aborted) return undefined
      if (isSlipwayError(error, 'unauthenticated')) throw refusedBy(settings, error)
      if (!isSlipwayError(error) || error.kind !== 'unavailable') throw error
      logger.warn('the server does not answer: trying again', { url: settings.url, error })
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }
  return undefined
}

function refusedBy({ url, tokenFile }: ExecutorProcessSettings, cause: unknown): SlipwayError {
  return new SlipwayError(
    'unauthenticated',
    `${url} does not accept the token in ${tokenFile}: it was revoked, or its executor removed. Get a new one from an administrator`,
    { cause },
  )
}

/** Pods and journal of one executor must not become those of another. */
function checkOwner(dataDir: string, id: string): void {
  const path = join(dataDir, 'id')
  const owner = readOwner(path)
  if (owner === undefined) {
    writeFileSync(`${path}.new`, `${id}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } else if (owner !== id)
    throw new SlipwayError(
      'executor_data_foreign',
      `${dataDir} belongs to executor ${owner}, the token to ${id}: give each executor its own data directory`,
    )
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SlipwayError('config_invalid', `read ${path}: ${errorMessage(error)}`, { cause: error })
  }
}
