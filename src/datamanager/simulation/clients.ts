// The simulated callers: each gives one order after the other to whichever instance it finds, repeats those with a
// transaction id when it did not learn the outcome, and writes down what it was told. One more reads the changes.

import { isSlipwayError } from '../../lib/errors.ts'
import type { Change, Database, Transaction } from '../database.ts'
import type { Coverage } from './coverage.ts'
import { type Seen, SimulationFailure } from './history.ts'
import { LostAnswer } from './memory-log.ts'
import type { Prng } from './prng.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { anOrder, type Bank, execute, Refused } from './workload.ts'

/** One life of a process. What it answers after its death nobody hears. */
export type Instance = { readonly db: Database<Bank>; isDead: boolean }

export type ClientsOptions = {
  readonly random: Prng
  readonly clock: SimulatedClock
  readonly coverage: Coverage
  /** An instance that lives, if there is one. */
  readonly findInstance: () => Instance | undefined
  /** False while there have to be more orders than were asked for. */
  readonly isEnough?: () => boolean
  /** After so many milliseconds a client, or a consumer, turns to another instance; default never. */
  readonly patienceMs?: number
  /** Default: anOrder. */
  readonly order?: typeof anOrder
  /** Milliseconds between two orders of a client. */
  readonly pauseMs?: () => number
}

export const clientEvents = [
  'client: committed',
  'client: refused by its closure',
  'client: certainly not committed',
  'client: outcome unknown',
  'client: aborted before evaluation',
  'client: repeated with its transaction id',
  'client: told by Database.outcome',
  'client: refused in maintenance',
  'client: waited elsewhere for what it wrote',
  'client: did not wait long enough for it',
  'consumer: resumed',
] as const

const attemptsMax = 6
/** So many times more orders than were asked for are given at most. */
const ordersFactorMax = 5
const pauseMsMax = 4

export class Clients {
  readonly seen: Seen[] = []
  readonly told: Change[] = []
  /** How often one was run. */
  closures = 0
  readonly #options: ClientsOptions
  readonly #stop = new AbortController()
  #orders = 0
  #events = 0
  #running = 0
  #failure: unknown

  constructor(options: ClientsOptions) {
    this.#options = options
  }

