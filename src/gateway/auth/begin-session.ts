// Whoever has shown who he is gets a session: the cookie, and what a page needs besides it.

import type { User } from '../../configstore/types.ts'
import type { HandlerContext } from '../routes/handler.ts'
import { userDetailView } from '../views/stored.ts'
import { sessionCookie } from './cookies.ts'
import { csrfTokenOf, type Sessions } from './sessions.ts'

/** Sets the cookie on the answer. */
export async function beginSession(
  user: User,
  sessions: Pick<Sessions, 'begin'>,
  context: Pick<HandlerContext, 'from' | 'setHeader' | 'wrote'>,
) {
  const session = await sessions.begin(user.id, context.from)
  context.wrote('gateway', session.position)
  const { isSecure } = context.from
  const maxAgeMs = session.row.expiresAt - session.row.createdAt
  context.setHeader('set-cookie', sessionCookie(session.secret, { isSecure, maxAgeMs }))
  return { user: userDetailView(user), csrfToken: csrfTokenOf(session.secret) }
}
