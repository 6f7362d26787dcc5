// Makes of deliveries what they are about. Any number of instances do; each delivery is with one of them at a time.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { DeliveryOutcome } from './delivery.ts'
import type { DeliveryRow, Inbox } from './inbox.ts'

export type WorkerComponents = {
  readonly inbox: Inbox
  /** Does it; doing it twice does no harm. `isLast`: what it throws now is not tried again. */
  readonly perform: (
    delivery: DeliveryRow,
    options: { readonly isLast: boolean },
    signal: AbortSignal,
  ) => Promise<DeliveryOutcome>
  readonly clock: Clock
  readonly logger: Logger
}

const atOnce = 8
/** A killed instance keeps a delivery from the others for so long. */
const leaseMs = 5_000
const renewMs = 1_500
/** A repository that answers slower than that is as good as one that does not. */
const performMs = 10 * 60_000
/** What others have left is looked for so often. */
const lookMs = 5_000
const retryMs = { first: 1_000, most: 5 * 60_000 }
/** Within about ten minutes. */
const attemptsMost = 10
/** A commit that a provider tells of is there a moment later, or not at all. */
const attemptsForCommit = 4

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function workOnDeliveries(components: WorkerComponents, signal: AbortSignal): Promise<void> {
  const { inbox, clock, logger } = components
  const holder = newUuid()
  const running = new Set<Promise<void>>()
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  while (!signal.aborted) {
    const { woken } = inbox
    const free = atOnce - running.size
    let canTake = free > 0
    try {
      const claimed = free === 0 ? [] : await inbox.claim(holder, { most: free, leaseMs })
      for (const delivery of claimed) {
        const work: Promise<void> = workOn(delivery, holder, components, signal).finally(() => {
          running.delete(work)
          inbox.wake()
        })
        running.add(work)
      }
      if (claimed.length > 0) continue
    } catch (error) {
      canTake = false
      if (!isExpected(error)) logger.warn('deliveries cannot be taken', { error })
    }
    const waiting = new AbortController()
    const ms = canTake ? Math.min(Math.max(inbox.nextDueAt() - clock.now(), 10), lookMs) : lookMs
    const slept = clock.sleep(ms, waiting.signal).catch(() => {})
    await Promise.race([woken, slept, stopped])
    waiting.abort()
  }
  await Promise.all(running)
}

async function workOn(
  delivery: DeliveryRow,
  holder: string,
  { inbox, perform, clock, logger }: WorkerComponents,
  signal: AbortSignal,
): Promise<void> {
  const { id, body } = delivery
  const attempts = body.queued?.attempts ?? 1
  const over = new AbortController()
  const during = AbortSignal.any([signal, over.signal, clock.timeout(performMs)])
  const holding = hold(delivery, holder, { inbox, clock }, during).finally(() => over.abort())
  try {
    await inbox.finish(id, holder, await perform(delivery, { isLast: attempts >= attemptsMost }, during))
  } catch (error) {
    if (signal.aborted) return // Its lease ends, then it is taken again.
    await end(error).catch((cause: unknown) => {
      if (!isExpected(cause)) logger.warn('a delivery cannot be given back', { delivery: id, error: cause })
    })
  } finally {
    over.abort()
    await holding
  }

  async function end(error: unknown): Promise<void> {
    const message = isSlipwayError(error) ? error.message : 'internal error; the log of the server has more'
    // Trouble of our own that passes is waited for as long as it takes.
    const most = isSlipwayError(error, 'commit_not_found') ? attemptsForCommit : attemptsMost
    const isOver = !isExpected(error) && (attempts >= most || isFinal(error))
    if (!isSlipwayError(error)) logger.error('delivery failed', { delivery: id, attempts, error })
    if (isOver) return await inbox.finish(id, holder, { kind: 'failed', message })
    const wait = Math.min(retryMs.first * 2 ** (attempts - 1), retryMs.most)
    await inbox.giveBack(id, holder, { error: message, retryMs: wait })
  }
}

async function hold(
  { id }: DeliveryRow,
  holder: string,
  { inbox, clock }: Pick<WorkerComponents, 'inbox' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(renewMs, signal).catch(() => {})
    // A failure to renew is not the end: the database may be back before the lease has ended.
    if (!signal.aborted && !(await inbox.renew(id, holder, leaseMs).catch(() => true))) return
  }
}

/** The installation cannot serve now, and will again. */
function isExpected(error: unknown): boolean {
  return isSlipwayError(error) && (error.kind === 'unavailable' || error.kind === 'ratelimited')
}

/** Trying again would do the same. */
function isFinal(error: unknown): boolean {
  return isSlipwayError(error) && !['git_failed', 'commit_not_found'].includes(error.code) && error.kind !== 'internal'
}
