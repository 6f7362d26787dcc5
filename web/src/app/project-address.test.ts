import { expect, test } from 'vitest'
import { addressOfPath, crumbsOf, pathOfAddress } from './project-address.ts'

test('a path and its address', () => {
  expect(addressOfPath('org/acme/team-1/web')).toBe('org.acme.team-1.web')
  expect(pathOfAddress('org.acme.team-1.web')).toBe('org/acme/team-1/web')
})

test('the groups above a project, the owner first', () => {
  expect(crumbsOf('org/acme/team/web')).toEqual([
    { name: 'acme', path: 'org/acme' },
    { name: 'team', path: 'org/acme/team' },
  ])
  expect(crumbsOf('user/ann')).toEqual([])
})
