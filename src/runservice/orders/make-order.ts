// The order for one executor task, made anew from the rows each time it is sent: secrets are opened here and nowhere else,
// and no order is ever stored.

import type { ReadTransaction } from '../../datamanager/database.ts'
import { invariant, SlipwayError } from '../../lib/errors.ts'
import type { GitAccessOptions } from '../../lib/git-access.ts'
import { limits } from '../../lib/limits.ts'
import type { Environment, RegistryAuth, RunConfigTask, Value } from '../../pipeline/run-config.ts'
import { isSecretRef } from '../../pipeline/run-config.ts'
import { archiveRowId } from '../archives/archives.ts'
import type { CloneSource, Order, PlainEnvironment, PlainRegistryAuth, WorkspaceOperation } from '../executor-api.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { findSecret, type Sealing } from '../run-secrets.ts'
import { counterName } from '../scheduler/create-run.ts'
import { type GraphCache, getRun, loadConfigTasks } from '../stimulus.ts'
import type { ExecutorTask, RunConfigRow } from '../types.ts'
import { openFound } from './order-secrets.ts'
import type { SecretResolver } from './secret-resolver.ts'

export type CloneAddress = {
  readonly access: GitAccessOptions
  /** Where the repository is by now, when it has moved since the run was made. */
  readonly url?: string
}

/** `task`: what the access is for, and how long; `isAskedAnew`: what was known of its address a moment ago is wrong, perhaps. */
export type CloneAccess = (
  config: RunConfigRow,
  task: Pick<ExecutorTask, 'runId' | 'runTaskId'>,
  options?: { readonly isAskedAnew: boolean },
) => Promise<CloneAddress | undefined>

export type OrderContext = Sealing & {
  readonly graphs: GraphCache
  /** Where clone steps of a run fetch from. */
  readonly cloneSource: (config: RunConfigRow) => CloneSource
  /** How clone steps log in there; asked each time an order with one is sent, never stored. None by default. */
  readonly cloneAccess?: CloneAccess
  /** Where secrets are kept that were not sealed with the run. None by default. */
  readonly secretResolver?: SecretResolver
}

/** What an order is made of. */
export function definitionOf(
  tx: ReadTransaction<RunserviceSchema>,
  executorTask: ExecutorTask,
  { graphs }: Pick<OrderContext, 'graphs'>,
): OrderDefinition {
  const config = tx.get('runconfig', executorTask.runConfigId)
  invariant(config !== undefined, `run config ${executorTask.runConfigId} is missing`)
  const { tasks } = loadConfigTasks(tx, config.id, graphs)
  const task = tasks.find(({ id }) => id === executorTask.runTaskId)
  invariant(task !== undefined, `run config ${config.id} has no task ${executorTask.runTaskId}`)
  return { config, task, tasks }
}

export type OrderDefinition = {
  readonly config: RunConfigRow
  readonly task: RunConfigTask
  /** Of the whole run. */
  readonly tasks: readonly RunConfigTask[]
}

export function makeOrder(
  tx: ReadTransaction<RunserviceSchema>,
  executorTask: ExecutorTask,
  context: OrderContext,
): Order {
  const { config, task, tasks } = definitionOf(tx, executorTask, context)
  const run = getRun(tx, executorTask.runId)
  const found = openFound(tx, executorTask, context)
  const secrets = new Secrets((ref) => {
    const sealed = findSecret(tx, config.id, ref, context)
    return sealed === undefined ? found.get(ref) : { name: ref, value: sealed }
  })
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
      Object.entries(task.registryAuth).map(([registry, auth]) => [registry, plainAuth(registry, auth, secrets)]),
    ),
    timeoutMs: task.timeoutMs,
    cacheGroup: config.cacheGroup === '' ? counterName(config.group) : config.cacheGroup,
    trust: config.trust,
    workspace: workspaceOf(tx, task, tasks),
    clone: context.cloneSource(config),
  }
  return { ...order, secrets: secrets.used(), ...(secrets.notes.size === 0 ? {} : { notes: [...secrets.notes] }) }
}

type OpenedSecret = { readonly name: string; readonly value: string }

/** Resolves references, and remembers every value it gave out: those are masked. */
class Secrets {
  /** About what is gone. */
  readonly notes = new Set<string>()
  readonly #find: (ref: string) => OpenedSecret | undefined
  readonly #opened = new Map<string, OpenedSecret>()

  constructor(find: (ref: string) => OpenedSecret | undefined) {
    this.#find = find
  }

  /** Undefined for a secret that is gone. */
  resolve(value: Value): string | undefined {
    if (!isSecretRef(value)) return value
    const opened = this.#opened.get(value.secret) ?? this.#find(value.secret)
    if (opened !== undefined) this.#opened.set(value.secret, opened)
    return opened?.value
  }

  /** A variable whose secret is gone is not set, so that a script can tell it from an empty one. */
  environment(environment: Environment): PlainEnvironment {
    return Object.fromEntries(
      Object.entries(environment).flatMap(([name, value]) => {
        const resolved = this.resolve(value)
        if (resolved !== undefined) return [[name, resolved]]
        this.notes.add(`${name} is not set: its secret is not there any more`)
        return []
      }),
    )
  }

  credential(registry: string, value: Value): string {
    const resolved = this.resolve(value)
    if (resolved === undefined) this.notes.add(`The login of ${registry} is empty: its secret is not there any more`)
    return resolved ?? ''
  }

  /** Each value once, under the first of its names. */
  used(): Order['secrets'] {
    const names = new Map<string, string>()
    for (const { name, value } of this.#opened.values()) if (value !== '' && !names.has(value)) names.set(value, name)
    if (names.size > limits.secretsPerTask.value) {
      throw new SlipwayError(
        'limit_exceeded',
        `a task has ${names.size} secrets, more than ${limits.secretsPerTask.value}`,
      )
    }
    return [...names].map(([value, name]) => ({ name, value }))
  }
}

function plainAuth(registry: string, auth: RegistryAuth, secrets: Secrets): PlainRegistryAuth {
  const plain = (value: Value) => secrets.credential(registry, value)
  return auth.type === 'basic'
    ? { type: 'basic', username: plain(auth.username), password: plain(auth.password) }
    : { type: 'encodedauth', auth: plain(auth.auth) }
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
