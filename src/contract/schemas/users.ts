// Users, and how they show who they are.

import { Type } from 'typebox'
import { limits } from '../../lib/limits.ts'
import { Id, Name, object, stored, Time, Trouble, text } from './common.ts'

export const User = object({ id: Id, name: Name }, 'User')

/** What a user sees of himself, and an administrator of everybody. */
export const UserDetail = object(
  { ...stored, name: Name, isAdmin: Type.Boolean(), hasPassword: Type.Boolean() },
  'UserDetail',
)

const { passwordCharactersMin, passwordCharactersMax } = limits
export const Password = Type.String({ minLength: passwordCharactersMin.value, maxLength: passwordCharactersMax.value })

export const scopes = ['read', 'run', 'admin'] as const
export const Scope = Type.Enum(['read', 'run', 'admin'], {
  description:
    '`read` reads what its user may read; `run` starts, restarts, stops and approves runs besides; `admin` does all that its user may.',
})

export const Token = object(
  {
    ...stored,
    name: text(100),
    scope: Scope,
    projectIds: Type.Optional(Type.Array(Id, { description: 'Only for these projects.' })),
    expiresAt: Type.Optional(Time),
    lastUsedAt: Type.Optional(Time),
  },
  'Token',
)

export const LinkedAccount = object(
  {
    ...stored,
    remoteSourceId: Id,
    remoteUserId: Type.String(),
    remoteUserName: Type.String(),
    remoteUserAvatarUrl: Type.Optional(Type.String()),
    trouble: Type.Optional(Trouble),
  },
  'LinkedAccount',
)

/** Somebody a provider knows and this server does not: whoever is at that browser may become a user, by `POST /register`. */
export const Registration = object(
  {
    remoteSource: object({ id: Id, name: Name }),
    remoteUserName: Type.String(),
    suggestedName: Type.Optional(Name),
    expiresAt: Time,
  },
  'Registration',
)

/** A path of this server. */
export const ReturnTo = Type.String({
  minLength: 1,
  maxLength: 1000,
  description: 'Path of the page that the browser comes back to: `/projects`.',
})
/** At the provider. Not kept. */
export const RemoteLogin = {
  username: Type.String({ minLength: 1, maxLength: 200 }),
  password: Type.String({ minLength: 1, maxLength: 1000 }),
}

export const Session = object(
  {
    id: Id,
    createdAt: Time,
    expiresAt: Time,
    /** As it came with the login, cut. */
    userAgent: Type.Optional(Type.String()),
    address: Type.Optional(Type.String()),
    isCurrent: Type.Boolean(),
  },
  'Session',
)

export const Identity = object(
  {
    kind: Type.Enum(['anonymous', 'session', 'token', 'admintoken']),
    user: Type.Optional(UserDetail),
    isAdmin: Type.Boolean(),
    /** Of a token. */
    scope: Type.Optional(Scope),
    /** What a page sends as `X-Csrf-Token` with everything but GET, when it has a session. */
    csrfToken: Type.Optional(Type.String()),
    expiresAt: Type.Optional(Time),
  },
  'Identity',
)
