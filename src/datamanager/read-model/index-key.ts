// Keys of index entries as bytes whose order (memcmp) is the order of the tuples: number before string, numbers by value,
// strings by their UTF-8 bytes. Byte by byte: docs/storage.md, "Index entries".

import { invariant } from '../../lib/errors.ts'
import type { IndexKey } from '../database.ts'

const numberTag = 0x01
const stringTag = 0x02
/** Ends a string; a zero byte inside one is followed by `zeroEscape`, which no tag is. */
const stringEnd = 0x00
const zeroEscape = 0xff

/** The bytes of `key` in the index `index` (1 to 65535). A longer key that begins with these values begins with these bytes. */
export function encodeIndexKey(index: number, key: IndexKey, id?: string): Buffer {
  checkIndexKey(key)
  let length = 2
  for (const value of key) length += typeof value === 'number' ? 9 : 2 + value.length * 3
  if (id !== undefined) length += 2 + id.length * 3
  const buffer = Buffer.allocUnsafe(length)
  let end = buffer.writeUInt16BE(index, 0)
  for (const value of key)
    end = typeof value === 'number' ? writeNumber(buffer, end, value) : writeString(buffer, end, value)
  if (id !== undefined) end = writeString(buffer, end, id)
  return buffer.subarray(0, end)
}

/** Errors: `invariant` for what encodeIndexKey does not take. */
export function checkIndexKey(key: IndexKey): void {
  for (const value of key)
    if (typeof value === 'number') invariant(!Number.isNaN(value), 'an index key must not be NaN')
    else invariant(typeof value === 'string', 'an index key is made of strings and numbers')
}

/** The first bytes after all keys that begin with `prefix`: no tag is 0xff, so nothing that continues it reaches this. */
export function afterPrefix(prefix: Uint8Array): Buffer {
  return Buffer.concat([prefix, afterAnyTag])
}

const afterAnyTag = Buffer.from([0xff])

/** IEEE 754, big endian, the sign bit flipped for positive and all bits for negative numbers. */
function writeNumber(buffer: Buffer, at: number, value: number): number {
  buffer[at] = numberTag
  const end = buffer.writeDoubleBE(value === 0 ? 0 : value, at + 1)
  if (value < 0) for (let byte = at + 1; byte < end; byte++) buffer[byte] = ~buffer[byte]! & 0xff
  else buffer[at + 1] = buffer[at + 1]! | 0x80
  return end
}

function writeString(buffer: Buffer, at: number, value: string): number {
  buffer[at] = stringTag
  let end = at + 1
  if (value.includes('\0')) {
    for (const byte of Buffer.from(value)) {
      buffer[end++] = byte
      if (byte === 0) buffer[end++] = zeroEscape
    }
  } else {
    end += buffer.write(value, end)
  }
  buffer[end++] = stringEnd
  return end
}
