import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testRepository } from '../../test/support/git-repository.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import type { RunConfigTask, Step } from '../pipeline/run-config.ts'
import type { NewRunRequest, RunView } from '../runservice/api.ts'
import type { CloneSource, ExecutorApi, LogName, OrderMessage, TaskReport } from '../runservice/executor-api.ts'
import { aConfigTask } from '../runservice/scheduler/run-fixture.ts'
import {
  aDirectory,
  ended,
  type Installation,
  noSource,
  openInstallation,
  textOf,
  until,
} from '../runservice/service-fixture.ts'
import { Executor, type ExecutorComponents, type ExecutorSettings } from './executor.ts'
import { type Behaviour, exited, FakeDriver } from './fake-driver-fixture.ts'
import { GitMirrors } from './git/mirrors.ts'
import { ImagePullError } from './image-pull-error.ts'
import { openJournal } from './journal.ts'

type Bench = Installation & {
  readonly driver: FakeDriver
  readonly reports: TaskReport[]
  readonly executor: Executor
  readonly journalDir: string
  /** Starts the executor, or one on the same journal after it was stopped. */
  start(): void
  stop(): Promise<void>
  create(...tasks: readonly Partial<RunConfigTask>[]): Promise<string>
  createRun(request: Partial<NewRunRequest>, ...tasks: readonly Partial<RunConfigTask>[]): Promise<string>
  log(view: RunView, name: LogName, task?: number): Promise<string>
}

type BenchOptions = {
  readonly settings?: Partial<ExecutorSettings>
  readonly components?: Partial<ExecutorComponents>
  readonly driver?: FakeDriver
  readonly cloneSource?: CloneSource
  /** Wraps what the executor calls. */
  readonly api?: (api: ExecutorApi) => Partial<ExecutorApi>
}

async function aBench(options: BenchOptions = {}): Promise<Bench> {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const installation = owner.use(
    await openInstallation(options.cloneSource === undefined ? {} : { cloneSource: options.cloneSource }),
  )
  const dir = aDirectory(owner)
  const journalDir = join(dir, 'journal')
  const driver = options.driver ?? new FakeDriver()
  const reports: TaskReport[] = []
  const real = installation.runservice.executorApi('x1')
  const api = new Proxy(real, {
    get: (target, name) => {
      const replaced = options.api?.(real)[name as keyof ExecutorApi]
      if (name === 'report' && replaced === undefined)
        return async (report: TaskReport, signal?: AbortSignal) => {
          reports.push(report)
          return await target.report(report, signal)
        }
      const value = replaced ?? target[name as keyof ExecutorApi]
      return value.bind(target)
    },
  })
  const settings = {
    id: 'x1',
    labels: {},
    taskLimit: 0,
    allowPrivileged: false,
    pull: 'never',
    keepFailed: false,
    ...options.settings,
  } as const
  const components = (): ExecutorComponents => ({
    api,
    drivers: [driver],
    mirrors: new GitMirrors({ dir: join(dir, 'mirrors') }, { clock: systemClock }),
    journal: openJournal(journalDir),
    clock: systemClock,
    logger: silentLogger,
    ...options.components,
  })
  let stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const bench = {
    ...installation,
    driver,
    reports,
    journalDir,
    executor: new Executor(settings, components()),
    start() {
      stopping = new AbortController()
      this.executor = new Executor(settings, components())
      running = this.executor.run(stopping.signal).catch((error: unknown) => {
        if (!isSlipwayError(error, 'executor_removed')) throw error
      })
    },
    async stop() {
      stopping.abort()
      await running
    },
    createRun: async (request: Partial<NewRunRequest>, ...tasks: readonly Partial<RunConfigTask>[]) => {
      const named = tasks.map((task, index) => ({ ...aConfigTask(task.name ?? `t${index}`), ...task }))
      const [run] = await installation.runservice.createRuns([
        { name: 'run', group: '/project/p1/branch/main', tasks: named, secrets: {}, ...request },
      ])
      return run!.id
    },
    create: (...tasks: readonly Partial<RunConfigTask>[]) => bench.createRun({}, ...tasks),
    log: (view: RunView, name: LogName, task = 0) =>
      textOf(installation.runservice.readLog(view.tasks[task]!.task.id, name)),
  }
  owner.defer(() => bench.stop())
  bench.start()
  return bench
}

const run = (command: string, fields: Partial<Extract<Step, { type: 'run' }>> = {}): Step => ({
  type: 'run',
  name: command,
  command,
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
  ...fields,
})

