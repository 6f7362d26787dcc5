// The executor's side of a step's log: raw output in, frames out.
//
//   raw output -> masker -> open frame -> (full, or old) closed frame -> compressed in the thread pool -> stored, in order
//
// Frames end only between pieces of masked output, where the masker has decided everything before: a masker that begins there
// afresh goes on exactly as this one would. So the raw bytes a stored frame stands for are where a successor goes on after
// a restart, with the same log as result, whatever its frames are.
//
// A log that grows beyond its limit keeps its head and its tail. The tail waits in memory for the end; what falls out of it
// is left out of the log, and may leave the spool at once.

import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { LogPosition } from '../executor-api.ts'
import { encodeFrame, type FrameIndex, indexFrame, type TimeMark } from './frame.ts'

/** Replaces secrets in a stream of bytes. */
export interface LogMasker {
  /** Takes raw bytes; answers what is decided by now. What could be the beginning of a secret is held back. */
  push(raw: Uint8Array): MaskedBytes
  /** The rest, no more bytes coming. */
  end(): MaskedBytes
}

export type MaskedBytes = {
  /** Not changed before the next call. */
  readonly bytes: Uint8Array
  /** Raw bytes, of all there were, that are decided: never inside a masked stretch. Grows only together with `bytes`. */
  readonly rawBytes: number
  /** Secrets that stood in the output, each noted the first time, with the offset of its mask in `bytes`. */
  readonly printed: readonly { readonly secret: number; readonly offset: number }[]
}

/** Which secret, and the line of the log it was printed in. */
export type PrintedSecret = { readonly secret: number; readonly line: number }

export type LogWriterOptions = {
  /** A fresh one. */
  readonly masker: LogMasker
  /**
   * Stores frames, one after another; resolves when the frame is durable, with the position the log then has; its bytes are
   * overwritten after that. Repeats what can be repeated: an error here ends the writer.
   */
  readonly store: (frame: Uint8Array) => Promise<LogPosition>
  readonly clock?: Clock
  /** Where the log stands in storage; default: an empty log. */
  readonly position?: LogPosition
  /**
   * Raw offset of the first byte that will be written; default `position.rawBytes`. More only when the bytes between were
   * released before because the log is over its limit: then they are left out.
   */
  readonly rawOffset?: number
  /** Masked bytes of the open frame; not changed before the call returns. Must not throw. */
  readonly onLive?: (firstByte: number, bytes: Uint8Array) => void
  /** Raw output before that offset is not needed any more: stored, or left out for good. Must not throw. */
  readonly onReleased?: (rawBytes: number) => void
  readonly onSecretPrinted?: (printed: PrintedSecret) => void
  readonly sizes?: Partial<LogSizes>
}

/** For tests; the defaults are those of limits.ts. */
export type LogSizes = {
  readonly logBytesMax: number
  readonly tailBytes: number
  readonly frameBytes: number
  readonly frameMs: number
  /** Closed frames that are compressed or on their way; more make `write` wait. */
  readonly framesInFlight: number
}

export interface LogWriter extends AsyncDisposable {
  /** Takes the next raw bytes, which the caller may then reuse. Waits while too many frames are on their way. */
  write(raw: Uint8Array): Promise<void>
  /**
   * Takes a line of our own, without line end; secrets in it are the caller's to mask. It stands on a line of its own and for
   * no raw bytes, so it does not move the place where a successor goes on.
   */
  note(line: string): Promise<void>
  /** The output is complete: stores all that is left and answers the final position. Once. */
  end(): Promise<LogPosition>
}

/**
 * A writer that goes on at `position`. Calls one after another. When storing fails, or the log in storage is found somewhere
 * else than expected (`log_moved`: somebody else wrote), all calls reject: make a new writer at the position asked anew.
 * Disposing drops what is not stored.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  return new FramingLogWriter(options)
}

const KiB = 1024
const rawPieceBytes = 64 * KiB
/** Of a frame's buffer at first. */
const firstBufferBytes = 4 * KiB
/** The line that says what is left out. */
const leftOutLineBytesMax = 256

