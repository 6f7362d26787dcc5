// A data file of a snapshot whose rows are families: all rows of one are neighbours in one block, so that it is read by one
// range. The index file beside it has an entry of each family, from which an instance starts without reading any of them.
// Byte by byte: docs/storage.md, "Files of families".

import { hash } from 'node:crypto'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import type { FamilyEntry, Position } from '../database.ts'
import { ContentSum, rowHash } from '../read-model/content-hash.ts'
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
} from '../snapshot/blocks.ts'
import { type DataFile, type EncodedDataFile, familiesType, type RowFrame } from '../snapshot/data-file.ts'

const rowsMagic = Buffer.from('slipfam1')
const indexMagic = Buffer.from('slipfix1')
/** Type of the line with which a family begins; no row, and in no sum. */
const entryType = '$entry'
const sumBytes = 32

export type FamilyMember = {
  readonly type: string
  readonly id: string
  readonly changedAt: Position
  /** JSON text, exactly as it is stored. */
  readonly body: string
}

export type Family = {
  /** Of its head. */
  readonly id: string
  readonly entry: FamilyEntry
  /** In the order of their types and ids. */
  readonly rows: readonly FamilyMember[]
}

/** Where a family is in its file. */
export type RowSpan = {
  /** Number of the block, from 0. */
  readonly block: number
  /** In the unpacked block. */
  readonly start: number
  readonly length: number
  readonly rows: number
  /** Sum of its row hashes, as in the content hash. */
  readonly sum: Uint8Array
}

/** The id of the family to which a row belongs, if its type does. */
export function familyIdOf(rowId: string): string {
  const end = rowId.indexOf('/')
  return end < 0 ? rowId : rowId.slice(0, end)
}

export function compareMembers(a: FamilyMember, b: FamilyMember): number {
  return compareUtf8(a.type, b.type) || compareUtf8(a.id, b.id)
}

/** Encodes families that come one after the other, in the order of their ids, so that no more than one is held unpacked. */
export class FamilyFileEncoder {
  readonly #blocks: Buffer[] = []
  readonly #table: number[] = []
  readonly #entries: string[] = []
  readonly #sums: Buffer[] = []
  #block: string[] = []
  #blockLength = 0
  #rawBytes = 0
  #rows = 0
  readonly #sum = new ContentSum()
  readonly #types = new Set<string>()
  #first: string | undefined
  #last = ''

