// Deletes what pods leave when they are removed: folders that nobody looks at any more. It does so while there is no pod: a
// disk gives space back when it next syncs something, and what a task syncs then waits for that. A pod that is there for long
// does not keep removed ones for ever.

import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import { removeTree } from './remove-tree.ts'

export type RemovedPodsOptions = {
  /** Whether there is a pod that runs. */
  readonly isBusy: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** So long no pod has to be there: another one may follow. */
const quietMs = 20
/** For so many looks, which are a second, one waits at most: then it is deleted whatever runs. */
const looksMax = 50
/** When there are more than a chain of short tasks leaves, they are deleted as they come. */
const waitingMax = 64
const endMs = 5_000

/** Disposing deletes what waits, and waits for that, within limits. */
export class RemovedPods implements AsyncDisposable {
  readonly #options: RemovedPodsOptions
  /** Oldest first, with the looks there had been when it came. */
  readonly #waiting: { readonly path: string; readonly look: number }[] = []
  #looks = 0
  readonly #stop = new AbortController()
  #deleting: Promise<void> | undefined

  constructor(options: RemovedPodsOptions) {
    this.#options = options
  }

  /** Deletes it in the background. What cannot be deleted is told, and left to the next start. */
  delete(path: string): void {
    this.#waiting.push({ path, look: this.#looks })
    this.#deleting ??= this.#deleteAll().finally(() => {
      this.#deleting = undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    if (this.#deleting === undefined) return
    const enough = new AbortController()
    await Promise.race([this.#deleting, this.#options.clock.sleep(endMs, enough.signal).catch(() => {})])
    enough.abort()
  }

  async #deleteAll(): Promise<void> {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { path, look } = first
      await this.#untilQuiet(look + looksMax)
      this.#waiting.shift()
      await removeTree(path).catch((error: unknown) =>
        this.#options.logger.warn('removed pod cannot be deleted', { path, error }),
      )
    }
  }

  async #untilQuiet(lastLook: number): Promise<void> {
    const { clock, isBusy } = this.#options
    while (this.#looks < lastLook && this.#waiting.length <= waitingMax && !this.#stop.signal.aborted) {
      await clock.sleep(quietMs, this.#stop.signal).catch(() => {})
      this.#looks++
      if (!isBusy()) return
    }
  }
}
