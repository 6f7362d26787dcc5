// What all operations have in common: what is logged, what maintenance leaves, what any input may do.

import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openDatabase } from '../datamanager/open-database.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { type LogFields, type Logger, silentLogger } from '../lib/log.ts'
import { newSealingKey } from '../lib/sealing.ts'
import { anEvent } from '../pipeline/run-config-fixture.ts'
import { configstoreMethods } from './api.ts'
import {
  aDirectory,
  aGroup,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  githubSource,
  HandClock,
  openWorld,
} from './configstore-fixture.ts'
import { expectInvariants } from './invariants-fixture.ts'
import { type ConfigstoreSchema, configstoreRowTypes } from './row-types.ts'
import { openConfigstore } from './service.ts'
import { accessTypes } from './types.ts'

test('every change is logged with who made it, and no secret, token or password is', async () => {
  const lines: { message: string; fields: LogFields }[] = []
  const log = (message: string, fields: LogFields = {}) => void lines.push({ message, fields })
  const logger: Logger = { debug: log, info: log, warn: log, error: log }
  await using world = await openWorld({ logger })
  const { configstore } = world
  const context = { actor: 'ann' }
  await configstore.createFirstAdministrator({ name: 'ann', password: 'correct horse' }, context)
  const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'admin' }, context)
  await configstore.createRemoteSource(githubSource, context)
  const parent = { type: 'projectgroup', ref: 'user/ann' } as const
  const { position } = await configstore.createSecret({ parent, name: 's', data: { a: 'hunter2hunter2' } }, context)
  await configstore.getUser({ user: 'ann' })
  const changes = lines.filter(({ message }) => message === 'configuration changed').map(({ fields }) => fields)
  expect(changes.map(({ operation }) => operation)).toEqual([
    'createFirstAdministrator',
    'createToken',
    'createRemoteSource',
    'createSecret',
  ])
  expect(changes.at(-1)).toEqual({ operation: 'createSecret', actor: 'ann', position })
  for (const secret of ['correct horse', value, 'client-secret', 'hunter2hunter2'])
    expect(JSON.stringify(lines)).not.toContain(secret)
})

test('in maintenance all is read and nothing is written, whenever it was opened', async () => {
  await using owner = new AsyncDisposableStack()
  const path = join(aDirectory(owner), 'configstore.db')
  const clock = new HandClock()
  const [older, newer] = [newSealingKey(), newSealingKey()]
  const open = () => openDatabase<ConfigstoreSchema>({ path, types: configstoreRowTypes, clock })
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
  {
    await using database = await open()
    await using configstore = await openConfigstore({ installationKeys: [older] }, { database, clock, logger })
    await aUser(configstore, 'ann')
    await configstore.createRemoteSource(githubSource)
    const { value } = await configstore.createToken({ user: 'ann', name: 'laptop', scope: 'read' })
    await database.freeze('ann', 'an import')
    expect(await codeOf(aUser(configstore, 'bob'))).toBe('maintenance')
    expect(await configstore.authenticateToken({ value })).toMatchObject({ user: { name: 'ann' } })
  }
  await using database = await open()
  await using configstore = await openConfigstore({ installationKeys: [newer, older] }, { database, clock, logger })
  expect(await configstore.remoteSourceCredentials({ remoteSource: 'github' })).toEqual({
    oauth2ClientSecret: 'client-secret',
  })
  expect(await codeOf(aUser(configstore, 'bob'))).toBe('maintenance')
  await database.unfreeze()
  await aUser(configstore, 'bob')
  expect(warnings).toEqual([])
})

test('who is closed answers nobody any more', async () => {
  const world = await openWorld()
  await world[Symbol.asyncDispose]()
  expect(await codeOf(aUser(world.configstore, 'ann'))).toBe('database_closed')
})

