// Variables: conditions, inheritance, and which secret a value is taken from.

import { expect, test } from 'vitest'
import type { When } from '../../pipeline/config/config.ts'
import { anEvent } from '../../pipeline/run-config-fixture.ts'
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
import type { VariableValue } from '../types.ts'

const org = { type: 'projectgroup', ref: 'org/acme' } as const
const team = { type: 'projectgroup', ref: 'org/acme/team' } as const
const web = { type: 'project', ref: 'org/acme/team/web' } as const
type Parent = typeof org | typeof team | typeof web

async function openTree() {
  const world = await openWorld()
  const { configstore } = world
  await anOrganization(configstore, 'acme', await aUser(configstore, 'ann'))
  await aGroup(configstore, 'org/acme/team')
  await aProject(configstore, 'org/acme/team/web')
  return { world, configstore, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

const onTag = (match: string): When => ({ tag: { include: [{ type: 'regexp', match }], exclude: [] } })

/** Variables in clear, as a run of web gets them. */
async function given(configstore: World['configstore'], event = anEvent(), isFork = false) {
  const { variables } = await configstore.resolveVariables({ project: web.ref, event, isFork })
  const refs = Object.values(variables).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]))
  const { values } = await configstore.openSecrets({ refs })
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, typeof value === 'string' ? value : values[value.secret]]),
  )
}

// Section 7.3 of the rules: the nearest secret of the name at or above the variable, never one below it.
test.each<[Parent, readonly Parent[], string | undefined]>([
  [team, [web, team, org], 'org/acme/team'],
  [team, [web], undefined],
  [team, [org], 'org/acme'],
  [web, [team, org], 'org/acme/team'],
  [org, [team], undefined],
  [web, [web, org], 'org/acme/team/web'],
])('a variable at $ref finds the secret it may', async (at, secrets, chosen) => {
  await using tree = await openTree()
  const { configstore } = tree
  for (const parent of secrets) await configstore.createSecret({ parent, name: 's', data: { k: parent.ref } })
  const values = [{ secretName: 's', secretVar: 'k' }]
  await configstore.createVariable({ parent: at, name: 'v', values })
  expect(await given(configstore)).toEqual(chosen === undefined ? {} : { v: chosen })
  const { items } = await configstore.listVariables({ parent: web, tree: true })
  expect(items[0]!.values).toEqual([
    chosen === undefined ? values[0] : { ...values[0], matchingSecretParentPath: chosen },
  ])
})

test('a variable hides those of its name above it, whatever its value', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  await configstore.createSecret({ parent: org, name: 's', data: { k: 'K' } })
  await configstore.createVariable({ parent: org, name: 'v', values: [{ secretName: 's', secretVar: 'k' }] })
  await configstore.createVariable({ parent: team, name: 'v', values: [{ secretName: 'none', secretVar: 'k' }] })
  expect(await given(configstore)).toEqual({})
  const paths = async (withoutOverridden: boolean) =>
    (await configstore.listVariables({ parent: web, tree: true, withoutOverridden })).items.map(
      ({ parentPath }) => parentPath,
    )
  expect(await paths(false)).toEqual(['org/acme/team', 'org/acme'])
  expect(await paths(true)).toEqual(['org/acme/team'])
  expect((await configstore.listVariables({ parent: web })).items).toEqual([])
})

test('the first value that matches is chosen, and no other when its secret is not there', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  await configstore.createSecret({ parent: team, name: 'deploy', data: { prod: 'P', staging: 'S' } })
  const values: VariableValue[] = [
    { secretName: 'deploy', secretVar: 'prod', when: onTag('^v[0-9]+') },
    { secretName: 'deploy', secretVar: 'gone', when: onTag('^rc') },
    { secretName: 'deploy', secretVar: 'staging' },
  ]
  const variable = await configstore.createVariable({ parent: web, name: 'key', values })
  expect(variable).toMatchObject({ version: 1, values: values.map(() => ({ matchingSecretParentPath: team.ref })) })
  const tag = (name: string) => anEvent({ refType: 'tag', tag: name, branch: '', ref: `refs/tags/${name}` })
  expect(await given(configstore, tag('v12'))).toEqual({ key: 'P' })
  expect(await given(configstore, tag('rc1'))).toEqual({})
  expect(await given(configstore)).toEqual({ key: 'S' })
})

test('a value may be a text that is no secret', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  await configstore.createVariable({
    parent: team,
    name: 'region',
    values: [{ value: 'eu', when: onTag('^v') }, { value: '' }],
  })
  expect(await given(configstore)).toEqual({ region: '' })
  const event = anEvent({ refType: 'tag', tag: 'v1', branch: '', ref: 'refs/tags/v1' })
  expect(await given(configstore, event)).toEqual({ region: 'eu' })
})

test('forks get no variables, unless the project passes them', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  await configstore.createVariable({ parent: web, name: 'v', values: [{ value: 'x' }] })
  expect(await given(configstore, anEvent(), true)).toEqual({})
  await configstore.updateProject({ project: web.ref, passVariablesToForks: true })
  expect(await given(configstore, anEvent(), true)).toEqual({ v: 'x' })
})

