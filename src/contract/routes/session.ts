// Who one is, and how one comes in and goes out.

import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { Id, listOf, Name, object, RemoteSourceRef } from '../schemas/common.ts'
import { Identity, Password, Registration, RemoteLogin, ReturnTo, Session, UserDetail } from '../schemas/users.ts'

const tag = 'session'

/** The session itself is in a cookie that pages cannot read. */
const LoggedIn = object({ user: UserDetail, csrfToken: Type.String() })

export const sessionRoutes = {
  getIdentity: defineRoute({
    method: 'GET',
    path: '/session',
    tag,
    summary: 'Who the caller is, and the CSRF token of its session.',
    auth: 'optional',
    responses: { 200: Identity },
    never: ['token_scope'],
    errors: [],
  }),
  login: defineRoute({
    method: 'POST',
    path: '/login',
    tag,
    summary: 'Begins a session with name and password.',
    auth: 'none',
    body: object({ username: Type.String({ maxLength: 200 }), password: Type.String({ maxLength: 200 }) }),
    responses: { 200: LoggedIn },
    errors: ['login_failed', 'rate_limited'],
  }),
  beginOAuth2Login: defineRoute({
    method: 'POST',
    path: '/login/oauth2',
    tag,
    summary: 'Begins a login at a remote source: send the browser to `authorizeUrl`, it comes back with a session.',
    auth: 'none',
    body: object({ remoteSourceRef: RemoteSourceRef, returnTo: Type.Optional(ReturnTo) }),
    responses: { 200: object({ authorizeUrl: Type.String() }) },
    errors: ['remote_source_not_found', 'remote_source_invalid', 'remote_login_off', 'rate_limited'],
  }),
  loginAtRemoteSource: defineRoute({
    method: 'POST',
    path: '/login/remote',
    tag,
    summary: 'Begins a session with name and password of a remote source, or offers to register who it does not know.',
    auth: 'none',
    body: object({ remoteSourceRef: RemoteSourceRef, ...RemoteLogin }),
    responses: { 200: Type.Union([LoggedIn, object({ registration: Registration })]) },
    errors: [
      'login_failed',
      'remote_source_not_found',
      'remote_source_invalid',
      'remote_login_off',
      'provider_refused',
      'provider_unavailable',
      'rate_limited',
    ],
  }),
  getRegistration: defineRoute({
    method: 'GET',
    path: '/register',
    tag,
    summary:
      'Who may be registered from this browser, after a login at a remote source that knows more than this server.',
    auth: 'none',
    responses: { 200: Registration },
    errors: ['registration_not_found'],
  }),
  register: defineRoute({
    method: 'POST',
    path: '/register',
    tag,
    summary: 'Makes the user of a registration, linked to its account at the remote source, and begins a session.',
    auth: 'none',
    body: object({ name: Name }),
    responses: { 201: LoggedIn },
    errors: [
      'registration_not_found',
      'remote_login_off',
      'remote_source_not_found',
      'name_invalid',
      'user_exists',
      'linked_account_exists',
      'rate_limited',
    ],
  }),
  logout: defineRoute({
    method: 'POST',
    path: '/logout',
    tag,
    summary: 'Ends the session of the caller.',
    auth: 'optional',
    responses: { 204: undefined },
    never: ['token_scope'],
    errors: [],
  }),
  listSessions: defineRoute({
    method: 'GET',
    path: '/user/sessions',
    tag,
    summary: 'The sessions of the caller.',
    auth: 'required',
    responses: { 200: listOf(Session) },
    errors: [],
  }),
  deleteSession: defineRoute({
    method: 'DELETE',
    path: '/user/sessions/:sessionId',
    tag,
    summary: 'Ends one of the sessions of the caller.',
    auth: 'required',
    params: object({ sessionId: Id }),
    responses: { 204: undefined },
    errors: ['session_not_found'],
  }),
  getSetup: defineRoute({
    method: 'GET',
    path: '/setup',
    tag,
    summary: 'Whether the first administrator is still to be made.',
    auth: 'none',
    responses: { 200: object({ isNeeded: Type.Boolean() }) },
    errors: [],
  }),
  setUp: defineRoute({
    method: 'POST',
    path: '/setup',
    tag,
    summary: 'Makes the first administrator, with the token of the one-time link, and begins a session.',
    auth: 'none',
    body: object({ token: Type.String({ maxLength: 200 }), username: Name, password: Password }),
    responses: { 201: LoggedIn },
    errors: ['setup_refused', 'name_invalid', 'rate_limited'],
  }),
} as const
