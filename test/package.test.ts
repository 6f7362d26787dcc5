// What a user installs: the package, from its file, without network; and a clone, whatever Node.js the machine has.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory, testRepository } from './support/git-repository.ts'

const root = resolve(import.meta.dirname, '..')
/** Enough for git, tar and bubblewrap, and no Node.js of this project. */
const systemPath = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'

function helloRepository() {
  const repository = testRepository()
  cpSync(join(root, 'examples/hello'), repository.dir, { recursive: true })
  repository.commit('hello')
  return repository
}

/** Runs a command in a network namespace of its own: only loopback, and that is down. */
function withoutNetwork(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): string {
  return execFileSync('unshare', ['--net', command, ...args], { ...options, encoding: 'utf8' })
}

test('the package, installed from its file without network, runs examples/hello', () => {
  using work = temporaryDirectory('package')
  using repository = helloRepository()
  execFileSync('npm', ['pack', '--silent', '--pack-destination', work.path], { cwd: root })
  const file = join(work.path, readdirSync(work.path).find((name) => name.endsWith('.tgz'))!)
  const prefix = join(work.path, 'prefix')
  mkdirSync(prefix)
  const npm = ['install', '--silent', '--global', '--prefix', prefix, '--omit=optional', '--offline', file]
  execFileSync('npm', npm, { env: { ...process.env, npm_config_cache: join(work.path, 'cache') } })
  const output = withoutNetwork(join(prefix, 'bin/slipway'), ['run', '--driver', 'host', '--output', 'plain'], {
    cwd: repository.dir,
    env: { PATH: `${dirname(process.execPath)}:${systemPath}`, HOME: work.path },
  })
  expect(output).toMatch(/run hello: success/)
}, 120_000)

test('a clone runs examples/hello with the Node.js it brings, whatever that of the machine is', () => {
  using work = temporaryDirectory('clone')
  using repository = helloRepository()
  const output = withoutNetwork(join(root, 'bin/slipway'), ['run', '--driver', 'host', '--output', 'plain'], {
    cwd: repository.dir,
    env: { PATH: systemPath, HOME: work.path },
  })
  expect(output).toMatch(/run hello: success/)
})
