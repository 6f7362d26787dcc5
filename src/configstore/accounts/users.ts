// Users and their passwords.

import { SlipwayError } from '../../lib/errors.ts'
import type { Configstore, NewUser } from '../api.ts'
import { removeBelow } from '../cascade/cascade.ts'
import { putTask } from '../cascade/tasks.ts'
import { checkName } from '../names.ts'
import { isOnlyOwner } from '../organizations/membership.ts'
import { pageOf } from '../paging.ts'
import { addRootGroup } from '../projects/project-groups.ts'
import { getUser } from '../refs.ts'
import type { Reading, Tx } from '../row-types.ts'
import { changed, checkVersion, given, newStored, type Store } from '../store.ts'
import type { User } from '../types.ts'
import {
  addLinkedAccount,
  checkUnusedBy,
  type PreparedAccount,
  prepareAccount,
  purgeRetired,
  retire,
} from './linked-accounts.ts'
import { checkPassword } from './passwords.ts'

type Operations = Pick<
  Configstore,
  | 'status'
  | 'createFirstAdministrator'
  | 'createUser'
  | 'getUser'
  | 'listUsers'
  | 'updateUser'
  | 'deleteUser'
  | 'setPassword'
  | 'verifyPassword'
>

export function userOperations(store: Store): Operations {
  return {
    status: (context) => store.read(context, (tx) => ({ hasUsers: hasUsers(tx), position: store.position })),

    createFirstAdministrator: async (input, context) => {
      const prepared = await prepare(store, { ...input, isAdmin: true })
      return store.write(context, 'createFirstAdministrator', (tx) => {
        if (hasUsers(tx)) throw new SlipwayError('users_exist', 'there are users: an administrator has to make others')
        return addUser(tx, store, prepared)
      })
    },

    createUser: async (input, context) => {
      const prepared = await prepare(store, input)
      return store.write(context, 'createUser', (tx) => addUser(tx, store, prepared))
    },

    getUser: ({ user }, context) => store.read(context, (tx) => getUser(tx, user)),

    listUsers: (input = {}, context) =>
      store.read(context, (tx) => pageOf(tx, input, { type: 'user', index: 'byName' }, (user) => user)),

    updateUser: ({ user: ref, name, isAdmin, ...guard }, context) => {
      const now = store.now()
      return store.write(context, 'updateUser', (tx) => {
        const user = getUser(tx, ref)
        checkVersion(user, guard, `user ${user.name}`)
        if (name !== undefined && name !== user.name) checkFree(tx, name)
        if (isAdmin === false) checkNotLastAdministrator(tx, user)
        const next = changed(user, given({ name, isAdmin }), now)
        tx.put('user', user.id, next)
        if (next.name !== user.name) renameInMemberships(tx, next)
        return next
      })
    },

    deleteUser: ({ user: ref, force = false, ...guard }, context) => {
      const now = store.now()
      return store.writeDeletion(context, 'deleteUser', (tx) => {
        const user = getUser(tx, ref)
        checkVersion(user, guard, `user ${user.name}`)
        checkNotLastAdministrator(tx, user)
        checkNotLastOwner(tx, user)
        if (!force) checkUnusedBy(tx, user.id)
        deleteUser(tx, user, now)
      })
    },

    setPassword: async ({ user: ref, password, ...guard }, context) => {
      const now = store.now()
      if (password !== undefined) checkPassword(password)
      const hash = password === undefined ? undefined : await store.passwords.hash(password)
      return store.write(context, 'setPassword', (tx) => {
        const user = getUser(tx, ref)
        checkVersion(user, guard, `user ${user.name}`)
        if (hash === undefined) tx.delete('password', user.id)
        else tx.put('password', user.id, { hash })
        const next = { ...user, hasPassword: hash !== undefined, updatedAt: now, version: user.version + 1 }
        tx.put('user', user.id, next)
        return next
      })
    },

    verifyPassword: async ({ name, password }, context) => {
      const look = () =>
        store.read(context, (tx) => {
          const user = tx.list('user', { index: 'byName', prefix: [name], limit: 1 })[0]?.body
          return user && { user, hash: tx.get('password', user.id)?.hash }
        })
      const before = await look()
      if (!(await store.passwords.verify(password, before?.hash))) return {}
      // Hashing took a while: a password that was changed or a user that went meanwhile does not count any more.
      const after = await look()
      return after?.user.id === before?.user.id && after?.hash === before?.hash ? given({ user: after?.user }) : {}
    },
  }
}

