// Events as bytes of a response: encoded, with comments while nothing happens, so that proxies and dead peers are noticed.

import { encodeEvent, keepAliveComment } from '../../contract/server-sent-events.ts'
import { limits } from '../../lib/limits.ts'

export type StreamedEvent = { readonly event: string; readonly id?: string; readonly data: unknown }

export type EventStreamOptions = {
  readonly signal: AbortSignal
  /** What is told of an error: its body as an answer would have it. */
  readonly describeError: (error: unknown) => object
}

/**
 * Ends with the events, with an event `failure` when they fail, quietly when `signal` is aborted, and after `limits.eventStreamMs`:
 * readers come back with the last id then, and are asked again who they are.
 */
export async function* eventStream(
  events: AsyncIterable<StreamedEvent>,
  { signal, describeError }: EventStreamOptions,
): AsyncGenerator<string, void, undefined> {
  const iterator = events[Symbol.asyncIterator]()
  const until = performance.now() + limits.eventStreamMs.value
  // The status and headers leave at once, even when nothing happens for long.
  yield keepAliveComment
  try {
    let next = iterator.next()
    for (;;) {
      const result = await withTimeout(next, limits.eventKeepAliveMs.value)
      if (performance.now() > until) return
      if (result === 'late') {
        yield keepAliveComment
        continue
      }
      if (result.done) return
      const { event, id, data } = result.value
      yield encodeEvent({ event, ...(id === undefined ? {} : { id }), data: JSON.stringify(data) })
      next = iterator.next()
    }
  } catch (error) {
    // The caller went away or the server stops: there is nobody to tell.
    if (!signal.aborted) yield encodeEvent({ event: 'failure', data: JSON.stringify(describeError(error)) })
  } finally {
    await iterator.return?.()
  }
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
