import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeEvent, keepAliveComment, parseEvents, type ServerSentEvent } from './server-sent-events.ts'

const name = fc.stringMatching(/^[a-z]{1,10}$/)
const arbitraryEvent: fc.Arbitrary<ServerSentEvent> = fc
  .record({ event: name, id: fc.option(fc.stringMatching(/^[0-9]{1,15}$/), { nil: undefined }), data: fc.json() })
  .map(({ event, id, data }) => ({ event, ...(id === undefined ? {} : { id }), data }))

/** The bytes of a text, in pieces of these lengths, again and again. */
async function* inPieces(text: string, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = lengths[n % lengths.length]!
    yield bytes.subarray(at, at + length)
    at += length
  }
}

async function parsed(text: string, lengths: readonly number[] = [text.length + 1]): Promise<ServerSentEvent[]> {
  return await Array.fromAsync(parseEvents(inPieces(text, lengths)))
}

test('events come out as they went in, however the bytes are cut, comments left out', async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryEvent, { maxLength: 5 }), lengths, async (events, cuts) => {
      const text = events.map((event) => `${keepAliveComment}${encodeEvent(event)}`).join('')
      let last: string | undefined
      const expected = events.map((event) => {
        last = event.id ?? last
        return { ...event, ...(last === undefined ? {} : { id: last }) }
      })
      expect(await parsed(text, cuts)).toEqual(expected)
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['lines may end with CR LF', 'event: a\r\ndata: 1\r\n\r\n', [{ event: 'a', data: '1' }]],
  ['data of several lines is joined', 'data: 1\ndata: 2\n\n', [{ event: 'message', data: '1\n2' }]],
  ['an event that is cut off is dropped', 'event: a\ndata: 1\n\nevent: b\ndata: 2\n', [{ event: 'a', data: '1' }]],
  ['an event without data is none', 'event: a\n\n', []],
])('%s', async (_, text, events) => {
  expect(await parsed(text)).toEqual(events)
})
