// What goes with a deletion: everything below it here, at once for all who look; elsewhere by tasks.

import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { newSealingKey } from '../../lib/sealing.ts'
import { until } from '../../lib/until-fixture.ts'
import {
  aDirectory,
  aGroup,
  aLinkedAccount,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  fromRemote,
  openWorld,
  type World,
} from '../configstore-fixture.ts'

const secondMs = 1000
const claim = { kinds: ['delete_runs', 'clean_remote'], holder: 'h1', leaseMs: 60 * secondMs } as const

/** Rows of everything that belongs to a tree. */
function rowsLeft({ database }: World): Readonly<Record<string, number>> {
  const types = ['projectgroup', 'project', 'secret', 'variable', 'sealed', 'removal', 'member'] as const
  return database.view((tx) => Object.fromEntries(types.map((type) => [type, tx.count(type)])))
}

/** Settles what goes on in the background. */
const settle = ({ configstore }: World) => configstore.sweep()

async function openAcme() {
  const world = await openWorld()
  const ann = await aUser(world.configstore, 'ann')
  await anOrganization(world.configstore, 'acme', ann)
  const linked = await aLinkedAccount(world.configstore, ann)
  return { world, ann, linked, configstore: world.configstore, [Symbol.asyncDispose]: () => dispose(world) }
}
const dispose = (world: World) => world[Symbol.asyncDispose]()

test('a deleted project leaves a task for its runs, and one for webhook and deploy key', async () => {
  await using opened = await openAcme()
  const { configstore, linked } = opened
  const source = fromRemote(linked)
  const web = await aProject(configstore, 'org/acme/web', { source, remoteHookId: '7', remoteDeployKeyId: '8' })
  const plainGit = await aProject(configstore, 'org/acme/plain')
  await configstore.deleteProject({ project: web.id })
  await configstore.deleteProject({ project: plainGit.id })
  const { tasks } = await configstore.claimTasks(claim)
  expect(tasks.map(({ work }) => work)).toEqual(
    expect.arrayContaining([
      { kind: 'delete_runs', owner: { type: 'project', id: web.id } },
      { kind: 'delete_runs', owner: { type: 'project', id: plainGit.id } },
      { kind: 'clean_remote', projectId: web.id, source, remoteHookId: '7', remoteDeployKeyId: '8' },
    ]),
  )
  expect(tasks).toHaveLength(3)
})

test('deleting an organization, a group or a user leaves tasks for every project below', async () => {
  await using opened = await openAcme()
  const { configstore, linked } = opened
  const bob = await aUser(configstore, 'bob')
  await aGroup(configstore, 'org/acme/team')
  await aGroup(configstore, 'org/acme/team/sub')
  await aGroup(configstore, 'user/bob/team')
  const projects = [
    await aProject(configstore, 'org/acme/web'),
    await aProject(configstore, 'org/acme/team/web', { source: fromRemote(linked) }),
    await aProject(configstore, 'org/acme/team/sub/web', { source: fromRemote(linked, 'acme/sub') }),
    await aProject(configstore, 'user/bob/team/web'),
  ]
  await configstore.deleteProjectGroup({ group: 'org/acme/team/sub' })
  await configstore.deleteOrganization({ organization: 'acme' })
  await configstore.deleteUser({ user: 'bob' })
  const { items } = await configstore.listTasks({ limit: 100 })
  const owners = items.flatMap(({ work }) =>
    work.kind === 'delete_runs' ? [`${work.owner.type} ${work.owner.id}`] : [],
  )
  expect(owners.sort()).toEqual([...projects.map(({ id }) => `project ${id}`), `user ${bob.id}`].sort())
  expect(items.filter(({ work }) => work.kind === 'clean_remote')).toHaveLength(2)
})

test('who cleans up at the provider still has the tokens of a deleted user, until that is done', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const bob = await aUser(configstore, 'bob')
  const linked = await aLinkedAccount(configstore, bob)
  await aProject(configstore, 'user/bob/web', { source: fromRemote(linked) })
  await configstore.deleteUser({ user: 'bob' })
  const id = linked.account.id
  expect(await codeOf(configstore.getLinkedAccount({ id }))).toBe('linked_account_not_found')
  expect(await configstore.linkedAccountCredentials({ id })).toEqual({ accessToken: 'token-of-bob' })
  expect(await codeOf(configstore.deleteRemoteSource({ remoteSource: 'github' }))).toBe('remote_source_in_use')
  const { tasks } = await configstore.claimTasks({ ...claim, kinds: ['clean_remote'] })
  await configstore.completeTask({ id: tasks[0]!.id, holder: 'h1' })
  expect(await codeOf(configstore.linkedAccountCredentials({ id }))).toBe('linked_account_not_found')
  expect(world.database.view((tx) => tx.count('sealed', { index: 'byOwner', prefix: [id] }))).toBe(0)
})

