// `slipway directrun start` in real repositories, against a server that is a process of its own.

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { type CommandResult, definition, runSlipway } from '../cli/command.ts'
import { type TestRepository, temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { openLfsServer, pointerTo } from '../support/lfs-server.ts'
import { password, TestServer } from './test-server.ts'

const timeout = 90_000

let server: TestServer
let client: ApiClient

beforeAll(async () => {
  server = await TestServer.start()
  client = await server.setUp()
}, timeout)

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

type Repository = TestRepository & { start(...args: readonly string[]): Promise<CommandResult> }

function repositoryWith(
  tasks: Parameters<typeof definition>[0],
  files: Readonly<Record<string, string>> = {},
): Repository {
  const repository = testRepository({ '.slipway/config.json': definition(tasks), ...files })
  const start = (...args: readonly string[]) => server.slipway(['directrun', 'start', ...args], { cwd: repository.dir })
  return { ...repository, start }
}

/** Index, refs, and the files there are. */
function stateOf({ dir }: { readonly dir: string }): unknown {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: dir, encoding: 'utf8' })
  return {
    index: git('ls-files', '--stage'),
    refs: git('for-each-ref'),
    head: readFileSync(join(dir, '.git/HEAD'), 'utf8'),
  }
}

async function newestRun() {
  const { items } = await client.call('listUserRuns', { params: { userRef: 'ann' }, query: { limit: 1 } })
  return await client.call('getRun', { params: { runId: items[0]!.id } })
}

test('runs the tree as it is, tells its log, prints where it is, and leaves the repository as it was', {
  timeout,
}, async () => {
  using repository = repositoryWith(
    {
      show: {
        steps: [
          { clone: {} },
          { run: 'cat tracked untracked; ls -A1; git status --short; git log -1 --format=by:%an' },
        ],
      },
    },
    { tracked: 'committed\n', '.gitignore': 'ignored\n' },
  )
  repository.commit('first')
  repository.write({ tracked: 'changed\n', untracked: 'new\n', ignored: 'not sent\n', 'folder/staged': 'staged\n' })
  repository.git('add', 'folder/staged')
  const before = stateOf(repository)
  const { status, stdout, stderr } = await repository.start()
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^Run ci is @ann#\d+: http:\/\/127\.0\.0\.1:\d+\/users\/ann\/runs\/\d+$/m)
  expect(stdout).toMatch(/\[show\] changed\n\[show\] new\n/)
  expect(stdout).toContain('[show] folder\n')
  expect(stdout).not.toContain('[show] ignored')
  expect(stdout).toContain('run ci: success')
  expect(status).toBe(0)
  expect(stateOf(repository)).toEqual(before)
  const run = await newestRun()
  expect(run).toMatchObject({ owner: { type: 'user' }, annotations: { branch: 'main', message: 'direct run' } })
})

test('a failing step is told with its log and ends with status 1', { timeout }, async () => {
  using repository = repositoryWith({ bad: { run: 'echo about to fail; exit 7' } })
  const { status, stdout } = await repository.start()
  expect(stdout).toContain('[bad] about to fail')
  expect(stdout).toMatch(/bad \/ .*: .*7/)
  expect(stdout).toMatch(/slipway runs restart @ann#\d+/)
  expect(status).toBe(1)
})

test('one task with what it depends on, variables, a tag, and JSON', { timeout }, async () => {
  const environment = { PLAIN: { from_variable: 'PLAIN' }, SECRET: { from_variable: 'SECRET' } }
  using repository = repositoryWith({
    first: 'true',
    second: { run: 'echo "$PLAIN:$SECRET:$AGOLA_GIT_TAG" | tr a-z A-Z', depends: ['first'], environment },
    other: 'exit 1',
  })
  repository.write({ vars: 'SECRET=hidden-value\n' })
  const args = ['--task', 'second', '--var', 'PLAIN=plain', '--var-file', 'vars', '--tag', 'v1', '-o', 'json']
  const { status, stdout } = await repository.start(...args)
  expect(status).toBe(0)
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; line?: string; tasks?: { name: string }[] })
  expect(events.find(({ type, tasks }) => type === 'run' && tasks)?.tasks?.map(({ name }) => name)).toEqual([
    'first',
    'second',
  ])
  expect(events.filter(({ type }) => type === 'log').map(({ line }) => line)).toContain('PLAIN:HIDDEN-VALUE:V1')
  expect((await newestRun()).annotations).toMatchObject({ tag: 'v1', ref: 'refs/tags/v1' })
})

