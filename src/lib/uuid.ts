// UUIDv7: ids that sort by creation time, so that new rows are neighbours in data files (RFC 9562, section 5.7).

import { randomBytes } from 'node:crypto'

/** A new UUIDv7 for the millisecond `now`. Made outside closures and pure cores. */
export function newUuid(now: number = Date.now()): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(now, 0, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
