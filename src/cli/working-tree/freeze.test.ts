import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type TestRepository, temporaryDirectory, testRepository } from '../../../test/support/git-repository.ts'
import { pointerTo } from '../../../test/support/lfs-server.ts'
import { GitMirrors } from '../../executor/git/mirrors.ts'
import { systemClock } from '../../lib/clock.ts'
import { freezeTree } from './freeze.ts'
import { findRepository } from './repository.ts'

const signal = new AbortController().signal

async function freezeAt(dir: string, target: string) {
  return await freezeTree(await findRepository(dir), target, signal)
}

function filesOf(frozen: { path: string; commitSha: string }): string[] {
  return execFileSync('git', ['--git-dir', frozen.path, 'ls-tree', '-r', '--name-only', frozen.commitSha], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
}

function show(frozen: { path: string; commitSha: string }, file: string): string {
  return execFileSync('git', ['--git-dir', frozen.path, 'show', `${frozen.commitSha}:${file}`], { encoding: 'utf8' })
}

test('a clean tree is its own HEAD commit', async () => {
  using repository = testRepository({ 'a.txt': 'a' })
  using target = temporaryDirectory('frozen')
  const head = repository.commit('first')
  expect(await freezeAt(repository.dir, target.path)).toMatchObject({
    commitSha: head,
    isDirty: false,
    message: 'first',
  })
})

test('changed, deleted and untracked files are in it, ignored ones are not, and nothing of the user changes', async () => {
  using repository = testRepository({ 'a.txt': 'a', 'b.txt': 'b', '.gitignore': 'ignored.txt\n' })
  using target = temporaryDirectory('frozen')
  repository.commit('first')
  repository.write({ 'a.txt': 'changed', 'new/c d.txt': 'new', 'ignored.txt': 'secret', 'staged.txt': 'staged' })
  repository.git('add', 'staged.txt')
  rmSync(join(repository.dir, 'b.txt'))
  const before = stateOf(repository.dir)
  const frozen = await freezeAt(repository.dir, target.path)
  expect(filesOf(frozen)).toEqual(['.gitignore', 'a.txt', 'new/c d.txt', 'staged.txt'])
  expect(show(frozen, 'a.txt')).toBe('changed')
  expect(frozen.isDirty).toBe(true)
  expect(stateOf(repository.dir)).toEqual(before)
})

test('the same tree gives the same commit', async () => {
  using repository = testRepository({ 'a.txt': 'a' })
  using target = temporaryDirectory('frozen')
  repository.commit('first')
  repository.write({ 'a.txt': 'b' })
  const first = await freezeAt(repository.dir, join(target.path, '1'))
  expect((await freezeAt(repository.dir, join(target.path, '2'))).commitSha).toBe(first.commitSha)
})

test('a change of the same size right after a commit is seen', async () => {
  using target = temporaryDirectory('frozen')
  for (let round = 0; round < 20; round++) {
    using repository = testRepository({ 'a.txt': 'a' })
    repository.commit('first')
    repository.write({ 'a.txt': 'b' })
    expect(show(await freezeAt(repository.dir, join(target.path, String(round))), 'a.txt')).toBe('b')
  }
})

test('works on an unborn branch, a detached HEAD, in a subfolder and in a worktree', async () => {
  using repository = testRepository({ 'sub/a.txt': 'a' })
  using target = temporaryDirectory('frozen')
  expect(filesOf(await freezeAt(repository.dir, join(target.path, 'unborn')))).toEqual(['sub/a.txt'])
  repository.commit('first')
  repository.git('checkout', '--quiet', '--detach')
  repository.write({ 'top.txt': 'top' })
  expect(filesOf(await freezeAt(join(repository.dir, 'sub'), join(target.path, 'sub')))).toEqual([
    'sub/a.txt',
    'top.txt',
  ])
  using worktree = temporaryDirectory('worktree')
  repository.git('worktree', 'add', '--quiet', join(worktree.path, 'w'))
  const inWorktree = await findRepository(join(worktree.path, 'w'))
  expect(inWorktree.id).toBe((await findRepository(repository.dir)).id)
  expect(filesOf(await freezeTree(inWorktree, join(target.path, 'worktree'), signal))).toEqual(['sub/a.txt'])
})

test('a submodule is frozen with its own working tree, and a clone has both', async () => {
  using library = testRepository({ 'lib.txt': 'committed' })
  library.commit('library')
  using repository = testRepository({ 'a.txt': 'a' })
  using target = temporaryDirectory('frozen')
  repository.git('submodule', '--quiet', 'add', library.dir, 'vendor/library')
  repository.commit('with submodule')
  repository.write({ 'vendor/library/lib.txt': 'changed here' })
  const frozen = await freezeAt(repository.dir, target.path)
  expect(Object.keys(frozen.submoduleUrls)).toEqual(['vendor/library'])
  const mirrors = new GitMirrors({ dir: join(target.path, 'mirrors') }, { clock: systemClock })
  const tar = await mirrors.packedTree(
    {
      url: frozen.path,
      ref: frozen.ref,
      commitSha: frozen.commitSha,
      branch: 'main',
      mirrorKey: 'test',
      originUrl: 'https://git.example.org/x.git',
      submoduleUrls: frozen.submoduleUrls,
    },
    { recurseSubmodules: true },
    () => undefined,
    signal,
  )
  const clone = join(target.path, 'clone')
  mkdirSync(clone)
  execFileSync('tar', ['-xf', tar, '-C', clone])
  expect(readFileSync(join(clone, 'vendor/library/lib.txt'), 'utf8')).toBe('changed here')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: clone, encoding: 'utf8' }).trim()
  expect(git('remote', 'get-url', 'origin')).toBe('https://git.example.org/x.git')
  expect(git('rev-parse', 'main')).toBe(frozen.commitSha)
  expect(git('status', '--porcelain', '--ignore-submodules=none')).toBe('')
})

