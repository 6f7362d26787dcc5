// Asks a server for every cell of the permission matrix: each operation, by each kind of caller, on something public and on
// something private. What is allowed is sent so that it changes nothing (a version that is not there, a name that is none), so one
// installation serves all of them.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import type { Visibility } from '../../configstore/types.ts'
import { addressOf } from '../../contract/client.ts'
import type { Route } from '../../contract/route.ts'
import { type RouteId, routes } from '../../contract/routes.ts'
import { aRequest } from '../../runservice/service-fixture.ts'
import { adminToken, openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { harmlessBody, harmlessParams } from '../harmless-requests-fixture.ts'
import { type CallerKind, permissionMatrix } from './matrix.ts'
import type { Decision, SubjectKind } from './permission.ts'

type Place = {
  readonly org: string
  readonly group: string
  readonly project: string
  readonly run: string
  readonly task: string
  /** Tokens of who stands how to it. */
  readonly tokens: Readonly<Record<Exclude<CallerKind, 'anonymous' | 'admintoken'>, string>>
}

let gateway: TestGateway
const places = new Map<string, Place>()

beforeAll(async () => {
  gateway = await openTestGateway({ notification: true })
  const { configstore } = gateway
  await configstore.createUser({ name: 'root', isAdmin: true })
  for (const name of ['ann', 'member', 'other']) await aUser(configstore, name)
  for (const visibility of ['public', 'private'] as const)
    for (const membersMay of [false, true])
      places.set(placeKey(visibility, membersMay), await makePlace(visibility, membersMay))
})

afterAll(async () => await gateway?.[Symbol.asyncDispose]())

const placeKey = (visibility: Visibility, membersMay: boolean) => `${visibility} ${membersMay}`

async function makePlace(visibility: Visibility, membersCanPerformRunActions: boolean): Promise<Place> {
  const { configstore, installation } = gateway
  const name = `${visibility}${membersCanPerformRunActions ? '-open' : ''}`
  const org = await configstore.createOrganization({ name, visibility, owner: 'ann' })
  await configstore.setMember({ organization: org.id, user: 'member', role: 'member' })
  const project = await aProject(configstore, `org/${name}/web`, { visibility, membersCanPerformRunActions })
  await configstore.createProjectGroup({ parent: `org/${name}`, name: 'team', visibility })
  const specs = { a: { approval: 'needed' } } as const
  const request = aRequest(specs, { ids: name, group: `/project/${project.id}/branch/main` })
  const [run] = await installation.runservice.createRuns([request])
  return {
    org: name,
    group: `org/${name}/team`,
    project: project.id,
    run: run!.id,
    task: `${name}a-id`,
    tokens: {
      user: await gateway.tokenOf('other'),
      member: await gateway.tokenOf('member'),
      owner: await gateway.tokenOf('ann'),
      admin: await gateway.tokenOf('root'),
    },
  }
}

const subjectNotFound: Partial<Record<SubjectKind, string>> = {
  user: 'user_not_found',
  organization: 'organization_not_found',
  projectgroup: 'project_group_not_found',
  parentgroup: 'parent_group_not_found',
  project: 'project_not_found',
  run: 'run_not_found',
}

const expectedOf: Readonly<Record<Exclude<Decision, 'allowed' | 'hidden'>, readonly [number, string]>> = {
  unauthenticated: [401, 'unauthenticated'],
  forbidden: [403, 'forbidden'],
  token_scope: [403, 'token_scope'],
}

async function askFor(
  operation: RouteId,
  on: SubjectKind,
  place: Place,
  token: string | undefined,
): Promise<{ readonly status: number; readonly code: string | undefined }> {
  const route: Route = routes[operation]
  const params = harmlessParams(operation, {
    userRef: 'ann',
    orgRef: place.org,
    projectGroupRef: place.group,
    projectRef: place.project,
    runId: place.run,
    taskId: operation === 'deleteLog' ? 'none' : place.task,
  })
  const given = harmlessBody(operation, route)
  const body = on === 'parentgroup' ? { ...(given as object), parentRef: place.group } : given
  const stop = new AbortController()
  const response = await fetch(`${gateway.url}${addressOf(route, { params })}`, {
    method: route.method,
    signal: stop.signal,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': route.body === 'bytes' ? 'application/octet-stream' : 'application/json' }),
      // A version that nothing has.
      ...(route.versioned && route.method !== 'POST' ? { 'if-match': '"999999"' } : {}),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const isError = response.status >= 400
  const text = isError ? await response.text() : ''
  if (!isError) stop.abort()
  return { status: response.status, code: isError ? (JSON.parse(text) as { code: string }).code : undefined }
}

function tokenOf(caller: CallerKind, place: Place): string | undefined {
  if (caller === 'anonymous') return undefined
  return caller === 'admintoken' ? adminToken : place.tokens[caller]
}

test.each(permissionMatrix().map((row) => [row.operation, row] as const))('%s', async (operation, row) => {
  const { on } = row.permission
  for (const { caller, visibility, membersMay, decision } of row.cells) {
    const place = places.get(placeKey(visibility, membersMay))!
    const answer = await askFor(operation, on, place, tokenOf(caller, place))
    const cell = `${caller}, ${visibility}${membersMay ? ', members may' : ''}`
    if (decision === 'hidden') expect([answer.status, answer.code], cell).toEqual([404, subjectNotFound[on]])
    else if (decision !== 'allowed') expect([answer.status, answer.code], cell).toEqual(expectedOf[decision])
    else expectAllowed(operation, on, { ...answer, cell })
  }
})

/** It came as far as the operation itself, which may find that it makes no sense. */
function expectAllowed(
  operation: RouteId,
  on: SubjectKind,
  { status, code, cell }: { readonly status: number; readonly code: string | undefined; readonly cell: string },
): void {
  expect(status, `${cell}: ${code}`).toBeLessThan(500)
  if (code === undefined) return
  expect(['unauthenticated', 'forbidden', 'token_scope', 'csrf_refused', 'route_not_found'], cell).not.toContain(code)
  if (!['getUser', 'listUsers'].includes(operation)) expect(code, cell).not.toBe(subjectNotFound[on])
}

test('what may not be known of answers exactly as what is not there', async () => {
  const { tokens } = places.get(placeKey('private', false))!
  await aProject(gateway.configstore, 'user/ann/private', { visibility: 'private' })
  const ask = async (request: string) => {
    const { status, body } = await gateway.ask(request, { token: tokens.user })
    const { code, message } = body as { code: string; message: string }
    return { status, code, message }
  }
  for (const [hidden, missing] of [
    ['GET /organizations/private', 'GET /organizations/missing'],
    ['GET /projects/org%2Fprivate%2Fweb', 'GET /projects/org%2Fmissing%2Fweb'],
    ['GET /projects/org%2Fprivate%2Fweb', 'GET /projects/org%2Fpublic%2Fmissing'],
    ['GET /project-groups/org%2Fprivate', 'GET /project-groups/org%2Fmissing'],
    ['GET /projects/user%2Fann%2Fprivate', 'GET /projects/user%2Fann%2Fmissing'],
    ['GET /badges/org%2Fprivate%2Fweb', 'GET /badges/org%2Fmissing%2Fweb'],
    ['POST /user/invitations/private/accept', 'POST /user/invitations/missing/accept'],
  ] as const) {
    const [a, b] = [await ask(hidden), await ask(missing)]
    expect(a.status, hidden).toBe(404)
    const named = (message: string) => message.replaceAll(/(private|public|missing)(\/(web|missing))?/g, 'X')
    expect({ ...a, message: named(a.message) }).toEqual({ ...b, message: named(b.message) })
  }
})

test('something is moved only by who owns both ends', async () => {
  const { configstore } = gateway
  const mine = await aProject(configstore, 'user/other/mine')
  const { user } = places.get(placeKey('public', false))!.tokens
  const move = (parentRef: string) => gateway.ask(`PATCH /projects/${mine.id}`, { token: user, body: { parentRef } })
  expect(await move('org/public')).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  expect(await move('org/private')).toMatchObject({ status: 404, body: { code: 'parent_group_not_found' } })
  expect(await move('org/missing')).toMatchObject({ status: 404, body: { code: 'parent_group_not_found' } })
  await configstore.createProjectGroup({ parent: 'user/other', name: 'sub', visibility: 'public' })
  expect(await move('user/other/sub')).toMatchObject({ status: 200, body: { path: 'user/other/sub/mine' } })
})