const hangs: Behaviour = async ({ print, killed }) => {
  print('begun\n')
  await killed
  print('last words\n')
  return { kind: 'signaled', signal: 'SIGTERM' }
}

async function finished(bench: Bench, runId: string): Promise<RunView> {
  const view = await ended(bench.runservice, runId)
  await bench.executor.idle()
  return view
}

const taskOf = (view: RunView, index = 0) => view.tasks[index]!.task

function nothingLeft(bench: Bench): void {
  expect([...bench.driver.pods.keys()]).toEqual([])
  expect(entriesOf(bench.journalDir)).toEqual([])
}

describe('a run step', () => {
  test.each([
    ['succeeds', exited(0), { phase: 'success', exitStatus: 0 }],
    ['exits with 3', exited(3), { phase: 'failed', exitStatus: 3, reason: { kind: 'failed_exit', step: 0, code: 3 } }],
    [
      'is killed',
      { kind: 'signaled', signal: 'SIGKILL' },
      { phase: 'failed', reason: { kind: 'failed_signal', step: 0, signal: 'SIGKILL' } },
    ],
    [
      'is refused',
      { kind: 'refused', message: 'no such shell' },
      { phase: 'failed', reason: { kind: 'failed_step', step: 0, message: 'no such shell' } },
    ],
    [
      'has not enough memory',
      { kind: 'out_of_memory' },
      { phase: 'failed', exitStatus: 137, reason: { kind: 'out_of_memory' } },
    ],
    ['loses its pod', { kind: 'lost', message: 'gone' }, { phase: 'failed', reason: { kind: 'pod_lost', step: 0 } }],
  ] as const)('that %s ends so, with its reason on step and task', async (_, exit, expected) => {
    const bench = await aBench()
    bench.driver.behaviour = ({ print }) => {
      print('output\n')
      return exit
    }
    const view = await finished(bench, await bench.create({ steps: [run('x'), run('y')] }))
    const { status, steps, reason, startedAt, endedAt } = taskOf(view)
    expect(steps[0]).toMatchObject(expected)
    expect(steps[1]!.phase).toBe(expected.phase === 'success' ? 'success' : 'notstarted')
    expect(status).toBe(expected.phase)
    expect(reason).toEqual('reason' in expected ? expected.reason : undefined)
    expect(endedAt).toBeGreaterThanOrEqual(startedAt!)
    expect(await bench.log(view, 0)).toBe('output\n')
    expect(await bench.log(view, 'setup')).toBe('Starting pod with pods in memory\nPod started\n')
    nothingLeft(bench)
  })

  test('gets its shell, its directory below that of the task, and the task directory made', async () => {
    const bench = await aBench()
    let pod: ReturnType<typeof bench.driver.pods.get>
    bench.driver.behaviour = () => {
      pod = [...bench.driver.pods.values()][0]
      return exited(0)
    }
    const steps = [
      run('a'),
      run('b', { shell: '/bin/bash  -x', workingDir: 'sub', tty: true }),
      run('c', { workingDir: '/abs' }),
    ]
    await finished(bench, await bench.create({ steps, workingDir: '~/project', shell: '/bin/sh -e' }))
    expect(
      pod!.commands.map(({ argv, workingDir, createDirs, tty, script }) => ({
        argv,
        workingDir,
        createDirs,
        tty,
        script,
      })),
    ).toEqual([
      { argv: ['/bin/sh', '-e'], workingDir: '~/project', createDirs: ['~/project'], tty: false, script: 'a\n' },
      { argv: ['/bin/bash', '-x'], workingDir: '~/project/sub', createDirs: ['~/project'], tty: true, script: 'b\n' },
      { argv: ['/bin/sh', '-e'], workingDir: '/abs', createDirs: ['~/project'], tty: false, script: 'c\n' },
    ])
  })
})

