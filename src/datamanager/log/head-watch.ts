// What one process knows of the head of a log that lives elsewhere: wakes those who wait for a record, and notices when the
// log has lost records that it had.

import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { Wakeups } from './wakeups.ts'

export type Head = { readonly position: Position; readonly hash: RecordHash }

export type HeadWatchOptions = {
  /** It is told of new heads soon after they came, and `look` is called whenever some may have been missed. */
  readonly hasNews?: boolean
}

export class HeadWatch {
  readonly #clock: Clock
  readonly #pollMs: number
  readonly #hasNews: boolean
  readonly #wakeups = new Wakeups()
  #newest: Head | undefined
  /** What somebody said that the head is: a hint. */
  #rumour: Position = 0
  #looks = 0
  /** What `#looks` was before the head was asked for last. */
  #asked: number | undefined
  /** Aborted when it is to be asked for again. */
  #poll: AbortSignal | undefined

  /** A head is asked for at least every `pollMs` while somebody waits, whatever is told. */
  constructor(clock: Clock, pollMs: number, { hasNews = false }: HeadWatchOptions = {}) {
    this.#clock = clock
    this.#pollMs = pollMs
    this.#hasNews = hasNews
  }

  /** The newest record that was certainly in the log. */
  get newest(): Head | undefined {
    return this.#newest
  }

  /** A record is in the log. */
  saw(head: Head): void {
    if (head.position <= (this.#newest?.position ?? 0)) return
    this.#newest = head
    this.told(head.position)
  }

  /** The head may be at `position`. */
  told(position: Position): void {
    if (position <= this.#rumour) return
    this.#rumour = position
    this.#wakeups.wake()
  }

  /**
   * Compares the head that a linearizable read gave with `before`, which is what `newest` was when that read was sent. A log
   * that was restored from an older state, or a standby that took over without the last records, is `database_corrupt`: records
   * that were acknowledged are gone.
   */
  check(head: Head, before: Head | undefined): void {
    if (!before || head.position > before.position) {
      this.saw(head)
      return
    }
    if (head.position === before.position && head.hash === before.hash) return
    throw new SlipwayError(
      'database_corrupt',
      `the change log has lost records: it ends at record ${head.position} (${head.hash.slice(0, 12)}…), but had record ${before.position} (${before.hash.slice(0, 12)}…): stop all instances and restore the newer state`,
    )
  }

  /** Resolves when there may be a record after `from`. `readHead` asks the log. */
  async changed(from: Position, readHead: () => Promise<Position>, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#rumour > from) return
      const looks = this.#looks // before the head is asked for: what happens meanwhile is not lost
      const isNewsEnough = this.#hasNews && this.#asked === looks && this.#poll?.aborted === false
      if (!isNewsEnough) {
        if ((await readHead()) > from) return
        this.#asked = looks
        this.#poll = this.#clock.timeout(this.#pollMs)
      }
      const poll = this.#poll ?? this.#clock.timeout(this.#pollMs)
      const isNews = () => this.#rumour > from || this.#looks !== looks
      try {
        await this.#wakeups.until(isNews, AbortSignal.any([signal, poll]))
      } catch (error) {
        if (signal.aborted) throw signal.reason
        if (!poll.aborted) throw error
      }
    }
  }

  /** Lets those who wait ask for the head: something may have been missed. */
  look(): void {
    this.#looks++
    this.#wakeups.wake()
  }
}