  get rawBytes(): number {
    return this.#rawBytes
  }

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  add({ id, entry, rows }: Family): void {
    let text = `${JSON.stringify(entryType)}\t${JSON.stringify(id)}\t0\t${JSON.stringify(encodeEntry(entry))}\n`
    const sum = new ContentSum()
    for (const row of rows) {
      text += `${JSON.stringify(row.type)}\t${JSON.stringify(row.id)}\t${row.changedAt}\t${row.body}\n`
      sum.add(rowHash(row.type, row.id, row.body))
      this.#types.add(row.type)
    }
    const length = Buffer.byteLength(text)
    const place = [id, this.#blocks.length, this.#blockLength, length, rows.length, encodeEntry(entry)]
    this.#entries.push(`${JSON.stringify(place)}\n`)
    const sumOfFamily = sum.bytes()
    this.#sums.push(sumOfFamily)
    this.#sum.add(sumOfFamily)
    this.#rows += rows.length
    this.#rawBytes += length
    this.#block.push(text)
    this.#blockLength += length
    this.#first ??= id
    this.#last = id
    if (this.#blockLength >= blockBytes) this.#closeBlock()
  }

  /** Of at least one family. */
  finish(name: string): EncodedDataFile {
    this.#closeBlock()
    const rows = Buffer.concat([...this.#blocks, encodeTrailer(this.#table, rowsMagic)])
    const entries = Buffer.from(this.#entries.join(''))
    const packed = compress(entries)
    const trailer = encodeTrailer([...this.#table, packed.length, entries.length], indexMagic)
    const index = Buffer.concat([packed, ...this.#sums, trailer])
    const file: DataFile = {
      name,
      type: familiesType,
      first: this.#first ?? '',
      last: this.#last,
      count: this.#entries.length,
      rows: this.#rows,
      types: [...this.#types].sort(compareUtf8),
      rawBytes: this.#rawBytes,
      sum: this.#sum.hex(),
      bytes: rows.length,
      sha256: hash('sha256', rows),
      indexBytes: index.length,
      indexSha256: hash('sha256', index),
    }
    return { file, rows, index }
  }

  #closeBlock(): void {
    if (this.#blockLength === 0) return
    const packed = compress(Buffer.from(this.#block.join('')))
    this.#blocks.push(packed)
    this.#table.push(packed.length, this.#blockLength)
    this.#block = []
    this.#blockLength = 0
  }
}

/** The families of a file, after everything the manifest says of it was compared. Errors: `snapshot_corrupt`. */
export function* decodeFamilyFile(file: DataFile, bytes: Uint8Array): Generator<Family> {
  const fail = failing(`data file ${file.name}`)
  const sum = new ContentSum()
  let count = 0
  let rowCount = 0
  let first: string | undefined
  let last: string | undefined
  for (const text of unpackedBlocks(file, bytes)) {
    for (const family of parseFamilies(text, fail)) {
      if (last !== undefined && compareUtf8(last, family.id) >= 0) throw fail('its families are not in order')
      for (const row of family.rows) sum.add(rowHash(row.type, row.id, row.body))
      first ??= family.id
      last = family.id
      count++
      rowCount += family.rows.length
      yield family
    }
  }
  const isAsTold =
    count === file.count &&
    rowCount === file.rows &&
    first === file.first &&
    last === file.last &&
    sum.hex() === file.sum
  if (!isAsTold) throw fail('its families are not those of the manifest')
}

/** Each begins with its entry. */
function* parseFamilies(text: string, fail: Fail): Generator<Family> {
  let family: { readonly id: string; readonly entry: FamilyEntry; readonly rows: FamilyMember[] } | undefined
  for (const line of text.split('\n').slice(0, -1)) {
    const row = parseMember(line, fail)
    if (row.type === entryType) {
      if (family) yield family
      family = { id: row.id, entry: decodeEntry(JSON.parse(row.body) as EncodedEntry), rows: [] }
    } else {
      if (!family || familyIdOf(row.id) !== family.id) throw fail('a row is in no family')
      family.rows.push(row)
    }
  }
  if (family) yield family
}

/** The text of each block, after size and hash of the file were compared. Errors: `snapshot_corrupt`. */
function* unpackedBlocks(file: DataFile, bytes: Uint8Array, encoding: 'utf8' | 'latin1' = 'utf8'): Generator<string> {
  const fail = failing(`data file ${file.name}`)
  if (bytes.length !== file.bytes) throw fail(`it has ${bytes.length} bytes, not ${file.bytes}`)
  if (hash('sha256', bytes) !== file.sha256) throw fail('its hash is another')
  const { table, start } = decodeTrailer(bytes, rowsMagic, fail)
  let at = 0
  for (const [packed, raw] of pairs(table)) {
    const text = decompress(bytes.subarray(at, at + packed), raw, fail, encoding)
    if (!text.endsWith('\n')) throw fail('a block does not end with a row')
    yield text
    at += packed
  }
  if (at !== start) throw fail('its blocks do not fill it')
}

/** As frameRows for the rows of one type, in the order of their ids. Errors: `snapshot_corrupt`. */
export function frameFamilyRows(
  file: DataFile,
  bytes: Uint8Array,
  { type, frame: [before, between, after] }: { readonly type: string; readonly frame: RowFrame },
): Buffer {
  // No row has a line feed in it, and no block begins with a row: an entry comes first.
  const begin = Buffer.from(`\n${JSON.stringify(type)}\t`).toString('latin1')
  const framed: Buffer[] = []
  for (const text of unpackedBlocks(file, bytes, 'latin1')) {
    const parts: string[] = []
    for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
      const idStart = at + begin.length
      const idEnd = text.indexOf('\t', idStart)
      const end = text.indexOf('\n', idEnd)
      parts.push(before, text.slice(idStart, idEnd), between, text.slice(text.indexOf('\t', idEnd + 1) + 1, end), after)
      at = end
    }
    framed.push(Buffer.from(parts.join(''), 'latin1'))
  }
  return Buffer.concat(framed)
}

export type IndexedFamily = RowSpan & { readonly id: string; readonly entry: FamilyEntry }
export type FamilyIndex = { readonly blocks: Uint8Array; readonly families: readonly IndexedFamily[] }

/** What an index file says; `blocks` is what `findBlock` takes. Errors: `snapshot_corrupt`. */
export function decodeFamilyIndex(file: DataFile, bytes: Uint8Array): FamilyIndex {
  const fail = failing(`index file ${file.name}`)
  if (bytes.length !== file.indexBytes || hash('sha256', bytes) !== file.indexSha256) throw fail('its hash is another')
  const { table, start } = decodeTrailer(bytes, indexMagic, fail)
  const [packed, raw] = table.splice(-2) as [number, number] // decodeTrailer gives pairs, and there is one at least
  const text = decompress(bytes.subarray(0, packed), raw, fail)
  let entries: [string, number, number, number, number, EncodedEntry][]
  try {
    entries = JSON.parse(`[${text.trimEnd().replaceAll('\n', ',')}]`) as typeof entries // its hash says who wrote it
  } catch {
    throw fail('it is no list')
  }
  if (start - packed !== entries.length * sumBytes || entries.length !== file.count)
    throw fail('it has not one sum for each family')
  const sum = new ContentSum()
  const families = entries.map(([id, block, start, length, rows, entry], number) => {
    const sumAt = packed + number * sumBytes
    const ofFamily = bytes.subarray(sumAt, sumAt + sumBytes)
    sum.add(ofFamily)
    return { id, block, start, length, rows, sum: ofFamily, entry: decodeEntry(entry) }
  })
  if (sum.hex() !== file.sum) throw fail('its families are not those of the manifest')
  const blocks = Buffer.alloc(table.length * 4)
  for (const [at, value] of table.entries()) blocks.writeUInt32BE(value, at * 4)
  return { blocks, families }
}

/** Bytes of the data file in which a block is, and its length unpacked. */
export function findBlock(blocks: Uint8Array, number: number): { start: number; end: number; rawBytes: number } {
  const table = Buffer.from(blocks.buffer, blocks.byteOffset, blocks.length)
  let start = 0
  for (let block = 0; block < number; block++) start += table.readUInt32BE(block * 8)
  return { start, end: start + table.readUInt32BE(number * 8), rawBytes: table.readUInt32BE(number * 8 + 4) }
}

/** The rows of a family out of the bytes of its block. Errors: `snapshot_corrupt`. */
export function decodeFamilyAt(
  { id, start, length, sum: expected }: RowSpan & { readonly id: string },
  rawBytes: number,
  bytes: Uint8Array,
): readonly FamilyMember[] {
  const fail = failing(`family ${id} of a snapshot`)
  const text = unpack(bytes, rawBytes, fail)
    .subarray(start, start + length)
    .toString()
  const [family, ...others] = parseFamilies(text, fail)
  const sum = new ContentSum()
  for (const row of family?.rows ?? []) sum.add(rowHash(row.type, row.id, row.body))
  if (family?.id !== id || others.length > 0 || !sum.bytes().equals(expected))
    throw fail('it is not what the index says')
  return family.rows
}

function parseMember(line: string, fail: Fail): FamilyMember {
  const typeEnd = line.indexOf('\t')
  const idEnd = line.indexOf('\t', typeEnd + 1)
  const bodyStart = line.indexOf('\t', idEnd + 1) + 1
  const changedAt = Number(line.slice(idEnd + 1, bodyStart - 1))
  if (typeEnd < 0 || idEnd < 0 || bodyStart === 0 || !Number.isSafeInteger(changedAt))
    throw fail('a row has another shape')
  return {
    type: parseText(line.slice(0, typeEnd), fail),
    id: parseText(line.slice(typeEnd + 1, idEnd), fail),
    changedAt,
    body: line.slice(bodyStart),
  }
}

function parseText(text: string, fail: Fail): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'string') return value
  } catch {
    // Said below.
  }
  throw fail('a row has no type or id')
}

type EncodedEntry = readonly [
  order: number,
  path: string,
  state: number,
  number: number,
  label: string,
  createdAt: number,
  startedAt: number | null,
  endedAt: number | null,
  removableSince: number | null,
  repeats: string | null,
]

function encodeEntry(entry: FamilyEntry): EncodedEntry {
  const { order, path, state, number, label, createdAt, startedAt, endedAt, removableSince, repeats } = entry
  const rest = [startedAt ?? null, endedAt ?? null, removableSince ?? null, repeats ?? null] as const
  return [order, path, state, number, label, createdAt, ...rest]
}

function decodeEntry(encoded: EncodedEntry): FamilyEntry {
  const [order, path, state, number, label, createdAt, startedAt, endedAt, removableSince, repeats] = encoded
  return {
    order,
    path,
    state,
    number,
    label,
    createdAt,
    ...(startedAt === null ? {} : { startedAt }),
    ...(endedAt === null ? {} : { endedAt }),
    ...(removableSince === null ? {} : { removableSince }),
    ...(repeats === null ? {} : { repeats }),
  }
}