test('the environment is that of the container, under the task, the run, the run counter and the step', async () => {
  const bench = await aBench()
  const seen: Record<string, string>[] = []
  const archivedWith: Readonly<Record<string, string>>[] = []
  bench.driver.behaviour = ({ command }) => {
    seen.push({ ...command.environment })
    return exited(0)
  }
  bench.driver.onRemove = (id) => {
    for (const { environment } of bench.driver.pods.get(id)?.archived ?? []) archivedWith.push(environment)
  }
  const container = { user: '', privileged: false, entrypoint: '', volumes: [] }
  const runtime: RunConfigTask['runtime'] = {
    type: 'pod',
    containers: [
      { ...container, image: 'main', environment: { FOO: 'c', Z: 'c' } },
      { ...container, image: 'service', environment: { S: 's' } },
    ],
  }
  const steps: Step[] = [
    run('one', { environment: { BAR: 's', CI: 's' } }),
    run('two'),
    { type: 'save_to_workspace', name: 'save', contents: [] },
  ]
  const runId = await bench.createRun(
    { staticEnvironment: { CI: 'true' } },
    { runtime, steps, environment: { FOO: 't', CI: 't', BAR: 't' } },
  )
  await finished(bench, runId)
  expect(bench.driver.specs[0]!.containers.map(({ environment }) => environment)).toEqual([
    { FOO: 'c', Z: 'c' },
    { S: 's' },
  ])
  const counter = { AGOLA_RUN_COUNTER: '1', SLIPWAY_RUN_COUNTER: '1' }
  const others = { FOO: 't', BAR: 't', CI: 'true', ...counter }
  expect(seen).toEqual([{ FOO: 't', BAR: 's', CI: 's', ...counter }, others])
  expect(archivedWith).toEqual([others])
})

describe('workspace and cache steps', () => {
  const save: Step = { type: 'save_to_workspace', name: 'save', contents: [] }
  const restore: Step = { type: 'restore_workspace', name: 'restore', destDir: 'out' }
  const comesAfter = (name: string): RunConfigTask['depends'] => [
    { taskId: `${name}-id`, conditions: ['on_success', 'on_failure'] },
  ]

  test('carry files from task to task by level, then name, then step; what never was saved is told', async () => {
    const bench = await aBench({ settings: { taskLimit: 1 } })
    const unpacked: string[] = []
    bench.driver.behaviour = ({ command }) => {
      for (const pod of bench.driver.pods.values()) pod.files = command.script?.trim() ?? ''
      return command.script?.startsWith('fail') ? exited(1) : exited(0)
    }
    bench.driver.onRemove = (id) =>
      unpacked.push(...(bench.driver.pods.get(id)?.unpacked.map(({ text }) => text) ?? []))
    const view = await finished(
      bench,
      await bench.create(
        { name: 'end', steps: [restore], depends: [...comesAfter('z'), ...comesAfter('b')] },
        { name: 'z', steps: [run('from z'), save], level: 0 },
        { name: 'a', steps: [run('from a'), save, run('again a'), save] },
        { name: 'b', steps: [run('fail in b'), save], depends: comesAfter('a'), ignoreFailure: true },
      ),
    )
    expect(view.tasks.map(({ task }) => task.status)).toEqual(['success', 'success', 'success', 'failed'])
    expect(unpacked).toEqual(['from a', 'again a', 'from z'])
    expect(await bench.log(view, 0)).toBe(
      [
        'Restored 15 B that task a saved',
        'Restored 16 B that task a saved',
        'Restored 15 B that task z saved',
        'Task b did not save its step 1: nothing to restore',
        '',
      ].join('\n'),
    )
  })

  test('that fail say why, and the task failed', async () => {
    const bench = await aBench()
    bench.driver.behaviour = () => {
      for (const pod of bench.driver.pods.values())
        pod.files = new SlipwayError('helper_failed', 'pack ./build: it is not there')
      return exited(0)
    }
    const view = await finished(bench, await bench.create({ steps: [run('x'), save] }))
    const reason = { kind: 'failed_step', step: 1, message: 'pack ./build: it is not there' }
    expect(taskOf(view)).toMatchObject({ status: 'failed', reason })
    expect(await bench.log(view, 1)).toBe('Step failed: pack ./build: it is not there\n')
    nothingLeft(bench)
  })

  test('save a cache once, and restore the first key that is found', async () => {
    const bench = await aBench()
    const saveCache: Step = {
      type: 'save_cache',
      name: 'save',
      key: 'npm-{{ .Environment.X }}{{ arch }}',
      contents: [],
    }
    const keys = ['nothing', 'npm-']
    const restoreCache: Step = { type: 'restore_cache', name: 'restore', keys, destDir: '' }
    const first = await finished(bench, await bench.create({ name: 'a', steps: [restoreCache, saveCache, saveCache] }))
    expect(taskOf(first).status).toBe('success')
    expect(await bench.log(first, 0)).toBe('No cache for nothing\nNo cache for npm-\n')
    expect(await bench.log(first, 1)).toMatch(/^Saved cache npm-.*amd64\n$/)
    expect(await bench.log(first, 2)).toMatch(/^Cache npm-.*amd64 exists already\n$/)
    const second = await finished(bench, await bench.create({ name: 'b', steps: [restoreCache] }))
    expect(await bench.log(second, 0)).toMatch(/^No cache for nothing\nRestored cache p1-npm-.*amd64 \(14 B\)\n$/)
  })

  test('with a key that is too long fail', async () => {
    const bench = await aBench()
    const key = 'k'.repeat(limits.cacheKeyBytes.value)
    const view = await finished(
      bench,
      await bench.create({ steps: [{ type: 'save_cache', name: 's', key, contents: [] }] }),
    )
    expect(taskOf(view).reason).toMatchObject({ kind: 'failed_step', message: expect.stringContaining('is too long') })
  })
})

