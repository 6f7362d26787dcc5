// All of them are hunted by `npm run planted-bugs`. Here, in every test run: that each can still be planted, and that the
// quickest of each kind is found.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copySources, hunt, misfit, plantedBugs } from './plant.ts'

const { signal } = new AbortController()
let sources: ReturnType<typeof copySources>

beforeAll(() => {
  sources = copySources()
})
afterAll(() => sources[Symbol.dispose]())

test('every planted bug fits the sources as they are today', async () => {
  const misfits = await Promise.all(
    plantedBugs().map(async (bug) => {
      const why = await misfit(bug, sources.path, signal)
      return why === undefined ? [] : [`${bug.name}: ${why}`]
    }),
  )
  expect(misfits.flat()).toEqual([])
})

test('what has to find a bug is a kind of simulation or a test that exists', () => {
  const missing = plantedBugs().filter(
    ({ foundBy }) => !/^(shared|embedded|cold)$/.test(foundBy) && !existsSync(join(sources.path, foundBy)),
  )
  expect(missing.map(({ name, foundBy }) => `${name}: ${foundBy}`)).toEqual([])
})

test.each([
  'barrier-off-by-one',
  'apply-no-deletes',
  'cold-family-comes-back-in-part',
  'keep-what-a-thrown-closure-wrote',
])(
  'the planted bug %s is found',
  async (name) => {
    const bug = plantedBugs().find((planted) => planted.name === name)
    // As many minutes as it needs on a busy machine: it takes seconds.
    expect(await hunt(bug!, { sources: sources.path, minutes: 4, signal })).toMatchObject({ isFound: true })
  },
  300_000,
)
