// What holds of the rows at any time, whoever did what; and what holds besides when all deletions have come to their end.

import { expect } from 'vitest'
import { Tree } from './projects/tree.ts'
import { memberRowId, type Reading } from './row-types.ts'

/** True of every committed state. */
export function expectInvariants(tx: Reading): void {
  expectUnique(tx.list('user').map(({ body }) => body.name))
  expectUnique(tx.list('organization').map(({ body }) => body.name))
  expectUnique(tx.list('remotesource').map(({ body }) => body.name))
  expectUnique([
    ...tx.list('projectgroup').map(({ body }) => `${body.parent.id}/${body.name}`),
    ...tx.list('project').map(({ body }) => `${body.groupId}/${body.name}`),
  ])
  for (const type of ['secret', 'variable'] as const)
    expectUnique(tx.list(type).map(({ body }) => `${body.parent.id}/${body.name}`))
  expectUnique(tx.list('usertoken').map(({ body }) => `${body.userId}/${body.name}`))
  const accounts = tx.list('linkedaccount').filter(({ body }) => body.isRetired !== true)
  expectUnique(accounts.map(({ body }) => `${body.remoteSourceId}/${body.remoteUserId}`))
  expectUnique(accounts.map(({ body }) => `${body.remoteSourceId}/${body.userId}`))

  for (const { body: organization } of tx.list('organization')) {
    const members = tx.list('member', { index: 'byOrganization', prefix: [organization.id] })
    expect(members.some(({ body }) => body.role === 'owner')).toBe(true)
  }
  for (const type of ['member', 'invitation'] as const)
    for (const { id, body } of tx.list(type)) {
      expect(id).toBe(memberRowId(body.organizationId, body.userId))
      expect(tx.get('organization', body.organizationId)?.name).toBe(body.organizationName)
      expect(tx.get('user', body.userId)?.name).toBe(body.userName)
    }
  for (const { id } of tx.list('invitation')) expect(tx.get('member', id)).toBeUndefined()
  for (const { body } of [...tx.list('usertoken'), ...accounts]) expect(tx.get('user', body.userId)).toBeDefined()
  for (const { id } of tx.list('password')) expect(tx.get('user', id)).toBeDefined()
  for (const type of ['user', 'organization'] as const)
    for (const { id } of tx.list(type)) expect(new Tree(tx).rootOf(id)).toBeDefined()
}

/** True when nothing is being removed any more: no row hangs on what is gone. */
export function expectNoOrphans(tx: Reading): void {
  expect(tx.list('removal')).toEqual([])
  const tree = new Tree(tx)
  for (const { id } of tx.list('projectgroup')) expect(tree.placeOf(id)).toBeDefined()
  for (const { body } of tx.list('project')) expect(tree.viewProject(body)).toBeDefined()
  for (const type of ['secret', 'variable'] as const)
    for (const { body } of tx.list(type)) expect(tree.holderPath(body.parent.type, body.parent.id)).toBeDefined()
  for (const { body } of tx.list('sealed')) expect(tx.get(body.type, body.ownerId)).toBeDefined()
  for (const { id } of tx.list('linkedaccount', { index: 'byRetired' }))
    expect(tx.count('task', { index: 'byLinkedAccount', prefix: [id] })).toBeGreaterThan(0)
}

function expectUnique(names: readonly string[]): void {
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
}
