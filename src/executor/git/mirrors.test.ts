import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type TestRepository, temporaryDirectory, testRepository } from '../../../test/support/git-repository.ts'
import { systemClock } from '../../lib/clock.ts'
import { noSource } from '../../runservice/service-fixture.ts'
import { GitMirrors } from './mirrors.ts'

const never = new AbortController().signal
const all = { recurseSubmodules: true }

function aDirectory(name: string): string {
  const directory = temporaryDirectory(name)
  onTestFinished(() => directory[Symbol.dispose]())
  return directory.path
}

function aRepository(files: Readonly<Record<string, string>> = { 'README.md': 'hello\n' }): TestRepository {
  const repository = testRepository(files)
  onTestFinished(() => repository[Symbol.dispose]())
  return repository
}

const sourceOf = ({ dir }: TestRepository, commitSha: string) => ({ ...noSource, url: dir, mirrorKey: dir, commitSha })

function someMirrors(options: { readonly bytesMax?: number } = {}) {
  const dir = aDirectory('mirrors')
  const mirrors = new GitMirrors({ dir, ...options }, { clock: systemClock })
  return { dir, mirrors, notes: [] as string[] }
}

/** The packed tree, unpacked. */
function unpacked(tar: string): string {
  const dir = aDirectory('unpacked')
  execFileSync('tar', ['-xf', tar, '-C', dir])
  return dir
}

