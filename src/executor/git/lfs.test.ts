// Clones of repositories with files in Git LFS: real git-lfs, against a server of its batch API.

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory, testRepository } from '../../../test/support/git-repository.ts'
import { type LfsServer, openLfsServer, pointerTo } from '../../../test/support/lfs-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { runGit } from '../../lib/git.ts'
import { noSource } from '../../runservice/service-fixture.ts'
import { GitMirrors } from './mirrors.ts'

const never = new AbortController().signal
const withLfs = { recurseSubmodules: false, lfs: true }

function aDirectory(name: string): string {
  const directory = temporaryDirectory(name)
  onTestFinished(() => directory[Symbol.dispose]())
  return directory.path
}

/** A repository whose `.bin` files are in LFS, pushed to a server by git-lfs itself. */
async function aServedRepository() {
  const server = await openLfsServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const repository = testRepository({ '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n' })
  onTestFinished(() => repository[Symbol.dispose]())
  repository.git('lfs', 'install', '--local')
  repository.git('config', 'lfs.allowincompletepush', 'true')
  repository.git('config', 'lfs.url', `${server.url}/info/lfs`)
  const push = async (message: string) => {
    const commitSha = repository.commit(message)
    // Not by the hook: this is a path, and objects go to the server.
    repository.git('push', '--quiet', '--no-verify', server.path, 'HEAD:refs/heads/main')
    // The server is in this process, which may not wait.
    await runGit(['-C', repository.dir, 'lfs', 'push', 'origin', 'HEAD'])
    return { ...noSource, url: server.url, mirrorKey: server.url, commitSha }
  }
  repository.git('remote', 'add', 'origin', server.url)
  return { server, repository, push }
}

function someMirrors(options: { readonly bytesMax?: number } = {}) {
  const dir = aDirectory('mirrors')
  const mirrors = new GitMirrors({ dir, ...options }, { clock: systemClock })
  const notes: string[] = []
  const pack = (source: Parameters<GitMirrors['packedTree']>[0], asked: { lfs: boolean } = withLfs) =>
    mirrors.packedTree(source, { recurseSubmodules: false, ...asked }, (line) => notes.push(line), never)
  return { dir, notes, pack }
}

function unpacked(tar: string): string {
  const dir = aDirectory('unpacked')
  execFileSync('tar', ['-xf', tar, '-C', dir])
  return dir
}

const large = Buffer.alloc(300_000, 'content of a large file\n')

test('files of Git LFS are fetched when asked for, with their modes, and what only looks like a pointer stays', async () => {
  const { server, repository, push } = await aServedRepository()
  const { pointer } = pointerTo('elsewhere')
  repository.write({ 'big.bin': large.toString(), 'deep/odd  näme.bin': 'odd', 'empty.bin': '', 'docs.md': pointer })
  chmodSync(join(repository.dir, 'big.bin'), 0o755)
  const source = await push('files')
  expect(server.objects.size).toBe(2)
  const { pack, notes, dir } = someMirrors()
  const tree = unpacked(await pack(source))
  expect(readFileSync(join(tree, 'big.bin'))).toEqual(large)
  expect(statSync(join(tree, 'big.bin')).mode & 0o777).toBe(0o755)
  expect(readFileSync(join(tree, 'deep/odd  näme.bin'), 'utf8')).toBe('odd')
  expect(readFileSync(join(tree, 'empty.bin'), 'utf8')).toBe('')
  expect(readFileSync(join(tree, 'docs.md'), 'utf8')).toBe(pointer)
  expect(notes).toContain('Fetching 2 files of Git LFS')
  expect(existsSync(join(tree, '.git/lfs'))).toBe(false)
  expect(readFileSync(join(tree, '.git/config'), 'utf8')).not.toContain('slipway-lfs')
  expect(readdirSync(join(dir, readdirSync(dir)[0]!, 'packed'))).toHaveLength(1)
})

test('without asking, the step fails and says how to ask', async () => {
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'big.bin': large.toString() })
  const source = await push('file')
  await expect(someMirrors().pack(source, { lfs: false })).rejects.toMatchObject({
    code: 'git_failed',
    message: '1 file is stored in Git LFS: the clone step fetches them when it says "lfs: true"',
  })
  expect(server.downloads).toEqual([])
})

test('what one commit has is not fetched again for the next', async () => {
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'a.bin': 'first' })
  const { pack } = someMirrors()
  await pack(await push('first'))
  repository.write({ 'b.bin': 'second' })
  const tree = unpacked(await pack(await push('second')))
  expect(readFileSync(join(tree, 'a.bin'), 'utf8') + readFileSync(join(tree, 'b.bin'), 'utf8')).toBe('firstsecond')
  expect(server.downloads).toEqual([pointerTo('first').oid, pointerTo('second').oid])
})

