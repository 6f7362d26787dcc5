// Makes of deliveries what they are about. Any number of instances do; each delivery is with one of them at a time.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { workOnLeased } from '../../lib/leased-work.ts'
import type { Logger } from '../../lib/log.ts'
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
/** A repository that answers slower than that is as good as one that does not. */
const performMs = 10 * 60_000
const retryMs = { first: 1_000, most: 5 * 60_000 }
/** Within about ten minutes. */
const attemptsMost = 10
/** A commit that a provider tells of is there a moment later, or not at all. */
const attemptsForCommit = 4

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function workOnDeliveries(components: WorkerComponents, signal: AbortSignal): Promise<void> {
  const { inbox, clock, logger } = components
  await workOnLeased(
    { atOnce, performMs },
    {
      queue: inbox,
      perform: (delivery, holder, during) => workOn(delivery, holder, { ...components, stopping: signal }, during),
      onTrouble: (error) => {
        if (!isExpected(error)) logger.warn('deliveries cannot be taken', { error })
      },
      clock,
    },
    signal,
  )
}

async function workOn(
  delivery: DeliveryRow,
  holder: string,
  { inbox, perform, logger, stopping }: WorkerComponents & { readonly stopping: AbortSignal },
  signal: AbortSignal,
): Promise<void> {
  const { id, body } = delivery
  const attempts = body.queued?.attempts ?? 1
  try {
    await inbox.finish(id, holder, await perform(delivery, { isLast: attempts >= attemptsMost }, signal))
  } catch (error) {
    if (stopping.aborted) return // Its lease ends, then it is taken again.
    await end(error).catch((cause: unknown) => {
      if (!isExpected(cause)) logger.warn('a delivery cannot be given back', { delivery: id, error: cause })
    })
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

/** The installation cannot serve now, and will again. */
function isExpected(error: unknown): boolean {
  return isSlipwayError(error) && (error.kind === 'unavailable' || error.kind === 'ratelimited')
}

/** Trying again would do the same. */
function isFinal(error: unknown): boolean {
  return isSlipwayError(error) && !['git_failed', 'commit_not_found'].includes(error.code) && error.kind !== 'internal'
}
