// Keys of the store: what another key cannot open, and how keys are changed while values stay.

import { expect, test } from 'vitest'
import { newSealingKey } from '../../lib/sealing.ts'
import {
  aDirectory,
  anOrganization,
  aUser,
  codeOf,
  githubSource,
  openWorld,
  type World,
} from '../configstore-fixture.ts'
import type { InstallationKeys } from './keyring.ts'

const parent = { type: 'projectgroup', ref: 'org/acme' } as const

async function withSecrets(world: World, count: number): Promise<void> {
  const { configstore } = world
  await anOrganization(configstore, 'acme', await aUser(configstore, 'ann'))
  const data = Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, `value ${n}`]))
  await configstore.createSecret({ parent, name: 's', data })
}

/** All values in clear. */
async function values({ configstore, database }: World): Promise<readonly string[]> {
  const refs = database.view((tx) => tx.list('sealed').map(({ id }) => id))
  return Object.values((await configstore.openSecrets({ refs })).values).sort()
}

/** Opens a store in one directory again and again, with these keys. */
function aStore(owner: AsyncDisposableStack) {
  const dir = aDirectory(owner)
  return (keys: InstallationKeys) => openWorld({ dir, keys })
}

test('a store has at most 16 data keys; one that is retired makes room', async () => {
  await using world = await openWorld()
  const { configstore } = world
  for (let n = 1; n < 16; n++) await configstore.rotateKey()
  expect(await codeOf(configstore.rotateKey())).toBe('limit_exceeded')
  const { keys } = await configstore.keyStatus()
  expect(keys).toHaveLength(16)
  await configstore.retireKey({ keyId: keys.find(({ isActive }) => !isActive)!.id })
  await configstore.rotateKey()
})

test('a store opens with its key again, and not with another one', async () => {
  await using owner = new AsyncDisposableStack()
  const open = aStore(owner)
  const [key, other] = [newSealingKey(), newSealingKey()]
  {
    await using world = await open([key])
    await withSecrets(world, 2)
  }
  await expect(open([other])).rejects.toMatchObject({
    code: 'key_wrong',
    message: expect.stringContaining(`sealed under installation key ${key.id}, and the configured one is ${other.id}`),
  })
  await using world = await open([key])
  expect(await values(world)).toEqual(['value 0', 'value 1'])
})

test('the key of the installation is changed by a start with the new one before the old one', async () => {
  await using owner = new AsyncDisposableStack()
  const open = aStore(owner)
  const [older, newer] = [newSealingKey(), newSealingKey()]
  {
    await using world = await open([older])
    await withSecrets(world, 2)
    await world.configstore.rotateKey()
  }
  {
    await using world = await open([newer, older])
    expect(await values(world)).toEqual(['value 0', 'value 1'])
    const status = await world.configstore.keyStatus()
    expect(status.installationKeyId).toBe(newer.id)
    expect(status.keys.map(({ installationKeyId }) => installationKeyId)).toEqual([newer.id, newer.id])
  }
  await expect(open([older])).rejects.toMatchObject({ code: 'key_wrong' })
  await using world = await open([newer])
  expect(await values(world)).toEqual(['value 0', 'value 1'])
})

test('a data key is changed in steps: added, values sealed anew a few at a time, the old one removed', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  await withSecrets(world, 5)
  const [first] = (await configstore.keyStatus()).keys
  expect(first).toMatchObject({ isActive: true, values: 5 })
  expect(await codeOf(configstore.retireKey({ keyId: first!.id }))).toBe('sealing_key_in_use')
  const { keyId } = await configstore.rotateKey()
  await configstore.createRemoteSource(githubSource)
  expect(await codeOf(configstore.retireKey({ keyId: first!.id }))).toBe('sealing_key_in_use')
  expect(await configstore.resealValues({ limit: 2 })).toMatchObject({ resealed: 2, remaining: 3 })
  expect(await values(world)).toHaveLength(5)
  expect(await configstore.resealValues({ limit: 2 })).toMatchObject({ resealed: 2, remaining: 1 })
  expect(await configstore.resealValues({ limit: 2 })).toMatchObject({ resealed: 1, remaining: 0 })
  const before = database.position
  expect(await configstore.resealValues()).toMatchObject({ resealed: 0, remaining: 0 })
  expect(database.position).toBe(before)
  await configstore.retireKey({ keyId: first!.id })
  expect((await configstore.keyStatus()).keys).toMatchObject([{ id: keyId, isActive: true, values: 6 }])
  expect(await values(world)).toEqual(['value 0', 'value 1', 'value 2', 'value 3', 'value 4'])
  expect(await codeOf(configstore.retireKey({ keyId: first!.id }))).toBe('sealing_key_not_found')
  expect(await codeOf(configstore.resealValues({ limit: 0 }))).toBe('list_invalid')
})

test('an interrupted change of the data key goes on after a restart', async () => {
  await using owner = new AsyncDisposableStack()
  const open = aStore(owner)
  const key = newSealingKey()
  {
    await using world = await open([key])
    await withSecrets(world, 5)
    await world.configstore.rotateKey()
    await world.configstore.resealValues({ limit: 3 })
  }
  await using world = await open([key])
  expect(await values(world)).toHaveLength(5)
  expect(await world.configstore.resealValues()).toMatchObject({ resealed: 2, remaining: 0 })
})

test('large values are sealed anew a megabyte at a time', async () => {
  await using world = await openWorld()
  const { configstore } = world
  await anOrganization(configstore, 'acme', await aUser(configstore, 'ann'))
  const data = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`k${n}`, 'x'.repeat(30_000)]))
  await configstore.createSecret({ parent, name: 's', data })
  await configstore.rotateKey()
  const { resealed, remaining } = await configstore.resealValues({ limit: 1000 })
  expect(resealed).toBeLessThan(40)
  expect(resealed + remaining).toBe(60)
})

test('a sealed value that is moved to another place opens nothing', async () => {
  await using world = await openWorld()
  const { configstore, database } = world
  await withSecrets(world, 1)
  await configstore.createSecret({ parent, name: 'other', data: { k0: 'another value' } })
  const [first, second] = database.view((tx) => tx.list('sealed').map(({ id, body }) => ({ id, body })))
  await database.do((tx) => tx.put('sealed', first!.id, { ...first!.body, text: second!.body.text }))
  expect(await codeOf(configstore.openSecrets({ refs: [first!.id] }))).toBe('key_wrong')
})

test('a data key that was exchanged for another one stops the start', async () => {
  await using owner = new AsyncDisposableStack()
  const open = aStore(owner)
  const key = newSealingKey()
  {
    await using world = await open([key])
    const { keyId } = await world.configstore.rotateKey()
    await world.database.do((tx) => {
      const [older] = tx.list('datakey').filter(({ id }) => id !== keyId)
      tx.put('datakey', keyId, { ...tx.get('datakey', keyId)!, wrapped: older!.body.wrapped })
    })
  }
  await expect(open([key])).rejects.toMatchObject({ code: 'key_wrong' })
})

test('no row of the store tells a value or a key in clear', async () => {
  await using world = await openWorld()
  await withSecrets(world, 3)
  const { database, keys } = world
  const text = JSON.stringify(database.view((tx) => [tx.list('sealed'), tx.list('datakey'), tx.list('keyring')]))
  expect(text).not.toContain('value 0')
  expect(text).not.toContain(keys[0].bytes.toString('base64'))
})
