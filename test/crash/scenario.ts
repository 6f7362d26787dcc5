// One crash scenario: an installation is started, killed as planned, started again, and so on until its run is finished;
// then everything about the result and what is left behind is looked at.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../src/datamanager/open-database.ts'
import { openDockerDriver } from '../../src/executor/drivers/docker/docker-driver.ts'
import { openHostDriver } from '../../src/executor/drivers/host/host-driver.ts'
import { findHelperBinary, hostArch } from '../../src/executor/helper/helper-binary.ts'
import { collectBytes } from '../../src/lib/bytes.ts'
import { systemClock as clock } from '../../src/lib/clock.ts'
import { silentLogger as logger } from '../../src/lib/log.ts'
import { loadInstallationKey } from '../../src/lib/sealing.ts'
import type { ObjectStorage } from '../../src/objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../src/objectstorage/posix.ts'
import type { Runservice, RunView } from '../../src/runservice/api.ts'
import { Caches } from '../../src/runservice/archives/caches.ts'
import { createLogStore } from '../../src/runservice/logs/log-store.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../src/runservice/row-types.ts'
import { createRunservice } from '../../src/runservice/service.ts'
import { type TestRepository, testRepository } from '../support/git-repository.ts'
import type { Kill } from './effects.ts'
import { type InstallationSettings, paths, stoppedStatus } from './installation.ts'
import { leftoversOf, podsOf } from './leftovers.ts'
import { type PipelineName, pipelines, secret } from './pipeline.ts'

export type DriverName = 'host' | 'docker'

export type Scenario = {
  readonly driver: DriverName
  readonly pipeline: PipelineName
  /** Of the first process, the second, and so on; the one after the last is left alone. */
  readonly kills: readonly Kill[]
  /** Between a death and the next start. */
  readonly awayMs?: number
}

export type Outcome = {
  /** Empty when all is as it must be. */
  readonly problems: readonly string[]
  /** Processes that were killed; a planned kill may come too late. */
  readonly deaths: number
  /** Of the last process. */
  readonly counts: Counts
  readonly ms: number
}

export type Counts = { readonly effects: Readonly<Record<string, number>>; readonly moments: number }

/** What scenarios share: a repository to clone, and an image for docker. */
export type Surroundings = Disposable & { readonly repository: TestRepository; readonly image: string }

const lifeMsMax = 60_000

/** Where bin/slipway has it, too: most of a short life would be spent compiling. */
const compileCache = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'slipway', 'node')

export function makeSurroundings(image: string): Surroundings {
  const repository = testRepository({ 'README.md': 'readme of the test\n' })
  repository.commit('first')
  return { repository, image, [Symbol.dispose]: () => repository[Symbol.dispose]() }
}

/** An installation's data directory and how its processes are started; disposing removes all of it, pods included. */
export class Installation implements AsyncDisposable {
  readonly settings: InstallationSettings
  readonly #isKept: boolean

  constructor(
    surroundings: Surroundings,
    { driver, pipeline }: Pick<Scenario, 'driver' | 'pipeline'>,
    isVerbose = false,
  ) {
    // Not in /tmp, which may be a small memory file system.
    const dataDir = mkdtempSync('/var/tmp/slipway-crash-')
    const { repository } = surroundings
    this.#isKept = isVerbose
    this.settings = {
      dataDir,
      id: `crash-${randomBytes(4).toString('hex')}`,
      driver,
      image: driver === 'docker' ? surroundings.image : '',
      pipeline,
      clone: {
        url: repository.dir,
        ref: 'refs/heads/main',
        commitSha: repository.git('rev-parse', 'HEAD'),
        branch: 'main',
        originUrl: 'https://example.org/test.git',
        mirrorKey: 'test',
        submoduleUrls: {},
      },
      countsFile: join(dataDir, 'counts.json'),
      isVerbose,
    }
  }

  /** One process from start to end: its exit status, or undefined when it was killed. */
  async live(kill?: Kill): Promise<number | undefined> {
    using process = this.start(kill)
    return await process.ended
  }