describe('a clone step', () => {
  const clone: Step = { type: 'clone', name: 'clone', recurseSubmodules: false }

  test('streams the commit into the pod', async () => {
    using repository = testRepository({ 'README.md': 'hello' })
    const commitSha = repository.commit('first')
    const cloneSource = { ...noSource, url: repository.dir, mirrorKey: repository.dir, commitSha }
    const bench = await aBench({ cloneSource })
    const unpacked: string[] = []
    bench.driver.onRemove = (id) =>
      unpacked.push(...(bench.driver.pods.get(id)?.unpacked.map(({ text }) => text) ?? []))
    const view = await finished(bench, await bench.create({ steps: [clone], workingDir: '~/src' }))
    expect(taskOf(view).status).toBe('success')
    expect(unpacked[0]).toContain('README.md')
    expect(await bench.log(view, 0)).toBe(
      `Fetching refs/heads/main (${commitSha.slice(0, 12)})\nChecked out ${commitSha} into ~/src\n`,
    )
  })

  test('of a repository that is not there fails with what git says', async () => {
    const bench = await aBench({ cloneSource: { ...noSource, url: '/nowhere', mirrorKey: 'n' } })
    const view = await finished(bench, await bench.create({ steps: [clone] }))
    expect(taskOf(view).reason).toMatchObject({
      kind: 'failed_step',
      step: 0,
      message: expect.stringContaining('/nowhere'),
    })
  })
})

describe('a timeout', () => {
  test('kills the running step; task and step failed, what was printed until then is there', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const view = await finished(bench, await bench.create({ steps: [run('x'), run('y')], timeoutMs: 30 }))
    const reason = { kind: 'failed_timeout', timeoutMs: 30 }
    expect(taskOf(view)).toMatchObject({
      status: 'failed',
      timedOut: true,
      reason,
      steps: [{ phase: 'failed', reason }, { phase: 'notstarted' }],
    })
    expect(await bench.log(view, 0)).toBe('begun\nlast words\nThe task did not finish in time and was killed\n')
    nothingLeft(bench)
  })

  test('counts from the start of the pod', async () => {
    const bench = await aBench()
    bench.driver.onCreate = () => new Promise((resolve) => setTimeout(resolve, 250))
    const view = await finished(bench, await bench.create({ steps: [run('x')], timeoutMs: 200 }))
    expect(taskOf(view)).toMatchObject({ status: 'success', timedOut: false })
  })
})

