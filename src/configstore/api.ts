// All that other rooms may know of the configstore: its operations. It checks that what it is given is valid, unique and fits
// together. It does not ask who may: the gateway does, with what `resolveAccess` answers.
//
// References. A user, organization or remote source: id or name. A project or group: id or path (`org/acme/team/web`,
// `user/ann`). A text that is a UUID is an id. Give ids where the permission was asked for an id: a path may name something
// else a moment later.
//
// Every operation may fail with what its references say: `ref_invalid`, `user_not_found`, `organization_not_found`,
// `project_group_not_found`, `project_not_found`, `remote_source_not_found`; every change with those of `Database.do`, with
// `version_conflict` where a version was expected, and `limit_exceeded`.

import type { Barrier } from '../datamanager/database.ts'
import type { GitEvent } from '../pipeline/event.ts'
import type { Value } from '../pipeline/run-config.ts'
import type {
  Access,
  AccessType,
  CascadeKind,
  CascadeTask,
  HolderType,
  LinkedAccount,
  MemberRole,
  Organization,
  OrganizationInvitation,
  OrganizationMember,
  Project,
  ProjectGroup,
  ProjectSettings,
  RemoteSource,
  RemoteSourceAuthType,
  RemoteSourceType,
  Secret,
  TokenScope,
  Trouble,
  User,
  UserToken,
  VariableValue,
  VariableView,
  Visibility,
} from './types.ts'

export type CallContext = {
  /** A change repeated with the same id, within a day, acts once and answers the same. */
  readonly transactionId?: string
  /** Reads see, and changes begin from, at least this: what a change answered, or all that was committed. `database_behind` after 2 s. */
  readonly atLeast?: Barrier
  readonly signal?: AbortSignal
  /** Who asked, for the log. */
  readonly actor?: string
}

/** Names the deploy key among the secrets of a project: its private half, or nothing where tasks do not get it (any more). */
export const deployKeyRef = 'project/deploykey'

export type OpenedSecrets = {
  readonly values: Readonly<Record<string, string>>
  /** Of the secrets they came from. */
  readonly versions: Readonly<Record<string, number>>
  /** How people call them: secret and value. A configstore of version 0.1 tells none. */
  readonly names?: Readonly<Record<string, string>>
}

/** What a change answers: what it made, and the position from which on it is seen by all. */
export type Written<T = unknown> = T & { readonly position: number }

export type Guard = {
  /** `version_conflict`, with the current version, when it has another. */
  readonly expectedVersion?: number
}

/** For what is in the tree. */
export type TreeGuard = Guard & {
  /** `owner_changed` when another user or organization owns it by now: permission was asked for this one. */
  readonly expectedOwnerId?: string
}

export type PageOptions = {
  /** Default 25, at most 100; else `list_invalid`. */
  readonly limit?: number
  /** `nextCursor` of the page before; else `list_invalid`. It keeps the direction. */
  readonly cursor?: string
  readonly descending?: boolean
}

/** By name. Without `nextCursor` there is no more. */
export type Page<T> = { readonly items: readonly T[]; readonly nextCursor?: string }

export type HolderRef = { readonly type: HolderType; readonly ref: string }

export interface Configstore extends AsyncDisposable {
  // installation

  /** Whether there is any user, and the position seen here. */
  status(context?: CallContext): Promise<{ readonly hasUsers: boolean; readonly position: number }>
  /** Valid only while there is no user: `users_exist`, whoever is first. Errors: those of `createUser`. */
  createFirstAdministrator(input: NewFirstAdministrator, context?: CallContext): Promise<Written<User>>

  // users

