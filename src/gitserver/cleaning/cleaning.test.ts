// Rounds of cleaning on real repositories, with a clock that jumps.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testRepository } from '../../../test/support/git-repository.ts'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { until } from '../../lib/until-fixture.ts'
import { ann, git, remoteRefs, startGitserver, type TestGitserver, temporary } from '../gitserver-fixture.ts'

const day = 24 * 60 * 60 * 1000
const name = { userId: ann, repositoryId: 'web' }
const signal = new AbortController().signal

function jumpingClock() {
  let passed = 0
  return {
    ...systemClock,
    now: () => Date.now() + passed,
    pass: (ms: number) => {
      passed += ms
    },
  }
}

const cleaning = { refsMs: 30 * day, isUser: async () => true }
const stateOf = async (server: TestGitserver) => (await server.host.repositories.parts.states.load(name)).state
async function objectsOf({ host }: TestGitserver): Promise<number> {
  let count = 0
  for await (const _ of host.repositories.components.storage.list({ prefix: 'git/' })) count++
  return count
}

const filesBelow = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
    : 0

test('refs leave 30 days after they were pushed, and their objects a week and a day later', {
  timeout: 60_000,
}, async () => {
  using folder = temporary('gitserver')
  const clock = jumpingClock()
  await using server = await startGitserver({ folder: folder.path, clock })
  using repository = testRepository({ a: '1' })
  const kept = repository.commit('kept')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main:refs/heads/old')
  repository.write({ large: 'x'.repeat(1000) })
  const gone = repository.commit('gone')
  await git(repository.dir, 'push', url, 'main:refs/heads/gone')
  clock.pass(20 * day)
  await git(repository.dir, 'push', url, `${kept}:refs/heads/young`)
  clock.pass(11 * day)
  await server.host.clean(cleaning, signal)
  expect(Object.keys(await remoteRefs(folder.path, url))).toEqual(['HEAD', 'refs/heads/young'])
  // Refs that had gone made it pack everything anew.
  const { packs } = await stateOf(server)
  expect(packs).toHaveLength(1)
  clock.pass(2 * day)
  await server.host.clean(cleaning, signal)
  // The pack with its index, and the newest state.
  expect(await objectsOf(server)).toBe(3)
  const { count, bytes } = await server.host.measure(signal)
  expect(count).toBe(1)
  expect(bytes).toBeGreaterThan(packs[0]!.packBytes + packs[0]!.indexBytes)
  const other = join(folder.path, 'other')
  await git(other, 'init')
  expect(await git(other, 'fetch', url, kept)).toMatchObject({ ok: true })
  expect(await git(other, 'fetch', url, gone)).toMatchObject({ ok: false })
  clock.pass(30 * day)
  await server.host.clean(cleaning, signal)
  clock.pass(2 * day)
  await server.host.clean(cleaning, signal)
  // Only what says that there is nothing; what is pushed then, begins anew.
  expect(await objectsOf(server)).toBe(1)
  expect((await git(folder.path, 'ls-remote', url)).stderr).toContain('there is no repository')
  expect(await git(repository.dir, 'push', url, 'main')).toMatchObject({ ok: true })
  expect(await git(folder.path, 'clone', url, 'clone')).toMatchObject({ ok: true })
})

test('after more than 20 packs there are fewer, with the same in them', { timeout: 60_000 }, async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  await using other = await startGitserver({ folder: folder.path, instance: 'other' })
  using repository = testRepository({})
  const url = server.repositoryUrl('web')
  for (let round = 0; round <= limits.gitPacks.value; round++) {
    repository.write({ a: `round ${round}` })
    repository.commit(`round ${round}`)
    expect(await git(repository.dir, 'push', url, 'main')).toMatchObject({ ok: true })
  }
  expect((await stateOf(server)).packs).toHaveLength(limits.gitPacks.value + 1)
  await other.host.clean(cleaning, signal)
  expect((await stateOf(server)).packs.length).toBeLessThan(3)
  expect(await git(folder.path, 'clone', url, 'clone')).toMatchObject({ ok: true })
  expect(await git(join(folder.path, 'clone'), 'fsck', '--strict')).toMatchObject({ ok: true })
  expect((await git(join(folder.path, 'clone'), 'rev-list', '--count', 'HEAD')).stdout).toBe('21')
})

test('what a deleted user had goes a day later, and nothing while nobody can say', async () => {
  using folder = temporary('gitserver')
  const clock = jumpingClock()
  await using server = await startGitserver({ folder: folder.path, clock })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  await git(repository.dir, 'push', server.repositoryUrl('web'), 'main')
  await server.host.clean({ ...cleaning, isUser: async () => false }, signal)
  expect(await objectsOf(server)).toBe(3)
  clock.pass(2 * day)
  const isUser = async () => {
    throw new Error('the configstore is away')
  }
  await server.host.clean({ ...cleaning, isUser }, signal)
  expect(await objectsOf(server)).toBe(3)
  await server.host.clean({ ...cleaning, isUser: async () => false }, signal)
  expect(await objectsOf(server)).toBe(0)
})

test('copies that were not used for a week leave the disk, and come again', async () => {
  using folder = temporary('gitserver')
  const clock = jumpingClock()
  await using server = await startGitserver({ folder: folder.path, clock })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  const copies = join(server.dir, 'packs')
  await server.host.clean(cleaning, signal)
  expect(filesBelow(copies)).toBe(2)
  clock.pass(limits.gitCacheMs.value + 1)
  // A request ends a moment after its client has the answer.
  await until(async () => {
    await server.host.clean(cleaning, signal)
    return filesBelow(copies) === 0
  })
  expect(await git(folder.path, 'clone', url, 'clone')).toMatchObject({ ok: true })
})

test('requests leave nothing on the disk but packs', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  await git(repository.dir, 'push', url, 'main^{tree}:refs/heads/no')
  await git(folder.path, 'clone', url, 'clone')
  await until(() => readdirSync(join(server.dir, 'work')).length === 0)
})
