// The run config: the immutable, fully expanded definition of one run, as the runservice stores it and the executor gets
// it. `expand` makes it from a Config; nothing here does anything.

export const archs = ['386', 'amd64', 'arm', 'arm64'] as const
export type Arch = (typeof archs)[number]

export const dependConditions = ['on_success', 'on_failure', 'on_skipped'] as const
export type DependCondition = (typeof dependConditions)[number]

/** A plain string, or a reference to a sealed value that is resolved when a task is handed to an executor. */
export type Value = string | SecretRef
export type SecretRef = { readonly secret: string }

export function isSecretRef(value: Value): value is SecretRef {
  return typeof value === 'object'
}

export type Environment = Readonly<Record<string, Value>>

export type RegistryAuth =
  | { readonly type: 'basic'; readonly username: Value; readonly password: Value }
  /** `auth`: standard base64 of `user:password`. */
  | { readonly type: 'encodedauth'; readonly auth: Value }

export type TmpfsVolume = {
  readonly path: string
  /** Bytes; 0 means no limit of its own. */
  readonly tmpfs: { readonly sizeBytes: number }
}

export type Container = {
  readonly image: string
  readonly environment: Environment
  readonly user: string
  readonly privileged: boolean
  /** Words split on single spaces; empty means: the helper in the main container, the image's own in services. */
  readonly entrypoint: string
  readonly volumes: readonly TmpfsVolume[]
}

export type Runtime = {
  readonly type: 'pod'
  /** Undefined means any. */
  readonly arch?: Arch
  /** At least one; the first is the main container, where steps run. */
  readonly containers: readonly Container[]
}

export type ArchiveContent = {
  readonly sourceDir: string
  readonly destDir: string
  /** Globs relative to `sourceDir`; none match nothing. */
  readonly paths: readonly string[]
}

export type RunStep = {
  readonly type: 'run'
  readonly name: string
  readonly command: string
  readonly environment: Environment
  /** Empty means the task's. */
  readonly workingDir: string
  readonly shell: string
  readonly tty: boolean
}
export type CloneStep = {
  readonly type: 'clone'
  readonly name: string
  /** Commits of history; undefined means all. */
  readonly depth?: number
  readonly recurseSubmodules: boolean
  /** Files of Git LFS are fetched. */
  readonly lfs?: true
}
export type SaveToWorkspaceStep = {
  readonly type: 'save_to_workspace'
  readonly name: string
  readonly contents: readonly ArchiveContent[]
}
export type RestoreWorkspaceStep = {
  readonly type: 'restore_workspace'
  readonly name: string
  readonly destDir: string
}
export type SaveCacheStep = {
  readonly type: 'save_cache'
  readonly name: string
  /** A text/template, evaluated in the pod. */
  readonly key: string
  readonly contents: readonly ArchiveContent[]
}
export type RestoreCacheStep = {
  readonly type: 'restore_cache'
  readonly name: string
  readonly keys: readonly string[]
  readonly destDir: string
}
export type Step = RunStep | CloneStep | SaveToWorkspaceStep | RestoreWorkspaceStep | SaveCacheStep | RestoreCacheStep

export type Depend = { readonly taskId: string; readonly conditions: readonly DependCondition[] }

/** Why a task's `when` did not match: what was compared with what. */
export type SkippedWhen = { readonly rule: string; readonly ref: string }

export type RunConfigTask = {
  readonly id: string
  readonly name: string
  /** Longest distance from a task without dependencies. */
  readonly level: number
  readonly depends: readonly Depend[]
  readonly runtime: Runtime
  readonly environment: Environment
  readonly workingDir: string
  readonly shell: string
  readonly user: string
  readonly steps: readonly Step[]
  readonly ignoreFailure: boolean
  readonly needsApproval: boolean
  /** Present when the task's `when` did not match: it is skipped. */
  readonly skip?: SkippedWhen
  readonly registryAuth: Readonly<Record<string, RegistryAuth>>
  /** 0 means none; there is no default. */
  readonly timeoutMs: number
  /** Slipway only: labels an executor must have. */
  readonly executorLabels: Readonly<Record<string, string>>
}

export type RunConfig = {
  readonly name: string
  /** In the order of the definition. */
  readonly tasks: readonly RunConfigTask[]
}
