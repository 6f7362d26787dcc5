// Server-sent events as text: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6.

export type ServerSentEvent = { readonly event: string; readonly id?: string; readonly data: string }

/** One event as it stands on the wire; data of several lines stays several lines. */
export function encodeEvent({ event, id, data }: ServerSentEvent): string {
  const lines = [`event: ${event}`, ...(id === undefined ? [] : [`id: ${id}`])]
  return `${[...lines, ...data.split('\n').map((line) => `data: ${line}`)].join('\n')}\n\n`
}

/** What keeps proxies from closing a silent stream. */
export const keepAliveComment = ': keep-alive\n\n'

/** Longer ones are none of ours. */
const eventCharactersMax = 16 * 1024 * 1024

/** The events of a stream, comments left out; an event that was cut off by the end is dropped, as the standard has it. */
export async function* parseEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  let event = ''
  let id: string | undefined
  let data: string[] = []
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    if (rest.length > eventCharactersMax) throw new Error('a line of an event stream is too long')
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0)
          yield { event: event === '' ? 'message' : event, ...(id === undefined ? {} : { id }), data: data.join('\n') }
        event = ''
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const name = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (name === 'event') event = value
      else if (name === 'id') id = value
      else if (name === 'data') data.push(value)
    }
  }
}
