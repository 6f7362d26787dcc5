// The tree of project groups: names, moves, and what a path means.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  aGroup,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  openWorld,
  plain,
  type World,
} from '../configstore-fixture.ts'

/** Ann owns acme, with the groups team and team/sub; bob is on his own. */
async function openTeam() {
  const world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  const bob = await aUser(configstore, 'bob')
  const acme = await anOrganization(configstore, 'acme', ann)
  const team = await aGroup(configstore, 'org/acme/team')
  const sub = await aGroup(configstore, 'org/acme/team/sub')
  return { world, configstore, ann, bob, acme, team, sub, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

test('a group knows its path, its parent and who owns it', async () => {
  await using opened = await openTeam()
  const { configstore, acme, team, sub } = opened
  expect(sub).toMatchObject({
    name: 'sub',
    parent: { type: 'projectgroup', id: team.id },
    path: 'org/acme/team/sub',
    parentPath: 'org/acme/team',
    owner: { type: 'organization', id: acme.id, name: 'acme' },
    globalVisibility: 'public',
    version: 1,
  })
  for (const group of [sub.id, sub.path]) expect(await configstore.getProjectGroup({ group })).toEqual(plain(sub))
})

test.each([
  ['org', 'project_group_not_found'],
  ['org/', 'ref_invalid'],
  ['/org/acme', 'ref_invalid'],
  ['org/acme/', 'ref_invalid'],
  ['org//acme', 'ref_invalid'],
  ['org/acme/../acme', 'ref_invalid'],
  ['org/acme/./team', 'ref_invalid'],
  ['orgs/acme', 'ref_invalid'],
  ['organization/acme', 'ref_invalid'],
  [`org/${'a'.repeat(2000)}`, 'ref_invalid'],
  ['org/umbrella', 'project_group_not_found'],
  ['org/acme/Team', 'project_group_not_found'],
  ['org/acme/team/none', 'project_group_not_found'],
  ['user/acme', 'project_group_not_found'],
  ['team', 'project_group_not_found'],
  ['', 'project_group_not_found'],
])('there is no group %j: %s', async (group, code) => {
  await using opened = await openTeam()
  expect(await codeOf(opened.configstore.getProjectGroup({ group }))).toBe(code)
})

test('no reference, whatever it is, is anything but found, not found or invalid', async () => {
  await using opened = await openTeam()
  const { configstore } = opened
  const part = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('org', 'user', 'acme', 'team', '..', '%2F', ''))
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
      const outcome = await codeOf(configstore.getProjectGroup({ group: parts.join('/') }))
      if (typeof outcome === 'string') expect(outcome).toMatch(/^(project_group_not_found|ref_invalid)$/)
      else expect(outcome).toHaveProperty('path', parts.join('/'))
    }),
  )
})

test('the name of an organization in a path is a name, not an id', async () => {
  await using opened = await openTeam()
  const { configstore, acme } = opened
  expect(await codeOf(configstore.getProjectGroup({ group: `org/${acme.id}` }))).toBe('project_group_not_found')
})

test('a group of a wrong name or visibility, below nothing or below another owner is refused', async () => {
  await using opened = await openTeam()
  const { configstore, team, bob } = opened
  const input = { parent: team.id, name: 'new', visibility: 'public' } as const
  expect(await codeOf(configstore.createProjectGroup({ ...input, name: '' }))).toBe('name_invalid')
  expect(await codeOf(configstore.createProjectGroup({ ...input, name: 'a/b' }))).toBe('name_invalid')
  expect(await codeOf(configstore.createProjectGroup({ ...input, visibility: 'x' as 'public' }))).toBe(
    'visibility_invalid',
  )
  for (const parent of ['org/acme/none', '', 'org/none'])
    expect(await codeOf(configstore.createProjectGroup({ ...input, parent }))).toBe('parent_group_not_found')
  expect(await codeOf(configstore.createProjectGroup({ ...input, parent: 'org/' }))).toBe('ref_invalid')
  expect(await codeOf(configstore.createProjectGroup({ ...input, expectedOwnerId: bob.id }))).toBe('owner_changed')
})

test('groups and projects of one group share their names, whoever is first', async () => {
  await using opened = await openTeam()
  const { configstore } = opened
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      codeOf(n % 2 === 0 ? aGroup(configstore, 'org/acme/web') : aProject(configstore, 'org/acme/web')),
    ),
  )
  expect(outcomes.filter((outcome) => typeof outcome === 'object')).toHaveLength(1)
  expect(outcomes.filter((outcome) => /^project(_group)?_exists$/.test(String(outcome)))).toHaveLength(9)
  await aProject(configstore, 'org/acme/team/web')
  expect(await codeOf(aGroup(configstore, 'org/acme/team/web'))).toBe('project_exists')
  expect(await codeOf(aProject(configstore, 'org/acme/team/sub'))).toBe('project_group_exists')
})