  /** With its root group. Errors: `name_invalid`, `user_exists`, `password_invalid`, those of `createLinkedAccount`. */
  createUser(input: NewUser, context?: CallContext): Promise<Written<User>>
  getUser(input: { readonly user: string }, context?: CallContext): Promise<User>
  listUsers(input?: PageOptions, context?: CallContext): Promise<Page<User>>
  /** Errors: `name_invalid`, `user_exists`, `last_administrator`. */
  updateUser(input: UserUpdate, context?: CallContext): Promise<Written<User>>
  /**
   * With everything below it: projects, secrets, tokens, memberships. Errors: `last_owner` where an organization would be
   * left without one, `last_administrator`, `linked_account_in_use` when projects of others use an account of it, unless
   * `force`.
   */
  deleteUser(
    input: { readonly user: string; readonly force?: boolean } & Guard,
    context?: CallContext,
  ): Promise<Written>
  /** Without a password it has none afterwards. `password_invalid`: 10 to 200 characters. */
  setPassword(
    input: { readonly user: string; readonly password?: string } & Guard,
    context?: CallContext,
  ): Promise<Written<User>>
  /** The user if name and password fit. Takes the same time when there is no such user. */
  verifyPassword(
    input: { readonly name: string; readonly password: string },
    context?: CallContext,
  ): Promise<{ readonly user?: User }>

  // tokens

  /** `value` is told only here. Errors: `token_invalid`, `token_exists`, `project_not_found`. */
  createToken(input: NewToken, context?: CallContext): Promise<Written<{ token: UserToken; value: string }>>
  listTokens(input: { readonly user: string }, context?: CallContext): Promise<{ readonly items: readonly UserToken[] }>
  /** `token`: id or name. `token_not_found`. */
  deleteToken(input: { readonly user: string; readonly token: string }, context?: CallContext): Promise<Written>
  /** The user and token of a value that is valid now; empty otherwise. */
  authenticateToken(
    input: { readonly value: string },
    context?: CallContext,
  ): Promise<{ readonly user?: User; readonly token?: UserToken }>

  // linked accounts

  /** `linked_account_exists`: the identity is linked to some user, or this user has one at that remote source. */
  createLinkedAccount(
    input: { readonly user: string } & NewLinkedAccount,
    context?: CallContext,
  ): Promise<Written<LinkedAccount>>
  listLinkedAccounts(
    input: { readonly user: string },
    context?: CallContext,
  ): Promise<{ readonly items: readonly LinkedAccount[] }>
  /** `linked_account_not_found`. */
  getLinkedAccount(input: { readonly id: string }, context?: CallContext): Promise<LinkedAccount>
  /** Who has this identity; empty when nobody has. */
  findLinkedAccount(
    input: { readonly remoteSource: string; readonly remoteUserId: string },
    context?: CallContext,
  ): Promise<{ readonly account?: LinkedAccount; readonly user?: User }>
  /** Only what is given changes. Errors: `linked_account_not_found`, `linked_account_exists`. */
  updateLinkedAccount(input: LinkedAccountUpdate, context?: CallContext): Promise<Written<LinkedAccount>>
  /** Errors: `linked_account_not_found`, `linked_account_in_use` when projects use it, unless `force`. */
  deleteLinkedAccount(
    input: { readonly user: string; readonly id: string; readonly force?: boolean } & Guard,
    context?: CallContext,
  ): Promise<Written>
  /** In clear. Also of an account that was deleted, while a task still needs it. `linked_account_not_found`. */
  linkedAccountCredentials(
    input: { readonly id: string },
    context?: CallContext,
  ): Promise<AccountCredentials & { readonly trouble?: Trouble }>
  /**
   * Lets one at a time renew the tokens of an account, for providers take a refresh token only once. `claimed`: the caller does, for
   * `leaseMs` (at most 5 minutes); `held`: another one does, ask again; `renewed`: there are other tokens by now. Also of an
   * account that was deleted while a task needs it. Errors: `linked_account_not_found`.
   */
  claimTokenRefresh(
    input: { readonly id: string; readonly holder: string; readonly leaseMs: number } & KnownTokens,
    context?: CallContext,
  ): Promise<Written<{ readonly outcome: TokenClaim }>>
  /**
   * What came of tokens: newer ones, or what is wrong with them (none: they are right again). Kept only while the tokens are still
   * those that the caller knew; a claim of `holder` ends. Errors: `linked_account_not_found`.
   */
  noteTokens(
    input: {
      readonly id: string
      readonly holder?: string
      readonly tokens?: AccountCredentials
      /** For people; the empty text removes it. */
      readonly trouble?: string
    } & KnownTokens,
    context?: CallContext,
  ): Promise<Written<{ readonly isKept: boolean }>>