test('what a copy on this machine has is taken from it, the rest from the repository it is a copy of', async () => {
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'a.bin': 'kept here', 'b.bin': 'only there' })
  const { url, commitSha } = await push('files')
  const { oid } = pointerTo('only there')
  execFileSync('rm', [join(repository.dir, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid)])
  const source = { ...noSource, url: repository.dir, originUrl: url, mirrorKey: 'k', commitSha }
  const tree = unpacked(await someMirrors().pack(source))
  expect(readFileSync(join(tree, 'a.bin'), 'utf8') + readFileSync(join(tree, 'b.bin'), 'utf8')).toBe(
    'kept hereonly there',
  )
  expect(server.downloads).toEqual([oid])
  await expect(someMirrors().pack({ ...source, originUrl: '', url: join(repository.dir, '.git') })).rejects.toThrow()
})

test('a private repository is asked for them with its credentials, also as the origin of a copy at the same host', async () => {
  const server = await openLfsServer({ login: 'slipway:the-password' })
  onTestFinished(() => server[Symbol.asyncDispose]())
  using repository = testRepository({ '.gitattributes': '*.bin filter=lfs -text\n' })
  repository.git('lfs', 'install', '--local')
  repository.write({ 'a.bin': 'private' })
  const commitSha = repository.commit('first')
  repository.git('push', '--quiet', '--no-verify', server.path, 'HEAD:refs/heads/main')
  server.objects.set(pointerTo('private').oid, Buffer.from('private'))
  const credentials = { type: 'password', userName: 'slipway', password: 'the-password' } as const
  const source = { ...noSource, url: server.url, mirrorKey: server.url, commitSha }
  for (const originUrl of ['', server.url]) {
    const tree = unpacked(await someMirrors().pack({ ...source, originUrl, access: { credentials } }))
    expect(readFileSync(join(tree, 'a.bin'), 'utf8')).toBe('private')
    expect(readFileSync(join(tree, '.git/config'), 'utf8')).not.toContain('the-password')
  }
})

test('the credentials of a copy are not those of its origin at another host', async () => {
  const copy = await openLfsServer({ login: 'slipway:the-password' })
  onTestFinished(() => copy[Symbol.asyncDispose]())
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'a.bin': 'at the origin' })
  const { commitSha } = await push('first')
  repository.git('push', '--quiet', '--no-verify', copy.path, 'HEAD:refs/heads/main')
  const credentials = { type: 'password', userName: 'slipway', password: 'the-password' } as const
  const source = {
    ...noSource,
    url: copy.url,
    originUrl: server.url,
    mirrorKey: 'k',
    commitSha,
    access: { credentials },
  }
  const tree = unpacked(await someMirrors().pack(source))
  expect(readFileSync(join(tree, 'a.bin'), 'utf8')).toBe('at the origin')
  expect([server.downloads, server.logins, copy.downloads]).toEqual([[pointerTo('at the origin').oid], [], []])
})

type Served = { readonly server: LfsServer; readonly oid: string }

test.each<readonly [string, (served: Served) => void, RegExp]>([
  ['the server does not have', ({ server, oid }) => server.objects.delete(oid), /git lfs|Object does not exist/],
  ['came damaged', ({ server, oid }) => server.objects.set(oid, Buffer.alloc(large.length)), /git lfs|damaged/],
])('a file that %s fails the step', async (_, spoil, message) => {
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'big.bin': large.toString() })
  const source = await push('file')
  spoil({ server, oid: pointerTo(large).oid })
  await expect(someMirrors().pack(source)).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.stringMatching(message),
  })
})

test('more than a mirror may have is not fetched', async () => {
  const { server, repository, push } = await aServedRepository()
  repository.write({ 'big.bin': large.toString() })
  const source = await push('file')
  await expect(someMirrors({ bytesMax: 100_000 }).pack(source)).rejects.toMatchObject({ code: 'limit_exceeded' })
  expect(server.downloads).toEqual([])
})

test.each(['file:///var/lib/other', '/var/lib/other', '../other'])(
  'a definition of the server in the repository, which is %s, is refused',
  async (url) => {
    const { repository, push } = await aServedRepository()
    repository.write({ 'big.bin': large.toString(), '.lfsconfig': `[lfs]\n\turl = ${url}\n` })
    const source = await push('file')
    await expect(someMirrors().pack(source)).rejects.toThrow('only http, https and ssh are followed')
  },
)
