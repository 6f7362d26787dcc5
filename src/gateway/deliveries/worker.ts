// Makes of deliveries what they are about. Any number of instances do; each delivery is with one of them at a time.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { workOnLeased } from '../../lib/leased-work.ts'
import type { Logger } from '../../lib/log.ts'
import { afterFailure, forPeople, isTroubleOfOurs } from './after-failure.ts'
import type { DeliveryOutcome } from './delivery.ts'
import type { DeliveryRow, Inbox } from './inbox.ts'

export type WorkerComponents = {
  readonly inbox: Inbox
  /** Does it; doing it twice does no harm. `isOver`: when it throws this, it is not tried again. */
  readonly perform: (
    delivery: DeliveryRow,
    options: { readonly isOver: (error: unknown) => boolean },
    signal: AbortSignal,
  ) => Promise<DeliveryOutcome>
  /** Before anything that takes the processor: others may come first. */
  readonly turn: () => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

const atOnce = 32
/** A repository that answers slower than that is as good as one that does not. */
const performMs = 10 * 60_000

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function workOnDeliveries(components: WorkerComponents, signal: AbortSignal): Promise<void> {
  const { inbox, turn, clock, logger } = components
  await workOnLeased(
    { atOnce, performMs },
    {
      queue: {
        claim: async (holder, options) => {
          await turn()
          return await inbox.claim(holder, options)
        },
        renew: (id, holder, ms) => inbox.renew(id, holder, ms),
        nextDueAt: (holder) => inbox.nextDueAt(holder),
        get woken() {
          return inbox.woken
        },
        wake: () => inbox.wake(),
      },
      perform: (delivery, holder, during) => workOn(delivery, holder, { ...components, stopping: signal }, during),
      onTrouble: (error) => {
        if (!isTroubleOfOurs(error)) logger.warn('deliveries cannot be taken', { error })
      },
      clock,
    },
    signal,
  )
}

async function workOn(
  delivery: DeliveryRow,
  holder: string,
  { inbox, perform, clock, logger, stopping }: WorkerComponents & { readonly stopping: AbortSignal },
  signal: AbortSignal,
): Promise<void> {
  const { id, body } = delivery
  const attempts = body.queued?.attempts ?? 1
  const after = (error: unknown) => afterFailure(error, attempts, clock.now())
  try {
    await inbox.finish(id, holder, await perform(delivery, { isOver: (error) => after(error).kind === 'over' }, signal))
  } catch (error) {
    if (stopping.aborted) return // Its lease ends, then it is taken again.
    await end(error).catch((cause: unknown) => {
      if (!isTroubleOfOurs(cause)) logger.warn('a delivery cannot be given back', { delivery: id, error: cause })
    })
  }

  async function end(error: unknown): Promise<void> {
    const message = forPeople(error)
    if (!isSlipwayError(error)) logger.error('delivery failed', { delivery: id, attempts, error })
    const next = after(error)
    if (next.kind === 'over') return await inbox.finish(id, holder, { kind: 'failed', message })
    await inbox.giveBack(id, holder, { error: message, retryMs: next.waitMs })
  }
}