  // organizations

  /** With its root group, and `owner` as its owner. Errors: `name_invalid`, `organization_exists`, `visibility_invalid`. */
  createOrganization(input: NewOrganization, context?: CallContext): Promise<Written<Organization>>
  getOrganization(input: { readonly organization: string }, context?: CallContext): Promise<Organization>
  /** `visibility`: only those. */
  listOrganizations(
    input?: PageOptions & { readonly visibility?: Visibility },
    context?: CallContext,
  ): Promise<Page<Organization>>
  /** A change of the visibility changes the root group's too. Errors: `name_invalid`, `organization_exists`, `visibility_invalid`. */
  updateOrganization(input: OrganizationUpdate, context?: CallContext): Promise<Written<Organization>>
  /** With everything below it. */
  deleteOrganization(input: { readonly organization: string } & Guard, context?: CallContext): Promise<Written>

  /** By the name of the user. */
  listMembers(
    input: PageOptions & { readonly organization: string },
    context?: CallContext,
  ): Promise<Page<OrganizationMember>>
  /** `member_not_found`. */
  getMember(
    input: { readonly organization: string; readonly user: string },
    context?: CallContext,
  ): Promise<OrganizationMember>
  /** Adds the user or changes its role; a pending invitation is gone. Errors: `role_invalid`, `last_owner`. */
  setMember(
    input: { readonly organization: string; readonly user: string; readonly role: MemberRole } & Guard,
    context?: CallContext,
  ): Promise<Written<OrganizationMember>>
  /** Errors: `member_not_found`, `last_owner`. */
  removeMember(
    input: { readonly organization: string; readonly user: string } & Guard,
    context?: CallContext,
  ): Promise<Written>
  /** Organizations the user is a member of, by name, private ones too. */
  listUserOrganizations(
    input: PageOptions & { readonly user: string },
    context?: CallContext,
  ): Promise<Page<{ readonly organization: Organization; readonly role: MemberRole }>>

  /** Errors: `role_invalid`, `member_exists`, `invitation_exists`. */
  createInvitation(
    input: { readonly organization: string; readonly user: string; readonly role: MemberRole },
    context?: CallContext,
  ): Promise<Written<OrganizationInvitation>>
  /** `invitation_not_found`. */
  getInvitation(
    input: { readonly organization: string; readonly user: string },
    context?: CallContext,
  ): Promise<OrganizationInvitation>
  /** Of an organization by the name of the user, of a user by the name of the organization. */
  listInvitations(
    input: PageOptions & ({ readonly organization: string } | { readonly user: string }),
    context?: CallContext,
  ): Promise<Page<OrganizationInvitation>>
  /** Makes the membership. `invitation_not_found`. */
  acceptInvitation(
    input: { readonly organization: string; readonly user: string } & Guard,
    context?: CallContext,
  ): Promise<Written<OrganizationMember>>
  /** Rejected or withdrawn. `invitation_not_found`. */
  deleteInvitation(
    input: { readonly organization: string; readonly user: string } & Guard,
    context?: CallContext,
  ): Promise<Written>

  // the tree

  /** Errors: `parent_group_not_found`, `name_invalid`, `visibility_invalid`, `project_group_exists`, `project_exists`. */
  createProjectGroup(input: NewProjectGroup, context?: CallContext): Promise<Written<ProjectGroup>>
  getProjectGroup(input: { readonly group: string }, context?: CallContext): Promise<ProjectGroup>
  /** Those directly in the group. */
  listProjectGroups(
    input: PageOptions & { readonly parent: string },
    context?: CallContext,
  ): Promise<Page<ProjectGroup>>
  /** Errors: as to create, `root_group` when a root group is renamed or moved, `move_invalid`, `owner_changed`. */
  updateProjectGroup(input: ProjectGroupUpdate, context?: CallContext): Promise<Written<ProjectGroup>>
  /** With everything below it. `root_group`. */
  deleteProjectGroup(input: { readonly group: string } & TreeGuard, context?: CallContext): Promise<Written>

