// What has to be asked elsewhere before an order can be sent: the values of secrets, and how its repository is logged in to. Asked
// outside of transactions, once per connection and order, while other orders go their way; what does not answer delays the order,
// and the task says so.

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { type ErrorCode, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Reason } from '../reasons.ts'
import { type RunserviceSchema, runTaskRowId } from '../row-types.ts'
import { putTask, type Settle, type Tx } from '../stimulus.ts'
import { type ExecutorTask, isFinishedStep, type RunConfigRow } from '../types.ts'
import { type CloneAddress, definitionOf, type OrderContext } from './make-order.ts'
import { putFound, refsToLookUp } from './order-secrets.ts'

export type OrderPreparationComponents = OrderContext & {
  readonly database: Database<RunserviceSchema>
  readonly settle: Settle
  readonly clock: Clock
  readonly logger: Logger
}

export type OrderPreparationHooks = {
  /** The order can be asked for again. */
  readonly onReady: (orderId: string) => void
  /** It never can be. */
  readonly onFailed: (order: ExecutorTask, error: SlipwayError) => Promise<void>
}

export type Prepared = { readonly clone?: CloneAddress }

type Needs = { readonly config: RunConfigRow; readonly refs: readonly string[]; readonly access: boolean }

/** Who has not answered by then is asked again, perhaps at another instance. */
const answerMsMax = 15_000
const retryMsMin = 250
const retryMsMax = 10_000

/** Of one connection; dispose it with that. */
export class OrderPreparation implements AsyncDisposable {
  readonly #components: OrderPreparationComponents
  readonly #hooks: OrderPreparationHooks
  readonly #leaving = new AbortController()
  readonly #working = new Map<string, Promise<void>>()
  readonly #ready = new Map<string, Prepared>()

  constructor(components: OrderPreparationComponents, hooks: OrderPreparationHooks) {
    this.#components = components
    this.#hooks = hooks
  }

  /** What was asked for the order, once; undefined as long as that goes on, and `onReady` is called when it is there. */
  take(order: ExecutorTask): Prepared | undefined {
    const ready = this.#ready.get(order.id)
    this.forget(order.id)
    // It is not begun any more, so it needs nothing.
    if (order.stop && order.lastStatus === 0) return {}
    if (ready !== undefined) return ready
    if (this.#working.has(order.id)) return undefined
    const needs = this.#needsOf(order)
    if (needs === undefined) return {}
    const work = this.#prepare(order, needs)
      .catch((error: unknown) => this.#logBroken(order, error))
      .finally(() => this.#working.delete(order.id))
    this.#working.set(order.id, work)
    return undefined
  }

  /** Nobody asks for the order any more. */
  forget(orderId: string): void {
    this.#ready.delete(orderId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort(new SlipwayError('cancelled', 'the connection ended'))
    await Promise.all(this.#working.values())
  }

  /** Undefined when nothing has to be asked. */
  #needsOf({ id }: ExecutorTask): Needs | undefined {
    const { database, cloneAccess, secretResolver: resolver } = this.#components
    if (cloneAccess === undefined && resolver === undefined) return undefined
    return database.view((tx) => {
      const order = tx.get('executortask', id)
      const row = order && tx.get('runtask', runTaskRowId(order.runId, order.runTaskId))
      if (order === undefined || row === undefined) return undefined
      const { config, task } = definitionOf(tx, order, this.#components)
      const isLookedUp = resolver === undefined || order.secrets !== undefined
      const refs = isLookedUp ? [] : refsToLookUp(tx, { config, task }, resolver)
      const isCloning = task.steps.some(
        ({ type }, index) => type === 'clone' && !isFinishedStep(row.steps[index]?.phase ?? 'notstarted'),
      )
      const access = cloneAccess !== undefined && isCloning
      return refs.length === 0 && !access ? undefined : { config, refs, access }
    })
  }

  async #prepare(order: ExecutorTask, needs: Needs): Promise<void> {
    const { clock, logger } = this.#components
    const signal = this.#leaving.signal
    let told: ErrorCode | undefined
    for (let waitMs = retryMsMin; !signal.aborted && this.#isWanted(order); waitMs = Math.min(waitMs * 2, retryMsMax)) {
      const tooLong = clock.timeout(answerMsMax)
      try {
        this.#ready.set(order.id, await this.#ask(order, needs, AbortSignal.any([signal, tooLong])))
        // The first report of the executor tells it, too.
        if (told !== undefined) await this.#tellWaiting(order, undefined).catch(() => undefined)
        this.#hooks.onReady(order.id)
        return
      } catch (error) {
        if (signal.aborted) return
        if (isSlipwayError(error) && !isPassing(error) && !tooLong.aborted) {
          // What fails here fails it again when the executor connects the next time.
          return await this.#hooks.onFailed(order, error)
        }
        const code = tooLong.aborted ? 'service_unavailable' : isSlipwayError(error) ? error.code : 'invariant'
        if (told !== code) {
          logger.warn('order waits for what cannot be asked now', { executorTaskId: order.id, error })
          // Only what people see: the order waits whether it can be told or not.
          await this.#tellWaiting(order, { kind: 'waiting_secrets', code }).catch(() => undefined)
          told = code
        }
      }
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  async #ask(order: ExecutorTask, needs: Needs, signal: AbortSignal): Promise<Prepared> {
    const { config, refs } = needs
    const { secretResolver, cloneAccess, settle } = this.#components
    // Both at once: each may be another machine away.
    const answers = Promise.all([
      refs.length === 0
        ? undefined
        : secretResolver?.lookUp({ group: config.group, trust: config.trust, refs }, signal),
      needs.access ? cloneAccess?.(config, order) : undefined,
    ])
    const [found, clone] = await Promise.race([answers, rejectedOn(signal)])
    if (found !== undefined)
      await settle((tx) => {
        putFound(tx, order.id, { refs, found, sealing: this.#components })
        return { affected: [], result: undefined }
      })
    return clone === undefined ? {} : { clone }
  }

  #isWanted({ id }: ExecutorTask): boolean {
    const order = this.#components.database.view((tx) => tx.get('executortask', id))
    return order !== undefined && !(order.stop && order.lastStatus === 0)
  }

  /** Says why the task waits, or that it does not any more. */
  async #tellWaiting(order: ExecutorTask, reason: Extract<Reason, { kind: 'waiting_secrets' }> | undefined) {
    await this.#components.settle((tx) => {
      putReason(tx, order, reason)
      return { affected: [], result: undefined }
    })
  }

  /** The executor gets it, or hears that it failed, when it connects the next time. */
  #logBroken(order: ExecutorTask, error: unknown): void {
    if (this.#leaving.signal.aborted) return
    this.#components.logger.error('order was not prepared', { executorTaskId: order.id, error })
  }
}

function rejectedOn(signal: AbortSignal): Promise<never> {
  const rejected = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  rejected.catch(() => undefined)
  return rejected
}

function putReason(tx: Tx, { id, runId, runTaskId }: ExecutorTask, reason: Reason | undefined): void {
  const task = tx.get('runtask', runTaskRowId(runId, runTaskId))
  if (task?.status !== 'notstarted' || tx.get('executortask', id) === undefined) return
  const { reason: _, ...rest } = task
  putTask(tx, reason === undefined ? rest : { ...rest, reason })
}

/** Trouble between services and of another service; what is wrong with the task itself does not pass. */
function isPassing({ code, kind }: SlipwayError): boolean {
  return kind === 'unavailable' || code === 'upstream' || code === 'unauthenticated'
}
