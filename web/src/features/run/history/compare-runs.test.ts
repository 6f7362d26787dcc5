import { expect, test } from 'vitest'
import type { Run, RunSummary } from '../../../api/types.ts'
import { compareLink, compareRuns } from './compare-runs.ts'

const aTask = (name: string, seconds?: number) =>
  ({
    name,
    ...(seconds === undefined
      ? {}
      : {
          startedAt: '2026-01-01T00:00:00.000Z',
          endedAt: new Date(Date.parse('2026-01-01T00:00:00.000Z') + seconds * 1000).toISOString(),
        }),
  }) as Run['tasks'][number]
const aSide = (tasks: readonly (readonly [string, number | undefined, object])[]) => ({
  run: { tasks: tasks.map(([name, seconds]) => aTask(name, seconds)) },
  config: { tasks: tasks.map(([name, , more]) => ({ name, ...more })) },
})

test('tasks, variables and the definition are compared by their names', () => {
  const before = aSide([
    ['build', 10, { environment: { MODE: 'a', OLD: 'x' } }],
    ['lint', 3, {}],
    ['gone', 1, {}],
  ])
  const after = aSide([
    ['build', 25, { environment: { MODE: 'b' } }],
    ['lint', undefined, {}],
    ['new', 2, { steps: [{ environment: { KEY: { secret: true } } }] }],
  ])
  const { tasks, variables, definition } = compareRuns(before, after)
  expect(tasks).toEqual([
    { name: 'build', beforeMs: 10_000, afterMs: 25_000, change: 'changed' },
    { name: 'lint', beforeMs: 3000, afterMs: undefined, change: 'same' },
    { name: 'new', beforeMs: undefined, afterMs: 2000, change: 'added' },
    { name: 'gone', beforeMs: 1000, afterMs: undefined, change: 'removed' },
  ])
  expect(variables).toEqual({ added: ['KEY'], removed: ['OLD'] })
  expect(definition.filter(({ kind }) => kind === 'added').map(({ text }) => text.trim())).toContain('MODE: b')
  expect(compareRuns(before, before).definition).toEqual([])
})

const aRun = (sha: string, link: string) =>
  ({ annotations: { commit_sha: sha, commit_link: link } }) as unknown as RunSummary

test.each([
  ['https://github.com/acme/web/commit/bbb', 'https://github.com/acme/web/compare/aaa...bbb'],
  ['https://gitlab.com/acme/web/-/commit/bbb', 'https://gitlab.com/acme/web/-/compare/aaa...bbb'],
  ['https://git.example/acme/web/commits/bbb', undefined],
  ['javascript:alert(1)/commit/bbb', undefined],
  ['', undefined],
])('the commits between are at %s -> %s', (link, expected) => {
  expect(compareLink(aRun('aaa', ''), aRun('bbb', link))).toBe(expected)
  expect(compareLink(aRun('bbb', ''), aRun('bbb', link))).toBeUndefined()
})