test('a shallow repository is frozen, and its clone is as deep', async () => {
  using origin = testRepository({ 'a.txt': '1' })
  origin.commit('one')
  origin.write({ 'a.txt': '2' })
  origin.commit('two')
  using target = temporaryDirectory('frozen')
  execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${origin.dir}`, join(target.path, 'shallow')])
  const frozen = await freezeAt(join(target.path, 'shallow'), join(target.path, 'state'))
  const mirrors = new GitMirrors({ dir: join(target.path, 'mirrors') }, { clock: systemClock })
  const source = {
    url: frozen.path,
    ref: frozen.ref,
    commitSha: frozen.commitSha,
    branch: '',
    mirrorKey: 'test',
    originUrl: '',
    submoduleUrls: {},
  }
  const tar = await mirrors.packedTree(source, { recurseSubmodules: false }, () => undefined, signal)
  expect(execFileSync('tar', ['-tf', tar], { encoding: 'utf8' })).toContain('./.git/shallow')
})

test.each(['blob:none', 'tree:0'])(
  'a partial clone (%s) is frozen with all files of HEAD, also those it never had, and without the commits before',
  async (filter) => {
    using origin = testRepository({ 'a/file': 'a', 'b/file': 'b' })
    origin.commit('one')
    origin.write({ 'a/file': 'a of two', 'b/file': 'b of two' })
    const head = origin.commit('two')
    origin.git('config', 'uploadpack.allowFilter', 'true')
    origin.git('config', 'uploadpack.allowAnySHA1InWant', 'true')
    using folder = temporaryDirectory('frozen')
    const [clone, copy] = [join(folder.path, 'clone'), join(folder.path, 'copy')]
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
    git('clone', '--quiet', `--filter=${filter}`, '--sparse', `file://${origin.dir}`, clone)
    git('-C', clone, 'sparse-checkout', 'set', 'a')
    writeFileSync(join(clone, 'a/file'), 'changed')
    const { path, commitSha, headSha } = await freezeAt(clone, join(folder.path, '1'))
    expect(headSha).toBe(head)
    git('init', '--quiet', '--bare', copy)
    git('-C', copy, 'fetch', '--quiet', '--update-shallow', path, '+refs/slipway/*:refs/slipway/*')
    const shown = ['a/file', 'b/file'].map((file) => git('-C', copy, 'show', `${commitSha}:${file}`))
    expect([shown, git('-C', copy, 'rev-list', '--count', commitSha)]).toEqual([['changed', 'b of two'], '2'])
    rmSync(origin.dir, { recursive: true })
    expect((await freezeAt(clone, join(folder.path, '2'))).commitSha).toBe(commitSha)
  },
)

