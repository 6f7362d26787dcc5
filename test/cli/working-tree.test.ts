// Whatever is checked out and however, the working tree is executed as it is, and the repository stays untouched.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { commandRepository } from './command.ts'

const cloneAndShow = {
  show: { steps: [{ clone: {} }, { run: { name: 'do', command: 'cat a.txt; echo "branch $SLIPWAY_GIT_BRANCH."' } }] },
}

describe.concurrent('the working tree', () => {
  test('is executed with uncommitted changes, and index, refs and objects of the repository do not change', async () => {
    using repository = commandRepository(cloneAndShow, { 'a.txt': 'committed\n', '.gitignore': 'ignored\n' })
    repository.commit('first')
    repository.write({ 'a.txt': 'staged\n' })
    repository.git('add', 'a.txt')
    repository.write({ 'a.txt': 'changed\n', 'untracked.txt': 'new', ignored: 'secret' })
    const before = contentOf(join(repository.dir, '.git'))
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toContain('[show] changed\n')
    expect(contentOf(join(repository.dir, '.git'))).toEqual(before)
  })

  test.each<[string, (repository: ReturnType<typeof commandRepository>) => void, string]>([
    ['an unborn branch', () => {}, 'main'],
    [
      'a detached HEAD',
      (repository) => {
        repository.commit('first')
        repository.git('checkout', '--quiet', '--detach')
      },
      '',
    ],
  ])('works on %s', async (_, prepare, branch) => {
    using repository = commandRepository(cloneAndShow, { 'a.txt': 'content\n' })
    prepare(repository)
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toContain(`[show] content\n[show] branch ${branch}.\n`)
  })

  test('works in a subfolder and in a worktree, which share the state', async () => {
    using repository = commandRepository(cloneAndShow, { 'a.txt': 'content\n', 'sub/b.txt': 'b' })
    using worktree = temporaryDirectory('worktree')
    repository.commit('first')
    repository.git('worktree', 'add', '--quiet', '-b', 'topic', join(worktree.path, 'w'))
    const inSubfolder = await repository.slipway(['run', '--driver', 'host'], { cwd: join(repository.dir, 'sub') })
    expect(inSubfolder.stdout).toContain('[show] content\n[show] branch main.\n')
    const inWorktree = await repository.slipway(['run', '--driver', 'host'], { cwd: join(worktree.path, 'w') })
    expect(inWorktree.stdout).toContain('[show] content\n[show] branch topic.\n')
    expect(readdirSync(join(repository.stateHome, 'slipway'))).toHaveLength(1)
    const last = await repository.slipway(['run', '--last'])
    expect(last.stdout).toContain('branch topic.')
  })

  test('has files of Git LFS as they are, changed and pushed nowhere, and the store of the repository does not change', async () => {
    const steps = [{ clone: { lfs: true } }, { run: { name: 'do', command: 'cat old.bin new.bin' } }]
    using repository = commandRepository({ show: { steps } }, { '.gitattributes': '*.bin filter=lfs -text\n' })
    repository.git('lfs', 'install', '--local')
    repository.write({ 'old.bin': 'committed\n' })
    repository.commit('first')
    repository.write({ 'new.bin': 'changed\n' })
    const before = contentOf(join(repository.dir, '.git'))
    const { status, stdout } = await repository.run()
    expect(stdout).toContain('[show] committed\n[show] changed\n')
    expect(status).toBe(0)
    expect(contentOf(join(repository.dir, '.git'))).toEqual(before)
  })

  test('is cloned as often as asked for, whatever is in ~/.ssh already, and nothing is put there', async () => {
    const mine = 'mkdir -m 700 ~/.ssh && echo mine > ~/.ssh/config'
    const empty = 'find . -mindepth 1 -delete'
    const show = 'cat a.txt; ls -A ~/.ssh; cat ~/.ssh/config'
    const steps = [{ run: mine }, { clone: {} }, { run: empty }, { clone: {} }, { run: show }]
    using repository = commandRepository({ show: { steps } }, { 'a.txt': 'content\n' })
    repository.commit('first')
    const { status, stdout } = await repository.run()
    expect(stdout).toContain('[show] content\n[show] config\n[show] mine\n')
    expect(status).toBe(0)
  })

  test('that git cannot read exits with 2 and says what git said', async () => {
    using repository = commandRepository(cloneAndShow, { 'a.txt': 'content\n' })
    repository.commit('first')
    repository.write({ '.git/index': 'broken' })
    const { status, stderr } = await repository.run()
    expect(status).toBe(2)
    expect(stderr).toMatch(/^slipway: git add: .*index/)
  })

  test('has the working trees of submodules', async () => {
    using library = testRepository({ 'lib.txt': 'committed\n' })
    library.commit('library')
    using repository = commandRepository({
      show: {
        steps: [
          { clone: { recurse_submodules: true } },
          { run: { name: 'do', command: 'cat vendor/library/lib.txt' } },
        ],
      },
    })
    repository.git('submodule', '--quiet', 'add', library.dir, 'vendor/library')
    repository.commit('with submodule')
    repository.write({ 'vendor/library/lib.txt': 'changed here\n' })
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toContain('[show] changed here\n')
  })
})

/** Path and content of every file below `dir`. */
function contentOf(dir: string): Readonly<Record<string, string>> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(dir, name)).isFile(),
  )
  return Object.fromEntries(
    files.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(dir, name)))
        .digest('hex'),
    ]),
  )
}
