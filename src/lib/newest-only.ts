// Of what changes faster than anybody looks, the newest.

import type { Clock } from './clock.ts'

export type NewestOnlyOptions<T> = {
  /** Milliseconds after an item in which nothing is told; of what comes meanwhile only the newest is. */
  readonly restMs: (item: T) => number
  readonly clock: Pick<Clock, 'sleep'>
}

/**
 * The items as they come, the first at once and the last always. Reads ahead: who stops before the end has to end `items` by other
 * means. Errors: those of `items`.
 */
export async function* newestOnly<T>(
  items: AsyncIterable<T>,
  { restMs, clock }: NewestOnlyOptions<T>,
): AsyncGenerator<T, void, undefined> {
  let newest: { readonly item: T } | undefined
  let news = Promise.withResolvers<void>()
  const end = new AbortController()
  const reading = read().finally(() => {
    end.abort()
    news.resolve()
  })
  reading.catch(() => undefined) // Told below, when all before it has been.
  for (;;) {
    await news.promise
    if (newest === undefined) return await reading
    const { item } = newest
    newest = undefined
    if (!end.signal.aborted) news = Promise.withResolvers()
    yield item
    const ms = restMs(item)
    if (ms > 0) await clock.sleep(ms, end.signal).catch(() => undefined) // Nothing more will come.
  }

  async function read(): Promise<void> {
    for await (const item of items) {
      newest = { item }
      news.resolve()
    }
  }
}