  /**
   * Errors: `parent_group_not_found`, `name_invalid`, `project_exists`, `project_group_exists`, `project_invalid` with what is
   * wrong, `remote_source_not_found`, `linked_account_not_found`.
   */
  createProject(input: NewProject, context?: CallContext): Promise<Written<Project>>
  getProject(input: { readonly project: string }, context?: CallContext): Promise<Project>
  /** Those directly in the group. */
  listProjects(input: PageOptions & { readonly group: string }, context?: CallContext): Promise<Page<Project>>
  /** By id: those that use an account or source, or are looked at now and then. */
  findProjects(input: PageOptions & ProjectQuery, context?: CallContext): Promise<Page<Project>>
  /** Only what is given changes. Errors: as to create, `owner_changed`. */
  updateProject(input: ProjectUpdate, context?: CallContext): Promise<Written<Project>>
  /** With secrets and variables; runs, caches, webhook and deploy key go by tasks. */
  deleteProject(input: { readonly project: string } & TreeGuard, context?: CallContext): Promise<Written>
  /** In clear. */
  projectCredentials(input: { readonly project: string }, context?: CallContext): Promise<ProjectCredentials>
  /** Only what is given changes; a new webhook secret leaves the one before it valid until the next. */
  setProjectCredentials(input: ProjectCredentialsUpdate, context?: CallContext): Promise<Written<Project>>

  // secrets and variables

  /** Errors: `name_invalid`, `secret_exists`, `secret_invalid`. */
  createSecret(
    input: { readonly parent: HolderRef; readonly name: string; readonly data: SecretData } & TreeGuard,
    context?: CallContext,
  ): Promise<Written<Secret>>
  /**
   * By name. `tree`: those of the parent, then those of the groups above it, nearest first; with `withoutOverridden` only the
   * nearest of each name.
   */
  listSecrets(input: ListHeldOptions, context?: CallContext): Promise<{ readonly items: readonly Secret[] }>
  /** `data` replaces all values. Errors: `secret_not_found`, as to create. */
  updateSecret(input: SecretUpdate, context?: CallContext): Promise<Written<Secret>>
  /** `secret_not_found`. */
  deleteSecret(
    input: { readonly parent: HolderRef; readonly name: string } & TreeGuard,
    context?: CallContext,
  ): Promise<Written>
  /**
   * Values in clear of references that `resolveVariables` gave, as they are now; what is gone is left out. With `project`
   * (its id) also what is not at or above it any more, and for a fork everything, unless the project passes its variables.
   */
  openSecrets(
    input: { readonly refs: readonly string[]; readonly project?: string; readonly isFork?: boolean },
    context?: CallContext,
  ): Promise<OpenedSecrets>

  /** Errors: `name_invalid`, `variable_exists`, `variable_invalid`. */
  createVariable(
    input: { readonly parent: HolderRef; readonly name: string; readonly values: readonly VariableValue[] } & TreeGuard,
    context?: CallContext,
  ): Promise<Written<VariableView>>
  /** As `listSecrets`. */
  listVariables(input: ListHeldOptions, context?: CallContext): Promise<{ readonly items: readonly VariableView[] }>
  /** Errors: `variable_not_found`, as to create. */
  updateVariable(input: VariableUpdate, context?: CallContext): Promise<Written<VariableView>>
  /** `variable_not_found`. */
  deleteVariable(
    input: { readonly parent: HolderRef; readonly name: string } & TreeGuard,
    context?: CallContext,
  ): Promise<Written>
  /**
   * The variables a run of the project gets for the event: texts, or `{secret: REF}` for `openSecrets`. A variable without a
   * matching value, secret or key is left out. `isFork` with a project that keeps its variables: none.
   */
  resolveVariables(
    input: { readonly project: string; readonly event: GitEvent; readonly isFork: boolean },
    context?: CallContext,
  ): Promise<{ readonly variables: Readonly<Record<string, Value>> }>

