// What follows the content of every stored object, on every backend: its SHA-256, its size and a magic number. Content and
// checksum are one file or one S3 object, so they change together; and a stream can be stored whose checksum is known only
// at its end, which the metadata of an S3 object, given at the beginning, could not hold.

import { SlipwayError } from '../lib/errors.ts'
import type { ObjectKey, PutResult } from './object-storage.ts'

const magic = Buffer.from('slipobj1')
const hashBytes = 32

/** How much longer the stored object is than its content. */
export const footerBytes = hashBytes + 8 + magic.length

/** `digest`: the SHA-256 of the content, 32 bytes. */
export function encodeFooter(sizeBytes: number, digest: Uint8Array): Buffer {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(sizeBytes))
  return Buffer.concat([digest, size, magic])
}

/** Throws `object_corrupt` when `footer`, the end of an object with `sizeBytes` of content, is not one or not of that size. */
export function decodeFooter(key: ObjectKey, footer: Buffer, sizeBytes: number): PutResult {
  if (footer.length !== footerBytes || !footer.subarray(hashBytes + 8).equals(magic))
    throw objectCorrupt(key, 'has lost its end')
  if (footer.readBigUInt64BE(hashBytes) !== BigInt(sizeBytes)) throw objectCorrupt(key, 'does not have its size')
  return { sizeBytes, sha256: footer.toString('hex', 0, hashBytes) }
}

/** `fault` completes the sentence that begins with the key. */
export function objectCorrupt(key: ObjectKey, fault: string): SlipwayError {
  return new SlipwayError('object_corrupt', `object ${key} ${fault}`)
}