/**
 * Half of the four threads that Node has for such work: with all of them compressing, each of the dozen file operations that
 * store a frame would wait for one.
 */
const compressedAtOnce = 2

const defaultSizes: LogSizes = {
  logBytesMax: limits.logBytesPerStep.value,
  tailBytes: 4 * 1024 * KiB,
  frameBytes: limits.logFrameBytes.value,
  frameMs: limits.logFrameMs.value,
  framesInFlight: 4,
}

type OpenFrame = {
  readonly firstByte: number
  /** Grows with the frame: most logs are a few lines. */
  buffer: Uint8Array
  sizeBytes: number
  rawBytes: number
  readonly marks: TimeMark[]
  readonly printed: { readonly secret: number; readonly offset: number }[]
  /** Aborted when it is closed before it is old. */
  readonly closed: AbortController
}

class FramingLogWriter implements LogWriter {
  readonly #options: LogWriterOptions
  readonly #sizes: LogSizes
  readonly #clock: Clock
  readonly #pieceBytes: number
  readonly #headBytesMax: number
  readonly #rawOffset: number
  /** Of the whole log; undefined when a predecessor wrote its beginning. */
  readonly #hash: ReturnType<typeof createHash> | undefined
  /** Of closed frames that are compressed, and of compressed ones that are stored. */
  readonly #freeBuffers: Uint8Array[] = []
  readonly #freeEncodeBuffers: Uint8Array<ArrayBuffer>[] = []

  /** Of the log with its open frame. */
  #bytes: number
  #rawDecided: number
  /** Of the log without its open frame. */
  #newlines: number
  /** Undefined when a predecessor wrote the end of the log. */
  #endsLine: boolean | undefined
  #open: OpenFrame | undefined
  #isOpenFrameOld = false
  #tail: LogTail | undefined

  #framesInFlight = 0
  #compressing = 0
  readonly #waiting: (() => void)[] = []
  #roomMade = Promise.withResolvers<void>()
  #allStored: Promise<void> = Promise.resolve()
  #position: LogPosition
  #released = 0
  #failure: { readonly error: unknown } | undefined

