// The tree: project groups, projects, and the secrets and variables that hang on them.

import { Type } from 'typebox'
import { Id, Name, object, RemoteSourceRef, stored, text, Visibility } from './common.ts'

const Owner = object({ type: Type.Enum(['user', 'organization']), id: Id, name: Name })

const place = {
  name: Type.String({ description: 'Empty for the root group of a user or organization.' }),
  path: Type.String({ description: '`org/acme/team/web` or `user/ann/web`.' }),
  parentPath: Type.String({ description: 'Of a root group its own path.' }),
  visibility: Visibility,
  globalVisibility: Type.Enum(['public', 'private'], {
    description: 'Private when it or anything above it is private.',
  }),
  owner: Owner,
}

export const ProjectGroup = object(
  {
    ...stored,
    ...place,
    /** Told of one group, not in lists. */
    may: Type.Optional(
      object({
        change: Type.Boolean({ description: 'The caller may change its settings, secrets and variables.' }),
        create: Type.Boolean({ description: 'The caller may make projects and groups in it.' }),
      }),
    ),
  },
  'ProjectGroup',
)

/** Where the commits of a project come from. */
const source = {
  remotesource: object({
    kind: Type.Literal('remotesource'),
    remoteSourceId: Id,
    linkedAccountId: Id,
    repositoryId: Type.String(),
    repositoryPath: Type.String(),
  }),
  git: object({
    kind: Type.Literal('git'),
    url: Type.String({ minLength: 1, maxLength: 2000, description: 'What git fetches from, without credentials.' }),
    remoteSourceId: Type.Optional(Id),
    auth: Type.Enum(['none', 'sshkey', 'password']),
    userName: Type.Optional(text(200)),
    pollIntervalMs: Type.Integer({
      minimum: 0,
      maximum: 7 * 24 * 60 * 60 * 1000,
      description: 'Between two looks for new commits; 0 for none.',
    }),
  }),
  none: object({ kind: Type.Literal('none') }),
}
const Source = Type.Union([source.remotesource, source.git, source.none])
const NewSource = Type.Union([source.git, source.none])
/** Through the account of the caller there. */
const FromRemote = object({
  kind: Type.Literal('remotesource'),
  remoteSourceRef: RemoteSourceRef,
  /** One of the two. */
  repositoryId: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  repositoryPath: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: '`acme/web`' })),
})

/** Where a project goes on. */
export const NextRepository = object({
  remoteSourceRef: RemoteSourceRef,
  repositoryId: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'This or the path.' })),
  repositoryPath: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: '`acme/web`' })),
  visibility: Type.Optional(Visibility),
})

/** What a project is set to. */
const settings = {
  visibility: Visibility,
  skipSshHostKeyCheck: Type.Boolean(),
  passVariablesToForks: Type.Boolean({
    description: 'Runs of pull requests from other repositories get the variables.',
  }),
  forkRuns: Type.Enum(['default', 'always', 'approval', 'never'], {
    description: 'Whether runs of forks start. `default`: after approval in a public project, else always.',
  }),
  cancelSuperseded: Type.Boolean({ description: 'A newer push of a pull request cancels the runs of the older one.' }),
  deployKeyInTasks: Type.Boolean({
    description: 'Tasks find the deploy key in their environment, those of forks never.',
  }),
  membersCanPerformRunActions: Type.Boolean({
    description: 'Members of the organization may restart, stop and cancel runs.',
  }),
}
const optionalTexts = { cacheGroup: text(100), defaultBranch: text(250) }

export const Project = object(
  {
    ...stored,
    ...place,
    ...settings,
    cacheGroup: Type.Optional(optionalTexts.cacheGroup),
    defaultBranch: Type.Optional(optionalTexts.defaultBranch),
    effectiveForkRuns: Type.Enum(['always', 'approval', 'never']),
    /** Told of one project, not in lists. */
    may: Type.Optional(
      object({
        change: Type.Boolean({ description: 'The caller may change its settings, secrets and variables.' }),
        run: Type.Boolean({ description: 'The caller may start runs.' }),
      }),
    ),
    /** What follows is shown to those who belong to the owner. */
    source: Type.Optional(Source),
    isSourceBroken: Type.Optional(
      Type.Boolean({ description: 'Its repository or linked account is gone or of no use: an owner has to act.' }),
    ),
    sourceTrouble: Type.Optional(Type.String({ description: 'What is wrong with the repository, for people.' })),
    deployKeyPublic: Type.Optional(Type.String()),
    hasWebhookSecret: Type.Optional(Type.Boolean()),
    hasGitPassword: Type.Optional(Type.Boolean()),
  },
  'Project',
)

