// The order for one executor task, made anew from the rows each time it is sent: secrets are resolved here and nowhere else,
// so a restarted run sees rotated values, and no order is ever stored.

import type { ReadTransaction } from '../datamanager/database.ts'
import { invariant, SlipwayError } from '../lib/errors.ts'
import type { GitAccessOptions } from '../lib/git-access.ts'
import { limits } from '../lib/limits.ts'
import type { Environment, RegistryAuth, RunConfigTask, Value } from '../pipeline/run-config.ts'
import { isSecretRef } from '../pipeline/run-config.ts'
import { archiveRowId } from './archives.ts'
import type { CloneSource, Order, PlainEnvironment, PlainRegistryAuth, WorkspaceOperation } from './executor-api.ts'
import type { RunserviceSchema } from './row-types.ts'
import { findSecret, type Sealing } from './run-secrets.ts'
import { counterName } from './scheduler/create-run.ts'
import { type GraphCache, getRun, loadConfigTasks } from './stimulus.ts'
import type { ExecutorTask, RunConfigRow } from './types.ts'

export type OrderContext = Sealing & {
  readonly graphs: GraphCache
  /** Where clone steps of a run fetch from. */
  readonly cloneSource: (config: RunConfigRow) => CloneSource
  /** How clone steps log in there; asked each time an order is sent, never stored. None by default. */
  readonly cloneAccess?: (config: RunConfigRow) => Promise<GitAccessOptions | undefined>
}

export function makeOrder(
  tx: ReadTransaction<RunserviceSchema>,
  executorTask: ExecutorTask,
  context: OrderContext,
): Order {
  const config = tx.get('runconfig', executorTask.runConfigId)
  invariant(config !== undefined, `run config ${executorTask.runConfigId} is missing`)
  const { tasks } = loadConfigTasks(tx, config.id, context.graphs)
  const task = tasks.find(({ id }) => id === executorTask.runTaskId)
  invariant(task !== undefined, `run config ${config.id} has no task ${executorTask.runTaskId}`)
  const run = getRun(tx, executorTask.runId)
  const secrets = new Secrets((name) => findSecret(tx, config.id, name, context))
  const counter = String(run.counter)
  const order: Omit<Order, 'secrets'> = {
    executorTaskId: executorTask.id,
    stop: executorTask.stop,
    lastStatus: executorTask.lastStatus,
    runId: run.id,
    runTaskId: task.id,
    taskName: task.name,
    ...(task.runtime.arch === undefined ? {} : { arch: task.runtime.arch }),
    containers: task.runtime.containers.map((container) => ({
      ...container,
      environment: secrets.environment(container.environment),
    })),
    environment: {
      ...secrets.environment(task.environment),
      ...secrets.environment(config.staticEnvironment),
      ...secrets.environment(config.environment),
      AGOLA_RUN_COUNTER: counter,
      SLIPWAY_RUN_COUNTER: counter,
    },
    workingDir: task.workingDir,
    shell: task.shell,
    user: task.user,
    steps: task.steps.map((step) =>
      step.type === 'run' ? { ...step, environment: secrets.environment(step.environment) } : step,
    ),
    registryAuth: Object.fromEntries(
      Object.entries(task.registryAuth).map(([registry, auth]) => [registry, plainAuth(auth, secrets)]),
    ),
    timeoutMs: task.timeoutMs,
    cacheGroup: config.cacheGroup === '' ? counterName(config.group) : config.cacheGroup,
    trust: config.trust,
    workspace: workspaceOf(tx, task, tasks),
    clone: context.cloneSource(config),
  }
  return { ...order, secrets: secrets.used() }
}

/** Resolves references, and remembers every value it gave out: those are masked. */
class Secrets {
  readonly #find: (name: string) => string | undefined
  readonly #values = new Map<string, string>()

  constructor(find: (name: string) => string | undefined) {
    this.#find = find
  }

  resolve(value: Value): string {
    if (!isSecretRef(value)) return value
    const known = this.#values.get(value.secret)
    if (known !== undefined) return known
    const opened = this.#find(value.secret)
    if (opened === undefined) return ''
    this.#values.set(value.secret, opened)
    return opened
  }

  environment(environment: Environment): PlainEnvironment {
    return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, this.resolve(value)]))
  }

  /** Each value once, under the first of its names. */
  used(): Order['secrets'] {
    const names = new Map<string, string>()
    for (const [name, value] of this.#values) if (value !== '' && !names.has(value)) names.set(value, name)
    if (names.size > limits.secretsPerTask.value) {
      throw new SlipwayError(
        'limit_exceeded',
        `a task has ${names.size} secrets, more than ${limits.secretsPerTask.value}`,
      )
    }
    return [...names].map(([value, name]) => ({ name, value }))
  }
}

function plainAuth(auth: RegistryAuth, secrets: Secrets): PlainRegistryAuth {
  return auth.type === 'basic'
    ? { type: 'basic', username: secrets.resolve(auth.username), password: secrets.resolve(auth.password) }
    : { type: 'encodedauth', auth: secrets.resolve(auth.auth) }
}

/** The archives of all ancestors, by level then name, steps in order. What an ancestor never saved has no archive. */
function workspaceOf(
  tx: ReadTransaction<RunserviceSchema>,
  task: RunConfigTask,
  tasks: readonly RunConfigTask[],
): readonly WorkspaceOperation[] {
  if (!task.steps.some((step) => step.type === 'restore_workspace')) return []
  const byId = new Map(tasks.map((candidate) => [candidate.id, candidate]))
  const ancestors = new Map<string, RunConfigTask>()
  const open = task.depends.map((depend) => depend.taskId)
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const ancestor = byId.get(id)
    if (ancestor === undefined || ancestors.has(id)) continue
    ancestors.set(id, ancestor)
    open.push(...ancestor.depends.map((depend) => depend.taskId))
  }
  return [...ancestors.values()]
    .sort((a, b) => a.level - b.level || (a.name < b.name ? -1 : 1))
    .flatMap((ancestor) =>
      ancestor.steps.flatMap((step, index): WorkspaceOperation[] => {
        if (step.type !== 'save_to_workspace') return []
        const archive = tx.get('archive', archiveRowId({ runTaskId: ancestor.id, step: index }))
        const operation = { runTaskId: ancestor.id, taskName: ancestor.name, step: index }
        if (archive === undefined) return [operation]
        const { object, sizeBytes, sha256 } = archive
        // What a failed task saved before it failed counts as well: its on_failure handlers look at it.
        return [{ ...operation, archive: { object, sizeBytes, sha256 } }]
      }),
    )
}
