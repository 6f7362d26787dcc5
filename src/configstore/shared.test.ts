// Several instances on one log: what one decides holds for all, whoever else was about to decide at the same time.

import { expect, test } from 'vitest'
import { limits } from '../lib/limits.ts'
import { newSealingKey } from '../lib/sealing.ts'
import {
  aGroup,
  aLinkedAccount,
  anOrganization,
  aProject,
  aUser,
  codeOf,
  fromRemote,
  githubSource,
} from './configstore-fixture.ts'
import { expectInvariants, expectNoOrphans } from './invariants-fixture.ts'
import { type Instance, SharedStore } from './shared-fixture.ts'

async function caughtUp(...instances: Instance[]): Promise<void> {
  const position = Math.max(...instances.map(({ database }) => database.position))
  await Promise.all(instances.map(({ database }) => database.waitFor(position)))
}

test('two instances that open a new store at once have one keyring', async () => {
  await using store = new SharedStore()
  const [first, second] = await Promise.all([store.open(), store.open()])
  await first.configstore.createRemoteSource(githubSource)
  await caughtUp(first, second)
  expect(await second.configstore.remoteSourceCredentials({ remoteSource: 'github' })).toEqual({
    oauth2ClientSecret: 'client-secret',
  })
  expect(first.database.view((tx) => tx.list('datakey'))).toHaveLength(1)
  await expect(store.open([newSealingKey()])).rejects.toMatchObject({ code: 'key_wrong' })
})

test('names are unique whichever instance is asked, ten times at once', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  const ann = await aUser(both[0].configstore, 'ann')
  await anOrganization(both[0].configstore, 'acme', ann)
  await aLinkedAccount(both[0].configstore, ann)
  await caughtUp(...both)
  const race = async (code: string, act: (instance: Instance, n: number) => Promise<unknown>) => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => codeOf(act(both[n % 2]!, n))))
    await caughtUp(...both)
    expect(outcomes.filter((outcome) => outcome === code)).toHaveLength(9)
  }
  await race('user_exists', ({ configstore }) => aUser(configstore, 'bob'))
  await race('organization_exists', ({ configstore }) => anOrganization(configstore, 'umbrella', ann))
  await race('project_group_exists', ({ configstore }) => aGroup(configstore, 'org/acme/team'))
  await race('project_exists', ({ configstore }) => aProject(configstore, 'org/acme/web'))
  await race('invitation_exists', ({ configstore }) =>
    configstore.createInvitation({ organization: 'acme', user: 'bob', role: 'member' }),
  )
  const parent = { type: 'project', ref: 'org/acme/web' } as const
  await race('secret_exists', ({ configstore }) => configstore.createSecret({ parent, name: 's', data: { a: 'A' } }))
  await race('token_exists', ({ configstore }) =>
    configstore.createToken({ user: 'ann', name: 'laptop', scope: 'read' }),
  )
  await race('linked_account_exists', ({ configstore }, n) =>
    configstore.createLinkedAccount({
      user: 'bob',
      remoteSource: 'github',
      remoteUserId: `${n}`,
      remoteUserName: 'bob',
    }),
  )
  const { id: project } = await both[0].configstore.getProject({ project: 'org/acme/web' })
  await race('version_conflict', ({ configstore }, n) =>
    configstore.updateProject({ project, name: `web${n}`, expectedVersion: 1 }),
  )
  for (const { database } of both) database.view(expectInvariants)
  expect(both[0].database.contentHash).toBe(both[1].database.contentHash)
})

test('the last owner stays, though each of two leaves through another instance', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  const [ann, bob] = [await aUser(both[0].configstore, 'ann'), await aUser(both[0].configstore, 'bob')]
  for (let round = 0; round < 5; round++) {
    const { id: organization } = await anOrganization(both[0].configstore, `acme${round}`, ann)
    await both[0].configstore.setMember({ organization, user: bob.id, role: 'owner' })
    await caughtUp(...both)
    const outcomes = await Promise.all([
      codeOf(both[0].configstore.removeMember({ organization, user: ann.id })),
      codeOf(both[1].configstore.removeMember({ organization, user: bob.id })),
    ])
    await caughtUp(...both)
    expect(outcomes.filter((outcome) => outcome === 'last_owner')).toHaveLength(1)
  }
})

