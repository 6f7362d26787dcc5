// The tokens of linked accounts: who reads them, and who may renew them. A provider may take a refresh token only once, so one caller
// at a time renews, and what it got replaces only the tokens that it was got for.

import { createHash } from 'node:crypto'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Configstore, TokenClaim } from '../api.ts'
import { notFound } from '../refs.ts'
import type { LinkedAccountRow, Reading } from '../row-types.ts'
import { given, type Store, without } from '../store.ts'
import { replaceTokens } from './linked-accounts.ts'

type Operations = Pick<Configstore, 'linkedAccountCredentials' | 'claimTokenRefresh' | 'noteTokens'>

export function accountTokenOperations(store: Store): Operations {
  const { keyring } = store
  const isStill = (tx: Reading, id: string, hash: string) =>
    hashToken(keyring.find(tx, 'linkedaccount', id, 'accessToken') ?? '') === hash
  return {
    linkedAccountCredentials: ({ id }, context) =>
      store.read(context, (tx) => {
        const { accessTokenExpiresAt, trouble } = accountOf(tx, id)
        return given({
          accessToken: keyring.find(tx, 'linkedaccount', id, 'accessToken'),
          refreshToken: keyring.find(tx, 'linkedaccount', id, 'refreshToken'),
          accessTokenExpiresAt,
          trouble,
        })
      }),

    claimTokenRefresh: async ({ id, accessTokenHash, holder, leaseMs }, context) => {
      if (!(leaseMs > 0 && leaseMs <= limits.tokenRefreshLeaseMs.value))
        throw new SlipwayError('list_invalid', `tokens are renewed within ${limits.tokenRefreshLeaseMs.value} ms`)
      const now = store.now()
      return store.write(context, 'claimTokenRefresh', (tx): { readonly outcome: TokenClaim } => {
        const account = accountOf(tx, id)
        if (!isStill(tx, id, accessTokenHash)) return { outcome: 'renewed' }
        const { refresh } = account
        if (refresh !== undefined && refresh.holder !== holder && refresh.until > now) return { outcome: 'held' }
        tx.put('linkedaccount', id, { ...account, refresh: { holder, until: now + leaseMs } })
        return { outcome: 'claimed' }
      })
    },

    noteTokens: async ({ id, accessTokenHash, holder, tokens, trouble }, context) => {
      const now = store.now()
      return store.write(context, 'noteTokens', (tx) => {
        const account = accountOf(tx, id)
        if (!isStill(tx, id, accessTokenHash)) return { isKept: false }
        const freed = account.refresh?.holder === holder ? without(account, ['refresh']) : account
        if (tokens !== undefined) replaceTokens(tx, { keyring, now }, freed, tokens)
        else tx.put('linkedaccount', id, withTrouble(freed, trouble, now))
        return { isKept: true }
      })
    },
  }
}

/** SHA-256, hex. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Saying the same again within this time changes nothing. */
const sameTroubleMs = 60_000

function withTrouble(account: LinkedAccountRow, trouble: string | undefined, now: number): LinkedAccountRow {
  if (trouble === undefined) return account
  const changed = { ...without(account, ['trouble']), updatedAt: now, version: account.version + 1 }
  if (trouble === '') return account.trouble === undefined ? account : changed
  const message = trouble.slice(0, limits.taskErrorCharacters.value).toWellFormed()
  if (account.trouble?.message === message && now - account.trouble.since < sameTroubleMs) return account
  return { ...changed, trouble: { message, since: now } }
}

/** Also one that was deleted, while a task needs it. */
function accountOf(tx: Reading, id: string): LinkedAccountRow {
  const account = tx.get('linkedaccount', id)
  if (account === undefined) throw notFound('linked_account_not_found', 'linked account', id)
  return account
}
