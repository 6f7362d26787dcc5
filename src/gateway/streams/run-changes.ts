// Changes of runs for everybody who shows them live: one reader of the runservice for all, begun with the first subscriber and
// ended with the last. What was told lately is kept, so that a reader whose connection broke goes on where it was; who is too far
// behind, or comes back too late, gets a `reset` and looks at the lists again.

import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunChanges, Runservice } from '../../runservice/api.ts'
import type { Run, RunTask } from '../../runservice/types.ts'
import { type RunOwner, runOwnerOf } from '../runs/run-owner.ts'

/** What one subscriber hears of. */
export type RunFilter = (owner: RunOwner) => boolean | Promise<boolean>

/** `position` is there with the last of what happened together: whoever goes on after it has missed nothing. */
export type RunChange =
  /** Changes from here on are told. */
  | { readonly kind: 'ready'; readonly position: number }
  | { readonly kind: 'run'; readonly position?: number; readonly run: Run }
  | { readonly kind: 'task'; readonly position?: number; readonly owner: RunOwner; readonly task: RunTask }
  /** Changes up to `position` may have been missed. */
  | { readonly kind: 'reset'; readonly position: number }

export type RunChangesFeedComponents = {
  readonly runservice: Pick<Runservice, 'watchChanges'>
  readonly clock: Clock
  readonly logger: Logger
}

type Subscriber = { queue: RunChanges[]; missed: boolean; wake: () => void }

/** After a failure of the runservice. */
const retryMs = 1000

export class RunChangesFeed {
  readonly #components: RunChangesFeedComponents
  readonly #subscribers = new Set<Subscriber>()
  /** In order; what came before the first is not known. */
  #kept: RunChanges[] = []
  /** Everything after it is kept. */
  #keptFrom: number | undefined
  #reading: AbortController | undefined
  #begun = Promise.withResolvers<void>()
  /** Those who subscribe, also while they wait for the beginning. */
  #interested = 0

  constructor(components: RunChangesFeedComponents) {
    this.#components = components
  }

  /** After that position, or from now on, until `signal` is aborted. A subscriber holds at most `limits.runChangesBehind`. */
  async *subscribe(
    filter: RunFilter,
    after: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RunChange, void, undefined> {
    this.#interested += 1
    let subscriber: Subscriber | undefined
    let changed = Promise.withResolvers<void>()
    const wake = () => changed.resolve()
    signal.addEventListener('abort', wake)
    try {
      this.#startReading()
      while (this.#keptFrom === undefined) {
        if (signal.aborted) return
        await Promise.race([this.#begun.promise, changed.promise])
      }
      // From here to where it is a subscriber nothing is awaited, so nothing comes in between.
      const isTooOld = after !== undefined && after < this.#keptFrom
      const queue = after === undefined || isTooOld ? [] : this.#kept.filter(({ position }) => position > after)
      subscriber = { queue, missed: isTooOld, wake }
      this.#subscribers.add(subscriber)
      if (after === undefined) yield { kind: 'ready', position: this.#newest }
      while (!signal.aborted) {
        if (subscriber.missed) {
          subscriber.missed = false
          subscriber.queue = []
          yield { kind: 'reset', position: this.#newest }
        }
        const next = subscriber.queue.shift()
        if (next !== undefined) {
          yield* await matching(next, filter)
          continue
        }
        await changed.promise
        changed = Promise.withResolvers()
      }
    } finally {
      signal.removeEventListener('abort', wake)
      if (subscriber !== undefined) this.#subscribers.delete(subscriber)
      this.#interested -= 1
      if (this.#interested === 0) this.#stopReading()
    }
  }

  get #newest(): number {
    return this.#kept.at(-1)?.position ?? this.#keptFrom ?? 0
  }

  /** Subscribers now. */
  get size(): number {
    return this.#subscribers.size
  }

  #startReading(): void {
    if (this.#reading !== undefined) return
    const reading = new AbortController()
    this.#reading = reading
    void this.#read(reading.signal)
  }

  #stopReading(): void {
    this.#reading?.abort()
    this.#reading = undefined
    this.#kept = []
    this.#keptFrom = undefined
    this.#begun = Promise.withResolvers()
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { runservice, clock, logger } = this.#components
    while (!signal.aborted) {
      try {
        let isFirst = true
        for await (const changes of runservice.watchChanges(undefined, signal)) {
          if (signal.aborted) return
          if (isFirst) this.#begin(changes.position)
          else this.#tell(changes)
          isFirst = false
        }
      } catch (error) {
        if (signal.aborted) return
        logger.warn('changes of runs cannot be followed; trying again', { error })
        await clock.sleep(retryMs, signal).catch(() => undefined)
      }
    }
  }

  /** From now on changes are known; what subscribers had not heard by then is missed. */
  #begin(position: number): void {
    const isAgain = this.#keptFrom !== undefined
    this.#kept = []
    this.#keptFrom = position
    this.#begun.resolve()
    for (const subscriber of this.#subscribers) {
      if (isAgain) subscriber.missed = true
      subscriber.wake()
    }
  }

  #tell(changes: RunChanges): void {
    this.#kept.push(changes)
    if (this.#kept.length > limits.runChangesKept.value) this.#keptFrom = this.#kept.shift()!.position
    for (const subscriber of this.#subscribers) {
      if (subscriber.queue.length >= limits.runChangesBehind.value) subscriber.missed = true
      else subscriber.queue.push(changes)
      subscriber.wake()
    }
  }
}

async function matching({ position, runs, tasks }: RunChanges, filter: RunFilter): Promise<readonly RunChange[]> {
  const found: RunChange[] = []
  for (const run of runs) {
    const owner = runOwnerOf(run.group)
    if (owner !== undefined && (await filter(owner))) found.push({ kind: 'run', run })
  }
  for (const { group, task } of tasks) {
    const owner = runOwnerOf(group)
    if (owner !== undefined && (await filter(owner))) found.push({ kind: 'task', owner, task })
  }
  return found.map((change, index) => (index === found.length - 1 ? { ...change, position } : change))
}
