// A data file of a snapshot: sorted rows of one type in blocks, each compressed alone so that one row can be read without
// the others; and the index file beside it. Byte by byte: docs/storage.md, "Data files".

import { hash } from 'node:crypto'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import type { Position } from '../database.ts'
import { ContentSum, decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import {
  blockBytes,
  compress,
  decodeTrailer,
  decompress,
  encodeTrailer,
  type Fail,
  failing,
  pairs,
  unpack,
} from './blocks.ts'

export const dataFileFormat = 1
/** Ends a data file, and an index file. */
const rowsMagic = Buffer.from('sliprow1')
const indexMagic = Buffer.from('slipidx1')
const hashBytes = 32

/** The type under which a snapshot keeps transaction ids; they are no rows and not part of the content hash. */
export const transactionsType = '$transactions'

/** The type of a data file whose rows are families (../cold/family-file.ts). */
export const familiesType = '$families'

export type SnapshotRow = {
  readonly id: string
  readonly changedAt: Position
  /** JSON text, exactly as it is stored. */
  readonly body: string
}

/** What a manifest says of a data file. */
export type DataFile = {
  /** Of its two objects, without their endings; never used twice. */
  readonly name: string
  readonly type: string
  readonly first: string
  readonly last: string
  readonly count: number
  /** In all families of a file of families, of which `count` says how many there are. */
  readonly rows?: number
  /** Of the rows of a file of families, in order. */
  readonly types?: readonly string[]
  /** Of the rows before compression. */
  readonly rawBytes: number
  /** Sum of the row hashes, as in the content hash. */
  readonly sum: string
  readonly bytes: number
  readonly sha256: string
  readonly indexBytes: number
  readonly indexSha256: string
}

export type EncodedDataFile = { readonly file: DataFile; readonly rows: Uint8Array; readonly index: Uint8Array }

/** Of at least one row, in the order of their ids. */
export function encodeDataFile(name: string, type: string, sorted: readonly SnapshotRow[]): EncodedDataFile {
  const blocks: Buffer[] = []
  const table: number[] = []
  const entries: string[] = []
  const hashes: Buffer[] = []
  let block: string[] = []
  let blockLength = 0
  let rawBytes = 0
  const sum = new ContentSum()
  const closeBlock = () => {
    if (blockLength === 0) return
    const packed = compress(Buffer.from(block.join('')))
    blocks.push(packed)
    table.push(packed.length, blockLength)
    block = []
    blockLength = 0
  }
  for (const row of sorted) {
    const line = `${JSON.stringify(row.id)}\t${row.changedAt}\t${row.body}\n`
    const length = Buffer.byteLength(line)
    entries.push(`${JSON.stringify(row.id)}\t${blocks.length}\t${blockLength}\t${length}\n`)
    const digest = rowHash(type, row.id, row.body)
    hashes.push(digest)
    sum.add(digest)
    block.push(line)
    blockLength += length
    rawBytes += length
    if (blockLength >= blockBytes) closeBlock()
  }
  closeBlock()
  const rows = Buffer.concat([...blocks, encodeTrailer(table, rowsMagic)])
  const packedEntries = compress(Buffer.from(entries.join('')))
  const entriesLength = entries.reduce((total, entry) => total + Buffer.byteLength(entry), 0)
  const index = Buffer.concat([
    packedEntries,
    ...hashes,
    encodeTrailer([...table, packedEntries.length, entriesLength], indexMagic),
  ])
  const file: DataFile = {
    name,
    type,
    first: sorted[0]!.id, // the contract: at least one row
    last: sorted.at(-1)!.id,
    count: sorted.length,
    rawBytes,
    sum: sum.hex(),
    bytes: rows.length,
    sha256: hash('sha256', rows),
    indexBytes: index.length,
    indexSha256: hash('sha256', index),
  }
  return { file, rows, index }
}

/** The rows of a data file, after everything the manifest says of it was compared. Errors: `snapshot_corrupt`. */
export function decodeDataFile(file: DataFile, bytes: Uint8Array): SnapshotRow[] {
  const fail = failing(`data file ${file.name}`)
  const rows: SnapshotRow[] = []
  const sum = new ContentSum()
  for (const line of linesOf(file, bytes, fail)) {
    const row = parseRow(line, fail)
    const before = rows.at(-1)
    if (before !== undefined && compareUtf8(before.id, row.id) >= 0) throw fail('its rows are not in order')
    sum.add(rowHash(file.type, row.id, row.body))
    rows.push(row)
  }
  const isAsTold =
    rows.length === file.count && rows[0]?.id === file.first && rows.at(-1)?.id === file.last && sum.hex() === file.sum
  if (!isAsTold) throw fail('its rows are not those of the manifest')
  return rows
}

/** Text before the id, between id and body, and after the body of a row: each byte of it is one character (latin1). */
export type RowFrame = readonly [before: string, between: string, after: string]

/**
 * Each row as text: its id and body as the JSON texts they are, within `frame`. Compares the hash of the file only, so that
 * it is several times faster than decodeDataFile. Errors: `snapshot_corrupt`.
 */
export function frameRows(file: DataFile, bytes: Uint8Array, [before, between, after]: RowFrame): Buffer {
  const fail = failing(`data file ${file.name}`)
  const parts: string[] = []
  let count = 0
  for (const line of linesOf(file, bytes, fail, 'latin1')) {
    const idEnd = line.indexOf('\t')
    parts.push(before, line.slice(0, idEnd), between, line.slice(line.indexOf('\t', idEnd + 1) + 1), after)
    count++
  }
  if (count !== file.count) throw fail('its rows are not those of the manifest')
  return Buffer.from(parts.join(''), 'latin1')
}

/** The lines of all blocks, after size and hash of the file were compared. */
function* linesOf(
  file: DataFile,
  bytes: Uint8Array,
  fail: Fail,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Generator<string> {
  if (bytes.length !== file.bytes) throw fail(`it has ${bytes.length} bytes, not ${file.bytes}`)
  if (hash('sha256', bytes) !== file.sha256) throw fail('its hash is another')
  const { table, start } = decodeTrailer(bytes, rowsMagic, fail)
  let at = 0
  for (const [packed, raw] of pairs(table)) {
    const lines = decompress(bytes.subarray(at, at + packed), raw, fail, encoding).split('\n')
    if (lines.pop() !== '') throw fail('a block does not end with a row')
    yield* lines
    at += packed
  }
  if (at !== start) throw fail('its blocks do not fill it')
}

/** Where a row is: the bytes of the data file to read, and what to do with them. */
export type RowPlace = {
  readonly start: number
  readonly end: number
  readonly rawBytes: number
  readonly offset: number
  readonly length: number
  readonly hash: Uint8Array
}

/** Places of all rows of a data file by their ids. Errors: `snapshot_corrupt`. */
export function decodeIndexFile(file: DataFile, bytes: Uint8Array): Map<string, RowPlace> {
  const fail = failing(`index file ${file.name}`)
  if (bytes.length !== file.indexBytes || hash('sha256', bytes) !== file.indexSha256) throw fail('its hash is another')
  const { table, start } = decodeTrailer(bytes, indexMagic, fail)
  const [packed, raw] = table.splice(-2) as [number, number] // decodeTrailer gives pairs, and there is one at least
  const entries = decompress(bytes.subarray(0, packed), raw, fail).split('\n')
  entries.pop()
  if (start - packed !== entries.length * hashBytes) throw fail('it has not one hash for each row')
  const starts = [0]
  for (const [length] of pairs(table)) starts.push(starts.at(-1)! + length)
  const places = new Map<string, RowPlace>()
  for (const [number, entry] of entries.entries()) {
    const [id = '', block = '', offset = '', length = ''] = entry.split('\t')
    const from = starts[Number(block)]
    const end = starts[Number(block) + 1]
    if (from === undefined || end === undefined) throw fail('a row is in no block')
    const hashAt = packed + number * hashBytes
    places.set(parseId(id, fail), {
      start: from,
      end,
      rawBytes: table[Number(block) * 2 + 1]!,
      offset: Number(offset),
      length: Number(length),
      hash: bytes.subarray(hashAt, hashAt + hashBytes),
    })
  }
  return places
}

/** One row out of the bytes `place.start` to `place.end` of its data file. Errors: `snapshot_corrupt`. */
export function decodeRowAt(type: string, id: string, place: RowPlace, bytes: Uint8Array): SnapshotRow {
  const fail = failing(`row ${type} ${id} of a snapshot`)
  const text = unpack(bytes, place.rawBytes, fail).subarray(place.offset, place.offset + place.length)
  const row = parseRow(text.toString().replace(/\n$/, ''), fail)
  const isOurs = row.id === id && Buffer.compare(rowHash(type, row.id, row.body), place.hash) === 0
  if (!isOurs) throw fail('it is not what the index says')
  return row
}

/** The content hash of all rows in `files`. */
export function contentHashOf(files: readonly DataFile[]): string {
  let sum = 0n
  for (const file of files) if (file.type !== transactionsType) sum += decodeSum(file.sum)
  return encodeSum(moveSum(sum % (1n << 256n), undefined, undefined))
}

function parseRow(line: string, fail: Fail): SnapshotRow {
  const idEnd = line.indexOf('\t')
  const bodyStart = line.indexOf('\t', idEnd + 1) + 1
  const changedAt = Number(line.slice(idEnd + 1, bodyStart - 1))
  if (idEnd < 0 || bodyStart === 0 || !Number.isSafeInteger(changedAt)) throw fail('a row has another shape')
  return { id: parseId(line.slice(0, idEnd), fail), changedAt, body: line.slice(bodyStart) }
}

function parseId(text: string, fail: Fail): string {
  try {
    const id: unknown = JSON.parse(text)
    if (typeof id === 'string') return id
  } catch {
    // Said below.
  }
  throw fail('a row has no id')
}
