import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeSegment, runGroup } from './group.ts'
import { anEvent } from './run-config-fixture.ts'

const project = { type: 'project', id: 'P1' } as const
const user = { type: 'user', id: 'U1' } as const

test.each([
  [project, anEvent({ branch: 'feature/login' }), '/project/P1/branch/feature%2Flogin'],
  [project, anEvent({ refType: 'pull_request', branch: '', pullRequestId: '7' }), '/project/P1/pr/7'],
  [user, anEvent({ refType: 'tag', branch: '', tag: 'v0.1.0' }), '/user/U1/tag/v0.1.0'],
  [user, anEvent({ refType: 'pull_request', branch: '', pullRequestId: '1' }), '/user/U1/pr/1'],
  [user, anEvent({ branch: '' }), '/user/U1/branch'],
])('a run of %j for %j is in %s', (owner, event, group) => {
  expect(runGroup(owner, event)).toBe(group)
})

test.each([
  ['azAZ09-_.~$&+=:@', 'azAZ09-_.~$&+=:@'],
  ['a b', 'a%20b'],
  ["!*'(),;?#%[]", '%21%2A%27%28%29%2C%3B%3F%23%25%5B%5D'],
  ['é😀', '%C3%A9%F0%9F%98%80'],
  ['..', '%2E%2E'],
])('%j is escaped to %s', (text, escaped) => {
  expect(escapeSegment(text)).toBe(escaped)
})

test('an escaped segment is one segment, and no two names share one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      const escaped = escapeSegment(name)
      expect(escaped).not.toContain('/')
      expect(decodeURIComponent(escaped)).toBe(name)
    }),
  )
})