  constructor(options: LogWriterOptions) {
    this.#options = options
    this.#sizes = { ...defaultSizes, ...options.sizes }
    this.#clock = options.clock ?? systemClock
    this.#pieceBytes = Math.min(rawPieceBytes, this.#sizes.frameBytes)
    this.#headBytesMax = Math.max(0, this.#sizes.logBytesMax - this.#sizes.tailBytes)
    this.#position = options.position ?? { bytes: 0, lines: 0, rawBytes: 0, complete: false }
    this.#bytes = this.#position.bytes
    this.#newlines = this.#position.lines
    this.#endsLine = this.#bytes === 0 ? true : undefined
    this.#rawOffset = options.rawOffset ?? this.#position.rawBytes
    this.#rawDecided = this.#rawOffset
    this.#hash = this.#bytes === 0 ? createHash('sha256') : undefined
    if (this.#rawOffset > this.#position.rawBytes) this.#tail = this.#newTail(this.#position.rawBytes, this.#rawOffset)
  }

  async write(raw: Uint8Array): Promise<void> {
    this.#throwFailure()
    for (let at = 0; at < raw.length; at += this.#pieceBytes) {
      await this.#untilRoom()
      this.#take(this.#options.masker.push(raw.subarray(at, at + this.#pieceBytes)))
      // Storing a frame takes several turns of this thread. Without one between pieces, a fast writer would leave them no time
      // until it has to wait itself: frames would be stored and made in turn, not at the same time.
      if (this.#framesInFlight > 0) await nextTurn()
    }
  }

  async note(line: string): Promise<void> {
    await this.#untilRoom()
    const bytes = Buffer.from(`${this.#endsLine === false ? '\n' : ''}${line}\n`)
    this.#takePiece({ bytes, rawStart: this.#rawDecided, rawEnd: this.#rawDecided, at: this.#clock.now() }, [])
  }

  async end(): Promise<LogPosition> {
    await this.#untilRoom()
    this.#take(this.#options.masker.end())
    await this.#appendTail()
    this.#closeFrame({ isLast: true })
    await this.#allStored
    this.#throwFailure()
    return this.#position
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= { error: new SlipwayError('cancelled', 'the log writer was closed') }
    this.#open?.closed.abort()
    this.#open = undefined
    await this.#allStored
  }

  #take(masked: MaskedBytes): void {
    if (masked.bytes.length === 0) return
    const rawStart = this.#rawDecided
    this.#rawDecided = this.#rawOffset + masked.rawBytes
    const piece = { bytes: masked.bytes, rawStart, rawEnd: this.#rawDecided, at: this.#clock.now() }
    this.#takePiece(piece, masked.printed)
  }

  #takePiece(piece: Piece, printed: MaskedBytes['printed']): void {
    if (this.#tail === undefined && this.#bytes + piece.bytes.length > this.#headBytesMax) {
      this.#closeFrame()
      this.#tail = this.#newTail(piece.rawStart)
    }
    if (this.#tail === undefined) {
      this.#append(piece, printed)
      return
    }
    this.#tail.push(piece)
    // Lines that may be left out have no number: the line with the notice stands for them.
    for (const { secret } of printed) this.#options.onSecretPrinted?.({ secret, line: this.#newlines })
    this.#release()
  }

  #append(piece: Piece, printed: MaskedBytes['printed']): void {
    const { bytes, at } = piece
    if (this.#open !== undefined && this.#open.sizeBytes + bytes.length > this.#sizes.frameBytes) this.#closeFrame()
    this.#open ??= this.#openFrame(bytes.length)
    const open = this.#open
    if (open.buffer.length < open.sizeBytes + bytes.length) this.#enlarge(open, open.sizeBytes + bytes.length)
    open.buffer.set(bytes, open.sizeBytes)
    if (open.marks.at(-1)?.at !== at) open.marks.push({ offset: open.sizeBytes, at })
    for (const { secret, offset } of printed) open.printed.push({ secret, offset: open.sizeBytes + offset })
    open.sizeBytes += bytes.length
    open.rawBytes = piece.rawEnd
    this.#options.onLive?.(this.#bytes, bytes)
    this.#bytes += bytes.length
    this.#endsLine = bytes.at(-1) === 10
  }

  #openFrame(bytesMin: number): OpenFrame {
    const open: OpenFrame = {
      firstByte: this.#bytes,
      buffer: this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(Math.max(firstBufferBytes, bytesMin)),
      sizeBytes: 0,
      rawBytes: 0,
      marks: [],
      printed: [],
      closed: new AbortController(),
    }
    this.#clock.sleep(this.#sizes.frameMs, open.closed.signal).then(
      () => {
        if (this.#open !== open) return
        // Old frames are closed when there is room: while nothing can be stored they would only become many.
        this.#isOpenFrameOld = true
        this.#closeOldFrame()
      },
      () => {}, // It was closed before.
    )
    return open
  }