const hasUsers = (tx: Reading) => tx.list('user', { limit: 1 }).length > 0

type PreparedUser = {
  readonly user: User
  readonly hash: string | undefined
  readonly rootGroupId: string
  readonly account: PreparedAccount | undefined
}

async function prepare(
  store: Store,
  { name, isAdmin = false, password, linkedAccount }: NewUser,
): Promise<PreparedUser> {
  checkName(name, 'a user')
  if (password !== undefined) checkPassword(password)
  const account = linkedAccount && prepareAccount(store, linkedAccount)
  const hash = password === undefined ? undefined : await store.passwords.hash(password)
  const user = { ...newStored(store.newId(), store.now()), name, isAdmin, hasPassword: hash !== undefined }
  return { user, hash, rootGroupId: store.newId(), account }
}

function addUser(tx: Tx, store: Store, { user, hash, rootGroupId, account }: PreparedUser): User {
  checkFree(tx, user.name)
  tx.put('user', user.id, user)
  if (hash !== undefined) tx.put('password', user.id, { hash })
  addRootGroup(tx, {
    ...newStored(rootGroupId, user.createdAt),
    ownerType: 'user',
    ownerId: user.id,
    visibility: 'public',
  })
  if (account !== undefined) addLinkedAccount(tx, store.keyring, user, account)
  return user
}

function checkFree(tx: Reading, name: string): void {
  checkName(name, 'a user')
  if (tx.count('user', { index: 'byName', prefix: [name] }) > 0)
    throw new SlipwayError('user_exists', `there is a user ${name}`)
}

function checkNotLastAdministrator(tx: Reading, user: User): void {
  if (user.isAdmin && tx.list('user', { index: 'byAdmin', limit: 2 }).length === 1)
    throw new SlipwayError('last_administrator', `user ${user.name} is the only administrator: make another one first`)
}

function checkNotLastOwner(tx: Reading, user: User): void {
  const names = tx
    .list('member', { index: 'byUser', prefix: [user.id] })
    .filter(({ body }) => body.role === 'owner' && isOnlyOwner(tx, body.organizationId))
    .map(({ body }) => body.organizationName)
  if (names.length > 0) throw new SlipwayError('last_owner', `user ${user.name} is the only owner of ${list(names)}`)
}

const namesShown = 10
const list = (names: readonly string[]) =>
  names.length <= namesShown
    ? names.join(', ')
    : `${names.slice(0, namesShown).join(', ')} and ${names.length - namesShown} more`

function deleteUser(tx: Tx, user: User, now: number): void {
  tx.delete('user', user.id)
  tx.delete('password', user.id)
  for (const type of ['usertoken', 'member', 'invitation'] as const)
    for (const { id } of tx.list(type, { index: 'byUser', prefix: [user.id] })) tx.delete(type, id)
  for (const { body } of tx.list('linkedaccount', { index: 'byUser', prefix: [user.id] })) retire(tx, body)
  putTask(tx, { kind: 'delete_runs', owner: { type: 'user', id: user.id } }, now)
  const [root] = tx.list('projectgroup', { index: 'byParent', prefix: [user.id, ''], limit: 1 })
  if (root !== undefined) {
    tx.delete('projectgroup', root.id)
    removeBelow(tx, [{ type: 'projectgroup', id: root.id }], now)
  }
  purgeRetired(tx)
}

function renameInMemberships(tx: Tx, { id: userId, name: userName }: User): void {
  const options = { index: 'byUser', prefix: [userId] }
  for (const { id, body } of tx.list('member', options)) tx.put('member', id, { ...body, userName })
  for (const { id, body } of tx.list('invitation', options)) tx.put('invitation', id, { ...body, userName })
}
