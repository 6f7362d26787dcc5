// What permissions depend on: owner, visibility, role.

import { expect, test } from 'vitest'
import { aGroup, anOrganization, aProject, aUser, codeOf, openWorld } from './configstore-fixture.ts'
import { type AccessRole, type Visibility, visibilities } from './types.ts'

const combinations = visibilities.flatMap((org) =>
  visibilities.flatMap((root) =>
    visibilities.flatMap((group) => visibilities.map((project) => [org, root, group, project] as const)),
  ),
)

test.each(combinations)(
  'organization %s, root group %s, group %s, project %s: public only when all are',
  async (org, root, group, own) => {
    await using world = await openWorld()
    const { configstore } = world
    await anOrganization(configstore, 'acme', await aUser(configstore, 'ann'), org)
    await configstore.updateProjectGroup({ group: 'org/acme', visibility: root })
    await aGroup(configstore, 'org/acme/team', group)
    const project = await aProject(configstore, 'org/acme/team/web', { visibility: own })
    const all = (...parts: Visibility[]) => (parts.includes('private') ? 'private' : 'public')
    expect(project.globalVisibility).toBe(all(org, root, group, own))
    const visibilityOf = async (type: 'project' | 'projectgroup' | 'organization', ref: string) =>
      (await configstore.resolveAccess({ type, ref })).globalVisibility
    expect(await visibilityOf('project', project.id)).toBe(all(org, root, group, own))
    expect(await visibilityOf('projectgroup', 'org/acme/team')).toBe(all(org, root, group))
    expect(await visibilityOf('projectgroup', 'org/acme')).toBe(all(org, root))
    expect(await visibilityOf('organization', 'acme')).toBe(org)
  },
)

test.each([
  ['public', 'public', 'public'],
  ['private', 'public', 'private'],
  ['public', 'private', 'private'],
] as const)('under a user, whose root group is %s, a %s project is %s', async (root, own, expected) => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  await configstore.updateProjectGroup({ group: 'user/ann', visibility: root })
  expect(await aProject(configstore, 'user/ann/web', { visibility: own })).toMatchObject({ globalVisibility: expected })
})

test('everybody has the role to a thing that he has to its owner', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const [ann, bob, eve] = [
    await aUser(configstore, 'ann'),
    await aUser(configstore, 'bob'),
    await aUser(configstore, 'eve'),
  ]
  const acme = await anOrganization(configstore, 'acme', ann)
  await configstore.setMember({ organization: acme.id, user: bob.id, role: 'member' })
  const gone = await aUser(configstore, 'gone')
  await configstore.setMember({ organization: acme.id, user: gone.id, role: 'member' })
  await configstore.deleteUser({ user: gone.id })
  await aGroup(configstore, 'org/acme/team')
  const web = await aProject(configstore, 'org/acme/team/web', { membersCanPerformRunActions: true })
  await aProject(configstore, 'user/ann/own')
  const roles = async (type: 'project' | 'projectgroup' | 'organization' | 'user', ref: string) => {
    const ids = [ann.id, bob.id, eve.id, gone.id, undefined]
    const all = ids.map((userId) =>
      configstore.resolveAccess({ type, ref, ...(userId === undefined ? {} : { userId }) }),
    )
    return (await Promise.all(all)).map(({ role }) => role)
  }
  const inAcme: AccessRole[] = ['owner', 'member', 'none', 'none', 'none']
  expect(await roles('project', web.id)).toEqual(inAcme)
  expect(await roles('projectgroup', 'org/acme/team')).toEqual(inAcme)
  expect(await roles('organization', 'acme')).toEqual(inAcme)
  const ofAnn: AccessRole[] = ['self', 'none', 'none', 'none', 'none']
  expect(await roles('project', 'user/ann/own')).toEqual(ofAnn)
  expect(await roles('user', 'ann')).toEqual(ofAnn)
  expect(await configstore.resolveAccess({ type: 'project', ref: 'org/acme/team/web', userId: bob.id })).toEqual({
    type: 'project',
    id: web.id,
    path: 'org/acme/team/web',
    owner: { type: 'organization', id: acme.id, name: 'acme' },
    globalVisibility: 'public',
    role: 'member',
    membersCanPerformRunActions: true,
  })
})

test('what is not there has no access to speak of', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await aUser(configstore, 'ann')
  const of = (type: 'project' | 'projectgroup' | 'organization' | 'user', ref: string) =>
    codeOf(configstore.resolveAccess({ type, ref }))
  expect(await of('project', 'user/ann/web')).toBe('project_not_found')
  expect(await of('projectgroup', 'user/ann/team')).toBe('project_group_not_found')
  expect(await of('projectgroup', 'user/')).toBe('ref_invalid')
  expect(await of('organization', 'acme')).toBe('organization_not_found')
  expect(await of('user', 'bob')).toBe('user_not_found')
})

test('many projects are looked at at once; those that are gone are left out', async () => {
  await using world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  await anOrganization(configstore, 'acme', ann, 'private')
  await aUser(configstore, 'bob')
  const projects = [
    await aProject(configstore, 'org/acme/web'),
    await aProject(configstore, 'user/bob/web'),
    await aProject(configstore, 'user/bob/gone'),
  ]
  await configstore.deleteProject({ project: 'user/bob/gone' })
  const projectIds = projects.map(({ id }) => id)
  const { items } = await configstore.resolveProjectAccess({ projectIds, userId: ann.id })
  expect(items).toMatchObject([
    { path: 'org/acme/web', role: 'owner', globalVisibility: 'private' },
    { path: 'user/bob/web', role: 'none', globalVisibility: 'public' },
  ])
  const tooMany = Array.from({ length: 1001 }, () => projectIds[0]!)
  expect(await codeOf(configstore.resolveProjectAccess({ projectIds: tooMany }))).toBe('list_invalid')
})
