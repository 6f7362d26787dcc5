// Sends what waits.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { workOnLeased } from '../lib/leased-work.ts'
import type { Logger } from '../lib/log.ts'
import type { Notifications, SendResult, TakenNotification } from './notifications.ts'
import { isPassing } from './passing.ts'

export type WorkerComponents = {
  readonly notifications: Notifications
  /** Sends it once. What it throws is trouble of ours, unless it is the reason of the signal. */
  readonly send: (notification: TakenNotification, signal: AbortSignal) => Promise<SendResult>
  readonly clock: Clock
  readonly logger: Logger
}

const atOnce = 32
/** A request to a provider may take a minute, repetitions included. */
const performMs = 90_000

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function sendNotifications(components: WorkerComponents, signal: AbortSignal): Promise<void> {
  const { notifications, logger, clock } = components
  await workOnLeased(
    { atOnce, performMs },
    {
      queue: notifications,
      perform: (one, holder, during) => sendOne(one, { ...components, holder, stopping: signal }, during),
      onTrouble: (error) => {
        if (!isPassing(error)) logger.warn('notifications cannot be taken', { error })
      },
      clock,
    },
    signal,
  )
}

type Sending = WorkerComponents & { readonly holder: string; readonly stopping: AbortSignal }

async function sendOne(
  notification: TakenNotification,
  { notifications, send, clock, logger, holder, stopping }: Sending,
  signal: AbortSignal,
): Promise<void> {
  const { id, body } = notification
  const startedAt = clock.now()
  let result: SendResult
  try {
    result = await send(notification, signal)
  } catch (error) {
    if (stopping.aborted) return // Its lease ends, then it is taken again.
    result = failure(error)
    if (!isSlipwayError(error) && !isTimeout(error))
      logger.error('a notification failed', { notification: id, kind: body.kind, error })
  }
  const durationMs = Math.max(0, clock.now() - startedAt)
  if (result.kind === 'failed')
    logger.debug('a notification was not sent', { notification: id, kind: body.kind, why: result.message })
  await notifications.finish(id, holder, result, durationMs).catch((error: unknown) => {
    if (!isPassing(error)) logger.warn('the outcome of a notification cannot be noted', { notification: id, error })
  })
}

function failure(error: unknown): SendResult {
  if (isTimeout(error)) return { kind: 'failed', message: 'no answer in time' }
  if (isPassing(error)) return { kind: 'failed', isOurs: true, message: error.message }
  const message = isSlipwayError(error) ? error.message : 'internal error; the log of the server has more'
  return { kind: 'failed', message }
}

/** Of a `Clock`, or because the time for the whole is over. */
function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError')
}
