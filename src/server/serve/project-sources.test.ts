import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../../../test/support/git-repository.ts'
import { systemClock } from '../../lib/clock.ts'
import { tryFileLock } from '../../lib/file-lock.ts'
import { cleanRepositories } from './project-sources.ts'

const days = 24 * 60 * 60 * 1000

test('what was fetched is removed after a week, unless somebody fetches now', async () => {
  using directory = temporaryDirectory('repositories')
  const folder = (name: string) => join(directory.path, name)
  for (const name of ['old', 'busy']) mkdirSync(folder(name))
  const at = (ms: number) => ({ ...systemClock, now: () => Date.now() + ms })
  using _busy = tryFileLock(join(folder('busy'), 'lock'))
  await cleanRepositories(directory.path, at(6 * days))
  expect(existsSync(folder('old'))).toBe(true)
  await cleanRepositories(directory.path, at(8 * days))
  expect([existsSync(folder('old')), existsSync(folder('busy'))]).toEqual([false, true])
})

test('nothing is there to be removed at first', async () => {
  await cleanRepositories('/nonexistent', systemClock)
})
