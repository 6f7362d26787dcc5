// `slipway executor` as processes of their own, killed and stopped while they work.

import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openJournal } from '../../src/executor/journal.ts'
import { until } from '../../src/lib/until-fixture.ts'
import type { NewRunRequest, Runservice, RunView } from '../../src/runservice/api.ts'
import { aConfigTask } from '../../src/runservice/scheduler/run-fixture.ts'
import { type Cluster, type ClusterOptions, type ExecutorProcess, startCluster } from './cluster.ts'

const never = new AbortController().signal
const timeout = 60_000

async function aCluster(servers = 1, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster(servers, options)
  onTestFinished(() => cluster[Symbol.asyncDispose]())
  return cluster
}

/** A run whose tasks each execute a script; a task may come after others. */
function aRun(name: string, scripts: Readonly<Record<string, string | readonly [string, ...string[]]>>): NewRunRequest {
  const tasks = Object.entries(scripts).map(([task, given]) => {
    const [script, ...parents] = typeof given === 'string' ? [given] : given
    return {
      ...aConfigTask(task),
      id: `${name}-${task}`,
      workingDir: '~',
      depends: parents.map((parent) => ({ taskId: `${name}-${parent}`, conditions: ['on_success' as const] })),
      steps: [
        { type: 'run' as const, name: task, command: script, environment: {}, workingDir: '', shell: '', tty: false },
      ],
    }
  })
  return { name, group: `/project/p1/branch/${name}`, tasks, secrets: {} }
}

const create = async (runservice: Runservice, request: NewRunRequest) => (await runservice.createRuns([request]))[0]!.id

async function ended(runservice: Runservice, runId: string, withinMs = timeout): Promise<RunView> {
  let last: RunView | undefined
  for await (const view of runservice.watchRun(runId, AbortSignal.timeout(withinMs))) last = view
  return last!
}

async function logOf(runservice: Runservice, taskId: string): Promise<string> {
  return Buffer.concat(await Array.fromAsync(runservice.readLog(taskId, 0))).toString()
}

async function connected(runservice: Runservice, ...executors: readonly ExecutorProcess[]): Promise<void> {
  const isHeld = async ({ id }: ExecutorProcess) =>
    (await runservice.listExecutors()).some((view) => view.id === id && view.isHeld && view.state === 'connected')
  for (const executor of executors) await until(() => isHeld(executor), `connected: ${executor.output}`)
}

const isRunning = async (runservice: Runservice, runId: string) =>
  (await runservice.loadRun(runId))?.tasks[0]?.task.steps[0]?.phase === 'running'

test('two executors execute; each is killed while it works, goes on, and nothing is lost or executed twice', {
  timeout,
}, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executors = [await cluster.executor('one', ['--tasks', '2']), await cluster.executor('two', ['--tasks', '2'])]
  for (const executor of executors) executor.start()
  await connected(runservice, ...executors)
  const script = 'echo begun; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.1; done; echo done'
  const runs = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      create(runservice, aRun(`r${index}`, { a: script, b: script, c: ['echo after', 'a', 'b'] })),
    ),
  )
  for (let round = 0; round < 6; round++) {
    await new Promise((next) => setTimeout(next, 400))
    const executor = executors[round % 2]!
    await executor.kill()
    executor.start()
  }
  const views = await Promise.all(runs.map((runId) => ended(runservice, runId)))
  const lines = ['begun', ...[1, 2, 3, 4, 5, 6, 7, 8].map((line) => `line ${line}`), 'done']
  for (const [index, view] of views.entries()) {
    expect(view.tasks.map(({ task }) => [task.status, task.reason])).toEqual([
      ['success', undefined],
      ['success', undefined],
      ['success', undefined],
    ])
    // Each line once: a step that had been begun again would have said so twice.
    for (const task of ['a', 'b'])
      expect((await logOf(runservice, `r${index}-${task}`)).split('\n')).toEqual([...lines, ''])
    expect(await logOf(runservice, `r${index}-c`)).toBe('after\n')
  }
  const used = new Set(views.flatMap(({ tasks }) => tasks.map(({ task }) => task.executorId)))
  expect(used).toEqual(new Set(executors.map(({ id }) => id)))
})

