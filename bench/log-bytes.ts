// What a run writes to the log of its database, from created to finished. No pods: an executor that only reports, three times
// per task (running, step begun, ended), which is what a task of some seconds with one step reports.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openDatabase } from '../src/datamanager/open-database.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { Caches } from '../src/runservice/archives/caches.ts'
import type { ExecutorApi, Order, TaskReport } from '../src/runservice/executor-api.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../src/runservice/row-types.ts'
import { createRunservice } from '../src/runservice/service.ts'
import { type Figure, figure } from './figure.ts'
import { rowBytes } from './floors/row-bytes.ts'
import { aRequest } from './inputs/runs.ts'
import { leveledRun } from './inputs/scheduler.ts'

const seed = 20_264
const executorId = 'bench'
const sampleCount = 15

export async function run(): Promise<Figure[]> {
  const small: BytesPerTask[] = []
  const large: BytesPerTask[] = []
  for (let sample = 0; sample < sampleCount; sample++) {
    small.push(await bytesPerTask({ tasks: 10, levels: 5 }))
    large.push(await bytesPerTask({ tasks: 1000, levels: 20 }))
  }
  const unit = 'bytes'
  return [
    ...[
      { name: 'log of the database per task, in a run of 10 tasks', measured: small },
      { name: 'log of the database per task, in a run of 1,000 tasks', measured: large },
    ].map(({ name, measured }) =>
      figure(
        { name, unit, samples: measured.map(({ log }) => log), floor: measured.map(({ rows }) => rows) },
        { of: 'value', most: 8192 },
      ),
    ),
    // The floor is the smaller run.
    figure(
      {
        name: 'log of the database per task, in a run of 1,000 tasks against one of 10',
        unit,
        samples: large.map(({ log }) => log),
        floor: small.map(({ log }) => log),
      },
      { of: 'ratio', most: 1.2 },
    ),
  ]
}

type BytesPerTask = { readonly log: number; readonly rows: number }

async function bytesPerTask({ tasks, levels }: { readonly tasks: number; readonly levels: number }) {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    const path = join(folder, 'database')
    const before = await executeRun(folder, path, leveledRun(seed, { tasks, levels, parentsEach: 2 }).parents)
    return { log: (logBytes(path) - before) / tasks, rows: rowBytes(path) / tasks }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Returns how many bytes the log had before the run. */
async function executeRun(folder: string, path: string, parents: readonly (readonly number[])[]): Promise<number> {
  await using database = await openDatabase<RunserviceSchema>({ path, types: runserviceRowTypes, clock: systemClock })
  await using ost = await openPosixObjectStorage({ root: join(folder, 'objects') })
  const cloneSource = { url: '', ref: '', commitSha: '', branch: '', originUrl: '', mirrorKey: '', submoduleUrls: {} }
  await using runservice = createRunservice(
    { storeId: 'bench', keys: [{ id: 'key', bytes: Buffer.alloc(32) }] },
    {
      database,
      ost,
      caches: new Caches({ ost, clock: systemClock }),
      clock: systemClock,
      logger: silentLogger,
      cloneSource: () => cloneSource,
    },
  )
  const stop = new AbortController()
  const api = runservice.executorApi(executorId)
  const facts = { archs: ['amd64'], labels: {}, allowPrivileged: false, drivers: ['docker'] } as const
  const orders = api.connect({ id: executorId, ...facts, taskLimit: 20, has: [] }, stop.signal)
  const executing = (async () => {
    const tasks: Promise<void>[] = []
    for await (const message of orders) if (message.kind === 'execute') tasks.push(reportAll(api, message.order))
    await Promise.all(tasks)
  })()
  while ((await runservice.listExecutors()).length === 0) await new Promise((resolve) => setImmediate(resolve))
  const before = logBytes(path)
  const [run] = await runservice.createRuns([aRequest(parents.map((after) => ({ after })))])
  for await (const view of runservice.watchRun(run!.id, stop.signal))
    if (view.run.phase === 'finished' && view.run.result !== 'success') throw new Error(`it ended ${view.run.result}`)
  stop.abort()
  await executing
  return before
}

async function reportAll(api: ExecutorApi, { executorTaskId }: Order): Promise<void> {
  const now = Date.now()
  const first: TaskReport = {
    executorTaskId,
    number: 1,
    phase: 'running',
    timedOut: false,
    startedAt: now,
    setupStep: { phase: 'running', startedAt: now },
    steps: [{ phase: 'notstarted' }],
  }
  const setupStep = { phase: 'success', startedAt: now, endedAt: now } as const
  const second: TaskReport = { ...first, number: 2, setupStep, steps: [{ phase: 'running', startedAt: now }] }
  const step = { phase: 'success', startedAt: now, endedAt: now, exitStatus: 0 } as const
  for (const report of [
    first,
    second,
    { ...second, number: 3, phase: 'success', endedAt: now, steps: [step] } satisfies TaskReport,
  ])
    await api.report(report)
}

function logBytes(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('SELECT sum(length(bytes)) AS bytes FROM log').get()?.bytes)
  } finally {
    database.close()
  }
}
