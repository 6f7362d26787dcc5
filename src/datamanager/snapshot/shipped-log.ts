// Records in object storage: what the shipper writes and a restore reads. An object holds consecutive whole records and is
// named after the newest of them, so that the first key after position p is the object with record p + 1. Two shippers may
// have cut the log at different places; then objects overlap, which is harmless.

import { hash } from 'node:crypto'
import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { ObjectKey } from '../../objectstorage/object-storage.ts'
import type { EncodedRecord, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { decodeRecord } from '../record.ts'
import { encodePosition, positionOfKey, type StoragePlace, shippedPrefix } from './keys.ts'

export function shippedKey(base: string, generation: string, newest: Position): ObjectKey {
  return `${shippedPrefix(base, generation)}${encodePosition(newest)}`
}

/** The content of one object: whole records, and a line that nobody can mistake for one. */
export function encodeShipped(records: readonly EncodedRecord[]): Buffer {
  const content = Buffer.concat(records.map(({ bytes }) => bytes))
  const trailer = { end: true, count: records.length, sha256: hash('sha256', content) }
  return Buffer.concat([content, Buffer.from(`${JSON.stringify(trailer)}\n`)])
}

/** The records of one object, each checked alone and to follow the one before. Errors: `database_corrupt`. */
export function decodeShipped(bytes: Uint8Array, newest: Position): EncodedRecord[] {
  const fail = (what: string) =>
    new SlipwayError('database_corrupt', `the shipped records up to ${newest} are damaged: ${what}`)
  const records: EncodedRecord[] = []
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const trailerAt = whole.lastIndexOf('\n{"end":true,') + 1
  if (trailerAt === 0) throw fail('they have no end')
  const buffer = whole.subarray(0, trailerAt)
  const count = checkTrailer(whole.toString('utf8', trailerAt), buffer, fail)
  for (let at = 0; at < buffer.length; ) {
    const headerEnd = buffer.indexOf(0x0a, at) + 1
    if (headerEnd === 0) throw fail('a header has no end')
    const { position, length } = parseHeader(buffer.toString('utf8', at, headerEnd), fail)
    const end = headerEnd + length
    if (end > buffer.length) throw fail('a record is cut off')
    const record = { position, hash: hash('sha256', buffer.subarray(at, end)), bytes: buffer.subarray(at, end) }
    const { prev } = decodeRecord(record)
    const before = records.at(-1)
    if (before && (position !== before.position + 1 || prev !== before.hash)) throw fail('a record does not follow')
    records.push(record)
    at = end
  }
  if (records.at(-1)?.position !== newest || records.length !== count) throw fail('they are other records')
  return records
}

/** Returns how many records there are. */
function checkTrailer(line: string, content: Buffer, fail: (what: string) => SlipwayError): number {
  let trailer: { count?: unknown; sha256?: unknown } = {}
  try {
    trailer = JSON.parse(line) as typeof trailer
  } catch {
    // Said below.
  }
  if (typeof trailer.count !== 'number' || trailer.sha256 !== hash('sha256', content)) throw fail('the hash is another')
  return trailer.count
}

function parseHeader(line: string, fail: (what: string) => SlipwayError): { position: number; length: number } {
  try {
    const { position, bytes } = JSON.parse(line) as { position?: unknown; bytes?: unknown }
    if (typeof position === 'number' && typeof bytes === 'number' && bytes >= 0) return { position, length: bytes }
  } catch {
    // Said below.
  }
  throw fail('a header is no header')
}

/**
 * Shipped records after `from`, in order, each checked to follow the one before it; `prev` is the hash of record `from`,
 * when that is known. Ends where shipping has come to. Errors: `history_collected` when the next is no longer there,
 * `database_corrupt` for damage or a fork, `database_foreign`.
 */
export async function* readShipped(
  place: StoragePlace,
  identity: Identity,
  { from, prev, signal }: { readonly from: Position; readonly prev?: RecordHash; readonly signal?: AbortSignal },
): AsyncGenerator<EncodedRecord> {
  const options = signal ? { signal } : {}
  const prefix = shippedPrefix(place.base, identity.generation)
  const after = `${prefix}${encodePosition(from)}`
  let position = from
  let newestHash = prev
  for await (const { key } of place.ost.list({ prefix, after, ...options })) {
    const newest = positionOfKey(key)
    if (newest === undefined || newest <= position) continue
    for (const record of decodeShipped(await readListed(place, key, options), newest)) {
      if (record.position <= position) continue
      if (record.position !== position + 1)
        throw new SlipwayError(
          'history_collected',
          `shipped records ${position + 1} to ${record.position - 1} are gone`,
        )
      const decoded = decodeRecord(record)
      if (decoded.store !== identity.store || decoded.generation !== identity.generation)
        throw new SlipwayError('database_foreign', `shipped record ${record.position} is of another store`)
      if (newestHash !== undefined && decoded.prev !== newestHash)
        throw new SlipwayError(
          'database_corrupt',
          `shipped record ${record.position} follows another record ${position}`,
        )
      position = record.position
      newestHash = record.hash
      yield record
    }
  }
}

/** What was listed may be collected before it is read: it was no longer needed by whoever begins at a newer snapshot. */
async function readListed(
  place: StoragePlace,
  key: string,
  options: { readonly signal?: AbortSignal },
): Promise<Buffer> {
  try {
    return await collectBytes(place.ost.read(key, options))
  } catch (cause) {
    if (!isSlipwayError(cause, 'object_not_found')) throw cause
    throw new SlipwayError('history_collected', `shipped records up to ${positionOfKey(key)} were collected just now`, {
      cause,
    })
  }
}

/** The newest shipped record after `from`; undefined when there is none. */
export async function findShippedHead(
  place: StoragePlace,
  generation: string,
  from: Position,
  signal?: AbortSignal,
): Promise<EncodedRecord | undefined> {
  const options = signal ? { signal } : {}
  const prefix = shippedPrefix(place.base, generation)
  // The object of `from` itself counts, therefore one less.
  const after = from > 0 ? `${prefix}${encodePosition(from - 1)}` : prefix
  let newest: ObjectKey | undefined
  for await (const { key } of place.ost.list({ prefix, after, ...options }))
    if (positionOfKey(key) !== undefined) newest = key
  if (newest === undefined) return undefined
  return decodeShipped(await collectBytes(place.ost.read(newest, options)), positionOfKey(newest) ?? 0).at(-1)
}
