// Identities of users at remote sources, and the tokens that act for them there.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { AccountCredentials, Configstore, NewLinkedAccount } from '../api.ts'
import { Tree } from '../projects/tree.ts'
import { getRemoteSource, getUser, notFound } from '../refs.ts'
import type { LinkedAccountRow, Reading, Tx } from '../row-types.ts'
import type { Keyring } from '../secrets/keyring.ts'
import { changed, checkVersion, given, newStored, picked, type Store, without } from '../store.ts'
import { isText } from '../texts.ts'
import type { LinkedAccount, User } from '../types.ts'

type Operations = Pick<
  Configstore,
  | 'createLinkedAccount'
  | 'listLinkedAccounts'
  | 'getLinkedAccount'
  | 'findLinkedAccount'
  | 'updateLinkedAccount'
  | 'deleteLinkedAccount'
>

export function linkedAccountOperations(store: Store): Operations {
  return {
    createLinkedAccount: async ({ user: ref, ...account }, context) => {
      const prepared = prepareAccount(store, account)
      return store.write(context, 'createLinkedAccount', (tx) =>
        addLinkedAccount(tx, store.keyring, getUser(tx, ref), prepared),
      )
    },

    listLinkedAccounts: ({ user: ref }, context) =>
      store.read(context, (tx) => {
        const user = getUser(tx, ref)
        const rows = tx.list('linkedaccount', { index: 'byUser', prefix: [user.id] })
        return { items: rows.map(({ body }) => viewAccount(body)) }
      }),

    getLinkedAccount: ({ id }, context) => store.read(context, (tx) => viewAccount(getAccount(tx, id))),

    findLinkedAccount: ({ remoteSource, remoteUserId }, context) =>
      store.read(context, (tx) => {
        const account = findIdentity(tx, getRemoteSource(tx, remoteSource).id, remoteUserId)
        return account === undefined
          ? {}
          : given({ account: viewAccount(account), user: tx.get('user', account.userId) })
      }),

    updateLinkedAccount: async ({ user: ref, id, credentials, expectedVersion, ...input }, context) => {
      const identity = picked(input, ['remoteUserId', 'remoteUserName', 'remoteUserAvatarUrl'])
      checkTexts(identity)
      const now = store.now()
      return store.write(context, 'updateLinkedAccount', (tx) => {
        const account = getAccount(tx, id, getUser(tx, ref))
        checkVersion(account, given({ expectedVersion }), `linked account ${account.remoteUserName}`)
        const other = findIdentity(tx, account.remoteSourceId, identity.remoteUserId ?? account.remoteUserId)
        if (other !== undefined && other.id !== id) throw exists(identity.remoteUserId ?? '')
        const next = changed(account, identity, now)
        if (credentials === undefined) {
          tx.put('linkedaccount', id, next)
          return viewAccount(next)
        }
        return viewAccount(
          replaceTokens(tx, { keyring: store.keyring, now }, { ...next, version: account.version }, credentials),
        )
      })
    },

    deleteLinkedAccount: ({ user: ref, id, force = false, ...guard }, context) =>
      store.write(context, 'deleteLinkedAccount', (tx) => {
        const account = getAccount(tx, id, getUser(tx, ref))
        checkVersion(account, guard, `linked account ${account.remoteUserName}`)
        if (!force) refuseIfUsed(projectsUsing(new Tree(tx), id))
        retire(tx, account)
        purgeRetired(tx)
        return {}
      }),
  }
}

export type PreparedAccount = NewLinkedAccount & { readonly id: string; readonly now: number }

/** Errors: `linked_account_invalid`. */
export function prepareAccount(store: Store, account: NewLinkedAccount): PreparedAccount {
  checkTexts(account)
  return { ...account, id: store.newId(), now: store.now() }
}

/** Errors: `remote_source_not_found`, `linked_account_exists`. */
export function addLinkedAccount(tx: Tx, keyring: Keyring, user: User, prepared: PreparedAccount): LinkedAccount {
  const { id, now, remoteSource, remoteUserId, remoteUserName, remoteUserAvatarUrl, ...credentials } = prepared
  const source = getRemoteSource(tx, remoteSource)
  if (findIdentity(tx, source.id, remoteUserId) !== undefined) throw exists(remoteUserName)
  if (tx.count('linkedaccount', { index: 'byUser', prefix: [user.id, source.id] }) > 0)
    throw new SlipwayError('linked_account_exists', `user ${user.name} has a linked account at ${source.name}`)
  const account: LinkedAccountRow = {
    ...newStored(id, now),
    userId: user.id,
    remoteSourceId: source.id,
    remoteUserId,
    remoteUserName,
    ...given({ remoteUserAvatarUrl }),
    ...expiryOf(credentials),
  }
  tx.put('linkedaccount', id, account)
  putCredentials(tx, keyring, id, credentials)
  return account
}

