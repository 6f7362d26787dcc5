// For each operation a request that is as it should be, and changes nothing when it is allowed.

import type { Route } from '../contract/route.ts'
import type { RouteId } from '../contract/routes.ts'

/** Members of requests that change nothing when they are allowed. */
const harmless: Partial<
  Record<RouteId, { readonly params?: object; readonly query?: object; readonly body?: unknown }>
> = {
  login: { body: { username: 'x', password: 'x' } },
  beginOAuth2Login: { body: { remoteSourceRef: 'none' } },
  loginAtRemoteSource: { body: { remoteSourceRef: 'none', username: 'x', password: 'x' } },
  register: { body: { name: '-' } },
  beginOAuth2Link: { body: { remoteSourceRef: 'none' } },
  linkAccount: { body: { remoteSourceRef: 'none', username: 'x', password: 'x' } },
  setUp: { body: { token: 'x', username: 'x', password: 'x'.repeat(10) } },
  createUser: { body: { name: '-' } },
  updateUser: { params: { userRef: 'other' }, body: {} },
  deleteUser: { params: { userRef: 'other' } },
  setPassword: { body: { newPassword: 'x'.repeat(10), currentPassword: 'x' } },
  createToken: { body: { name: '' } },
  createOrganization: { body: { name: '-' } },
  setMember: { params: { userRef: 'member' }, body: { role: 'member' } },
  removeMember: { params: { userRef: 'member' } },
  createInvitation: { body: { userRef: 'other', role: 'member' } },
  createProject: { body: { name: '-', source: { kind: 'none' } } },
  setProjectRepository: { body: { remoteSourceRef: 'none', repositoryPath: 'x/y' } },
  createProjectRuns: {
    body: { commitSha: '0'.repeat(40), definition: { fileName: 'config.yml', content: 'nonsense' } },
  },
  createDirectRuns: { body: { repositoryId: 'web', commitSha: '0'.repeat(40), message: 'x', ref: 'none' } },
  restartRun: { body: { fromStart: true } },
  createRemoteSource: { body: { name: '-', type: 'github', authType: 'oauth2', apiUrl: 'https://x.example' } },
  drainExecutor: { body: { isDraining: true } },
  createReceiver: { body: { name: '-', kind: 'slack' } },
  createExecutorToken: { body: { name: '-' } },
}

/** What the body is when the table above says nothing. */
export function harmlessBody(operation: RouteId, route: Route): unknown {
  if (route.body === undefined) return undefined
  if (route.body === 'bytes') return 'x'
  if (harmless[operation]?.body !== undefined) return harmless[operation].body
  if (operation.startsWith('create')) {
    if (operation.endsWith('Secret')) return { name: '-', data: { key: 'value' } }
    if (operation.endsWith('Variable')) return { name: '-', values: [{ value: 'x' }] }
    return { name: '-' }
  }
  return {}
}

/** `known`: those that are there; the others name what is not. */
export function harmlessParams(
  operation: RouteId,
  known: Readonly<Record<string, string>>,
): Readonly<Record<string, string | number>> {
  return {
    log: 'setup',
    runNumber: 1,
    sessionId: 'none',
    tokenRef: 'none',
    tokenId: 'none',
    linkedAccountId: 'none',
    secretName: 'none',
    variableName: 'none',
    remoteSourceRef: 'none',
    deliveryId: 'none',
    receiverId: 'none',
    notificationId: 'none',
    executorId: 'none',
    keyId: 'none',
    ...known,
    ...harmless[operation]?.params,
  }
}