const optionalSettings = {
  visibility: Type.Optional(settings.visibility),
  skipSshHostKeyCheck: Type.Optional(settings.skipSshHostKeyCheck),
  passVariablesToForks: Type.Optional(settings.passVariablesToForks),
  forkRuns: Type.Optional(settings.forkRuns),
  cancelSuperseded: Type.Optional(settings.cancelSuperseded),
  deployKeyInTasks: Type.Optional(settings.deployKeyInTasks),
  membersCanPerformRunActions: Type.Optional(settings.membersCanPerformRunActions),
  cacheGroup: Type.Optional(optionalTexts.cacheGroup),
  defaultBranch: Type.Optional(optionalTexts.defaultBranch),
}

const ParentRef = Type.String({
  minLength: 1,
  maxLength: 1000,
  description: 'Id or path of a project group: `org/acme/team`.',
})
/** With a source of kind `git` and `auth: password`. */
const GitPassword = Type.String({ minLength: 1, maxLength: 4096 })

export const NewProject = object({
  name: Name,
  /** The caller's own group when not given. */
  parentRef: Type.Optional(ParentRef),
  source: Type.Union([source.git, source.none, FromRemote]),
  gitPassword: Type.Optional(GitPassword),
  ...optionalSettings,
})

export const ProjectChange = object({
  name: Type.Optional(Name),
  parentRef: Type.Optional(ParentRef),
  source: Type.Optional(NewSource),
  gitPassword: Type.Optional(GitPassword),
  ...optionalSettings,
})

/** As the provider tells of it now. */
export const RemoteRepository = object(
  {
    id: Type.String(),
    path: Type.String(),
    htmlUrl: Type.String(),
    defaultBranch: Type.Optional(Type.String()),
    isPrivate: Type.Boolean(),
    isArchived: Type.Boolean({ description: 'Nothing can be set up there.' }),
  },
  'RemoteRepository',
)

export const NewProjectGroup = object({
  name: Name,
  parentRef: Type.Optional(ParentRef),
  visibility: Type.Optional(Visibility),
})

export const ProjectGroupChange = object({
  name: Type.Optional(Name),
  parentRef: Type.Optional(ParentRef),
  visibility: Type.Optional(Visibility),
})

/** Without its values: they never leave. */
export const Secret = object(
  {
    ...stored,
    name: Name,
    parentPath: Type.String({ description: 'Of the project or group it belongs to.' }),
    keys: Type.Array(Type.String(), { description: 'Of its data, sorted.' }),
  },
  'Secret',
)

const SecretData = Type.Record(Type.String({ minLength: 1, maxLength: 200 }), Type.String({ maxLength: 32 * 1024 }), {
  minProperties: 1,
  maxProperties: 200,
  description: 'At least one key with its value.',
})

export const NewSecret = object({ name: Name, data: SecretData })
export const SecretChange = object({
  name: Type.Optional(Name),
  /** Replaces all of it. */
  data: Type.Optional(SecretData),
})

const Condition = object({ type: Type.Enum(['simple', 'regexp']), match: text(1024) })
const Conditions = object({
  include: Type.Optional(Type.Array(Condition, { maxItems: 100 })),
  exclude: Type.Optional(Type.Array(Condition, { maxItems: 100 })),
})
export const When = object(
  { branch: Type.Optional(Conditions), tag: Type.Optional(Conditions), ref: Type.Optional(Conditions) },
  'When',
)

const fromSecret = {
  secretName: Name,
  secretVar: Type.String({ minLength: 1, maxLength: 200, description: 'Key in the data of the secret.' }),
  when: Type.Optional(When),
}
const plainText = {
  value: Type.String({ maxLength: 32 * 1024, description: 'A text that is no secret.' }),
  when: Type.Optional(When),
}

export const Variable = object(
  {
    ...stored,
    name: Name,
    parentPath: Type.String(),
    values: Type.Array(
      Type.Union([
        object({
          ...fromSecret,
          /** Of the secret that gives the value, seen from what was asked for; missing when there is none. */
          matchingSecretParentPath: Type.Optional(Type.String()),
        }),
        object(plainText),
      ]),
      { description: 'The first whose `when` matches is taken.' },
    ),
  },
  'Variable',
)

const VariableValues = Type.Array(Type.Union([object(fromSecret), object(plainText)]), { minItems: 1, maxItems: 100 })
export const NewVariable = object({ name: Name, values: VariableValues })
export const VariableChange = object({ name: Type.Optional(Name), values: Type.Optional(VariableValues) })
