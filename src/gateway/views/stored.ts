// What the API shows of what the configstore keeps. Every member is named: nothing comes out because it happens to be there.

import type {
  LinkedAccount,
  Organization,
  OrganizationInvitation,
  OrganizationMember,
  Project,
  ProjectGroup,
  RemoteSource,
  Secret,
  Stored,
  User,
  UserToken,
  VariableView,
} from '../../configstore/types.ts'
import { optionalTime, timeText } from './time.ts'

function storedView({ id, createdAt, updatedAt, version }: Stored) {
  return { id, createdAt: timeText(createdAt), updatedAt: timeText(updatedAt), version }
}

export function userView({ id, name }: User) {
  return { id, name }
}

export function userDetailView(user: User) {
  return { ...storedView(user), name: user.name, isAdmin: user.isAdmin, hasPassword: user.hasPassword }
}

export function tokenView(token: UserToken) {
  return {
    ...storedView(token),
    name: token.name,
    scope: token.scope,
    ...(token.projectIds === undefined ? {} : { projectIds: [...token.projectIds] }),
    ...optionalTime('expiresAt', token.expiresAt),
    ...optionalTime('lastUsedAt', token.lastUsedAt),
  }
}

export function linkedAccountView(account: LinkedAccount) {
  const { remoteSourceId, remoteUserId, remoteUserName, remoteUserAvatarUrl, trouble } = account
  return {
    ...storedView(account),
    remoteSourceId,
    remoteUserId,
    remoteUserName,
    ...(remoteUserAvatarUrl === undefined ? {} : { remoteUserAvatarUrl }),
    ...(trouble === undefined ? {} : { trouble: { message: trouble.message, since: timeText(trouble.since) } }),
  }
}

export function organizationView(organization: Organization) {
  return { ...storedView(organization), name: organization.name, visibility: organization.visibility }
}

export function memberView(member: OrganizationMember) {
  return { ...storedView(member), user: { id: member.userId, name: member.userName }, role: member.role }
}

export function invitationView(invitation: OrganizationInvitation) {
  return {
    ...storedView(invitation),
    user: { id: invitation.userId, name: invitation.userName },
    organization: { id: invitation.organizationId, name: invitation.organizationName },
    role: invitation.role,
  }
}

function placeView({ name, path, parentPath, visibility, globalVisibility, owner }: Project | ProjectGroup) {
  const { type, id, name: ownerName } = owner
  return { name, path, parentPath, visibility, globalVisibility, owner: { type, id, name: ownerName } }
}

export function projectGroupView(group: ProjectGroup) {
  return { ...storedView(group), ...placeView(group) }
}

/** `isInside`: the caller belongs to the owner, and may see where commits come from. */
export function projectView(project: Project, { isInside }: { readonly isInside: boolean }) {
  return {
    ...storedView(project),
    ...placeView(project),
    skipSshHostKeyCheck: project.skipSshHostKeyCheck,
    passVariablesToForks: project.passVariablesToForks,
    forkRuns: project.forkRuns,
    effectiveForkRuns: project.effectiveForkRuns,
    cancelSuperseded: project.cancelSuperseded,
    deployKeyInTasks: project.deployKeyInTasks,
    membersCanPerformRunActions: project.membersCanPerformRunActions,
    ...(project.cacheGroup === undefined ? {} : { cacheGroup: project.cacheGroup }),
    ...(project.defaultBranch === undefined ? {} : { defaultBranch: project.defaultBranch }),
    ...(isInside ? insideView(project) : {}),
  }
}

function insideView(project: Project) {
  return {
    source: sourceView(project.source),
    isSourceBroken: project.isSourceBroken,
    ...(project.sourceTrouble === undefined ? {} : { sourceTrouble: project.sourceTrouble }),
    hasWebhookSecret: project.hasWebhookSecret,
    hasGitPassword: project.hasGitPassword,
    ...(project.deployKeyPublic === undefined ? {} : { deployKeyPublic: project.deployKeyPublic }),
  }
}

function sourceView(source: Project['source']) {
  switch (source.kind) {
    case 'remotesource': {
      const { kind, remoteSourceId, linkedAccountId, repositoryId, repositoryPath } = source
      return { kind, remoteSourceId, linkedAccountId, repositoryId, repositoryPath }
    }
    case 'git': {
      const { kind, url, remoteSourceId, auth, userName, pollIntervalMs } = source
      return {
        kind,
        url,
        auth,
        pollIntervalMs,
        ...(remoteSourceId === undefined ? {} : { remoteSourceId }),
        ...(userName === undefined ? {} : { userName }),
      }
    }
    case 'none':
      return { kind: source.kind }
  }
}

export function secretView(secret: Secret) {
  return { ...storedView(secret), name: secret.name, parentPath: secret.parentPath, keys: [...secret.keys] }
}

export function variableView(variable: VariableView) {
  return {
    ...storedView(variable),
    name: variable.name,
    parentPath: variable.parentPath,
    values: variable.values.map((value) => {
      const when = value.when === undefined ? {} : { when: whenView(value.when) }
      if ('value' in value) return { value: value.value, ...when }
      const { secretName, secretVar, matchingSecretParentPath } = value
      return {
        secretName,
        secretVar,
        ...when,
        ...(matchingSecretParentPath === undefined ? {} : { matchingSecretParentPath }),
      }
    }),
  }
}

type When = NonNullable<VariableView['values'][number]['when']>

function whenView(when: When) {
  return Object.fromEntries(
    (['branch', 'tag', 'ref'] as const).flatMap((name) => {
      const conditions = when[name]
      if (conditions === undefined) return []
      const view = (list: typeof conditions.include) => list.map(({ type, match }) => ({ type, match }))
      return [[name, { include: view(conditions.include), exclude: view(conditions.exclude) }]]
    }),
  )
}

/** What everybody may know. */
export function remoteSourceView({ id, name, type, authType, loginEnabled, registrationEnabled }: RemoteSource) {
  return { id, name, type, authType, loginEnabled, registrationEnabled }
}

export function remoteSourceDetailView(source: RemoteSource) {
  const { name, type, authType, apiUrl, skipVerify, oauth2ClientId, sshHostKey, skipSshHostKeyCheck } = source
  return {
    ...storedView(source),
    name,
    type,
    authType,
    apiUrl,
    skipVerify,
    skipSshHostKeyCheck,
    loginEnabled: source.loginEnabled,
    registrationEnabled: source.registrationEnabled,
    ...(oauth2ClientId === undefined ? {} : { oauth2ClientId }),
    ...(sshHostKey === undefined ? {} : { sshHostKey }),
  }
}
