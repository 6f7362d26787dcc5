// How the configstore's rows are stored and found. Indexes are declared here and nowhere else. Uniqueness is an index looked up
// in the transaction that writes: transactions are as if one after the other on every backend, so two cannot both find a
// name free.

import type { ReadTransaction, RowTypes, Transaction } from '../datamanager/database.ts'
import type {
  CascadeTask,
  HolderType,
  LinkedAccount,
  Organization,
  OrganizationInvitation,
  OrganizationMember,
  Project,
  ProjectGroup,
  ProjectSettings,
  RemoteSource,
  Secret,
  Stored,
  User,
  UserToken,
  Variable,
} from './types.ts'

export type UserTokenRow = UserToken & {
  /** The part of the value that it is found by. */
  readonly prefix: string
  /** SHA-256 of the value, hex. */
  readonly hash: string
}

export type LinkedAccountRow = LinkedAccount & {
  /** Deleted; stays, hidden, while a task needs its tokens. */
  readonly isRetired?: true
  /** Who renews its tokens, and until when nobody else does. */
  readonly refresh?: { readonly holder: string; readonly until: number }
}

/** Names of both ends stand in it, so that lists by name are ranges of an index; a rename rewrites them. */
export type MemberRow = OrganizationMember & { readonly organizationName: string }

export type ProjectGroupRow = Stored & Pick<ProjectGroup, 'name' | 'parent' | 'visibility'>

/** What an owner granted holds only as long as the project is that owner's. */
export type Granted<T> = { readonly ownerId: string; readonly value: T }

export type ProjectRow = Stored &
  Omit<ProjectSettings, 'membersCanPerformRunActions' | 'cacheGroup'> &
  Pick<Project, 'name' | 'groupId' | 'deployKeyPublic' | 'hasWebhookSecret' | 'hasGitPassword'> & {
    readonly membersCanPerformRunActions: Granted<boolean>
    readonly cacheGroup?: Granted<string>
  }

export type SecretRow = Omit<Secret, 'parentPath'>
export type VariableRow = Omit<Variable, 'parentPath'>

export type SealedType = 'project' | 'secret' | 'linkedaccount' | 'remotesource'

/** One sealed value of what has this id. */
export type SealedRow = {
  readonly type: SealedType
  readonly ownerId: string
  readonly field: string
  readonly keyId: string
  readonly text: string
}

/** A data key, sealed under the installation key. */
export type DataKeyRow = {
  readonly id: string
  readonly createdAt: number
  readonly installationKeyId: string
  readonly wrapped: string
}

export type KeyringRow = {
  /** Names this store in what is sealed, also after an import elsewhere. */
  readonly storeId: string
  readonly activeKeyId: string
  /** A known text, sealed under the active data key. */
  readonly check: string
}

export type TaskRow = CascadeTask & {
  readonly holder?: string
  readonly leaseUntil?: number
}

/** What hung on this id is being removed; nothing of it is reachable any more. */
export type RemovalRow = { readonly type: 'projectgroup' | HolderType | 'secret'; readonly createdAt: number }

export type ConfigstoreSchema = {
  user: User
  /** Id: the user's. Argon2id. */
  password: { readonly hash: string }
  usertoken: UserTokenRow
  linkedaccount: LinkedAccountRow
  organization: Organization
  /** Id: `memberRowId`. */
  member: MemberRow
  /** Id: `memberRowId`. */
  invitation: OrganizationInvitation
  projectgroup: ProjectGroupRow
  project: ProjectRow
  remotesource: RemoteSource
  secret: SecretRow
  variable: VariableRow
  /** Id: `sealedRowId`. */
  sealed: SealedRow
  datakey: DataKeyRow
  /** Id: `keyring`. */
  keyring: KeyringRow
  task: TaskRow
  /** Id: of what was deleted. */
  removal: RemovalRow
}

export type Reading = Pick<ReadTransaction<ConfigstoreSchema>, 'get' | 'list' | 'count'>
export type Tx = Transaction<ConfigstoreSchema>

