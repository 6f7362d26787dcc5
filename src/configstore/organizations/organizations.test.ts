// Organizations, their members and who is invited.

import { expect, test } from 'vitest'
import { anOrganization, aProject, aUser, codeOf, openWorld, plain, type World } from '../configstore-fixture.ts'

/** Ann owns acme, bob is nobody in it. */
async function openAcme(visibility: 'public' | 'private' = 'public') {
  const world = await openWorld()
  const ann = await aUser(world.configstore, 'ann')
  const bob = await aUser(world.configstore, 'bob')
  const acme = await anOrganization(world.configstore, 'acme', ann, visibility)
  return { world, configstore: world.configstore, ann, bob, acme, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

test('an organization has its maker as owner and a root group of its visibility', async () => {
  await using opened = await openAcme('private')
  const { configstore, ann, acme } = opened
  expect(acme).toMatchObject({ name: 'acme', visibility: 'private', creatorUserId: ann.id, version: 1 })
  expect(await configstore.getOrganization({ organization: 'acme' })).toEqual(plain(acme))
  expect(await configstore.getOrganization({ organization: acme.id })).toEqual(plain(acme))
  expect(await configstore.getMember({ organization: 'acme', user: 'ann' })).toMatchObject({ role: 'owner' })
  expect(await configstore.getProjectGroup({ group: 'org/acme' })).toMatchObject({
    visibility: 'private',
    globalVisibility: 'private',
    owner: { type: 'organization', id: acme.id, name: 'acme' },
  })
})

test('organizations and users have names of their own', async () => {
  await using opened = await openAcme()
  const { configstore, ann } = opened
  await anOrganization(configstore, 'ann', ann)
  await aUser(configstore, 'acme')
  expect(await configstore.getProjectGroup({ group: 'org/ann' })).toMatchObject({ owner: { type: 'organization' } })
})

test('an organization without an owner, of a wrong name or visibility, or of a name that is taken is refused', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const input = { name: 'umbrella', visibility: 'public', owner: 'ann' } as const
  expect(await codeOf(configstore.createOrganization({ ...input, owner: '' }))).toBe('user_not_found')
  expect(await codeOf(configstore.createOrganization({ ...input, owner: 'eve' }))).toBe('user_not_found')
  expect(await codeOf(configstore.createOrganization({ ...input, name: 'a--b' }))).toBe('name_invalid')
  expect(await codeOf(configstore.createOrganization({ ...input, visibility: 'secret' as 'public' }))).toBe(
    'visibility_invalid',
  )
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(configstore.createOrganization(input))))
  expect(outcomes.filter((outcome) => outcome === 'organization_exists')).toHaveLength(9)
})

test('what nobody knows is not found', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const unknown = { organization: 'umbrella', user: 'ann' }
  expect(await codeOf(configstore.getOrganization(unknown))).toBe('organization_not_found')
  expect(await codeOf(configstore.updateOrganization({ ...unknown, visibility: 'public' }))).toBe(
    'organization_not_found',
  )
  expect(await codeOf(configstore.deleteOrganization(unknown))).toBe('organization_not_found')
  expect(await codeOf(configstore.listMembers(unknown))).toBe('organization_not_found')
  expect(await codeOf(configstore.setMember({ ...unknown, role: 'owner' }))).toBe('organization_not_found')
  const stranger = { organization: 'acme', user: 'eve' }
  expect(await codeOf(configstore.setMember({ ...stranger, role: 'owner' }))).toBe('user_not_found')
  expect(await codeOf(configstore.getMember({ organization: 'acme', user: 'bob' }))).toBe('member_not_found')
  expect(await codeOf(configstore.removeMember({ organization: 'acme', user: 'bob' }))).toBe('member_not_found')
  expect(await codeOf(configstore.listInvitations({ user: 'eve' }))).toBe('user_not_found')
})

test('a change of the visibility reaches the root group, so that making it public makes it so', async () => {
  await using opened = await openAcme('private')
  const { configstore } = opened
  await aProject(configstore, 'org/acme/web')
  await configstore.updateOrganization({ organization: 'acme', visibility: 'public', expectedVersion: 1 })
  expect(await configstore.getProject({ project: 'org/acme/web' })).toMatchObject({ globalVisibility: 'public' })
})

test('a root group that was made private on its own stays private when the organization is hidden and shown', async () => {
  await using opened = await openAcme('public')
  const { configstore } = opened
  await configstore.updateProjectGroup({ group: 'org/acme', visibility: 'private' })
  await configstore.updateOrganization({ organization: 'acme', visibility: 'private' })
  await configstore.updateProjectGroup({ group: 'org/acme', visibility: 'public' })
  await configstore.updateOrganization({ organization: 'acme', visibility: 'public' })
  expect(await configstore.getProjectGroup({ group: 'org/acme' })).toMatchObject({ visibility: 'public' })
  await configstore.updateProjectGroup({ group: 'org/acme', visibility: 'private' })
  const other = await configstore.updateOrganization({ organization: 'acme', visibility: 'public' })
  expect(other.visibility).toBe('public')
  expect(await configstore.getProjectGroup({ group: 'org/acme' })).toMatchObject({ visibility: 'private' })
})

