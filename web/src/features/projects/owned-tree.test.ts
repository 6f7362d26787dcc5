import { expect, test } from 'vitest'
import type { UserOrganization } from '../../api/types.ts'
import { isOwnTree } from './owned-tree.ts'

const organizations = [
  { organization: { name: 'acme' }, role: 'owner' },
  { organization: { name: 'guild' }, role: 'member' },
] as UserOrganization[]

test.each([
  ['user/ann', true],
  ['user/ann/tools', true],
  ['user/bob', false],
  ['user/acme', false],
  ['org/acme', true],
  ['org/acme/tools/small', true],
  ['org/guild', false],
  ['org/ann', false],
  ['org/unknown', false],
])('%s is changed by its owners: %s', (path, may) => {
  expect(isOwnTree(path, { isAdmin: false, userName: 'ann', organizations })).toBe(may)
  expect(isOwnTree(path, { isAdmin: true, userName: 'ann', organizations })).toBe(true)
  expect(isOwnTree(path, { isAdmin: false, userName: undefined, organizations: [] })).toBe(false)
})
