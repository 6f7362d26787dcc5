import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ConfigstoreSchema, configstoreRowTypes, memberRowId } from '../../configstore/row-types.ts'
import { Keyring } from '../../configstore/secrets/keyring.ts'
import { importDatabase } from '../../datamanager/export/import-database.ts'
import { openDatabase } from '../../datamanager/open-database.ts'
import { systemClock } from '../../lib/clock.ts'
import { newSealingKey } from '../../lib/sealing.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { newer, older, streamOf, times } from './agola-export-fixture.ts'
import { convertAgolaExport } from './convert.ts'

const key = newSealingKey()
const at = { createdAt: Date.parse(times.creationTime), updatedAt: Date.parse(times.updateTime), version: 1 }
const deployKey = generateKeyPairSync('rsa', { modulusLength: 1024 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()

/** Converted, imported and opened, as a configstore finds it. */
async function imported(text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-agola-config-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rmSync(folder, { recursive: true }))
  const ost = undo.use(await openPosixObjectStorage({ root: join(folder, 'ost') }))
  const place = { ost, base: 'configstore' }
  const options = { service: 'configstore', storeId: 'store', key, now: 5 } as const
  await using converted = await convertAgolaExport(streamOf(text), options)
  const { report, stream } = converted
  await importDatabase({ place, database: 'configstore', types: configstoreRowTypes, stream, now: 2 })
  const db = undo.use(
    await openDatabase<ConfigstoreSchema>({
      ...{ path: join(folder, 'db'), types: configstoreRowTypes, clock: systemClock },
      storage: { place },
    }),
  )
  const keyring = await Keyring.open(db, [key], 9)
  const owned = undo.move()
  const rows = <T extends keyof ConfigstoreSchema>(type: T) =>
    Object.fromEntries(db.view((tx) => tx.list(type)).map(({ id, body }) => [id, body]))
  const opened = (type: 'project' | 'secret' | 'linkedaccount' | 'remotesource', id: string, field: string) =>
    db.view((tx) => keyring.find(tx, type, id, field))
  return { db, rows, opened, report, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const object = (kind: string, id: string, members: Parameters<typeof newer>[1]) =>
  newer(kind, { id, ...times, ...members })

const whole = [
  object('RemoteSource', 'rs', {
    ...{ name: 'gh', apiurl: 'https://api.github.com', type: 'github', auth_type: 'oauth2', client_id: 'ci' },
    ...{ client_secret: 'very secret', registration_enabled: true },
  }),
  object('User', 'u1', { name: 'ann', secret: 'f00', admin: true }),
  object('User', 'u2', { name: 'bob' }),
  object('UserToken', 't1', { name: 'cli', value: 'deadbeef', user_id: 'u1' }),
  object('LinkedAccount', 'la', {
    ...{ user_id: 'u1', remote_user_id: '42', remote_username: 'ann-gh', remote_source_id: 'rs' },
    ...{
      oauth2_access_token: 'at',
      oauth2_refresh_token: 'rt',
      oauth_2_access_token_expires_at: '0001-01-01T00:00:00Z',
    },
  }),
  object('Organization', 'o1', { name: 'acme', visibility: 'public', creator_user_id: 'u1' }),
  object('OrganizationMember', 'm1', { organization_id: 'o1', user_id: 'u1', member_role: 'owner' }),
  object('ProjectGroup', 'g1', { parent: { type: 'org', id: 'o1' }, visibility: 'public' }),
  object('ProjectGroup', 'g2', { name: 'team', parent: { type: 'projectgroup', id: 'g1' }, visibility: 'private' }),
  object('ProjectGroup', 'g3', { parent: { type: 'user', id: 'u2' }, visibility: 'public' }),
  object('Project', 'p1', {
    ...{ name: 'web', parent: { type: 'projectgroup', id: 'g2' }, visibility: 'private', secret: 'x' },
    ...{ remote_repository_config_type: 'remotesource', remote_source_id: 'rs', linked_account_id: 'la' },
    ...{ repository_id: '7', repository_path: 'acme/web', ssh_private_key: deployKey, webhook_secret: 'hook' },
    ...{ pass_vars_to_forked_pr: true, default_branch: 'main', members_can_perform_run_actions: true },
  }),
  object('Secret', 's1', {
    ...{ name: 'deploy', parent: { type: 'project', id: 'p1' }, type: 'internal' },
    data: { prod: 'hunter2', empty: '' },
  }),
  object('Variable', 'v1', {
    ...{ name: 'deploykey', parent: { type: 'projectgroup', id: 'g2' } },
    values: [
      {
        ...{ secret_name: 'deploy', secret_var: 'prod' },
        when: { tag: { include: [{ type: 'regexp', match: '^v[0-9]+' }] } },
      },
      { secret_name: 'deploy', secret_var: 'staging' },
    ],
  }),
  object('OrgInvitation', 'i1', { organization_id: 'o1', user_id: 'u2', role: 'member' }),
].join('')

test('users, organizations, the tree, secrets and variables arrive, and values are sealed and open', async () => {
  await using store = await imported(whole)
  const { rows, opened, report } = store
  expect(rows('user')).toEqual({
    u1: { id: 'u1', ...at, name: 'ann', isAdmin: true, hasPassword: false },
    u2: { id: 'u2', ...at, name: 'bob', isAdmin: false, hasPassword: false },
  })
  expect(rows('organization')).toEqual({
    o1: { id: 'o1', ...at, name: 'acme', visibility: 'public', creatorUserId: 'u1' },
  })
  const names = { organizationId: 'o1', organizationName: 'acme' }
  expect(rows('member')).toEqual({
    [memberRowId('o1', 'u1')]: { id: 'm1', ...at, ...names, userId: 'u1', userName: 'ann', role: 'owner' },
  })
  expect(rows('invitation')).toEqual({
    [memberRowId('o1', 'u2')]: { id: 'i1', ...at, ...names, userId: 'u2', userName: 'bob', role: 'member' },
  })
  expect(rows('projectgroup')).toMatchObject({
    g1: { name: '', parent: { type: 'organization', id: 'o1' }, visibility: 'public' },
    g2: { name: 'team', parent: { type: 'projectgroup', id: 'g1' }, visibility: 'private' },
    g3: { name: '', parent: { type: 'user', id: 'u2' } },
  })
  expect(rows('project')).toMatchObject({
    p1: {
      ...{
        ...at,
        name: 'web',
        groupId: 'g2',
        visibility: 'private',
        defaultBranch: 'main',
        passVariablesToForks: true,
      },
      source: {
        ...{ kind: 'remotesource', remoteSourceId: 'rs', linkedAccountId: 'la' },
        ...{ repositoryId: '7', repositoryPath: 'acme/web' },
      },
      membersCanPerformRunActions: { ownerId: 'o1', value: true },
      ...{ deployKeyInTasks: true, hasWebhookSecret: true, deployKeyPublic: expect.stringMatching(/^ssh-rsa AAAA/) },
    },
  })
  expect(rows('remotesource')).toMatchObject({
    rs: {
      ...{ name: 'gh', type: 'github', authType: 'oauth2', apiUrl: 'https://api.github.com', oauth2ClientId: 'ci' },
      ...{ registrationEnabled: true, loginEnabled: false },
    },
  })
  expect(rows('secret')).toEqual({
    s1: {
      id: 's1',
      ...at,
      name: 'deploy',
      type: 'internal',
      parent: { type: 'project', id: 'p1' },
      keys: ['empty', 'prod'],
    },
  })
  expect(rows('variable')).toMatchObject({
    v1: {
      values: [
        {
          ...{ secretName: 'deploy', secretVar: 'prod' },
          when: { tag: { include: [{ type: 'regexp', match: '^v[0-9]+' }], exclude: [] } },
        },
        { secretName: 'deploy', secretVar: 'staging' },
      ],
    },
  })
  expect(opened('secret', 's1', 'prod')).toBe('hunter2')
  expect(opened('secret', 's1', 'empty')).toBe('')
  expect(opened('project', 'p1', 'deployKey')).toBe(deployKey)
  expect(opened('project', 'p1', 'webhookSecret')).toBe('hook')
  expect(opened('linkedaccount', 'la', 'accessToken')).toBe('at')
  expect(opened('linkedaccount', 'la', 'refreshToken')).toBe('rt')
  expect(opened('remotesource', 'rs', 'oauth2ClientSecret')).toBe('very secret')
  expect(report.dropped.map(({ what }) => what)).toEqual(['Project.secret', 'User.secret', 'UserToken'])
  expect(store.db.verify().problems).toEqual([])
})

test('what v0.7 keeps inside of users, and flags it leaves out, are read as it means them', async () => {
  await using store = await imported(
    [
      older('remotesource', 'rs', { id: 'rs', name: 'gt', apiurl: 'http://g', type: 'gitea', auth_type: 'password' }),
      older('user', 'u1', {
        ...{ version: 'v0.1.0', id: 'u1', name: 'ann', password: 'hash', tokens: { cli: 'x' } },
        linked_accounts: {
          la: { id: 'la', remote_user_id: '1', remote_source_id: 'rs', remote_username: 'a', user_access_token: 'ut' },
        },
      }),
      older('org', 'o1', { id: 'o1', name: 'acme', visibility: 'private', created_at: '2020-01-01T00:00:00Z' }),
    ].join(''),
  )
  const { rows, opened, report } = store
  expect(rows('remotesource')).toMatchObject({ rs: { registrationEnabled: true, loginEnabled: true } })
  expect(rows('linkedaccount')).toMatchObject({ la: { userId: 'u1', remoteUserId: '1', remoteUserName: 'a' } })
  expect(opened('linkedaccount', 'la', 'accessToken')).toBe('ut')
  expect(rows('organization')).toMatchObject({ o1: { createdAt: Date.parse('2020-01-01T00:00:00Z') } })
  expect(report.dropped.map(({ what }) => what)).toEqual(['User.password', 'UserToken'])
})

test('what has no place is dropped with what hangs on it, and told', async () => {
  const text = [
    object('RemoteSource', 'rs', { name: 'x', type: 'svn', auth_type: 'password' }),
    object('User', 'u1', { name: 'ann', mood: 'good' }),
    object('User', 'u2', { name: 'not a name' }),
    object('LinkedAccount', 'la', { user_id: 'u1', remote_source_id: 'rs' }),
    object('OrganizationMember', 'm1', { organization_id: 'gone', user_id: 'u1' }),
    object('ProjectGroup', 'g1', { parent: { type: 'user', id: 'u1' } }),
    object('ProjectGroup', 'g2', { name: 'twin', parent: { type: 'projectgroup', id: 'g1' } }),
    object('ProjectGroup', 'g3', { name: 'a', parent: { type: 'projectgroup', id: 'g4' } }),
    object('ProjectGroup', 'g4', { name: 'b', parent: { type: 'projectgroup', id: 'g3' } }),
    object('Project', 'p1', { name: 'twin', parent: { type: 'projectgroup', id: 'g1' }, ssh_private_key: 'none' }),
    object('Project', 'p2', { name: 'lost', parent: { type: 'projectgroup', id: 'g3' } }),
    object('Secret', 's1', { name: 'a', parent: { type: 'project', id: 'p2' }, type: 'internal', data: { a: 'b' } }),
    object('Secret', 's2', { name: 'b', parent: { type: 'project', id: 'p1' }, type: 'external' }),
    object('Pod', 'x', {}),
  ].join('')
  await using store = await imported(text)
  const { rows, report } = store
  expect(Object.keys(rows('projectgroup'))).toEqual(['g1', 'g2'])
  expect(rows('project')).toMatchObject({ p1: { name: 'twin-2', source: { kind: 'none' } } })
  expect(rows('secret')).toEqual({})
  const dropped = Object.fromEntries(report.dropped.map(({ what, examples }) => [what, examples]))
  expect(dropped).toEqual({
    LinkedAccount: ['la'],
    OrganizationMember: ['m1'],
    Pod: ['x'],
    Project: ['p2'],
    'Project.name': ['p1'],
    'Project.ssh_private_key': ['p1'],
    ProjectGroup: ['g3', 'g4'],
    RemoteSource: ['rs'],
    'RemoteSource.type': ['rs'],
    Secret: expect.anything(),
    'User.mood': ['u1'],
    'User.name': ['u2'],
  })
  expect(
    report.dropped
      .filter(({ what }) => what === 'Secret')
      .flatMap(({ examples }) => examples)
      .sort(),
  ).toEqual(['s1', 's2'])
})
