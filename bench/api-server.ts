// The server of api.ts: the API on a configstore and a runservice that have a few thousand finished runs of ten tasks, in a
// process of its own. Prints what the benchmark asks with as one line of JSON, and its processor time whenever a line comes in.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ConfigstoreSchema } from '../src/configstore/row-types.ts'
import { configstoreRowTypes } from '../src/configstore/row-types.ts'
import { openConfigstore } from '../src/configstore/service.ts'
import type { Database } from '../src/datamanager/database.ts'
import { openDatabase } from '../src/datamanager/open-database.ts'
import { mountGateway } from '../src/gateway/gateway.ts'
import { type GatewaySchema, gatewayRowTypes } from '../src/gateway/rows.ts'
import { openHttpServer } from '../src/http/http-server.ts'
import { systemClock as clock } from '../src/lib/clock.ts'
import { silentLogger as logger } from '../src/lib/log.ts'
import { newSealingKey } from '../src/lib/sealing.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { Caches } from '../src/runservice/archives/caches.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../src/runservice/row-types.ts'
import { createRunservice } from '../src/runservice/service.ts'
import type { Run } from '../src/runservice/types.ts'
import { finishedRuns } from './inputs/finished-runs.ts'
import { noSource } from './local-slipway.ts'

/** What the benchmark asks with. */
export type ApiServerHello = {
  readonly port: number
  readonly token: string
  readonly projectId: string
  readonly runIds: readonly string[]
}
/** Since the process began, milliseconds. */
export type ApiServerUse = { readonly cpuMs: number; readonly residentMiB: number }

const runs = 3000
const runsAtOnce = 100
/** An installation at work commits all the time, so that nothing can be answered from what was read long ago. */
const changesPerSecond = 20

async function serve(): Promise<void> {
  await using owned = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  owned.defer(() => rmSync(folder, { recursive: true, force: true }))
  const open = (name: string) => ({ path: join(folder, name), clock })
  const configDatabase = owned.use(
    await openDatabase<ConfigstoreSchema>({ ...open('configstore'), types: configstoreRowTypes }),
  )
  const runDatabase = owned.use(
    await openDatabase<RunserviceSchema>({ ...open('runservice'), types: runserviceRowTypes }),
  )
  const database = owned.use(await openDatabase<GatewaySchema>({ ...open('gateway'), types: gatewayRowTypes }))
  const key = newSealingKey()
  const configstore = owned.use(
    await openConfigstore({ installationKeys: [key] }, { database: configDatabase, clock, logger }),
  )
  const ost = owned.use(await openPosixObjectStorage({ root: join(folder, 'objects'), clock }))
  const runservice = owned.use(
    createRunservice(
      { storeId: 'bench', keys: [key] },
      {
        database: runDatabase,
        ost,
        caches: new Caches({ ost, clock }),
        clock,
        logger,
        cloneSource: () => noSource,
      },
    ),
  )
  const settings = { version: '0.0.0', allowedOrigins: [], memberAdding: 'direct', checkAnswers: false } as const
  const maintenance = { checkOpen: () => {} } as Parameters<typeof mountGateway>[2]['maintenance'] // Nobody asks for more.
  const server = owned.use(
    await openHttpServer(
      { listen: { host: '127.0.0.1', port: 0 } },
      {
        logger,
        mount: (app) => mountGateway(app, settings, { database, configstore, runservice, maintenance, clock, logger }),
      },
    ),
  )
  const user = await configstore.createUser({ name: 'ann' })
  const source = { kind: 'none' } as const
  const project = await configstore.createProject({ group: 'user/ann', name: 'web', visibility: 'private', source })
  const { value: token } = await configstore.createToken({ user: user.id, name: 'bench', scope: 'read' })
  const runIds = await putRuns(runDatabase, project.id)
  const changing = setInterval(() => void changeRun(runDatabase, runIds.at(-1)!), 1000 / changesPerSecond)
  owned.defer(() => clearInterval(changing))
  say({ port: server.port, token, projectId: project.id, runIds } satisfies ApiServerHello)
  for await (const _ of createInterface(process.stdin)) {
    const { user: inCode, system } = process.cpuUsage()
    say({ cpuMs: (inCode + system) / 1000, residentMiB: process.memoryUsage.rss() / 2 ** 20 } satisfies ApiServerUse)
  }
}

/** All in one project. */
async function putRuns(database: Database<RunserviceSchema>, projectId: string): Promise<string[]> {
  const families = [...finishedRuns(runs)]
  for (let index = 0; index < families.length; index += runsAtOnce)
    await database.do((tx) => {
      for (const { rows } of families.slice(index, index + runsAtOnce))
        for (const { type, id, body } of rows) {
          const row: Record<string, unknown> = JSON.parse(
            body.replaceAll(/\/project\/p\d+\//g, `/project/${projectId}/`),
          )
          // Counters were of several projects.
          const counter = type === 'run' ? { counter: (row as Run).sequence } : {}
          tx.put(type as 'run', id, { ...row, ...counter } as Run) // Rows of their type, read back.
        }
    })
  return families.map(({ id }) => id)
}

async function changeRun(database: Database<RunserviceSchema>, id: string): Promise<void> {
  await database.do((tx) => {
    const run = tx.get('run', id)
    if (run !== undefined)
      tx.put('run', id, { ...run, annotations: { ...run.annotations, message: String(Date.now()) } })
  })
}

const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

// Imported for its types it does nothing.
if (process.argv[1] === import.meta.filename) await serve()