  /** To twice its size, or to that of a whole frame, which may be one that is free. */
  #enlarge(open: OpenFrame, bytesMin: number): void {
    const { frameBytes } = this.#sizes
    const isWhole = bytesMin > frameBytes / 4 && bytesMin <= frameBytes
    const buffer = isWhole
      ? (this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(frameBytes))
      : Buffer.allocUnsafeSlow(Math.max(bytesMin, open.buffer.length * 2))
    buffer.set(open.buffer.subarray(0, open.sizeBytes))
    open.buffer = buffer
  }

  #closeOldFrame(): void {
    if (this.#isOpenFrameOld && this.#framesInFlight < this.#sizes.framesInFlight) this.#closeFrame()
  }

  #closeFrame({ isLast = false } = {}): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#isOpenFrameOld = false
    open.closed.abort()
    const bytes = open.buffer.subarray(0, open.sizeBytes)
    const sha256 = this.#hash?.update(bytes).copy().digest('hex')
    const { firstByte, rawBytes } = open
    const index = indexFrame(
      {
        firstByte,
        firstLine: this.#newlines,
        rawBytes,
        ...(sha256 === undefined ? {} : { sha256 }),
        isWholeLog: isLast && firstByte === 0,
      },
      bytes,
      open.marks,
    )
    for (const { secret, offset } of open.printed)
      this.#options.onSecretPrinted?.({ secret, line: this.#newlines + countNewlines(bytes.subarray(0, offset)) })
    this.#newlines += index.newlines
    const isWhole = open.buffer.length === this.#sizes.frameBytes
    const encodeBuffer = isWhole
      ? (this.#freeEncodeBuffers.pop() ?? Buffer.allocUnsafeSlow(this.#sizes.frameBytes))
      : undefined
    const encoded = this.#encode(index, bytes, encodeBuffer)
    encoded.then(
      () => {
        if (isWhole) this.#freeBuffers.push(open.buffer)
      },
      () => {}, // Heard of when its turn to be stored has come.
    )
    this.#framesInFlight++
    this.#allStored = this.#allStored
      .then(() => this.#storeFrame(encoded, firstByte + bytes.length))
      .then(() => {
        if (encodeBuffer !== undefined) this.#freeEncodeBuffers.push(encodeBuffer)
      })
  }

  async #encode(
    index: FrameIndex,
    bytes: Uint8Array,
    buffer: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#compressing >= compressedAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#compressing++
    try {
      return await encodeFrame(index, bytes, buffer)
    } finally {
      this.#compressing--
      this.#waiting.shift()?.()
    }
  }

  async #storeFrame(encoded: Promise<Uint8Array>, endByte: number): Promise<void> {
    try {
      if (this.#failure !== undefined) return
      const position = await this.#options.store(await encoded)
      if (position.bytes !== endByte)
        throw new SlipwayError(
          'log_moved',
          `a frame up to byte ${endByte} was stored, but the log ends at byte ${position.bytes}: somebody else wrote it`,
        )
      this.#position = position
      this.#release()
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#framesInFlight--
      this.#roomMade.resolve()
      this.#roomMade = Promise.withResolvers()
      this.#closeOldFrame()
    }
  }

  /** The kept tail as pieces, behind a line that says what is left out. */
  async #appendTail(): Promise<void> {
    const tail = this.#tail
    if (tail === undefined) return
    this.#tail = undefined
    const { pieces, leftOutBytes } = tail.take()
    if (leftOutBytes > 0) {
      const line = `[slipway: ${leftOutBytes} bytes of output are left out here, a log has at most ${this.#sizes.logBytesMax}]\n`
      const bytes = Buffer.from(this.#endsLine ? line : `\n${line}`)
      const rawEnd = pieces[0]?.rawStart ?? this.#rawDecided
      this.#append({ bytes, rawStart: rawEnd, rawEnd, at: this.#clock.now() }, [])
    }
    for (const piece of pieces) {
      await this.#untilRoom()
      this.#append(piece, [])
    }
  }

  /** Of the log whose head stands for the raw bytes before `rawStart`. */
  #newTail(rawStart: number, rawOffset = rawStart): LogTail {
    const bytesMax = Math.max(0, this.#sizes.logBytesMax - this.#bytes)
    return new LogTail(rawStart, { rawOffset, bytesMax, pieceBytes: this.#pieceBytes })
  }

  #release(): void {
    const isHeadStored = this.#position.bytes === this.#bytes
    const rawBytes = this.#tail !== undefined && isHeadStored ? this.#tail.rawStart : this.#position.rawBytes
    if (rawBytes <= this.#released) return
    this.#released = rawBytes
    this.#options.onReleased?.(rawBytes)
  }

  async #untilRoom(): Promise<void> {
    while (this.#failure === undefined && this.#framesInFlight >= this.#sizes.framesInFlight)
      await this.#roomMade.promise
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

type Piece = {
  readonly bytes: Uint8Array
  readonly rawStart: number
  readonly rawEnd: number
  /** When it arrived, ms since 1970. */
  readonly at: number
}

type TailSegment = { readonly rawStart: number; readonly at: number; readonly buffer: Uint8Array; sizeBytes: number }

/** The end of a log that grows over its limit: all of it while it fits, then the last bytes and room for the line. */
class LogTail {
  readonly #headRawBytes: number
  readonly #bytesMax: number
  readonly #pieceBytes: number
  readonly #segments: TailSegment[] = []
  #rawEnd: number
  #sizeBytes = 0

  /** `rawOffset`: of the first byte that will be pushed; what is between it and the head's end is left out already. */
  constructor(
    headRawBytes: number,
    settings: { readonly rawOffset: number; readonly bytesMax: number; readonly pieceBytes: number },
  ) {
    this.#headRawBytes = headRawBytes
    this.#rawEnd = settings.rawOffset
    this.#bytesMax = settings.bytesMax
    this.#pieceBytes = settings.pieceBytes
  }

  /** Raw bytes before it are in the head or left out. */
  get rawStart(): number {
    return this.#segments[0]?.rawStart ?? this.#rawEnd
  }

  push({ bytes, rawStart, rawEnd, at }: Piece): void {
    const last = this.#segments.at(-1)
    const hasRoom = last !== undefined && last.sizeBytes + bytes.length <= last.buffer.length
    const segment = hasRoom ? last : this.#newSegment({ rawStart, at, bytesMin: bytes.length })
    segment.buffer.set(bytes, segment.sizeBytes)
    segment.sizeBytes += bytes.length
    this.#sizeBytes += bytes.length
    this.#rawEnd = rawEnd
    while (this.#segments.length > 0 && this.#sizeBytes > this.#roomBytes)
      this.#sizeBytes -= this.#segments.shift()!.sizeBytes
  }

  /** What is kept, from the beginning of a line if there was more before, and the raw bytes that are left out. */
  take(): { readonly pieces: readonly Piece[]; readonly leftOutBytes: number } {
    const leftOutBytes = this.rawStart - this.#headRawBytes
    const pieces = this.#segments.map((segment, index) => ({
      bytes: segment.buffer.subarray(0, segment.sizeBytes),
      rawStart: segment.rawStart,
      rawEnd: this.#segments[index + 1]?.rawStart ?? this.#rawEnd,
      at: segment.at,
    }))
    const first = pieces[0]
    const lineEnd = leftOutBytes > 0 ? (first?.bytes.indexOf(10) ?? -1) : -1
    if (first === undefined || lineEnd === -1 || lineEnd + 1 === first.bytes.length) return { pieces, leftOutBytes }
    pieces[0] = { ...first, bytes: first.bytes.subarray(lineEnd + 1) }
    return { pieces, leftOutBytes: leftOutBytes + lineEnd + 1 }
  }

  get #roomBytes(): number {
    return this.rawStart > this.#headRawBytes ? this.#bytesMax - leftOutLineBytesMax : this.#bytesMax
  }

  #newSegment({ rawStart, at, bytesMin }: { rawStart: number; at: number; bytesMin: number }): TailSegment {
    const buffer = Buffer.allocUnsafeSlow(Math.max(this.#pieceBytes, bytesMin))
    const segment = { rawStart, at, buffer, sizeBytes: 0 }
    this.#segments.push(segment)
    return segment
  }
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++
  return count
}
