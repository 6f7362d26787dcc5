// Projects: settings, sources, moves, keys.

import { expect, test } from 'vitest'
import type { NewProject, ProjectUpdate } from '../api.ts'
import {
  aGroup,
  aLinkedAccount,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  fromRemote,
  openWorld,
  plain,
  type World,
} from '../configstore-fixture.ts'

/** Ann owns acme and has an account at github; bob is on his own. */
async function openAcme() {
  const world = await openWorld()
  const { configstore } = world
  const ann = await aUser(configstore, 'ann')
  const bob = await aUser(configstore, 'bob')
  const acme = await anOrganization(configstore, 'acme', ann)
  const linked = await aLinkedAccount(configstore, ann)
  return { world, configstore, ann, bob, acme, linked, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

const gitSource = { kind: 'git', url: 'https://git.example/web.git', auth: 'none', pollIntervalMs: 60_000 } as const

test('a project has careful defaults', async () => {
  await using opened = await openAcme()
  const { configstore, acme } = opened
  const project = await aProject(configstore, 'org/acme/web')
  expect(plain(project)).toEqual({
    id: project.id,
    createdAt: project.createdAt,
    updatedAt: project.createdAt,
    version: 1,
    name: 'web',
    groupId: project.groupId,
    visibility: 'public',
    source: { kind: 'none' },
    skipSshHostKeyCheck: false,
    passVariablesToForks: false,
    forkRuns: 'default',
    effectiveForkRuns: 'approval',
    cancelSuperseded: true,
    deployKeyInTasks: false,
    membersCanPerformRunActions: false,
    hasWebhookSecret: false,
    hasGitPassword: false,
    isSourceBroken: false,
    owner: { type: 'organization', id: acme.id, name: 'acme' },
    path: 'org/acme/web',
    parentPath: 'org/acme',
    globalVisibility: 'public',
  })
  for (const ref of [project.id, 'org/acme/web'])
    expect(await configstore.getProject({ project: ref })).toEqual(plain(project))
})

test.each([
  ['web', 'project_not_found'],
  ['org/acme', 'ref_invalid'],
  ['org/acme/none', 'project_not_found'],
  ['org/none/web', 'project_not_found'],
  ['org/acme//web', 'ref_invalid'],
  ['org/acme/x/../web', 'ref_invalid'],
])('there is no project %j: %s', async (project, code) => {
  await using opened = await openAcme()
  await aProject(opened.configstore, 'org/acme/web')
  expect(await codeOf(opened.configstore.getProject({ project }))).toBe(code)
})

test('of ten creations of one project at once, one succeeds; another group may have the name', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  await aGroup(configstore, 'org/acme/team')
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(aProject(configstore, 'org/acme/web'))))
  expect(outcomes.filter((outcome) => outcome === 'project_exists')).toHaveLength(9)
  expect(await aProject(configstore, 'org/acme/team/web')).toMatchObject({ path: 'org/acme/team/web' })
})

const wrongSettings: readonly (readonly [string, Partial<ProjectUpdate>, string])[] = [
  ['another visibility', { visibility: 'secret' as 'public' }, 'visibility_invalid'],
  ['another fork policy', { forkRuns: 'sometimes' as 'never' }, 'project_invalid'],
  ['a cache group that is no name', { cacheGroup: 'a/b' }, 'project_invalid'],
  ['a default branch that is too long', { defaultBranch: 'a'.repeat(4097) }, 'project_invalid'],
  ['an unknown kind of source', { source: { kind: 'svn' } as never }, 'project_invalid'],
  ['a git source without host', { source: { ...gitSource, url: '/srv/web.git' } }, 'project_invalid'],
  ['a git source of a file', { source: { ...gitSource, url: 'file:///srv/web.git' } }, 'project_invalid'],
  ['a password in the URL', { source: { ...gitSource, url: 'https://ann:pw@git.example/w.git' } }, 'project_invalid'],
  ['another authentication', { source: { ...gitSource, auth: 'kerberos' as 'none' } }, 'project_invalid'],
  ['a poll interval under 30 s', { source: { ...gitSource, pollIntervalMs: 29_999 } }, 'project_invalid'],
  ['a poll interval that is no number', { source: { ...gitSource, pollIntervalMs: Number.NaN } }, 'project_invalid'],
  ['a remote source nobody knows', { source: { ...gitSource, remoteSourceId: 'x' } }, 'remote_source_not_found'],
]

