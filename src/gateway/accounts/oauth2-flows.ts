// Logins at providers by OAuth2 (RFC 6749, 7636), from sending the browser there until it is back. What comes back is believed only
// from the browser that was sent, once, and for a while: the state it brings names a row here, and the row its cookie. The verifier
// of PKCE is made of the cookie's secret, which is not stored, so that neither this database nor the provider's redirect tells it.

import { createHash, createHmac, hkdfSync } from 'node:crypto'
import type { Database, Transaction } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { type SealingKey, seal, unseal } from '../../lib/sealing.ts'
import { hashSecret, newSecretText } from '../auth/hash-secret.ts'
import type { GatewaySchema, OAuth2Flow } from '../rows.ts'
import type { RemoteIdentity } from './remote-identity.ts'

export type OAuth2FlowsComponents = { readonly database: Database<GatewaySchema>; readonly clock: Clock }

export type NewFlow = Pick<OAuth2Flow, 'remoteSourceId' | 'linkTo' | 'redirectUri' | 'returnTo'>

export type BegunFlow = {
  readonly state: string
  /** S256. */
  readonly codeChallenge: string
  /** For its cookie. */
  readonly browserSecret: string
}

export type OfferedRegistration = {
  readonly remoteSourceId: string
  readonly identity: Omit<RemoteIdentity, 'remoteSourceId'>
  readonly expiresAt: number
}

type Tx = Transaction<GatewaySchema>

/** Removed at once, when something is begun. */
const cleanedAtOnce = 20

export class OAuth2Flows {
  readonly #components: OAuth2FlowsComponents

  constructor(components: OAuth2FlowsComponents) {
    this.#components = components
  }

  /** `browserSecret`: of its cookie, when it has one. Several may be under way in one browser. */
  async begin(flow: NewFlow, browserSecret = newSecretText()): Promise<BegunFlow> {
    const state = newSecretText()
    const now = this.#components.clock.now()
    const row = { ...flow, browser: hashSecret(browserSecret), expiresAt: now + limits.oauth2FlowMs.value }
    await this.#components.database.do((tx) => {
      clean(tx, now)
      tx.put('oauth2flow', hashSecret(state), row)
    })
    const challenge = createHash('sha256').update(verifierOf(state, browserSecret)).digest('base64url')
    return { state, codeChallenge: challenge, browserSecret }
  }

  /** The flow that this browser has begun, which is over with that. Errors: `oauth2_refused`. */
  async take(
    state: string,
    browserSecret: string | undefined,
  ): Promise<{ readonly flow: OAuth2Flow; readonly codeVerifier: string }> {
    const now = this.#components.clock.now()
    const { result: flow } = await this.#components.database.do((tx) => {
      const row = tx.get('oauth2flow', hashSecret(state))
      if (browserSecret === undefined || row?.browser !== hashSecret(browserSecret)) return undefined
      tx.delete('oauth2flow', hashSecret(state))
      return row.expiresAt > now ? row : undefined
    })
    if (flow === undefined || browserSecret === undefined)
      throw new SlipwayError('oauth2_refused', 'this login was not begun in this browser, or too long ago: begin again')
    return { flow, codeVerifier: verifierOf(state, browserSecret) }
  }

  /** Whoever has that browser may register as this identity. Answers when that ends. */
  async offerRegistration(
    { remoteSourceId, ...identity }: RemoteIdentity,
    browserSecret: string,
  ): Promise<OfferedRegistration> {
    const now = this.#components.clock.now()
    const id = hashSecret(browserSecret)
    const expiresAt = now + limits.oauth2FlowMs.value
    const sealed = seal(keyOf(browserSecret), placeOf(id), JSON.stringify(identity))
    await this.#components.database.do((tx) => {
      clean(tx, now)
      tx.put('registration', id, { remoteSourceId, sealed, expiresAt })
    })
    return { remoteSourceId, identity, expiresAt }
  }

  /** Errors: `registration_not_found`. */
  registrationOf(browserSecret: string | undefined): OfferedRegistration {
    const id = hashSecret(browserSecret ?? '')
    const row = this.#components.database.view((tx) => tx.get('registration', id))
    if (browserSecret === undefined || row === undefined || row.expiresAt <= this.#components.clock.now())
      throw new SlipwayError('registration_not_found', 'nobody is to be registered from this browser: log in again')
    const { remoteSourceId, expiresAt, sealed } = row
    return { remoteSourceId, expiresAt, identity: opened(sealed, browserSecret, id) }
  }

  async endRegistration(browserSecret: string): Promise<void> {
    await this.#components.database.do((tx) => tx.delete('registration', hashSecret(browserSecret)))
  }
}

function clean(tx: Tx, now: number): void {
  for (const type of ['oauth2flow', 'registration'] as const)
    for (const { id, body } of tx.list(type, { index: 'byExpiry', limit: cleanedAtOnce }))
      if (body.expiresAt <= now) tx.delete(type, id)
}

/** 43 characters (RFC 7636, section 4.1). */
function verifierOf(state: string, browserSecret: string): string {
  return createHmac('sha256', browserSecret).update(`slipway pkce ${state}`).digest('base64url')
}

function keyOf(browserSecret: string): SealingKey {
  return { id: 'browser', bytes: Buffer.from(hkdfSync('sha256', browserSecret, '', 'slipway registration', 32)) }
}

const placeOf = (id: string) => ({ storeId: 'gateway', type: 'registration', id, field: 'identity' })

function opened(sealed: string, browserSecret: string, id: string): OfferedRegistration['identity'] {
  try {
    return JSON.parse(unseal([keyOf(browserSecret)], placeOf(id), sealed)) as OfferedRegistration['identity'] // written above
  } catch (cause) {
    if (!isSlipwayError(cause, 'key_wrong')) throw cause
    throw new SlipwayError('registration_not_found', 'nobody is to be registered from this browser: log in again', {
      cause,
    })
  }
}
