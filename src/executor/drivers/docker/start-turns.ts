// Containers are started in turns: the next one when the one before is in its network.
//
// Docker keeps its networks in a file, which the network controller and the bridge driver open and lock anew for each of
// some twenty changes that a start takes. Whoever finds it locked looks again 50 ms later (bbolt, flockRetryTimeout), and holds
// up all that want the same meanwhile: with ten containers started at once both processors of a machine with two were
// idle three quarters of the first 300 ms. One after another a container is in its network in 5 to 10 ms.

import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import type { Engine } from './engine.ts'

/** Of one turn: as long as two that meet hold each other up. Also for engines that tell of no networks, as Podman. */
const turnMsMax = 50

export type StartTurnsOptions = { readonly engine: Engine; readonly clock: Clock; readonly logger: Logger }

type Turn = {
  readonly containerId: string
  readonly over: AbortController
  readonly begin: () => void
}

export class StartTurns {
  readonly #options: StartTurnsOptions
  readonly #waiting: Turn[] = []
  #current: Turn | undefined
  /** Aborted when nobody waits any more: then nobody needs to know who is in its network. */
  #listening: AbortController | undefined

  constructor(options: StartTurnsOptions) {
    this.#options = options
  }

  /**
   * Resolves when `containerId` may be started, at once when nobody is before it. The turn ends when the container is in its
   * network, after 50 ms, and when it is disposed, whichever is first. Rejects with the reason of `signal`.
   */
  async take(containerId: string, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const { promise: begun, resolve: begin, reject } = Promise.withResolvers<void>()
    const turn: Turn = { containerId, over: new AbortController(), begin }
    const onAbort = () => {
      this.#end(turn)
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiting.push(turn)
    if (this.#current === undefined) this.#next()
    else this.#listen()
    try {
      await begun
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return { [Symbol.dispose]: () => this.#end(turn) }
  }

  #next(): void {
    this.#current = this.#waiting.shift()
    if (this.#waiting.length === 0) {
      this.#listening?.abort()
      this.#listening = undefined
    }
    if (this.#current === undefined) return
    const turn = this.#current
    turn.begin()
    this.#options.clock.sleep(turnMsMax, turn.over.signal).then(
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

  #listen(): void {
    if (this.#listening !== undefined) return
    const listening = new AbortController()
    this.#listening = listening
    this.#followEvents(listening.signal).catch((error: unknown) => {
      if (!listening.signal.aborted) this.#options.logger.debug('turns of starts end by time only', { error })
    })
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    const events = this.#options.engine.lines({
      method: 'GET',
      path: '/events',
      query: { filters: JSON.stringify({ type: ['network'], event: ['connect'] }) },
      signal,
    })
    for await (const event of events) {
      const { Actor: actor } = event as NetworkEvent
      if (this.#current !== undefined && actor?.Attributes?.container === this.#current.containerId)
        this.#end(this.#current)
    }
  }
}

type NetworkEvent = { readonly Actor?: { readonly Attributes?: { readonly container?: string } } }
