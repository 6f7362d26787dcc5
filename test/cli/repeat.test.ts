// `--from-failed` and `--last`.

import { describe, expect, test } from 'vitest'
import { commandRepository } from './command.ts'

describe.concurrent('slipway run --from-failed', () => {
  test('keeps what succeeded, runs what failed with the fixed code, and what comes after it', async () => {
    using repository = commandRepository(
      {
        build: 'echo building',
        test: { steps: [{ clone: {} }, { run: { name: 'do', command: 'sh test.sh' } }], depends: ['build'] },
        report: { run: 'echo reporting', depends: ['test'] },
      },
      { 'test.sh': 'echo broken; exit 1' },
    )
    repository.commit('first')
    expect((await repository.run()).status).toBe(1)
    repository.write({ 'test.sh': 'echo fixed' })
    const { status, stdout } = await repository.run('--from-failed')
    expect(status).toBe(0)
    expect(stdout).toContain('Kept: build, which ran before the working tree changed\n')
    expect(stdout).toContain('[build] kept\n')
    expect(stdout).not.toContain('building')
    expect(stdout).toContain('[test] fixed\n')
    expect(stdout).toContain('[report] reporting\n')
    const again = await repository.run('--from-failed')
    expect(again.status).toBe(2)
    expect(again.stderr).toContain('nothing failed in the last run')
  })

  test('a task whose definition changed is executed again, and what depends on it', async () => {
    using repository = commandRepository({
      build: 'echo first',
      other: 'echo other',
      test: { run: 'exit 1', depends: ['build'] },
    })
    expect((await repository.run()).status).toBe(1)
    repository.define({ build: 'echo second', other: 'echo other', test: { run: 'echo tested', depends: ['build'] } })
    const { status, stdout } = await repository.run('--from-failed')
    expect(status).toBe(0)
    expect(stdout).toContain('[build] second\n')
    expect(stdout).toContain('[other] kept\n')
    expect(stdout).toContain('[test] tested\n')
  })

  test('repeats with the event, tasks, variables and secrets of then', async () => {
    using repository = commandRepository({
      test: {
        run: 'test -e /nonexistent || echo "$SLIPWAY_GIT_TAG $COLOUR $(printf %s "$TOKEN" | wc -c)"; exit 1',
        environment: { COLOUR: { from_variable: 'COLOUR' }, TOKEN: { from_variable: 'TOKEN' } },
      },
      other: 'true',
    })
    await repository.slipway(
      ['run', '--driver', 'host', '--task', 'test', '--tag', 'v7', '--var', 'COLOUR=blue', '--var', 'TOKEN'],
      { environment: { TOKEN: 'sw0rdfish-in-the-sea' } },
    )
    const { status, stdout } = await repository.run('--from-failed')
    expect(status).toBe(1)
    expect(stdout).toContain('[test] v7 blue 20\n')
    expect(stdout).not.toContain('other')
  })

  test.each(['--last shows it as it was left, and ', ''])(
    'of a command that was killed: %s--from-failed repeats it',
    async (looks) => {
      using repository = commandRepository({
        build: 'true',
        test: {
          steps: [
            { clone: {} },
            { run: { name: 'do', command: 'echo begun; [ -e fixed ] || sleep 300; echo tested' } },
          ],
          depends: ['build'],
        },
      })
      const killed = await repository.slipway(['run', '--driver', 'host'], {
        onOutput: (stdout, { kill }) => {
          if (stdout.includes('[test] begun\n')) kill('SIGKILL')
        },
      })
      expect(killed.status).toBe(null)
      if (looks !== '') {
        const last = await repository.slipway(['run', '--last'])
        expect(last).toMatchObject({ status: 3, stderr: '' })
        expect(last.stdout).toContain('[build] success')
        expect(last.stdout).toContain('Run ci was left before it had ended; `slipway run --from-failed` repeats')
      }
      repository.write({ fixed: '' })
      const { status, stdout, stderr } = await repository.run('--from-failed')
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toContain('Kept: build')
      expect(stdout).toContain('[test] tested\n')
      const again = await repository.run('--from-failed')
      expect(again.stderr).toContain('nothing failed in the last run')
    },
  )

  test.each([[['--task', 'test']], [['--tag', 'v1']], [['--last']]])(
    'what it takes from the last run cannot be given: %j',
    async (given) => {
      using repository = commandRepository({ test: 'exit 1' })
      const { status, stderr } = await repository.run('--from-failed', ...given)
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: `slipway: --from-failed repeats the last run with its event, tasks and definition: leave ${given[0]} away\n`,
      })
    },
  )

  test('it and --last say how to repeat with what the last run was given', async () => {
    using repository = commandRepository({ test: 'exit 1' })
    const given = ['--tag', 'v1', '--var', 'TOKEN', '--var', 'COLOUR=light blue']
    await repository.slipway(['run', '--driver', 'host', ...given], { environment: { TOKEN: 'sw0rdfish' } })
    const again = await repository.run('--from-failed', '--var', 'SIZE=2')
    const command = "slipway run --task test --tag v1 --var TOKEN --var 'COLOUR=light blue'"
    expect(again.stdout).toContain(`  ${command} --var SIZE=2 --driver host `)
    expect((await repository.slipway(['run', '--last'])).stdout).toContain(`  ${command} --var SIZE=2 `)
  })

  test('without a run before it there is nothing to repeat', async () => {
    using repository = commandRepository({ build: 'true' })
    const { status, stderr } = await repository.run('--from-failed')
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'slipway: there is no run in this repository yet: start one with `slipway run`\n',
    })
  })
})

describe.concurrent('slipway run --last', () => {
  test('shows the last run with its logs and status, without executing anything', async () => {
    using repository = commandRepository({
      build: 'echo "ran at $(date +%s%N)"',
      test: { run: 'exit 1', depends: ['build'] },
    })
    const run = await repository.run()
    const last = await repository.slipway(['run', '--last'])
    expect(last.status).toBe(1)
    const said = /ran at \d+/.exec(run.stdout)?.[0]
    expect(said).toBeDefined()
    expect(last.stdout).toContain(`[build] ${said}\n`)
    expect(last.stdout).toContain('✗ test / do: exit status 1')
    const one = await repository.slipway(['run', '--last', '--task', 'build'])
    expect(one.stdout).toContain(`[build] ${said}\n`)
    expect(one.stdout).not.toContain('[test]')
    const unknown = await repository.slipway(['run', '--last', '--task', 'biuld'])
    expect(unknown).toMatchObject({ status: 2, stderr: 'slipway: the last run has no task "biuld"\n' })
  })

  test('as a tree: the tree, the log of what failed, and how to repeat it', async () => {
    using repository = commandRepository({ build: 'true', test: { run: 'seq 150; exit 1', depends: ['build'] } })
    await repository.run()
    const { stdout } = await repository.slipway(['run', '--last', '--output', 'tree'])
    expect(stdout).toMatch(/^✗ ci #1 {2}[\d.]+s {2}failed\n├ ✓ build/)
    expect(stdout).toContain(
      '… 50 lines before; all of it: slipway run --last --task test --output plain\n  51\n  52\n',
    )
    expect(stdout).toContain('  150\n\nTo repeat\n  slipway run --from-failed ')
    expect(stdout).not.toContain('\u001b')
  })

  test('without a run there is nothing to show', async () => {
    using repository = commandRepository({ build: 'true' })
    expect((await repository.slipway(['run', '--last'])).status).toBe(2)
  })
})
