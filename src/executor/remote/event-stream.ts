// Server-sent events, as far as we send them ourselves (HTML standard, "Parsing an event stream").

import { SlipwayError } from '../../lib/errors.ts'

export type ServerSentEvent = { readonly event: string; readonly id: string; readonly data: string }

/** One event may have so much: an order with its scripts and environment. */
const eventCharactersMax = 64 * 1024 * 1024

/** Events of a stream of text; a comment is an event without data, so that a reader can tell silence from life. */
export async function* parseEvents(text: AsyncIterable<string>): AsyncGenerator<ServerSentEvent | 'comment'> {
  let rest = ''
  let id = ''
  let event = ''
  let data: string[] = []
  for await (const chunk of text) {
    rest += chunk
    if (rest.length > eventCharactersMax)
      throw new SlipwayError('upstream', 'the server sent an event that is too large')
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.map((each) => each.replace(/\r$/, ''))) {
      if (line === '') {
        if (data.length > 0) yield { event: event || 'message', id, data: data.join('\n') }
        event = ''
        data = []
      } else if (line.startsWith(':')) yield 'comment'
      else {
        const colon = line.indexOf(':')
        const field = colon === -1 ? line : line.slice(0, colon)
        const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
        if (field === 'data') data.push(value)
        else if (field === 'id') id = value
        else if (field === 'event') event = value
      }
    }
  }
}
