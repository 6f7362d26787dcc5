// Sandboxes made ahead of the tasks that get them, while others are at work or wait for the disk: making one takes longer than
// everything else of a short task. One for a task that may follow; two when a second task has come, as in a chain of short ones
// a sandbox is used up sooner than the next one is made. A spare is a pod like any other, with records and processes, under an id of its own, and
// nothing was executed in it. What a killed executor leaves of it is listed and removed by the next start.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import type { PodId } from '../../driver.ts'
import type { StartedPod } from './pod-directory.ts'

export type SparePod = StartedPod & {
  readonly id: PodId
  /** What of the machine it shows, as `identityOfView` says it. */
  readonly shown: string
}

export type SparePodsOptions = {
  readonly make: (id: PodId, signal: AbortSignal) => Promise<SparePod>
  /** Whether a task may still get it. */
  readonly isGood: (spare: SparePod) => boolean
  /** Removes what there is of a pod; idempotent. */
  readonly remove: (id: PodId) => Promise<void>
  readonly clock: Clock
  /** How long a spare waits for a task. */
  readonly keptMs: number
  /** No more tasks than these will come. */
  readonly tasksMax: number
}

/** The step of the task that got the last one is started first. */
const prepareDelayMs = 1

type Spare = { readonly id: PodId; readonly made: Promise<SparePod>; readonly expiry: AbortController }

/** More cost as much as they save: processors make them, which the tasks need as well. */
const sparesMax = 2

/** At most `sparesMax`, being made or ready. Disposing removes them, and does not wait until they are made. */
export class SparePods implements AsyncDisposable {
  readonly #options: SparePodsOptions
  /** Of all that exist in part or whole and belong to no task. */
  readonly #ids = new Set<PodId>()
  readonly #removals = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  /** Oldest first. */
  readonly #spares: Spare[] = []
  /** Tasks that came since the machine had nothing to do. */
  #taken = 0
  /** Tasks that came at all. */
  #takenEver = 0

  constructor(options: SparePodsOptions) {
    this.#options = options
  }

  /** True for a spare of ours that was not given to a task. */
  has(id: PodId): boolean {
    return this.#ids.has(id)
  }

  /** Resolves when there is a spare; fails as making it fails. */
  async prepare(): Promise<void> {
    if (this.#stop.signal.aborted) return
    await (this.#spares[0] ?? this.#begin()).made
  }

  /** Begins to make those that are missing in a moment. A failure is not told: who makes a pod for a task hears of its reason then. */
  prepareSoon(): void {
    this.#options.clock
      .sleep(prepareDelayMs)
      .then(() => {
        const { tasksMax } = this.#options
        const wanted = Math.min(Math.max(this.#taken, 1), sparesMax, tasksMax - this.#takenEver)
        while (this.#spares.length < wanted && !this.#stop.signal.aborted) this.#begin()
      })
      .catch(() => {})
  }

  /** A spare, or undefined; waits for one that is being made. The caller either has it `given` or discards it. */
  async take(): Promise<SparePod | undefined> {
    this.#taken++
    this.#takenEver++
    for (let spare = this.#spares.shift(); spare !== undefined; spare = this.#spares.shift()) {
      spare.expiry.abort()
      const pod = await spare.made.catch(() => undefined)
      if (pod === undefined || this.#options.isGood(pod)) return pod
      this.discard(pod.id)
    }
    return undefined
  }

  /** Says that the one with this id has become the pod of a task. */
  given(id: PodId): void {
    this.#ids.delete(id)
  }

  /** Removes one in the background. What cannot be removed is left to the next start. */
  discard(id: PodId): void {
    const removal = this.#options
      .remove(id)
      .catch(() => {})
      .finally(() => {
        this.#ids.delete(id)
        this.#removals.delete(removal)
      })
    this.#removals.add(removal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#spares].map((spare) => this.#drop(spare)))
    await Promise.all(this.#removals)
  }

  #begin(): Spare {
    const id = `spare-${randomUUID()}`
    this.#ids.add(id)
    const spare: Spare = { id, made: this.#options.make(id, this.#stop.signal), expiry: new AbortController() }
    this.#spares.push(spare)
    const { clock, keptMs } = this.#options
    spare.made
      .then(
        () => clock.sleep(keptMs, spare.expiry.signal).then(() => this.#expire(spare)),
        () => this.#forget(spare),
      )
      .catch(() => {}) // It was taken.
    return spare
  }

  async #expire(spare: Spare): Promise<void> {
    this.#taken = 0
    await this.#drop(spare)
  }

  async #drop(spare: Spare): Promise<void> {
    this.#unset(spare)
    spare.expiry.abort()
    const isMade = await spare.made.then(
      () => true,
      () => false,
    )
    if (isMade) this.discard(spare.id)
  }

  /** Of one that could not be made there may be a part. */
  #forget(spare: Spare): void {
    this.#unset(spare)
    this.discard(spare.id)
  }

  #unset(spare: Spare): void {
    const index = this.#spares.indexOf(spare)
    if (index >= 0) this.#spares.splice(index, 1)
  }
}
