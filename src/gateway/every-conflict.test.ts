// What every operation refuses because of what is there already, or because somebody was faster: names that are taken, versions that
// are gone by, owners that changed on the way, what is still in use, and what is the last of its kind.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aGroup, aLinkedAccount, aProject, aUser, fromRemote } from '../configstore/configstore-fixture.ts'
import type { RouteId } from '../contract/routes.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { Inbox } from './deliveries/inbox.ts'
import { replaced } from './gateway-fixture.ts'
import { type Changes, codeOf, openRefusals, type Refusals, thatSay } from './refusals-fixture.ts'

let refusals: Refusals
const ask: Refusals['ask'] = (...asked) => refusals.ask(...asked)
/** Whom a look-up of permissions finds as the owner of everything, when somebody else has it by the time of the change. */
let ownerBefore: string | undefined
/** Somebody changes each project after it was read. */
let isProjectChanged = false
/** What there is one of. */
let ids: { readonly receiverId: string; readonly linkedAccountId: string }
/** Whatever its version is. */
const headers = { 'if-match': '*' }

beforeAll(async () => {
  refusals = await openRefusals({
    configstore: (real) =>
      replaced(real, {
        resolveAccess: async (...asked) => {
          const access = await real.resolveAccess(...asked)
          return ownerBefore === undefined ? access : { ...access, owner: { ...access.owner, id: ownerBefore } }
        },
        getProject: async (...asked) => {
          const project = await real.getProject(...asked)
          return isProjectChanged ? { ...project, version: project.version + 1 } : project
        },
      }),
  })
  const { gateway, known } = refusals
  const { configstore } = gateway.world
  for (const parent of [
    { type: 'project', ref: known.projectRef! },
    { type: 'projectgroup', ref: known.projectGroupRef! },
  ] as const)
    for (const name of ['one', 'two']) {
      await configstore.createSecret({ parent, name, data: { key: 'the value' } })
      await configstore.createVariable({ parent, name, values: [{ value: 'x' }] })
    }
  await aGroup(configstore, 'org/acme/tools')
  await aProject(configstore, 'org/acme/api')
  const linked = await aLinkedAccount(configstore, await aUser(configstore, 'carl'))
  await aProject(configstore, 'org/acme/remote', { source: fromRemote(linked) })
  await configstore.createRemoteSource({
    name: 'forge',
    type: 'gitea',
    authType: 'password',
    apiUrl: 'https://f.example',
  })
  const made = await Promise.all(
    ['one', 'two'].map((name) =>
      ask('createReceiver', {
        body: { name, kind: 'webhook', url: `https://${name}.example`, events: ['run.failed'] },
      }),
    ),
  )
  expect(made.map(({ status }) => status)).toEqual([201, 201])
  ids = { receiverId: (made[0]!.body as { id: string }).id, linkedAccountId: linked.account.id }
})
afterAll(async () => await refusals?.[Symbol.asyncDispose]())

const named = { secretName: 'one', variableName: 'one', remoteSourceRef: 'forge', userRef: 'carl' }

describe('a version that is gone by', () => {
  test.each(thatSay('version_conflict').filter((id) => id !== 'setProjectRepository'))('%s', async (id) => {
    const isMember = id === 'setMember' || id === 'removeMember'
    const params = { ...named, ...ids, ...(isMember ? { userRef: 'ann' } : {}) }
    const { status, body } = await ask(id, { params })
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: 'version_conflict', currentVersion: expect.any(Number) },
    })
  })
})

describe('an owner that is another one by now', () => {
  test.each(thatSay('owner_changed'))('%s', async (id) => {
    const params = { ...named, ...ids }
    const body = id.startsWith('create') && id !== 'createWebhookSecret' ? { body: bodyOf(id) } : {}
    ownerBefore = 'somebody'
    try {
      expect(codeOf(await ask(id, { params, headers, ...body }))).toBe('owner_changed')
    } finally {
      ownerBefore = undefined
    }
  })
})

function bodyOf(id: RouteId): object {
  if (id.endsWith('Secret')) return { name: 'new', data: { key: 'the value' } }
  if (id.endsWith('Variable')) return { name: 'new', values: [{ value: 'x' }] }
  return { name: 'new', parentRef: 'org/acme', ...(id === 'createProject' ? { source: { kind: 'none' } } : {}) }
}

