// The decoded definition: what the file says, complete with defaults, before an event and variables are known. decode.ts
// makes it, validate.ts checks what needs more than one place of it, ../expand.ts makes run configs of it.

import type { Condition } from '../languages/condition/condition.ts'
import type {
  Arch,
  CloneStep,
  Container,
  DependCondition,
  RestoreCacheStep,
  RestoreWorkspaceStep,
  RunStep,
  SaveCacheStep,
  SaveToWorkspaceStep,
} from '../run-config.ts'

/**
 * How strictly a definition is read. `agola`: as the reference does, oddities are warnings. `slipway`: what is surely a
 * mistake is an error, and keys beyond the reference are honoured.
 */
export type Dialect = 'agola' | 'slipway'

/** A literal, or the value a variable has when the run is created. */
export type ConfigValue = string | { readonly fromVariable: string }
export type ConfigEnvironment = Readonly<Record<string, ConfigValue>>

export type Credential =
  | { readonly type: 'basic'; readonly username: ConfigValue; readonly password: ConfigValue }
  | { readonly type: 'encodedauth'; readonly auth: ConfigValue }
/** By registry name as written, for example `index.docker.io`. */
export type Credentials = Readonly<Record<string, Credential>>

export type Conditions = { readonly include: readonly Condition[]; readonly exclude: readonly Condition[] }
/** Present but empty never matches. */
export type When = { readonly branch?: Conditions; readonly tag?: Conditions; readonly ref?: Conditions }

export type Depend = {
  /** Name of a task of the same run. */
  readonly task: string
  /** None match nothing (all that were written are unknown); nothing written is `on_success`. */
  readonly conditions: readonly DependCondition[]
}

export type ConfigContainer = Omit<Container, 'environment'> & { readonly environment: ConfigEnvironment }
export type ConfigRunStep = Omit<RunStep, 'environment'> & { readonly environment: ConfigEnvironment }
export type ConfigStep =
  | ConfigRunStep
  | CloneStep
  | SaveToWorkspaceStep
  | RestoreWorkspaceStep
  | SaveCacheStep
  | RestoreCacheStep

export type ConfigRuntime = {
  readonly type: 'pod'
  /** Undefined means any. */
  readonly arch?: Arch
  /** At least one in a valid config; the first is where steps run. */
  readonly containers: readonly ConfigContainer[]
}

export type ConfigTask = {
  readonly name: string
  readonly runtime: ConfigRuntime
  readonly environment: ConfigEnvironment
  readonly workingDir: string
  readonly shell: string
  readonly user: string
  readonly steps: readonly ConfigStep[]
  readonly depends: readonly Depend[]
  readonly ignoreFailure: boolean
  readonly approval: boolean
  /** Undefined: always. */
  readonly when?: When
  readonly registryAuth: Credentials
  /** Milliseconds, rounded up; 0 switches an inherited one off; undefined inherits. */
  readonly timeoutMs?: number
  /** Slipway only: labels an executor must have. */
  readonly executorLabels: Readonly<Record<string, string>>
}

export type ConfigRun = {
  readonly name: string
  readonly tasks: readonly ConfigTask[]
  /** Undefined: always. */
  readonly when?: When
  readonly registryAuth: Credentials
  readonly taskTimeoutMs?: number
}

export type Config = {
  readonly runs: readonly ConfigRun[]
  readonly registryAuth: Credentials
  readonly taskTimeoutMs?: number
}

export const defaultWorkingDir = '~/project'
export const defaultShell = '/bin/sh -e'
export const cloneStepName = 'Clone repository and checkout code'
