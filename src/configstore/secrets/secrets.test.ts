// Secrets: sealed values under names, seen from the project or group they hang on and from below.

import { expect, test } from 'vitest'
import { anEvent } from '../../pipeline/run-config-fixture.ts'
import { deployKeyRef } from '../api.ts'
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

const org = { type: 'projectgroup', ref: 'org/acme' } as const
const team = { type: 'projectgroup', ref: 'org/acme/team' } as const
const web = { type: 'project', ref: 'org/acme/team/web' } as const

/** org/acme > team > web, of ann. */
async function openTree() {
  const world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  await anOrganization(configstore, 'acme', ann)
  await aGroup(configstore, 'org/acme/team')
  const project = await aProject(configstore, 'org/acme/team/web')
  return { world, configstore, ann, project, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

/** What a run of web gets for a variable of each key of the secret. */
async function opened(configstore: World['configstore'], name: string, keys: readonly string[]) {
  for (const [n, key] of keys.entries())
    await configstore.createVariable({ parent: web, name: `v${n}`, values: [{ secretName: name, secretVar: key }] })
  const { variables } = await configstore.resolveVariables({ project: web.ref, event: anEvent(), isFork: false })
  return Object.values(variables).map((value) => (typeof value === 'string' ? value : value.secret))
}

test('a secret tells its keys; values are sealed where they are stored', async () => {
  await using tree = await openTree()
  const { configstore, world, project } = tree
  const data = { PASSWORD: 'hunter2hunter2', user: 'ann', 'odd key / 100 %': '', __proto: 'x' }
  const secret = await configstore.createSecret({ parent: web, name: 'deploy', data })
  expect(secret).toMatchObject({
    name: 'deploy',
    type: 'internal',
    parent: { type: 'project', id: project.id },
    parentPath: 'org/acme/team/web',
    keys: ['PASSWORD', '__proto', 'odd key / 100 %', 'user'],
    version: 1,
  })
  expect((await configstore.listSecrets({ parent: web })).items).toEqual([plain(secret)])
  const stored = JSON.stringify(world.database.view((tx) => [tx.list('secret'), tx.list('sealed')]))
  expect(stored).not.toContain('hunter2')
  const refs = await opened(configstore, 'deploy', Object.keys(data))
  const { values, versions } = await configstore.openSecrets({ refs })
  expect(new Set(Object.values(values))).toEqual(new Set(Object.values(data)))
  expect(new Set(Object.values(versions))).toEqual(new Set([1]))
})

const tooLarge = 'x'.repeat(32 * 1024 + 1)
const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`k${n}`, 'v']))

test.each([
  ['no value', {}],
  ['an empty key', { '': 'x' }],
  ['a key that is too long', { ['k'.repeat(257)]: 'x' }],
  ['a key with a control character', { 'a\0b': 'x' }],
  ['a value that is no text', { a: 1 as unknown as string }],
  ['half a character in a value', { a: '\ud800' }],
  ['a value that is too large', { a: tooLarge }],
  ['too many values', many],
])('a secret with %s is refused', async (_, data) => {
  await using tree = await openTree()
  const { configstore } = tree
  expect(await codeOf(configstore.createSecret({ parent: web, name: 's', data }))).toBe('secret_invalid')
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  expect(await codeOf(configstore.updateSecret({ parent: web, name: 's', data }))).toBe('secret_invalid')
  expect((await configstore.listSecrets({ parent: web })).items).toMatchObject([{ keys: ['a'], version: 1 }])
})

test('a secret may have a value of 32 KiB, and a hundred of them', async () => {
  await using tree = await openTree()
  const data = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, n < 3 ? tooLarge.slice(1) : 'v']))
  expect(await tree.configstore.createSecret({ parent: web, name: 's', data })).toMatchObject({ version: 1 })
})

test('of ten creations of one secret at once, one succeeds; other holders may have the name', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  const create = (parent: typeof web | typeof team) =>
    codeOf(configstore.createSecret({ parent, name: 's', data: { a: 'A' } }))
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => create(web)))
  expect(outcomes.filter((outcome) => outcome === 'secret_exists')).toHaveLength(9)
  expect(await create(team)).toMatchObject({ parentPath: 'org/acme/team' })
})

