// What the configstore keeps, as other rooms see it: plain JSON, without any secret value.

import type { VariableValue } from '../pipeline/variables.ts'

/** What everything stored has. */
export type Stored = {
  /** UUID. */
  readonly id: string
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly createdAt: number
  readonly updatedAt: number
  /** 1 when it is made, one more with each change. */
  readonly version: number
}

export const visibilities = ['public', 'private'] as const
export type Visibility = (typeof visibilities)[number]

export const memberRoles = ['owner', 'member'] as const
export type MemberRole = (typeof memberRoles)[number]

export type User = Stored & {
  /** Unique among users. */
  readonly name: string
  readonly isAdmin: boolean
  readonly hasPassword: boolean
}

/** `run` includes `read`, `admin` includes both: it does all that its user may. */
export const tokenScopes = ['read', 'run', 'admin'] as const
export type TokenScope = (typeof tokenScopes)[number]

export type UserToken = Stored & {
  readonly userId: string
  /** Unique per user. */
  readonly name: string
  readonly scope: TokenScope
  /** Only for these projects. */
  readonly projectIds?: readonly string[]
  readonly expiresAt?: number
  /** Within an hour. */
  readonly lastUsedAt?: number
}

/** An identity of a user at a remote source; its tokens are told only by `linkedAccountCredentials`. */
export type LinkedAccount = Stored & {
  readonly userId: string
  readonly remoteSourceId: string
  /** With the remote source unique among all users. A user has one linked account per remote source. */
  readonly remoteUserId: string
  readonly remoteUserName: string
  readonly remoteUserAvatarUrl?: string
  /** Undefined: does not expire, or there is none. */
  readonly accessTokenExpiresAt?: number
  /** Why its tokens are of no use any more: whose account it is has to link it again. */
  readonly trouble?: Trouble
}

/** What is wrong at a provider, for people. */
export type Trouble = { readonly message: string; readonly since: number }

export type Organization = Stored & {
  /** Unique among organizations; a user may have the same name. */
  readonly name: string
  readonly visibility: Visibility
  /** Undefined when that user is gone. */
  readonly creatorUserId?: string
}

/** An organization always has an owner. */
export type OrganizationMember = Stored & {
  readonly organizationId: string
  readonly userId: string
  readonly userName: string
  readonly role: MemberRole
}

export type OrganizationInvitation = Stored & {
  readonly organizationId: string
  readonly organizationName: string
  readonly userId: string
  readonly userName: string
  readonly role: MemberRole
}

/** Who owns something in the tree: what stands at its top. */
export type Owner = { readonly type: 'user' | 'organization'; readonly id: string; readonly name: string }

/** What is computed from the place in the tree. */
export type InTree = {
  readonly owner: Owner
  /** `org/acme/team/web` or `user/ann/web`; of a root group `org/acme` or `user/ann`. */
  readonly path: string
  /** Path of the group it is in; of a root group its own. */
  readonly parentPath: string
  /** `private` when it, a group above it or its organization is. */
  readonly globalVisibility: Visibility
}

export type ProjectGroup = Stored &
  InTree & {
    /** Empty for a root group; else unique among groups and projects of its parent. */
    readonly name: string
    /** A root group's parent is its owner. */
    readonly parent: { readonly type: 'projectgroup' | 'user' | 'organization'; readonly id: string }
    readonly visibility: Visibility
  }

/** Where a project's commits come from. */
export type ProjectSource =
  | {
      readonly kind: 'remotesource'
      readonly remoteSourceId: string
      readonly linkedAccountId: string
      /** Of the provider; stays when the repository is renamed. */
      readonly repositoryId: string
      /** `acme/web`, as last seen. */
      readonly repositoryPath: string
    }
  | {
      /** Any repository by its URL. */
      readonly kind: 'git'
      readonly url: string
      /** A remote source of type `git`, for its host key. */
      readonly remoteSourceId?: string
      readonly auth: 'none' | 'sshkey' | 'password'
      readonly userName?: string
      /** Milliseconds between two looks for new commits; 0: only when its hook is called. */
      readonly pollIntervalMs: number
    }
  /** No repository: runs are made by hand only. */
  | { readonly kind: 'none' }

/** Whether runs of forks start. `default`: after approval where the project is public for all, else always. */
export const forkRunPolicies = ['default', 'always', 'approval', 'never'] as const
export type ForkRunPolicy = (typeof forkRunPolicies)[number]

export type ProjectSettings = {
  readonly visibility: Visibility
  readonly source: ProjectSource
  readonly skipSshHostKeyCheck: boolean
  /** Whether pull requests from other repositories get the variables. */
  readonly passVariablesToForks: boolean
  readonly forkRuns: ForkRunPolicy
  /** Whether a newer push of a pull request cancels the runs of the older one. */
  readonly cancelSuperseded: boolean
  /** Whether tasks find the deploy key in their environment. Never those of forks. */
  readonly deployKeyInTasks: boolean
  /** Whether plain members of the organization may restart, stop and cancel runs. False under a user. */
  readonly membersCanPerformRunActions: boolean
  /** Caches are shared with the other projects of the owner that name this group. */
  readonly cacheGroup?: string
  readonly defaultBranch?: string
  /** At the provider: what to repair or remove. */
  readonly remoteHookId?: string
  readonly remoteDeployKeyId?: string
  /** Address of the webhook there, as it was set up. */
  readonly remoteHookUrl?: string
  /** Why it cannot be worked with at the provider: it was deleted, or is not set up. For people. */
  readonly sourceTrouble?: string
}

