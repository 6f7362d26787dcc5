// What Ctrl-C does: the first asks for a clean stop, the second leaves at once.

import { SlipwayError } from '../../lib/errors.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'

export class Interrupts implements Disposable {
  readonly #stopping = new AbortController()
  readonly #listening: Disposable

  /** `onFirst` is called with the first one, after `signal` was aborted. */
  constructor(io: Io, onFirst: () => void) {
    this.#listening = io.onInterrupt(() => {
      if (this.signal.aborted) io.exit(exitStatus.stopped)
      this.#stopping.abort(new SlipwayError('cancelled', 'stopped before anything was started'))
      onFirst()
    })
  }

  /** Aborted with the first interrupt. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  [Symbol.dispose](): void {
    // Once interrupted, a second one that comes while the process ends still means the same.
    if (!this.signal.aborted) this.#listening[Symbol.dispose]()
  }
}