test('what a secret hangs on must be there, and be owned by whom was asked for', async () => {
  await using tree = await openTree()
  const { configstore, project } = tree
  const input = { name: 's', data: { a: 'A' } }
  const none = { type: 'project', ref: 'org/acme/team/none' } as const
  expect(await codeOf(configstore.createSecret({ ...input, parent: none }))).toBe('project_not_found')
  const noGroup = { type: 'projectgroup', ref: 'org/acme/none' } as const
  expect(await codeOf(configstore.createSecret({ ...input, parent: noGroup }))).toBe('project_group_not_found')
  expect(await codeOf(configstore.listSecrets({ parent: noGroup }))).toBe('project_group_not_found')
  expect(await codeOf(configstore.createSecret({ ...input, name: 'a_b', parent: web }))).toBe('name_invalid')
  const others = { parent: web, expectedOwnerId: project.id }
  expect(await codeOf(configstore.createSecret({ ...input, ...others }))).toBe('owner_changed')
  await configstore.createSecret({ ...input, parent: web })
  expect(await codeOf(configstore.updateSecret({ ...input, ...others }))).toBe('owner_changed')
  expect(await codeOf(configstore.deleteSecret({ name: 's', ...others }))).toBe('owner_changed')
})

test('a secret is renamed, and its values are replaced as a whole; each change of values is a new version', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A', b: 'B' } })
  const refs = await opened(configstore, 's', ['a', 'b'])
  expect(await configstore.updateSecret({ parent: web, name: 's', newName: 't' })).toMatchObject({ version: 2 })
  expect((await configstore.openSecrets({ refs })).values).toEqual({ [refs[0]!]: 'A', [refs[1]!]: 'B' })
  const updated = await configstore.updateSecret({
    parent: web,
    name: 't',
    data: { a: 'A2', c: 'C' },
    expectedVersion: 2,
  })
  expect(updated).toMatchObject({ name: 't', keys: ['a', 'c'], version: 3 })
  expect(await configstore.openSecrets({ refs })).toEqual({
    values: { [refs[0]!]: 'A2' },
    versions: { [refs[0]!]: 3 },
    names: { [refs[0]!]: 't/a' },
  })
  await configstore.createSecret({ parent: web, name: 'other', data: { a: 'A' } })
  const update = { parent: web, name: 't' }
  expect(await codeOf(configstore.updateSecret({ ...update, newName: 'other' }))).toBe('secret_exists')
  expect(await codeOf(configstore.updateSecret({ ...update, newName: 'a b' }))).toBe('name_invalid')
  expect(await codeOf(configstore.updateSecret({ ...update, expectedVersion: 1 }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteSecret({ ...update, expectedVersion: 1 }))).toBe('version_conflict')
  expect(await codeOf(configstore.updateSecret({ parent: web, name: 's', newName: 'u' }))).toBe('secret_not_found')
  expect(await codeOf(configstore.deleteSecret({ parent: team, name: 't' }))).toBe('secret_not_found')
})

test('a deleted secret opens nothing any more, nor does one of a deleted project', async () => {
  await using tree = await openTree()
  const { configstore, world } = tree
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  await configstore.createSecret({ parent: org, name: 'o', data: { b: 'B' } })
  const [s] = await opened(configstore, 's', ['a'])
  await configstore.deleteSecret({ parent: web, name: 's' })
  expect((await configstore.openSecrets({ refs: [s!] })).values).toEqual({})
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  const { variables } = await configstore.resolveVariables({ project: web.ref, event: anEvent(), isFork: false })
  const refs = Object.values(variables).map((value) => (value as { secret: string }).secret)
  await configstore.deleteOrganization({ organization: 'acme' })
  expect((await configstore.openSecrets({ refs })).values).toEqual({})
  expect(world.database.view((tx) => tx.count('sealed'))).toBe(0)
})

test('a secret of what is still being removed opens nothing', async () => {
  await using tree = await openTree()
  const { configstore, world } = tree
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  const refs = await opened(configstore, 's', ['a'])
  const { id } = await configstore.getProjectGroup({ group: team.ref })
  await world.database.do((tx) => tx.delete('projectgroup', id)) // The first step of a deletion.
  expect((await configstore.openSecrets({ refs })).values).toEqual({})
})

