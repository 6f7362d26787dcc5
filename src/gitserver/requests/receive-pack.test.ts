// What the hook of a push is answered, asked directly: what git itself never shows us.

import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { testRepository } from '../../../test/support/git-repository.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { temporary } from '../gitserver-fixture.ts'
import { emptyState } from '../repositories/repository-state.ts'
import { answerHook, type PushComponents } from './receive-pack.ts'

/** Anything else would store something. */
const storingNothing = { clock: systemClock, logger: silentLogger } as PushComponents

/** The verdict on a branch whose commit is in `objects`, which is what came with the push. */
async function verdictOn(objects: string, commitSha: string): Promise<string> {
  using folder = temporary('receive')
  execFileSync('git', ['init', '--quiet', '--bare', folder.path])
  const [ours, ofHook] = duplexPair()
  const push = {
    name: { userId: 'ann', repositoryId: 'web' },
    base: { number: 0, state: emptyState },
    path: folder.path,
    shallow: () => [],
    signal: new AbortController().signal,
  }
  const answering = answerHook(ours, push, storingNothing)
  ofHook.end(`quarantine ${objects}\n${'0'.repeat(40)} ${commitSha} refs/heads/main\nend\n`)
  const verdict = await text(ofHook)
  await answering
  return verdict
}

test('a commit that came without a pack is refused: nothing of it would be stored', async () => {
  using repository = testRepository({ a: '1' })
  const commitSha = repository.commit('loose')
  expect(await verdictOn(join(repository.dir, '.git/objects'), commitSha)).toContain(`there is no object ${commitSha}`)
})

test('packs that cannot be listed are no missing packs: the push is not stored', async () => {
  using repository = testRepository({ a: '1' })
  const commitSha = repository.commit('loose')
  const objects = join(repository.dir, '.git/objects')
  rmSync(join(objects, 'pack'), { recursive: true })
  writeFileSync(join(objects, 'pack'), '')
  expect(await verdictOn(objects, commitSha)).toBe('The push could not be stored\n')
})
