// One frame of a log: a stretch of its (masked) bytes, compressed, with an index that answers "which byte, which line, when,
// where are errors" without decompressing. A frame is an object of its own and is never changed:
//
//   "SLF", format 1 | index size | data size | CRC-32 of all that and the index | CRC-32 of the data   (20 bytes)
//   index: varints, see encodeIndex | data: zstd
//
// Lines are counted by newlines: line n begins behind the n-th newline of the log, line 0 at its first byte. A frame may begin
// and end inside a line. Whether its first byte begins a line, the frame before says (`endsLine`).

import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { constants, crc32, createZstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib'
import { SlipwayError } from '../../lib/errors.ts'
import { pushSignedVarint, pushVarint, VarintReader } from '../../lib/varint.ts'
import { findErrorWord } from './error-words.ts'

const decompress = promisify(zstdDecompress)

const magic = Buffer.from('SLF')
const format = 1
const headBytes = 20
/** Level 1: measured on log text as 1.7 times faster than level 3 for the same size. */
const compressionLevel = 1
const compression = { params: { [constants.ZSTD_c_compressionLevel]: compressionLevel } }
/** So little is compressed sooner than another thread is reached. */
const compressedHereBytes = 16 * 1024
const linesPerOffset = 64
/** Lines that look like errors, noted at most so many per frame: the first are the interesting ones. */
const errorLinesMax = 1000

/** From here on bytes arrived at that time. */
export type TimeMark = { readonly offset: number; readonly at: number }

/** So many lines in a row that began at that time. */
export type LineTimes = { readonly lines: number; readonly at: number }

export type FrameIndex = {
  /** Where in the log the frame begins. */
  readonly firstByte: number
  readonly sizeBytes: number
  /** Newlines before the frame: the number of the line its first byte belongs to. */
  readonly firstLine: number
  readonly newlines: number
  /** The last byte is a newline. */
  readonly endsLine: boolean
  /** Raw bytes of the output that the log up to the end of this frame stands for. */
  readonly rawBytes: number
  /** SHA-256 of the log from its beginning to the end of this frame, when the writer wrote all of it. */
  readonly sha256?: string
  /** The log is complete with this frame, which is its only one: it needs no trailer. */
  readonly isWholeLog: boolean
  /** When the first byte arrived, in ms since 1970. */
  readonly firstAt: number
  /** When the lines that begin behind the first byte began, in order. */
  readonly lineTimes: readonly LineTimes[]
  /** Offsets in the frame of those lines behind its first byte whose number is a multiple of 64. */
  readonly lineOffsets: readonly number[]
  /** Numbers of lines that look like errors, ascending, at most 1,000. */
  readonly errorLines: readonly number[]
}

export type FrameStart = Pick<FrameIndex, 'firstByte' | 'firstLine' | 'rawBytes' | 'sha256'> &
  Partial<Pick<FrameIndex, 'isWholeLog'>>

/** The index of `bytes`; `marks` ascend and the first is at offset 0. */
export function indexFrame(start: FrameStart, bytes: Uint8Array, marks: readonly TimeMark[]): FrameIndex {
  const lineTimes: { lines: number; at: number }[] = []
  const lineOffsets: number[] = []
  const errorLines: number[] = []
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let line = start.firstLine
  let mark = 0
  let linesAtMark = 0
  let error = findErrorWord(bytes, 0)
  for (let lineStart = 0; ; ) {
    const end = text.indexOf(10, lineStart)
    if (error !== -1 && (error < end || end === -1)) {
      errorLines.push(line)
      error = end === -1 || errorLines.length === errorLinesMax ? -1 : findErrorWord(bytes, end)
    }
    if (end === -1) break
    line++
    lineStart = end + 1
    if (lineStart === bytes.length) break
    if (line % linesPerOffset === 0) lineOffsets.push(lineStart)
    if (mark + 1 < marks.length && marks[mark + 1]!.offset <= lineStart) {
      if (linesAtMark > 0) pushTimes(lineTimes, linesAtMark, marks[mark]!.at)
      linesAtMark = 0
      while (mark + 1 < marks.length && marks[mark + 1]!.offset <= lineStart) mark++
    }
    linesAtMark++
  }
  if (linesAtMark > 0) pushTimes(lineTimes, linesAtMark, marks[mark]?.at ?? 0)
  return {
    isWholeLog: false,
    ...start,
    sizeBytes: bytes.length,
    newlines: line - start.firstLine,
    endsLine: bytes.at(-1) === 10,
    firstAt: marks[0]?.at ?? 0,
    lineTimes,
    lineOffsets,
    errorLines,
  }
}

/** The index of frames that follow one another, as one frame. */
export function joinIndexes(indexes: readonly FrameIndex[]): FrameIndex {
  return indexes.reduce((first, second) => {
    const lineTimes = first.lineTimes.map((times) => ({ ...times }))
    if (first.endsLine) pushTimes(lineTimes, 1, second.firstAt)
    for (const { lines, at } of second.lineTimes) pushTimes(lineTimes, lines, at)
    const beginsAtOffset = first.endsLine && second.firstLine % linesPerOffset === 0
    const { sha256: _, ...start } = first
    return {
      ...start,
      sizeBytes: first.sizeBytes + second.sizeBytes,
      newlines: first.newlines + second.newlines,
      endsLine: second.endsLine,
      rawBytes: second.rawBytes,
      ...(second.sha256 === undefined ? {} : { sha256: second.sha256 }),
      lineTimes,
      lineOffsets: [
        ...first.lineOffsets,
        ...(beginsAtOffset ? [first.sizeBytes] : []),
        ...second.lineOffsets.map((offset) => offset + first.sizeBytes),
      ],
      errorLines: [...new Set([...first.errorLines, ...second.errorLines])].slice(0, errorLinesMax),
    }
  })
}

/**
 * The frame as it is stored. Compresses in the thread pool, what is more than a little; `bytes` must not change until then. Written into `buffer` when it
 * is given and large enough, so that a stream of frames leaves little garbage behind.
 */
export async function encodeFrame(
  index: FrameIndex,
  bytes: Uint8Array,
  buffer?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const encodedIndex = encodeIndex(index)
  const parts = bytes.length <= compressedHereBytes ? [zstdCompressSync(bytes, compression)] : await compress(bytes)
  const dataBytes = parts.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.alloc(headBytes)
  magic.copy(head)
  head[3] = format
  head.writeUInt32BE(encodedIndex.length, 4)
  head.writeUInt32BE(dataBytes, 8)
  head.writeUInt32BE(crc32(encodedIndex, crc32(head.subarray(0, 12))), 12)
  head.writeUInt32BE(
    parts.reduce((sum, part) => crc32(part, sum), 0),
    16,
  )
  const sizeBytes = headBytes + encodedIndex.length + dataBytes
  const hasRoom = buffer !== undefined && buffer.length >= sizeBytes
  const frame = hasRoom ? buffer.subarray(0, sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes)
  frame.set(head)
  frame.set(encodedIndex, headBytes)
  let at = headBytes + encodedIndex.length
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  freeNow(parts)
  return frame
}

/**
 * Reads the index from the first bytes of a stored frame. When they do not reach, answers how many are needed. Damage is
 * `log_corrupt`.
 */
export function decodeFrameIndex(object: Uint8Array): FrameIndex | { readonly neededBytes: number } {
  const { indexBytes } = decodeHead(object)
  const neededBytes = headBytes + indexBytes
  return object.length < neededBytes ? { neededBytes } : decodeIndex(object.subarray(headBytes, neededBytes))
}

/** Reads a whole stored frame, verified. Damage is `log_corrupt`. */
export async function decodeFrame(
  object: Uint8Array,
): Promise<{ readonly index: FrameIndex; readonly bytes: Uint8Array }> {
  const { index, data } = verifyFrame(object)
  try {
    const bytes = await decompress(data, { chunkSize: index.sizeBytes + 64, maxOutputLength: index.sizeBytes + 64 })
    if (bytes.length === index.sizeBytes) return { index, bytes }
  } catch (cause) {
    throw new SlipwayError('log_corrupt', 'a log frame cannot be decompressed', { cause })
  }
  throw corrupt('does not have its size')
}

/** The index of a whole stored frame, when its checksums hold; else `log_corrupt`. Does not decompress. */
export function verifyFrame(object: Uint8Array): { readonly index: FrameIndex; readonly data: Uint8Array } {
  const { indexBytes, dataBytes, dataChecksum } = decodeHead(object)
  if (object.length !== headBytes + indexBytes + dataBytes) throw corrupt('is cut off')
  const data = object.subarray(headBytes + indexBytes)
  if (crc32(data) !== dataChecksum) throw corrupt('does not have its checksum')
  return { index: decodeIndex(object.subarray(headBytes, headBytes + indexBytes)), data }
}

/**
 * Offset in the frame where line `line` begins. For the frame's first line that is 0; for the line behind its last newline,
 * possibly its end.
 */
export function offsetOfLine(index: FrameIndex, bytes: Uint8Array, line: number): number {
  let at = index.firstLine
  let offset = 0
  const skipped = Math.floor(line / linesPerOffset) - Math.floor(at / linesPerOffset)
  const known = index.lineOffsets[skipped - 1]
  if (skipped > 0 && known !== undefined) {
    at = Math.floor(line / linesPerOffset) * linesPerOffset
    offset = known
  }
  for (; at < line; at++) {
    const end = bytes.indexOf(10, offset)
    if (end === -1) return bytes.length
    offset = end + 1
  }
  return offset
}

/** At least ZSTD_compressBound, which allows one byte for 256 and a little more for what is small. */
const compressedBytesMax = (bytes: number) => bytes + Math.ceil(bytes / 256) + 1024

/** The compressed bytes in parts: the one-shot function would copy them once more. */
async function compress(bytes: Uint8Array): Promise<Buffer[]> {
  const stream = createZstdCompress({
    // One output buffer, as each is a trip between threads, in which there is room for whatever becomes of the bytes: then zstd
    // reads them where they are, in one go. Else it copies them through a window in pieces, which takes it a fifth longer.
    chunkSize: compressedBytesMax(bytes.length),
    ...compression,
  })
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  stream.end(bytes)
  await finished(stream)
  return parts
}

/**
 * Gives large memory back at once. The collector waits for tens of megabytes of it, which a fast log makes in half a second.
 * Small buffers may share theirs with others.
 */
function freeNow(parts: readonly Buffer[]): void {
  for (const buffer of new Set(parts.map((part) => part.buffer)))
    if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0)
}

