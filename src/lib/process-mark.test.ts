import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { hasMarkedProcessEnded, markOfThisProcess } from './process-mark.ts'

test('this process has not ended', () => {
  expect(markOfThisProcess()).toMatch(/^[0-9a-f]{12}\.\d+\.\d+$/)
  expect(hasMarkedProcessEnded(markOfThisProcess())).toBe(false)
})

test('a process that was killed has ended, also when its pid is in use again', () => {
  const [where, ownPid, ownStart] = markOfThisProcess().split('.')
  const { pid } = spawnSync('true')
  expect(hasMarkedProcessEnded(`${where}.${pid}.${ownStart}`)).toBe(true)
  expect(hasMarkedProcessEnded(`${where}.${ownPid}.1`)).toBe(true)
})

test.each(['unknown', '', 'x', '0123456789ab.1.1', '0123456789ab.999999999.1'])(
  'of %o nobody here can know',
  (mark) => {
    expect(hasMarkedProcessEnded(mark)).toBe(false)
  },
)
