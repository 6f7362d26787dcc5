// The simulated callers: each gives one order after the other to whichever instance it finds, repeats those with a
// transaction id when it did not learn the outcome, and writes down what it was told. One more reads the changes.

import { isSlipwayError } from '../../lib/errors.ts'
import type { Change, Database } from '../database.ts'
import type { Coverage } from './coverage.ts'
import type { Seen } from './history.ts'
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
  /** Between two orders of a client; default 4. */
  readonly pauseMsMax?: number
}

export const clientEvents = [
  'client: committed',
  'client: refused by its closure',
  'client: certainly not committed',
  'client: outcome unknown',
  'client: aborted before evaluation',
  'client: repeated with its transaction id',
  'client: told by Database.outcome',
  'consumer: resumed',
] as const

const attemptsMax = 6
const pauseMsMax = 4

export class Clients {
  readonly seen: Seen[] = []
  readonly told: Change[] = []
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
    for (let n = 0; n < orders; n++) {
      await clock.sleep(random.below(this.#options.pauseMsMax ?? pauseMsMax))
      await this.#give()
    }
  }

  async #give(): Promise<void> {
    const { random, clock, coverage, findInstance } = this.#options
    const number = this.#orders++
    const order = anOrder(number, random)
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
      const instance = findInstance()
      if (!instance) {
        await clock.sleep(1 + random.below(pauseMsMax))
        continue
      }
      const abort = new AbortController()
      const isAborting = random.chance(0.1)
      if (isAborting) clock.after(random.below(pauseMsMax), () => abort.abort(new Error('the caller left')))
      try {
        const options = {
          ...(transactionId === undefined ? {} : { transactionId }),
          ...(isAborting ? { signal: abort.signal } : {}),
        }
        const { result, position } = await instance.db.do((tx) => execute(order, tx), options)
        if (instance.isDead) throw new Error('the instance died before it answered')
        coverage.reached('client: committed')
        if (attempt > 0) coverage.reached('client: repeated with its transaction id')
        Object.assign(one, { outcome: 'committed', result, position, endedAt: ++this.#events })
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
          else if (!isSlipwayError(error)) throw error
          coverage.reached('client: certainly not committed')
        }
        if (transactionId === undefined || random.chance(0.2)) return
        await clock.sleep(random.below(pauseMsMax))
      }
    }
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
    const { random, clock, coverage, findInstance } = this.#options
    while (!this.#stop.signal.aborted) {
      const instance = findInstance()
      if (instance) {
        if (this.told.length > 0) coverage.reached('consumer: resumed')
        try {
          for await (const change of instance.db.changes(this.told.at(-1)?.position ?? 0, this.#stop.signal)) {
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
