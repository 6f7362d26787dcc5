// The git server as git's clients see it.

import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { testRepository } from '../../../test/support/git-repository.ts'
import { limits } from '../../lib/limits.ts'
import { ann, git, remoteRefs, startGitserver, temporary } from '../gitserver-fixture.ts'
import { RequestQueue } from './request-queue.ts'

test('what is pushed is cloned, fetched and fetched again', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ 'a.txt': 'one' })
  const first = repository.commit('first')
  const url = server.repositoryUrl('web')
  expect(await git(repository.dir, 'push', url, 'main')).toMatchObject({ ok: true })
  const clone = join(folder.path, 'clone')
  expect(await git(folder.path, 'clone', url, clone)).toMatchObject({ ok: true })
  expect((await git(clone, 'rev-parse', 'HEAD')).stdout).toBe(first)
  repository.write({ 'a.txt': 'two' })
  const second = repository.commit('second')
  repository.git('tag', '-a', '-m', 'one', 'v1')
  expect(await git(repository.dir, 'push', '--follow-tags', url, 'main')).toMatchObject({ ok: true })
  expect(await git(clone, 'fetch', '--tags')).toMatchObject({ ok: true })
  expect((await git(clone, 'rev-parse', 'v1^{commit}', 'origin/main')).stdout).toBe(`${second}\n${second}`)
  expect(await git(clone, 'fsck', '--strict')).toMatchObject({ ok: true })
})

test.each([0, 1, 2])('version %d of the protocol is spoken', async (version) => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1' })
  const sha = repository.commit('first')
  const setting = ['-c', `protocol.version=${version}`]
  const url = server.repositoryUrl('web')
  expect(await git(repository.dir, ...setting, 'push', url, 'main')).toMatchObject({ ok: true })
  expect(await git(folder.path, ...setting, 'clone', url, 'clone')).toMatchObject({ ok: true })
  const other = join(folder.path, 'other')
  await git(other, 'init')
  // By its name, as executors do.
  expect(await git(other, ...setting, 'fetch', url, `${sha}:refs/kept`)).toMatchObject({ ok: true })
})

test('a branch is pushed over with force and deleted, and not without', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main', 'main:refs/heads/other')
  repository.git('commit', '--amend', '--quiet', '-m', 'otherwise')
  expect(await git(repository.dir, 'push', url, 'main')).toMatchObject({ ok: false })
  expect(await git(repository.dir, 'push', '--force', url, 'main')).toMatchObject({ ok: true })
  expect(await git(repository.dir, 'push', '--delete', url, 'main')).toMatchObject({ ok: true })
  expect(Object.keys(await remoteRefs(folder.path, url))).toEqual(['HEAD', 'refs/heads/other'])
  expect(await git(repository.dir, 'push', '--delete', url, 'other')).toMatchObject({ ok: true })
  expect((await git(folder.path, 'ls-remote', url)).stderr).toContain('there is no repository')
})

test('shallow and partial clones are made, and a shallow repository can be pushed and cloned', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1', big: 'x'.repeat(10_000) })
  for (const text of ['2', '3', '4']) {
    repository.commit(text)
    repository.write({ a: text })
  }
  const head = repository.commit('last')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  const shallow = join(folder.path, 'shallow')
  expect(await git(folder.path, 'clone', '--depth=1', url, shallow)).toMatchObject({ ok: true })
  expect((await git(shallow, 'rev-list', '--count', 'HEAD')).stdout).toBe('1')
  expect(await git(folder.path, 'clone', '--filter=blob:none', '--no-checkout', url, 'partial')).toMatchObject({
    ok: true,
  })
  const partial = join(folder.path, 'partial')
  expect((await git(partial, 'rev-list', '--objects', '--missing=print', 'HEAD')).stdout).toMatch(/^\?[0-9a-f]{40}$/m)
  expect(await git(partial, 'checkout', 'main')).toMatchObject({ ok: true })

  const elsewhere = server.repositoryUrl('from-shallow')
  expect(await git(shallow, 'push', elsewhere, 'HEAD:refs/heads/main')).toMatchObject({ ok: true })
  expect(await git(folder.path, 'clone', elsewhere, 'again')).toMatchObject({ ok: true })
  const again = join(folder.path, 'again')
  expect((await git(again, 'rev-parse', 'HEAD')).stdout).toBe(head)
  expect((await git(again, 'rev-list', '--count', 'HEAD')).stdout).toBe('1')
  // A commit on top, and what was cut off is filled in later.
  await git(shallow, 'commit', '--allow-empty', '-m', 'on top')
  expect(await git(shallow, 'push', elsewhere, 'HEAD:refs/heads/main')).toMatchObject({ ok: true })
  expect(await git(again, 'pull')).toMatchObject({ ok: true })
})

