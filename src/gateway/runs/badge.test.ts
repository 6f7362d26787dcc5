import { expect, test } from 'vitest'
import { badge, stateOf } from './badge.ts'

test.each([
  [undefined, 'unknown'],
  [{ phase: 'setuperror', result: 'unknown' }, 'error'],
  [{ phase: 'queued', result: 'unknown' }, 'inprogress'],
  [{ phase: 'running', result: 'unknown' }, 'inprogress'],
  [{ phase: 'running', result: 'failed' }, 'failed'],
  [{ phase: 'running', result: 'success' }, 'inprogress'],
  [{ phase: 'cancelled', result: 'unknown' }, 'failed'],
  [{ phase: 'finished', result: 'success' }, 'success'],
  [{ phase: 'finished', result: 'failed' }, 'failed'],
  [{ phase: 'finished', result: 'stopped' }, 'failed'],
] as const)('the state of %j is %s', (run, state) => {
  expect(stateOf(run)).toBe(state)
})

test('a badge is an image with a text for those who do not see it', () => {
  const image = badge('success')
  expect(image).toMatch(
    /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="20" role="img" aria-label="run: success">/,
  )
  expect(image).toContain('#4c1')
  expect(image).toMatch(/<\/svg>$/)
})