  // permissions

  /**
   * Who owns it, who may see it, and how this user stands to it. Of a group to move something into, too. Without a user, or
   * with one that is gone, the role is `none`.
   */
  resolveAccess(
    input: { readonly type: AccessType; readonly ref: string; readonly userId?: string },
    context?: CallContext,
  ): Promise<Access>
  /** For many projects at once, at most 1000; those that do not exist are left out. `list_invalid`. */
  resolveProjectAccess(
    input: { readonly projectIds: readonly string[]; readonly userId?: string },
    context?: CallContext,
  ): Promise<{ readonly items: readonly Access[] }>

  // remote sources

  /** Errors: `name_invalid`, `remote_source_exists`, `remote_source_invalid` with what is wrong. */
  createRemoteSource(input: NewRemoteSource, context?: CallContext): Promise<Written<RemoteSource>>
  getRemoteSource(input: { readonly remoteSource: string }, context?: CallContext): Promise<RemoteSource>
  listRemoteSources(input?: PageOptions, context?: CallContext): Promise<Page<RemoteSource>>
  /** Only what is given changes; the type never. Errors: as to create. */
  updateRemoteSource(input: RemoteSourceUpdate, context?: CallContext): Promise<Written<RemoteSource>>
  /** `remote_source_in_use` while linked accounts or projects need it. */
  deleteRemoteSource(input: { readonly remoteSource: string } & Guard, context?: CallContext): Promise<Written>
  /** In clear. */
  remoteSourceCredentials(
    input: { readonly remoteSource: string },
    context?: CallContext,
  ): Promise<{ readonly oauth2ClientSecret?: string }>

  // tasks for other services

  /**
   * Gives out due tasks of these kinds for `leaseMs`; nobody else gets them until then. When there are none, waits up to
   * `waitMs` (at most 30 s, default 0) for one.
   */
  claimTasks(input: ClaimTasks, context?: CallContext): Promise<{ readonly tasks: readonly CascadeTask[] }>
  /** Longer: `task_lease_lost` when it is another's or done by now. */
  renewTask(
    input: { readonly id: string; readonly holder: string; readonly leaseMs: number },
    context?: CallContext,
  ): Promise<Written>
  /** Done. `task_lease_lost`. */
  completeTask(input: { readonly id: string; readonly holder: string }, context?: CallContext): Promise<Written>
  /** Not done: somebody gets it again after `retryMs`. `task_lease_lost`. */
  failTask(
    input: { readonly id: string; readonly holder: string; readonly error: string; readonly retryMs: number },
    context?: CallContext,
  ): Promise<Written>
  /** All that wait or are held, the oldest first. */
  listTasks(input?: PageOptions, context?: CallContext): Promise<Page<CascadeTask>>

  // keys and upkeep

  keyStatus(context?: CallContext): Promise<KeyStatus>
  /** Adds a data key and seals with it from now on; `resealValues` then brings the older values under it. */
  rotateKey(context?: CallContext): Promise<Written<{ keyId: string }>>
  /** Seals at most `limit` (default 500) values anew that are under an older key. Say it again until `remaining` is 0. */
  resealValues(
    input?: { readonly limit?: number },
    context?: CallContext,
  ): Promise<Written<{ resealed: number; remaining: number }>>
  /** Removes a data key. `sealing_key_in_use` while anything is sealed under it, `sealing_key_not_found`. */
  retireKey(input: { readonly keyId: string }, context?: CallContext): Promise<Written>
  /** Goes on with deletions that a crash left, removes tokens that expired 30 days ago. Cheap when there is nothing to do. */
  sweep(context?: CallContext): Promise<void>
}

export type NewFirstAdministrator = { readonly name: string; readonly password?: string }

export type NewUser = {
  readonly name: string
  readonly isAdmin?: boolean
  readonly password?: string
  readonly linkedAccount?: NewLinkedAccount
}