test('names of objects of 64 digits have repositories of their own', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  const local = join(folder.path, 'local')
  await git(local, 'init', '--object-format=sha256', '--initial-branch=main')
  await git(local, 'commit', '--allow-empty', '-m', 'first')
  expect(await git(local, 'push', server.repositoryUrl('web-sha256'), 'main')).toMatchObject({ ok: true })
  expect(await git(folder.path, 'clone', server.repositoryUrl('web-sha256'), 'clone')).toMatchObject({ ok: true })
  expect((await git(local, 'push', server.repositoryUrl('web'), 'main')).ok).toBe(false)
})

test('a pack of many megabytes comes whole, also where git sends it in chunks', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({})
  for (let file = 0; file < 4; file++) repository.write({ [`f${file}`]: randomBytes(1024 * 1024).toString('latin1') })
  repository.commit('large')
  const url = server.repositoryUrl('large')
  expect(await git(repository.dir, 'push', url, 'main')).toMatchObject({ ok: true })
  expect(await git(folder.path, 'clone', url, 'clone')).toMatchObject({ ok: true })
  expect(await git(join(folder.path, 'clone'), 'fsck')).toMatchObject({ ok: true })
})

test('only what is missing is pushed', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ big: randomBytes(3 * 1024 * 1024).toString('latin1'), small: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  repository.write({ small: '2' })
  repository.commit('second')
  await git(repository.dir, 'push', url, 'main')
  const { state } = await server.host.repositories.parts.states.load({ userId: ann, repositoryId: 'web' })
  const [first, second] = state.packs.map(({ packBytes }) => packBytes)
  expect(first).toBeGreaterThan(3 * 1024 * 1024)
  expect(second).toBeLessThan(2000)
})

test('two instances on one storage serve the same, and a lost cache is filled again', async () => {
  using folder = temporary('gitserver')
  await using one = await startGitserver({ folder: folder.path, instance: 'one' })
  await using two = await startGitserver({ folder: folder.path, instance: 'two' })
  using repository = testRepository({ a: '1' })
  const sha = repository.commit('first')
  await git(repository.dir, 'push', one.repositoryUrl('web'), 'main')
  expect(await remoteRefs(folder.path, two.repositoryUrl('web'))).toMatchObject({ 'refs/heads/main': sha })
  repository.write({ a: '2' })
  const next = repository.commit('second')
  expect(await git(repository.dir, 'push', two.repositoryUrl('web'), 'main')).toMatchObject({ ok: true })
  rmSync(join(one.dir, 'packs'), { recursive: true })
  expect(await git(folder.path, 'clone', one.repositoryUrl('web'), 'clone')).toMatchObject({ ok: true })
  expect((await git(join(folder.path, 'clone'), 'rev-parse', 'HEAD')).stdout).toBe(next)
})

test('of pushes to one branch at once by two instances one is accepted, and pushes to others all are', async () => {
  using folder = temporary('gitserver')
  await using one = await startGitserver({ folder: folder.path, instance: 'one' })
  await using two = await startGitserver({ folder: folder.path, instance: 'two' })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  await git(repository.dir, 'push', one.repositoryUrl('web'), 'main')
  const commits = Array.from({ length: 6 }, (_, index) => {
    repository.git('checkout', '--quiet', '--detach', 'main')
    repository.write({ a: `branch ${index}` })
    return repository.commit(`commit ${index}`)
  })
  const pushes = await Promise.all(
    commits.flatMap((sha, index) => {
      const url = (index % 2 === 0 ? one : two).repositoryUrl('web')
      return [
        git(repository.dir, 'push', url, `${sha}:refs/heads/main`),
        git(repository.dir, 'push', url, `${sha}:refs/heads/b${index}`),
      ]
    }),
  )
  expect(pushes.filter((_, index) => index % 2 === 1).every(({ ok }) => ok)).toBe(true)
  const refs = await remoteRefs(folder.path, two.repositoryUrl('web'))
  // Those that did not overlap may all have been accepted, each before the next one looked, but never one over another unseen.
  const accepted = pushes.filter(({ ok }, index) => index % 2 === 0 && ok)
  expect(accepted).toHaveLength(1)
  for (const [index, sha] of commits.entries()) expect(refs[`refs/heads/b${index}`]).toBe(sha)
  expect(await git(folder.path, 'clone', one.repositoryUrl('web'), 'clone')).toMatchObject({ ok: true })
  expect(await git(join(folder.path, 'clone'), 'fsck')).toMatchObject({ ok: true })
})

test.each([
  ['main^{tree}:refs/heads/tree', /a branch points to a commit, not a tree/],
  ['main:refs/heads/main/below', /refs\/heads\/main and refs\/heads\/main\/below cannot both be there/],
])('a push of %s is refused in words, and nothing of it is there', async (refspec, words) => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  const before = await remoteRefs(folder.path, url)
  const { ok, stderr } = await git(repository.dir, 'push', url, refspec, 'main:refs/heads/new')
  expect(ok).toBe(false)
  expect(stderr).toMatch(words)
  expect(await remoteRefs(folder.path, url)).toEqual(before)
})