test.each(wrongSettings)('a project with %s is refused, new or changed', async (_, wrong, code) => {
  await using opened = await openAcme()
  const { configstore } = opened
  const input = { group: 'org/acme', visibility: 'public', source: { kind: 'none' }, ...wrong } as const
  expect(await codeOf(configstore.createProject({ ...(input as NewProject), name: 'new' }))).toBe(code)
  await aProject(configstore, 'org/acme/web')
  expect(await codeOf(configstore.updateProject({ project: 'org/acme/web', ...wrong }))).toBe(code)
  expect(await configstore.getProject({ project: 'org/acme/web' })).toMatchObject({ version: 1 })
})

test('a remote repository needs source, account of that source, id and path', async () => {
  await using opened = await openAcme()
  const { configstore, linked } = opened
  const source = fromRemote(linked) as Extract<NewProject['source'], { kind: 'remotesource' }>
  const gitHost = await configstore.createRemoteSource({
    name: 'plain',
    type: 'git',
    authType: 'none',
    apiUrl: 'ssh://git@git.example',
  })
  const create = (changes: Partial<typeof source>) =>
    codeOf(aProject(configstore, 'org/acme/web', { source: { ...source, ...changes } }))
  expect(await create({ repositoryId: '' })).toBe('project_invalid')
  expect(await create({ repositoryPath: '' })).toBe('project_invalid')
  expect(await create({ remoteSourceId: linked.account.id })).toBe('remote_source_not_found')
  expect(await create({ linkedAccountId: linked.source.id })).toBe('linked_account_not_found')
  expect(await create({ remoteSourceId: gitHost.id })).toBe('project_invalid')
  const gitea = await configstore.createRemoteSource({
    name: 'gitea',
    type: 'gitea',
    authType: 'password',
    apiUrl: 'https://gitea.example',
  })
  expect(await create({ remoteSourceId: gitea.id })).toBe('project_invalid')
  expect(await create({})).toMatchObject({ source, isSourceBroken: false })
  const plainGit = { ...gitSource, remoteSourceId: gitHost.id }
  expect(await aProject(configstore, 'org/acme/git', { source: plainGit })).toMatchObject({ source: plainGit })
  expect(
    await codeOf(aProject(configstore, 'org/acme/g2', { source: { ...gitSource, remoteSourceId: gitea.id } })),
  ).toBe('project_invalid')
})

test('settings change one by one and keep the rest, also where the source is broken', async () => {
  await using opened = await openAcme()
  const { configstore, ann, linked } = opened
  await aProject(configstore, 'org/acme/web', {
    source: fromRemote(linked),
    membersCanPerformRunActions: true,
    defaultBranch: 'main',
    cacheGroup: 'shared',
  })
  await configstore.deleteLinkedAccount({ user: ann.id, id: linked.account.id, force: true })
  const project = 'org/acme/web'
  const updated = await configstore.updateProject({ project, passVariablesToForks: true, forkRuns: 'never' })
  expect(updated).toMatchObject({
    version: 2,
    passVariablesToForks: true,
    effectiveForkRuns: 'never',
    membersCanPerformRunActions: true,
    defaultBranch: 'main',
    cacheGroup: 'shared',
    isSourceBroken: true,
  })
  const again = await aLinkedAccount(configstore, ann)
  expect(await configstore.updateProject({ project, source: fromRemote(again) })).toMatchObject({
    isSourceBroken: false,
    membersCanPerformRunActions: true,
  })
  const cleared = await configstore.updateProject({ project, defaultBranch: '', cacheGroup: '' })
  expect(cleared).not.toHaveProperty('defaultBranch')
  expect(cleared).not.toHaveProperty('cacheGroup')
})