test('in a sparse checkout files outside of it are frozen as they are: those that are not there stay, others are new or changed', async () => {
  using repository = testRepository({ 'a/file': 'a', 'b/file': 'b', 'b/other': 'other' })
  using target = temporaryDirectory('frozen')
  repository.commit('first')
  repository.git('sparse-checkout', 'set', '--cone', 'a')
  repository.write({ 'b/file': 'changed', 'b/output': 'new' })
  const frozen = await freezeAt(repository.dir, target.path)
  expect(filesOf(frozen)).toEqual(['a/file', 'b/file', 'b/other', 'b/output'])
  expect(['b/file', 'b/other'].map((file) => show(frozen, file))).toEqual(['changed', 'other'])
})

test('that a partial clone cannot get what it lacks is said', async () => {
  using origin = testRepository({ 'a/file': 'a', 'b/file': 'b' })
  origin.commit('one')
  origin.git('config', 'uploadpack.allowFilter', 'true')
  using folder = temporaryDirectory('frozen')
  const clone = join(folder.path, 'clone')
  execFileSync('git', ['clone', '--quiet', '--filter=blob:none', '--sparse', `file://${origin.dir}`, clone])
  rmSync(origin.dir, { recursive: true })
  await expect(freezeAt(clone, join(folder.path, '1'))).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.stringMatching(/^get what this partial clone lacks: git fetch: .*does not/s),
  })
})

test('outside a repository the error says what to do', async () => {
  using target = temporaryDirectory('nowhere')
  await expect(findRepository(target.path)).rejects.toMatchObject({ code: 'not_a_repository' })
})

test('a path that git cannot tell us in a line is named', async () => {
  using target = temporaryDirectory('nowhere')
  using repository = testRepository({}, join(target.path, 'two\nlines'))
  await expect(findRepository(repository.dir)).rejects.toMatchObject({
    code: 'not_a_repository',
    message: expect.stringContaining('two\\nlines" has a line break'),
  })
})

test('that git refuses to read what another user owns is told as git tells it, until its environment says otherwise', async () => {
  using repository = testRepository({ '.gitattributes': '*.bin filter=lfs -text\n', 'a.bin': 'a' })
  using target = temporaryDirectory('frozen')
  using environment = setEnvironment({ GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' })
  await expect(findRepository(repository.dir)).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.stringMatching(/dubious ownership.*safe\.directory/s),
  })
  environment.set({ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' })
  expect(show(await freezeContents(repository.dir, target.path), 'a.bin')).toBe('a')
})

test("the user's hooks hear nothing, and a split index stays as it is", async () => {
  using repository = testRepository({ 'a.txt': 'a' })
  using target = temporaryDirectory('frozen')
  repository.commit('first')
  repository.git('update-index', '--split-index')
  repository.git('config', 'core.splitIndex', 'true')
  const heard = join(target.path, 'heard')
  const hook = join(repository.dir, '.git/hooks/post-index-change')
  writeFileSync(hook, `#!/bin/sh\ntouch '${heard}'\n`, { mode: 0o755 })
  repository.write({ 'a.txt': 'changed', 'new.txt': 'new' })
  const files = () => readdirSync(join(repository.dir, '.git'), { recursive: true, encoding: 'utf8' }).sort()
  const before = files()
  const frozen = await freezeAt(repository.dir, join(target.path, 'frozen'))
  expect([show(frozen, 'a.txt'), filesOf(frozen)]).toEqual(['changed', ['a.txt', 'new.txt']])
  expect([existsSync(heard), files()]).toEqual([false, before])
})

/** Until it is disposed. */
function setEnvironment(first: Readonly<Record<string, string>>) {
  const before = { ...process.env }
  const set = (variables: Readonly<Record<string, string>>) => void Object.assign(process.env, variables)
  set(first)
  const restore = () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    set(before as Record<string, string>)
  }
  return { set, [Symbol.dispose]: restore }
}

/** Index, refs and objects of a repository. */
function stateOf(dir: string): unknown {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: dir, encoding: 'utf8' })
  return {
    index: git('ls-files', '--stage'),
    refs: git('for-each-ref'),
    objects: readdirSync(join(dir, '.git', 'objects'), { recursive: true, encoding: 'utf8' }).sort(),
  }
}