test('a group is renamed where it is; what is below follows', async () => {
  await using opened = await openTeam()
  const { configstore, team, sub } = opened
  const renamed = await configstore.updateProjectGroup({ group: team.id, name: 'squad', visibility: 'private' })
  expect(renamed).toMatchObject({ path: 'org/acme/squad', visibility: 'private', version: 2, parent: team.parent })
  expect(await configstore.getProjectGroup({ group: sub.id })).toMatchObject({
    path: 'org/acme/squad/sub',
    visibility: 'public',
    globalVisibility: 'private',
  })
  expect(await codeOf(configstore.getProjectGroup({ group: 'org/acme/team' }))).toBe('project_group_not_found')
  expect(await codeOf(configstore.updateProjectGroup({ group: team.id, name: 'a b' }))).toBe('name_invalid')
  await aGroup(configstore, 'org/acme/other')
  expect(await codeOf(configstore.updateProjectGroup({ group: team.id, name: 'other' }))).toBe('project_group_exists')
})

test('a group is moved, and renamed on the way, if both owners are those that were asked', async () => {
  await using opened = await openTeam()
  const { configstore, sub, acme, bob } = opened
  const move = { to: 'org/acme', fromOwnerId: acme.id, toOwnerId: acme.id }
  expect(await configstore.updateProjectGroup({ group: sub.id, move, name: 'top' })).toMatchObject({
    path: 'org/acme/top',
  })
  const toBob = { to: 'user/bob', fromOwnerId: acme.id, toOwnerId: bob.id }
  expect(await codeOf(configstore.updateProjectGroup({ group: sub.id, move: { ...toBob, toOwnerId: acme.id } }))).toBe(
    'owner_changed',
  )
  expect(await codeOf(configstore.updateProjectGroup({ group: sub.id, move: { ...toBob, fromOwnerId: bob.id } }))).toBe(
    'owner_changed',
  )
  expect(await configstore.updateProjectGroup({ group: sub.id, move: toBob })).toMatchObject({
    path: 'user/bob/top',
    owner: { type: 'user', name: 'bob' },
  })
  const nowhere = { ...toBob, fromOwnerId: bob.id, to: 'user/bob/none' }
  expect(await codeOf(configstore.updateProjectGroup({ group: sub.id, move: nowhere }))).toBe('parent_group_not_found')
})

test('a group is not moved to where its name is taken', async () => {
  await using opened = await openTeam()
  const { configstore, sub, acme } = opened
  const move = { to: 'org/acme', fromOwnerId: acme.id, toOwnerId: acme.id }
  expect(await codeOf(configstore.updateProjectGroup({ group: sub.id, move, name: 'team' }))).toBe(
    'project_group_exists',
  )
  await aProject(configstore, 'org/acme/sub')
  expect(await codeOf(configstore.updateProjectGroup({ group: sub.id, move }))).toBe('project_exists')
})

test('a group is moved neither into itself nor into what is below it', async () => {
  await using opened = await openTeam()
  const { configstore, team, sub, acme } = opened
  for (const to of [team.id, sub.id, 'org/acme/team/sub']) {
    const move = { to, fromOwnerId: acme.id, toOwnerId: acme.id }
    expect(await codeOf(configstore.updateProjectGroup({ group: team.id, move }))).toBe('move_invalid')
  }
})

test('of two moves that would make a circle, one is refused', async () => {
  await using opened = await openTeam()
  const { configstore, acme } = opened
  const [a, b] = [await aGroup(configstore, 'org/acme/a'), await aGroup(configstore, 'org/acme/b')]
  const owners = { fromOwnerId: acme.id, toOwnerId: acme.id }
  const outcomes = await Promise.all([
    codeOf(configstore.updateProjectGroup({ group: a.id, move: { to: b.id, ...owners } })),
    codeOf(configstore.updateProjectGroup({ group: b.id, move: { to: a.id, ...owners } })),
  ])
  expect(outcomes.filter((outcome) => outcome === 'move_invalid')).toHaveLength(1)
})