export type UserUpdate = { readonly user: string; readonly name?: string; readonly isAdmin?: boolean } & Guard

export type NewToken = {
  readonly user: string
  /** 1 to 100 characters, none of them a control character; unique per user. */
  readonly name: string
  readonly scope: TokenScope
  /** Ids or paths, at most 100; undefined: all. */
  readonly projects?: readonly string[]
  /** In the future. */
  readonly expiresAt?: number
}

export type AccountCredentials = {
  readonly accessToken?: string
  readonly refreshToken?: string
  readonly accessTokenExpiresAt?: number
}

/** SHA-256, hex, of the access token that the caller knew. */
export type KnownTokens = { readonly accessTokenHash: string }

export type TokenClaim = 'claimed' | 'held' | 'renewed'

export type NewLinkedAccount = AccountCredentials & {
  /** Id or name. */
  readonly remoteSource: string
  readonly remoteUserId: string
  readonly remoteUserName: string
  readonly remoteUserAvatarUrl?: string
}

export type LinkedAccountUpdate = {
  readonly user: string
  readonly id: string
  readonly remoteUserId?: string
  readonly remoteUserName?: string
  readonly remoteUserAvatarUrl?: string
  /** All of them together replace what there was. */
  readonly credentials?: AccountCredentials
} & Guard

export type NewOrganization = {
  readonly name: string
  readonly visibility: Visibility
  /** A user. */
  readonly owner: string
}

export type OrganizationUpdate = {
  readonly organization: string
  readonly name?: string
  readonly visibility?: Visibility
} & Guard

export type NewProjectGroup = {
  /** Id or path of a group. */
  readonly parent: string
  readonly name: string
  readonly visibility: Visibility
  readonly expectedOwnerId?: string
}

/** Both owners, as `resolveAccess` told them: a move needs the permission of both. `owner_changed` when they are others. */
export type Move = {
  /** Id or path of the group. */
  readonly to: string
  readonly fromOwnerId: string
  readonly toOwnerId: string
}

export type ProjectGroupUpdate = {
  readonly group: string
  readonly name?: string
  readonly visibility?: Visibility
  readonly move?: Move
} & TreeGuard

export type NewProject = {
  /** Id or path of the group. */
  readonly group: string
  readonly name: string
  readonly expectedOwnerId?: string
} & Pick<ProjectSettings, 'visibility' | 'source'> &
  Partial<Omit<ProjectSettings, 'visibility' | 'source'>> & {
    readonly credentials?: ProjectSecrets
  }

/** Texts are removed by the empty one. After a move to another owner cache group and run actions of members are unset. */
export type ProjectUpdate = {
  readonly project: string
  readonly name?: string
  readonly move?: Move
} & Partial<ProjectSettings> &
  TreeGuard

export type ProjectSecrets = {
  readonly deployKey?: {
    /** OpenSSH or PEM. */
    readonly privateKey: string
    readonly publicKey: string
  }
  /** `new`: a random one is made. */
  readonly webhookSecret?: 'new'
  /** Of a `git` source. */
  readonly gitPassword?: string
}

export type ProjectCredentialsUpdate = { readonly project: string } & ProjectSecrets & TreeGuard

export type ProjectCredentials = {
  readonly deployKey?: string
  readonly webhookSecret?: string
  /** Deliveries that were on their way when it was replaced. */
  readonly previousWebhookSecret?: string
  readonly gitPassword?: string
}

export type ProjectQuery =
  | { readonly linkedAccountId: string }
  | { readonly remoteSourceId: string; readonly repositoryId?: string }
  /** Of source `git`, with a poll interval. */
  | { readonly polled: true }

export type SecretData = Readonly<Record<string, string>>

export type SecretUpdate = {
  readonly parent: HolderRef
  readonly name: string
  readonly newName?: string
  readonly data?: SecretData
} & TreeGuard

export type VariableUpdate = {
  readonly parent: HolderRef
  readonly name: string
  readonly newName?: string
  readonly values?: readonly VariableValue[]
} & TreeGuard