/** Projects that are there and use the account, at most as many as a message names and one more. */
export function projectsUsing(tree: Tree, accountId: string, except?: { readonly ownerId: string }): readonly string[] {
  const paths: string[] = []
  let after: readonly [string, string] | undefined
  for (;;) {
    const rows = tree.tx.list('project', {
      index: 'byLinkedAccount',
      prefix: [accountId],
      limit: 100,
      ...(after === undefined ? {} : { after }),
    })
    for (const { id, body } of rows) {
      after = [accountId, id]
      const place = tree.placeOf(body.groupId)
      if (place !== undefined && place.owner.id !== except?.ownerId) paths.push(`${place.path}/${body.name}`)
      if (paths.length > projectsNamed) return paths
    }
    if (rows.length < 100) return paths
  }
}

/** Throws `linked_account_in_use` when projects of others use an account of this user. */
export function checkUnusedBy(tx: Reading, userId: string): void {
  const tree = new Tree(tx)
  const accounts = tx.list('linkedaccount', { index: 'byUser', prefix: [userId] })
  refuseIfUsed(accounts.flatMap(({ id }) => projectsUsing(tree, id, { ownerId: userId })))
}

const projectsNamed = 10

function refuseIfUsed(paths: readonly string[]): void {
  if (paths.length === 0) return
  const more = paths.length > projectsNamed ? ' and more' : ''
  throw new SlipwayError(
    'linked_account_in_use',
    `projects use the linked account: ${paths.slice(0, projectsNamed).join(', ')}${more}; give them another one first`,
  )
}

/** Hides the account; its identity is free at once. */
export function retire(tx: Tx, account: LinkedAccountRow): void {
  tx.put('linkedaccount', account.id, { ...account, isRetired: true })
}

/** Removes retired accounts that no task needs, nor any that a removal may still make. */
export function purgeRetired(tx: Tx): void {
  if (tx.list('removal', { limit: 1 }).length > 0) return
  for (const { id } of tx.list('linkedaccount', { index: 'byRetired' })) {
    if (tx.list('task', { index: 'byLinkedAccount', prefix: [id], limit: 1 }).length > 0) continue
    tx.delete('linkedaccount', id)
    for (const { id: sealedId } of tx.list('sealed', { index: 'byOwner', prefix: [id] })) tx.delete('sealed', sealedId)
  }
}

/** `owner`: whose it must be. Errors: `linked_account_not_found`. */
export function getAccount(tx: Reading, id: string, owner?: User): LinkedAccountRow {
  const account = tx.get('linkedaccount', id)
  const isThere = account !== undefined && account.isRetired !== true
  if (isThere && (owner === undefined || account.userId === owner.id)) return account
  throw notFound('linked_account_not_found', 'linked account', id)
}

function findIdentity(tx: Reading, remoteSourceId: string, remoteUserId: string): LinkedAccountRow | undefined {
  const prefix = [remoteSourceId, remoteUserId]
  return tx.list('linkedaccount', { index: 'byIdentity', prefix, limit: 1 })[0]?.body
}

/** The tokens are others even where nothing that is shown has changed; whatever was wrong with those before is over. */
export function replaceTokens(
  tx: Tx,
  { keyring, now }: Pick<Store, 'keyring'> & { readonly now: number },
  account: LinkedAccountRow,
  credentials: AccountCredentials,
): LinkedAccountRow {
  putCredentials(tx, keyring, account.id, credentials)
  const next = {
    ...without(account, ['accessTokenExpiresAt', 'trouble', 'refresh']),
    ...expiryOf(credentials),
    updatedAt: now,
    version: account.version + 1,
  }
  tx.put('linkedaccount', account.id, next)
  return next
}

/** As other rooms see it. */
export function viewAccount({ refresh: _, ...account }: LinkedAccountRow): LinkedAccount {
  return account
}

function putCredentials(tx: Tx, keyring: Keyring, id: string, { accessToken, refreshToken }: AccountCredentials): void {
  for (const [field, value] of Object.entries({ accessToken, refreshToken })) {
    if (value === undefined || value === '') keyring.delete(tx, id, field)
    else keyring.put(tx, 'linkedaccount', id, field, value)
  }
}

const expiryOf = (credentials: AccountCredentials | undefined) =>
  given({ accessTokenExpiresAt: credentials?.accessTokenExpiresAt })

const exists = (remoteUserName: string) =>
  new SlipwayError('linked_account_exists', `the remote user ${remoteUserName} is linked already`)

function checkTexts(texts: Partial<Pick<NewLinkedAccount, 'remoteUserId' | 'remoteUserName' | 'remoteUserAvatarUrl'>>) {
  const { remoteUserId, remoteUserName, remoteUserAvatarUrl } = texts
  for (const [field, text] of Object.entries({ remoteUserId, remoteUserName, remoteUserAvatarUrl })) {
    const isMissing = text === '' && field !== 'remoteUserAvatarUrl'
    if (text === undefined || (!isMissing && isText(text))) continue
    throw new SlipwayError(
      'linked_account_invalid',
      `${field} of a linked account has 1 to ${limits.configTextBytes.value} bytes`,
    )
  }
}
