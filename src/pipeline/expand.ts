// Config and event and variables -> run config: one run of the definition, complete, with ids and levels.

import { invariant } from '../lib/errors.ts'
import type {
  Config,
  ConfigContainer,
  ConfigEnvironment,
  ConfigRun,
  ConfigStep,
  ConfigTask,
  ConfigValue,
  Credential,
  Credentials,
} from './config/config.ts'
import type { GitEvent } from './event.ts'
import type { Container, Environment, RegistryAuth, RunConfig, RunConfigTask, Step, Value } from './run-config.ts'
import { matchWhen } from './when.ts'

export type ExpandInput = {
  /** Valid, as checkDefinition gives it. */
  readonly config: Config
  /** One of `config.runs`. Its own `when` is not looked at: planRuns does. */
  readonly run: ConfigRun
  readonly event: GitEvent
  readonly variables: ReadonlyMap<string, Value>
  /** A new unique id, called once per task in the order of the definition. */
  readonly newId: () => string
}

export type ExpandedRun = {
  readonly runConfig: RunConfig
  /** Variables that are used and have no value for this event, sorted: they are empty strings. */
  readonly undefinedVariables: readonly string[]
}

/** Expands one run. Deterministic but for `newId`; throws only when the config is not valid. */
export function expandRun({ config, run, event, variables, newId }: ExpandInput): ExpandedRun {
  const undefinedVariables = new Set<string>()
  const resolve = (value: ConfigValue): Value => {
    if (typeof value === 'string') return value
    const resolved = variables.get(value.fromVariable)
    if (resolved === undefined) undefinedVariables.add(value.fromVariable)
    return resolved ?? ''
  }
  const ids = new Map(run.tasks.map((task) => [task.name, newId()]))
  const levels = taskLevels(run.tasks)
  const tasks = run.tasks.map((task): RunConfigTask => {
    const match = matchWhen(task.when, event)
    return {
      id: idOf(ids, task.name),
      name: task.name,
      level: levels.get(task.name) ?? 0,
      depends: task.depends.map(({ task: name, conditions }) => ({ taskId: idOf(ids, name), conditions })),
      runtime: { ...task.runtime, containers: task.runtime.containers.map((one) => expandContainer(one, resolve)) },
      environment: resolveAll(task.environment, resolve),
      workingDir: task.workingDir,
      shell: task.shell,
      user: task.user,
      steps: task.steps.map((step) => expandStep(step, resolve)),
      ignoreFailure: task.ignoreFailure,
      needsApproval: task.approval,
      ...(match.matches ? {} : { skip: match.skipped }),
      registryAuth: expandCredentials([config.registryAuth, run.registryAuth, task.registryAuth], resolve),
      timeoutMs: task.timeoutMs ?? run.taskTimeoutMs ?? config.taskTimeoutMs ?? 0,
      executorLabels: task.executorLabels,
    }
  })
  return { runConfig: { name: run.name, tasks }, undefinedVariables: [...undefinedVariables].sort() }
}

type Resolve = (value: ConfigValue) => Value

function idOf(ids: ReadonlyMap<string, string>, name: string): string {
  const id = ids.get(name)
  invariant(id !== undefined, `task ${name} is not in its run`)
  return id
}

/**
 * The level of each task by name: 0 without dependencies, else one more than the highest of its parents. Throws
 * `invariant` when the dependencies have a cycle or name no task.
 */
export function taskLevels(tasks: readonly Pick<ConfigTask, 'name' | 'depends'>[]): ReadonlyMap<string, number> {
  const children = new Map<string, string[]>(tasks.map(({ name }) => [name, []]))
  const missing = new Map<string, number>()
  for (const { name, depends } of tasks) {
    missing.set(name, depends.length)
    for (const { task } of depends) {
      const siblings = children.get(task)
      invariant(siblings !== undefined, `task ${task} is not in its run`)
      siblings.push(name)
    }
  }
  // Level by level, without recursion: a chain of 10,000 tasks is allowed.
  const levels = new Map<string, number>()
  let round = tasks.filter(({ depends }) => depends.length === 0).map(({ name }) => name)
  for (let level = 0; round.length > 0; level++) {
    const next: string[] = []
    for (const name of round) {
      levels.set(name, level)
      for (const child of children.get(name) ?? []) {
        const left = (missing.get(child) ?? 0) - 1
        missing.set(child, left)
        if (left === 0) next.push(child)
      }
    }
    round = next
  }
  invariant(levels.size === children.size, 'circular dependency detected')
  return levels
}

function expandContainer(container: ConfigContainer, resolve: Resolve): Container {
  return { ...container, environment: resolveAll(container.environment, resolve) }
}

function expandStep(step: ConfigStep, resolve: Resolve): Step {
  return step.type === 'run' ? { ...step, environment: resolveAll(step.environment, resolve) } : step
}

function resolveAll(environment: ConfigEnvironment, resolve: Resolve): Environment {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, resolve(value)]))
}

/** Entries of a later map replace those of an earlier one whole. */
function expandCredentials(maps: readonly Credentials[], resolve: Resolve): Readonly<Record<string, RegistryAuth>> {
  const merged = new Map(maps.flatMap((credentials) => Object.entries(credentials)))
  return Object.fromEntries(
    [...merged].map(([registry, credential]) => [registry, expandCredential(credential, resolve)]),
  )
}

function expandCredential(credential: Credential, resolve: Resolve): RegistryAuth {
  return credential.type === 'basic'
    ? { type: 'basic', username: resolve(credential.username), password: resolve(credential.password) }
    : { type: 'encodedauth', auth: resolve(credential.auth) }
}