/** A tree with more rows than one transaction removes. */
async function aLargeTree({ database, configstore }: World) {
  await aGroup(configstore, 'org/acme/large')
  const root = await configstore.getProjectGroup({ group: 'org/acme/large' })
  const template = await aProject(configstore, 'org/acme/large/p')
  const row = database.view((tx) => tx.get('project', template.id)!)
  const ids: string[] = []
  const groups = Array.from({ length: 10 }, (_, n) => ({ id: `${root.id.slice(0, -3)}${100 + n}`, name: `g${n}` }))
  await database.do((tx) => {
    for (const { id, name } of groups) {
      const { owner: _, path: __, parentPath: ___, globalVisibility: ____, ...group } = root
      tx.put('projectgroup', id, { ...group, id, name, parent: { type: 'projectgroup', id: root.id } })
      for (let n = 0; n < limits.cascadeRows.value / 5; n++) {
        const projectId = `${template.id.slice(0, -8)}${name}${String(n).padStart(6, '0')}`
        ids.push(projectId)
        tx.put('project', projectId, { ...row, id: projectId, name: `p${n}`, groupId: id })
      }
    }
  })
  return { ids, groups, template }
}

test('a tree of many rows is hidden at once and removed in several transactions, with a task for every project', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const { ids, groups, template } = await aLargeTree(world)
  const before = world.database.position
  await configstore.deleteProjectGroup({ group: 'org/acme/large' })
  expect(world.database.view((tx) => tx.count('project'))).toBeGreaterThan(0)
  expect(await codeOf(configstore.getProject({ project: template.id }))).toBe('project_not_found')
  for (const { id } of groups) {
    expect(await codeOf(configstore.getProjectGroup({ group: id }))).toBe('project_group_not_found')
    expect(await codeOf(configstore.listProjects({ group: id }))).toBe('project_group_not_found')
  }
  const { items } = await configstore.resolveProjectAccess({ projectIds: ids.slice(0, 1000) })
  expect(items).toEqual([])
  await aGroup(configstore, 'org/acme/large')
  await settle(world)
  expect(rowsLeft(world)).toMatchObject({ project: 0, removal: 0, projectgroup: 3 })
  expect(world.database.position - before).toBeGreaterThanOrEqual((ids.length * 2) / limits.cascadeRows.value)
  const tasks = world.database.view((tx) => new Set(tx.list('task').map(({ body }) => body.id)))
  for (const id of ids) expect(tasks.has(`delete_runs/project/${id}`)).toBe(true)
})

test.each([
  ['its group', ({ configstore }: World) => configstore.deleteProjectGroup({ group: 'org/acme/large' })],
  ['its organization', ({ configstore }: World) => configstore.deleteOrganization({ organization: 'acme' })],
])('a large deletion of %s goes on by itself', async (_, act) => {
  await using opened = await openAcme()
  const { world } = opened
  await aLargeTree(world)
  await act(world)
  expect(rowsLeft(world).project).toBeGreaterThan(0)
  await until(() => rowsLeft(world).removal === 0)
  expect(rowsLeft(world)).toMatchObject({ project: 0, removal: 0 })
})

test('the tokens of a deleted user are there for what a long deletion comes to at its end', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  const bob = await aUser(configstore, 'bob')
  const linked = await aLinkedAccount(configstore, bob)
  const last = await aProject(configstore, 'user/bob/zz', { source: fromRemote(linked) })
  const row = world.database.view((tx) => tx.get('project', last.id)!)
  await world.database.do((tx) => {
    for (let n = 0; n < limits.cascadeRows.value; n++) {
      const id = `${last.id.slice(0, -6)}${String(n).padStart(6, '0')}`
      tx.put('project', id, { ...row, id, name: `a${n}`, source: { kind: 'none' } })
    }
  })
  await configstore.deleteUser({ user: 'bob' })
  expect(world.database.view((tx) => tx.get('project', last.id))).toBeDefined()
  await settle(world)
  const { tasks } = await configstore.claimTasks({ ...claim, kinds: ['clean_remote'] })
  expect(tasks).toMatchObject([{ work: { projectId: last.id } }])
  const { id } = linked.account
  expect(await configstore.linkedAccountCredentials({ id })).toEqual({ accessToken: 'token-of-bob' })
  await configstore.completeTask({ id: tasks[0]!.id, holder: 'h1' })
  expect(await codeOf(configstore.linkedAccountCredentials({ id }))).toBe('linked_account_not_found')
})

test('a deletion that a crash broke off goes on when the store is opened again', async () => {
  await using owner = new AsyncDisposableStack()
  const dir = aDirectory(owner)
  const keys = [newSealingKey()] as const
  {
    await using world = await openWorld({ dir, keys })
    await anOrganization(world.configstore, 'acme', await aUser(world.configstore, 'ann'))
    await aLargeTree(world)
    await world.configstore.deleteOrganization({ organization: 'acme' })
    // Closing stops between two transactions.
  }
  await using world = await openWorld({ dir, keys })
  expect(rowsLeft(world).project).toBeGreaterThan(0)
  await settle(world)
  expect(rowsLeft(world)).toEqual({
    projectgroup: 1,
    project: 0,
    secret: 0,
    variable: 0,
    sealed: 0,
    removal: 0,
    member: 0,
  })
})

