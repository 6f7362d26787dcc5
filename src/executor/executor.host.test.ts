// The executor with real sandboxes: what only shows when something is executed.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { testRepository } from '../../test/support/git-repository.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { RunConfigTask, Step } from '../pipeline/run-config.ts'
import type { NewRunRequest } from '../runservice/api.ts'
import { aConfigTask } from '../runservice/scheduler/run-fixture.ts'
import { ended, noSource, openInstallation, textOf, until } from '../runservice/service-fixture.ts'
import { makeDataDir, openTestHost } from './drivers/host/test-host.ts'
import { Executor } from './executor.ts'
import { GitMirrors } from './git/mirrors.ts'
import { openJournal } from './journal.ts'

async function aHost() {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  using repository = testRepository({ 'src/a.txt': 'from the repository\n' })
  const commitSha = repository.commit('first')
  const dir = makeDataDir()
  owner.defer(() => dir.remove())
  const clone = repository.git('clone', '--quiet', '--bare', repository.dir, join(dir.path, 'origin.git'))
  expect(clone).toBe('')
  const url = join(dir.path, 'origin.git')
  const installation = owner.use(
    await openInstallation({ cloneSource: { ...noSource, url, mirrorKey: url, commitSha } }),
  )
  const driver = owner.use(await openTestHost({ dataDir: join(dir.path, 'host') }))
  const executor = new Executor(
    { id: 'x1', labels: {}, taskLimit: 2, allowPrivileged: false, pull: 'never', keepFailed: false },
    {
      api: installation.runservice.executorApi('x1'),
      drivers: [driver],
      mirrors: new GitMirrors({ dir: join(dir.path, 'mirrors') }, { clock: systemClock }),
      journal: openJournal(join(dir.path, 'journal')),
      clock: systemClock,
      logger: silentLogger,
    },
  )
  const stopping = new AbortController()
  const running = executor.run(stopping.signal)
  owner.defer(async () => {
    stopping.abort()
    await running
  })
  const create = async (request: Partial<NewRunRequest>, ...tasks: readonly Partial<RunConfigTask>[]) => {
    const named = tasks.map((task, index) => ({
      ...aConfigTask(task.name ?? `t${index}`),
      workingDir: '~/project',
      ...task,
    }))
    const [run] = await installation.runservice.createRuns([
      { name: 'run', group: '/project/p1/branch/main', tasks: named, secrets: {}, ...request },
    ])
    return run!.id
  }
  return { ...installation, dir: dir.path, driver, executor, create }
}

const run = (command: string): Step => ({
  type: 'run',
  name: command,
  command,
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
})

test('files go from the repository through the workspace and a cache to other tasks', async () => {
  const { runservice, driver, executor, create } = await aHost()
  const contents = [{ sourceDir: '.', destDir: '', paths: ['out/**'] }]
  const runId = await create(
    {},
    {
      name: 'build',
      steps: [
        { type: 'clone', name: 'clone', recurseSubmodules: false },
        run('mkdir out && cat src/a.txt > out/b.txt'),
        { type: 'save_to_workspace', name: 'save', contents },
        { type: 'save_cache', name: 'cache', key: 'k-{{ sha256sum "src/a.txt" }}', contents },
      ],
    },
    {
      name: 'use',
      depends: [{ taskId: 'build-id', conditions: ['on_success'] }],
      steps: [
        { type: 'restore_workspace', name: 'restore', destDir: 'here' },
        { type: 'restore_cache', name: 'cached', keys: ['k-'], destDir: 'there' },
        run('cat here/out/b.txt there/out/b.txt'),
        { type: 'restore_workspace', name: 'again', destDir: 'here' },
      ],
    },
  )
  const view = await ended(runservice, runId)
  await executor.idle()
  expect(await textOf(runservice.readLog('use-id', 2))).toBe('from the repository\nfrom the repository\n')
  // Files that are there already are not overwritten.
  expect(view.tasks.map(({ task }) => task.status)).toEqual(['success', 'failed'])
  expect(view.tasks[1]!.task.reason).toMatchObject({ kind: 'failed_step', step: 3 })
  expect(await driver.listPods(new AbortController().signal)).toEqual([])
})

test('a secret is on no command line, in no journal and in no script', async () => {
  const secret = 'correct-horse-battery-staple'
  const { runservice, dir, create } = await aHost()
  const runId = await create(
    { secrets: { password: secret }, environment: { PASSWORD: { secret: 'password' } } },
    { steps: [run('test -n "$PASSWORD" && echo ready $PASSWORD; sleep 1000')] },
  )
  let log = ''
  const following = (async () => {
    for await (const chunk of runservice.followLog('t0-id', 0, 0, AbortSignal.timeout(20_000)))
      log += Buffer.from(chunk).toString()
  })()
  await until(() => log.includes('ready'))
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    expect(readIfThere(`/proc/${pid}/cmdline`)).not.toContain(secret)
  for (const entry of readdirSync(join(dir, 'journal'))) {
    const text = readIfThere(join(dir, 'journal', entry))
    expect(text).toContain('running')
    expect(text).not.toContain(secret)
  }
  await runservice.stopRun(runId)
  const view = await ended(runservice, runId)
  await following
  expect(log).toBe('ready ***\nStopped\n')
  expect(view.tasks[0]!.task.printedSecrets).toEqual([{ secret: 'password', log: 0, line: 0 }])
})

test('a task that does not end in time is killed with everything it started', async () => {
  const { runservice, create } = await aHost()
  const runId = await create({}, { steps: [run('trap "" TERM; echo begun; setsid sleep 1000 & wait')], timeoutMs: 300 })
  const view = await ended(runservice, runId)
  expect(view.tasks[0]!.task).toMatchObject({ status: 'failed', timedOut: true, reason: { kind: 'failed_timeout' } })
  expect(await textOf(runservice.readLog('t0-id', 0))).toBe('begun\nThe task did not finish in time and was killed\n')
})

/** Processes and entries come and go while they are looked at. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