test('what is put into a group while another instance deletes it is refused or goes with it', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  await anOrganization(both[0].configstore, 'acme', await aUser(both[0].configstore, 'ann'))
  for (let round = 0; round < 5; round++) {
    const { id } = await aGroup(both[0].configstore, `org/acme/team${round}`)
    await caughtUp(...both)
    await Promise.all([
      ...Array.from({ length: 4 }, (_, n) =>
        codeOf(
          both[1].configstore.createProject({
            group: id,
            name: `p${n}`,
            visibility: 'public',
            source: { kind: 'none' },
          }),
        ),
      ),
      both[0].configstore.deleteProjectGroup({ group: id }),
    ])
  }
  await caughtUp(...both)
  await both[1].configstore.sweep()
  both[1].database.view(expectNoOrphans)
})

test('what one instance made another one finds, when it is told the position', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  for (let round = 0; round < 5; round++) {
    const { id: user, position } = await both[0].configstore.createUser({ name: `user${round}` })
    const context = { atLeast: position }
    const token = { user, name: 'laptop', scope: 'read' } as const
    expect(await codeOf(both[1].configstore.createToken(token, context))).toMatchObject({ token: { userId: user } })
    expect(await codeOf(both[1].configstore.getUser({ user }, context))).toMatchObject({ id: user })
  }
})

test('two instances remove one large tree together', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  await anOrganization(both[0].configstore, 'acme', await aUser(both[0].configstore, 'ann'))
  const first = await aProject(both[0].configstore, 'org/acme/p')
  const count = 3 * limits.cascadeRows.value
  await both[0].database.do((tx) => {
    const row = tx.get('project', first.id)!
    for (let n = 1; n < count; n++) {
      const id = `${first.id.slice(0, -6)}${String(n).padStart(6, '0')}`
      tx.put('project', id, { ...row, id, name: `p${n}` })
    }
  })
  const { position } = await both[0].configstore.deleteOrganization({ organization: 'acme' })
  await both[1].database.waitFor(position)
  await Promise.all(both.map(({ configstore }) => configstore.sweep()))
  await caughtUp(...both)
  for (const { database } of both) database.view(expectNoOrphans)
  expect(both[1].database.view((tx) => tx.count('task'))).toBe(count)
})

test('a key that one instance adds seals what another one writes, and old values are sealed anew by either', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  await anOrganization(both[0].configstore, 'acme', await aUser(both[0].configstore, 'ann'))
  const parent = { type: 'projectgroup', ref: 'org/acme' } as const
  await both[0].configstore.createSecret({ parent, name: 'old', data: { a: 'A', b: 'B' } })
  const { keyId, position } = await both[0].configstore.rotateKey()
  await both[1].database.waitFor(position)
  await both[1].configstore.createSecret({ parent, name: 'new', data: { c: 'C' } })
  const older = (await both[1].configstore.keyStatus()).keys.find(({ id }) => id !== keyId)!
  expect(older.values).toBe(2)
  expect(await codeOf(both[1].configstore.retireKey({ keyId: older.id }))).toBe('sealing_key_in_use')
  expect(await both[1].configstore.resealValues({ limit: 1 })).toMatchObject({ resealed: 1, remaining: 1 })
  expect(await both[0].configstore.resealValues()).toMatchObject({ resealed: 1, remaining: 0 })
  await both[0].configstore.retireKey({ keyId: older.id })
  await caughtUp(...both)
  for (const { configstore, database } of both) {
    const refs = database.view((tx) => tx.list('sealed').map(({ id }) => id))
    expect(Object.values((await configstore.openSecrets({ refs })).values).sort()).toEqual(['A', 'B', 'C'])
  }
})

test('a task is given to one of two instances', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  await aUser(both[0].configstore, 'ann')
  for (let n = 0; n < 6; n++) await aProject(both[0].configstore, `user/ann/p${n}`)
  await both[0].configstore.deleteUser({ user: 'ann' })
  await caughtUp(...both)
  const claim = { kinds: ['delete_runs'], leaseMs: 60_000, limit: 4 } as const
  const claims = await Promise.all(
    both.map(({ configstore }, n) => configstore.claimTasks({ ...claim, holder: `h${n}` })),
  )
  const ids = claims.flatMap(({ tasks }) => tasks.map(({ id }) => id))
  expect(ids).toHaveLength(7)
  expect(new Set(ids).size).toBe(7)
})