describe('a stop', () => {
  test('of a step is possible while its output is followed, long before a part of it is stored', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    const taskId = bench.runservice.findRun(runId)!.tasks[0]!.task.id
    const log = bench.runservice.followLog(taskId, 0, 0, AbortSignal.timeout(4_000))[Symbol.asyncIterator]()
    expect(Buffer.from((await log.next()).value!).toString()).toBe('begun\n')
    await bench.runservice.stopRun(runId)
    await finished(bench, runId)
  })

  test('of a step that does not listen kills it when its grace is over', async () => {
    // The grace passes at once.
    const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal) }
    const bench = await aBench({ components: { clock } })
    let wasForced = false
    bench.driver.behaviour = async ({ print, killed, forced }) => {
      print('begun\n')
      await killed
      print('not listening\n')
      await forced
      wasForced = true
      return { kind: 'signaled', signal: 'SIGKILL' }
    }
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.runservice.stopRun(runId)
    const view = await finished(bench, runId)
    expect(taskOf(view).status).toBe('stopped')
    expect(wasForced).toBe(true)
    expect(await bench.log(view, 0)).toBe('begun\nnot listening\nStopped\n')
    nothingLeft(bench)
  })

  test('of a running step ends it stopped, with its last words', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x'), run('y')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.runservice.stopRun(runId)
    const view = await finished(bench, runId)
    expect(view.run.result).toBe('stopped')
    expect(taskOf(view)).toMatchObject({
      status: 'stopped',
      steps: [{ phase: 'stopped', reason: { kind: 'stopped' } }, { phase: 'notstarted' }],
    })
    expect(await bench.log(view, 0)).toBe('begun\nlast words\nStopped\n')
    nothingLeft(bench)
  })

  test('of a step that ends with a status of its own ends it stopped as well', async () => {
    const bench = await aBench()
    bench.driver.behaviour = async ({ killed }) => {
      await killed
      return exited(143)
    }
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.runservice.stopRun(runId)
    expect(taskOf(await finished(bench, runId)).status).toBe('stopped')
  })

  test('during the setup ends it stopped, and leaves no pod', async () => {
    const bench = await aBench()
    bench.driver.onCreate = (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.status === 'running')
    await bench.runservice.stopRun(runId)
    const view = await finished(bench, runId)
    expect(taskOf(view)).toMatchObject({
      status: 'stopped',
      setupStep: { phase: 'stopped' },
      steps: [{ phase: 'notstarted' }],
    })
    expect(await bench.log(view, 'setup')).toBe('Starting pod with pods in memory\nStopped\n')
    nothingLeft(bench)
  })

  test('before anything began ends it cancelled', async () => {
    const bench = await aBench()
    await bench.stop()
    const runId = await bench.create({ steps: [run('x')] })
    expect(bench.runservice.findRun(runId)!.run.phase).toBe('running')
    await until(() => bench.database.view((tx) => tx.count('executortask')) === 1)
    await bench.runservice.stopRun(runId)
    bench.start()
    const view = await finished(bench, runId)
    expect(taskOf(view)).toMatchObject({ status: 'cancelled', reason: { kind: 'cancelled_stop' } })
    expect(bench.driver.specs).toEqual([])
  })

  test('does not keep the executor from being stopped, though nobody takes its reports', async () => {
    let isAway = false
    const bench = await aBench({
      api: (api) => ({
        report: async (report, signal) => {
          if (isAway) throw new SlipwayError('database_closed', 'away')
          return await api.report(report, signal)
        },
      }),
    })
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    isAway = true
    await bench.runservice.stopRun(runId)
    await until(() => readJournal(bench).includes('"phase":"stopped"'))
    await bench.stop()
    isAway = false
    bench.start()
    expect(taskOf(await finished(bench, runId)).status).toBe('stopped')
    nothingLeft(bench)
  })
})

const readJournal = ({ journalDir }: Bench) => JSON.stringify(entriesOf(journalDir))

function entriesOf(journalDir: string): readonly unknown[] {
  const journal = openJournal(journalDir)
  return journal.ids().map((id) => journal.find(id))
}

