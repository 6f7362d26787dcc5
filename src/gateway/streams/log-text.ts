// Bytes of a log as text for events: cut only between characters, so that whoever goes on after the id of an event misses nothing
// and gets nothing twice. Bytes that are no UTF-8 become U+FFFD.

import type { LogPart } from './shared-logs.ts'

/** `endByte`: where the next one begins. */
export type LogText = { readonly text: string; readonly endByte: number }

/** Longer parts are several events. */
const eventBytes = 64 * 1024

export async function* logTexts(parts: AsyncIterable<LogPart>): AsyncGenerator<LogText, void, undefined> {
  // A mark of the byte order inside a log is a character like others.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest: Uint8Array = new Uint8Array()
  let end = 0
  for await (const { firstByte, bytes } of parts) {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    const start = firstByte - rest.length
    end = firstByte + bytes.length
    const whole = wholeCharacters(all, all.length)
    let at = 0
    while (at < whole) {
      const to = whole - at <= eventBytes ? whole : at + wholeCharacters(all.subarray(at, at + eventBytes), eventBytes)
      yield { text: decoder.decode(all.subarray(at, to)), endByte: start + to }
      at = to
    }
    rest = Uint8Array.from(all.subarray(whole))
  }
  if (rest.length > 0) yield { text: decoder.decode(rest), endByte: end }
}

/** Bytes up to `length` without the start of a character that is not complete; never nothing of what is no UTF-8. */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back]!
    if ((byte & 0b1100_0000) === 0b1000_0000) continue
    const needed = byte >= 0b1111_0000 ? 4 : byte >= 0b1110_0000 ? 3 : byte >= 0b1100_0000 ? 2 : 1
    return needed > back ? length - back : length
  }
  return length
}
