// How archives travel and are stored: tar, compressed with zstd level 1 (three times as fast as level 3 for a tenth more
// bytes, and a workspace is written and read once). Compression runs in libuv's pool, off the main thread.

import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'

const level = 1
const chunkBytes = 512 * 1024

export function compressed(tar: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return pipe(
    tar,
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level }, chunkSize: chunkBytes }),
  )
}

/** Fails when the stream ends early or is not zstd. */
export function decompressed(data: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return pipe(data, createZstdDecompress({ chunkSize: chunkBytes }))
}

function pipe(source: AsyncIterable<Uint8Array>, through: Transform): AsyncIterable<Uint8Array> {
  // The reader of `through` hears of every failure; the callback only keeps it from being thrown a second time.
  pipeline(Readable.from(source, { objectMode: false, highWaterMark: chunkBytes }), through, () => {})
  return through
}
