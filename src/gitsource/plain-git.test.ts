import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startGitHttpServer } from '../../test/support/git-http-server.ts'
import { type TestRepository, temporaryDirectory, testRepository } from '../../test/support/git-repository.ts'
import { startSshServer } from '../../test/support/ssh-server.ts'
import { systemClock } from '../lib/clock.ts'
import type { GitAccessOptions } from '../lib/git-access.ts'
import { limits } from '../lib/limits.ts'
import { PlainGit } from './plain-git.ts'

const signal = new AbortController().signal
const files = {
  '.slipway/config.yml': 'runs: []\n',
  '.slipway/other.txt': 'other\n',
  'large.bin': 'x'.repeat(2 * 1024 * 1024),
}
const password = 'p"ss\'w$rd x'
const credentials = { type: 'password', userName: 'ann', password } as const

async function served(options: GitAccessOptions = { credentials }) {
  const owned = new AsyncDisposableStack()
  const repository = owned.use(testRepository(files))
  const commit = repository.commit('first\n\nwith a body')
  const cache = owned.use(temporaryDirectory('gitsource'))
  const server = owned.use(await startGitHttpServer(repository.dir, `ann:${password}`))
  const url = `${server.url}/.git`
  const open = (given: GitAccessOptions = options) =>
    new PlainGit({ url, cacheDir: cache.path, ...given }, { clock: systemClock })
  return { repository, commit, cache, server, url, open, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Of all files below: what was really fetched and kept. */
function contentsOf(dir: string): readonly Buffer[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
}

test('refs with their commits, an annotated tag with what it points to', async () => {
  await using source = await served()
  source.repository.git('branch', 'feature/x')
  source.repository.git('tag', '--annotate', '--message', 'release', 'v1')
  const git = source.open()
  expect(await git.listRefs(signal)).toEqual([
    { name: 'refs/heads/feature/x', commitSha: source.commit },
    { name: 'refs/heads/main', commitSha: source.commit },
    { name: 'refs/tags/v1', commitSha: source.commit },
  ])
  expect(await git.findRef('refs/tags/v1', signal)).toEqual({ name: 'refs/tags/v1', commitSha: source.commit })
  expect(await git.findRef('refs/heads/x', signal)).toBeUndefined()
  expect(await git.findDefaultBranch(signal)).toBe('main')
})

test('a commit and its definition are read without fetching the rest', async () => {
  await using source = await served()
  const git = source.open()
  expect(await git.getCommit(source.commit, 'refs/heads/main', signal)).toEqual({
    sha: source.commit,
    message: 'first\n\nwith a body',
    author: 'Test',
  })
  const commit = { sha: source.commit, ref: 'refs/heads/main' }
  expect(await git.readFiles(commit, '.slipway', ['config.yml', 'config.json'], signal)).toEqual([
    { path: '.slipway/config.yml', text: 'runs: []\n' },
  ])
  expect(await git.readFiles(commit, '.agola', ['config.yml'], signal)).toEqual([])
  expect(Buffer.concat(contentsOf(source.cache.path)).length).toBeLessThan(1024 * 1024)
})

test('an older commit of a ref is found, one of nowhere is not', async () => {
  await using source = await served()
  source.repository.write({ a: 'a' })
  source.repository.commit('second')
  const git = source.open()
  expect((await git.getCommit(source.commit, undefined, signal)).message).toContain('first')
  await expect(git.getCommit('0'.repeat(40), 'refs/heads/main', signal)).rejects.toMatchObject({
    code: 'commit_not_found',
  })
  await expect(git.getCommit('--help', undefined, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
})

test('what is no name of a commit is none, also before anything was read', async () => {
  await using source = await served()
  rmSync(source.cache.path, { recursive: true })
  await expect(source.open().getCommit('--help', undefined, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
})

test('a cache with nothing wrong stays, whatever is asked of it', async () => {
  await using source = await served()
  const git = source.open()
  await git.getCommit(source.commit, 'refs/heads/main', signal)
  await git.readFiles({ sha: source.commit, ref: undefined }, '.slipway', ['config.yml'], signal)
  const mark = join(source.cache.path, 'repository.git/mark')
  writeFileSync(mark, '')
  const nowhere = git.getCommit('f'.repeat(40), 'refs/heads/main', signal)
  await expect(nowhere).rejects.toMatchObject({ code: 'commit_not_found' })
  await expect(git.getCommit('e'.repeat(40), 'refs/heads/gone', signal)).rejects.toMatchObject({ code: 'git_failed' })
  expect(existsSync(mark)).toBe(true)
})

test('locks that a killed git has left keep nothing from being read', async () => {
  await using source = await served()
  const git = source.open()
  await git.getCommit(source.commit, 'refs/heads/main', signal)
  source.repository.write({ a: 'a' })
  const second = source.repository.commit('second')
  for (const name of ['config.lock', 'shallow.lock', `refs/slipway/${second}.lock`])
    writeFileSync(join(source.cache.path, 'repository.git', name), '')
  expect(await git.getCommit(second, 'refs/heads/main', signal)).toMatchObject({ message: 'second' })
})

test.each([
  ['a pack', /pack-.*\.pack$/],
  ['the index of a pack', /pack-.*\.idx$/],
  ['HEAD', /repository\.git\/HEAD$/],
  ['a ref', /refs\/slipway\/[0-9a-f]+$/],
  ['the configuration', /repository\.git\/config$/],
])('with a cache in which %s is empty, as after a loss of power, everything is read again', async (_, damaged) => {
  await using source = await served()
  const git = source.open()
  const read = async () => [
    await git.getCommit(source.commit, 'refs/heads/main', signal),
    await git.readFiles({ sha: source.commit, ref: 'refs/heads/main' }, '.slipway', ['config.yml'], signal),
  ]
  const before = await read()
  const files = readdirSync(source.cache.path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    damaged.test(name),
  )
  expect(files).not.toEqual([])
  for (const name of files) {
    chmodSync(join(source.cache.path, name), 0o600)
    truncateSync(join(source.cache.path, name))
  }
  expect(await read()).toEqual(before)
})

test('several at once share the cache', async () => {
  await using source = await served()
  const git = [source.open(), source.open(), source.open()]
  const all = await Promise.all(
    git.map((one) => one.readFiles({ sha: source.commit, ref: undefined }, '.slipway', ['config.yml'], signal)),
  )
  expect(all.map((found) => found.length)).toEqual([1, 1, 1])
})

test('wrong credentials are told without them, and nothing of them is on disk', async () => {
  await using source = await served()
  const wrong = source.open({ credentials: { ...credentials, password: 'guess-7f3a' } })
  await expect(wrong.listRefs(signal)).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.not.stringContaining('guess-7f3a'),
  })
  await source.open().getCommit(source.commit, undefined, signal)
  expect(contentsOf(source.cache.path).some((content) => content.includes(password))).toBe(false)
})

test('a link in place of the definition is not followed', async () => {
  await using source = await served()
  symlinkSync('/etc/hostname', join(source.repository.dir, '.slipway/config.json'))
  const sha = source.repository.commit('link')
  expect(await source.open().readFiles({ sha, ref: undefined }, '.slipway', ['config.json'], signal)).toEqual([])
})

test('a read that is broken off is an error, and a cache without its objects is made anew', async () => {
  await using source = await served()
  const git = source.open()
  const commit = { sha: source.commit, ref: 'refs/heads/main' }
  await git.getCommit(commit.sha, commit.ref, signal)
  const aborted = AbortSignal.abort(new Error('enough'))
  await expect(git.readFiles(commit, '.slipway', ['config.yml'], aborted)).rejects.toThrow()
  rmSync(join(source.cache.path, 'repository.git/objects'), { recursive: true })
  expect(await git.readFiles(commit, '.slipway', ['config.yml'], signal)).toHaveLength(1)
})

test('a definition above its limit is refused', async () => {
  await using source = await served()
  source.repository.write({ '.slipway/config.yml': '#'.repeat(limits.definitionBytes.value + 1) })
  const sha = source.repository.commit('large')
  await expect(
    source.open().readFiles({ sha, ref: undefined }, '.slipway', ['config.yml'], signal),
  ).rejects.toMatchObject({
    code: 'limit_exceeded',
  })
})

test.each(['/etc', 'file:///etc', 'ext::sh -c id', '--upload-pack=id'])(
  '%s is no repository of a server',
  async (url) => {
    using cache = temporaryDirectory('gitsource')
    const git = new PlainGit({ url, cacheDir: cache.path }, { clock: systemClock })
    await expect(git.listRefs(signal)).rejects.toMatchObject({ code: 'git_failed' })
  },
)

test('ssh with a key: the host key is checked, and without the right key there is nothing', async () => {
  using repository: TestRepository = testRepository(files)
  const commit = repository.commit('first')
  await using server = await startSshServer()
  using cache = temporaryDirectory('gitsource')
  const open = (options: GitAccessOptions) =>
    new PlainGit(
      { url: `ssh://${server.user}@127.0.0.1:${server.port}${repository.dir}/.git`, cacheDir: cache.path, ...options },
      { clock: systemClock },
    )
  const key = { type: 'sshkey', privateKey: server.privateKey } as const
  const good = open({ credentials: key, sshHostKey: server.hostKeyLine })
  expect(await good.listRefs(signal)).toEqual([{ name: 'refs/heads/main', commitSha: commit }])
  expect(
    (await good.readFiles({ sha: commit, ref: 'refs/heads/main' }, '.slipway', ['config.yml'], signal)).length,
  ).toBe(1)
  await expect(open({ credentials: key, sshHostKey: server.otherHostKeyLine }).listRefs(signal)).rejects.toThrow(
    /[Hh]ost key/,
  )
  await expect(open({ sshHostKey: server.hostKeyLine }).listRefs(signal)).rejects.toThrow(/[Pp]ermission denied/)
  expect(
    await open({ credentials: key, sshHostKey: server.otherHostKeyLine, skipSshHostKeyCheck: true }).findDefaultBranch(
      signal,
    ),
  ).toBe('main')
})

test('a repository with more branches and tags than the limit cannot be listed', async () => {
  const lines = Array.from({ length: limits.gitRefs.value + 1 }, (_, n) => `${'a'.repeat(40)}\trefs/heads/b${n}`)
  await using server = await startRefServer(lines)
  using cache = temporaryDirectory('gitsource')
  const git = new PlainGit({ url: server.url, cacheDir: cache.path }, { clock: systemClock })
  await expect(git.listRefs(signal)).rejects.toMatchObject({ code: 'limit_exceeded' })
})

/** A server of git's "dumb" protocol, which gives the list of refs as it is. */
async function startRefServer(lines: readonly string[]) {
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/info/refs')) response.end(`${lines.join('\n')}\n`)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
