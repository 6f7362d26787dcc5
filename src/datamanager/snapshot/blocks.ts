// What data files and index files are made of: blocks that are compressed one by one, and a trailer with their lengths.
// Byte by byte: docs/storage.md, "Data files".

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'

/** Rows are gathered to blocks of about this size before they are compressed. */
export const blockBytes = 64 * 1024
/** Blocks are larger by at most one row or family; what claims more is damaged and is not unpacked. */
const blockBytesMax = 4 * 1024 * 1024
/** What Node takes at least as the size of a piece of output. */
const zlibChunkMin = 64

export type Fail = (what: string) => SlipwayError

export const failing =
  (where: string): Fail =>
  (what) =>
    new SlipwayError('snapshot_corrupt', `${where} is damaged: ${what}`)

export function compress(bytes: Uint8Array): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } })
}

/** `encoding`: latin1 gives each byte as one character, for those who only pass the text on. */
export function decompress(bytes: Uint8Array, raw: number, fail: Fail, encoding: 'utf8' | 'latin1' = 'utf8'): string {
  return unpack(bytes, raw, fail).toString(encoding)
}

export function unpack(bytes: Uint8Array, raw: number, fail: Fail): Buffer {
  if (raw > blockBytesMax + bytes.length * 1024) throw fail('a block claims to be too large')
  let unpacked: Buffer
  try {
    // In one piece; by default it comes in pieces of 16 KiB that are copied together.
    const chunkSize = Math.min(Math.max(raw, zlibChunkMin), blockBytesMax)
    unpacked = zstdDecompressSync(bytes, { maxOutputLength: Math.max(raw, 1), chunkSize })
  } catch (error) {
    throw fail(errorMessage(error))
  }
  if (unpacked.length !== raw) throw fail('a block has another size')
  return unpacked
}

/** The numbers in 4 bytes each, their count, the magic. */
export function encodeTrailer(table: readonly number[], magic: Buffer): Buffer {
  const trailer = Buffer.alloc(table.length * 4 + 4)
  for (const [at, value] of [...table, table.length].entries()) trailer.writeUInt32BE(value, at * 4)
  return Buffer.concat([trailer, magic])
}

export function decodeTrailer(bytes: Uint8Array, magic: Buffer, fail: Fail): { table: number[]; start: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = buffer.length - magic.length - 4
  if (end < 0 || !buffer.subarray(end + 4).equals(magic)) throw fail('it has lost its end')
  const count = buffer.readUInt32BE(end)
  const start = end - count * 4
  if (start < 0 || count < 2 || count % 2 !== 0) throw fail('its table does not fit')
  return { table: Array.from({ length: count }, (_, at) => buffer.readUInt32BE(start + at * 4)), start }
}

export function* pairs(table: readonly number[]): Generator<readonly [number, number]> {
  for (let at = 0; at + 1 < table.length; at += 2) yield [table[at]!, table[at + 1]!]
}