test('what is not a setting is not stored', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const odd = { id: 'x', version: 9, owner: 'x', odd: 'odd' }
  await aProject(configstore, 'org/acme/web', { ...odd, source: { ...gitSource, odd: 'odd' } } as object)
  await configstore.updateProject({ project: 'org/acme/web', ...odd, source: { kind: 'none', odd: 'odd' } } as never)
  await configstore.updateRemoteSource({ remoteSource: 'github', ...odd } as never)
  const parent = { type: 'project', ref: 'org/acme/web' } as const
  const when = { ref: { include: [{ type: 'simple', match: 'x', odd: 'odd' }], exclude: [], odd: 'odd' } }
  await configstore.createVariable({ parent, name: 'v', values: [{ value: 'x', odd: 'odd', when } as never] })
  const rows = world.database.view((tx) => [tx.list('project'), tx.list('remotesource'), tx.list('variable')])
  expect(JSON.stringify(rows)).not.toContain('odd')
  expect(await configstore.getProject({ project: 'org/acme/web' })).toMatchObject({
    version: 2,
    source: { kind: 'none' },
  })
})

test('forks of a project that everybody sees need approval, unless it says otherwise', async () => {
  await using opened = await openAcme()
  const { configstore } = opened
  const project = await aProject(configstore, 'org/acme/web')
  expect(project.effectiveForkRuns).toBe('approval')
  await configstore.updateProjectGroup({ group: 'org/acme', visibility: 'private' })
  expect(await configstore.getProject({ project: project.id })).toMatchObject({ effectiveForkRuns: 'always' })
})

test('only an organization has members that perform run actions', async () => {
  await using opened = await openAcme()
  const { configstore, acme, ann } = opened
  expect(await codeOf(aProject(configstore, 'user/ann/own', { membersCanPerformRunActions: true }))).toBe(
    'project_invalid',
  )
  await aProject(configstore, 'user/ann/own')
  const update = { project: 'user/ann/own', membersCanPerformRunActions: true }
  expect(await codeOf(configstore.updateProject(update))).toBe('project_invalid')
  const move = { to: 'org/acme', fromOwnerId: ann.id, toOwnerId: acme.id }
  expect(await configstore.updateProject({ ...update, move })).toMatchObject({ membersCanPerformRunActions: true })
})

test('what one owner granted does not hold for another: run actions of members and the cache group', async () => {
  await using opened = await openAcme()
  const { configstore, ann, acme } = opened
  const umbrella = await anOrganization(configstore, 'umbrella', ann)
  await aGroup(configstore, 'org/acme/team')
  const { id } = await aProject(configstore, 'org/acme/team/web', {
    membersCanPerformRunActions: true,
    cacheGroup: 'shared',
  })
  const move = { to: 'org/umbrella', fromOwnerId: acme.id, toOwnerId: umbrella.id }
  await configstore.updateProjectGroup({ group: 'org/acme/team', move })
  const moved = await configstore.getProject({ project: id })
  expect(moved).toMatchObject({ path: 'org/umbrella/team/web', membersCanPerformRunActions: false })
  expect(moved).not.toHaveProperty('cacheGroup')
  expect(await configstore.updateProject({ project: id, cacheGroup: 'other' })).toMatchObject({ cacheGroup: 'other' })
})

