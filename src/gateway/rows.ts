// The rows of the gateway's own database.

import type { RowTypes } from '../datamanager/database.ts'

/** Id: SHA-256 of the secret in the cookie, hex; all times in milliseconds since 1970. */
export type Session = {
  readonly userId: string
  readonly createdAt: number
  readonly expiresAt: number
  /** As they came with the login, cut. */
  readonly userAgent: string
  readonly address: string
}

/** A request that came with an Idempotency-Key. Id: SHA-256 over who, what and key. */
export type RememberedRequest = {
  /** SHA-256 of what was asked. */
  readonly fingerprint: string
  readonly expiresAt: number
}

export type GatewaySchema = {
  session: Session
  request: RememberedRequest
}

export const gatewayRowTypes = {
  session: {
    indexes: {
      byUser: (session: Session) => [session.userId, session.createdAt],
      byExpiry: (session: Session) => [session.expiresAt],
    },
  },
  request: { indexes: { byExpiry: (request: RememberedRequest) => [request.expiresAt] } },
} as const satisfies RowTypes
