// What handlers of several kinds need.

import type { Access, User } from '../../configstore/types.ts'
import { invariant, SlipwayError } from '../../lib/errors.ts'
import { isAtLeast, standingOf } from '../permissions/permission.ts'
import type { HandlerContext } from '../routes/handler.ts'

/** Of a route whose permission has a subject. */
export function accessOf({ access }: HandlerContext): Access {
  invariant(access !== undefined, 'the permission of this route has no subject')
  return access
}

/** Of a route that is done as a user. */
export function userOf({ caller }: HandlerContext): User {
  if (caller.kind !== 'user') throw new SlipwayError('forbidden', 'the token of the administrator is no user')
  return caller.user
}

/** Whether the caller belongs to the owner of the subject, or is an administrator. */
export function isInside(context: HandlerContext): boolean {
  return isAtLeast(standingOf(context.caller, context.access), 'member')
}

/** `expectedVersion` where the caller named one. */
export function guardOf({ expectedVersion }: HandlerContext): { readonly expectedVersion?: number } {
  return expectedVersion === undefined ? {} : { expectedVersion }
}

/** As `guardOf`; and it still must belong to whom the permission was asked for. */
export function treeGuardOf(context: HandlerContext): {
  readonly expectedVersion?: number
  readonly expectedOwnerId: string
} {
  return { ...guardOf(context), expectedOwnerId: accessOf(context).owner.id }
}

/** Tells the caller's next read what it has to see. */
export function written<T extends { readonly position: number }>(context: HandlerContext, result: T): T {
  context.wrote('configstore', result.position)
  return result
}

/** Members that are there. */
export function defined<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