test('for runs of a project only what is at or above it now is opened', async () => {
  await using tree = await openTree()
  const { configstore, project } = tree
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  await configstore.createSecret({ parent: team, name: 't', data: { a: 'B' } })
  await configstore.createSecret({ parent: org, name: 'o', data: { a: 'C' } })
  const parent = web
  for (const name of ['s', 't', 'o'])
    await configstore.createVariable({ parent, name, values: [{ secretName: name, secretVar: 'a' }] })
  const { variables } = await configstore.resolveVariables({ project: project.id, event: anEvent(), isFork: false })
  const refs = Object.values(variables).map((value) => (value as { secret: string }).secret)
  const valuesFor = async (ref: string) =>
    Object.values((await configstore.openSecrets({ refs, project: ref })).values).sort()
  expect(await valuesFor(project.id)).toEqual(['A', 'B', 'C'])
  const { id: owner } = project.owner
  await configstore.updateProject({ project: project.id, move: { to: org.ref, fromOwnerId: owner, toOwnerId: owner } })
  expect(await valuesFor(project.id)).toEqual(['A', 'C'])
  expect(await valuesFor('no-such-project')).toEqual([])
  await configstore.deleteProject({ project: project.id })
  expect(await valuesFor(project.id)).toEqual([])
})

test('runs of a fork get secrets only while the project passes them', async () => {
  await using tree = await openTree()
  const { configstore, project } = tree
  await configstore.createSecret({ parent: web, name: 's', data: { a: 'A' } })
  const refs = await opened(configstore, 's', ['a'])
  const values = async (isFork: boolean) =>
    Object.values((await configstore.openSecrets({ refs, project: project.id, isFork })).values)
  expect([await values(false), await values(true)]).toEqual([['A'], []])
  await configstore.updateProject({ project: project.id, passVariablesToForks: true })
  expect(await values(true)).toEqual(['A'])
})

test('the deploy key is opened only where the project gives it to its tasks, and never for a fork', async () => {
  await using tree = await openTree()
  const { configstore, project } = tree
  const deployKey = { privateKey: 'the-private-half', publicKey: 'public' }
  await configstore.setProjectCredentials({ project: project.id, deployKey })
  const open = async (isFork: boolean) =>
    (await configstore.openSecrets({ refs: [deployKeyRef], project: project.id, isFork })).values[deployKeyRef]
  expect(await open(false)).toBe('')
  await configstore.updateProject({ project: project.id, deployKeyInTasks: true, passVariablesToForks: true })
  expect([await open(false), await open(true)]).toEqual(['the-private-half', ''])
  expect((await configstore.openSecrets({ refs: [deployKeyRef] })).values).toEqual({})
})

test('only secrets are opened: neither keys of projects nor what is no reference', async () => {
  await using tree = await openTree()
  const { configstore, project } = tree
  await configstore.setProjectCredentials({ project: project.id, webhookSecret: 'new' })
  const refs = [`${project.id}/webhookSecret`, '', '/', 'x', 'x/y', '../etc/passwd']
  expect((await configstore.openSecrets({ refs })).values).toEqual({})
  const tooMany = Array.from({ length: 501 }, (_, n) => `x/${n}`)
  expect(await codeOf(configstore.openSecrets({ refs: tooMany }))).toBe('limit_exceeded')
})

test('secrets of the groups above are listed after the own ones, or only the nearest of each name', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  for (const [parent, name] of [
    [org, 'a'],
    [org, 'b'],
    [team, 'b'],
    [team, 'c'],
    [web, 'c'],
    [web, 'd'],
  ] as const)
    await configstore.createSecret({ parent, name, data: { k: 'v' } })
  const list = async (
    options: { tree?: boolean; withoutOverridden?: boolean },
    parent: typeof web | typeof team = web,
  ) =>
    (await configstore.listSecrets({ parent, ...options })).items.map(({ name, parentPath }) => `${parentPath}:${name}`)
  expect(await list({})).toEqual(['org/acme/team/web:c', 'org/acme/team/web:d'])
  expect(await list({ tree: true })).toEqual([
    'org/acme/team/web:c',
    'org/acme/team/web:d',
    'org/acme/team:b',
    'org/acme/team:c',
    'org/acme:a',
    'org/acme:b',
  ])
  expect(await list({ tree: true, withoutOverridden: true })).toEqual([
    'org/acme/team/web:c',
    'org/acme/team/web:d',
    'org/acme/team:b',
    'org/acme:a',
  ])
  expect(await list({ tree: true }, team)).toHaveLength(4)
})

test('a project has at most 500 secrets', async () => {
  await using tree = await openTree()
  const { configstore } = tree
  const create = (n: number) => configstore.createSecret({ parent: web, name: `s${n}`, data: { k: 'v' } })
  await Promise.all(Array.from({ length: 500 }, (_, n) => create(n)))
  expect(await codeOf(create(500))).toBe('limit_exceeded')
})