test('a push that is too large, and one that makes the repository too large or too full, is refused in words', async () => {
  using folder = temporary('gitserver')
  const given = { pushBytesMax: 20_000, bytesMax: 30_000, refsMax: 3 }
  const outcomes: string[] = []
  const onPush = (outcome: string) => void outcomes.push(outcome)
  await using server = await startGitserver({ folder: folder.path, limits: given, onPush })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  const url = server.repositoryUrl('web')
  await git(repository.dir, 'push', url, 'main')
  const pushOf = async (bytes: number, ...refspecs: readonly string[]) => {
    repository.write({ a: randomBytes(bytes).toString('latin1') })
    repository.commit('more')
    return await git(repository.dir, 'push', url, ...refspecs)
  }
  expect((await pushOf(50_000, 'main')).stderr).toMatch(/exceeds maximum allowed size/)
  repository.git('reset', '--quiet', '--hard', 'HEAD~1')
  expect(await pushOf(10_000, 'main')).toMatchObject({ ok: true })
  expect((await pushOf(14_000, 'main')).stderr).toMatch(/more than 30000 bytes/)
  repository.git('reset', '--quiet', '--hard', 'HEAD~1')
  expect(await git(repository.dir, 'push', url, 'main:refs/heads/b', 'main:refs/heads/c')).toMatchObject({ ok: true })
  expect((await git(repository.dir, 'push', url, 'main:refs/heads/d')).stderr).toMatch(/more than 3 refs/)
  // The first refusal is of git itself, which asks nothing then.
  expect(outcomes).toEqual(['accepted', 'accepted', 'refused', 'accepted', 'refused'])
})

test('a fetch that asks for more than 32 MiB at once is refused', async () => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  using repository = testRepository({ a: '1' })
  repository.commit('first')
  await git(repository.dir, 'push', server.repositoryUrl('web'), 'main')
  const line = `0032want ${'1'.repeat(40)}\n`
  const body = gzipSync(line.repeat(Math.ceil(limits.gitFetchRequestBytes.value / line.length) + 1))
  const response = await fetch(`${server.url}/repos/${ann}/web.git/git-upload-pack`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer ann-run',
      'content-type': 'application/x-git-upload-pack-request',
      'content-encoding': 'gzip',
    },
    body,
  })
  expect(await response.text()).not.toContain('PACK')
})

test('when too many wait, further ones are refused, and those that wait come one after the other', async () => {
  const queue = new RequestQueue(1, 2)
  const { signal } = new AbortController()
  const first = await queue.enter(signal)
  const order: number[] = []
  const waiting = [1, 2].map(async (number) => {
    using _place = await queue.enter(signal)
    order.push(number)
  })
  await expect(queue.enter(signal)).rejects.toMatchObject({ code: 'rate_limited' })
  first[Symbol.dispose]()
  await Promise.all(waiting)
  expect(order).toEqual([1, 2])
})

test('a request that waits and goes away leaves its place to others', async () => {
  const queue = new RequestQueue(1, 1)
  const first = await queue.enter(new AbortController().signal)
  const gone = new AbortController()
  const waiting = queue.enter(gone.signal)
  gone.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
  const next = queue.enter(new AbortController().signal)
  first[Symbol.dispose]()
  using _second = await next
})

test.each([
  '/repos/../../etc/passwd/info/refs?service=git-upload-pack',
  `/repos/${ann}/..%2F..%2Fweb.git/info/refs?service=git-upload-pack`,
  `/repos/..%2F${ann}/web.git/info/refs?service=git-upload-pack`,
  `/repos/${ann}/.git/info/refs?service=git-upload-pack`,
  `/repos/${ann}/web/info/refs?service=git-upload-pack`,
  `/repos/${ann}/web.git.git/info/refs?service=git-upload-pack`,
  `/repos/${ann}/%00.git/info/refs?service=git-upload-pack`,
  `/repos/${ann}/web.git/HEAD`,
  `/repos/${ann}/web.git/objects/info/packs`,
  `/repos/${ann}/web.git/git-upload-archive`,
])('nothing is at %s, and nothing is made by asking', async (path) => {
  using folder = temporary('gitserver')
  await using server = await startGitserver({ folder: folder.path })
  const response = await fetch(`${server.url}${path}`, { headers: { authorization: 'Bearer ann-admin' } })
  expect(response.status).toBe(404)
  expect(readdirSync(join(server.dir, 'packs'))).toEqual([])
  expect(existsSync(join(folder.path, 'objects/data/git'))).toBe(false)
})

test.each(['git-upload-archive', 'upload-pack', 'git-', '--upload-pack=x', ''])(
  'the service "%s" is none',
  async (service) => {
    using folder = temporary('gitserver')
    await using server = await startGitserver({ folder: folder.path })
    const response = await fetch(`${server.url}/repos/${ann}/web.git/info/refs?service=${service}`, {
      headers: { authorization: 'Bearer ann-admin' },
    })
    expect(response.status).toBe(400)
  },
)