test('groups are at most 20 deep, however they come there', async () => {
  await using opened = await openTeam()
  const { configstore, acme } = opened
  let path = 'org/acme'
  for (let depth = 2; depth <= 20; depth++) path = (await aGroup(configstore, `${path}/d${depth}`)).path
  expect(await codeOf(aGroup(configstore, `${path}/deeper`))).toBe('limit_exceeded')
  await aProject(configstore, `${path}/web`)
  const owners = { fromOwnerId: acme.id, toOwnerId: acme.id }
  const above = path.slice(0, path.lastIndexOf('/'))
  const move = (to: string) =>
    codeOf(configstore.updateProjectGroup({ group: 'org/acme/team', move: { to, ...owners } }))
  expect(await move(above)).toBe('move_invalid') // team has sub below it.
  expect(await move(above.slice(0, above.lastIndexOf('/')))).toMatchObject({ name: 'team' })
})

test('of a root group only the visibility changes', async () => {
  await using opened = await openTeam()
  const { configstore, acme } = opened
  const group = 'org/acme'
  const move = { to: 'org/acme/team', fromOwnerId: acme.id, toOwnerId: acme.id }
  expect(await codeOf(configstore.updateProjectGroup({ group, name: 'other' }))).toBe('root_group')
  expect(await codeOf(configstore.updateProjectGroup({ group, move }))).toBe('root_group')
  expect(await codeOf(configstore.deleteProjectGroup({ group }))).toBe('root_group')
  expect(await configstore.updateProjectGroup({ group, visibility: 'private' })).toMatchObject({
    visibility: 'private',
  })
})

test('changes can expect a version and an owner', async () => {
  await using opened = await openTeam()
  const { configstore, team, bob } = opened
  const late = { group: team.id, expectedVersion: 2 }
  expect(await codeOf(configstore.updateProjectGroup({ ...late, name: 'x' }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteProjectGroup(late))).toBe('version_conflict')
  const other = { group: team.id, expectedOwnerId: bob.id }
  expect(await codeOf(configstore.updateProjectGroup({ ...other, name: 'x' }))).toBe('owner_changed')
  expect(await codeOf(configstore.deleteProjectGroup(other))).toBe('owner_changed')
})

test('a group that is not empty is deleted with what it holds; made anew, it is empty', async () => {
  await using opened = await openTeam()
  const { configstore, sub } = opened
  const web = await aProject(configstore, 'org/acme/team/sub/web')
  const parent = { type: 'projectgroup', ref: sub.id } as const
  await configstore.createSecret({ parent, name: 's', data: { a: 'A' } })
  await configstore.createVariable({ parent, name: 'v', values: [{ secretName: 's', secretVar: 'a' }] })
  await configstore.deleteProjectGroup({ group: 'org/acme/team' })
  for (const group of [sub.id, 'org/acme/team/sub'])
    expect(await codeOf(configstore.getProjectGroup({ group }))).toBe('project_group_not_found')
  expect(await codeOf(configstore.getProject({ project: web.id }))).toBe('project_not_found')
  await aGroup(configstore, 'org/acme/team')
  await aGroup(configstore, 'org/acme/team/sub')
  const again = { type: 'projectgroup', ref: 'org/acme/team/sub' } as const
  expect((await configstore.listSecrets({ parent: again, tree: true })).items).toEqual([])
  expect((await configstore.listVariables({ parent: again })).items).toEqual([])
  expect((await configstore.listProjects({ group: 'org/acme/team/sub' })).items).toEqual([])
})

test('the groups of a group are listed by name', async () => {
  await using opened = await openTeam()
  const { configstore } = opened
  await aGroup(configstore, 'org/acme/alpha')
  const { items, nextCursor } = await configstore.listProjectGroups({ parent: 'org/acme', limit: 1 })
  expect(items.map(({ path }) => path)).toEqual(['org/acme/alpha'])
  const next = await configstore.listProjectGroups({ parent: 'org/acme', cursor: nextCursor! })
  expect(next.items.map(({ path }) => path)).toEqual(['org/acme/team'])
  expect(await codeOf(configstore.listProjectGroups({ parent: 'org/none' }))).toBe('project_group_not_found')
})

test('groups that hang on themselves, as no operation leaves them, are not there', async () => {
  await using opened = await openTeam()
  const { configstore, team, sub, world } = opened
  await world.database.do((tx) =>
    tx.put('projectgroup', team.id, {
      ...tx.get('projectgroup', team.id)!,
      parent: { type: 'projectgroup', id: sub.id },
    }),
  )
  for (const { id } of [team, sub])
    expect(await codeOf(configstore.getProjectGroup({ group: id }))).toBe('project_group_not_found')
  expect((await configstore.listProjectGroups({ parent: 'org/acme' })).items).toEqual([])
})