test('works on a detached HEAD, in a worktree, below the root and without commits', { timeout }, async () => {
  const show = { show: { steps: [{ clone: {} }, { run: 'cat file' }] } }
  using repository = repositoryWith(show, { file: 'unborn\n', 'sub/x': '' })
  expect((await repository.start()).stdout).toContain('[show] unborn')
  repository.commit('first')
  repository.git('checkout', '--quiet', '--detach')
  repository.write({ file: 'detached\n' })
  const below = await server.slipway(['directrun', 'start'], { cwd: join(repository.dir, 'sub') })
  expect(below.stdout).toContain('[show] detached')
  using folder = temporaryDirectory('worktree')
  repository.git('worktree', 'add', '--quiet', join(folder.path, 'w'))
  const inWorktree = await server.slipway(['directrun', 'start'], { cwd: join(folder.path, 'w') })
  expect(inWorktree.stdout).toContain('[show] unborn')
  expect(inWorktree.status).toBe(0)
})

test('files of Git LFS that only this machine has come with their contents, others from the server of the origin', {
  timeout,
}, async () => {
  await using lfs = await openLfsServer()
  using repository = repositoryWith(
    { show: { steps: [{ clone: { lfs: true } }, { run: 'cat pushed.bin changed.bin new.bin local.bin' }] } },
    { '.gitattributes': '*.bin filter=lfs -text\n' },
  )
  repository.git('lfs', 'install', '--local')
  repository.write({ 'pushed.bin': 'pushed\n', 'changed.bin': 'before\n' })
  repository.commit('first')
  repository.git('remote', 'add', 'origin', lfs.url)
  repository.git('update-ref', 'refs/remotes/origin/main', 'HEAD')
  const { oid } = pointerTo('pushed\n')
  lfs.objects.set(oid, Buffer.from('pushed\n'))
  repository.write({ 'local.bin': 'of a commit that is only here\n' })
  repository.commit('second')
  repository.write({ 'changed.bin': 'changed\n', 'new.bin': 'new\n' })
  const before = stateOf(repository)
  const { status, stdout, stderr } = await repository.start()
  expect(stdout).toContain('[show] pushed\n[show] changed\n[show] new\n[show] of a commit that is only here\n')
  expect([status, stderr, lfs.downloads]).toEqual([0, '', [oid]])
  expect(stateOf(repository)).toEqual(before)
})

test('submodules come with their changes, ignored files when asked for, new ones not when not', {
  timeout,
}, async () => {
  using library = testRepository({ 'lib.txt': 'library\n' })
  library.commit('library')
  using repository = repositoryWith(
    { show: { steps: [{ clone: { recurse_submodules: true } }, { run: 'cat vendor/library/lib.txt; ls' }] } },
    { '.gitignore': 'ignored.txt\n' },
  )
  repository.git('submodule', '--quiet', 'add', library.dir, 'vendor/library')
  repository.commit('with submodule')
  repository.write({ 'vendor/library/lib.txt': 'changed library\n', 'ignored.txt': '', 'new.txt': '' })
  const all = await repository.start('--ignored')
  expect(all.stdout).toContain('[show] changed library')
  expect(all.stdout).toContain('ignored.txt')
  expect(all.stdout).toContain('new.txt')
  const tracked = await repository.start('--no-untracked')
  expect(tracked.stdout).toContain('[show] changed library')
  expect(tracked.stdout).not.toContain('new.txt')
})

