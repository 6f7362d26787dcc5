// A long-lived installation in a process that is to be killed: the parts of a server on one data directory, one run,
// executed to its end. Started again on the same directory it goes on where it was. Ends with status 0 when the run is
// finished and the executor idle, with status 3 after a planned stop (SIGTERM).
//
//   node test/crash/installation.ts '<InstallationSettings as JSON>'

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDatabase } from '../../src/datamanager/open-database.ts'
import type { Driver } from '../../src/executor/driver.ts'
import { openDockerDriver } from '../../src/executor/drivers/docker/docker-driver.ts'
import { openHostDriver } from '../../src/executor/drivers/host/host-driver.ts'
import { Executor } from '../../src/executor/executor.ts'
import { findHelperBinary, hostArch } from '../../src/executor/helper/helper-binary.ts'
import { openJournal } from '../../src/executor/journal.ts'
import { systemClock as clock } from '../../src/lib/clock.ts'
import type { Logger } from '../../src/lib/log.ts'
import { loadInstallationKey } from '../../src/lib/sealing.ts'
import { openPosixObjectStorage } from '../../src/objectstorage/posix.ts'
import { Caches } from '../../src/runservice/archives/caches.ts'
import type { CloneSource } from '../../src/runservice/executor-api.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../src/runservice/row-types.ts'
import { createRunservice } from '../../src/runservice/service.ts'
import { EffectWatch, type Kill } from './effects.ts'
import { type PipelineName, requestOf } from './pipeline.ts'
import {
  WatchedMirrors,
  watchedApi,
  watchedDriver,
  watchedJournal,
  watchedObjectStorage,
  watchedStorageCalls,
} from './watched.ts'

export type InstallationSettings = {
  readonly dataDir: string
  /** Owner of the pods, and beginning of task ids: nothing else on the machine has it in its name. */
  readonly id: string
  readonly driver: 'host' | 'docker'
  readonly image: string
  readonly pipeline: PipelineName
  readonly clone: CloneSource
  readonly kill?: Kill
  /** Where the counts of effects are written when the process ends by itself. */
  readonly countsFile: string
  /** Warnings and errors are written to stderr. */
  readonly isVerbose: boolean
}

export const paths = (dataDir: string) => ({
  database: join(dataDir, 'database'),
  objects: join(dataDir, 'objects'),
  caches: join(dataDir, 'caches'),
  journal: join(dataDir, 'journal'),
  mirrors: join(dataDir, 'mirrors'),
  host: join(dataDir, 'host'),
  key: join(dataDir, 'key'),
})

export const stoppedStatus = 3

async function main(settings: InstallationSettings): Promise<number> {
  const watch = new EffectWatch(settings.kill)
  const logger = loggerOf(settings.isVerbose)
  const at = paths(settings.dataDir)
  const startedAt = clock.now()
  const stopping = new AbortController()
  process.once('SIGTERM', () => stopping.abort())

  await using database = await openDatabase<RunserviceSchema>({
    path: at.database,
    types: runserviceRowTypes,
    clock,
    seams: { storageCalls: watchedStorageCalls(watch) },
  })
  await using ost = watchedObjectStorage(await openPosixObjectStorage({ root: at.objects, clock }), watch)
  await using cacheStorage = watchedObjectStorage(await openPosixObjectStorage({ root: at.caches, clock }), watch)
  const caches = new Caches({ ost: cacheStorage, clock })
  await using runservice = createRunservice(
    { storeId: 'crash', keys: [loadInstallationKey(at.key, { create: true })] },
    { database, ost, caches, clock, logger, cloneSource: () => settings.clone },
  )
  await using driver = watchedDriver(await openDriver(settings, at.host, logger), watch)
  const journal = openJournal(at.journal)
  const executor = new Executor(
    { id: 'executor', labels: {}, taskLimit: 2, allowPrivileged: false, pull: 'never', keepFailed: false },
    {
      api: watchedApi(runservice.executorApi('executor'), watch),
      drivers: [driver],
      mirrors: new WatchedMirrors({ dir: at.mirrors }, { clock, watch }),
      journal: watchedJournal(journal, watch),
      clock,
      logger,
    },
  )
  const running = executor.run(stopping.signal)
  const [known] = runservice.listRuns()
  const [run] =
    known === undefined
      ? await runservice.createRuns([requestOf(settings.pipeline, settings.id, settings.image)])
      : [known]
  for await (const _ of runservice.watchRun(run!.id, stopping.signal));
  const isStopped = stopping.signal.aborted
  // The run may have been finished before we were killed: then there is only to clean up, which comes before the first
  // connection and with the answers to what the journal has.
  const isConnected = async () => (await runservice.listExecutors()).some(({ connectedAt }) => connectedAt >= startedAt)
  while (!isStopped && !((await isConnected()) && journal.ids().length === 0)) {
    await executor.idle()
    await clock.sleep(10)
  }
  stopping.abort()
  await running
  writeFileSync(settings.countsFile, JSON.stringify(watch.counts))
  return isStopped ? stoppedStatus : 0
}

async function openDriver({ driver, id }: InstallationSettings, dataDir: string, logger: Logger): Promise<Driver> {
  if (driver === 'docker')
    return await openDockerDriver({
      ownerId: id,
      environment: process.env,
      allowPrivileged: false,
      helperBinary: findHelperBinary,
      clock,
      logger,
    })
  return await openHostDriver({
    dataDir,
    ownerId: id,
    helperFile: (await findHelperBinary(hostArch())).path,
    allowUnsandboxed: false,
    readOnlyPaths: [],
    clock,
    logger,
  })
}

function loggerOf(isVerbose: boolean): Logger {
  const write = (level: string) => (message: string, fields?: object) => {
    if (isVerbose) console.error(level, message, fields ?? {})
  }
  return { debug: () => {}, info: () => {}, warn: write('warn'), error: write('error') }
}

if (import.meta.main) process.exitCode = await main(JSON.parse(process.argv[2] ?? '') as InstallationSettings)
