// What every operation refuses before it does anything, asked of each of them: requests without the right to ask, requests that are
// not as the contract says, and things that are not there. What only one operation refuses is in every-route.test.ts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { routes } from '../contract/routes.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { harmlessBody } from './harmless-requests-fixture.ts'
import { permissions } from './permissions/table.ts'
import { codeOf, namesOf, openRefusals, type Refusals, routeOf, thatSay } from './refusals-fixture.ts'

let refusals: Refusals
const ask: Refusals['ask'] = (...asked) => refusals.ask(...asked)

beforeAll(async () => {
  refusals = await openRefusals()
})
afterAll(async () => await refusals?.[Symbol.asyncDispose]())

describe('a token that is none', () => {
  test.each(thatSay('unauthenticated'))('%s', async (id) => {
    expect(codeOf(await ask(id, { token: 'wrong' }))).toBe('unauthenticated')
  })
})

describe('a token that is only for reading', () => {
  let readToken: string
  beforeAll(async () => {
    readToken = await refusals.gateway.tokenOf('root', 'read')
  })
  test.each(thatSay('token_scope').filter((id) => ['run', 'admin'].includes(permissions[id].scope)))(
    '%s',
    async (id) => {
      expect(codeOf(await ask(id, { token: readToken }))).toBe('token_scope')
    },
  )
})

describe('a token that is for another project', () => {
  let projectToken: string
  beforeAll(async () => {
    projectToken = await refusals.gateway.tokenOf('root', 'read', [refusals.others.projectRef!])
  })
  test.each(thatSay('token_scope').filter((id) => permissions[id].scope === 'read'))('%s', async (id) => {
    expect(codeOf(await ask(id, { token: projectToken }))).toBe('token_scope')
  })
})

describe('a page of another site', () => {
  test.each(thatSay('csrf_refused'))('%s', async (id) => {
    const headers = { cookie: refusals.session.cookie, origin: 'https://evil.example' }
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
  test.each(thatSay('idempotency_key_reused'))('%s', async (id) => {
    const headers = { 'idempotency-key': `of-${id}` }
    const body = {
      ...(harmlessBody(id, routes[id]) as object),
      [id === 'createDirectRuns' ? 'message' : 'name']: '-other',
    }
    await ask(id, routeOf(id).params === undefined ? { headers, body } : { headers, params: refusals.others })
    expect(codeOf(await ask(id, { headers }))).toBe('idempotency_key_reused')
  })
})

describe('a path that is none', () => {
  test.each(thatSay('ref_invalid'))('%s', async (id) => {
    const params = { projectRef: 'nobody/acme/web', projectGroupRef: 'nobody/acme' }
    const isInPath = 'projectRef' in namesOf(id) || 'projectGroupRef' in namesOf(id)
    const body = { ...(harmlessBody(id, routes[id]) as object), parentRef: 'nobody/acme' }
    expect(codeOf(await ask(id, isInPath ? { params } : { body }))).toBe('ref_invalid')
  })
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
  ['taskId', 'none', 'task_not_found'],
]

describe.each(missing)('a %s that is not there: %s', (param, value, code) => {
  test.each(thatSay(code).filter((id) => param in namesOf(id)))('%s', async (id) => {
    expect(codeOf(await ask(id, { params: { [param]: value } }))).toBe(code)
  })
})

describe('an invitation to what is not there', () => {
  test.each(['acceptInvitation', 'rejectInvitation'] as const)('%s', async (id) => {
    expect(codeOf(await ask(id, { params: { orgRef: 'none' } }))).toBe('invitation_not_found')
  })
})