describe('a setup that fails', () => {
  const docker = (...archs: ('amd64' | 'arm64')[]) => new FakeDriver({ archs })
  const host = () => new FakeDriver({ name: 'host', supportsServices: false, supportsPrivileged: false })
  const container = { image: 'i', environment: {}, user: '', privileged: false, entrypoint: '', volumes: [] }
  const privileged: Partial<RunConfigTask> = {
    runtime: { type: 'pod', containers: [{ ...container, privileged: true }] },
  }
  const services: Partial<RunConfigTask> = { runtime: { type: 'pod', containers: [container, container] } }

  test.each([
    [
      'an image that cannot be pulled',
      new ImagePullError('nope:1', '404 not found'),
      { kind: 'image_pull', image: 'nope:1', answer: '404 not found' },
    ],
    [
      'a setup of the driver',
      new SlipwayError('setup_failed', 'no such user: nobody'),
      { kind: 'failed_setup', message: 'no such user: nobody' },
    ],
    [
      'trouble of ours',
      new TypeError('x is undefined'),
      { kind: 'failed_setup', message: 'internal error: x is undefined' },
    ],
  ] as const)('for %s has its typed reason', async (_, error, reason) => {
    const bench = await aBench()
    bench.driver.onCreate = () => {
      throw error
    }
    const view = await finished(bench, await bench.create({ steps: [run('x')] }))
    expect(taskOf(view)).toMatchObject({
      status: 'failed',
      reason,
      setupStep: { phase: 'failed', reason },
      steps: [{ phase: 'notstarted' }],
    })
    expect(await bench.log(view, 'setup')).toMatch(/^Starting pod with pods in memory\nSetup failed: .+\n$/)
    nothingLeft(bench)
  })

  test('for a pod that starts too slowly has the limit as its reason, whatever the driver makes of it', async () => {
    const clock: Clock = {
      ...systemClock,
      timeout: (ms) => AbortSignal.timeout(ms === limits.podStartMs.value ? 20 : ms),
    }
    const bench = await aBench({ components: { clock } })
    bench.driver.onCreate = (_, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new SlipwayError('setup_failed', 'aborted'))),
      )
    const view = await finished(bench, await bench.create({ steps: [run('x')] }))
    expect(taskOf(view).reason).toEqual({ kind: 'limit', limit: 'podStartMs', value: limits.podStartMs.value })
    nothingLeft(bench)
  })

  test('for a disk that is nearly full has the limit as its reason, and makes no pod', async () => {
    const bench = await aBench({ components: { freeDiskPercent: () => limits.freeDiskPercent.value - 0.1 } })
    const view = await finished(bench, await bench.create({ steps: [run('x')] }))
    expect(taskOf(view).reason).toEqual({
      kind: 'limit',
      limit: 'freeDiskPercent',
      value: limits.freeDiskPercent.value,
    })
    expect(bench.driver.specs).toEqual([])
  })

  test.each([
    [
      'privileged containers that this executor does not allow',
      docker('amd64'),
      privileged,
      {},
      { kind: 'privileged_refused' },
    ],
    ['service containers without docker', host(), services, {}, { kind: 'needs_docker' }],
    ['privileged containers without docker', host(), privileged, { allowPrivileged: true }, { kind: 'needs_docker' }],
  ] as const)('for %s has its typed reason', async (_, driver, task, settings, reason) => {
    // The executor says that it could, so that the task comes to it at all.
    const api = (real: ExecutorApi): Partial<ExecutorApi> => ({
      connect: (hello, signal) => real.connect({ ...hello, allowPrivileged: true }, signal),
    })
    const bench = await aBench({ driver, settings, api })
    const view = await finished(bench, await bench.create({ steps: [run('x')], ...task }))
    expect(taskOf(view)).toMatchObject({ status: 'failed', reason })
    expect(driver.specs).toEqual([])
  })

  test('of a run of a fork is never on the host', async () => {
    const driver = host()
    const api = (real: ExecutorApi): Partial<ExecutorApi> => ({
      connect: (hello, signal) => real.connect({ ...hello, drivers: ['docker'] }, signal),
    })
    const bench = await aBench({ driver, api })
    const view = await finished(bench, await bench.createRun({ trust: 'fork' }, { steps: [run('x')] }))
    expect(taskOf(view).reason).toMatchObject({ kind: 'needs_docker', because: expect.stringContaining('fork') })
    expect(driver.specs).toEqual([])
  })
})

describe('secrets', () => {
  const secret = 'correct horse battery'
  const secrets = {
    secrets: { password: secret, other: 'another secret' },
    environment: { PASSWORD: { secret: 'password' }, O: { secret: 'other' } },
  }

  test('are masked in output, reasons, our own lines and the setup log, and are not in the journal', async () => {
    const bench = await aBench()
    bench.driver.onCreate = (_, { log }) => log(`pulling with ${secret}`)
    let journal = ''
    bench.driver.behaviour = ({ print, command }) => {
      journal += readJournal(bench)
      print(`the password is ${command.environment.PASSWORD}\n`)
      return { kind: 'refused', message: `no shell ${secret}` }
    }
    const view = await finished(bench, await bench.createRun(secrets, { steps: [run('x')] }))
    expect(taskOf(view).reason).toEqual({ kind: 'failed_step', step: 0, message: 'no shell ***' })
    expect(await bench.log(view, 'setup')).toContain('pulling with ***\n')
    expect(await bench.log(view, 0)).toContain('the password is ***\n')
    expect(journal).toContain('"phase":"running"')
    expect(journal).not.toContain(secret)
    expect(JSON.stringify(bench.reports)).not.toContain(secret)
  })

  test('are masked in the answer of a registry, of which only so much is kept', async () => {
    const bench = await aBench()
    bench.driver.onCreate = () => {
      throw new ImagePullError(`registry/${secret}/x`, `denied for ${secret} ${'x'.repeat(100_000)}`)
    }
    const view = await finished(bench, await bench.createRun(secrets, { steps: [run('x')] }))
    const { reason } = taskOf(view)
    expect(reason).toMatchObject({
      kind: 'image_pull',
      image: 'registry/***/x',
      answer: expect.stringMatching(/^denied for \*\*\* x+\.\.\.$/),
    })
    expect(JSON.stringify(reason).length).toBeLessThan(3000)
    expect(await bench.log(view, 'setup')).not.toContain(secret)
  })

  test('that are printed are told by name, step and line, once per log, and only so many', async () => {
    const bench = await aBench()
    bench.driver.behaviour = ({ print, command }) => {
      print(`one\ntwo ${command.environment.PASSWORD}\n${command.environment.PASSWORD}\n`)
      if (command.id === 'step-1') print(`${command.environment.O}\n`)
      return exited(0)
    }
    const view = await finished(bench, await bench.createRun(secrets, { steps: [run('x'), run('y')] }))
    expect(taskOf(view).printedSecrets).toEqual([
      { secret: 'password', log: 0, line: 1 },
      { secret: 'password', log: 1, line: 1 },
      { secret: 'other', log: 1, line: 3 },
    ])
    const steps = Array.from({ length: limits.printedSecretsPerTask.value + 5 }, (_, index) => run(`s${index}`))
    const many = await finished(bench, await bench.createRun(secrets, { name: 'many', steps }))
    expect(taskOf(many).printedSecrets).toHaveLength(limits.printedSecretsPerTask.value)
  })
})

