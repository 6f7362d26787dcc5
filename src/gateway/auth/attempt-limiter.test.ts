import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { AttemptLimiter } from './attempt-limiter.ts'

const settings = { attempts: 3, refillMs: 1000 }

test('attempts are used up, and come back one by one', () => {
  let now = 0
  const limiter = new AttemptLimiter(settings, { now: () => now })
  for (let n = 0; n < 3; n++) expect(limiter.take(['a'])).toBe(0)
  expect(limiter.take(['a'])).toBe(1000)
  now = 999
  expect(limiter.take(['a'])).toBe(1)
  now = 1000
  expect(limiter.take(['a'])).toBe(0)
  expect(limiter.take(['a'])).toBe(1000)
  now = 1_000_000
  for (let n = 0; n < 3; n++) expect(limiter.take(['a'])).toBe(0)
  expect(limiter.take(['a'])).toBeGreaterThan(0)
})

test('of several keys all must have one left, or none is used', () => {
  const limiter = new AttemptLimiter(settings, { now: () => 0 })
  for (let n = 0; n < 3; n++) limiter.take(['a'])
  expect(limiter.take(['a', 'b'])).toBeGreaterThan(0)
  for (let n = 0; n < 3; n++) expect(limiter.take(['b'])).toBe(0)
  limiter.giveBack(['a', 'b'])
  expect(limiter.take(['a', 'b'])).toBe(0)
})

test('more keys than are remembered push out those that were used longest ago', () => {
  const limiter = new AttemptLimiter(settings, { now: () => 0 })
  for (let n = 0; n < 3; n++) limiter.take(['first'])
  for (let n = 0; n < limits.loginKeys.value - 1; n++) limiter.take([`k${n}`])
  expect(limiter.take(['first'])).toBeGreaterThan(0)
  for (let n = 0; n < limits.loginKeys.value; n++) limiter.take([`again${n}`])
  expect(limiter.size).toBe(limits.loginKeys.value)
  expect(limiter.take(['first'])).toBe(0)
})