function pushTimes(times: { lines: number; at: number }[], lines: number, at: number): void {
  const last = times.at(-1)
  if (last !== undefined && last.at === at) last.lines += lines
  else times.push({ lines, at })
}

function encodeIndex(index: FrameIndex): Buffer {
  const out: number[] = []
  for (const value of [index.firstByte, index.sizeBytes, index.firstLine, index.newlines, index.rawBytes])
    pushVarint(out, value)
  pushVarint(out, (index.endsLine ? 1 : 0) + (index.sha256 === undefined ? 0 : 2) + (index.isWholeLog ? 4 : 0))
  if (index.sha256 !== undefined) out.push(...Buffer.from(index.sha256, 'hex'))
  pushVarint(out, index.firstAt)
  pushVarint(out, index.lineTimes.length)
  let at = index.firstAt
  for (const times of index.lineTimes) {
    pushVarint(out, times.lines)
    pushSignedVarint(out, times.at - at)
    at = times.at
  }
  pushAscending(out, index.lineOffsets, 0)
  pushAscending(out, index.errorLines, index.firstLine)
  return Buffer.from(out)
}

function decodeIndex(bytes: Uint8Array): FrameIndex {
  const reader = new VarintReader(bytes)
  const firstByte = reader.next()
  const sizeBytes = reader.next()
  const firstLine = reader.next()
  const newlines = reader.next()
  const rawBytes = reader.next()
  const flags = reader.next()
  const sha256 = flags & 2 ? Buffer.from(reader.take(32)).toString('hex') : undefined
  const firstAt = reader.next()
  let at = firstAt
  const lineTimes = Array.from({ length: reader.next() }, () => {
    const lines = reader.next()
    at += reader.nextSigned()
    return { lines, at }
  })
  return {
    firstByte,
    sizeBytes,
    firstLine,
    newlines,
    endsLine: (flags & 1) === 1,
    rawBytes,
    ...(sha256 === undefined ? {} : { sha256 }),
    isWholeLog: (flags & 4) === 4,
    firstAt,
    lineTimes,
    lineOffsets: takeAscending(reader, 0),
    errorLines: takeAscending(reader, firstLine),
  }
}

