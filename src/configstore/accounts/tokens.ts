// Tokens of users: `slipway_<12 hex digits to look it up>_<40 hex digits>`, 160 bits that only the user has. The store keeps a
// hash; a plain one is enough for what cannot be guessed.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { CallContext, Configstore, NewToken } from '../api.ts'
import { Tree } from '../projects/tree.ts'
import { getProject, getUser, notFound } from '../refs.ts'
import type { Reading, Tx, UserTokenRow } from '../row-types.ts'
import type { Keyring } from '../secrets/keyring.ts'
import { given, newStored, type Store } from '../store.ts'
import { tokenScopes, type UserToken } from '../types.ts'

type Operations = Pick<Configstore, 'createToken' | 'listTokens' | 'deleteToken' | 'authenticateToken'>

const tokenPattern = /^slipway_([0-9a-f]{12})_[0-9a-f]{40}$/

export function tokenOperations(store: Store): Operations {
  /** Tokens whose use is being noted: many requests at once note it once. */
  const noting = new Set<string>()
  return {
    createToken: async (input, context) => {
      const now = store.now()
      checkNewToken(input, now)
      const id = store.newId()
      const random = randomBytes(26).toString('hex')
      const { token: row, position } = await store.write(context, 'createToken', (tx) => {
        const value = valueFrom(
          context?.transactionId === undefined ? random : derived(tx, store.keyring, input, context)[0]!,
        )
        return { token: addToken(tx, input, { value, id, now }) }
      })
      if (context?.transactionId === undefined) return { token: row, value: valueFrom(random), position }
      // A request that is repeated gets the value that the first one made, though it is stored nowhere.
      const values = await store.read({ atLeast: position }, (tx) => ({
        all: derived(tx, store.keyring, input, context).map(valueFrom),
        hash: tx.get('usertoken', row.id)?.hash,
      }))
      const value = values.all.find((candidate) => hashOf(candidate).toString('hex') === values.hash)
      if (value === undefined) throw notFound('token_not_found', 'token', input.name)
      return { token: row, value, position }
    },

    listTokens: ({ user: ref }, context) =>
      store.read(context, (tx) => {
        const user = getUser(tx, ref)
        return { items: tx.list('usertoken', { index: 'byUser', prefix: [user.id] }).map(({ body }) => shown(body)) }
      }),

    deleteToken: ({ user: ref, token }, context) =>
      store.write(context, 'deleteToken', (tx) => {
        const user = getUser(tx, ref)
        const byId = tx.get('usertoken', token)
        const row = byId?.userId === user.id ? byId : findToken(tx, user.id, token)
        if (row === undefined) throw notFound('token_not_found', 'token', token)
        tx.delete('usertoken', row.id)
        return {}
      }),

    authenticateToken: async ({ value }, context) => {
      const prefix = tokenPattern.exec(value)?.[1]
      if (prefix === undefined) return {}
      const now = store.now()
      const hash = hashOf(value)
      const found = await store.readShared(context, `token ${hash.toString('hex')}`, (tx) => {
        const rows = tx.list('usertoken', { index: 'byPrefix', prefix: [prefix] })
        const row = rows.find(({ body }) => timingSafeEqual(Buffer.from(body.hash, 'hex'), hash))?.body
        const user = row && tx.get('user', row.userId)
        return row && user && { row, user }
      })
      if (found === undefined || isExpired(found.row, now)) return {}
      const { row, user } = found
      if ((row.lastUsedAt ?? 0) + limits.tokenUseMs.value <= now) noteUse(store, noting, { id: row.id, now })
      return { user, token: shown(row) }
    },
  }
}

/** Removes tokens that expired before `before`, a bounded number; true when there may be more. */
export function removeExpiredTokens(tx: Tx, before: number): boolean {
  const rows = tx.list('usertoken', { index: 'byExpiry', limit: limits.cascadeRows.value })
  const old = rows.filter(({ body }) => (body.expiresAt ?? before) < before)
  for (const { id } of old) tx.delete('usertoken', id)
  return old.length === limits.cascadeRows.value
}

const isExpired = ({ expiresAt }: UserToken, now: number) => expiresAt !== undefined && expiresAt <= now

/** When a token was used last is only for people to look at: an hour more or less is worth no transaction each. */
function noteUse(store: Store, noting: Set<string>, { id, now }: { readonly id: string; readonly now: number }): void {
  if (noting.has(id)) return
  noting.add(id)
  store.inBackground('note the use of a token', async () => {
    try {
      await store.write({}, 'noteTokenUse', (tx) => {
        const row = tx.get('usertoken', id)
        if (row !== undefined) tx.put('usertoken', id, { ...row, lastUsedAt: now })
        return {}
      })
    } finally {
      noting.delete(id)
    }
  })
}

function addToken(
  tx: Tx,
  { user: ref, name, scope, projects, expiresAt }: NewToken,
  { value, id, now }: { readonly value: string; readonly id: string; readonly now: number },
): UserToken {
  const user = getUser(tx, ref)
  if (findToken(tx, user.id, name) !== undefined)
    throw new SlipwayError('token_exists', `user ${user.name} has a token ${JSON.stringify(name)}`)
  if (tx.count('usertoken', { index: 'byUser', prefix: [user.id] }) >= limits.tokensPerUser.value)
    throw new SlipwayError(
      'limit_exceeded',
      `user ${user.name} has ${limits.tokensPerUser.value} tokens: delete some first`,
    )
  const tree = new Tree(tx)
  const projectIds = projects && [...new Set(projects.map((project) => getProject(tree, project).row.id))]
  const row: UserTokenRow = {
    ...newStored(id, now),
    userId: user.id,
    name,
    scope,
    ...given({ projectIds, expiresAt }),
    prefix: tokenPattern.exec(value)![1]!, // The form is ours.
    hash: hashOf(value).toString('hex'),
  }
  tx.put('usertoken', id, row)
  return shown(row)
}

function checkNewToken({ name, scope, projects, expiresAt }: NewToken, now: number): void {
  const problem =
    name.length === 0 || name.length > limits.tokenNameCharacters.value || /\p{Cc}/u.test(name) || !name.isWellFormed()
      ? `its name has 1 to ${limits.tokenNameCharacters.value} characters, none of them a control character`
      : !tokenScopes.includes(scope)
        ? `its scope is one of ${tokenScopes.join(', ')}`
        : projects !== undefined && (projects.length === 0 || projects.length > limits.tokenProjects.value)
          ? `it is for 1 to ${limits.tokenProjects.value} projects, or for all`
          : expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > now)
            ? 'its expiry is a time in the future'
            : undefined
  if (problem !== undefined) throw new SlipwayError('token_invalid', `make a token: ${problem}`)
}

function findToken(tx: Reading, userId: string, name: string): UserTokenRow | undefined {
  return tx.list('usertoken', { index: 'byUser', prefix: [userId, name], limit: 1 })[0]?.body
}

/** Newest key first: the one that the first request used is among them as long as it is kept. */
function derived(tx: Reading, keyring: Keyring, input: NewToken, context: CallContext): readonly string[] {
  return keyring.derivations(tx, JSON.stringify(['token', input.user, input.name, context.transactionId]))
}

const valueFrom = (hex: string) => `slipway_${hex.slice(0, 12)}_${hex.slice(12, 52)}`
const hashOf = (value: string) => createHash('sha256').update(value).digest()

function shown({ prefix: _, hash: __, ...token }: UserTokenRow): UserToken {
  return token
}