const ifNotRetired = (account: LinkedAccountRow, key: readonly (string | number)[]) =>
  account.isRetired === true ? undefined : key

export const configstoreRowTypes = {
  user: {
    indexes: {
      byName: (user: User) => [user.name],
      byAdmin: (user: User) => (user.isAdmin ? [1] : undefined),
    },
  },
  password: {},
  usertoken: {
    indexes: {
      byUser: (token: UserTokenRow) => [token.userId, token.name],
      byPrefix: (token: UserTokenRow) => [token.prefix],
      byExpiry: (token: UserTokenRow) => (token.expiresAt === undefined ? undefined : [token.expiresAt]),
    },
  },
  linkedaccount: {
    indexes: {
      byUser: (account: LinkedAccountRow) => ifNotRetired(account, [account.userId, account.remoteSourceId]),
      byIdentity: (account: LinkedAccountRow) => ifNotRetired(account, [account.remoteSourceId, account.remoteUserId]),
      byRemoteSource: (account: LinkedAccountRow) => [account.remoteSourceId],
      byRetired: (account: LinkedAccountRow) => (account.isRetired === true ? [1] : undefined),
    },
  },
  organization: {
    indexes: {
      byName: (organization: Organization) => [organization.name],
      byVisibility: (organization: Organization) => [organization.visibility, organization.name],
    },
  },
  member: {
    indexes: {
      byOrganization: (member: MemberRow) => [member.organizationId, member.userName],
      byRole: (member: MemberRow) => [member.organizationId, member.role],
      byUser: (member: MemberRow) => [member.userId, member.organizationName],
    },
  },
  invitation: {
    indexes: {
      byOrganization: (invitation: OrganizationInvitation) => [invitation.organizationId, invitation.userName],
      byUser: (invitation: OrganizationInvitation) => [invitation.userId, invitation.organizationName],
    },
  },
  projectgroup: { indexes: { byParent: (group: ProjectGroupRow) => [group.parent.id, group.name] } },
  project: {
    indexes: {
      byParent: (project: ProjectRow) => [project.groupId, project.name],
      byLinkedAccount: ({ source }: ProjectRow) =>
        source.kind === 'remotesource' ? [source.linkedAccountId] : undefined,
      byRemoteSource: ({ source }: ProjectRow) => {
        if (source.kind === 'remotesource') return [source.remoteSourceId, source.repositoryId]
        return source.kind === 'git' && source.remoteSourceId !== undefined ? [source.remoteSourceId, ''] : undefined
      },
      byPolling: ({ source }: ProjectRow) => (source.kind === 'git' && source.pollIntervalMs > 0 ? [1] : undefined),
    },
  },
  remotesource: { indexes: { byName: (source: RemoteSource) => [source.name] } },
  secret: { indexes: { byParent: (secret: SecretRow) => [secret.parent.id, secret.name] } },
  variable: { indexes: { byParent: (variable: VariableRow) => [variable.parent.id, variable.name] } },
  sealed: {
    indexes: {
      byOwner: (sealed: SealedRow) => [sealed.ownerId],
      byKey: (sealed: SealedRow) => [sealed.keyId],
    },
  },
  datakey: {},
  keyring: {},
  task: {
    indexes: {
      byDue: (task: TaskRow) => [task.work.kind, task.leaseUntil ?? task.dueAt],
      byAge: (task: TaskRow) => [task.createdAt],
      byLinkedAccount: ({ work }: TaskRow) =>
        work.kind === 'clean_remote' ? [work.source.linkedAccountId] : undefined,
      byRemoteSource: ({ work }: TaskRow) => (work.kind === 'clean_remote' ? [work.source.remoteSourceId] : undefined),
    },
  },
  removal: {},
} as const satisfies RowTypes

/** One row for each pair, so that none can be there twice. */
export function memberRowId(organizationId: string, userId: string): string {
  return `${organizationId}/${userId}`
}

export function sealedRowId(ownerId: string, field: string): string {
  return `${ownerId}/${field}`
}
