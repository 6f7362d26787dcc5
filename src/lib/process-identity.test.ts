import { expect, test } from 'vitest'
import { identifyProcess, isAlive, parseProcessStat } from './process-identity.ts'

const stat = (name: string, state: string) =>
  `42 (${name}) ${state} 1 42 42 0 -1 4194560 102 0 0 0 0 0 0 0 20 0 1 0 987654 2465792 200`

test.each([
  ['sh', 'S'],
  ['a) S 1 (b', 'R'],
])('state and start time of a process named %j are found', (name, state) => {
  expect(parseProcessStat(stat(name, state))).toEqual({ state, startTime: '987654' })
})

test('a process is the same only with the same start time and boot', () => {
  const own = identifyProcess(process.pid)
  if (own === undefined) throw new Error('the own process was not found')
  expect(isAlive(own)).toBe(true)
  expect(isAlive({ ...own, startTime: '1' })).toBe(false)
  expect(isAlive({ ...own, bootId: 'another' })).toBe(false)
})

test('a pid that nobody has is no process', () => {
  expect(identifyProcess(2 ** 22 + 1)).toBeUndefined()
})
