// Packet lines of git (gitprotocol-common): four hex digits with the length, themselves included, and the content; `0000` is a flush.

import { Transform, type TransformCallback } from 'node:stream'

/** One line of text. */
export function packetLine(text: string): Buffer {
  const content = Buffer.from(text)
  return Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, '0')), content])
}

export const flushPacket = Buffer.from('0000')

/** A repository of more grafts than that is none that anybody pushes from. */
const shallowMax = 10_000

/** Passes the body of a push on unchanged, and notes the commits that it says have no parents there: its first lines. */
export class ShallowLines extends Transform {
  readonly #found: string[] = []
  #head: Buffer | undefined = Buffer.alloc(0)

  /** Complete once the first line of another kind has passed. */
  get found(): readonly string[] {
    return this.#found
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#head !== undefined) this.#look(Buffer.concat([this.#head, chunk]))
    done(undefined, chunk)
  }

  #look(head: Buffer): void {
    for (let at = 0; ; ) {
      const length = head.length - at < 4 ? undefined : Number.parseInt(head.toString('latin1', at, at + 4), 16)
      if (length === undefined || (length > 4 && head.length - at < length)) {
        this.#head = head.subarray(at)
        return
      }
      const [, id] = /^shallow ([0-9a-f]{40,64})\n?$/.exec(head.toString('latin1', at + 4, at + length)) ?? []
      if (!(length > 4) || id === undefined || this.#found.length >= shallowMax) {
        this.#head = undefined
        return
      }
      this.#found.push(id)
      at += length
    }
  }
}