test('a move needs both owners as they are, and is refused where the name is taken', async () => {
  await using opened = await openAcme()
  const { configstore, ann, bob, acme } = opened
  const web = await aProject(configstore, 'user/ann/web')
  const move = { to: 'user/bob', fromOwnerId: ann.id, toOwnerId: bob.id }
  const moving = (changes: Partial<typeof move>, name?: string) =>
    codeOf(
      configstore.updateProject({
        project: web.id,
        move: { ...move, ...changes },
        ...(name === undefined ? {} : { name }),
      }),
    )
  expect(await moving({ toOwnerId: ann.id })).toBe('owner_changed')
  expect(await moving({ fromOwnerId: bob.id })).toBe('owner_changed')
  expect(await moving({ to: 'user/bob/none' })).toBe('parent_group_not_found')
  await aProject(configstore, 'user/bob/web')
  expect(await moving({})).toBe('project_exists')
  await aGroup(configstore, 'user/bob/team')
  expect(await moving({}, 'team')).toBe('project_group_exists')
  expect(await moving({}, 'site')).toMatchObject({ path: 'user/bob/site', version: 2, owner: { id: bob.id } })
  expect(await codeOf(configstore.updateProject({ project: web.id, name: 'web' }))).toBe('project_exists')
  expect(await moving({ to: 'org/acme', fromOwnerId: bob.id, toOwnerId: acme.id })).toMatchObject({
    path: 'org/acme/site',
  })
})

test('changes can expect a version and an owner', async () => {
  await using opened = await openAcme()
  const { configstore, bob } = opened
  await aProject(configstore, 'org/acme/web')
  const late = { project: 'org/acme/web', expectedVersion: 2 }
  const other = { project: 'org/acme/web', expectedOwnerId: bob.id }
  expect(await codeOf(configstore.updateProject({ ...late, name: 'x' }))).toBe('version_conflict')
  expect(await codeOf(configstore.deleteProject(late))).toBe('version_conflict')
  expect(await codeOf(configstore.setProjectCredentials({ ...late, webhookSecret: 'new' }))).toBe('version_conflict')
  expect(await codeOf(configstore.updateProject({ ...other, name: 'x' }))).toBe('owner_changed')
  expect(await codeOf(configstore.deleteProject(other))).toBe('owner_changed')
  expect(await codeOf(configstore.setProjectCredentials({ ...other, webhookSecret: 'new' }))).toBe('owner_changed')
  const create = { group: 'org/acme', name: 'y', visibility: 'public', source: { kind: 'none' } } as const
  expect(await codeOf(configstore.createProject({ ...create, expectedOwnerId: bob.id }))).toBe('owner_changed')
})

test('keys are sealed where they are stored, told on their own, and changed one by one', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const project = await aProject(configstore, 'org/acme/web', {
    source: { ...gitSource, auth: 'password' },
    credentials: {
      deployKey: { privateKey: 'PRIVATE HALF', publicKey: 'ssh-ed25519 AAAA' },
      webhookSecret: 'new',
      gitPassword: 'git-password',
    },
  })
  expect(project).toMatchObject({ deployKeyPublic: 'ssh-ed25519 AAAA', hasWebhookSecret: true, hasGitPassword: true })
  const told = await configstore.projectCredentials({ project: project.id })
  expect(told).toMatchObject({ deployKey: 'PRIVATE HALF', gitPassword: 'git-password' })
  expect(told.webhookSecret).toMatch(/^[0-9a-f]{64}$/)
  const stored = JSON.stringify(world.database.view((tx) => [tx.list('project'), tx.list('sealed')]))
  for (const secret of ['PRIVATE HALF', 'git-password', told.webhookSecret!]) expect(stored).not.toContain(secret)

  const rotated = await configstore.setProjectCredentials({
    project: project.id,
    webhookSecret: 'new',
    gitPassword: '',
  })
  expect(rotated).toMatchObject({ version: 2, hasWebhookSecret: true, hasGitPassword: false })
  const after = await configstore.projectCredentials({ project: project.id })
  expect(after).toMatchObject({ deployKey: 'PRIVATE HALF', previousWebhookSecret: told.webhookSecret })
  expect(after.webhookSecret).not.toBe(told.webhookSecret)
  expect(after).not.toHaveProperty('gitPassword')
  const half = { deployKey: { privateKey: '', publicKey: 'ssh-ed25519 AAAA' } }
  expect(await codeOf(configstore.setProjectCredentials({ project: project.id, ...half }))).toBe('project_invalid')
  const long = { deployKey: { privateKey: 'x'.repeat(32 * 1024 + 1), publicKey: 'ssh-rsa' } }
  expect(await codeOf(configstore.setProjectCredentials({ project: project.id, ...long }))).toBe('limit_exceeded')
})