const cases: readonly (readonly [id: RouteId, code: ErrorCode, changes: () => Changes])[] = [
  ...(['createProjectSecret', 'createProjectGroupSecret'] as const).map(
    (id) => [id, 'secret_exists', () => ({ body: { name: 'one', data: { key: 'the value' } } })] as const,
  ),
  ...(['createProjectVariable', 'createProjectGroupVariable'] as const).map(
    (id) => [id, 'variable_exists', () => ({ body: { name: 'one', values: [{ value: 'x' }] } })] as const,
  ),
  ...(
    [
      ['updateProjectSecret', 'secret_exists'],
      ['updateProjectGroupSecret', 'secret_exists'],
      ['updateProjectVariable', 'variable_exists'],
      ['updateProjectGroupVariable', 'variable_exists'],
      ['updateReceiver', 'receiver_exists'],
    ] as const
  ).map(([id, code]) => [id, code, () => ({ params: { ...named, ...ids }, body: { name: 'two' } })] as const),
  ['createProjectGroup', 'project_exists', () => ({ body: { name: 'web', parentRef: 'org/acme' } })],
  ['updateProjectGroup', 'project_exists', () => ({ body: { name: 'web' } })],
  ['updateProjectGroup', 'project_group_exists', () => ({ body: { name: 'tools' } })],
  ['updateProject', 'project_exists', () => ({ body: { name: 'api' } })],
  ['updateProject', 'project_group_exists', () => ({ body: { name: 'team' } })],
  ['updateRemoteSource', 'remote_source_exists', () => ({ params: named, body: { name: 'github' } })],
  ['updateUser', 'user_exists', () => ({ params: named, body: { name: 'bob' } })],
  ['updateOrganization', 'organization_exists', () => ({ body: { name: 'other' } })],
  ['deleteUser', 'last_administrator', () => ({ params: { userRef: 'root' } })],
  ['updateUser', 'last_administrator', () => ({ params: { userRef: 'root' }, body: { isAdmin: false } })],
  ['deleteUser', 'last_owner', () => ({ params: { userRef: 'ann' } })],
  ['setMember', 'last_owner', () => ({ params: { userRef: 'ann' }, body: { role: 'member' } })],
  ['removeMember', 'last_owner', () => ({ params: { userRef: 'ann' } })],
  ['deleteUser', 'linked_account_in_use', () => ({ params: named })],
  ['deleteLinkedAccount', 'linked_account_in_use', () => ({ params: { ...named, ...ids } })],
  ['deleteRemoteSource', 'remote_source_in_use', () => ({ params: { remoteSourceRef: 'github' } })],
  ['approveTask', 'task_not_waiting_approval', () => ({ params: { taskId: 'acmeb-id' } })],
]

describe('what is in the way', () => {
  test.each(cases)('%s: %s', async (id, code, changes) => {
    const { status, body } = await ask(id, { headers, ...changes() })
    expect({ status, body }).toMatchObject({ status: 409, body: { code } })
  })
})

test('a project that somebody changed meanwhile does not go to another repository', async () => {
  const { gateway } = refusals
  const { host } = gateway
  const password = 'password there'
  host.addUser('ann-there', password)
  host.addRepository('acme/web', 'ann-there')
  const token = await gateway.tokenOf('ann')
  const at = { remoteSourceRef: 'forge' }
  expect((await ask('linkAccount', { token, body: { ...at, username: 'ann-there', password } })).status).toBe(200)
  isProjectChanged = true
  try {
    const body = { ...at, repositoryPath: 'acme/web' }
    expect(codeOf(await ask('setProjectRepository', { token, body }))).toBe('version_conflict')
  } finally {
    isProjectChanged = false
  }
})

test('of a delivery that was refused nothing is kept that could be done again', async () => {
  const { gateway, known } = refusals
  await new Inbox(gateway).refuse(known.projectRef!, 'github', 'push', 'the signature is wrong')
  const listed = await ask('listDeliveries')
  expect(listed.status, JSON.stringify(listed.body)).toBe(200)
  const { items } = listed.body as { readonly items: readonly { readonly id: string }[] }
  expect(codeOf(await ask('redeliver', { params: { deliveryId: items[0]!.id } }))).toBe('delivery_not_repeatable')
})

test('a token of an executor that was made and revoked is not made again by the same request', async () => {
  const body = { name: 'builder' }
  const headers = { 'idempotency-key': 'a-token' }
  const made = await ask('createExecutorToken', { body, headers })
  const { token } = made.body as { readonly token: { readonly id: string } }
  await ask('deleteExecutorToken', { params: { tokenId: token.id } })
  expect(codeOf(await ask('createExecutorToken', { body, headers }))).toBe('executor_token_not_found')
})

test('nothing is approved in a run that has ended', async () => {
  const { runId } = refusals.others
  expect((await ask('stopRun', { params: { runId: runId! } })).status).toBe(200)
  const params = { runId: runId!, taskId: 'othera-id' }
  expect(codeOf(await ask('approveTask', { params }))).toBe('run_not_running')
})
