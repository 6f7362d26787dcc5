// Files of Git LFS of repositories by ssh: real git-lfs, OpenSSH's server, and a server of the batch API that asks for a login.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory, testRepository } from '../../../test/support/git-repository.ts'
import { openLfsServer, pointerTo } from '../../../test/support/lfs-server.ts'
import { startSshServer } from '../../../test/support/ssh-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { newSshKey } from '../../lib/ssh-key.ts'
import { noSource } from '../../runservice/service-fixture.ts'
import { GitMirrors } from './mirrors.ts'

const never = new AbortController().signal
const login = 'deploy:for-one-hour'

/** A repository whose key may read it, and gets from `git-lfs-authenticate` where its files are and how to log in there. */
async function aPrivateRepository() {
  const lfs = await openLfsServer({ login, tellsLogin: true })
  onTestFinished(() => lfs[Symbol.asyncDispose]())
  const folder = temporaryDirectory('lfs-ssh')
  onTestFinished(() => folder[Symbol.dispose]())
  const { privateKey, publicKey } = newSshKey('deploy')
  const Authorization = `Basic ${Buffer.from(login).toString('base64')}`
  const answer = JSON.stringify({ href: `${lfs.url}/info/lfs`, header: { Authorization } })
  const command = join(folder.path, 'command')
  const script = `#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
  "git-lfs-authenticate "*" download"*) echo '${answer}' ;;
  "git-upload-pack "*) exec git -c safe.directory='*' -c uploadpack.allowAnySHA1InWant=true upload-pack ${lfs.path} ;;
  *) echo "this key may only read" >&2; exit 1 ;;
esac
`
  writeFileSync(command, script, { mode: 0o755 })
  const authorizedKeys = join(folder.path, 'authorized_keys')
  writeFileSync(authorizedKeys, `restrict,command="${command}" ${publicKey}\n`)
  const ssh = await startSshServer({ authorizedKeys })
  onTestFinished(() => ssh[Symbol.asyncDispose]())
  using repository = testRepository({ '.gitattributes': '*.bin filter=lfs -text\n' })
  repository.git('lfs', 'install', '--local')
  repository.write({ 'a.bin': 'by ssh' })
  const commitSha = repository.commit('first')
  repository.git('push', '--quiet', '--no-verify', lfs.path, 'HEAD:refs/heads/main')
  lfs.objects.set(pointerTo('by ssh').oid, Buffer.from('by ssh'))
  const access = { credentials: { type: 'sshkey', privateKey }, sshHostKey: ssh.hostKeyLine } as const
  const url = `ssh://${ssh.user}@127.0.0.1:${ssh.port}/acme/web.git`
  return { lfs, url, access, source: { ...noSource, url, mirrorKey: 'k', commitSha } }
}

function aPack(source: Parameters<GitMirrors['packedTree']>[0]): Promise<string> {
  const dir = temporaryDirectory('mirrors')
  onTestFinished(() => dir[Symbol.dispose]())
  const mirrors = new GitMirrors({ dir: dir.path }, { clock: systemClock })
  return mirrors.packedTree(source, { recurseSubmodules: false, lfs: true }, () => {}, never)
}

test('with the deploy key they are fetched as its server says, which goes nowhere else', async () => {
  const { lfs, access, source } = await aPrivateRepository()
  const tar = await aPack({ ...source, access })
  expect(execFileSync('tar', ['-xOf', tar, './a.bin'], { encoding: 'utf8' })).toBe('by ssh')
  expect(lfs.downloads).toEqual([pointerTo('by ssh').oid])
  expect(readFileSync(tar).includes('for-one-hour')).toBe(false)
})

test('for a copy elsewhere, as that of a direct run, nobody logs in at its private origin, and the error says so', async () => {
  const { lfs, url, source } = await aPrivateRepository()
  // Of the copy at the git server of the installation.
  const copy = { ...source, url: lfs.path, originUrl: url }
  const failing = aPack(copy)
  const host = url.slice(0, url.indexOf('/', 'ssh://'.length)).replace(/[^/]*@/, '')
  await expect(failing).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.stringMatching(
      /^files of Git LFS cannot be fetched from .*, where this executor has no login: git lfs: /,
    ),
  })
  await expect(failing).rejects.toThrow(host)
  expect(lfs.downloads).toEqual([])
})
