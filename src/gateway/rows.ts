// The rows of the gateway's own database.

import type { RowTypes } from '../datamanager/database.ts'
import type { Delivery, LookedAt, SeenRef } from './deliveries/delivery.ts'
import { laneOf } from './deliveries/lane.ts'

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

/** A browser that is away at a provider. Id: SHA-256 of the state that it comes back with, hex. */
export type OAuth2Flow = {
  /** SHA-256 of the secret in its cookie, hex. */
  readonly browser: string
  readonly remoteSourceId: string
  /** Whose account is to be linked; undefined: somebody logs in. */
  readonly linkTo?: string
  /** As it was told to the provider. */
  readonly redirectUri: string
  /** A path of this server. */
  readonly returnTo: string
  readonly expiresAt: number
}

/** Somebody a provider knows and the installation does not yet. Id: SHA-256 of the secret in the cookie of the browser, hex. */
export type Registration = {
  readonly remoteSourceId: string
  /** Who it is there, with the tokens: sealed under the secret in the cookie, which is kept nowhere here. */
  readonly sealed: string
  readonly expiresAt: number
}

export type GatewaySchema = {
  session: Session
  request: RememberedRequest
  oauth2flow: OAuth2Flow
  registration: Registration
  delivery: Delivery
  lookedat: LookedAt
  seenref: SeenRef
}

export const gatewayRowTypes = {
  session: {
    indexes: {
      byUser: (session: Session) => [session.userId, session.createdAt],
      byExpiry: (session: Session) => [session.expiresAt],
    },
  },
  request: { indexes: { byExpiry: (request: RememberedRequest) => [request.expiresAt] } },
  oauth2flow: { indexes: { byExpiry: (flow: OAuth2Flow) => [flow.expiresAt] } },
  registration: { indexes: { byExpiry: (registration: Registration) => [registration.expiresAt] } },
  delivery: {
    indexes: {
      byProject: (delivery: Delivery) => [delivery.projectId, delivery.receivedAt],
      byKey: ({ projectId, key }: Delivery) => (key === undefined ? undefined : [projectId, key]),
      byDue: ({ queued }: Delivery) => (queued === undefined ? undefined : [queued.dueAt]),
      byLane: (delivery: Delivery) =>
        delivery.queued === undefined ? undefined : [laneOf(delivery), delivery.queued.dueAt],
      byHolder: (delivery: Delivery) =>
        delivery.queued?.holder === undefined ? undefined : [delivery.queued.holder, laneOf(delivery)],
      /** Those of one ref follow each other in the order of their ids. */
      byQueue: ({ projectId, ref, queued }: Delivery) => (queued === undefined ? undefined : [projectId, ref]),
      byAge: ({ receivedAt, queued }: Delivery) => (queued === undefined ? [receivedAt] : undefined),
    },
  },
  lookedat: {},
  seenref: { indexes: { byProject: (seen: SeenRef) => [seen.projectId] } },
} as const satisfies RowTypes