describe('an executor that is stopped and started again', () => {
  test('goes on with the running step; each line is there once', async () => {
    const bench = await aBench()
    const release = Promise.withResolvers<void>()
    bench.driver.behaviour = async ({ print }) => {
      print('one\n')
      await release.promise
      print('two\n')
      return exited(0)
    }
    const runId = await bench.create({ steps: [run('x'), run('y')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.stop()
    expect(bench.driver.pods.size).toBe(1)
    bench.start()
    release.resolve()
    const view = await finished(bench, runId)
    expect(taskOf(view).status).toBe('success')
    expect(await bench.log(view, 0)).toBe('one\ntwo\n')
    expect([...bench.driver.specs]).toHaveLength(1)
    nothingLeft(bench)
  })

  test('finds its pod gone: the task failed and its log says so', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.stop()
    bench.driver.pods.clear()
    bench.start()
    const view = await finished(bench, runId)
    expect(taskOf(view)).toMatchObject({ status: 'failed', reason: { kind: 'pod_lost', step: 0 } })
    expect(await bench.log(view, 0)).toContain('The pod disappeared while the executor was away\n')
    nothingLeft(bench)
  })

  test('has lost its journal: the task failed, and its pod is removed', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.stop()
    for (const id of openJournal(bench.journalDir).ids()) openJournal(bench.journalDir).delete(id)
    bench.start()
    const view = await finished(bench, runId)
    expect(taskOf(view)).toMatchObject({
      status: 'failed',
      reason: { kind: 'pod_lost' },
      setupStep: { phase: 'success' },
      steps: [{ phase: 'failed' }],
    })
    nothingLeft(bench)
  })

  test('is told to stop while it was away: the step is killed and its log is whole', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.stop()
    await bench.runservice.stopRun(runId)
    bench.start()
    const view = await finished(bench, runId)
    expect(taskOf(view)).toMatchObject({ status: 'stopped', steps: [{ phase: 'stopped' }] })
    expect(await bench.log(view, 0)).toBe('begun\nlast words\nStopped\n')
  })

  test('removes pods that nobody knows', async () => {
    const bench = await aBench()
    await bench.stop()
    await bench.driver.createPod({ id: 'left.1' } as never, { log: () => {}, signal: new AbortController().signal })
    bench.start()
    await until(() => bench.driver.pods.size === 0)
  })
})