test('a moved project has the variables of where it is', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  const bob = await aUser(configstore, 'bob')
  await configstore.createVariable({ parent: org, name: 'v', values: [{ value: 'of acme' }] })
  await configstore.createVariable({
    parent: { type: 'projectgroup', ref: 'user/bob' },
    name: 'v',
    values: [{ value: 'of bob' }],
  })
  const { id, owner } = await configstore.getProject({ project: web.ref })
  const move = { to: 'user/bob', fromOwnerId: owner.id, toOwnerId: bob.id }
  await configstore.updateProject({ project: id, move })
  const { variables } = await configstore.resolveVariables({ project: id, event: anEvent(), isFork: false })
  expect(variables).toEqual({ v: 'of bob' })
  expect(await codeOf(configstore.resolveVariables({ project: web.ref, event: anEvent(), isFork: false }))).toBe(
    'project_not_found',
  )
})

const conditions = (section: object) => ({ value: 'x', when: section as When })

test.each<[string, readonly VariableValue[]]>([
  ['no value', []],
  ['a value that is neither', [{} as VariableValue]],
  ['a value that is both', [{ value: 'x', secretName: 's', secretVar: 'k' } as VariableValue]],
  ['a secret without a name', [{ secretName: '', secretVar: 'k' }]],
  ['a secret without a key', [{ secretName: 's', secretVar: '' }]],
  ['a text that is none', [{ value: 1 as unknown as string }]],
  [
    'a regular expression that does not compile',
    [conditions({ ref: { include: [{ type: 'regexp', match: '(' }], exclude: [] } })],
  ],
  ['a look-behind', [conditions({ ref: { include: [], exclude: [{ type: 'regexp', match: '(?<=a)b' }] } })]],
  [
    'a regular expression that is too long',
    [conditions({ tag: { include: [{ type: 'regexp', match: 'a'.repeat(1025) }], exclude: [] } })],
  ],
  ['an unknown kind of condition', [conditions({ ref: { include: [{ type: 'glob', match: '*' }], exclude: [] } })]],
  ['an unknown section', [conditions({ event: { include: [], exclude: [] } })]],
  ['no list of conditions', [conditions({ ref: { include: 'main' } })]],
  ['too much of everything', [{ value: 'x'.repeat(32 * 1024) }]],
])('a variable with %s is refused', async (_, values) => {
  await using tree = await openTree()
  const { configstore } = tree
  expect(await codeOf(configstore.createVariable({ parent: web, name: 'v', values }))).toBe('variable_invalid')
  await configstore.createVariable({ parent: web, name: 'v', values: [{ value: 'x' }] })
  expect(await codeOf(configstore.updateVariable({ parent: web, name: 'v', values }))).toBe('variable_invalid')
})

test('of ten creations of one variable at once, one succeeds', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  const create = () => codeOf(configstore.createVariable({ parent: web, name: 'v', values: [{ value: 'x' }] }))
  const outcomes = await Promise.all(Array.from({ length: 10 }, create))
  expect(outcomes.filter((outcome) => outcome === 'variable_exists')).toHaveLength(9)
})

test('a variable is renamed, its values are replaced, it is deleted', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  const v = { parent: web, name: 'v' }
  await configstore.createVariable({ ...v, values: [{ value: 'x' }] })
  await configstore.createVariable({ parent: web, name: 'taken', values: [{ value: 'x' }] })
  expect(await codeOf(configstore.updateVariable({ ...v, newName: 'taken' }))).toBe('variable_exists')
  expect(await codeOf(configstore.updateVariable({ ...v, newName: 'a_b' }))).toBe('name_invalid')
  expect(await codeOf(configstore.updateVariable({ ...v, expectedVersion: 9 }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteVariable({ ...v, expectedVersion: 9 }))).toBe('version_conflict')
  expect(await codeOf(configstore.updateVariable({ ...v, expectedOwnerId: 'x' }))).toBe('owner_changed')
  expect(await codeOf(configstore.deleteVariable({ ...v, expectedOwnerId: 'x' }))).toBe('owner_changed')
  const renamed = await configstore.updateVariable({ ...v, newName: 'w', values: [{ value: 'y' }], expectedVersion: 1 })
  expect(renamed).toMatchObject({ name: 'w', version: 2, values: [{ value: 'y' }] })
  expect((await configstore.listVariables({ parent: web })).items[1]).toEqual(plain(renamed))
  expect(await codeOf(configstore.updateVariable({ ...v, values: [{ value: 'z' }] }))).toBe('variable_not_found')
  await configstore.deleteVariable({ parent: web, name: 'w' })
  expect(await codeOf(configstore.deleteVariable({ parent: web, name: 'w' }))).toBe('variable_not_found')
  expect(await codeOf(configstore.createVariable({ ...v, name: '', values: [{ value: 'x' }] }))).toBe('name_invalid')
  const nowhere = { type: 'project', ref: 'org/acme/none' } as const
  expect(await codeOf(configstore.createVariable({ ...v, parent: nowhere, values: [{ value: 'x' }] }))).toBe(
    'project_not_found',
  )
  expect(await codeOf(configstore.listVariables({ parent: nowhere }))).toBe('project_not_found')
})
