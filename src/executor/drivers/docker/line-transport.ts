// The short way to the helper: the standard streams of `slipway-pod init`, attached before the main container starts. An
// exec costs an engine 40 to 60 ms, a request on the line next to nothing.
//
// The line carries one request after another. While one is on it, and once one was let go of before its end (what it still
// sends cannot be told from the next one's answer), requests take the other way, an exec each. So the line is an advantage,
// never a need: a successor of this process does without it.

import { SlipwayError } from '../../../lib/errors.ts'
import type { HelperConnection, HelperTransport } from '../../helper/transport.ts'
import type { HijackedStream } from './hijacked-stream.ts'

/** Type and length of a frame (docs/helper-protocol.md). */
const frameHeaderBytes = 5
const lastFrameTypes = new Set(['S', 'X'].map((type) => type.charCodeAt(0)))

/** Requests go over `stream` when it is free, else over `other`. */
export function lineTransport(stream: HijackedStream, other: HelperTransport): HelperTransport {
  const line = new Line(stream)
  return {
    async open(signal) {
      signal.throwIfAborted()
      return line.take() ?? (await other.open(signal))
    },
  }
}

class Line {
  readonly #stream: HijackedStream
  readonly #chunks: AsyncIterator<Uint8Array>
  #state: 'free' | 'taken' | 'closed' = 'free'

  constructor(stream: HijackedStream) {
    this.#stream = stream
    this.#chunks = stream.stdout()
    // A pod that waits does not keep the process from ending.
    stream.unref()
  }

  take(): HelperConnection | undefined {
    if (this.#state !== 'free' || !this.#stream.isOpen) return undefined
    this.#state = 'taken'
    this.#stream.ref()
    let isOver = false
    const end = (state: 'free' | 'closed') => {
      if (isOver) return
      isOver = true
      this.#state = state
      if (state === 'closed') this.#stream.close()
      else this.#stream.unref()
    }
    return {
      send: async (bytes) => {
        // The next request may be on the line already.
        if (isOver) throw new SlipwayError('pod_gone', 'the request on the line is over')
        await this.#stream.write(bytes)
      },
      output: this.#answer(end),
      close: () => end('closed'),
    }
  }

  /** What the helper sends up to the end of the answer's last frame. */
  async *#answer(end: (state: 'free' | 'closed') => void): AsyncGenerator<Uint8Array, void, undefined> {
    const frames = new FrameEnds()
    try {
      for (;;) {
        const { value, done } = await this.#chunks.next()
        if (done === true) return
        const isLast = frames.push(value)
        // Nothing may follow the last frame: the helper speaks only when it is asked.
        if (isLast) end('free')
        yield value
        if (isLast) return
      }
    } finally {
      end('closed')
    }
  }
}

/** Finds the end of an answer's last frame. Exported for its properties. */
export class FrameEnds {
  readonly #header = Buffer.alloc(frameHeaderBytes)
  #filled = 0
  #left = 0

  /** True when `chunk` has the end of the last frame. */
  push(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#filled < frameHeaderBytes) {
        this.#header[this.#filled++] = chunk[at++]!
        if (this.#filled < frameHeaderBytes) continue
        this.#left = this.#header.readUInt32BE(1)
      }
      const taken = Math.min(this.#left, chunk.length - at)
      at += taken
      this.#left -= taken
      if (this.#left > 0) return false
      this.#filled = 0
      if (lastFrameTypes.has(this.#header[0]!)) return true
    }
    return false
  }
}