test.each(['--depth=1', '--filter=blob:none'])(
  'a repository cloned with %s is run as well, also once there is more',
  {
    timeout,
  },
  async (option) => {
    using repository = repositoryWith(
      { show: { steps: [{ clone: {} }, { run: 'git rev-list --count HEAD; cat file' }] } },
      { file: '1' },
    )
    repository.commit('one')
    repository.write({ file: 'two' })
    repository.commit('two')
    repository.git('config', 'uploadpack.allowFilter', 'true')
    using folder = temporaryDirectory('clone')
    const cwd = join(folder.path, 'clone')
    execFileSync('git', ['clone', '--quiet', option, `file://${repository.dir}`, cwd])
    for (const content of ['two', 'three']) {
      repository.write({ file: content })
      repository.commit(content)
      execFileSync('git', ['pull', '--quiet', '--ff-only'], { cwd })
      const { status, stdout, stderr } = await server.slipway(['directrun', 'start'], { cwd })
      expect(stdout + stderr).toContain(`[show] ${content}`)
      expect(status).toBe(0)
    }
  },
)

test('the first Ctrl-C without a terminal stops the run on the server, and its end is told', { timeout }, async () => {
  using repository = repositoryWith({ long: { run: 'echo begun; sleep 300' } })
  const environment = { XDG_CONFIG_HOME: configHomeOf(server) }
  const { status, stdout } = await runSlipway(['directrun', 'start'], {
    cwd: repository.dir,
    environment,
    onOutput: (output, running) => {
      if (output.includes('[long] begun') && !output.includes('Stopping')) running.kill('SIGINT')
    },
  })
  expect(stdout).toContain('Stopping the runs on the server')
  expect(status).toBe(3)
  expect(await newestRun()).toMatchObject({ phase: 'finished', result: 'stopped' })
})

test('settings of git that are for other servers do no harm', { timeout }, async () => {
  using repository = repositoryWith({ show: { steps: [{ clone: {} }, { run: 'cat file' }] } }, { file: 'content\n' })
  repository.commit('first')
  repository.git('config', '--file', 'settings', 'push.pushOption', 'ci.skip')
  repository.git('config', '--file', 'settings', 'core.hooksPath', repository.dir)
  repository.write({ 'pre-push': '#!/bin/sh\nexit 1\n', 'reference-transaction': '#!/bin/sh\nexit 1\n' })
  for (const hook of ['pre-push', 'reference-transaction']) chmodSync(join(repository.dir, hook), 0o755)
  const { status, stdout, stderr } = await runSlipway(['directrun', 'start'], {
    cwd: repository.dir,
    environment: { XDG_CONFIG_HOME: configHomeOf(server), GIT_CONFIG_GLOBAL: join(repository.dir, 'settings') },
  })
  expect(stdout + stderr).toContain('[show] content')
  expect(status).toBe(0)
})

test('without following it says where the run is, and leaves', { timeout }, async () => {
  using repository = repositoryWith({ quick: 'true' })
  const { status, stdout } = await repository.start('--no-follow', '-m', 'look at this')
  expect(stdout).toMatch(/^Run ci is @ann#\d+: \S+$/m)
  expect(status).toBe(0)
  expect((await newestRun()).annotations).toMatchObject({ message: 'look at this' })
})

test('what cannot be run is said before anything is sent', { timeout }, async () => {
  using repository = repositoryWith({ a: 'true' })
  expect(await repository.start('--task', 'b')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no task "b"'),
  })
  repository.write({ '.slipway/config.json': '{"runs": 7}' })
  expect(await repository.start()).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot be used') })
  expect(readFileSync(join(repository.dir, '.git/config'), 'utf8')).not.toContain('slipway')
})