test('projects are listed by name, and found by account, by repository and by polling', async () => {
  await using opened = await openAcme()
  const { configstore, linked } = opened
  await aProject(configstore, 'org/acme/web', { source: fromRemote(linked) })
  await aProject(configstore, 'org/acme/api', { source: fromRemote(linked, 'acme/api') })
  await aProject(configstore, 'user/ann/api', { source: fromRemote(linked, 'acme/api') })
  await aProject(configstore, 'user/ann/polled', { source: gitSource })
  await aProject(configstore, 'user/ann/hooked', { source: { ...gitSource, pollIntervalMs: 0 } })
  const paths = async (page: Promise<{ readonly items: readonly { readonly path: string }[] }>) =>
    (await page).items.map(({ path }) => path).sort()
  expect(await paths(configstore.listProjects({ group: 'org/acme' }))).toEqual(['org/acme/api', 'org/acme/web'])
  expect(await paths(configstore.findProjects({ linkedAccountId: linked.account.id }))).toHaveLength(3)
  const remote = { remoteSourceId: linked.source.id }
  expect(await paths(configstore.findProjects(remote))).toHaveLength(3)
  expect(await paths(configstore.findProjects({ ...remote, repositoryId: 'id-of-acme/api' }))).toEqual([
    'org/acme/api',
    'user/ann/api',
  ])
  expect(await paths(configstore.findProjects({ polled: true }))).toEqual(['user/ann/polled'])
  expect(await codeOf(configstore.listProjects({ group: 'org/none' }))).toBe('project_group_not_found')
  await configstore.deleteProject({ project: 'user/ann/api' })
  expect(await paths(configstore.findProjects({ linkedAccountId: linked.account.id, limit: 1 }))).toHaveLength(1)
})

test.each([100, 10_000])('a page of %i projects is looked up by index, wherever it is', async (count) => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const first = await aProject(configstore, 'org/acme/p0')
  const row = world.database.view((tx) => tx.get('project', first.id)!)
  for (let from = 1; from < count; from += 1000)
    await world.database.do((tx) => {
      for (let n = from; n < Math.min(count, from + 1000); n++) {
        const id = `${first.id.slice(0, -6)}${String(n).padStart(6, '0')}`
        tx.put('project', id, { ...row, id, name: `p${n}` })
      }
    })
  const read = rowsRead(world)
  const { nextCursor } = await configstore.listProjects({ group: 'org/acme' })
  expect(read()).toBeLessThan(40)
  await configstore.listProjects({ group: 'org/acme', cursor: nextCursor! })
  expect(read()).toBeLessThan(40)
  await configstore.listProjects({ group: 'org/acme', descending: true, limit: 1 })
  expect(read()).toBeLessThan(15)
  await configstore.getProject({ project: 'org/acme/p77' })
  expect(read()).toBeLessThan(10)
  await configstore.resolveAccess({ type: 'project', ref: first.id, userId: first.owner.id })
  expect(read()).toBeLessThan(10)
})

/** Counts the rows that are read from now on; asking begins anew. */
function rowsRead({ database }: World): () => number {
  let count = 0
  const view = database.view.bind(database)
  database.view = (read) =>
    view((tx) => {
      const counting: typeof tx = Object.create(tx)
      counting.get = (type, id) => {
        count++
        return tx.get(type, id)
      }
      counting.list = (type, options) => {
        const rows = tx.list(type, options)
        count += rows.length
        return rows
      }
      return read(counting)
    })
  return () => {
    const counted = count
    count = 0
    return counted
  }
}
