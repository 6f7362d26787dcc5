// Who sends a request, once that is known.

import type { User, UserToken } from '../../configstore/types.ts'
import type { Session } from '../rows.ts'

export type Caller =
  | { readonly kind: 'anonymous' }
  /** The token of the settings: an administrator that is no user. */
  | { readonly kind: 'admintoken' }
  | {
      readonly kind: 'user'
      readonly user: User
      /** How it came: by a token, or by a session with its secret. */
      readonly token?: UserToken
      readonly session?: { readonly id: string; readonly secret: string; readonly row: Session }
    }

/** A name for logs and for keys: never a secret. */
export function describeCaller(caller: Caller): string {
  return caller.kind === 'user' ? `user:${caller.user.id}` : caller.kind
}

export function isAdministrator(caller: Caller): boolean {
  return caller.kind === 'admintoken' || (caller.kind === 'user' && caller.user.isAdmin)
}
