import { expect, test } from 'vitest'
import { ApiError } from '../../../src/contract/client.ts'
import type { EventOf, Route } from '../../../src/contract/route.ts'
import { type Connection, followEvents } from './follow-events.ts'

type Event = { readonly event: string; readonly id?: string; readonly data: unknown }

/** A server whose connections bring these events and then break, or end where the last is `end`. */
function server(connections: readonly (readonly Event[] | Error)[]) {
  const asked: (string | undefined)[] = []
  const heard: string[] = []
  const states: Connection[] = []
  const waits: number[] = []
  const follow = (signal = new AbortController().signal) =>
    followEvents<Route>({
      open: async function* (lastEventId) {
        asked.push(lastEventId)
        const events = connections[asked.length - 1] ?? []
        if (events instanceof Error) throw events
        for (const event of events) yield event as EventOf<Route>
        throw new Error('connection lost')
      },
      onEvent: (event) => heard.push((event as Event).event),
      onConnection: (state) => states.at(-1) === state || states.push(state),
      sleep: async (ms) => void waits.push(ms),
      signal,
    })
  return { follow, asked, heard, states, waits }
}

const log = (id: number): Event => ({ event: `log ${id}`, id: String(id), data: {} })
const end: Event = { event: 'end', data: {} }

test('a stream that breaks goes on after its last event', async () => {
  const { follow, asked, heard, states } = server([
    [log(1), log(2)],
    [log(3), end],
  ])
  await follow()
  expect(asked).toEqual([undefined, '2'])
  expect(heard).toEqual(['log 1', 'log 2', 'log 3', 'end'])
  expect(states).toEqual(['connecting', 'live', 'lost', 'live'])
})

test('it waits longer each time nothing comes, and briefly again after something came', async () => {
  const gone = new Error('no route')
  const { follow, waits } = server([gone, gone, gone, gone, gone, gone, [log(1)], [end]])
  await follow()
  expect(waits[4]!).toBeGreaterThan(waits[0]! * 4)
  expect(Math.max(...waits)).toBeLessThanOrEqual(10_000)
  expect(waits.at(-1)!).toBeLessThanOrEqual(500)
})

test.each([401, 403, 404])('an answer %i ends it', async (status) => {
  const { follow, asked } = server([new ApiError(status, { message: 'no' })])
  await expect(follow()).rejects.toMatchObject({ status })
  expect(asked).toHaveLength(1)
})

test.each([429, 500, 503])('an answer %i is tried again', async (status) => {
  const { follow, asked } = server([new ApiError(status, {}), [end]])
  await follow()
  expect(asked).toHaveLength(2)
})

test('an abort ends it without an error', async () => {
  const controller = new AbortController()
  const { follow } = server([])
  controller.abort()
  await expect(follow(controller.signal)).resolves.toBeUndefined()
})
