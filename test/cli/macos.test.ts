// The command line on macOS, as far as Linux can show it: `uname`, the platform and the missing /proc are pretended.

import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findTestImage } from '../crash/test-image.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { commandRepository } from './command.ts'

const slipway = resolve(import.meta.dirname, '../../bin/slipway')
const asMacos = { NODE_OPTIONS: `--import=${resolve(import.meta.dirname, '../support/as-macos.mjs')}` }

type Machine = { readonly node?: { readonly version: string } | 'ours'; readonly system?: string }

/** Runs `slipway --version` with a PATH that has only what the guard needs, and this `node`. */
function onMachine({ node, system = 'Darwin' }: Machine): { status: number | null; stdout: string; stderr: string } {
  using directory = temporaryDirectory('path')
  const script = (name: string, text: string) => {
    writeFileSync(join(directory.path, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(directory.path, name), 0o755)
  }
  for (const name of ['dirname', 'readlink', 'sh'])
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
      join(directory.path, name),
    )
  script('uname', `[ "$1" = -sm ] && echo ${system} arm64`)
  if (node === 'ours') symlinkSync(process.execPath, join(directory.path, 'node'))
  else if (node !== undefined) script('node', `echo ${node.version}`)
  const { status, stdout, stderr } = spawnSync(slipway, ['--version'], {
    env: { PATH: directory.path, HOME: directory.path },
    encoding: 'utf8',
  })
  return { status, stdout, stderr: stderr.replaceAll(directory.path, 'PATH') }
}

describe('bin/slipway on macOS', () => {
  test('uses the Node.js of the machine, as npm brings none', () => {
    expect(onMachine({ node: 'ours' })).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  test.each([
    ['an old one', { node: { version: '20.20.2' } }, 'PATH/node is 20.20.2'],
    ['none', {}, 'there is none'],
  ] as const)('with %s says what it needs', (_, machine, found) => {
    expect(onMachine(machine)).toEqual({
      status: 4,
      stdout: '',
      stderr: `slipway: needs Node.js 24 or newer on the PATH, and ${found}; install it (this system is Darwin arm64)\n`,
    })
  })
})

describe.concurrent('slipway run on macOS', () => {
  test('executes tasks with docker', async () => {
    using repository = commandRepository(
      { build: { image: await findTestImage(), steps: [{ clone: {} }, { run: 'cat a.txt' }] } },
      { 'a.txt': 'content\n' },
    )
    const { status, stdout, stderr } = await repository.slipway(['run'], { environment: asMacos })
    expect(stdout + stderr).toContain('[build] content\n')
    expect(status).toBe(0)
  })

  test('does not fall back to the host when there is no docker', async () => {
    using repository = commandRepository({ build: 'true' })
    const environment = { ...asMacos, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
    const { status, stderr } = await repository.slipway(['run'], { environment })
    expect(status).toBe(4)
    expect(stderr).toContain('unix:///nonexistent/docker.sock')
  })

  test('says of the host driver that it needs Linux', async () => {
    using repository = commandRepository({ build: 'true' })
    const { status, stderr } = await repository.slipway(['run', '--driver', 'host'], { environment: asMacos })
    expect(status).toBe(4)
    expect(stderr).toContain('the host driver needs Linux; use the docker driver')
  })
})
