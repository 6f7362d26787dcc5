// A connection the engine handed over (exec, attach): what is written goes to stdin raw; what is read comes in the
// engine's multiplexed form, eight bytes of header (stream, three zeros, length big-endian) before each chunk.

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SlipwayError } from '../../../lib/errors.ts'

/** Of stderr the end is kept, for a message; the helper writes there only when it cannot work at all. */
const stderrBytesMax = 4096

export class HijackedStream implements AsyncDisposable {
  readonly #socket: Duplex
  #stderr: Buffer = Buffer.alloc(0)

  constructor(socket: Duplex) {
    this.#socket = socket
    // Errors are heard by readers and writers; without a listener the process would end.
    socket.on('error', () => {})
  }

  /** The end of what was written to stderr so far. */
  get stderr(): string {
    return this.#stderr.toString().trim()
  }

  /** False when the connection is closed, by whom ever. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded && this.#socket.writable
  }

  /** Lets the process end although the connection is open; `ref` is the opposite. */
  unref(): void {
    if (this.#socket instanceof Socket) this.#socket.unref()
  }

  ref(): void {
    if (this.#socket instanceof Socket) this.#socket.ref()
  }

  /** Resolves when more may be written. Fails when the connection is gone. */
  async write(chunk: Uint8Array): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) throw this.#gone()
    if (socket.write(chunk)) return
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => () => {
        socket.off('drain', onDrain)
        socket.off('close', onClose)
        finish()
      }
      const onDrain = settle(resolve)
      const onClose = settle(() => reject(this.#gone()))
      socket.once('drain', onDrain)
      socket.once('close', onClose)
    })
  }

  /** Stdout, to be read once. Ends when the process has closed it or the connection is cut. */
  async *stdout(): AsyncGenerator<Uint8Array, void, undefined> {
    const demultiplexer = new Demultiplexer()
    try {
      for await (const chunk of this.#socket) {
        for (const part of demultiplexer.push(chunk as Buffer)) {
          if (part.stream === 'stdout') yield part.data
          else this.#stderr = Buffer.concat([this.#stderr, part.data]).subarray(-stderrBytesMax)
        }
      }
    } catch (cause) {
      // A reset is how a connection looks whose container was killed: to the reader that is an end.
      if ((cause as NodeJS.ErrnoException).code === 'ECONNRESET') return
      if ((cause as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return
      throw cause
    } finally {
      this.close()
    }
  }

  /** Lets go of the connection; what runs at the other end goes on. Idempotent. */
  close(): void {
    this.#socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #gone(): SlipwayError {
    return new SlipwayError('driver_unavailable', 'write to an exec: the connection is closed')
  }
}

export type StreamPart = { readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }

const headerBytes = 8

/** Takes the multiplexed form apart. Chunks of a long frame are passed on as they come, never joined. */
export class Demultiplexer {
  #header: Buffer = Buffer.alloc(0)
  #stream: StreamPart['stream'] = 'stdout'
  #left = 0

  push(chunk: Buffer): StreamPart[] {
    const parts: StreamPart[] = []
    let rest = chunk
    while (rest.length > 0) {
      if (this.#left === 0) {
        const missing = headerBytes - this.#header.length
        const part = rest.subarray(0, missing)
        rest = rest.subarray(missing)
        const header = this.#header.length === 0 ? part : Buffer.concat([this.#header, part])
        if (header.length < headerBytes) {
          this.#header = header
          return parts
        }
        this.#header = Buffer.alloc(0)
        this.#stream = header[0] === 2 ? 'stderr' : 'stdout'
        this.#left = header.readUInt32BE(4)
        continue
      }
      const data = rest.subarray(0, this.#left)
      rest = rest.subarray(data.length)
      this.#left -= data.length
      parts.push({ stream: this.#stream, data })
    }
    return parts
  }
}
