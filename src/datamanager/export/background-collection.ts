// Removes dead generations of the databases of a process, when they are opened and once a day. Nobody waits for it.

import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { DatabaseBackend } from '../database-config.ts'
import type { StoragePlace } from '../snapshot/keys.ts'
import { collectGenerations } from './generations.ts'

const everyMs = 24 * 60 * 60_000

export class BackgroundCollection implements AsyncDisposable {
  readonly #parts: { readonly backend: DatabaseBackend; readonly clock: Clock; readonly logger: Logger }
  readonly #closing = new AbortController()
  readonly #running = new Map<string, Promise<void>>()

  constructor(parts: { readonly backend: DatabaseBackend; readonly clock: Clock; readonly logger: Logger }) {
    this.#parts = parts
  }

  /** Once for each service; opening it again changes nothing. */
  start(service: string, place: StoragePlace): void {
    if (!this.#running.has(service)) this.#running.set(service, this.#run(service, place))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the databases are closed'))
    await Promise.all(this.#running.values())
  }

  async #run(service: string, place: StoragePlace): Promise<void> {
    const { backend, clock, logger } = this.#parts
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const dropLog = (generation: string) => backend.dropLog(service, generation, signal)
        const { replaced, halfImported } = await collectGenerations({ place, dropLog, signal })
        if (replaced.length + halfImported.length > 0)
          logger.info('dead generations were removed', { service, replaced, halfImported })
      } catch (error) {
        if (!signal.aborted) logger.warn('dead generations could not be removed', { service, error })
      }
      await clock.sleep(everyMs, signal).catch(() => undefined) // aborted: the loop ends
    }
  }
}
