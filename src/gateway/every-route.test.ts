// A day in the life of an installation, told by its API: every operation succeeds once here, and what is wrong with a request or in
// the way of it is answered by its code. Steps build on those before.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aLinkedAccount } from '../configstore/configstore-fixture.ts'
import { addressOf } from '../contract/client.ts'
import { type Route, successStatus } from '../contract/route.ts'
import { errorsOfAll, errorsOfRoute } from '../contract/route-errors.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import { FakeExecutor } from '../runservice/service-fixture.ts'
import { type Answer, adminToken, openTestGateway, setupToken, type TestGateway } from './gateway-fixture.ts'

type Who = 'root' | 'ann' | 'bob' | 'eve' | 'admintoken' | 'nobody'
type Input = {
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}
/** What the answer must have: members of the body, or the code of an error. */
type Step = readonly [who: Who, operation: RouteId, input: Input | (() => Input), expected?: unknown]

let gateway: TestGateway
const tokens = new Map<Who, string>()
/** By the names that steps give them. */
const ids = new Map<string, string>()
const succeeded = new Set<string>()
const password = 'correct horse battery'
const commitSha = 'b'.repeat(40)
const definition = {
  fileName: 'config.json',
  content: JSON.stringify({
    runs: [
      {
        name: 'build',
        tasks: [
          {
            name: 'deploy',
            approval: true,
            runtime: { type: 'pod', containers: [{ image: 'alpine' }] },
            steps: [{ run: 'true' }],
          },
        ],
      },
    ],
  }),
}

const acme = { orgRef: 'acme' }
const web = { projectRef: 'org/acme/team/web' }
const team = { projectGroupRef: 'org/acme/team' }
const github = { remoteSourceRef: 'github' }
const forge = { remoteSourceRef: 'forge' }
const annAtForge = { ...forge, username: 'ann-at-forge', password }
const fromForge = { kind: 'remotesource', remoteSourceRef: 'forge' }
const ofForge = { projectRef: 'user/ann/remote' }
const run = () => ({ runId: ids.get('run')! })
const receiver = () => ({ ...web, receiverId: ids.get('receiver')! })
const task = () => ({ ...run(), taskId: ids.get('task')! })
const version = (number: number) => ({ 'if-match': `"${number}"` })
const bytes = { 'content-type': 'application/octet-stream' }