  start(kill?: Kill): Disposable & { readonly ended: Promise<number | undefined>; stop(): void; kill(): void } {
    const program = join(import.meta.dirname, 'installation.ts')
    const settings: InstallationSettings = kill === undefined ? this.settings : { ...this.settings, kill }
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', program, JSON.stringify(settings)],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { NODE_COMPILE_CACHE: compileCache(), ...process.env },
      },
    )
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk
      if (this.settings.isVerbose) process.stderr.write(chunk)
    })
    const timer = setTimeout(() => {
      said += `killed after ${lifeMsMax} ms: it hangs`
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), 1000).unref()
    }, lifeMsMax)
    const ended = new Promise<number | undefined>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        clearTimeout(timer)
        if (said.includes('it hangs') || (code !== 0 && code !== stoppedStatus && signal !== 'SIGKILL'))
          reject(new Error(`the installation ended with ${signal ?? `status ${code}`}: ${said}`))
        else resolve(code ?? undefined)
      })
    })
    ended.catch(() => {})
    return {
      ended,
      stop: () => child.kill('SIGTERM'),
      kill: () => child.kill('SIGKILL'),
      [Symbol.dispose]: () => child.kill('SIGKILL'),
    }
  }

  get pods(): readonly string[] {
    return podsOf(this.settings)
  }

  get counts(): Counts {
    return JSON.parse(readFileSync(this.settings.countsFile, 'utf8')) as Counts
  }

  /** Everything that is wrong with the finished run and what was left behind. */
  async problems(): Promise<readonly string[]> {
    const { dataDir, id, driver, pipeline } = this.settings
    const at = paths(dataDir)
    const leftovers = await leftoversOf({ dataDir, id, driver })
    await using database = await openDatabase<RunserviceSchema>({ path: at.database, types: runserviceRowTypes, clock })
    await using ost = await openPosixObjectStorage({ root: at.objects, clock })
    await using cacheStorage = await openPosixObjectStorage({ root: at.caches, clock })
    await using runservice = createRunservice(
      { storeId: 'crash', keys: [loadInstallationKey(at.key, { create: false })] },
      {
        database,
        ost,
        caches: new Caches({ ost: cacheStorage, clock }),
        clock,
        logger,
        cloneSource: () => this.settings.clone,
      },
    )
    const runs = runservice.listRuns()
    const view = runs[0] === undefined ? undefined : runservice.findRun(runs[0].id)
    if (runs.length !== 1 || view === undefined) return [`there are ${runs.length} runs`, ...leftovers]
    const rows = database.view((tx) => ({
      orders: tx.list('executortask').map((row) => `executor task: ${row.id}`),
      ready: tx.list('ready').map((row) => `ready row: ${row.id}`),
      archives: tx.list('archive').map((row) => row.body.object),
    }))
    return [
      ...leftovers,
      ...rows.orders,
      ...rows.ready,
      ...database.verify().problems.map((problem) => `database: ${problem}`),
      ...resultProblems(view, pipeline),
      ...(await logProblems(view, pipeline, runservice, await driverDescription(driver))),
      ...(await objectProblems(ost, rows.archives)),
      ...(await cacheProblems(cacheStorage)),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { dataDir, id, driver } = this.settings
    if (this.#isKept) return
    await using found = await openTestDriver(driver, id, paths(dataDir).host)
    const signal = clock.timeout(30_000)
    for (const pod of await found.listPods(signal)) await found.removePod(pod, signal)
    await found[Symbol.asyncDispose]()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

export async function playScenario(
  surroundings: Surroundings,
  scenario: Scenario,
  isVerbose = false,
): Promise<Outcome> {
  const startedAt = clock.now()
  await using installation = new Installation(surroundings, scenario, isVerbose)
  let deaths = 0
  const problems: string[] = []
  try {
    for (const kill of [...scenario.kills, undefined]) {
      const status = await installation.live(kill)
      if (status === 0) break
      deaths++
      await sleep(scenario.awayMs ?? 0)
    }
    problems.push(...(await installation.problems()))
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const counts = existsSync(installation.settings.countsFile) ? installation.counts : { effects: {}, moments: 0 }
  return { problems, deaths, counts, ms: clock.now() - startedAt }
}

function resultProblems({ run, tasks }: RunView, pipeline: PipelineName): readonly string[] {
  const expected = pipelines[pipeline].expected('')
  const wrong: string[] = []
  if (run.phase !== 'finished' || run.result !== pipelines[pipeline].result)
    wrong.push(`the run is ${run.phase}, ${run.result}`)
  for (const { task, config } of tasks) {
    if (task.status !== expected[config.name]?.status)
      wrong.push(`task ${config.name} is ${task.status}: ${JSON.stringify(task.reason)}`)
    for (const [index, step] of [task.setupStep, ...task.steps].entries()) {
      const isOpen = step.phase === 'running' || (step.startedAt !== undefined && step.endedAt === undefined)
      if (isOpen) wrong.push(`step ${index - 1} of task ${config.name} is ${step.phase} without an end`)
    }
  }
  return wrong
}

async function logProblems(
  { tasks }: RunView,
  pipeline: PipelineName,
  runservice: Runservice,
  description: string,
): Promise<readonly string[]> {
  const expected = pipelines[pipeline].expected(description)
  const wrong: string[] = []
  for (const { task, config } of tasks) {
    // What did not end as it must has other logs, too: that is no news.
    if (task.status !== expected[config.name]?.status) continue
    for (const [log, text] of expected[config.name]?.logs ?? []) {
      const found = (await collectBytes(runservice.readLog(task.id, log))).toString('utf8')
      const isRight = typeof text === 'string' ? found === text : text.test(found)
      if (!isRight) wrong.push(`log ${log} of task ${config.name}: ${firstDifference(found, text)}`)
      if (found.includes(secret)) wrong.push(`log ${log} of task ${config.name} shows the secret`)
    }
  }
  return wrong
}

function firstDifference(found: string, expected: string | RegExp): string {
  if (expected instanceof RegExp) return `${JSON.stringify(found)} is not ${expected}`
  const [foundLines, expectedLines] = [found.split('\n'), expected.split('\n')]
  const at = expectedLines.findIndex((line, index) => line !== foundLines[index])
  const line = at < 0 ? expectedLines.length : at
  return `${foundLines.length} lines instead of ${expectedLines.length}, line ${line + 1} is ${JSON.stringify(foundLines[line])}`
}

/** Each archive has its row, each log its frames without gap and its trailer, and there is nothing else. */
async function objectProblems(ost: ObjectStorage, archives: readonly string[]): Promise<readonly string[]> {
  const wrong: string[] = []
  const logs = new Map<string, string[]>()
  for await (const { key } of ost.list()) {
    // A log that is one frame is an object, `logs/TASK/LOG.zst`, and has no folder then.
    const [kind, task, log, name = log!] = key.replace(/^(logs\/[^/]+\/[^/]+)\.zst$/, '$1').split('/')
    if (kind === 'logs') logs.set(`${task}/${log}`, [...(logs.get(`${task}/${log}`) ?? []), name])
    else if (!archives.includes(key)) wrong.push(`object without row: ${key}`)
  }
  for (const archive of archives)
    if ((await ost.stat(archive)) === undefined) wrong.push(`row without object: ${archive}`)
  const store = createLogStore(ost)
  for (const [folder, names] of logs) {
    const [runTaskId = '', log = ''] = folder.split('/')
    const key = { runTaskId, log: log === 'setup' ? log : Number(log) } as const
    let frames = 0
    for await (const _ of store.indexes(key)) frames++
    const stored = names.filter((name) => name !== 'end').length
    if (frames !== stored) wrong.push(`log ${folder} has ${stored} frames, ${frames} of them needed`)
    if ((await store.trailer(key)) === undefined) wrong.push(`log is not finished: ${folder}`)
  }
  return wrong
}

/** Every entry has its data. Data without an entry is documented: `Caches.clean` removes it when it is a day old. */
async function cacheProblems(ost: ObjectStorage): Promise<readonly string[]> {
  const wrong: string[] = []
  for await (const { key } of ost.list({ prefix: 'caches/' })) {
    if (!key.endsWith('.json')) continue
    const { object } = JSON.parse((await collectBytes(ost.read(key))).toString('utf8')) as { object: string }
    if ((await ost.stat(object)) === undefined) wrong.push(`cache without data: ${key}`)
  }
  return wrong
}

const descriptions = new Map<DriverName, Promise<string>>()

async function driverDescription(driver: DriverName): Promise<string> {
  const known =
    descriptions.get(driver) ??
    (async () => {
      const dataDir = mkdtempSync('/var/tmp/slipway-crash-')
      try {
        await using opened = await openTestDriver(driver, 'crash-description', dataDir)
        return opened.facts.description
      } finally {
        rmSync(dataDir, { recursive: true, force: true })
      }
    })()
  descriptions.set(driver, known)
  return await known
}

async function openTestDriver(driver: DriverName, ownerId: string, dataDir: string) {
  if (driver === 'docker')
    return await openDockerDriver({
      ownerId,
      environment: process.env,
      allowPrivileged: false,
      helperBinary: findHelperBinary,
      clock,
      logger,
    })
  mkdirSync(dataDir, { recursive: true })
  return await openHostDriver({
    dataDir,
    ownerId,
    helperFile: (await findHelperBinary(hostArch())).path,
    allowUnsandboxed: false,
    readOnlyPaths: [],
    clock,
    logger,
  })
}
