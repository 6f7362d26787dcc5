// One record of the change log: the transactions of one batch, as JSON lines behind a header that names the record before
// it by hash. Byte by byte: docs/storage.md, "Record".

import { hash } from 'node:crypto'
import { errorMessage, SlipwayError } from '../lib/errors.ts'
import type { Json, JsonObject } from '../lib/json.ts'
import { type EncodedRecord, genesisHash, type RecordHash } from './change-log.ts'
import type { Operation, Position } from './database.ts'

export const recordFormat = 1

/** Which log a record belongs to, and where in it. */
export type RecordPlace = {
  readonly store: string
  readonly generation: string
  readonly position: Position
  /** Hash of the record before it, `genesisHash` for the first. */
  readonly prev: RecordHash
}

/** An operation of a later version. It is kept as it is and ignored, unless its `must` is true. */
export type UnknownOperation = { readonly kind: 'unknown'; readonly stored: JsonObject }

export type RecordedTransaction = {
  /** Given by the caller, so that a repeated request acts once. */
  readonly transactionId?: string
  /** Wall clock of the writer, in milliseconds. Nothing is ordered by it. */
  readonly at: number
  /** What the closure returned; only with a transaction id. */
  readonly result?: Json
  readonly operations: readonly (Operation | UnknownOperation)[]
}

export type DecodedRecord = RecordPlace & {
  readonly hash: RecordHash
  /** Random name of the attempt that wrote it. */
  readonly batch: string
  readonly transactions: readonly RecordedTransaction[]
}

/** The line of a put whose body is already JSON text; `encodeRecord` takes these, so that a body is serialised once. */
export function encodePut(type: string, id: string, body: string): string {
  return `{"kind":"put","type":${JSON.stringify(type)},"id":${JSON.stringify(id)},"body":${body}}`
}

export function encodeDelete(type: string, id: string): string {
  return `{"kind":"delete","type":${JSON.stringify(type)},"id":${JSON.stringify(id)}}`
}

/** One line of a record. `operations` are made by encodePut and encodeDelete, `result` is JSON text. */
export function encodeTransaction(transaction: {
  readonly transactionId?: string | undefined
  readonly at: number
  readonly result?: string | undefined
  readonly operations: readonly string[]
}): string {
  const { transactionId, at, result, operations } = transaction
  const id = transactionId === undefined ? '' : `"tx":${JSON.stringify(transactionId)},`
  const returned = result === undefined ? '' : `"result":${result},`
  return `{${id}"at":${at},${returned}"operations":[${operations.join(',')}]}\n`
}

/** A record of `lines`, which encodeTransaction made. `format` is at most `recordFormat`. */
export function encodeRecord(
  place: RecordPlace,
  batch: string,
  lines: readonly string[],
  format: number = recordFormat,
): EncodedRecord {
  const body = Buffer.from(lines.join(''))
  const header: JsonObject = {
    format,
    store: place.store,
    generation: place.generation,
    position: place.position,
    prev: place.prev,
    batch,
    count: lines.length,
    bytes: body.length,
    sha256: hash('sha256', body),
  }
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body])
  return { position: place.position, hash: hash('sha256', bytes), bytes }
}

/**
 * Checks hashes, lengths and shape and returns what is in a record. Errors: `database_corrupt` for anything that does not
 * fit, `database_too_new` for a format or an operation that this version must not ignore.
 */
export function decodeRecord(record: EncodedRecord): DecodedRecord {
  const { bytes } = record
  const fail = (what: string, cause?: unknown) =>
    new SlipwayError('database_corrupt', `record ${record.position} of the change log is damaged: ${what}`, { cause })
  if (hash('sha256', bytes) !== record.hash) throw fail('its hash does not fit its bytes')
  const headerEnd = bytes.indexOf(0x0a)
  if (headerEnd < 0) throw fail('it has no header')
  const header = parseObject(Buffer.from(bytes.subarray(0, headerEnd)).toString(), 'header', fail)
  if (typeof header.format !== 'number') throw fail('it has no format number')
  if (header.format > recordFormat)
    throw new SlipwayError(
      'database_too_new',
      `record ${record.position} of the change log has format ${header.format}, this version reads ${recordFormat}: upgrade`,
    )
  const text = (name: string): string => {
    const value = header[name]
    if (typeof value !== 'string') throw fail(`its header has no ${name}`)
    return value
  }
  const prev = text('prev')
  if (!/^[0-9a-f]{64}$/.test(prev)) throw fail('the hash of the record before it is no hash')
  if (header.position !== record.position) throw fail(`it says it is record ${String(header.position)}`)
  if ((prev === genesisHash) !== (record.position === 1)) throw fail('only record 1 is the first')
  const body = bytes.subarray(headerEnd + 1)
  if (header.bytes !== body.length) throw fail(`its body has ${body.length} bytes, not ${String(header.bytes)}`)
  if (header.sha256 !== hash('sha256', body)) throw fail('the hash of its body does not fit')
  const lines = Buffer.from(body).toString().split('\n')
  if (lines.pop() !== '') throw fail('its last line has no end')
  if (header.count !== lines.length) throw fail(`it has ${lines.length} lines, not ${String(header.count)}`)
  return {
    store: text('store'),
    generation: text('generation'),
    batch: text('batch'),
    position: record.position,
    prev,
    hash: record.hash,
    transactions: lines.map((line) => parseTransaction(line, record.position, fail)),
  }
}

type Fail = (what: string, cause?: unknown) => SlipwayError

function parseObject(line: string, what: string, fail: Fail): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw fail(`its ${what} is no JSON (${errorMessage(cause)})`, cause)
  }
  return asObject(value, what, fail)
}

function asObject(value: unknown, what: string, fail: Fail): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail(`its ${what} is no object`)
  return value as JsonObject // JSON.parse made it, so its values are Json
}

function parseTransaction(line: string, position: Position, fail: Fail): RecordedTransaction {
  const value = parseObject(line, 'transaction', fail)
  const { tx, at, result, operations } = value
  if (tx !== undefined && typeof tx !== 'string') throw fail('a transaction id is no string')
  if (typeof at !== 'number') throw fail('a transaction has no time')
  if (!Array.isArray(operations)) throw fail('a transaction has no operations')
  return {
    ...(tx === undefined ? {} : { transactionId: tx }),
    at,
    ...(result === undefined ? {} : { result }),
    operations: operations.map((operation: Json) =>
      parseOperation(asObject(operation, 'operation', fail), position, fail),
    ),
  }
}

function parseOperation(value: JsonObject, position: Position, fail: Fail): Operation | UnknownOperation {
  const { kind, type, id, body } = value
  if (kind !== 'put' && kind !== 'delete') {
    if (typeof kind !== 'string') throw fail('an operation has no kind')
    if (value.must === true)
      throw new SlipwayError(
        'database_too_new',
        `record ${position} of the change log has an operation "${kind}" that must not be ignored: upgrade`,
      )
    return { kind: 'unknown', stored: value }
  }
  if (typeof type !== 'string' || typeof id !== 'string') throw fail(`a ${kind} names no row`)
  if (kind === 'delete') return { kind, type, id }
  if (body === undefined) throw fail('a put has no body')
  return { kind, type, id, body }
}
