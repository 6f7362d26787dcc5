import { expect, test } from 'vitest'
import { nameProblem } from './name-rule.ts'

test.each(['web', 'web-2', 'A1', 'x'.repeat(40), ''])('%j is a good name', (name) => {
  expect(nameProblem(name)).toBeUndefined()
})

test.each(['-web', 'web-', 'a--b', 'we b', 'wéb', 'a.b', 'x'.repeat(41), `${'x'.repeat(35)}!`])(
  '%j is none',
  (name) => {
    expect(nameProblem(name)).toBeDefined()
  },
)