/** Methods whose input is an object, with every member that any of them has. */
const text = fc.oneof(
  fc.constantFrom(
    'ann',
    'acme',
    'org/acme',
    'org/acme/team',
    'org/acme/web',
    'user/ann',
    'github',
    's',
    'v',
    '',
    'é\0',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constant('a'.repeat(1100)),
)
const holder = fc.record({ type: fc.constantFrom('project' as const, 'projectgroup' as const), ref: text })
const anyInput = fc.record(
  {
    user: text,
    organization: text,
    remoteSource: text,
    group: text,
    project: text,
    ref: text,
    name: text,
    newName: text,
    id: text,
    keyId: text,
    token: text,
    value: text,
    owner: text,
    userId: text,
    remoteUserId: text,
    remoteUserName: text,
    password: text,
    cursor: text,
    type: fc.constantFrom(...accessTypes),
    visibility: fc.constantFrom('public', 'private', 'x'),
    role: fc.constantFrom('owner', 'member', 'x'),
    scope: fc.constantFrom('read', 'x'),
    authType: fc.constantFrom('password', 'oauth2', 'x'),
    apiUrl: fc.constantFrom('https://gitea.example', 'x'),
    source: fc.constantFrom(
      { kind: 'none' },
      { kind: 'git', url: 'https://git.example/a', auth: 'none', pollIntervalMs: 0 },
    ),
    values: fc.array(fc.record({ value: text }), { maxLength: 2 }),
    data: fc.dictionary(text, text, { maxKeys: 3 }),
    event: fc.constant(anEvent()),
    isFork: fc.boolean(),
    refs: fc.array(text, { maxLength: 3 }),
    projectIds: fc.array(text, { maxLength: 3 }),
    limit: fc.constantFrom(1, 100, 0, -1, Number.NaN),
    expectedVersion: fc.constantFrom(1, 2),
    expectedOwnerId: text,
    force: fc.boolean(),
    tree: fc.boolean(),
    kinds: fc.constant(['delete_runs', 'clean_remote']),
    holder: text,
    leaseMs: fc.constantFrom(1, 0),
    retryMs: fc.constantFrom(0, -1),
    error: text,
  },
  {
    requiredKeys: [
      'user',
      'organization',
      'remoteSource',
      'group',
      'project',
      'ref',
      'name',
      'id',
      'keyId',
      'token',
      'value',
      'owner',
      'remoteUserId',
      'remoteUserName',
      'type',
      'visibility',
      'role',
      'scope',
      'authType',
      'apiUrl',
      'source',
      'values',
      'data',
      'event',
      'isFork',
      'refs',
      'projectIds',
      'kinds',
      'holder',
      'leaseMs',
      'retryMs',
      'error',
    ],
  },
)
const hashing = ['createFirstAdministrator', 'createUser', 'setPassword', 'verifyPassword'] // A tenth of a second each.
const methods = Object.keys(configstoreMethods).filter((name) => !hashing.includes(name))

test('whatever is asked of any operation, it answers or says what is wrong, and what must hold holds', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await configstore.createUser({ name: 'root', isAdmin: true })
  const refill = async () => {
    for (const fill of [
      async () => anOrganization(configstore, 'acme', await configstore.getUser({ user: 'ann' })),
      () => aGroup(configstore, 'org/acme/team'),
      () => aProject(configstore, 'org/acme/web'),
      () => configstore.createRemoteSource(githubSource),
    ])
      await codeOf(fill())
  }
  await aUser(configstore, 'ann')
  let answered = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...methods), anyInput, holder, async (name, input, parent) => {
      const isTree = name === 'createProjectGroup' || name === 'listProjectGroups'
      const call = configstore[name as 'getUser'] as (input: unknown) => Promise<unknown>
      try {
        const type = name === 'createRemoteSource' ? 'gitea' : input.type
        await call({ ...input, type, parent: isTree ? parent.ref : parent })
        answered++
      } catch (error) {
        if (!isSlipwayError(error)) throw error
        expect([error.code, error.kind]).toEqual([
          error.code,
          expect.stringMatching(/^(invalid|notfound|conflict|limit)$/),
        ])
      }
      if (name.startsWith('delete')) await codeOf(aUser(configstore, 'ann')).then(refill)
    }),
    { numRuns: 1500 },
  )
  world.database.view(expectInvariants)
  expect(answered).toBeGreaterThan(100)
}, 60_000)
