// What is wrong with a request that is as the contract says in form: names that are none, values that cannot be, and things that are
// named elsewhere than in the path and are not there.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aLinkedAccount, aUser } from '../configstore/configstore-fixture.ts'
import type { RouteId } from '../contract/routes.ts'
import { type ErrorCode, SlipwayError } from '../lib/errors.ts'
import { setupToken } from './gateway-fixture.ts'
import { harmlessBody } from './harmless-requests-fixture.ts'
import { type Changes, codeOf, openRefusals, password, type Refusals, routeOf, thatSay } from './refusals-fixture.ts'

let refusals: Refusals
const ask: Refusals['ask'] = (...asked) => refusals.ask(...asked)
let receiverId: string
/** Whatever its version is. */
const headers = { 'if-match': '*' }

beforeAll(async () => {
  refusals = await openRefusals()
  const { gateway, known } = refusals
  const { configstore } = gateway
  for (const parent of [
    { type: 'project', ref: known.projectRef! },
    { type: 'projectgroup', ref: known.projectGroupRef! },
  ] as const) {
    await configstore.createSecret({ parent, name: 'one', data: { key: 'the value' } })
    await configstore.createVariable({ parent, name: 'one', values: [{ value: 'x' }] })
  }
  await aLinkedAccount(configstore, await aUser(configstore, 'carl'))
  await configstore.createRemoteSource({
    name: 'forge',
    type: 'gitea',
    authType: 'password',
    apiUrl: 'https://f.example',
  })
  const chat = { name: 'chat', kind: 'slack', url: 'https://chat.example', changes: ['broken'] }
  receiverId = ((await ask('createReceiver', { body: chat })).body as { readonly id: string }).id
})
afterAll(async () => await refusals?.[Symbol.asyncDispose]())

const named = { secretName: 'one', variableName: 'one', remoteSourceRef: 'forge', userRef: 'carl' }

describe('a name that is none', () => {
  test.each(thatSay('name_invalid').filter((id) => id.startsWith('update')))('%s', async (id) => {
    expect(codeOf(await ask(id, { params: named, headers, body: { name: 'a--b' } }))).toBe('name_invalid')
  })
  test.each(thatSay('name_invalid').filter((id) => id.startsWith('create')))('%s', async (id) => {
    const parent = id === 'createProject' || id === 'createProjectGroup' ? { parentRef: 'org/acme' } : {}
    const body = { ...(harmlessBody(id, routeOf(id)) as object), ...parent, name: 'a--b' }
    expect(codeOf(await ask(id, { body }))).toBe('name_invalid')
  })
})

/** The schema counts as people do, and so does the configstore: it never has to refuse a password. */
const fiveCharacters = '\u{1F512}'.repeat(5)
const controlCharacter = { data: { 'a\u0007b': 'the value' } }
const openParenthesis = { values: [{ value: 'x', when: { ref: { include: [{ type: 'regexp', match: '(' }] } } }] }
const ofNobody = { remoteSourceRef: 'none' }

const cases: readonly (readonly [id: RouteId, code: ErrorCode, changes: () => Changes])[] = [
  ['createUser', 'request_invalid', () => ({ body: { name: 'zoe', password: fiveCharacters } })],
  ['setPassword', 'request_invalid', () => ({ params: named, body: { newPassword: fiveCharacters } })],
  ['setUp', 'request_invalid', () => ({ body: { token: setupToken, username: 'zoe', password: fiveCharacters } })],
  ['createProjectSecret', 'secret_invalid', () => ({ body: { name: 'new', ...controlCharacter } })],
  ['createProjectGroupSecret', 'secret_invalid', () => ({ body: { name: 'new', ...controlCharacter } })],
  ['updateProjectSecret', 'secret_invalid', () => ({ params: named, body: controlCharacter })],
  ['updateProjectGroupSecret', 'secret_invalid', () => ({ params: named, body: controlCharacter })],
  ['createProjectVariable', 'variable_invalid', () => ({ body: { name: 'new', ...openParenthesis } })],
  ['createProjectGroupVariable', 'variable_invalid', () => ({ body: { name: 'new', ...openParenthesis } })],
  ['updateProjectVariable', 'variable_invalid', () => ({ params: named, body: openParenthesis })],
  ['updateProjectGroupVariable', 'variable_invalid', () => ({ params: named, body: openParenthesis })],
  ['updateReceiver', 'receiver_invalid', () => ({ params: { receiverId }, body: { url: 'ftp://chat.example' } })],
  ['updateRemoteSource', 'remote_source_invalid', () => ({ params: named, body: { apiUrl: 'ftp://f.example' } })],
  [
    'loginAtRemoteSource',
    'remote_source_invalid',
    () => ({ body: { remoteSourceRef: 'github', username: 'carl', password } }),
  ],
  ['beginOAuth2Link', 'remote_source_invalid', () => ({ ...inSession(), body: { remoteSourceRef: 'forge' } })],
  ['beginOAuth2Link', 'remote_source_not_found', () => ({ ...inSession(), body: ofNobody })],
  ['listUserRuns', 'run_query_invalid', () => ({ query: '?cursor=nonsense' })],
  ['listProjectRuns', 'run_query_invalid', () => ({ query: '?cursor=nonsense' })],
  ['createExecutorToken', 'executor_labels_invalid', () => ({ body: { name: 'builder', labels: { '-': 'x' } } })],
  ['createExecutorToken', 'executor_not_found', () => ({ body: { name: 'builder', executorId: 'none' } })],
  ['createOrganization', 'user_not_found', () => ({ body: { name: 'new', ownerRef: 'nobody' } })],
  ['createToken', 'project_not_found', () => ({ body: { name: 'new', projects: ['org/acme/none'] } })],
  ['createProject', 'remote_source_not_found', () => ({ body: { name: 'new', source: ofRemote('none') } })],
  ['listUsers', 'remote_source_not_found', () => ({ query: '?remoteSourceRef=none&remoteUserId=1' })],
  ['updateProjectGroup', 'parent_group_not_found', () => ({ body: { parentRef: 'org/acme/none' } })],
  ['updateProject', 'parent_group_not_found', () => ({ body: { parentRef: 'org/acme/none' } })],
]

const ofRemote = (remoteSourceRef: string) => ({ kind: 'remotesource', remoteSourceRef, repositoryPath: 'acme/web' })

/** As a page of the web UI sends it. */
function inSession(): Changes {
  const { cookie, csrfToken } = refusals.session
  return { token: undefined, headers: { cookie, 'x-csrf-token': csrfToken } }
}

describe('what cannot be, or is not there', () => {
  test.each(cases)('%s: %s', async (id, code, changes) => {
    expect(codeOf(await ask(id, { headers, ...changes() }))).toBe(code)
  })
})

test('what is no export is not imported', async () => {
  const { maintenance } = refusals.gateway
  maintenance.import = async () => {
    throw new SlipwayError('import_invalid', 'import: line 1 is none of an export; nothing was changed')
  }
  expect(codeOf(await ask('importData'))).toBe('import_invalid')
})
