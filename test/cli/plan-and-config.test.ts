// `slipway plan` and `slipway config`: nothing is executed.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { commandRepository } from './command.ts'

const pipeline = `
runs:
  - name: ci
    tasks:
      - name: build
        runtime: {containers: [{image: busybox}]}
        steps: [{run: make}]
      - name: publish
        when: {tag: '#v.*#'}
        depends: [build]
        approval: true
        runtime: {containers: [{image: busybox}]}
        steps: [{run: make publish}]
      - name: announce
        depends: [publish]
        runtime: {containers: [{image: busybox}]}
        steps: [{run: make announce}]
  - name: nightly
    when: {branch: nightly}
    tasks:
      - name: all
        runtime: {containers: [{image: busybox}]}
        steps: [{run: make all}]
`

describe.concurrent('slipway plan', () => {
  test('shows what an event runs and why not the rest', async () => {
    using repository = commandRepository({}, { '.slipway/config.yml': pipeline })
    const [branch, tag] = await Promise.all([
      repository.slipway(['plan']),
      repository.slipway(['plan', '--tag', 'v1.2.0']),
    ])
    expect(branch).toMatchObject({ status: 0, stderr: '' })
    expect(branch.stdout).toBe(`refs/heads/main
  ci
    build
    publish: skipped, when tag /v.*/ does not match refs/heads/main
    announce: skipped, publish is skipped
  nightly: not run, when branch nightly does not match main
`)
    expect(tag.stdout).toBe(`refs/tags/v1.2.0
  ci
    build
    publish after build needs approval
    announce after publish
  nightly: not run, when branch nightly does not match refs/tags/v1.2.0
`)
    expect(existsSync(join(repository.stateHome, 'slipway'))).toBe(false)
  })

  test('as JSON', async () => {
    using repository = commandRepository({}, { '.slipway/config.yml': pipeline })
    const { stdout } = await repository.slipway(['plan', '--branch', 'nightly', '--output', 'json'])
    const plan = JSON.parse(stdout) as { ref: string; runs: { name: string; created: boolean; tasks: unknown[] }[] }
    expect(plan.ref).toBe('refs/heads/nightly')
    expect(plan.runs.map(({ name, created }) => [name, created])).toEqual([
      ['ci', true],
      ['nightly', true],
    ])
    expect(plan.runs[0]!.tasks[0]).toEqual({ name: 'build', level: 0, depends: [], needsApproval: false })
  })

  test('a reader that goes away is no error', async () => {
    using repository = commandRepository(
      Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`task${index}`, 'true'])),
    )
    const { stderr } = await repository.slipway(['plan', '--output', 'json'], {
      onOutput: (_, { closeOutput }) => closeOutput(),
    })
    expect(stderr).toBe('')
  })

  test('a message that asks to skip is obeyed', async () => {
    using repository = commandRepository({ build: 'true' })
    const { stdout } = await repository.slipway(['plan', '--message', 'docs [ci skip]'])
    expect(stdout).toContain('ci: not run, the message has [ci skip]')
  })
})

describe.concurrent('slipway config', () => {
  test('check finds nothing in a good definition', async () => {
    using repository = commandRepository({}, { '.slipway/config.yml': pipeline })
    expect(await repository.slipway(['config', 'check'])).toEqual({
      status: 0,
      stdout: '.slipway/config.yml: no errors\n',
      stderr: '',
    })
  })

  test('check prints every error and exits with 2', async () => {
    using repository = commandRepository(
      {},
      {
        '.slipway/config.yml': pipeline
          .replace('name: build', 'name: biuld')
          .replace('steps: [{run: make all}]', 'step: []'),
      },
    )
    const { status, stdout } = await repository.slipway(['config', 'check'])
    expect(status).toBe(2)
    expect(stdout).toMatch(/\.slipway\/config\.yml:\d+:\d+: .*"build".*doesn't exist/)
    expect(stdout).toMatch(/\.slipway\/config\.yml:\d+:\d+: .*step/)
    expect(stdout.trimEnd().split('\n').length).toBeGreaterThanOrEqual(2)
  })

  test('under .agola what is ignored is a warning: 0, and 2 with --strict', async () => {
    using repository = commandRepository(
      {},
      { '.agola/config.yml': pipeline.replace('approval: true', 'aproval: true') },
    )
    const check = await repository.slipway(['config', 'check'])
    expect(check.status).toBe(0)
    expect(check.stdout).toMatch(/\.agola\/config\.yml:\d+:\d+: warning: .*aproval/)
    expect(check.stdout).toContain('.agola/config.yml: no errors, 1 warnings\n')
    expect((await repository.slipway(['config', 'check', '--strict'])).status).toBe(2)
  })

  test('a definition that is not UTF-8 is an error with its place: nothing is put where its bytes were', async () => {
    using repository = commandRepository({}, { '.slipway/config.yml': '' })
    const latin1 = Buffer.from(pipeline.replace('name: ci', 'name: café'), 'latin1')
    writeFileSync(join(repository.dir, '.slipway/config.yml'), latin1)
    const { status, stdout } = await repository.slipway(['config', 'check'])
    expect(status).toBe(2)
    expect(stdout).toMatch(/^\.slipway\/config\.yml:3:14: these bytes are not UTF-8; expected a file in UTF-8\n$/)
    expect((await repository.run()).stderr).toContain('these bytes are not UTF-8')
  })

  test('with both folders .slipway wins and says so', async () => {
    using repository = commandRepository(
      {},
      {
        '.slipway/config.yml': pipeline,
        '.agola/config.yml': 'runs: wrong',
      },
    )
    const { status, stdout, stderr } = await repository.slipway(['config', 'check'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '.slipway/config.yml: no errors\n' })
    expect(stderr).toContain('.agola/config.yml')
  })

  test('show prints the run configs of an event, the same at each call', async () => {
    using repository = commandRepository({}, { '.slipway/config.yml': pipeline })
    const [one, other] = await Promise.all([
      repository.slipway(['config', 'show', '--tag', 'v1']),
      repository.slipway(['config', 'show', '--tag', 'v1']),
    ])
    expect(one.status).toBe(0)
    expect(one.stdout).toBe(other.stdout)
    const { runs } = JSON.parse(one.stdout) as { runs: { name: string; tasks: { name: string }[] }[] }
    expect(runs.map(({ name, tasks }) => [name, tasks.map((task) => task.name)])).toEqual([
      ['ci', ['build', 'publish', 'announce']],
    ])
  })
})
