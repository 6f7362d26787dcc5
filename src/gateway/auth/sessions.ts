// Sessions of people in browsers: rows of the gateway's database, found by the hash of the secret that the cookie holds. A
// session ends a fixed time after its login, at logout, or when the password changes.

import { createHmac } from 'node:crypto'
import type { Database, ReadTransaction } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { GatewaySchema, Session } from '../rows.ts'
import { hashSecret, newSecretText } from './hash-secret.ts'

export type SessionsComponents = { readonly database: Database<GatewaySchema>; readonly clock: Clock }

export type SessionsSettings = {
  /** Milliseconds from its login to the end of a session. */
  readonly sessionMs?: number
}

export type FoundSession = { readonly id: string; readonly secret: string; readonly row: Session }
/** `position`: from which on all instances know it. */
export type BegunSession = FoundSession & { readonly position: number }

/** Expired rows removed at once, when a session is made. */
const cleanedAtOnce = 20

export class Sessions {
  readonly #components: SessionsComponents
  readonly #sessionMs: number

  constructor(components: SessionsComponents, { sessionMs = limits.sessionMs.value }: SessionsSettings = {}) {
    this.#components = components
    this.#sessionMs = sessionMs
  }

  /** Begins one. The oldest of the user ends when it has too many. */
  async begin(userId: string, from: { readonly userAgent: string; readonly address: string }): Promise<BegunSession> {
    const now = this.#components.clock.now()
    const secret = newSecretText()
    const id = hashSecret(secret)
    const row: Session = {
      userId,
      createdAt: now,
      expiresAt: now + this.#sessionMs,
      userAgent: from.userAgent.slice(0, 200),
      address: from.address.slice(0, 100),
    }
    const { position } = await this.#components.database.do((tx) => {
      for (const expired of tx.list('session', { index: 'byExpiry', limit: cleanedAtOnce }))
        if (expired.body.expiresAt <= now) tx.delete('session', expired.id)
      const own = tx.list('session', { index: 'byUser', prefix: [userId] })
      for (const oldest of own.slice(0, Math.max(0, own.length + 1 - limits.sessionsPerUser.value)))
        tx.delete('session', oldest.id)
      tx.put('session', id, row)
    })
    return { id, secret, row, position }
  }

  /** The one that this secret opens, if it has not ended. */
  find(secret: string): FoundSession | undefined {
    const id = hashSecret(secret)
    const row = this.#components.database.view((tx) => tx.get('session', id))
    if (row === undefined || row.expiresAt <= this.#components.clock.now()) return undefined
    return { id, secret, row }
  }

  /** Those of a user that have not ended, the oldest first. */
  list(userId: string): readonly { readonly id: string; readonly row: Session }[] {
    const now = this.#components.clock.now()
    return this.#components.database.view((tx) => ofUser(tx, userId)).filter(({ row }) => row.expiresAt > now)
  }

  /** Errors: `session_not_found`, also when it is another user's. */
  async end(userId: string, id: string): Promise<void> {
    await this.#components.database.do((tx) => {
      if (tx.get('session', id)?.userId !== userId)
        throw new SlipwayError('session_not_found', 'there is no such session: list them again')
      tx.delete('session', id)
    })
  }

  /** Ends all of a user, but one. */
  async endAll(userId: string, options: { readonly except?: string } = {}): Promise<void> {
    await this.#components.database.do((tx) => {
      for (const { id } of ofUser(tx, userId)) if (id !== options.except) tx.delete('session', id)
    })
  }
}

function ofUser(tx: ReadTransaction<GatewaySchema>, userId: string): { id: string; row: Session }[] {
  return tx.list('session', { index: 'byUser', prefix: [userId] }).map(({ id, body }) => ({ id, row: body }))
}

/** What a page proves with that it can read answers of this server: made from the secret of its session, and nothing else. */
export function csrfTokenOf(secret: string): string {
  return createHmac('sha256', secret).update('slipway csrf').digest('base64url')
}