export type Project = Stored &
  InTree &
  ProjectSettings & {
    /** Unique among projects and groups of its group. */
    readonly name: string
    /** The group it is in. */
    readonly groupId: string
    /** `forkRuns` with the default decided. */
    readonly effectiveForkRuns: Exclude<ForkRunPolicy, 'default'>
    /** Its linked account or remote source is gone or of no use, or its repository is: an owner has to do something about it. */
    readonly isSourceBroken: boolean
    /** OpenSSH form; its private half is told only by `projectCredentials`. */
    readonly deployKeyPublic?: string
    readonly hasWebhookSecret: boolean
    readonly hasGitPassword: boolean
  }

export const remoteSourceTypes = ['github', 'gitlab', 'gitea', 'forgejo', 'git'] as const
export type RemoteSourceType = (typeof remoteSourceTypes)[number]

export const remoteSourceAuthTypes = ['oauth2', 'password', 'none'] as const
export type RemoteSourceAuthType = (typeof remoteSourceAuthTypes)[number]

/** What each type can do; a `git` host knows no users. */
export const authTypesOf: Readonly<Record<RemoteSourceType, readonly RemoteSourceAuthType[]>> = {
  github: ['oauth2'],
  gitlab: ['oauth2'],
  gitea: ['oauth2', 'password'],
  forgejo: ['oauth2', 'password'],
  git: ['none'],
}

export type RemoteSource = Stored & {
  /** Unique. */
  readonly name: string
  readonly type: RemoteSourceType
  readonly authType: RemoteSourceAuthType
  /** http or https; of a `git` host also ssh. */
  readonly apiUrl: string
  /** Whether the certificate of the API is not checked. */
  readonly skipVerify: boolean
  /** Its secret is told only by `remoteSourceCredentials`. */
  readonly oauth2ClientId?: string
  /** As in known_hosts. */
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck: boolean
  readonly registrationEnabled: boolean
  readonly loginEnabled: boolean
}

/** What secrets and variables hang on. */
export const holderTypes = ['project', 'projectgroup'] as const
export type HolderType = (typeof holderTypes)[number]

export type Holder = {
  readonly parent: { readonly type: HolderType; readonly id: string }
  /** Path of that project or group. */
  readonly parentPath: string
}

export type Secret = Stored &
  Holder & {
    /** Unique per parent. */
    readonly name: string
    readonly type: 'internal'
    /** Names of its values, sorted. The values are told only by `openSecrets`. */
    readonly keys: readonly string[]
  }

export type { VariableValue } from '../pipeline/variables.ts'

export type Variable = Stored &
  Holder & {
    /** Unique per parent. */
    readonly name: string
    /** At least one; the first whose `when` matches is chosen. */
    readonly values: readonly VariableValue[]
  }

/** Which secret a value of a variable is taken from, seen from the object that was asked about. */
export type VariableView = Omit<Variable, 'values'> & {
  readonly values: readonly (VariableValue & {
    /** Undefined: there is no such secret at or above the variable. */
    readonly matchingSecretParentPath?: string
  })[]
}

/** How a user stands to an owner: the user itself, its role in the organization, or nothing. */
export type AccessRole = 'self' | MemberRole | 'none'

export const accessTypes = ['project', 'projectgroup', 'organization', 'user'] as const
export type AccessType = (typeof accessTypes)[number]

/** All that a permission can depend on. */
export type Access = {
  readonly type: AccessType
  readonly id: string
  readonly path: string
  readonly owner: Owner
  readonly globalVisibility: Visibility
  readonly role: AccessRole
  /** Of a project; else false. */
  readonly membersCanPerformRunActions: boolean
}

/** What has to be done elsewhere after a change here. Done at least once, by whoever holds the lease. */
export type CascadeTask = {
  /** Made of kind and what it is about: doing it twice must do no harm. */
  readonly id: string
  readonly createdAt: number
  /** How often it was given out before. */
  readonly attempts: number
  readonly lastError?: string
  /** Not before then. */
  readonly dueAt: number
  readonly work: CascadeWork
}

export type CascadeWork =
  /** Remove all runs of this project or user: logs, archives and caches too. */
  | { readonly kind: 'delete_runs'; readonly owner: { readonly type: 'project' | 'user'; readonly id: string } }
  /** Remove webhook and deploy key at the provider; `linkedAccountCredentials` still answers until it is done. */
  | {
      readonly kind: 'clean_remote'
      readonly projectId: string
      readonly source: Extract<ProjectSource, { readonly kind: 'remotesource' }>
      readonly remoteHookId?: string
      readonly remoteDeployKeyId?: string
      readonly remoteHookUrl?: string
    }
export const cascadeKinds = ['delete_runs', 'clean_remote'] as const
export type CascadeKind = CascadeWork['kind']