describe('what goes wrong around a task', () => {
  test('a task that nobody knows any more loses its pod and its journal', async () => {
    const bench = await aBench()
    bench.driver.behaviour = hangs
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => bench.runservice.findRun(runId)!.tasks[0]!.task.steps[0]!.phase === 'running')
    await bench.runservice.removeExecutor('x1')
    await until(() => bench.driver.pods.size === 0 && entriesOf(bench.journalDir).length === 0)
    expect(taskOf(bench.runservice.findRun(runId)!)).toMatchObject({
      status: 'failed',
      reason: { kind: 'executor_lost' },
    })
  })

  test('reports are sent again until they are taken, never out of order, and of many states only the newest', async () => {
    const sent: TaskReport[] = []
    let failures = 3
    const bench = await aBench({
      api: (api) => ({
        report: async (report, signal) => {
          sent.push(report)
          if (failures-- > 0) throw new SlipwayError('database_overloaded', 'later')
          return await api.report(report, signal)
        },
      }),
    })
    const steps = Array.from({ length: 20 }, (_, index) => run(`s${index}`))
    const view = await finished(bench, await bench.create({ steps }))
    expect(taskOf(view).status).toBe('success')
    const numbers = sent.map(({ number }) => number)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(sent.at(-1)!.phase).toBe('success')
    expect(sent.length).toBeLessThan(20)
    nothingLeft(bench)
  })

  test('logs that can never be stored end the task instead of keeping it for ever', async () => {
    const bench = await aBench({
      components: { clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal) } },
      api: () => ({
        finishLog: async () => {
          throw new SlipwayError('log_corrupt', 'damaged')
        },
        storeFrame: async () => {
          throw new SlipwayError('log_corrupt', 'damaged')
        },
      }),
    })
    const view = await finished(bench, await bench.create({ steps: [run('print x')] }))
    expect(taskOf(view)).toMatchObject({ status: 'failed', reason: { kind: 'failed_setup' } })
    nothingLeft(bench)
  })

  test('a pod that cannot be removed is tried again; its run does not wait for it', async () => {
    const bench = await aBench()
    let refusals = 2
    bench.driver.onRemove = () => {
      if (refusals-- > 0) throw new SlipwayError('driver_unavailable', 'busy')
    }
    const view = await ended(bench.runservice, await bench.create({ steps: [run('x')] }))
    expect(taskOf(view).status).toBe('success')
    await bench.executor.idle()
    expect(refusals).toBeLessThan(0)
    nothingLeft(bench)
  })

  test('the pod of a failed task is kept when asked for, and the task says how to enter it', async () => {
    const bench = await aBench({ settings: { keepFailed: true } })
    const failed = await finished(bench, await bench.create({ name: 'a', steps: [run('exit 1')] }))
    const [id] = bench.driver.pods.keys()
    expect(taskOf(failed).keptPod).toBe(`enter ${id}`)
    await finished(bench, await bench.create({ name: 'b', steps: [run('x')] }))
    expect([...bench.driver.pods.keys()]).toEqual([id])
  })

  test('a connection that breaks is made again, and nothing is executed twice', async () => {
    let breaks = 2
    const bench = await aBench({
      api: (api) => ({
        connect: async function* (hello, signal) {
          for await (const message of api.connect(hello, signal)) {
            yield message
            if (breaks-- > 0) throw new SlipwayError('database_closed', 'connection reset')
          }
        },
      }),
    })
    const release = Promise.withResolvers<void>()
    bench.driver.behaviour = async () => {
      await release.promise
      return exited(0)
    }
    const runId = await bench.create({ steps: [run('x')] })
    await until(() => breaks <= 0)
    release.resolve()
    expect(taskOf(await finished(bench, runId)).status).toBe('success')
    expect(bench.driver.specs).toHaveLength(1)
  })

  test('what a newer server says besides is ignored, and the connection stays', async () => {
    let connections = 0
    const bench = await aBench({
      api: (api) => ({
        connect: async function* (hello, signal) {
          connections++
          yield { kind: 'of-a-later-version' } as unknown as OrderMessage
          yield* api.connect(hello, signal)
        },
      }),
    })
    expect(taskOf(await finished(bench, await bench.create({ steps: [run('x')] }))).status).toBe('success')
    expect(connections).toBe(1)
  })
})

test('what the executor logs about itself holds no secret', async () => {
  const secret = 'correct horse battery'
  const lines: string[] = []
  const write = (message: string, fields?: object) => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    )
  }
  const logger: Logger = { debug: write, info: write, warn: write, error: write }
  const bench = await aBench({ components: { logger } })
  bench.driver.behaviour = () => {
    throw new Error(`broke with ${secret}`)
  }
  const view = await finished(
    bench,
    await bench.createRun({ secrets: { p: secret }, environment: { P: { secret: 'p' } } }, { steps: [run('x')] }),
  )
  expect(taskOf(view).reason).toEqual({ kind: 'failed_step', step: 0, message: 'internal error: broke with ***' })
  expect(lines.join('\n')).toContain('step failed')
  expect(lines.join('\n')).not.toContain(secret)
})
