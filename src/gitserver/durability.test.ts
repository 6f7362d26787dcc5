// What was accepted is there, whatever is killed or lost; and nothing is there by halves.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { testRepository } from '../../test/support/git-repository.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { ann, git, remoteRefs, startGitserver, temporary } from './gitserver-fixture.ts'

/** Of a push: the pack, its index, the state. */
const changingCalls = 3

type KilledServer = AsyncDisposable & {
  readonly url: string
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
}

async function startKilledServer(folder: string, call: number, when: 'before' | 'after'): Promise<KilledServer> {
  const file = join(import.meta.dirname, 'killed-server-fixture.ts')
  const child = spawn(process.execPath, [file, folder, String(call), when], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    url: line.replace('http://', 'http://x:ann-run@'),
    child,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

test.each(
  Array.from({ length: changingCalls }, (_, index) => index + 1).flatMap((call) => [
    [call, 'before'] as const,
    [call, 'after'] as const,
  ]),
)(
  'a server that is killed in the middle of a push, at change %d of its storage, %s it',
  { timeout: 60_000 },
  async (call, when) => {
    using folder = temporary('gitserver')
    using repository = testRepository({ a: '1' })
    const first = repository.commit('first')
    {
      await using before = await startGitserver({ folder: folder.path })
      expect(await git(repository.dir, 'push', before.repositoryUrl('web'), 'main')).toMatchObject({ ok: true })
    }
    repository.write({ a: '2' })
    const second = repository.commit('second')
    repository.git('tag', 'v1')
    await using killed = await startKilledServer(folder.path, call, when)
    const pushed = await git(repository.dir, 'push', `${killed.url}/repos/${ann}/web.git`, 'main', 'v1')
    await killed.ended
    expect(killed.child.signalCode).toBe('SIGKILL')
    await using after = await startGitserver({ folder: folder.path, instance: 'another' })
    const refs = await remoteRefs(folder.path, after.repositoryUrl('web'))
    const isThere = refs['refs/heads/main'] === second
    // All of the push or nothing of it; nobody heard of an acceptance, and the last change is the one that decides.
    expect(refs).toMatchObject(
      isThere ? { 'refs/heads/main': second, 'refs/tags/v1': second } : { 'refs/heads/main': first },
    )
    expect(Object.keys(refs).includes('refs/tags/v1')).toBe(isThere)
    if (pushed.ok) expect(isThere).toBe(true)
    expect(isThere).toBe(call === changingCalls && when === 'after')
    expect(await git(repository.dir, 'push', after.repositoryUrl('web'), 'main', 'v1')).toMatchObject({ ok: true })
    expect(await git(folder.path, 'clone', after.repositoryUrl('web'), 'clone')).toMatchObject({ ok: true })
    expect(await git(join(folder.path, 'clone'), 'fsck', '--strict')).toMatchObject({ ok: true })
    expect((await git(join(folder.path, 'clone'), 'rev-parse', 'HEAD')).stdout).toBe(second)
  },
)

test('a server that is killed right after it accepted a push has lost nothing of it, nor has its disk', {
  timeout: 60_000,
}, async () => {
  using folder = temporary('gitserver')
  using repository = testRepository({ a: '1' })
  for (let round = 1; round <= 3; round++) {
    await using server = await startKilledServer(folder.path, 0, 'before')
    repository.write({ a: `round ${round}` })
    const sha = repository.commit(`round ${round}`)
    expect(await git(repository.dir, 'push', `${server.url}/repos/${ann}/web.git`, 'main')).toMatchObject({ ok: true })
    server.child.kill('SIGKILL')
    // The next one has another folder for its copies.
    await using next = await startKilledServer(folder.path, 0, 'before')
    expect(await remoteRefs(folder.path, `${next.url}/repos/${ann}/web.git`)).toMatchObject({ 'refs/heads/main': sha })
  }
})

const failing =
  (change: Partial<ObjectStorage>) =>
  (storage: ObjectStorage): ObjectStorage => ({
    put: (...args) => storage.put(...args),
    create: (...args) => storage.create(...args),
    delete: (...args) => storage.delete(...args),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    ...change,
  })

test('a storage that takes nothing refuses the push in words', async () => {
  using folder = temporary('gitserver')
  const put = async () => {
    throw new SlipwayError('object_storage_unavailable', 'the storage is away')
  }
  await using server = await startGitserver({ folder: folder.path, storage: failing({ put }) })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const { ok, stderr } = await git(repository.dir, 'push', server.repositoryUrl('web'), 'main')
  expect(ok).toBe(false)
  expect(stderr).toContain('remote: The push could not be stored: the storage is away')
})

test.each([
  ['was created', true],
  ['was not created', false],
])('a storage that does not say whether the state %s is asked again', async (_, wasCreated) => {
  using folder = temporary('gitserver')
  let asked = 0
  const storage = (real: ObjectStorage) =>
    failing({
      create: async (...args) => {
        if (++asked > 1) return await real.create(...args)
        if (wasCreated) await real.create(...args)
        throw new SlipwayError('outcome_unknown', 'the connection broke')
      },
    })(real)
  await using server = await startGitserver({ folder: folder.path, storage })
  using repository = testRepository({ a: '1' })
  const sha = repository.commit('first')
  expect(await git(repository.dir, 'push', server.repositoryUrl('web'), 'main')).toMatchObject({ ok: true })
  expect(asked).toBe(2)
  expect(await remoteRefs(folder.path, server.repositoryUrl('web'))).toMatchObject({ 'refs/heads/main': sha })
})

test('a push that takes too long is broken off, and nothing of it is there', async () => {
  using folder = temporary('gitserver')
  const late = new AbortController()
  const clock: Clock = {
    ...systemClock,
    timeout: (ms) => (ms === limits.gitRequestMs.value ? late.signal : systemClock.timeout(ms)),
  }
  // A storage that never ends, until the time is over.
  const put: ObjectStorage['put'] = async (_key, _data, { signal } = {}) => {
    late.abort(new Error('the time is over'))
    signal?.throwIfAborted()
    throw new Error('it should have been broken off')
  }
  await using server = await startGitserver({ folder: folder.path, clock, storage: failing({ put }) })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  expect(await git(repository.dir, 'push', server.repositoryUrl('web'), 'main')).toMatchObject({ ok: false })
  await using after = await startGitserver({ folder: folder.path, instance: 'after' })
  expect((await git(folder.path, 'ls-remote', after.repositoryUrl('web'))).stderr).toContain('there is no repository')
})
