// `slipway run` from outside: what it executes, what it says, and the status it exits with.

import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runProcess } from '../../src/lib/process.ts'
import { findTestImage } from '../crash/test-image.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { commandRepository, definition, runSlipway } from './command.ts'

/** Pids of this machine, containers included, with that command line. */
function processesOf(command: string): readonly string[] {
  const wanted = `${command.replaceAll(' ', '\0')}\0`
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1') === wanted
    } catch {
      return false // It has ended meanwhile.
    }
  })
}

describe.concurrent('slipway run', () => {
  test('a run that succeeds exits with 0 and tells every line', async () => {
    using repository = commandRepository({ build: 'echo one; echo two >&2' })
    const { status, stdout, stderr } = await repository.run()
    expect(stdout).toContain('[build] > do\n[build] one\n[build] two\n[build] success in')
    expect(stdout).toMatch(/run ci: success\n$/)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('a run that fails exits with 1 and says what failed, why, and how to repeat it', async () => {
    using repository = commandRepository({
      build: 'echo before; exit 3',
      after: { run: 'echo after', depends: ['build'] },
    })
    const { status, stdout } = await repository.run()
    expect(status).toBe(1)
    expect(stdout).toContain('[after] skipped: build failed')
    expect(stdout).toContain(`run ci: failed: task build failed

✗ build / do: exit status 3

To repeat
  slipway run --from-failed --driver host   what failed, keeping what succeeded
  slipway run --task build --driver host   that task and what it depends on
`)
  })

  test('outside of a repository it exits with 2 and says what to do', async () => {
    using empty = temporaryDirectory('nowhere')
    const { status, stderr } = await runSlipway(['run'], {
      cwd: empty.path,
      environment: { XDG_STATE_HOME: empty.path },
    })
    expect(status).toBe(2)
    expect(stderr).toBe(
      `slipway: ${empty.path} is not inside a git working tree: run \`git init\`, or go where the repository is\n`,
    )
  })

  test('without a definition it exits with 2 and names the files it looked for', async () => {
    using repository = commandRepository({}, { 'a.txt': 'a' })
    const { status, stderr } = await repository.run()
    expect(status).toBe(2)
    expect(stderr).toContain('.slipway/config.yml')
  })

  test('a definition at a place that is only nearly right is pointed at', async () => {
    using repository = commandRepository({}, { '.slipway.yml': 'runs: []' })
    const { status, stderr } = await repository.run()
    expect(status).toBe(2)
    expect(stderr).toContain('.slipway.yml')
  })

  test('all errors of a wrong definition are told at once, with their positions', async () => {
    using repository = commandRepository(
      {},
      {
        '.slipway/config.yml':
          'runs:\n  - name: ci\n    tasks:\n      - name: a\n        stpes: []\n        depends: [b]\n',
      },
    )
    const { status, stderr } = await repository.run()
    expect(status).toBe(2)
    expect(stderr).toMatch(/^slipway: \.slipway\/config\.yml cannot be used:\n/)
    expect(stderr).toMatch(/^\.slipway\/config\.yml:5:9: .*stpes/m)
    expect(stderr).toMatch(/\.slipway\/config\.yml:6:19: .*"b"/)
  })

  test('an unknown task exits with 2 and lists those there are', async () => {
    using repository = commandRepository({ build: 'true', test: 'true' })
    const { status, stderr } = await repository.run('--task', 'biuld')
    expect({ status, stderr }).toEqual({ status: 2, stderr: 'slipway: no task "biuld"; there are "build", "test"\n' })
  })

  test('wrong options exit with 2', async () => {
    using repository = commandRepository({ build: 'true' })
    const results = await Promise.all([
      repository.run('--branch', 'x', '--tag', 'v1'),
      repository.run('--pr', 'x'),
      repository.run('--ref', 'x'),
      repository.run('--jobs', '0'),
      repository.run('--var', 'NOT_IN_THE_ENVIRONMENT'),
      repository.run('--var-file', 'missing'),
      repository.run('--drivre'),
    ])
    expect(results.map(({ status, stdout }) => ({ status, stdout }))).toEqual(
      results.map(() => ({ status: 2, stdout: '' })),
    )
    expect(results.map(({ stderr }) => stderr)).toEqual([
      expect.stringContaining('give only one of --branch, --tag'),
      expect.stringContaining('--pr wants a number'),
      expect.stringContaining('--ref "x" is neither'),
      expect.stringContaining('wants a whole number from 1'),
      expect.stringContaining('the environment has no NOT_IN_THE_ENVIRONMENT'),
      expect.stringContaining('--var-file missing'),
      expect.stringContaining('Did you mean --driver?'),
    ])
  })

  test('--task executes the task and what it depends on, and nothing else', async () => {
    using repository = commandRepository({
      build: 'true',
      test: { run: 'true', depends: ['build'] },
      deploy: { run: 'true', depends: ['test'] },
      other: 'true',
    })
    const { status, stdout } = await repository.run('--task', 'test')
    expect(status).toBe(0)
    expect(stdout).toContain('[build] success')
    expect(stdout).toContain('[test] success')
    expect(stdout).not.toMatch(/deploy|other/)
  })

  test('--branch, --tag, --pr and --ref simulate the event', async () => {
    const say = 'echo "$SLIPWAY_GIT_REF_TYPE|$SLIPWAY_GIT_BRANCH|$SLIPWAY_GIT_TAG|$SLIPWAY_PULL_REQUEST_ID"'
    using repository = commandRepository({
      always: say,
      tagged: { run: 'true', when: { tag: '#v.*#' } },
    })
    const results = await Promise.all(
      [['--branch', 'topic'], ['--tag', 'v1'], ['--pr', '12'], ['--ref', 'refs/tags/v2'], []].map((args) =>
        repository.run(...args),
      ),
    )
    const said = results.map(({ stdout }) => /^\[always\] (.*\|.*)$/m.exec(stdout)?.[1])
    expect(said).toEqual(['branch|topic||', 'tag||v1|', 'pull_request|||12', 'tag||v2|', 'branch|main||'])
    expect(results.map(({ stdout }) => stdout.includes('[tagged] success'))).toEqual([false, true, false, true, false])
  })

  test('an event that no run matches executes nothing, says so, and exits with 0', async () => {
    using repository = commandRepository()
    const { runs } = JSON.parse(definition({ build: 'true' })) as { runs: object[] }
    repository.write({
      '.slipway/config.json': JSON.stringify({ runs: [{ ...runs[0], when: { branch: 'release' } }] }),
    })
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toBe('No run of the definition matches refs/heads/main; `slipway plan` says why\n')
  })

  test('several runs are told apart', async () => {
    using repository = commandRepository()
    const [first, second] = ['one', 'two'].map((name) => ({
      ...(JSON.parse(definition({ task: `echo from ${name}` })) as { runs: object[] }).runs[0],
      name,
    }))
    repository.write({ '.slipway/config.json': JSON.stringify({ runs: [first, second] }) })
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toContain('[one / task] from one')
    expect(stdout).toContain('[two / task] from two')
  })

  test('--jobs 1 executes one task after the other', async () => {
    using repository = commandRepository({ a: 'sleep 0.2', b: 'sleep 0.2', c: 'sleep 0.2' })
    const { stdout } = await repository.run('--jobs', '1', '--output', 'json')
    const times = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { type: string; startedAt: number; endedAt?: number })
      .filter((event) => event.type === 'task' && event.endedAt !== undefined)
      .sort((one, other) => one.startedAt - other.startedAt)
    expect(times).toHaveLength(3)
    expect(times[1]!.startedAt).toBeGreaterThanOrEqual(times[0]!.endedAt!)
    expect(times[2]!.startedAt).toBeGreaterThanOrEqual(times[1]!.endedAt!)
  })

  test('--approve all approves, none stops, and ask asks', async () => {
    using repository = commandRepository({
      build: 'true',
      deploy: { run: 'echo deployed', approval: true, depends: ['build'] },
    })
    const ask = (stdin: string) => repository.slipway(['run', '--driver', 'host', '--approve', 'ask'], { stdin })
    const [all, none, yes, no, nothing] = await Promise.all([
      repository.run('--approve', 'all'),
      repository.run(),
      ask('y\n'),
      ask('n\n'),
      ask(''),
    ])
    expect([all.status, none.status, yes.status, no.status, nothing.status]).toEqual([0, 3, 0, 3, 3])
    expect(all.stdout).toContain('[deploy] deployed')
    expect(none.stdout).toContain('deploy waits for approval: stopping; approve with --approve all or ask')
    expect(yes.stderr).toBe('Task deploy waits for approval. Approve? [y/N] ')
    expect(yes.stdout).toContain('[deploy] deployed')
    expect(no.stdout).not.toContain('[deploy] deployed')
  })

  test('an interrupt stops the run cleanly, with status 3', async () => {
    using repository = commandRepository({ long: 'echo begun; sleep 60', after: { run: 'true', depends: ['long'] } })
    let isSent = false
    const { status, stdout } = await repository.slipway(['run', '--driver', 'host'], {
      onOutput: (text, { kill }) => {
        if (isSent || !text.includes('[long] begun')) return
        isSent = true
        kill('SIGINT')
      },
    })
    expect(status).toBe(3)
    expect(stdout).toContain('Stopping; interrupt again to leave at once\n')
    expect(stdout).toMatch(/\[long\] stopped in/)
    expect(stdout).toMatch(/run ci: stopped\n$/)
  })

  test.each(['host', 'docker'] as const)(
    'a second interrupt leaves at once, whatever a step does, and the next run tidies up: %s',
    async (driver) => {
      const seconds = `61.${randomInt(1e9)}`
      const build = { run: `trap '' TERM INT; echo begun; sleep ${seconds} & wait; sleep ${seconds}` }
      using repository = commandRepository({
        stubborn: driver === 'docker' ? { ...build, image: await findTestImage() } : build,
      })
      let sent = 0
      const { status } = await repository.slipway(['run', '--driver', driver], {
        onOutput: (text, { kill }) => {
          if (sent === 0 && text.includes('[stubborn] begun')) {
            sent = 1
            kill('SIGINT')
          }
          if (sent === 1 && text.includes('interrupt again')) {
            sent = 2
            kill('SIGINT')
          }
        },
      })
      expect(status).toBe(3)
      expect(processesOf(`sleep ${seconds}`), 'nobody waited for the step').not.toEqual([])
      repository.define({ quick: 'true' })
      expect((await repository.run()).status).toBe(0)
      expect(processesOf(`sleep ${seconds}`)).toEqual([])
      const last = await repository.slipway(['run', '--last'])
      expect(last.stdout).toContain('[quick] success')
    },
  )

  test('--keep-failed keeps the pod of a failed task and says how to enter it', async () => {
    using repository = commandRepository({
      build: { working_dir: '~/project', environment: { COLOUR: 'blue' }, run: 'echo left > file; exit 1' },
    })
    const { status, stdout } = await repository.run('--keep-failed')
    expect(status).toBe(1)
    expect(stdout).toMatch(/\[build\] its pod was kept; enter it with: .+/)
    const [, command = ''] = /The pod was kept; enter it with: (.+)/.exec(stdout) ?? []
    const { stdout: entered } = await runProcess('sh', ['-c', command], { input: 'pwd; cat file; echo "$COLOUR"\n' })
    expect(entered.toString()).toMatch(/\/project\nleft\nblue\n$/)
    repository.define({ build: 'true' })
    expect((await repository.run()).status).toBe(0)
  })

  test('--file takes another definition', async () => {
    using repository = commandRepository(
      { build: 'true' },
      { 'other/definition.json': definition({ special: 'true' }) },
    )
    const { status, stdout } = await repository.run('--file', join(repository.dir, 'other/definition.json'))
    expect(status).toBe(0)
    expect(stdout).toContain('[special] success')
  })

  test('a task that nothing here can execute stops the run with status 1 and says why', async () => {
    using repository = commandRepository({ build: { run: 'true', executor: { labels: { gpu: 'yes' } } } })
    const { status, stdout } = await repository.run()
    expect(status).toBe(1)
    expect(stdout).toContain('Task build cannot be executed here, no executor with label gpu=yes: stopping')
  })

  test('when the reader of the output goes away, the run is stopped', async () => {
    using repository = commandRepository({ long: 'for i in $(seq 600); do echo line $i; sleep 0.1; done' })
    const { status } = await repository.slipway(['run', '--driver', 'host'], {
      onOutput: (text, { closeOutput }) => {
        if (text.includes('line 3')) closeOutput()
      },
    })
    expect(status).toBe(3)
  })
})

test('without arguments the help is shown', async () => {
  const { status, stderr } = await runSlipway([], {})
  expect(status).toBe(2)
  expect(stderr).toContain('Usage: slipway [options] [command]')
})

test.each(['run', 'plan', 'config'])('slipway %s --help exits with 0', async (command) => {
  const { status, stdout } = await runSlipway([command, '--help'], {})
  expect(status).toBe(0)
  expect(stdout).toContain(`Usage: slipway ${command}`)
})

test('--version prints the version', async () => {
  const { status, stdout } = await runSlipway(['--version'], {})
  expect(status).toBe(0)
  expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
})
