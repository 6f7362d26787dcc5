// Finds out who sends a request: a token first, then a session. A token that is wrong is refused at once, even where nobody
// needs to be logged in, so that nobody believes it works.

import type { FastifyRequest } from 'fastify'
import type { Configstore } from '../../configstore/api.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { RequestFrom } from '../routes/handler.ts'
import type { GatewaySettings } from '../settings.ts'
import type { Caller } from './caller.ts'
import { sessionSecretOf } from './cookies.ts'
import { checkCsrf, type RequestOrigin } from './csrf.ts'
import { equalSecrets } from './hash-secret.ts'
import type { Sessions } from './sessions.ts'

export type AuthenticateComponents = {
  readonly settings: GatewaySettings
  readonly configstore: Pick<Configstore, 'authenticateToken' | 'getUser'>
  readonly sessions: Sessions
}

/** Errors: `unauthenticated` for credentials that are wrong, `csrf_refused`. */
export async function authenticate(
  request: FastifyRequest,
  { settings, configstore, sessions }: AuthenticateComponents,
): Promise<Caller> {
  const value = tokenOf(request.headers.authorization)
  if (value !== undefined) {
    if (settings.adminToken !== undefined && equalSecrets(value, settings.adminToken)) return { kind: 'admintoken' }
    const { user, token } = await configstore.authenticateToken({ value })
    if (user === undefined || token === undefined)
      throw new SlipwayError('unauthenticated', 'the token is not valid, was revoked, or has expired')
    return { kind: 'user', user, token }
  }
  const secret = sessionSecretOf(request.headers.cookie, isSecure(request, settings))
  const found = secret === undefined ? undefined : sessions.find(secret)
  if (found === undefined) return { kind: 'anonymous' }
  checkCsrf(originOf(request, settings), found.secret)
  try {
    return { kind: 'user', user: await configstore.getUser({ user: found.row.userId }), session: found }
  } catch (error) {
    if (isSlipwayError(error, 'user_not_found')) throw new SlipwayError('unauthenticated', 'the user is gone')
    throw error
  }
}

/** `Bearer VALUE` or `token VALUE`; other schemes, and one without a value, are no token. */
function tokenOf(header: string | undefined): string | undefined {
  const [, value] = /^(?:bearer|token) +(\S+)$/i.exec(header?.trim() ?? '') ?? []
  return value
}

/** Whether the browser speaks https, be it to a proxy. */
export function isSecure(request: FastifyRequest, settings: Pick<GatewaySettings, 'publicUrl'>): boolean {
  return (settings.publicUrl?.startsWith('https:') ?? false) || request.protocol === 'https'
}

export function requestFrom(request: FastifyRequest, settings: Pick<GatewaySettings, 'publicUrl'>): RequestFrom {
  return {
    address: request.ip,
    userAgent: request.headers['user-agent'] ?? '',
    isSecure: isSecure(request, settings),
    publicUrl: (settings.publicUrl ?? `${request.protocol}://${request.host}`).replace(/\/+$/, ''),
  }
}

export function originOf(request: FastifyRequest, settings: GatewaySettings): RequestOrigin {
  return {
    method: request.method,
    origin: request.headers.origin,
    secFetchSite: header(request, 'sec-fetch-site'),
    csrfToken: header(request, 'x-csrf-token'),
    ownOrigins: [
      `${request.protocol}://${request.host}`,
      ...(settings.publicUrl === undefined ? [] : [new URL(settings.publicUrl).origin]),
    ],
    allowedOrigins: settings.allowedOrigins,
  }
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
