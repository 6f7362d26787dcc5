import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepAliveComment } from '../../contract/server-sent-events.ts'
import { limits } from '../../lib/limits.ts'
import { eventStream, type StreamedEvent } from './event-stream.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const never = new AbortController().signal
const describeError = (error: unknown) => ({ code: (error as Error).message })

async function* given(...events: readonly StreamedEvent[]): AsyncGenerator<StreamedEvent> {
  yield* events
}

/** Events that never come; tells whether somebody still waits for them. */
function silence(): AsyncGenerator<StreamedEvent> & { isClosed: boolean } {
  const stream = {
    isClosed: false,
    next: () => new Promise<IteratorResult<StreamedEvent>>(() => {}),
    return: async () => {
      stream.isClosed = true
      return { done: true as const, value: undefined }
    },
    throw: async () => ({ done: true as const, value: undefined }),
    [Symbol.asyncIterator]: () => stream,
    [Symbol.asyncDispose]: async () => {},
  }
  return stream
}

test('events come encoded, after a first comment that lets the headers leave', async () => {
  const stream = eventStream(given({ event: 'a', id: '1', data: { x: 1 } }), { signal: never, describeError })
  expect(await Array.fromAsync(stream)).toEqual([keepAliveComment, 'event: a\nid: 1\ndata: {"x":1}\n\n'])
})

test('a silent stream gets a comment now and then, and ends after its time', async () => {
  const events = silence()
  const stream = eventStream(events, { signal: never, describeError })
  await stream.next()
  for (
    let passed = limits.eventKeepAliveMs.value;
    passed <= limits.eventStreamMs.value;
    passed += limits.eventKeepAliveMs.value
  ) {
    const next = stream.next()
    await vi.advanceTimersByTimeAsync(limits.eventKeepAliveMs.value - 1)
    await vi.advanceTimersByTimeAsync(1)
    expect((await next).value).toBe(keepAliveComment)
  }
  const last = stream.next()
  await vi.advanceTimersByTimeAsync(limits.eventKeepAliveMs.value)
  expect(await last).toEqual({ done: true, value: undefined })
  expect(events.isClosed).toBe(true)
})

test('a failure in the middle is told as an event', async () => {
  const failing = (async function* () {
    yield { event: 'a', data: 1 }
    throw new Error('log_corrupt')
  })()
  const all = await Array.fromAsync(eventStream(failing, { signal: never, describeError }))
  expect(all.slice(1)).toEqual(['event: a\ndata: 1\n\n', 'event: failure\ndata: {"code":"log_corrupt"}\n\n'])
})

test('what fails because the caller went away is told to nobody', async () => {
  const gone = new AbortController()
  const failing = (async function* () {
    yield { event: 'a', data: 1 }
    gone.abort()
    throw gone.signal.reason
  })()
  expect(await Array.fromAsync(eventStream(failing, { signal: gone.signal, describeError }))).toEqual([
    keepAliveComment,
    'event: a\ndata: 1\n\n',
  ])
})