test('a task is given to one at a time, and to another one when its lease has ended', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  for (const name of ['a', 'b', 'c']) {
    await aProject(configstore, `org/acme/${name}`)
    await configstore.deleteProject({ project: `org/acme/${name}` })
  }
  const both = await Promise.all([
    configstore.claimTasks({ ...claim, limit: 2 }),
    configstore.claimTasks({ ...claim, holder: 'h2', limit: 2 }),
  ])
  const [mine, others] = both.map(({ tasks }) => tasks.map(({ id }) => id)) as [string[], string[]]
  expect(mine.length + others.length).toBe(3)
  expect(mine.filter((id) => others.includes(id))).toEqual([])
  const id = mine[0]!
  expect(await codeOf(configstore.completeTask({ id, holder: 'h2' }))).toBe('task_lease_lost')
  world.clock.pass(59 * secondMs)
  await configstore.renewTask({ id, holder: 'h1', leaseMs: 60 * secondMs })
  world.clock.pass(secondMs)
  const after = await configstore.claimTasks({ ...claim, holder: 'h3' })
  expect(after.tasks.map((task) => task.id)).not.toContain(id)
  expect(after.tasks).toHaveLength(2)
  expect(after.tasks[0]).toMatchObject({ attempts: 1 })
  for (const operation of [
    () => configstore.renewTask({ id: after.tasks[0]!.id, holder: 'h1', leaseMs: secondMs }),
    () => configstore.failTask({ id: after.tasks[0]!.id, holder: 'h2', error: 'x', retryMs: 0 }),
    () => configstore.completeTask({ id: 'none', holder: 'h1' }),
  ])
    expect(await codeOf(operation())).toBe('task_lease_lost')
  await configstore.completeTask({ id, holder: 'h1' })
  expect((await configstore.listTasks()).items).toHaveLength(2)
})

test('a task that failed comes again later, with what went wrong', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  await aProject(configstore, 'org/acme/web')
  await configstore.deleteProject({ project: 'org/acme/web' })
  const { tasks } = await configstore.claimTasks(claim)
  const { id } = tasks[0]!
  const week = 7 * 24 * 3600 * secondMs
  await configstore.failTask({ id, holder: 'h1', error: 'x'.repeat(2000), retryMs: week })
  const { items } = await configstore.listTasks()
  expect(items[0]).toMatchObject({ attempts: 1, dueAt: world.clock.now() + limits.taskRetryMs.value })
  expect(items[0]!.lastError).toHaveLength(limits.taskErrorCharacters.value)
  world.clock.pass(limits.taskRetryMs.value - 1)
  expect((await configstore.claimTasks(claim)).tasks).toEqual([])
  world.clock.pass(1)
  expect((await configstore.claimTasks(claim)).tasks).toMatchObject([{ id, attempts: 1 }])
})

test('who waits for a task gets it as soon as there is one, or nothing when the time has passed', async () => {
  await using opened = await openAcme()
  const { configstore, world } = opened
  await aProject(configstore, 'org/acme/web')
  const waiting = configstore.claimTasks({ ...claim, waitMs: 30 * secondMs })
  await configstore.deleteProject({ project: 'org/acme/web' })
  const { tasks } = await waiting
  expect(tasks).toHaveLength(1)

  const inVain = configstore.claimTasks({ ...claim, holder: 'h2', waitMs: 30 * secondMs })
  await turns()
  world.clock.pass(30 * secondMs)
  expect((await inVain).tasks).toEqual([])

  const untilItsLeaseEnds = configstore.claimTasks({ ...claim, holder: 'h2', waitMs: 30 * secondMs })
  await turns()
  world.clock.pass(30 * secondMs)
  expect((await untilItsLeaseEnds).tasks).toMatchObject([{ id: tasks[0]!.id, attempts: 1 }])

  const leaving = new AbortController()
  const left = configstore.claimTasks({ ...claim, waitMs: 30 * secondMs }, { signal: leaving.signal })
  await turns()
  leaving.abort()
  expect((await left).tasks).toEqual([])
})

async function turns(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
}

test('closing does not wait for those who wait for tasks', async () => {
  const world = await openWorld()
  const waiting = codeOf(world.configstore.claimTasks({ ...claim, waitMs: 30 * secondMs }))
  await turns()
  await world.configstore[Symbol.asyncDispose]()
  expect(await waiting).toBe('database_closed')
  await dispose(world)
})

test.each([
  ['no lease', { leaseMs: 0 }],
  ['a lease of more than an hour', { leaseMs: limits.taskLeaseMs.value + 1 }],
  ['no task', { limit: 0 }],
  ['too many tasks', { limit: 101 }],
  ['a wait of more than 30 s', { waitMs: limits.taskWaitMs.value + 1 }],
  ['a wait that is none', { waitMs: Number.NaN }],
])('a claim for %s is refused', async (_, wrong) => {
  await using opened = await openAcme()
  expect(await codeOf(opened.configstore.claimTasks({ ...claim, ...wrong }))).toBe('list_invalid')
})