/** Its `.bin` files are in Git LFS. */
function withLfs(files: Readonly<Record<string, string>>) {
  const repository = testRepository({ '.gitattributes': '*.bin filter=lfs -text\n' })
  repository.git('lfs', 'install', '--local')
  repository.write(files)
  repository.commit('first')
  return repository
}

const contents = { untracked: true, ignored: false, lfsContents: true }

async function freezeContents(dir: string, target: string) {
  return await freezeTree(await findRepository(dir), target, signal, contents)
}

describe('for who cannot read the store of Git LFS here', () => {
  test.each([
    ['with git-lfs', () => {}],
    [
      'without git-lfs, though git is told to use it',
      (repository: TestRepository) => {
        for (const name of ['clean', 'smudge', 'process'])
          repository.git('config', `filter.lfs.${name}`, `no-such-git-lfs ${name}`)
      },
    ],
  ])(
    'changed, new and never pushed files are frozen with their contents, others as pointers: %s',
    async (_, break_) => {
      using repository = withLfs({ 'old.bin': 'pushed', 'same.bin': 'the same', 'changed.bin': 'before' })
      using target = temporaryDirectory('frozen')
      repository.git('update-ref', 'refs/remotes/origin/main', 'HEAD')
      repository.write({ 'local.bin': 'of a commit that is only here' })
      repository.commit('second')
      repository.write({ 'changed.bin': 'after', 'new/ö d.bin': 'new', 'a.txt': 'no LFS' })
      utimesSync(join(repository.dir, 'same.bin'), 1, 1)
      break_(repository)
      const before = stateOf(repository.dir)
      const frozen = await freezeContents(repository.dir, target.path)
      const shown = ['local.bin', 'changed.bin', 'new/ö d.bin', 'a.txt'].map((file) => show(frozen, file))
      expect(shown).toEqual(['of a commit that is only here', 'after', 'new', 'no LFS'])
      for (const [file, content] of [
        ['old.bin', 'pushed'],
        ['same.bin', 'the same'],
      ] as const)
        expect(show(frozen, file)).toBe(pointerTo(content).pointer)
      expect(stateOf(repository.dir)).toEqual(before)
    },
  )

  test('where nothing was ever pushed all are frozen with their contents', async () => {
    using repository = withLfs({ 'a.bin': 'a', 'b.bin': 'b' })
    using target = temporaryDirectory('frozen')
    repository.write({ 'b.bin': 'staged' })
    repository.git('add', 'b.bin')
    const frozen = await freezeContents(repository.dir, target.path)
    expect([show(frozen, 'a.bin'), show(frozen, 'b.bin')]).toEqual(['a', 'staged'])
  })

  test('a file whose content is not here stays a pointer; one that another file hides is taken from the store', async () => {
    using repository = withLfs({ 'gone.bin': 'gone', 'hidden.bin': 'hidden' })
    using target = temporaryDirectory('frozen')
    const { oid, pointer } = pointerTo('gone')
    rmSync(join(repository.dir, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid))
    // As a checkout without git-lfs leaves them.
    repository.write({ 'gone.bin': pointer, 'hidden.bin': pointerTo('hidden').pointer })
    const frozen = await freezeContents(repository.dir, target.path)
    expect([show(frozen, 'gone.bin'), show(frozen, 'hidden.bin')]).toEqual([pointer, 'hidden'])
  })
})