test('a definition that is here, but not in what would be sent, is told with the reason', { timeout }, async () => {
  using repository = repositoryWith({ a: 'true' })
  const refused = (why: string) => ({
    status: 2,
    stderr: expect.stringContaining(
      `the definition .slipway/config.json is here, but not in what would be sent: ${why}`,
    ),
  })
  expect(await repository.start('--no-untracked')).toMatchObject(refused('it is ignored by git'))
  repository.write({ '.gitignore': '.slipway\n' })
  expect(await repository.start()).toMatchObject(refused('it is ignored by git'))
  repository.write({ '.gitignore': '' })
  renameSync(join(repository.dir, '.slipway'), join(repository.dir, 'real'))
  symlinkSync('real', join(repository.dir, '.slipway'))
  expect(await repository.start()).toMatchObject(refused('its path leads over a symbolic link'))
})

test('the example of the page does what the page says', { timeout }, async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/direct-runs.md'), 'utf8')
  const lines = /```sh\n([\s\S]*?)```/.exec(page)![1]!.trim().split('\n')
  const [login, start] = lines.map((line) =>
    line
      .replace(/ +#.*$/, '')
      .split(' ')
      .slice(1),
  )
  expect(login?.slice(0, 1)).toEqual(['login'])
  const address = login!.map((word) => word.replace('https://ci.example.org', server.url))
  const logIn = [...address, '--username', 'ann', '--password-stdin']
  expect(await server.slipway(logIn, { stdin: `${password}\n` })).toMatchObject({ status: 0 })
  using repository = repositoryWith({ hello: 'echo hello' })
  const { status, stdout } = await server.slipway(start!, { cwd: repository.dir })
  expect(stdout).toContain('[hello] hello')
  expect(status).toBe(0)
  const { stdout: help } = await server.slipway(['directrun', 'start', '--help'])
  for (const [option] of page.slice(page.indexOf('| option |'), page.indexOf('**Ctrl-C**')).matchAll(/--[a-z][a-z-]*/g))
    expect(help).toContain(option)
})

test('no credential is in the log, the environment of tasks or the run', { timeout }, async () => {
  using repository = repositoryWith({
    look: { steps: [{ clone: {} }, { run: 'env; cat .git/config; cat ~/.netrc ~/.git-credentials 2>&1 || true' }] },
  })
  repository.git('remote', 'add', 'origin', 'https://me:old-p@ss-word@git.example.org/x.git')
  const { stdout } = await repository.start()
  expect(stdout).toContain('run ci: success')
  expect(stdout).toContain('url = https://git.example.org/x.git')
  for (const text of [stdout, JSON.stringify(await newestRun()), server.output])
    expect(text).not.toMatch(/slipwayrun_|old-p|ss-word/)
})

test('a server that is killed while its run is followed is followed again when it is back', { timeout }, async () => {
  await using own = await TestServer.start()
  await own.setUp()
  const count = 'i=1; while [ $i -le 60 ]; do echo tick $i; i=$((i+1)); sleep 0.1; done'
  using repository = repositoryWith({ count })
  let isKilled = false
  let restarted: Promise<void> | undefined
  const { status, stdout } = await runSlipway(['directrun', 'start'], {
    cwd: repository.dir,
    environment: { XDG_CONFIG_HOME: configHomeOf(own) },
    onOutput: (output) => {
      if (isKilled || !output.includes('tick 5\n')) return
      isKilled = true
      restarted = own.stop('SIGKILL').then(() => own.start())
    },
  })
  await restarted
  expect(isKilled).toBe(true)
  const ticks = [...stdout.matchAll(/\[count\] tick (\d+)$/gm)].map(([, number]) => Number(number))
  expect(ticks).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  expect(status).toBe(0)
})

function configHomeOf({ dataDir }: TestServer): string {
  const folder = join(dataDir, '../config')
  if (!existsSync(folder)) throw new Error(`${folder} is not there`)
  return folder
}