test('an organization is renamed: paths, memberships and invitations follow', async () => {
  await using opened = await openAcme()
  const { configstore, ann } = opened
  await configstore.createInvitation({ organization: 'acme', user: 'bob', role: 'member' })
  await aProject(configstore, 'org/acme/web')
  await configstore.updateOrganization({ organization: 'acme', name: 'apex' })
  expect(await configstore.getProject({ project: 'org/apex/web' })).toMatchObject({ path: 'org/apex/web' })
  expect((await configstore.listInvitations({ user: 'bob' })).items).toMatchObject([{ organizationName: 'apex' }])
  expect((await configstore.listUserOrganizations({ user: 'ann' })).items).toMatchObject([
    { organization: { name: 'apex' }, role: 'owner' },
  ])
  await anOrganization(configstore, 'acme', ann)
  expect(await codeOf(configstore.updateOrganization({ organization: 'acme', name: 'apex' }))).toBe(
    'organization_exists',
  )
  expect(await codeOf(configstore.updateOrganization({ organization: 'acme', name: '' }))).toBe('name_invalid')
})

test('every change of an organization can expect a version', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const late = { organization: 'acme', expectedVersion: 7 }
  expect(await codeOf(configstore.updateOrganization({ ...late, visibility: 'private' }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteOrganization(late))).toBe('version_conflict')
  expect(await codeOf(configstore.setMember({ ...late, user: 'ann', role: 'owner' }))).toBe('version_conflict')
  expect(await codeOf(configstore.setMember({ ...late, user: 'bob', role: 'owner' }))).toBe('member_not_found')
  expect(await codeOf(configstore.removeMember({ ...late, user: 'ann' }))).toBe('version_conflict')
  await configstore.createInvitation({ organization: 'acme', user: 'bob', role: 'member' })
  expect(await codeOf(configstore.acceptInvitation({ ...late, user: 'bob' }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteInvitation({ ...late, user: 'bob' }))).toBe('version_conflict')
})

test('organizations are listed by name, of one visibility if asked', async () => {
  await using opened = await openAcme('private')
  const { configstore, ann } = opened
  for (const name of ['umbrella', 'cyberdyne', 'initech']) await anOrganization(configstore, name, ann)
  const names = async (options: Parameters<typeof configstore.listOrganizations>[0]) =>
    (await configstore.listOrganizations(options)).items.map(({ name }) => name)
  expect(await names({})).toEqual(['acme', 'cyberdyne', 'initech', 'umbrella'])
  expect(await names({ visibility: 'public', limit: 2 })).toEqual(['cyberdyne', 'initech'])
  expect(await names({ visibility: 'private' })).toEqual(['acme'])
  expect(await codeOf(configstore.listOrganizations({ visibility: 'secret' as 'public' }))).toBe('visibility_invalid')
})

test('lists need few calls: 18 items by 3 are 6 pages, 9 by 2 are 5', async () => {
  await using opened = await openAcme()
  const { configstore, ann } = opened
  for (let n = 1; n < 18; n++) await anOrganization(configstore, `org${n}`, ann)
  const pages = async (limit: number) => {
    let count = 0
    for (let cursor: string | undefined; ; ) {
      const page = await configstore.listUserOrganizations({ user: 'ann', limit, ...(cursor ? { cursor } : {}) })
      count++
      cursor = page.nextCursor
      if (cursor === undefined) return count
    }
  }
  expect(await pages(3)).toBe(6)
  for (let n = 9; n < 18; n++) await configstore.deleteOrganization({ organization: `org${n}` })
  expect(await pages(2)).toBe(5)
})

test('members are added, change their role and leave', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const bob = { organization: 'acme', user: 'bob' }
  expect(await configstore.setMember({ ...bob, role: 'member' })).toMatchObject({ userName: 'bob', version: 1 })
  expect(await configstore.setMember({ ...bob, role: 'member' })).toMatchObject({ version: 1 })
  expect(await configstore.setMember({ ...bob, role: 'owner', expectedVersion: 1 })).toMatchObject({ version: 2 })
  expect((await configstore.listMembers({ organization: 'acme' })).items).toMatchObject([
    { userName: 'ann', role: 'owner' },
    { userName: 'bob', role: 'owner' },
  ])
  await configstore.removeMember(bob)
  expect(await codeOf(configstore.getMember(bob))).toBe('member_not_found')
  expect(await codeOf(configstore.setMember({ ...bob, role: 'boss' as 'owner' }))).toBe('role_invalid')
})