const steps: readonly Step[] = [
  // The first administrator, sessions
  ['nobody', 'getSetup', {}, { isNeeded: true }],
  ['nobody', 'setUp', { body: { token: 'x', username: 'root', password } }, 'setup_refused'],
  ['nobody', 'setUp', { body: { token: setupToken, username: '-', password } }, 'name_invalid'],
  [
    'nobody',
    'setUp',
    { body: { token: setupToken, username: 'root', password } },
    { user: { name: 'root', isAdmin: true } },
  ],
  ['nobody', 'setUp', { body: { token: setupToken, username: 'eve', password } }, 'setup_refused'],
  ['nobody', 'login', { body: { username: 'root', password: 'wrong' } }, 'login_failed'],
  ['nobody', 'login', { body: { username: 'root', password } }, { user: { name: 'root' } }],
  ['nobody', 'getIdentity', {}, { kind: 'anonymous', isAdmin: false }],
  ['admintoken', 'getIdentity', {}, { kind: 'admintoken', isAdmin: true }],

  // Users
  ['admintoken', 'createUser', { body: { name: 'ann', password } }, { name: 'ann', isAdmin: false, hasPassword: true }],
  ['admintoken', 'createUser', { body: { name: 'bob' } }, { name: 'bob', hasPassword: false }],
  ['admintoken', 'createUser', { body: { name: 'eve' } }],
  ['admintoken', 'createUser', { body: { name: 'eve' } }, 'user_exists'],
  ['admintoken', 'createUser', { body: { name: 'a b' } }, 'name_invalid'],
  ['admintoken', 'createUser', { body: { name: 'zoe', password: 'short' } }, 'request_invalid'],
  [
    'admintoken',
    'listUsers',
    { query: { limit: 2 } },
    { items: [{ name: 'ann' }, { name: 'bob' }], nextCursor: expect.any(String) },
  ],
  ['admintoken', 'listUsers', { query: { sort: 'desc', limit: 1 } }, { items: [{ name: 'root' }] }],
  ['admintoken', 'listUsers', { query: { cursor: 'nonsense' } }, 'list_invalid'],
  ['admintoken', 'listUsers', { query: { remoteUserId: '1' } }, 'request_invalid'],
  ['ann', 'getUser', { params: { userRef: 'bob' } }, { name: 'bob' }],
  ['ann', 'getUser', { params: { userRef: 'nobody' } }, 'user_not_found'],
  ['ann', 'getCurrentUser', {}, { name: 'ann' }],
  ['root', 'updateUser', { params: { userRef: 'eve' }, body: { name: 'bob' } }, 'user_exists'],
  [
    'root',
    'updateUser',
    { params: { userRef: 'eve' }, body: { name: 'mallory' }, headers: version(1) },
    { name: 'mallory', version: 2 },
  ],
  [
    'root',
    'updateUser',
    { params: { userRef: 'mallory' }, body: { name: 'eve' }, headers: version(1) },
    'version_conflict',
  ],
  ['root', 'updateUser', { params: { userRef: 'mallory' }, body: { name: 'eve' } }, { name: 'eve' }],
  ['root', 'updateUser', { params: { userRef: 'root' }, body: { isAdmin: false } }, 'last_administrator'],
  [
    'ann',
    'setPassword',
    { params: { userRef: 'ann' }, body: { currentPassword: password, newPassword: `${password}!` } },
  ],
  [
    'ann',
    'createToken',
    { params: { userRef: 'ann' }, body: { name: 'ci', scope: 'run' } },
    { token: { name: 'ci', scope: 'run' }, value: expect.any(String) },
  ],
  ['ann', 'createToken', { params: { userRef: 'ann' }, body: { name: 'ci' } }, 'token_exists'],
  [
    'ann',
    'createToken',
    { params: { userRef: 'ann' }, body: { name: 'late', expiresAt: '2000-01-01T00:00:00Z' } },
    'token_invalid',
  ],
  [
    'ann',
    'createToken',
    { params: { userRef: 'ann' }, body: { name: 'late', expiresAt: 'tomorrow' } },
    'request_invalid',
  ],
  [
    'ann',
    'listTokens',
    { params: { userRef: 'ann' } },
    { items: expect.arrayContaining([expect.objectContaining({ name: 'ci' })]) },
  ],
  ['ann', 'deleteToken', { params: { userRef: 'ann', tokenRef: 'ci' } }],
  ['ann', 'deleteToken', { params: { userRef: 'ann', tokenRef: 'ci' } }, 'token_not_found'],

  // Remote sources and linked accounts
  [
    'root',
    'createRemoteSource',
    { body: { name: 'hub', type: 'github', authType: 'password', apiUrl: 'https://hub.example' } },
    'remote_source_invalid',
  ],
  [
    'root',
    'createRemoteSource',
    { body: { name: 'hub', type: 'gitea', authType: 'password', apiUrl: 'https://hub.example' } },
    { name: 'hub', type: 'gitea', apiUrl: 'https://hub.example' },
  ],
  [
    'root',
    'createRemoteSource',
    { body: { name: 'hub', type: 'gitea', authType: 'password', apiUrl: 'https://x.example' } },
    'remote_source_exists',
  ],
  ['nobody', 'listRemoteSources', {}, { items: [{ name: 'github' }, { name: 'hub', loginEnabled: true }] }],
  ['ann', 'getRemoteSource', { params: { remoteSourceRef: 'hub' } }, { name: 'hub', type: 'gitea' }],
  ['ann', 'getRemoteSource', { params: { remoteSourceRef: 'none' } }, 'remote_source_not_found'],
  [
    'root',
    'updateRemoteSource',
    { params: { remoteSourceRef: 'hub' }, body: { loginEnabled: false } },
    { loginEnabled: false, version: 2 },
  ],
  ['root', 'deleteRemoteSource', { params: { remoteSourceRef: 'hub' }, headers: version(1) }, 'version_conflict'],
  ['root', 'deleteRemoteSource', { params: { remoteSourceRef: 'hub' }, headers: version(2) }],
  ['root', 'deleteRemoteSource', { params: { remoteSourceRef: 'github' } }, 'remote_source_in_use'],
  [
    'root',
    'listUsers',
    { query: { remoteSourceRef: 'github', remoteUserId: 'remote-bob' } },
    { items: [{ name: 'bob' }] },
  ],
  ['root', 'listUsers', { query: { remoteSourceRef: 'github', remoteUserId: 'nobody' } }, { items: [] }],
  ['bob', 'listLinkedAccounts', { params: { userRef: 'bob' } }, { items: [{ remoteUserName: 'bob' }] }],
  ['bob', 'deleteLinkedAccount', { params: { userRef: 'bob', linkedAccountId: 'none' } }, 'linked_account_not_found'],
  ['bob', 'deleteLinkedAccount', () => ({ params: { userRef: 'bob', linkedAccountId: ids.get('account')! } })],

  // Accounts by password, and projects of repositories there
  [
    'root',
    'createRemoteSource',
    { body: { name: 'forge', type: 'forgejo', authType: 'password', apiUrl: 'https://forge.example' } },
    { name: 'forge', loginEnabled: true, registrationEnabled: true },
  ],
  ['ann', 'listRemoteRepositories', { params: forge }, 'linked_account_not_found'],
  ['ann', 'linkAccount', { body: { ...annAtForge, password: 'wrong' } }, 'login_failed'],
  ['ann', 'linkAccount', { body: { ...annAtForge, remoteSourceRef: 'none' } }, 'remote_source_not_found'],
  ['ann', 'linkAccount', { body: { ...annAtForge, remoteSourceRef: 'github' } }, 'remote_source_invalid'],
  ['ann', 'linkAccount', { body: annAtForge }, { remoteUserName: 'ann-at-forge' }],
  ['bob', 'linkAccount', { body: annAtForge }, 'linked_account_exists'],
  ['admintoken', 'linkAccount', { body: annAtForge }, 'forbidden'],
  ['nobody', 'loginAtRemoteSource', { body: { ...annAtForge, password: 'wrong' } }, 'login_failed'],
  ['nobody', 'loginAtRemoteSource', { body: annAtForge }, { user: { name: 'ann' }, csrfToken: expect.any(String) }],
  ['nobody', 'register', { body: { name: 'zoe' } }, 'registration_not_found'],
  ['nobody', 'getRegistration', {}, 'registration_not_found'],
  ['nobody', 'beginOAuth2Login', { body: { remoteSourceRef: 'forge' } }, 'remote_source_invalid'],
  ['nobody', 'beginOAuth2Login', { body: { remoteSourceRef: 'none' } }, 'remote_source_not_found'],
  ['nobody', 'beginOAuth2Login', { body: { ...github, returnTo: '//evil.example' } }, 'request_invalid'],
  ['nobody', 'beginOAuth2Login', { body: github }, { authorizeUrl: expect.stringContaining('code_challenge=') }],
  ['ann', 'beginOAuth2Link', { body: github }, 'session_needed'],
  ['ann', 'listRemoteRepositories', { params: forge, query: { search: 'we' } }, { items: [{ path: 'acme/web' }] }],
  ['ann', 'createProject', { body: { name: 'remote', source: fromForge } }, 'request_invalid'],
  [
    'ann',
    'createProject',
    { body: { name: 'remote', source: { ...fromForge, repositoryPath: 'acme/none' } } },
    'remote_repository_not_found',
  ],
  [
    'bob',
    'createProject',
    { body: { name: 'remote', source: { ...fromForge, repositoryPath: 'acme/web' } } },
    'linked_account_not_found',
  ],
  [
    'ann',
    'createProject',
    { body: { name: 'remote', source: { ...fromForge, repositoryPath: 'acme/web' } } },
    { source: { kind: 'remotesource', repositoryPath: 'acme/web' }, isSourceBroken: false, hasWebhookSecret: true },
  ],
  ['ann', 'reconfigureProject', { params: ofForge }, { path: 'user/ann/remote' }],
  ['bob', 'reconfigureProject', { params: ofForge }, 'forbidden'],
  ['ann', 'setProjectAccount', { params: ofForge }, { source: { repositoryPath: 'acme/web' } }],
  ['root', 'setProjectAccount', { params: ofForge }, 'linked_account_not_found'],
  [
    'ann',
    'setProjectRepository',
    { params: ofForge, body: { remoteSourceRef: 'forge', repositoryPath: 'acme/none' } },
    'remote_repository_not_found',
  ],
  [
    'ann',
    'setProjectRepository',
    { params: ofForge, body: { remoteSourceRef: 'forge', repositoryPath: 'acme/web' } },
    { source: { repositoryPath: 'acme/web' } },
  ],
  ['ann', 'deleteProject', { params: ofForge }],

  // Organizations
  ['ann', 'createOrganization', { body: { name: 'acme' } }, { name: 'acme', visibility: 'public' }],
  ['ann', 'createOrganization', { body: { name: 'acme' } }, 'organization_exists'],
  ['ann', 'createOrganization', { body: { name: 'other', ownerRef: 'bob' } }, 'forbidden'],
  ['admintoken', 'createOrganization', { body: { name: 'other' } }, 'request_invalid'],
  [
    'admintoken',
    'createOrganization',
    { body: { name: 'other', ownerRef: 'bob', visibility: 'private' } },
    { visibility: 'private' },
  ],
  ['ann', 'listOrganizations', {}, { items: [{ name: 'acme' }] }],
  ['root', 'listOrganizations', {}, { items: [{ name: 'acme' }, { name: 'other' }] }],
  [
    'bob',
    'listCurrentUserOrganizations',
    {},
    { items: [{ organization: { name: 'other', may: { change: true, create: true } }, role: 'owner' }] },
  ],
  ['eve', 'getOrganization', { params: acme }, { name: 'acme', may: { change: false, create: false } }],
  [
    'ann',
    'updateOrganization',
    { params: acme, body: { visibility: 'private' } },
    { visibility: 'private', version: 2 },
  ],
  ['ann', 'updateOrganization', { params: acme, body: { name: 'other' } }, 'organization_exists'],
  [
    'ann',
    'createInvitation',
    { params: acme, body: { userRef: 'bob', role: 'member' } },
    { user: { name: 'bob' }, organization: { name: 'acme' }, role: 'member' },
  ],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'bob', role: 'member' } }, 'invitation_exists'],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'ann', role: 'member' } }, 'member_exists'],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'nobody', role: 'member' } }, 'user_not_found'],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'bob', role: 'king' } }, 'request_invalid'],
  ['ann', 'listInvitations', { params: acme }, { items: [{ user: { name: 'bob' } }] }],
  ['ann', 'getInvitation', { params: { ...acme, userRef: 'bob' } }, { role: 'member' }],
  ['ann', 'getInvitation', { params: { ...acme, userRef: 'eve' } }, 'invitation_not_found'],
  ['bob', 'listCurrentUserInvitations', {}, { items: [{ organization: { name: 'acme' } }] }],
  ['bob', 'rejectInvitation', { params: acme }],
  ['bob', 'rejectInvitation', { params: acme }, 'invitation_not_found'],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'bob', role: 'member' } }],
  ['ann', 'deleteInvitation', { params: { ...acme, userRef: 'bob' } }],
  ['ann', 'deleteInvitation', { params: { ...acme, userRef: 'bob' } }, 'invitation_not_found'],
  ['ann', 'createInvitation', { params: acme, body: { userRef: 'bob', role: 'member' } }],
  ['bob', 'acceptInvitation', { params: acme }, { user: { name: 'bob' }, role: 'member' }],
  ['bob', 'acceptInvitation', { params: acme }, 'invitation_not_found'],
  [
    'bob',
    'listMembers',
    { params: acme },
    {
      items: [
        { user: { name: 'ann' }, role: 'owner' },
        { user: { name: 'bob' }, role: 'member' },
      ],
    },
  ],
  ['ann', 'setMember', { params: { ...acme, userRef: 'eve' }, body: { role: 'member' } }, 'member_adding_refused'],
  ['root', 'setMember', { params: { ...acme, userRef: 'eve' }, body: { role: 'member' } }, { role: 'member' }],
  ['ann', 'setMember', { params: { ...acme, userRef: 'eve' }, body: { role: 'owner' } }, { role: 'owner' }],
  ['ann', 'removeMember', { params: { ...acme, userRef: 'eve' } }],
  ['ann', 'removeMember', { params: { ...acme, userRef: 'eve' } }, 'member_not_found'],
  ['ann', 'removeMember', { params: { ...acme, userRef: 'ann' } }, 'last_owner'],
  ['root', 'deleteUser', { params: { userRef: 'ann' } }, 'last_owner'],

  // The tree
  [
    'ann',
    'createProjectGroup',
    { body: { name: 'team', parentRef: 'org/acme' } },
    { path: 'org/acme/team', globalVisibility: 'private', owner: { type: 'organization', name: 'acme' } },
  ],
  ['ann', 'createProjectGroup', { body: { name: 'team', parentRef: 'org/acme' } }, 'project_group_exists'],
  ['ann', 'createProjectGroup', { body: { name: 'own' } }, { path: 'user/ann/own' }],
  ['ann', 'createProjectGroup', { body: { name: 'x', parentRef: 'x/y' } }, 'ref_invalid'],
  ['ann', 'createProjectGroup', { body: { name: 'x', parentRef: 'org/none' } }, 'parent_group_not_found'],
  ['bob', 'getProjectGroup', { params: team }, { path: 'org/acme/team', may: { change: false, create: false } }],
  ['ann', 'getProjectGroup', { params: team }, { may: { change: true, create: true } }],
  [
    'ann',
    'updateProjectGroup',
    { params: team, body: { visibility: 'private' } },
    { visibility: 'private', version: 2 },
  ],
  ['ann', 'updateProjectGroup', { params: team, body: { parentRef: 'org/acme/team' } }, 'move_invalid'],
  ['ann', 'updateProjectGroup', { params: { projectGroupRef: 'org/acme' }, body: { name: 'x' } }, 'root_group'],
  ['bob', 'listSubgroups', { params: { projectGroupRef: 'org/acme' } }, { items: [{ name: 'team' }] }],
  [
    'ann',
    'createProject',
    {
      body: {
        name: 'web',
        parentRef: 'org/acme/team',
        source: { kind: 'git', url: 'https://git.example/web.git', auth: 'none', pollIntervalMs: 0 },
      },
    },
    { path: 'org/acme/team/web', source: { kind: 'git' } },
  ],
  [
    'ann',
    'createProject',
    { body: { name: 'web', parentRef: 'org/acme/team', source: { kind: 'none' } } },
    'project_exists',
  ],
  ['ann', 'createProject', { body: { name: 'own', source: { kind: 'none' } } }, 'project_group_exists'],
  [
    'ann',
    'createProject',
    { body: { name: 'mine', source: { kind: 'none' } } },
    { path: 'user/ann/mine', visibility: 'public' },
  ],
  ['ann', 'createProject', { body: { name: 'odd', source: { kind: 'svn' } } }, 'request_invalid'],
  [
    'ann',
    'createProject',
    { body: { name: 'odd', source: { kind: 'git', url: 'nonsense', auth: 'none', pollIntervalMs: 0 } } },
    'project_invalid',
  ],
  ['bob', 'listProjects', { params: team }, { items: [{ name: 'web' }] }],
  ['nobody', 'getProject', { params: { projectRef: 'user/ann/mine' } }, { path: 'user/ann/mine' }],
  ['nobody', 'getProject', { params: { projectRef: 'mine' } }, 'project_not_found'],
  [
    'ann',
    'updateProject',
    { params: web, body: { membersCanPerformRunActions: true, gitPassword: 'secret' } },
    { membersCanPerformRunActions: true, hasGitPassword: true },
  ],
  [
    'ann',
    'updateProject',
    { params: { projectRef: 'user/ann/mine' }, body: { membersCanPerformRunActions: true } },
    'project_invalid',
  ],
  [
    'ann',
    'updateProject',
    { params: { projectRef: 'user/ann/mine' }, body: { parentRef: 'user/ann/own' } },
    { path: 'user/ann/own/mine' },
  ],
  ['ann', 'updateProject', { params: web, body: { defaultBranch: 'main' }, headers: version(1) }, 'version_conflict'],
  ['ann', 'deleteProject', { params: { projectRef: 'user/ann/own/mine' } }],
  ['ann', 'deleteProjectGroup', { params: { projectGroupRef: 'user/ann/own' } }],
  ['ann', 'deleteProjectGroup', { params: { projectGroupRef: 'user/ann' } }, 'root_group'],

  // Secrets and variables
  [
    'ann',
    'createProjectSecret',
    { params: web, body: { name: 'keys', data: { api: 'web-key' } } },
    { name: 'keys', keys: ['api'], parentPath: 'org/acme/team/web' },
  ],
  ['ann', 'createProjectSecret', { params: web, body: { name: 'keys', data: { api: 'x' } } }, 'secret_exists'],
  ['ann', 'createProjectSecret', { params: web, body: { name: 'keys', data: {} } }, 'request_invalid'],
  [
    'ann',
    'createProjectGroupSecret',
    { params: team, body: { name: 'shared', data: { a: '1', b: '2' } } },
    { keys: ['a', 'b'] },
  ],
  [
    'bob',
    'listProjectSecrets',
    { params: web, query: { inherited: true } },
    { items: [{ name: 'keys' }, { name: 'shared', parentPath: 'org/acme/team' }] },
  ],
  ['bob', 'listProjectSecrets', { params: web }, { items: [{ name: 'keys' }] }],
  ['bob', 'listProjectGroupSecrets', { params: team }, { items: [{ name: 'shared' }] }],
  [
    'ann',
    'updateProjectSecret',
    { params: { ...web, secretName: 'keys' }, body: { data: { api: 'x', db: 'y' } } },
    { keys: ['api', 'db'], version: 2 },
  ],
  ['ann', 'updateProjectSecret', { params: { ...web, secretName: 'none' }, body: {} }, 'secret_not_found'],
  [
    'ann',
    'updateProjectGroupSecret',
    { params: { ...team, secretName: 'shared' }, body: { name: 'common' } },
    { name: 'common' },
  ],
  [
    'ann',
    'createProjectVariable',
    {
      params: web,
      body: {
        name: 'key',
        values: [
          { secretName: 'keys', secretVar: 'api', when: { branch: { include: [{ type: 'simple', match: 'main' }] } } },
          { value: 'none' },
        ],
      },
    },
    { values: [{ secretName: 'keys', matchingSecretParentPath: 'org/acme/team/web' }, { value: 'none' }] },
  ],
  ['ann', 'createProjectVariable', { params: web, body: { name: 'key', values: [{ value: 'x' }] } }, 'variable_exists'],
  [
    'ann',
    'createProjectVariable',
    {
      params: web,
      body: { name: 'odd', values: [{ value: 'x', when: { ref: { include: [{ type: 'regexp', match: '(' }] } } }] },
    },
    'variable_invalid',
  ],
  ['ann', 'createProjectVariable', { params: web, body: { name: 'odd', values: [] } }, 'request_invalid'],
  ['bob', 'listProjectVariables', { params: web }, { items: [{ name: 'key' }] }],
  [
    'ann',
    'updateProjectVariable',
    { params: { ...web, variableName: 'key' }, body: { values: [{ value: 'y' }] } },
    { values: [{ value: 'y' }] },
  ],
  ['ann', 'deleteProjectVariable', { params: { ...web, variableName: 'key' } }],
  ['ann', 'deleteProjectVariable', { params: { ...web, variableName: 'key' } }, 'variable_not_found'],
  [
    'ann',
    'createProjectGroupVariable',
    { params: team, body: { name: 'mode', values: [{ value: 'x' }] } },
    { parentPath: 'org/acme/team' },
  ],
  ['bob', 'listProjectGroupVariables', { params: team }, { items: [{ name: 'mode' }] }],
  [
    'ann',
    'updateProjectGroupVariable',
    { params: { ...team, variableName: 'mode' }, body: { name: 'kind' } },
    { name: 'kind' },
  ],
  ['ann', 'deleteProjectGroupVariable', { params: { ...team, variableName: 'kind' } }],
  ['ann', 'deleteProjectSecret', { params: { ...web, secretName: 'keys' } }],
  [
    'ann',
    'deleteProjectGroupSecret',
    { params: { ...team, secretName: 'common' }, headers: version(9) },
    'version_conflict',
  ],
  ['ann', 'deleteProjectGroupSecret', { params: { ...team, secretName: 'common' } }],

  // Runs
  ['ann', 'createProjectRuns', { params: web, body: { commitSha, definition } }, { runs: [{ number: 1 }] }],
  ['ann', 'createProjectRuns', { params: web, body: { commitSha, definition } }, { runs: [{ number: 2 }] }],
  ['bob', 'listProjectRuns', { params: web }, { items: [{ number: 2 }, { number: 1 }] }],
  ['bob', 'getProjectRun', { params: { ...web, runNumber: 1 } }, { number: 1, tasks: [{ name: 'deploy' }] }],
  ['bob', 'getRun', () => ({ params: run() }), { number: 1 }],
  ['bob', 'getTask', () => ({ params: task() }), { name: 'deploy', isWaitingApproval: true }],
  ['bob', 'cancelRun', () => ({ params: { runId: ids.get('second')! } }), { phase: 'cancelled' }],
  ['bob', 'approveTask', () => ({ params: task() }), 'forbidden'],
  ['ann', 'approveTask', () => ({ params: task() }), { isApproved: true }],
  [
    'root',
    'listQueue',
    {},
    { items: [{ position: 1, task: { name: 'deploy' }, reason: { kind: 'waiting_executor' } }], total: 1 },
  ],
  ['root', 'listQueue', { query: { cursor: 'x' } }, 'queue_cursor_invalid'],
  ['bob', 'stopRun', () => ({ params: run() }), { isStopping: false, result: 'stopped' }],
  ['bob', 'restartRun', () => ({ params: run(), body: { fromStart: true } }), { number: 3 }],
  [
    'ann',
    'getHome',
    {},
    { projects: [{ project: { name: 'web' }, runs: { items: [{ number: 3 }, {}, {}] } }], isComplete: true },
  ],
  ['ann', 'listProjectRuns', { params: web, query: { text: '#3' } }, { items: [{ number: 3 }] }],
  ['ann', 'listUserRuns', { params: { userRef: 'ann' } }, { items: [] }],
  ['ann', 'getUserRun', { params: { userRef: 'ann', runNumber: 1 } }, 'run_not_found'],
  ['bob', 'getBadge', { params: web }],
  ['ann', 'getRelatedRuns', () => ({ params: run() }), { attempts: [{ number: 1 }, { number: 3 }] }],
  ['ann', 'getRunConfig', () => ({ params: run() }), { tasks: [{ name: 'deploy', registryAuth: {} }] }],
  ['ann', 'getRunDefinition', () => ({ params: run() }), 'commit_not_found'],
  ['ann', 'readLog', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'followLog', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'getLogSummary', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'readLogLines', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'searchLog', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'findLogGroups', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],
  ['ann', 'deleteLog', () => ({ params: { ...task(), log: '0' } }), 'log_not_found'],

  // Executors
  [
    'root',
    'createExecutorToken',
    { body: { name: 'builder', labels: { size: 'large' } } },
    { token: { name: 'builder', labels: { size: 'large' } }, value: expect.stringContaining('slipway-executor-') },
  ],
  ['root', 'createExecutorToken', { body: { name: 'builder' } }, 'executor_token_exists'],
  ['root', 'createExecutorToken', { body: { name: '-' } }, 'executor_token_invalid'],
  ['root', 'listExecutorTokens', {}, { items: [{ name: 'builder' }] }],
  ['root', 'deleteExecutorToken', () => ({ params: { tokenId: ids.get('executorToken')! } })],
  ['root', 'deleteExecutorToken', { params: { tokenId: 'none' } }, 'executor_token_not_found'],
  ['root', 'listExecutors', {}, { items: [{ id: 'x1', state: 'connected', isDraining: false }] }],
  [
    'root',
    'drainExecutor',
    { params: { executorId: 'x1' }, body: { isDraining: true } },
    { id: 'x1', isDraining: true },
  ],
  ['root', 'drainExecutor', { params: { executorId: 'none' }, body: { isDraining: true } }, 'executor_not_found'],
  ['root', 'removeExecutor', { params: { executorId: 'x1' } }],
  ['root', 'removeExecutor', { params: { executorId: 'x1' } }, 'executor_not_found'],

  // Keys
  ['root', 'getKeys', {}, { items: [{ isActive: true }] }],
  ['ann', 'getKeys', {}, 'forbidden'],
  ['root', 'retireKey', () => ({ params: { keyId: ids.get('key')! } }), 'sealing_key_in_use'],
  ['admintoken', 'rotateKey', {}, { keyId: expect.any(String) }],
  ['root', 'retireKey', () => ({ params: { keyId: ids.get('key')! } }), 'sealing_key_in_use'],
  ['admintoken', 'resealValues', {}, { resealed: expect.any(Number), remaining: 0 }],
  ['root', 'retireKey', () => ({ params: { keyId: ids.get('key')! } })],
  ['root', 'retireKey', () => ({ params: { keyId: ids.get('key')! } }), 'sealing_key_not_found'],

  // Deliveries
  [
    'ann',
    'createWebhookSecret',
    { params: web },
    { webhookUrl: expect.stringMatching(/^\/webhooks\//), secret: expect.any(String) },
  ],
  ['bob', 'createWebhookSecret', { params: web }, 'forbidden'],
  ['ann', 'listDeliveries', { params: web }, { items: [{ source: 'hook', event: 'first look' }] }],
  ['ann', 'listDeliveries', { params: web, query: { cursor: 'nonsense' } }, 'list_invalid'],
  ['ann', 'redeliver', () => ({ params: { ...web, deliveryId: ids.get('delivery')! } }), { state: 'queued' }],
  ['ann', 'redeliver', { params: { ...web, deliveryId: 'none' } }, 'delivery_not_found'],

  // Notifications
  ['ann', 'listReceivers', { params: web }, { items: [] }],
  ['bob', 'listReceivers', { params: web }, 'forbidden'],
  [
    'ann',
    'createReceiver',
    { params: web, body: { name: 'chat', kind: 'webhook', url: 'https://chat.example/hook', events: ['run.failed'] } },
    { name: 'chat', kind: 'webhook', secret: expect.any(String), format: 'slipway', version: 1 },
  ],
  [
    'ann',
    'createReceiver',
    { params: web, body: { name: 'chat', kind: 'slack', url: 'https://x.example' } },
    'receiver_exists',
  ],
  ['ann', 'createReceiver', { params: web, body: { name: 'x', kind: 'slack', url: 'x' } }, 'receiver_invalid'],
  ['ann', 'createReceiver', { params: web, body: { name: 'x', kind: 'pager' } }, 'request_invalid'],
  ['ann', 'getReceiver', () => ({ params: receiver() }), { name: 'chat', events: ['run.failed'] }],
  ['ann', 'getReceiver', { params: { ...web, receiverId: 'none' } }, 'receiver_not_found'],
  [
    'ann',
    'updateReceiver',
    () => ({ params: receiver(), body: { isEnabled: false, newSecret: true }, headers: version(1) }),
    { isEnabled: false, version: 2, secret: expect.any(String) },
  ],
  ['ann', 'updateReceiver', () => ({ params: receiver(), body: {}, headers: version(1) }), 'version_conflict'],
  ['ann', 'testReceiver', () => ({ params: receiver() }), { kind: 'webhook', event: 'test', state: 'waiting' }],
  ['ann', 'testReceiver', () => ({ params: receiver() }), 'rate_limited'],
  [
    'bob',
    'listNotifications',
    () => ({ params: web, query: { receiverId: ids.get('receiver')! } }),
    { items: [{ event: 'test' }] },
  ],
  ['bob', 'listNotifications', { params: web, query: { cursor: 'nonsense' } }, 'list_invalid'],
  [
    'bob',
    'getNotification',
    () => ({ params: { ...web, notificationId: ids.get('notification')! } }),
    { event: 'test' },
  ],
  ['bob', 'getNotification', { params: { ...web, notificationId: 'none' } }, 'notification_not_found'],
  ['ann', 'resendNotification', { params: { ...web, notificationId: 'none' } }, 'notification_not_found'],
  [
    'ann',
    'resendNotification',
    () => ({ params: { ...web, notificationId: ids.get('notification')! } }),
    'notification_not_repeatable',
  ],
  ['ann', 'deleteReceiver', () => ({ params: receiver(), headers: version(1) }), 'version_conflict'],
  ['ann', 'deleteReceiver', () => ({ params: receiver(), headers: version(2) })],

  // The installation
  ['nobody', 'getVersion', {}, { version: '1.2.3' }],
  ['nobody', 'getOpenApi', {}, { openapi: '3.1.0' }],
  ['root', 'getMaintenance', {}, { isActive: false }],
  [
    'root',
    'getDatabaseStatus',
    {},
    {
      log: 'embedded',
      databases: [{ service: 'configstore', position: 9, shipped: 8, snapshotPosition: 5, waiting: [{ count: 2 }] }],
      instances: [{ id: 'i1', databases: [{ service: 'configstore', position: 7, behind: 2 }] }],
    },
  ],
  ['root', 'exportData', {}],
  ['root', 'importData', { body: 'x', headers: bytes }, 'import_refused'],
  ['root', 'startMaintenance', { body: { why: 'upgrade' } }, { isActive: true, why: 'upgrade' }],
  ['root', 'importData', { body: 'rows', headers: bytes }],
  ['ann', 'getCurrentUser', {}, 'maintenance'],
  ['root', 'endMaintenance', {}, { isActive: false }],

  // And all is removed
  ['ann', 'deleteOrganization', { params: acme, headers: version(1) }, 'version_conflict'],
  ['ann', 'deleteOrganization', { params: acme }],
  ['ann', 'getProject', { params: web }, 'project_not_found'],
  ['ann', 'getOrganization', { params: acme }, 'organization_not_found'],
  ['root', 'deleteUser', { params: { userRef: 'eve' } }],
  ['root', 'deleteUser', { params: { userRef: 'eve' } }, 'user_not_found'],
]

/** Sessions and streams have tests of their own. */
const elsewhere: readonly RouteId[] = [
  'getRegistration',
  'register',
  'beginOAuth2Link',
  'logout',
  'listSessions',
  'deleteSession',
  'watchRun',
  'watchAllRuns',
  'watchDeliveries',
  'watchNotifications',
  'watchInstallation',
  'watchProjectRuns',
  'watchUserRuns',
  // direct-runs.test.ts
  'createDirectRuns',
  'getUserRun',
  'resendNotification',
  'getRunDefinition',
  'readLog',
  'followLog',
  'getLogSummary',
  'readLogLines',
  'searchLog',
  'findLogGroups',
  'deleteLog',
]

/** What later steps need, that is made beside the API or comes out of an answer. */
async function after([, operation]: Step, { body }: Answer): Promise<void> {
  const { configstore, installation } = gateway
  const found = body as {
    id: string
    runs: { id: string }[]
    tasks: { id: string }[]
    token: { id: string }
    name: string
  }
  if (operation === 'setUp') tokens.set('root', await gateway.tokenOf('root'))
  if (operation === 'createUser') {
    tokens.set(found.name as Who, await gateway.tokenOf(found.name))
    if (found.name === 'bob')
      ids.set('account', (await aLinkedAccount(configstore, await configstore.getUser({ user: 'bob' }))).account.id)
  }
  if (operation === 'createProjectRuns') ids.set(ids.has('run') ? 'second' : 'run', found.runs[0]!.id)
  if (operation === 'listDeliveries') ids.set('delivery', (body as { items: { id: string }[] }).items[0]!.id)
  if (operation === 'createReceiver') ids.set('receiver', found.id)
  if (operation === 'testReceiver') ids.set('notification', found.id)
  if (operation === 'getProjectRun') ids.set('task', found.tasks[0]!.id)
  if (operation === 'getKeys') ids.set('key', (body as { items: { id: string }[] }).items[0]!.id)
  if (operation === 'createExecutorToken') ids.set('executorToken', found.token.id)
  if (operation === 'deleteExecutorToken')
    await (await new FakeExecutor(installation.runservice, {}, () => undefined).connect()).disconnect()
}

describe.each([
  ['in the same process', false],
  ['in another process', true],
] as const)('services %s', (_, areServicesRemote) => {
  beforeAll(async () => {
    for (const left of [tokens, ids, succeeded]) left.clear()
    gateway = await openTestGateway({
      settings: { memberAdding: 'invitation' },
      areServicesRemote,
      notification: true,
    })
    tokens.set('admintoken', adminToken)
    gateway.host.addUser('ann-at-forge', password)
    gateway.host.addRepository('acme/web', 'ann-at-forge')
  })
  afterAll(async () => await gateway?.[Symbol.asyncDispose]())

  test.each(steps.map((step, index) => [index, step[0], step[1], step] as const))(
    '%i. %s: %s',
    async (_, who, operation, step) => {
      const [, , given, expected] = step
      const input = typeof given === 'function' ? given() : given
      const route: Route = routes[operation]
      const token = tokens.get(who)
      const key = { 'idempotency-key': `step-${step[0]}-${steps.indexOf(step)}` }
      const ask = () =>
        gateway.ask(`${route.method} ${addressOf(route, input).replace('/api/v1', '')}`, {
          ...(token === undefined ? {} : { token }),
          ...(input.body === undefined ? {} : { body: input.body }),
          headers: { ...input.headers, ...(route.repeatable ? key : {}) },
        })
      const answer = await ask()
      const shown = JSON.stringify(answer.body)
      if (typeof expected === 'string') {
        expect((answer.body as { code?: string } | undefined)?.code, shown).toBe(expected)
        expect([...errorsOfAll, ...errorsOfRoute(route)], `${operation} does not say so`).toContain(expected)
        return
      }
      expect(answer.status, shown).toBe(successStatus(route))
      if (expected !== undefined) expect(answer.body).toMatchObject(expected as object)
      if (route.repeatable) {
        // Acting twice would be refused, or make something else.
        const again = await ask()
        expect([again.status, again.body]).toEqual([answer.status, answer.body])
      }
      succeeded.add(operation)
      await after(step, answer)
    },
  )

  test('every operation was seen to succeed, here or in its own test', () => {
    const missing = Object.keys(routes).filter((id) => !succeeded.has(id) && !elsewhere.includes(id as RouteId))
    expect(missing).toEqual([])
    expect(gateway.logged).toEqual([])
  })
})