function pushAscending(out: number[], values: readonly number[], from: number): void {
  pushVarint(out, values.length)
  let last = from
  for (const value of values) {
    pushVarint(out, value - last)
    last = value
  }
}

function takeAscending(reader: VarintReader, from: number): number[] {
  let last = from
  return Array.from({ length: reader.next() }, () => {
    last += reader.next()
    return last
  })
}

function decodeHead(object: Uint8Array): { indexBytes: number; dataBytes: number; dataChecksum: number } {
  const head = Buffer.from(object.buffer, object.byteOffset, Math.min(object.length, headBytes))
  if (head.length < headBytes || !head.subarray(0, 3).equals(magic)) throw corrupt('does not begin as one')
  if (head[3] !== format) throw corrupt(`has the unknown format ${head[3]}`)
  const indexBytes = head.readUInt32BE(4)
  const index = object.subarray(headBytes, headBytes + indexBytes)
  // With a part of the index the checksum cannot be told yet; the caller comes back with all of it.
  if (index.length === indexBytes && crc32(index, crc32(head.subarray(0, 12))) !== head.readUInt32BE(12))
    throw corrupt('has a damaged index')
  return { indexBytes, dataBytes: head.readUInt32BE(8), dataChecksum: head.readUInt32BE(16) }
}

function corrupt(fault: string): SlipwayError {
  return new SlipwayError('log_corrupt', `a log frame ${fault}`)
}
