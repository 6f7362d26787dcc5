import { expect, test } from 'vitest'
import type { ShownState } from '../../runs/run-state.ts'
import { collapseFinished } from './collapse-finished.ts'

const tasks = [
  { id: 'a', level: 0, depends: [] },
  { id: 'b', level: 0, depends: [] },
  { id: 'c', level: 0, depends: [] },
  { id: 'd', level: 0, depends: [] },
  { id: 'end', level: 1, depends: ['a', 'b', 'd'] },
]
const states = (changes: Record<string, ShownState>) => (id: string) => changes[id] ?? 'success'

test('three or more that went well become one box, what went wrong stays', () => {
  expect(collapseFinished(tasks, states({ d: 'failed', end: 'running' }))).toEqual([
    { id: 'done-0', level: 0, depends: [], members: ['a', 'b', 'c'] },
    { id: 'd', level: 0, depends: [] },
    { id: 'end', level: 1, depends: ['done-0', 'd'] },
  ])
})

test('two stay as they are', () => {
  const items = collapseFinished(tasks, states({ c: 'running', d: 'failed', end: 'notstarted' }))
  expect(items.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'end'])
  expect(items.every(({ members }) => members === undefined)).toBe(true)
})
