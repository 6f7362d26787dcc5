// A small server for tests: a runservice, alone or one of several on one installation, with what executors and other services
// reach. Arguments: directory, port, log (`embedded` or `bucket`), token of the services, how fast the clock of the runservice goes,
// and where objects are, as JSON (S3Settings); by default in the directory.

import { join } from 'node:path'
import { openInstallationDatabases } from '../../src/datamanager/installation-databases.ts'
import { openHttpServer } from '../../src/http/http-server.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import type { Logger } from '../../src/lib/log.ts'
import { newUuid } from '../../src/lib/uuid.ts'
import { openPosixObjectStorage } from '../../src/objectstorage/posix.ts'
import { openS3ObjectStorage } from '../../src/objectstorage/s3.ts'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'
import { Caches } from '../../src/runservice/archives/caches.ts'
import { mountExecutorRoutes } from '../../src/runservice/executors/executor-routes.ts'
import { serveRunservice } from '../../src/runservice/remote.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../src/runservice/row-types.ts'
import { createRunservice } from '../../src/runservice/service.ts'

const [directory = '', port = '', log = '', token = '', speed = '1', bucket] = process.argv.slice(2)
const clock = fastClock(Number(speed))
const write =
  (level: string): Logger['info'] =>
  (message, fields) =>
    void process.stderr.write(`${level} ${message} ${String((fields?.error as Error | undefined)?.stack ?? '')}\n`)
const logger: Logger = { debug: () => {}, info: () => {}, warn: write('warn'), error: write('error') }

const url = `http://127.0.0.1:${port}`
await using owned = new AsyncDisposableStack()
const storage = owned.use(
  bucket === undefined
    ? await openPosixObjectStorage({ root: join(directory, 'objects'), clock: systemClock })
    : await openS3ObjectStorage(JSON.parse(bucket) as S3Settings),
)
const instanceId = newUuid()
const databases = owned.use(
  await openInstallationDatabases({
    settings: log === 'bucket' ? { log: 'bucket' } : { log: 'embedded' },
    directory: join(directory, log === 'bucket' ? `database-${port}` : 'database'),
    storage,
    clock: systemClock,
    instanceId,
    version: '0.0.0-test',
    logger,
  }),
)
const database = owned.use(await databases.open<RunserviceSchema>('runservice', { types: runserviceRowTypes }))
const runservice = owned.use(
  createRunservice(
    {
      storeId: database.identity.store,
      keys: [{ id: 'key', bytes: Buffer.alloc(32, 7) }],
      instanceId,
      instanceUrl: url,
      instanceToken: token,
    },
    {
      database,
      ost: storage,
      caches: new Caches({ ost: storage, clock }),
      clock,
      logger,
      coordination: databases.coordination,
      cloneSource: () => ({
        url: '',
        ref: '',
        commitSha: '',
        branch: '',
        originUrl: '',
        mirrorKey: 'none',
        submoduleUrls: {},
      }),
    },
  ),
)
owned.use(
  await openHttpServer(
    { listen: { host: '127.0.0.1', port: Number(port) } },
    {
      logger,
      mount: async (app) => {
        app.get('/healthz', () => 'ok')
        await mountExecutorRoutes(app, { runservice, clock, logger })
        serveRunservice(app, { token }, { runservice, logger })
        runservice.serveInstances(app)
      },
    },
  ),
)
await new Promise((resolve) => process.once('SIGTERM', resolve))

/** The system's, so many times as fast from now on: whoever waits for a lease to end need not wait as long. */
function fastClock(times: number): Clock {
  const begin = Date.now()
  return {
    now: () => begin + (Date.now() - begin) * times,
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
    timeout: (ms) => systemClock.timeout(Math.ceil(ms / times)),
  }
}