const git = (dir: string, ...args: string[]) =>
  execFileSync('git', ['-C', dir, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()

describe('a packed tree', () => {
  test('is a clone that stands by itself: detached, branch name kept, origin without credentials, whole history', async () => {
    const repository = aRepository()
    repository.commit('first')
    repository.write({ 'new.txt': 'new' })
    const commitSha = repository.commit('second')
    const { mirrors } = someMirrors()
    const source = { ...sourceOf(repository, commitSha), originUrl: 'https://user:t@ken@example.org/repo.git' }
    const dir = unpacked(await mirrors.packedTree(source, all, () => {}, never))
    expect(git(dir, 'rev-parse', 'HEAD')).toBe(commitSha)
    expect(git(dir, 'rev-parse', 'main', 'origin/main')).toBe(`${commitSha}\n${commitSha}`)
    expect(git(dir, 'rev-list', '--count', 'HEAD')).toBe('2')
    expect(git(dir, 'status', '--porcelain')).toBe('')
    expect(git(dir, 'remote', 'get-url', 'origin')).toBe('https://example.org/repo.git')
    expect(existsSync(join(dir, '.git/objects/info/alternates'))).toBe(false)
    expect(() => git(dir, 'symbolic-ref', 'HEAD')).toThrow()
  })

  test.each([
    ['an object', /objects\/[0-9a-f]{2}\/[0-9a-f]+$/],
    ['a ref', /refs\/slipway\/[0-9a-f]+$/],
    ['HEAD', /mirror\.git\/HEAD$/],
  ])('is made also when %s of the mirror is empty, as after a loss of power', async (_, damaged) => {
    const repository = aRepository()
    const commitSha = repository.commit('first')
    const { dir, mirrors, notes } = someMirrors()
    const pack = (depth: number) =>
      mirrors.packedTree(sourceOf(repository, commitSha), { ...all, depth }, (note) => notes.push(note), never)
    await pack(1)
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => damaged.test(name))
    expect(files).not.toEqual([])
    for (const name of files) {
      chmodSync(join(dir, name), 0o600)
      truncateSync(join(dir, name))
    }
    expect(git(unpacked(await pack(2)), 'rev-parse', 'HEAD')).toBe(commitSha)
    expect(notes).toContain('What was fetched before is damaged: fetching all of it again')
  })

  test('that cannot be made leaves a mirror with nothing wrong as it is', async () => {
    const repository = aRepository()
    const commitSha = repository.commit('first')
    const { dir, mirrors } = someMirrors()
    const pack = (sha: string, branch: string) =>
      mirrors.packedTree(
        { ...sourceOf(repository, sha), ref: `refs/heads/${branch}`, branch },
        { ...all, depth: 1 },
        () => {},
        never,
      )
    await pack(commitSha, 'main')
    const [mirror] = readdirSync(dir)
    const mark = join(dir, mirror!, 'mirror.git/mark')
    writeFileSync(mark, '')
    for (const branch of ['main', 'gone'])
      await expect(pack('f'.repeat(40), branch)).rejects.toMatchObject({ code: 'git_failed' })
    expect(existsSync(mark)).toBe(true)
  })

  test("is made whatever hooks the machine's own git has", async () => {
    const repository = aRepository()
    const commitSha = repository.commit('first')
    const hooks = aDirectory('hooks')
    for (const name of ['reference-transaction', 'post-checkout'])
      writeFileSync(join(hooks, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    const settings = join(hooks, 'gitconfig')
    writeFileSync(settings, `[core]\n\thooksPath = ${hooks}\n`)
    vi.stubEnv('GIT_CONFIG_GLOBAL', settings)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { mirrors } = someMirrors()
    const dir = unpacked(await mirrors.packedTree(sourceOf(repository, commitSha), all, () => {}, never))
    expect(git(dir, 'rev-parse', 'HEAD')).toBe(commitSha)
  })

  test('has as much history as asked, and is made once', async () => {
    const repository = aRepository()
    repository.commit('first')
    const commitSha = repository.commit('second')
    const { mirrors, notes } = someMirrors()
    const pack = (depth?: number) =>
      mirrors.packedTree(
        sourceOf(repository, commitSha),
        { ...all, ...(depth === undefined ? {} : { depth }) },
        (note) => notes.push(note),
        never,
      )
    const shallow = await pack(1)
    expect(git(unpacked(shallow), 'rev-list', '--count', 'HEAD')).toBe('1')
    expect(await pack(1)).toBe(shallow)
    expect(await pack()).not.toBe(shallow)
    expect(notes).toEqual([`Fetching refs/heads/main (${commitSha.slice(0, 12)})`])
  })

  test('of a commit that is nowhere fails, and says which', async () => {
    const repository = aRepository()
    repository.commit('first')
    const { mirrors } = someMirrors()
    const missing = 'f'.repeat(40)
    await expect(mirrors.packedTree(sourceOf(repository, missing), all, () => {}, never)).rejects.toMatchObject({
      code: 'git_failed',
      message: expect.stringContaining(missing),
    })
  })

  test('of a repository whose mirror is too large fails, and leaves no mirror', async () => {
    const repository = aRepository({
      'noise.bin': Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 9973).join(''),
    })
    const commitSha = repository.commit('noise')
    const { mirrors, dir } = someMirrors({ bytesMax: 10_000 })
    await expect(mirrors.packedTree(sourceOf(repository, commitSha), all, () => {}, never)).rejects.toMatchObject({
      code: 'limit_exceeded',
    })
    const [name] = readdirSync(dir)
    expect(existsSync(join(dir, name!, 'mirror.git'))).toBe(false)
  })
})

describe('a submodule', () => {
  /** A repository with a submodule at `path`, whose URL in .gitmodules is `url`. */
  function withSubmodule(inner: TestRepository, { url, path = 'lib' }: { url: string; path?: string }) {
    const commit = inner.git('rev-parse', 'HEAD')
    const outer = aRepository({ '.gitmodules': `[submodule "lib"]\n\tpath = ${path}\n\turl = ${url}\n`, a: 'a' })
    outer.git('add', '--all')
    outer.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
    outer.git('commit', '--quiet', '--message', 'with submodule')
    return outer
  }

  function anInner(): TestRepository {
    const inner = aRepository({ 'inner.txt': 'private' })
    inner.commit('inner')
    return inner
  }

  test('is taken from where the caller says', async () => {
    const inner = anInner()
    const outer = withSubmodule(inner, { url: 'https://example.invalid/lib.git' })
    const source = { ...sourceOf(outer, outer.git('rev-parse', 'HEAD')), submoduleUrls: { lib: inner.dir } }
    const dir = unpacked(await someMirrors().mirrors.packedTree(source, all, () => {}, never))
    expect(existsSync(join(dir, 'lib/inner.txt'))).toBe(true)
  })

  test.each([
    ['a path of this machine', (dir: string) => dir],
    ['a file URL', (dir: string) => `file://${dir}`],
    ['an option of git', (_: string, marker: string) => `--upload-pack=touch ${marker}; false`],
    ['a program', (_: string, marker: string) => `ext::sh -c "touch% ${marker}"`],
    ['a path relative to one of this machine', (dir: string) => `../${dir.split('/').at(-1)}`],
  ])('whose URL in .gitmodules is %s is refused', async (_, urlOf) => {
    const inner = anInner()
    const marker = join(aDirectory('marker'), 'executed')
    const outer = withSubmodule(inner, { url: urlOf(inner.dir, marker) })
    const source = sourceOf(outer, outer.git('rev-parse', 'HEAD'))
    await expect(someMirrors().mirrors.packedTree(source, all, () => {}, never)).rejects.toMatchObject({
      code: 'git_failed',
    })
    expect(existsSync(marker)).toBe(false)
  })

  test.each(['../outside', '/absolute', '.git/hooks', 'a/.GIT/x'])('whose path is %s is left out', async (path) => {
    const inner = anInner()
    const outer = aRepository({ '.gitmodules': `[submodule "x"]\n\tpath = ${path}\n\turl = ${inner.dir}\n` })
    const commitSha = outer.commit('evil')
    const dir = unpacked(await someMirrors().mirrors.packedTree(sourceOf(outer, commitSha), all, () => {}, never))
    expect(readdirSync(dir).sort()).toEqual(['.git', '.gitmodules'])
  })
})

test('what a killed process left is removed', async () => {
  const repository = aRepository()
  const commitSha = repository.commit('first')
  const { mirrors, dir } = someMirrors()
  const source = sourceOf(repository, commitSha)
  const packed = await mirrors.packedTree(source, all, () => {}, never)
  const folder = join(packed, '..')
  mkdirSync(join(folder, 'x.tar.1.tree'))
  writeFileSync(join(folder, 'x.tar.1.unfinished'), '')
  await mirrors.packedTree(source, all, () => {}, never)
  expect(readdirSync(folder)).toEqual([packed.split('/').at(-1)])
  expect(readdirSync(dir)).toHaveLength(1)
})
