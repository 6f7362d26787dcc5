import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../../../test/support/server-process.ts'
import { openHttpServer } from '../../http/http-server.ts'
import { silentLogger } from '../../lib/log.ts'
import { git, startGitserver, temporary } from '../gitserver-fixture.ts'
import { mountGitserverForward } from './forward.ts'

test('git pushes, clones and is refused through a process that has no repositories', { timeout: 60_000 }, async () => {
  using folder = temporary('forward')
  await using behind = await startGitserver({ folder: folder.path })
  const urls = [`http://127.0.0.1:${await freePort()}`, behind.url]
  await using front = await openHttpServer(
    { listen: { host: '127.0.0.1', port: 0 }, stopMs: 500 },
    { logger: silentLogger, mount: (app) => mountGitserverForward(app, urls) },
  )
  const address = (token?: string) =>
    behind.repositoryUrl('web', token).replace(`:${new URL(behind.url).port}/`, `:${front.port}/`)
  const work = join(folder.path, 'work')
  await git(work, 'init', '--initial-branch=main')
  await git(work, 'commit', '--allow-empty', '-m', 'first')
  expect(await git(work, 'push', address(), 'main')).toMatchObject({ ok: true })
  expect(await git(folder.path, 'clone', address(), 'copy')).toMatchObject({ ok: true })
  const [here, there] = [
    await git(work, 'rev-parse', 'HEAD'),
    await git(join(folder.path, 'copy'), 'rev-parse', 'HEAD'),
  ]
  expect(there.stdout).toBe(here.stdout)
  const refused = await git(work, 'push', address('ann-read'), 'main:other')
  expect(refused.ok).toBe(false)
  expect(refused.stderr).toContain('403')
})