test('the last owner is neither removed nor made a member', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  await configstore.setMember({ organization: 'acme', user: 'bob', role: 'member' })
  expect(await codeOf(configstore.removeMember({ organization: 'acme', user: 'ann' }))).toBe('last_owner')
  expect(await codeOf(configstore.setMember({ organization: 'acme', user: 'ann', role: 'member' }))).toBe('last_owner')
  expect(await codeOf(configstore.deleteUser({ user: 'ann' }))).toBe('last_owner')
})

test('of two owners who leave at once, one stays', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  await configstore.setMember({ organization: 'acme', user: 'bob', role: 'owner' })
  const outcomes = await Promise.all([
    codeOf(configstore.removeMember({ organization: 'acme', user: 'ann' })),
    codeOf(configstore.setMember({ organization: 'acme', user: 'bob', role: 'member' })),
  ])
  expect(outcomes.filter((outcome) => outcome === 'last_owner')).toHaveLength(1)
})

test('who is invited accepts and is a member with the role of the invitation', async () => {
  await using opened = await openAcme()
  const { configstore, ann, bob } = opened
  const pair = { organization: 'acme', user: bob.id }
  await configstore.createInvitation({ ...pair, role: 'owner' })
  expect(await configstore.getInvitation(pair)).toMatchObject({
    organizationName: 'acme',
    userName: 'bob',
    role: 'owner',
  })
  expect((await configstore.listInvitations({ organization: 'acme' })).items).toHaveLength(1)
  expect(await configstore.acceptInvitation(pair)).toMatchObject({ userName: 'bob', role: 'owner' })
  expect(await codeOf(configstore.getInvitation(pair))).toBe('invitation_not_found')
  expect(await codeOf(configstore.acceptInvitation(pair))).toBe('invitation_not_found')
  await configstore.removeMember({ organization: 'acme', user: ann.id })
})

test('an invitation is rejected or withdrawn', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const pair = { organization: 'acme', user: 'bob' }
  expect(await codeOf(configstore.deleteInvitation(pair))).toBe('invitation_not_found')
  await configstore.createInvitation({ ...pair, role: 'member' })
  await configstore.deleteInvitation(pair)
  expect((await configstore.listInvitations({ user: 'bob' })).items).toEqual([])
  expect(await codeOf(configstore.getMember(pair))).toBe('member_not_found')
})

test('nobody is invited twice, at once or later, nor when a member', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const invite = (user: string) => codeOf(configstore.createInvitation({ organization: 'acme', user, role: 'member' }))
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => invite('bob')))
  expect(outcomes.filter((outcome) => outcome === 'invitation_exists')).toHaveLength(9)
  expect(await invite('ann')).toBe('member_exists')
  const input = { organization: 'acme', user: 'bob', role: 'boss' as 'owner' }
  expect(await codeOf(configstore.createInvitation(input))).toBe('role_invalid')
})

test('who is added directly is not invited any more, even in the role he has', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const pair = { organization: 'acme', user: 'bob' }
  await configstore.createInvitation({ ...pair, role: 'member' })
  await configstore.setMember({ ...pair, role: 'member' })
  expect((await configstore.listInvitations({ user: 'bob' })).items).toEqual([])
  await Promise.all([
    codeOf(configstore.createInvitation({ ...pair, role: 'owner' })),
    codeOf(configstore.setMember({ ...pair, role: 'member' })),
  ])
  expect((await configstore.listInvitations({ organization: 'acme' })).items).toEqual([])
  expect((await configstore.listMembers({ organization: 'acme' })).items).toHaveLength(2)
})

test('a deleted organization takes members, invitations and its whole tree along, and its name is free', async () => {
  await using opened = await openAcme()
  const { configstore, world, ann } = opened
  const eve = await aUser(configstore, 'eve')
  await configstore.setMember({ organization: 'acme', user: 'bob', role: 'member' })
  await configstore.createInvitation({ organization: 'acme', user: eve.id, role: 'member' })
  const web = await aProject(configstore, 'org/acme/web')
  await configstore.createSecret({ parent: { type: 'projectgroup', ref: 'org/acme' }, name: 's', data: { a: 'A' } })
  await configstore.deleteOrganization({ organization: 'acme' })
  expect(await codeOf(configstore.getProject({ project: web.id }))).toBe('project_not_found')
  expect((await configstore.listUserOrganizations({ user: 'bob' })).items).toEqual([])
  expect((await configstore.listInvitations({ user: 'eve' })).items).toEqual([])
  await anOrganization(configstore, 'acme', ann)
  expect((await configstore.listProjects({ group: 'org/acme' })).items).toEqual([])
  const secrets = await configstore.listSecrets({ parent: { type: 'projectgroup', ref: 'org/acme' } })
  expect(secrets.items).toEqual([])
  world.database.view((tx) => {
    for (const type of ['project', 'secret', 'sealed', 'removal', 'invitation'] as const)
      expect(tx.list(type)).toEqual([])
  })
})
