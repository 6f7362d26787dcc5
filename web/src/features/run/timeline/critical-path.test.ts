import { expect, test } from 'vitest'
import { criticalPath, readyAt } from './critical-path.ts'

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
const task = (id: string, start: number, end: number | undefined, depends: string[] = []) => ({
  id,
  startedAt: at(start),
  ...(end === undefined ? {} : { endedAt: at(end) }),
  depends: depends.map((taskId) => ({ taskId, conditions: [] })),
})

test('it goes through the dependency that ended last', () => {
  const tasks = [
    task('quick', 0, 2),
    task('slow', 0, 9),
    task('pack', 9, 12, ['quick', 'slow']),
    task('aside', 2, 8, ['quick']),
  ]
  expect([...criticalPath(tasks)]).toEqual(['pack', 'slow'])
})

test('what still runs is the last', () => {
  expect([...criticalPath([task('a', 0, 5), task('b', 5, undefined, ['a']), task('c', 0, 20)])]).toEqual(['b', 'a'])
})

test('nothing has begun', () => {
  expect(criticalPath([{ id: 'a', depends: [] }]).size).toBe(0)
})

test('a task is ready when the last it waits for has ended', () => {
  const tasks = new Map([task('a', 0, 5), task('b', 0, 3)].map((one) => [one.id, one]))
  expect(readyAt(task('c', 7, 8, ['a', 'b']), tasks, Date.parse(at(0)))).toBe(Date.parse(at(5)))
  expect(readyAt(task('d', 7, 8), tasks, Date.parse(at(1)))).toBe(Date.parse(at(1)))
})