export type ListHeldOptions = {
  readonly parent: HolderRef
  readonly tree?: boolean
  readonly withoutOverridden?: boolean
}

export type NewRemoteSource = {
  readonly name: string
  readonly type: RemoteSourceType
  readonly authType: RemoteSourceAuthType
  readonly apiUrl: string
  readonly skipVerify?: boolean
  readonly oauth2ClientId?: string
  readonly oauth2ClientSecret?: string
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck?: boolean
  /** Default true, unless of type `git`. */
  readonly registrationEnabled?: boolean
  readonly loginEnabled?: boolean
}

export type RemoteSourceUpdate = { readonly remoteSource: string } & Partial<
  Omit<NewRemoteSource, 'type' | 'authType'>
> &
  Guard

export type ClaimTasks = {
  readonly kinds: readonly CascadeKind[]
  /** Who does them: unique among processes and their starts. */
  readonly holder: string
  /** At most an hour. */
  readonly leaseMs: number
  /** At most 100, default 10. */
  readonly limit?: number
  readonly waitMs?: number
}

export type KeyStatus = {
  /** Of the key that data keys are sealed under. */
  readonly installationKeyId: string
  readonly keys: readonly {
    readonly id: string
    readonly createdAt: number
    /** Seals what is written now. */
    readonly isActive: boolean
    readonly installationKeyId: string
    /** Values that are sealed under it. */
    readonly values: number
  }[]
}

/** How its methods answer when they are called from another process. */
export const configstoreMethods = {
  status: 'call',
  createFirstAdministrator: 'call',
  createUser: 'call',
  getUser: 'call',
  listUsers: 'call',
  updateUser: 'call',
  deleteUser: 'call',
  setPassword: 'call',
  verifyPassword: 'call',
  createToken: 'call',
  listTokens: 'call',
  deleteToken: 'call',
  authenticateToken: 'call',
  createLinkedAccount: 'call',
  listLinkedAccounts: 'call',
  getLinkedAccount: 'call',
  findLinkedAccount: 'call',
  updateLinkedAccount: 'call',
  deleteLinkedAccount: 'call',
  linkedAccountCredentials: 'call',
  claimTokenRefresh: 'call',
  noteTokens: 'call',
  createOrganization: 'call',
  getOrganization: 'call',
  listOrganizations: 'call',
  updateOrganization: 'call',
  deleteOrganization: 'call',
  listMembers: 'call',
  getMember: 'call',
  setMember: 'call',
  removeMember: 'call',
  listUserOrganizations: 'call',
  createInvitation: 'call',
  getInvitation: 'call',
  listInvitations: 'call',
  acceptInvitation: 'call',
  deleteInvitation: 'call',
  createProjectGroup: 'call',
  getProjectGroup: 'call',
  listProjectGroups: 'call',
  updateProjectGroup: 'call',
  deleteProjectGroup: 'call',
  createProject: 'call',
  getProject: 'call',
  listProjects: 'call',
  findProjects: 'call',
  updateProject: 'call',
  deleteProject: 'call',
  projectCredentials: 'call',
  setProjectCredentials: 'call',
  createSecret: 'call',
  listSecrets: 'call',
  updateSecret: 'call',
  deleteSecret: 'call',
  openSecrets: 'call',
  createVariable: 'call',
  listVariables: 'call',
  updateVariable: 'call',
  deleteVariable: 'call',
  resolveVariables: 'call',
  resolveAccess: 'call',
  resolveProjectAccess: 'call',
  createRemoteSource: 'call',
  getRemoteSource: 'call',
  listRemoteSources: 'call',
  updateRemoteSource: 'call',
  deleteRemoteSource: 'call',
  remoteSourceCredentials: 'call',
  claimTasks: 'call',
  renewTask: 'call',
  completeTask: 'call',
  failTask: 'call',
  listTasks: 'call',
  keyStatus: 'call',
  rotateKey: 'call',
  resealValues: 'call',
  retireKey: 'call',
  sweep: 'call',
} as const satisfies Record<Exclude<keyof Configstore, symbol>, 'call'>