test('an instance that waits for tasks hears of those that another one made', async () => {
  await using store = new SharedStore()
  const both = [await store.open(), await store.open()] as const
  await aUser(both[0].configstore, 'ann')
  const waiting = both[1].configstore.claimTasks({ kinds: ['delete_runs'], holder: 'h', leaseMs: 1000, waitMs: 10_000 })
  await both[0].configstore.deleteUser({ user: 'ann' })
  expect((await waiting).tasks).toHaveLength(1)
})

/** What one instance does until it crashes; each step is one operation. */
async function aDay(configstore: Instance['configstore'], done: (step: string) => void): Promise<void> {
  const step = async <T>(name: string, operation: Promise<T>): Promise<T> => {
    const result = await operation
    done(name)
    return result
  }
  const ann = await step('user', configstore.createUser({ name: 'ann' }))
  await step('org', anOrganization(configstore, 'acme', ann))
  const linked = await step('account', aLinkedAccount(configstore, ann))
  await step('group', aGroup(configstore, 'org/acme/team'))
  await step('project', aProject(configstore, 'org/acme/team/web', { source: fromRemote(linked) }))
  const parent = { type: 'project', ref: 'org/acme/team/web' } as const
  await step('secret', configstore.createSecret({ parent, name: 's', data: { a: 'A', b: 'B' } }))
  await step('rotate', configstore.rotateKey())
  await step('reseal', configstore.resealValues({ limit: 2 }))
  const bob = await step('bob', configstore.createUser({ name: 'bob', linkedAccount: { ...remoteBob } }))
  await step('owner', configstore.setMember({ organization: 'acme', user: bob.id, role: 'owner' }))
  await step('leave', configstore.removeMember({ organization: 'acme', user: 'ann' }))
  await step('delete user', configstore.deleteUser({ user: 'ann', force: true }))
  await step('delete org', configstore.deleteOrganization({ organization: 'acme' }))
}
const remoteBob = { remoteSource: 'github', remoteUserId: 'bob', remoteUserName: 'bob', accessToken: 'x' }

test('wherever an instance crashes, another one finds all that was acknowledged, and nothing halfway', async () => {
  const reached = new Set<number>()
  for (let crashAfter = 4; crashAfter < 100; crashAfter += 9) {
    await using store = new SharedStore()
    const crashing = await store.open()
    const done: string[] = []
    let turns = 0
    const day = aDay(crashing.configstore, (step) => done.push(step))
    const ended = day.then(
      () => true,
      () => true,
    )
    while (++turns < crashAfter && !(await Promise.race([ended, nextTurn()])));
    crashing.crash()
    await ended
    reached.add(done.length)
    const next = await store.open()
    next.database.view(expectInvariants)
    await next.configstore.sweep()
    next.database.view(expectInvariants)
    next.database.view(expectNoOrphans)
    const isThere = async (operation: Promise<unknown>) => typeof (await codeOf(operation)) === 'object'
    if (done.includes('user') && !done.includes('leave'))
      expect(await isThere(next.configstore.getUser({ user: 'ann' }))).toBe(true)
    if (done.includes('secret') && !done.includes('owner')) {
      const refs = next.database.view((tx) => tx.list('secret').flatMap(({ id }) => [`${id}/a`, `${id}/b`]))
      expect(Object.values((await next.configstore.openSecrets({ refs })).values)).toEqual(['A', 'B'])
    }
    if (done.includes('delete user')) expect(await isThere(next.configstore.getUser({ user: 'ann' }))).toBe(false)
    if (done.includes('delete org')) expect(next.database.view((tx) => tx.count('project'))).toBe(0)
  }
  expect(reached.size).toBeGreaterThan(5) // Crashes in many places.
}, 60_000)

const nextTurn = () => new Promise<false>((resolve) => setImmediate(() => resolve(false)))