test('a planned stop leaves the pods, and the next process goes on with them', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  const runId = await create(
    runservice,
    aRun('r', { a: 'echo begun; for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done' }),
  )
  await until(() => isRunning(runservice, runId))
  expect(await executor.end('SIGTERM')).toBe(0)
  expect(executor.output).toContain('stopped')
  expect((await runservice.loadRun(runId))?.run.phase).toBe('running')
  executor.start()
  const view = await ended(runservice, runId)
  expect(view.tasks[0]!.task.status).toBe('success')
  expect(await logOf(runservice, 'r-a')).toBe('begun\n1\n2\n3\n4\n5\n6\n')
})

test('a server that is killed costs nothing: the executor keeps all and goes on when it is back', {
  timeout,
}, async () => {
  const cluster = await aCluster()
  const [server] = cluster.servers
  const { runservice, process } = server!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  const runId = await create(
    runservice,
    aRun('r', { a: 'for i in $(seq 1 40); do echo $i; sleep 0.05; done', b: ['echo b', 'a'] }),
  )
  await until(() => isRunning(runservice, runId))
  await process.kill()
  await new Promise((next) => setTimeout(next, 3000)) // The step ends meanwhile.
  await process.start()
  const view = await ended(runservice, runId)
  expect(view.run.result).toBe('success')
  expect(await logOf(runservice, 'r-a')).toBe(Array.from({ length: 40 }, (_, index) => `${index + 1}\n`).join(''))
})

test('with two servers, one that is killed is replaced by the other while tasks run', { timeout }, async () => {
  const cluster = await aCluster(2)
  const [first, second] = [cluster.servers[0]!, cluster.servers[1]!]
  const executor = await cluster.executor('one')
  executor.start()
  await connected(first.runservice, executor)
  const runId = await create(
    first.runservice,
    aRun('r', { a: 'for i in $(seq 1 60); do echo $i; sleep 0.05; done', b: ['echo b', 'a'] }),
  )
  await until(() => isRunning(second.runservice, runId))
  // A follower at the server that the executor does not talk to sees live bytes, gapless through the change.
  let followed = ''
  const following = (async () => {
    for await (const chunk of second.runservice.followLog('r-a', 0, 0, never)) followed += Buffer.from(chunk).toString()
  })()
  await until(() => followed.startsWith('1\n2\n'))
  await first.process.kill()
  cluster.lead(second)
  const view = await ended(second.runservice, runId)
  await following
  expect(view.run.result).toBe('success')
  expect(followed).toBe(Array.from({ length: 60 }, (_, index) => `${index + 1}\n`).join(''))
  expect(await logOf(second.runservice, 'r-b')).toBe('b\n')
})

test('what is written while an executor is away is not lost, nor sent twice', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  const runId = await create(runservice, aRun('r', { a: 'for i in $(seq 1 60); do echo $i; sleep 0.05; done' }))
  await until(() => isRunning(runservice, runId))
  for (let cut = 0; cut < 6; cut++) {
    await new Promise((next) => setTimeout(next, 300))
    cluster.lead(cluster.servers[0]!) // Cuts all connections.
  }
  expect((await ended(runservice, runId)).run.result).toBe('success')
  expect(await logOf(runservice, 'r-a')).toBe(Array.from({ length: 60 }, (_, index) => `${index + 1}\n`).join(''))
})

test('an executor whose token is revoked stops and says what to do', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  await runservice.revokeExecutorToken(executor.tokenId)
  expect(await executor.end()).toBe(2)
  expect(executor.output).toContain('does not accept the token')
  expect(executor.output).toContain('Get a new one from an administrator')
  executor.start()
  expect(await executor.end()).toBe(2)
})

