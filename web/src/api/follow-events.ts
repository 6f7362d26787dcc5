// Keeps a stream of events open: goes on after the last event when it breaks, slower and slower, until its end.

import { ApiError } from '../../../src/contract/client.ts'
import type { EventOf, Route } from '../../../src/contract/route.ts'

export type Connection = 'connecting' | 'live' | 'lost'

export type FollowOptions<R extends Route> = {
  /** Opens the stream anew, after that event. */
  readonly open: (lastEventId: string | undefined, signal: AbortSignal) => AsyncIterable<EventOf<R>>
  readonly onEvent: (event: EventOf<R>) => void
  readonly onConnection?: (connection: Connection) => void
  readonly signal: AbortSignal
  /** Waits; rejects when the signal is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

const firstWaitMs = 400
const longestWaitMs = 8000

/**
 * Resolves after the event `end`, or when `signal` is aborted. Rejects with an answer that repeating does not change: not logged in,
 * not allowed, not there.
 */
export async function followEvents<R extends Route>({
  open,
  onEvent,
  onConnection,
  signal,
  sleep = sleepMs,
}: FollowOptions<R>): Promise<void> {
  let lastEventId: string | undefined
  let waitMs = firstWaitMs
  onConnection?.('connecting')
  while (!signal.aborted) {
    try {
      for await (const event of open(lastEventId, signal)) {
        const { event: name, id } = event as { readonly event: string; readonly id?: string }
        lastEventId = id ?? lastEventId
        waitMs = firstWaitMs
        onConnection?.('live')
        onEvent(event)
        if (name === 'end') return
      }
      // The server closes a stream now and then to ask again who is there.
      continue
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error
    }
    onConnection?.('lost')
    await sleep(waitMs * (0.75 + Math.random() / 2), signal).catch(() => undefined)
    waitMs = Math.min(waitMs * 2, longestWaitMs)
  }
}

function sleepMs(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