  start(clients: number, ordersEach: number): void {
    for (let client = 0; client < clients; client++) {
      this.#running++
      this.#client(ordersEach).then(
        () => this.#running--,
        (error: unknown) => {
          this.#failure ??= error
          this.#running--
        },
      )
    }
    this.#consume().catch((error: unknown) => {
      this.#failure ??= error
    })
  }

  /** The newest position that was answered. */
  get newestPosition(): number {
    return this.seen.reduce((newest, { outcome, position }) => {
      return outcome === 'committed' ? Math.max(newest, position ?? 0) : newest
    }, 0)
  }

  /** True when all orders have ended. Throws what a client could not explain. */
  isDone(): boolean {
    if (this.#failure !== undefined) throw this.#failure
    return this.#running === 0
  }

  stopConsumer(): void {
    this.#stop.abort()
  }

  async #client(orders: number): Promise<void> {
    const { random, clock } = this.#options
    const isEnough = this.#options.isEnough ?? (() => true)
    for (let n = 0; n < orders || (!isEnough() && n < ordersFactorMax * orders); n++) {
      await clock.sleep(this.#options.pauseMs?.() ?? random.below(pauseMsMax))
      await this.#give()
    }
  }

  async #give(): Promise<void> {
    const { random, clock, coverage, findInstance } = this.#options
    const number = this.#orders++
    const order = (this.#options.order ?? anOrder)(number, random)
    const transactionId = random.chance(0.5) ? `transaction ${number}` : undefined
    const one: Seen = {
      order,
      begunAt: ++this.#events,
      endedAt: undefined,
      outcome: 'absent',
      result: undefined,
      position: undefined,
    }
    this.seen.push(one)
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      let instance = findInstance()
      for (; !instance; instance = findInstance()) await clock.sleep(1 + random.below(pauseMsMax))
      const abort = new AbortController()
      const isAborting = random.chance(0.1)
      const waitMs = isAborting ? random.below(pauseMsMax) : this.#options.patienceMs
      const leave = () => abort.abort(new Error('the caller left'))
      const stay = waitMs === undefined ? undefined : clock.after(waitMs, leave)
      try {
        const options = {
          ...(transactionId === undefined ? {} : { transactionId }),
          ...(stay ? { signal: abort.signal } : {}),
        }
        const evaluate = (tx: Transaction<Bank>) => {
          this.closures++
          return execute(order, tx)
        }
        const { result, position } = await instance.db.do(evaluate, options)
        if (instance.isDead) throw new Error('the instance died before it answered')
        coverage.reached('client: committed')
        if (attempt > 0) coverage.reached('client: repeated with its transaction id')
        Object.assign(one, { outcome: 'committed', result, position, endedAt: ++this.#events })
        if (order.kind !== 'read' && random.chance(0.15)) await this.#lookElsewhere(order.name, position)
        return
      } catch (error) {
        if (instance.isDead || isSlipwayError(error, 'outcome_unknown')) {
          coverage.reached('client: outcome unknown')
          one.outcome = 'unknown'
          if (this.#ask(instance, one, error)) return
        } else if (error instanceof Refused) {
          coverage.reached('client: refused by its closure')
          if (one.outcome !== 'unknown') one.outcome = 'refused'
          return
        } else {
          if (error === abort.signal.reason) coverage.reached('client: aborted before evaluation')
          else if (error instanceof LostAnswer) coverage.reached('client: a cold family could not be read')
          else if (!isSlipwayError(error)) throw error
          if (isSlipwayError(error, 'maintenance')) coverage.reached('client: refused in maintenance')
          coverage.reached('client: certainly not committed')
        }
        if (transactionId === undefined || random.chance(0.2)) return
        await clock.sleep(random.below(pauseMsMax))
      } finally {
        stay?.()
      }
    }
  }

  /** Whoever carries the position of its write to another instance and waits there finds it. */
  async #lookElsewhere(name: string, position: number): Promise<void> {
    const { coverage, findInstance } = this.#options
    const instance = findInstance()
    if (!instance) return
    let isThere: boolean
    try {
      await instance.db.waitFor(position)
      isThere = instance.db.view((tx) => tx.get('done', name) !== undefined)
    } catch (error) {
      if (!instance.isDead && !isSlipwayError(error)) throw error
      coverage.reached('client: did not wait long enough for it')
      return
    }
    if (!isThere && !instance.isDead)
      throw new SimulationFailure(`${name} is at ${position}, an instance that had waited for it did not show it`)
    coverage.reached('client: waited elsewhere for what it wrote')
  }

  /** After an unknown outcome a generated id can be asked for; "not found" says nothing yet. */
  #ask(instance: Instance, one: Seen, error: unknown): boolean {
    const transactionId = (error as { transactionId?: string }).transactionId
    if (instance.isDead || transactionId === undefined) return false
    let found: ReturnType<Instance['db']['outcome']>
    try {
      found = instance.db.outcome(transactionId)
    } catch (failure) {
      if (!isSlipwayError(failure)) throw failure
      return false
    }
    if (!found) return false
    this.#options.coverage.reached('client: told by Database.outcome')
    const { result, position } = found
    Object.assign(one, { outcome: 'committed', result: result ?? null, position, endedAt: ++this.#events })
    return true
  }

  /** Reads all changes, across every crash, from the position it has stored. */
  async #consume(): Promise<void> {
    const { random, clock, coverage, findInstance, patienceMs } = this.#options
    while (!this.#stop.signal.aborted) {
      const instance = findInstance()
      if (instance) {
        if (this.told.length > 0) coverage.reached('consumer: resumed')
        const ending = [this.#stop.signal, ...(patienceMs === undefined ? [] : [clock.timeout(patienceMs)])]
        try {
          for await (const change of instance.db.changes(this.told.at(-1)?.position ?? 0, AbortSignal.any(ending))) {
            if (instance.isDead) break
            this.told.push(change)
            if (random.chance(0.05)) break
          }
        } catch (error) {
          // A consumer that cannot read now comes again.
          if (!instance.isDead && !isSlipwayError(error) && !(error instanceof LostAnswer)) throw error
        }
      }
      await clock.sleep(1 + random.below(pauseMsMax)).catch(() => undefined)
    }
  }
}
