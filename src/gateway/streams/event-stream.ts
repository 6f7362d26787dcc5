// Events as bytes of a response: encoded, with comments while nothing happens, so that proxies and dead peers are noticed.

import { encodeEvent, keepAliveComment } from '../../contract/server-sent-events.ts'
import { limits } from '../../lib/limits.ts'

export type StreamedEvent = { readonly event: string; readonly id?: string; readonly data: unknown }

/** Ends with the events, or quietly when `signal` is aborted. */
export async function* eventStream(
  events: AsyncIterable<StreamedEvent>,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const iterator = events[Symbol.asyncIterator]()
  // The status and headers leave at once, even when nothing happens for long.
  yield keepAliveComment
  try {
    let next = iterator.next()
    for (;;) {
      const result = await withTimeout(next, limits.eventKeepAliveMs.value)
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
    if (!signal.aborted) throw error
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
