// The configstore as another process has it: the same interface over HTTP.

import { expect, test } from 'vitest'
import { openHttpServer } from '../http/http-server.ts'
import { createRpcClient } from '../http/rpc/rpc-client.ts'
import { serveRpc } from '../http/rpc/rpc-server.ts'
import { silentLogger } from '../lib/log.ts'
import { anEvent } from '../pipeline/run-config-fixture.ts'
import { type Configstore, configstoreMethods } from './api.ts'
import { anOrganization, aProject, aUser, codeOf, openWorld, plain } from './configstore-fixture.ts'

async function openRemote() {
  await using undo = new AsyncDisposableStack()
  const world = undo.use(await openWorld())
  const settings = { prefix: '/internal/configstore', methods: configstoreMethods, token: 'x'.repeat(32) }
  const server = undo.use(
    await openHttpServer(
      { listen: { host: '127.0.0.1', port: 0 } },
      {
        logger: silentLogger,
        mount: (app) => serveRpc<Configstore>(app, settings, { target: world.configstore, logger: silentLogger }),
      },
    ),
  )
  const configstore = undo.use(createRpcClient<Configstore>({ ...settings, urls: [server.url] }))
  const owned = undo.move()
  return { world, configstore, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test('operations answer over HTTP what they answer here, and fail as they fail here', async () => {
  await using remote = await openRemote()
  const { configstore, world } = remote
  const ann = await configstore.createFirstAdministrator({ name: 'ann', password: 'correct horse' })
  expect(await configstore.getUser({ user: 'ann' }, { atLeast: ann.position })).toEqual(plain(ann))
  expect(await codeOf(aUser(configstore, 'ann'))).toBe('user_exists')
  expect(await codeOf(configstore.getUser({ user: 'bob' }))).toBe('user_not_found')
  await anOrganization(configstore, 'acme', ann)
  const project = await aProject(configstore, 'org/acme/web')
  expect(await world.configstore.getProject({ project: 'org/acme/web' })).toEqual(plain(project))
  const late = configstore.updateProject({ project: project.id, name: 'x', expectedVersion: 7 })
  await expect(late).rejects.toMatchObject({ code: 'version_conflict', message: expect.stringContaining('version 1') })
  const parent = { type: 'project', ref: project.id } as const
  await configstore.createSecret({ parent, name: 's', data: { k: 'wörth\n' } })
  await configstore.createVariable({ parent, name: 'v', values: [{ secretName: 's', secretVar: 'k' }] })
  const { variables } = await configstore.resolveVariables({ project: project.id, event: anEvent(), isFork: false })
  const refs = Object.values(variables).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]))
  expect(Object.values((await configstore.openSecrets({ refs })).values)).toEqual(['wörth\n'])
  expect((await configstore.listUsers()).items).toHaveLength(1)
  expect(await configstore.sweep()).toBeUndefined()
})

test('a repeated request with one transaction id acts once, over HTTP too', async () => {
  await using remote = await openRemote()
  const context = { transactionId: 't1', actor: 'ann' }
  const first = await remote.configstore.createUser({ name: 'ann' }, context)
  expect(await remote.configstore.createUser({ name: 'ann' }, context)).toEqual(first)
})

test('who waits for tasks over HTTP and leaves is not waited for', async () => {
  await using remote = await openRemote()
  const leaving = new AbortController()
  const claim = { kinds: ['delete_runs'], holder: 'h', leaseMs: 1000, waitMs: 30_000 } as const
  const waiting = remote.configstore.claimTasks(claim, { signal: leaving.signal }).then(
    () => 'answered',
    () => 'left',
  )
  setImmediate(() => leaving.abort())
  expect(await waiting).toBe('left')
})