test('an executor that was removed while it was away ends what it has, and stops', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  const runId = await create(runservice, aRun('r', { a: 'echo begun; sleep 1000' }))
  await until(() => isRunning(runservice, runId))
  await executor.kill()
  await runservice.removeExecutor(executor.id)
  expect((await ended(runservice, runId)).tasks[0]!.task.reason).toMatchObject({ kind: 'executor_lost' })
  const remembered = () => openJournal(join(executor.dir, 'data', 'journal')).ids()
  expect(remembered()).toHaveLength(1)
  executor.start()
  expect(await executor.end()).toBe(2)
  expect(executor.output).toContain('this executor was removed')
  expect(remembered()).toEqual([])
  expect(await runservice.listExecutors()).toEqual([])
})

const leaseTimeout = 4 * timeout

test('an executor that was stopped for longer than its lease has lost its tasks: it reports nothing over that, and ends them', {
  timeout: leaseTimeout,
}, async () => {
  // Lost 130 s after it was heard of last, of which the first 40 are doubt; it says every 15 s of ours that it is there.
  const cluster = await aCluster(1, { clockSpeed: 4 })
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one', ['--tasks', '2'])
  executor.start()
  await connected(runservice, executor)
  const [ending, staying] = [aSleep(), aSleep()]
  const runId = await create(runservice, aRun('r', { a: `${ending}; echo late`, b: staying }))
  await until(() => [ending, staying].every((sleep) => processesOf(sleep).length > 0))
  process.kill(executor.pid!, 'SIGSTOP')
  for (const pid of processesOf(ending)) process.kill(pid, 'SIGKILL')
  await until(() => processesOf(ending).length === 0)
  const lost = await ended(runservice, runId, leaseTimeout)
  const reason = { kind: 'executor_lost', executorId: executor.id }
  expect(lost.tasks.map(({ task }) => task)).toMatchObject([
    { status: 'failed', reason },
    { status: 'failed', reason },
  ])
  expect(await runservice.listExecutors()).toMatchObject([{ state: 'lost', tasks: [] }])
  expect(processesOf(staying)).not.toEqual([])

  process.kill(executor.pid!, 'SIGCONT')
  await connected(runservice, executor)
  await until(() => processesOf(staying).length === 0)
  await until(() => openJournal(join(executor.dir, 'data', 'journal')).ids().length === 0)
  const { position: _, ...after } = (await runservice.loadRun(runId))!
  expect({ ...after, position: lost.position }).toEqual(lost)
  // And it works again.
  const again = await create(runservice, aRun('again', { a: 'echo well' }))
  expect((await ended(runservice, again)).tasks[0]!.task).toMatchObject({ status: 'success', executorId: executor.id })
})

/** A command that nobody else has; far longer than any test. */
const aSleep = () => `sleep ${randomInt(1e8, 1e9)}`

function processesOf(command: string): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() === command
        ? [Number(name)]
        : []
    } catch {
      return [] // No process, or it has ended.
    }
  })
}

test('one data directory is for one process, and for one executor', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  await connected(runservice, executor)
  const shared = await cluster.executor('two', ['--data', `${executor.dir}/data`])
  shared.start()
  expect(await shared.end()).toBe(2)
  expect(shared.output).toContain('another executor works in')
  await executor.end('SIGTERM')
  shared.start()
  expect(await shared.end()).toBe(2)
  expect(shared.output).toContain(`belongs to executor ${executor.id}`)
})

test('without bubblewrap the host driver is refused, unless that is allowed', { timeout }, async () => {
  const cluster = await aCluster()
  const { runservice } = cluster.servers[0]!
  const refused = await cluster.executor('one')
  // A machine that has what starts Slipway, and nothing else.
  const bin = join(cluster.directory, 'bin')
  mkdirSync(bin)
  for (const program of ['sh', 'git', 'uname', 'readlink', 'dirname'])
    symlinkSync(execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim(), join(bin, program))
  const environment = { PATH: bin }
  refused.start(environment)
  expect(await refused.end()).toBe(4)
  expect(refused.output).toContain('bubblewrap')
  const allowed = await cluster.executor('two', ['--allow-unsandboxed'])
  allowed.start(environment)
  await connected(runservice, allowed)
})
