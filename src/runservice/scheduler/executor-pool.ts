// The connected executors as placement asks for them: those that can serve the same tasks are one kind. There may be thousands of
// them and few kinds, and most of them idle: made once for a set of executors, it is asked with every task that is handed out.

import type { Executor } from '../types.ts'
import { type Capabilities, canServe, type Requirement } from './requirement.ts'

export type PooledExecutor = Capabilities & Pick<Executor, 'id' | 'state' | 'taskLimit'>

export type ExecutorKind = {
  readonly capabilities: Capabilities
  /** By id. */
  readonly executors: readonly KindMember[]
  /** Slots of all of them. */
  readonly limit: number
}

/** `limit`: slots, infinity for one that has no limit. */
export type KindMember = { readonly id: string; readonly limit: number }

/** Classes of which the kinds are remembered. */
const rememberedMax = 1000

export class ExecutorPool {
  readonly #kinds: readonly ExecutorKind[]
  readonly #byId: ReadonlyMap<string, { readonly kind: ExecutorKind; readonly limit: number }>
  readonly #serving = new Map<string, readonly ExecutorKind[]>()

  /** All that exist; only connected ones get tasks. */
  constructor(executors: Iterable<PooledExecutor>) {
    const connected = [...executors].filter((executor) => executor.state === 'connected')
    const byKind = Map.groupBy(connected, keyOfKind)
    this.#kinds = [...byKind.values()].map((members) => {
      const kind = members.map(({ id, taskLimit }) => ({ id, limit: taskLimit || Number.POSITIVE_INFINITY }))
      return {
        capabilities: members[0]!, // A group has a member.
        executors: kind.sort((a, b) => (a.id < b.id ? -1 : 1)),
        limit: kind.reduce((sum, { limit }) => sum + limit, 0),
      }
    })
    this.#byId = new Map(
      this.#kinds.flatMap((kind) => kind.executors.map(({ id, limit }) => [id, { kind, limit }] as const)),
    )
  }

  /** Those that could ever serve a class. */
  serving(requirement: Requirement): readonly ExecutorKind[] {
    const known = this.#serving.get(requirement.key)
    if (known !== undefined) return known
    const kinds = this.#kinds.filter(({ capabilities }) => canServe(capabilities, requirement))
    if (this.#serving.size >= rememberedMax) this.#serving.clear()
    this.#serving.set(requirement.key, kinds)
    return kinds
  }

  /** Undefined for one that is not connected. */
  find(executorId: string): { readonly kind: ExecutorKind; readonly limit: number } | undefined {
    return this.#byId.get(executorId)
  }
}

function keyOfKind({ archs, labels, allowPrivileged, drivers }: Capabilities): string {
  const sortedLabels = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([archs.toSorted(), sortedLabels, allowPrivileged, drivers.toSorted()])
}
