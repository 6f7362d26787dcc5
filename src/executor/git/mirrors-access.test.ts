// Repositories that need a login: who gets in, who does not, and where credentials never go.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startGitHttpServer } from '../../../test/support/git-http-server.ts'
import { temporaryDirectory, testRepository } from '../../../test/support/git-repository.ts'
import { systemClock } from '../../lib/clock.ts'
import type { GitAccessOptions } from '../../lib/git-access.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { GitMirrors } from './mirrors.ts'

const signal = new AbortController().signal
const access: GitAccessOptions = { credentials: { type: 'password', userName: 'ann', password: 'hunter2-xyz' } }
const notes = () => {}

function sourceOf(url: string, commitSha: string, more: Partial<CloneSource> = {}): CloneSource {
  return {
    url,
    ref: 'refs/heads/main',
    commitSha,
    branch: 'main',
    originUrl: '',
    mirrorKey: 'project-1',
    submoduleUrls: {},
    ...more,
  }
}

function filesOf(tar: string): string {
  return execFileSync('tar', ['-tf', tar], { encoding: 'utf8' })
}

test('a private repository is cloned with its credentials, which are nowhere in the clone', async () => {
  using repository = testRepository({ 'a.txt': 'a' })
  const commit = repository.commit('first')
  using cache = temporaryDirectory('mirrors')
  await using server = await startGitHttpServer(repository.dir, 'ann:hunter2-xyz')
  const mirrors = new GitMirrors({ dir: cache.path }, { clock: systemClock })
  const url = `${server.url}/.git`
  const packed = await mirrors.packedTree(
    sourceOf(url, commit, { access }),
    { recurseSubmodules: false },
    notes,
    signal,
  )
  expect(filesOf(packed)).toContain('./a.txt')
  expect(readFileSync(packed).includes('hunter2')).toBe(false)
  const found = execFileSync('sh', ['-c', `grep -rlF hunter2 ${cache.path} || true`], { encoding: 'utf8' })
  expect(found).toBe('')
})

test('without credentials there is nothing', async () => {
  using repository = testRepository({ 'a.txt': 'a' })
  const commit = repository.commit('first')
  using cache = temporaryDirectory('mirrors')
  await using server = await startGitHttpServer(repository.dir, 'ann:hunter2-xyz')
  const mirrors = new GitMirrors({ dir: cache.path }, { clock: systemClock })
  const packing = mirrors.packedTree(
    sourceOf(`${server.url}/.git`, commit),
    { recurseSubmodules: false },
    notes,
    signal,
  )
  await expect(packing).rejects.toMatchObject({ code: 'git_failed' })
})

test('a submodule of the same host gets the credentials, one of another host does not', async () => {
  using own = testRepository({ 'own.txt': 'own' })
  using foreign = testRepository({ 'foreign.txt': 'foreign' })
  own.commit('own')
  foreign.commit('foreign')
  using root = temporaryDirectory('served')
  await using ownServer = await startGitHttpServer(root.path, 'ann:hunter2-xyz')
  await using otherServer = await startGitHttpServer(root.path, 'ann:hunter2-xyz')
  const bare = (from: string, name: string) =>
    execFileSync('git', ['clone', '--quiet', '--bare', from, join(root.path, name)])
  bare(own.dir, 'own.git')
  bare(foreign.dir, 'foreign.git')
  const withModule = (url: string, from: string) => {
    const main = testRepository({ 'a.txt': 'a' })
    main.git('submodule', '--quiet', 'add', from, 'module')
    main.git('config', '--file', '.gitmodules', 'submodule.module.url', url)
    const commit = main.commit('with a module')
    return { main, commit }
  }
  using cache = temporaryDirectory('mirrors')
  const mirrors = new GitMirrors({ dir: cache.path }, { clock: systemClock })
  const pack = (name: string, commit: string) =>
    mirrors.packedTree(
      sourceOf(`${ownServer.url}/${name}`, commit, { access, mirrorKey: name }),
      { recurseSubmodules: true },
      notes,
      signal,
    )

  const good = withModule(`${ownServer.url}/own.git`, own.dir)
  using _good = good.main
  bare(good.main.dir, 'good.git')
  expect(filesOf(await pack('good.git', good.commit))).toContain('./module/own.txt')

  const bad = withModule(`${otherServer.url}/foreign.git`, foreign.dir)
  using _bad = bad.main
  bare(bad.main.dir, 'bad.git')
  await expect(pack('bad.git', bad.commit)).rejects.toMatchObject({ code: 'git_failed' })
  expect(otherServer.seen.authorized).toBe(0)
  expect(otherServer.seen.refused).toBeGreaterThan(0)
})
