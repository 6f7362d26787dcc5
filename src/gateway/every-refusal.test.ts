// What every operation refuses before it does anything, asked of each of them: requests without the right to ask, requests that are
// not as the contract says, and things that are not there. What only one operation refuses is in every-route.test.ts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anOrganization, aProject, aUser } from '../configstore/configstore-fixture.ts'
import { addressOf } from '../contract/client.ts'
import type { Route } from '../contract/route.ts'
import { errorsOfRoute } from '../contract/route-errors.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { aRequest } from '../runservice/service-fixture.ts'
import { type Answer, openTestGateway, type TestGateway } from './gateway-fixture.ts'
import { harmlessBody, harmlessParams } from './harmless-requests-fixture.ts'
import { permissions } from './permissions/table.ts'

const password = 'correct horse battery'

let gateway: TestGateway
/** Of the administrator root; ann owns what there is. */
let token: string
let known: Readonly<Record<string, string>>
/** More of each kind. */
let others: Readonly<Record<string, string>>
let cookie: string
/** Of root, too. */
let readToken: string

beforeAll(async () => {
  gateway = await openTestGateway({ notification: true })
  await gateway.configstore.createUser({ name: 'root', isAdmin: true, password })
  token = await gateway.tokenOf('root')
  readToken = await gateway.tokenOf('root', 'read')
  known = await make('ann', 'acme')
  others = { ...(await make('bob', 'other')), notificationId: 'other' }
  const { headers } = await gateway.ask('POST /login', { body: { username: 'root', password } })
  cookie = headers.getSetCookie()[0]!.split(';')[0]!
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

/** An organization with something of each kind. */
async function make(userName: string, name: string): Promise<Readonly<Record<string, string>>> {
  const { configstore, installation } = gateway
  await anOrganization(configstore, name, await aUser(configstore, userName))
  await configstore.createProjectGroup({ parent: `org/${name}`, name: 'team', visibility: 'public' })
  const project = await aProject(configstore, `org/${name}/web`)
  const specs = { a: { approval: 'needed' } } as const
  const request = aRequest(specs, { ids: name, group: `/project/${project.id}/branch/main` })
  const [run] = await installation.runservice.createRuns([request])
  return {
    userRef: userName,
    orgRef: name,
    projectGroupRef: `org/${name}/team`,
    projectRef: project.id,
    runId: run!.id,
    taskId: `${name}a-id`,
  }
}

type Changes = {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly token?: string | undefined
}

async function ask(id: RouteId, changes: Changes = {}): Promise<Answer> {
  const route: Route = routes[id]
  const params = { ...harmlessParams(id, known), ...changes.params }
  const address = addressOf(route, { params }).replace('/api/v1', '')
  const body = changes.body ?? harmlessBody(id, route)
  const shown = 'token' in changes ? changes.token : token
  return await gateway.ask(`${route.method} ${address}${changes.query ?? ''}`, {
    ...(shown === undefined ? {} : { token: shown }),
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(route.body === 'bytes' ? { 'content-type': 'application/octet-stream' } : {}),
      ...(route.versioned && route.method !== 'POST' ? { 'if-match': '"999999"' } : {}),
      ...changes.headers,
    },
  })
}

const codeOf = ({ body }: Answer) => (body as { readonly code?: string } | undefined)?.code

/** The operations that say of themselves that they answer this. */
function thatSay(code: ErrorCode): readonly RouteId[] {
  return (Object.keys(routes) as RouteId[]).filter((id) => errorsOfRoute(routes[id]).includes(code))
}

const routeOf = (id: RouteId): Route => routes[id]

describe('a token that is none', () => {
  test.each(thatSay('unauthenticated'))('%s', async (id) => {
    expect(codeOf(await ask(id, { token: 'wrong' }))).toBe('unauthenticated')
  })
})

describe('a token that is only for reading', () => {
  test.each(thatSay('token_scope').filter((id) => ['run', 'admin'].includes(permissions[id].scope)))(
    '%s',
    async (id) => {
      expect(codeOf(await ask(id, { token: readToken }))).toBe('token_scope')
    },
  )
})

describe('a page of another site', () => {
  test.each(thatSay('csrf_refused'))('%s', async (id) => {
    const headers = { cookie, origin: 'https://evil.example' }
    expect(codeOf(await ask(id, { headers, token: undefined }))).toBe('csrf_refused')
  })
})

describe('something that the contract does not know', () => {
  test.each(thatSay('request_invalid'))('%s', async (id) => {
    expect(codeOf(await ask(id, { query: '?unheard=of' }))).toBe('request_invalid')
  })
})

describe('a body that is too large', () => {
  test.each(thatSay('request_too_large'))('%s', async (id) => {
    const body = JSON.stringify({ name: 'x'.repeat(limits.requestBodyBytes.value) })
    expect(codeOf(await ask(id, { body }))).toBe('request_too_large')
  })
})

describe('a key that another request had', () => {
  // All requests that make a new key are the same, and so are those that seal anew.
  test.each(thatSay('idempotency_key_reused').filter((id) => !['rotateKey', 'resealValues'].includes(id)))(
    '%s',
    async (id) => {
      const headers = { 'idempotency-key': `of-${id}` }
      const body = {
        ...(harmlessBody(id, routes[id]) as object),
        [id === 'createDirectRuns' ? 'message' : 'name']: '-other',
      }
      await ask(id, routeOf(id).params === undefined ? { headers, body } : { headers, params: others })
      expect(codeOf(await ask(id, { headers }))).toBe('idempotency_key_reused')
    },
  )
})

describe('a path that is none', () => {
  test.each(thatSay('ref_invalid').filter((id) => 'projectRef' in namesOf(id) || 'projectGroupRef' in namesOf(id)))(
    '%s',
    async (id) => {
      const params = { projectRef: 'nobody/acme/web', projectGroupRef: 'nobody/acme' }
      expect(codeOf(await ask(id, { params }))).toBe('ref_invalid')
    },
  )
})

describe('a cursor that is none', () => {
  test.each(thatSay('list_invalid'))('%s', async (id) => {
    expect(codeOf(await ask(id, { query: '?cursor=nonsense' }))).toBe('list_invalid')
  })
})

/** What names something that is not there. */
const missing: readonly (readonly [param: string, value: string, code: ErrorCode])[] = [
  ['userRef', 'nobody', 'user_not_found'],
  ['orgRef', 'none', 'organization_not_found'],
  ['projectRef', 'org/acme/none', 'project_not_found'],
  ['projectGroupRef', 'org/acme/none', 'project_group_not_found'],
  ['runId', '01999999-0000-7000-8000-000000000000', 'run_not_found'],
]

describe.each(missing)('a %s that is not there: %s', (param, value, code) => {
  test.each(thatSay(code).filter((id) => param in namesOf(id)))('%s', async (id) => {
    // Who was not invited need not know whether it exists.
    const isInvitation = id === 'acceptInvitation' || id === 'rejectInvitation'
    expect(codeOf(await ask(id, { params: { [param]: value } }))).toBe(isInvitation ? 'invitation_not_found' : code)
  })
})

function namesOf(id: RouteId): object {
  return routeOf(id).params?.properties ?? {}
}
