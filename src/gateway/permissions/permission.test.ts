import { expect, test } from 'vitest'
import type { UserToken } from '../../configstore/types.ts'
import type { Route } from '../../contract/route.ts'
import { errorsOfRoute } from '../../contract/route-errors.ts'
import { routes } from '../../contract/routes.ts'
import type { Caller } from '../auth/caller.ts'
import { callerKinds, permissionMatrix } from './matrix.ts'
import { decide, type Permission, type SubjectAccess } from './permission.ts'
import { permissions } from './table.ts'

test('every route has a permission, and every permission a route', () => {
  expect(Object.keys(permissions).toSorted()).toEqual(Object.keys(routes).toSorted())
})

test.each(Object.entries(permissions) as [keyof typeof routes, Permission][])(
  '%s: a login is needed where nobody without one may',
  (id, permission) => {
    const route: Route = routes[id]
    const mayAnybody = permission.public === 'anonymous' || permission.private === 'anonymous'
    if (mayAnybody) expect(['none', 'optional']).toContain(route.auth)
    else expect(route.auth).toBe('required')
  },
)

test('reading needs a token to read, changing more than that', () => {
  for (const [id, permission] of Object.entries(permissions)) {
    const { method } = routes[id as keyof typeof routes]
    if (method !== 'GET' && permission.public !== 'anonymous') expect(['run', 'admin'], id).toContain(permission.scope)
  }
})

const y = 'allowed'
const u = 'unauthenticated'
const f = 'forbidden'
const h = 'hidden'

/** Some rows in full, as they were decided; all of them are in docs/permissions.md. */
test.each([
  // operation, visibility: anonymous, user, member, owner, administrator, its token
  ['getProject', 'public', [y, y, y, y, y, y]],
  ['getProject', 'private', [h, h, y, y, y, y]],
  ['listProjectRuns', 'public', [u, y, y, y, y, y]],
  ['listProjectRuns', 'private', [u, h, y, y, y, y]],
  ['updateProject', 'public', [u, f, f, y, y, y]],
  ['updateProject', 'private', [u, h, f, y, y, y]],
  ['createProject', 'public', [u, f, f, y, y, f]],
  ['createProject', 'private', [u, h, f, y, y, f]],
  ['approveTask', 'private', [u, h, f, y, y, f]],
  ['stopRun', 'public', [u, f, f, y, y, y]],
  ['getOrganization', 'private', [u, h, y, y, y, y]],
  ['setMember', 'private', [u, h, f, y, y, y]],
  ['listProjectSecrets', 'private', [u, h, y, y, y, y]],
  ['readLog', 'private', [h, h, y, y, y, y]],
  ['deleteLog', 'public', [u, f, f, y, y, y]],
] as const)('%s of something %s', (operation, visibility, expected) => {
  const row = permissionMatrix().find((one) => one.operation === operation)!
  const cells = callerKinds.map(
    (caller) =>
      row.cells.find((cell) => cell.caller === caller && cell.visibility === visibility && !cell.membersMay)?.decision,
  )
  expect(cells).toEqual(expected)
})

const aUser = { id: 'u', createdAt: 0, updatedAt: 0, version: 1, name: 'ann', isAdmin: false, hasPassword: true }
const withToken = (token: Partial<UserToken>, isAdmin = false): Caller => ({
  kind: 'user',
  user: { ...aUser, isAdmin },
  token: { id: 't', createdAt: 0, updatedAt: 0, version: 1, userId: 'u', name: 't', scope: 'admin', ...token },
})
const project = (fields: Partial<SubjectAccess> = {}): SubjectAccess => ({
  type: 'project',
  id: 'p1',
  globalVisibility: 'private',
  role: 'owner',
  membersCanPerformRunActions: false,
  ...fields,
})

test.each([
  ['read', 'getProject', y],
  ['read', 'restartRun', 'token_scope'],
  ['read', 'updateProject', 'token_scope'],
  ['run', 'getProject', y],
  ['run', 'restartRun', y],
  ['run', 'createProjectRuns', y],
  ['run', 'updateProject', 'token_scope'],
  ['admin', 'updateProject', y],
] as const)('with a token to %s, the owner and %s: %s', (scope, operation, decision) => {
  expect(decide(permissions[operation], withToken({ scope }), project())).toBe(decision)
})

test.each([
  ['its project', 'updateProject', project(), y],
  ['another one', 'updateProject', project({ id: 'p2' }), h],
  ['another one that is public', 'updateProject', project({ id: 'p2', globalVisibility: 'public' }), 'token_scope'],
  ['another one that is public', 'getProject', project({ id: 'p2', globalVisibility: 'public' }), y],
  ['the group of its project', 'getProjectGroup', project({ type: 'projectgroup', id: 'g' }), h],
  [
    'its own user',
    'createToken',
    project({ type: 'user', id: 'u', globalVisibility: 'public', role: 'self' }),
    'token_scope',
  ],
  ['the installation', 'createOrganization', undefined, 'token_scope'],
  ['the caller', 'getCurrentUser', undefined, 'token_scope'],
  ['who it is', 'getIdentity', undefined, y],
] as const)('a token for one project and %s: %s', (_, operation, access, decision) => {
  expect(decide(permissions[operation], withToken({ projectIds: ['p1'] }), access)).toBe(decision)
})

test('a token for one project makes no administrator of anything else', () => {
  const admin = withToken({ projectIds: ['p1'] }, true)
  expect(decide(permissions.listUsers, admin, undefined)).toBe('token_scope')
  expect(decide(permissions.updateProject, admin, project({ id: 'p2', role: 'none' }))).toBe('hidden')
  expect(decide(permissions.updateProject, admin, project({ role: 'none' }))).toBe(y)
})

test('a token gives nothing that its user has not', () => {
  for (const scope of ['read', 'run', 'admin'] as const) {
    expect(decide(permissions.updateProject, withToken({ scope }), project({ role: 'none' }))).toBe('hidden')
    expect(decide(permissions.updateProject, withToken({ scope }), project({ role: 'member' }))).toBe(f)
  }
})

/** Whoever may ask, for whatever may be there. */
function* decisionsOf(permission: Permission) {
  const hasSubject = permission.on !== 'installation' && permission.on !== 'caller'
  const visibilities = ['public', 'private'] as const
  const accesses = visibilities.flatMap((globalVisibility) =>
    (['none', 'member', 'owner'] as const).map((role) => project({ globalVisibility, role })),
  )
  for (const access of hasSubject ? accesses : [undefined]) {
    yield decide(permission, { kind: 'admintoken' }, access)
    for (const scope of ['read', 'run', 'admin'] as const)
      for (const token of [{ scope }, { scope, projectIds: ['p2'] }])
        for (const isAdmin of [false, true]) yield decide(permission, withToken(token, isAdmin), access)
  }
}

test.each(Object.entries(permissions) as [keyof typeof routes, Permission][])(
  '%s says that it is forbidden, or beyond a token, where that can be',
  (id, permission) => {
    const decisions = new Set(decisionsOf(permission))
    for (const code of ['forbidden', 'token_scope'] as const)
      if (decisions.has(code)) expect(errorsOfRoute(routes[id])).toContain(code)
  },
)
