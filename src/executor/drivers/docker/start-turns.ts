// Containers are started in turns, a moment apart.
//
// Docker keeps its networks in a file, which the network controller and the bridge driver open and lock anew for each of
// some twenty changes that a start takes. Whoever finds it locked looks again 50 ms later (bbolt, flockRetryTimeout), and holds
// up all that want the same meanwhile: with ten containers started at once both processors of a machine with two were
// idle three quarters of the first 300 ms. Alone a container is in its network in 5 to 10 ms.

import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import type { Engine } from './engine.ts'

/**
 * Between two starts, for all processors of the engine together. A container takes them some 260 ms from its creation to its
 * removal, so they stay busy; and those started first are done while others start, instead of all at the same moment.
 */
const processorMs = 100
/** As long as two that meet in the file hold each other up. */
const turnMsMax = 50
/** As long as a container takes to get into its network. */
const turnMsMin = 10

export type StartTurnsOptions = { readonly engine: Engine; readonly clock: Clock; readonly logger: Logger }

type Turn = { readonly over: AbortController; readonly begin: () => void }

export class StartTurns {
  readonly #options: StartTurnsOptions
  readonly #waiting: Turn[] = []
  #current: Turn | undefined
  #turnMs = turnMsMax
  #hasAsked = false

  constructor(options: StartTurnsOptions) {
    this.#options = options
  }

  /**
   * Resolves when a container may be started, at once when nobody is before it. The turn ends after 10 to 50 ms, and when it
   * is disposed, whichever is first. Rejects with the reason of `signal`.
   */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const { promise: begun, resolve: begin, reject } = Promise.withResolvers<void>()
    const turn: Turn = { over: new AbortController(), begin }
    const onAbort = () => {
      this.#end(turn)
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiting.push(turn)
    if (this.#current === undefined) this.#next()
    else void this.#askProcessors()
    try {
      await begun
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return { [Symbol.dispose]: () => this.#end(turn) }
  }

  #next(): void {
    const turn = this.#waiting.shift()
    this.#current = turn
    if (turn === undefined) return
    turn.begin()
    this.#options.clock.sleep(this.#turnMs, turn.over.signal).then(
      () => this.#end(turn),
      () => undefined,
    )
  }

  #end(turn: Turn): void {
    turn.over.abort()
    const index = this.#waiting.indexOf(turn)
    if (index >= 0) this.#waiting.splice(index, 1)
    if (this.#current === turn) this.#next()
  }

  /** When somebody waits for the first time: who executes one task after another need not know. */
  async #askProcessors(): Promise<void> {
    if (this.#hasAsked) return
    this.#hasAsked = true
    try {
      const { NCPU: processors } = (await this.#options.engine.call({ method: 'GET', path: '/info' })) as EngineInfo
      if (processors !== undefined && processors > 0)
        this.#turnMs = Math.min(turnMsMax, Math.max(turnMsMin, processorMs / processors))
    } catch (error) {
      this.#options.logger.debug('processors of the engine unknown', { error })
    }
  }
}

type EngineInfo = { readonly NCPU?: number }
