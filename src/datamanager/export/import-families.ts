// Families of an export, whose rows come one type after the other. They are first written as parts, which are then read again
// side by side, so that the new generation begins with its final families cold: whoever opens it reads their index and not
// their rows, and has them neither in memory nor in its file.

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { collectBytes } from '../../lib/bytes.ts'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { limits } from '../../lib/limits.ts'
import { compareMembers, FamilyFileEncoder, type FamilyMember, familyIdOf } from '../cold/family-file.ts'
import { isUuid } from '../cold/stored-entry.ts'
import type { FamilyEntry, RowTypes } from '../database.ts'
import type { SnapshotRow } from '../snapshot/data-file.ts'
import { dataPrefix, type StoragePlace } from '../snapshot/keys.ts'
import type { ExportRow } from './export-format.ts'
import type { ImportFiles } from './import-files.ts'

/** Smaller ones are packed at once: sooner than other threads have heard of it. */
const asideBytesMin = 256 * 1024
/** They are read once, soon. */
const packing = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
const packAside = promisify(zstdCompress)
const unpackAside = promisify(zstdDecompress)
/** What a part says of a row with which its family does not become cold; of a final head it has the entry. */
const keepsWarm = '!'

export type ImportFamiliesOptions = {
  readonly place: StoragePlace
  readonly generation: string
  readonly types: RowTypes
  readonly files: ImportFiles
  readonly fileBytesMax: number
  readonly familyFileBytesMax: number
  readonly signal: AbortSignal | undefined
}

type Part = { readonly key: string; readonly rawBytes: number }
/** `note`: JSON of the entry of a final head, keepsWarm, or nothing. */
type PartRow = SnapshotRow & { readonly note: string }

export class ImportFamilies {
  readonly #options: ImportFamiliesOptions
  /** In the order of the types. */
  readonly #parts = new Map<string, Part[]>()
  #type = ''
  #lines: string[] = []
  #length = 0
  #count = 0

  constructor(options: ImportFamiliesOptions) {
    this.#options = options
    const head = Object.entries(options.types).find(([, { family }]) => family)
    const types = head ? [head[0], ...(head[1].family?.members ?? [])] : []
    for (const type of types.sort(compareUtf8)) this.#parts.set(type, [])
  }

  /** Whether families have rows of this type. */
  has(type: string): boolean {
    return this.#parts.has(type)
  }

  /** In the order of the export, of a type that families have. Errors: of the storage. */
  add({ type, id, body }: ExportRow, text: string): Promise<void> | undefined {
    const isFull = this.#type !== type || this.#length >= this.#options.fileBytesMax
    const writing = isFull && this.#length > 0 ? this.#writePart() : undefined
    this.#type = type
    this.#lines.push(JSON.stringify(id), '\t', this.#noteOf(type, body), '\t', text, '\n')
    this.#length += id.length + text.length
    return writing
  }

  /** Writes them all as data files, cold families as such. Errors: of the storage. */
  async finish(): Promise<void> {
    if (this.#length > 0) await this.#writePart()
    const { files, signal } = this.#options
    await files.settle()
    if (this.#count === 0) return
    const merge = new FamilyMerge(this.#options)
    const cursors = [...this.#parts].map(([type, parts]) => new Cursor(type, this.#readParts(parts)))
    for (;;) {
      signal?.throwIfAborted()
      let first: Cursor | undefined
      for (const cursor of cursors)
        if (await cursor.fill()) if (!first || compareUtf8(cursor.next, first.next) < 0) first = cursor
      if (!first) break
      const id = familyIdOf(first.next)
      if (!isUuid(id)) {
        await merge.addOthers(first.type, [first.take()])
        continue
      }
      const members = new Map<string, readonly PartRow[]>()
      for (const cursor of cursors) {
        const rows = await cursor.takeFamily(id)
        if (rows.length > 0) members.set(cursor.type, rows)
      }
      await merge.add(id, members)
    }
    await merge.finish()
  }

  /** As the read model decides it. All functions were called with this body before. */
  #noteOf(type: string, body: unknown): string {
    const { family, indexes = {}, familyIndexes = [], localIndexes = [] } = this.#options.types[type] ?? {}
    for (const name in indexes) {
      if (familyIndexes.includes(name) || localIndexes.includes(name)) continue
      if (indexes[name]!(body as never) !== undefined) return keepsWarm // that index would lose it
    }
    return family?.isFinal(body as never) ? JSON.stringify(family.entry(body as never)) : ''
  }

  async #writePart(): Promise<void> {
    const { place, generation, files } = this.#options
    const raw = Buffer.from(this.#lines.join(''))
    const key = `${dataPrefix(place.base, generation)}import-part-${this.#count++}`
    this.#parts.get(this.#type)?.push({ key, rawBytes: raw.length })
    this.#lines = []
    this.#length = 0
    const packed = raw.length < asideBytesMin ? zstdCompressSync(raw, packing) : await packAside(raw, packing)
    await files.writePart(key, packed)
  }

  /** Each is removed when it was read: it is of no use to anybody else. */
  async *#readParts(parts: readonly Part[]): AsyncGenerator<PartRow[]> {
    const { place, signal } = this.#options
    for (const { key, rawBytes } of parts) {
      const packed = await collectBytes(place.ost.read(key, signal ? { signal } : {}))
      const bounds = { maxOutputLength: rawBytes, chunkSize: Math.max(rawBytes, 64) }
      const raw = rawBytes < asideBytesMin ? zstdDecompressSync(packed, bounds) : await unpackAside(packed, bounds)
      yield raw.toString().split('\n').slice(0, -1).map(parseRow)
      await place.ost.delete(key, signal).catch(() => undefined) // collected later
    }
  }
}

const parseRow = (line: string): PartRow => {
  const idEnd = line.indexOf('\t')
  const noteEnd = line.indexOf('\t', idEnd + 1)
  const id = line.slice(1, idEnd - 1)
  return {
    id: id.includes('\\') ? (JSON.parse(line.slice(0, idEnd)) as string) : id, // JSON.stringify made it
    changedAt: 0,
    note: line.slice(idEnd + 1, noteEnd),
    body: line.slice(noteEnd + 1),
  }
}

/** Rows of one type in the order of their ids. */
class Cursor {
  readonly type: string
  readonly #pieces: AsyncIterator<PartRow[]>
  #rows: readonly PartRow[] = []
  #at = 0

  constructor(type: string, pieces: AsyncIterable<PartRow[]>) {
    this.type = type
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** The id that comes next, after `fill` was true. */
  get next(): string {
    return this.#rows[this.#at]!.id
  }

  /** False at the end. */
  fill(): Promise<boolean> | boolean {
    return this.#at < this.#rows.length || this.#read()
  }

  take(): PartRow {
    return this.#rows[this.#at++]!
  }

  /** What comes next up to the last id that belongs to the family: perhaps others between them, like `ID!`. */
  async takeFamily(id: string): Promise<readonly PartRow[]> {
    const rows: PartRow[] = []
    while (await this.fill()) {
      const from = this.#at
      while (this.#at < this.#rows.length && isUpTo(this.#rows[this.#at]!.id, id)) this.#at++
      rows.push(...this.#rows.slice(from, this.#at))
      if (this.#at < this.#rows.length) break
    }
    return rows
  }

  async #read(): Promise<boolean> {
    const { value, done } = await this.#pieces.next()
    if (done === true) return false
    this.#rows = value // no part is empty
    this.#at = 0
    return true
  }
}

const isUpTo = (rowId: string, id: string) =>
  rowId.startsWith(id) && (rowId.length === id.length || rowId.charCodeAt(id.length) <= slash)
const slash = 0x2f

class FamilyMerge {
  readonly #options: ImportFamiliesOptions
  readonly #others = new Map<string, { rows: SnapshotRow[]; bytes: number }>()
  #encoder = new FamilyFileEncoder()

  constructor(options: ImportFamiliesOptions) {
    this.#options = options
  }

  /** In the order of the ids. */
  async add(id: string, members: ReadonlyMap<string, readonly PartRow[]>): Promise<void> {
    const entry = entryOf(id, members)
    if (!entry) {
      for (const [type, rows] of members) await this.addOthers(type, rows)
      return
    }
    const rows: FamilyMember[] = []
    for (const [type, found] of members) {
      const others = found.filter((row) => familyIdOf(row.id) !== id)
      if (others.length > 0) await this.addOthers(type, others)
      for (const row of found) if (familyIdOf(row.id) === id) rows.push({ type, ...row })
    }
    rows.sort(compareMembers)
    this.#encoder.add({ id, entry, rows })
    if (this.#encoder.rawBytes >= this.#options.familyFileBytesMax) await this.#writeFamilies()
  }

  /** Rows of no cold family, in the order of their ids. */
  async addOthers(type: string, rows: readonly SnapshotRow[]): Promise<void> {
    let others = this.#others.get(type)
    if (!others) {
      others = { rows: [], bytes: 0 }
      this.#others.set(type, others)
    }
    for (const row of rows) {
      if (others.bytes >= this.#options.fileBytesMax) {
        await this.#options.files.write(type, others.rows)
        others.rows = []
        others.bytes = 0
      }
      others.rows.push(row)
      others.bytes += row.id.length + row.body.length + 16
    }
  }

  async finish(): Promise<void> {
    if (!this.#encoder.isEmpty) await this.#writeFamilies()
    for (const [type, { rows }] of this.#others) if (rows.length > 0) await this.#options.files.write(type, rows)
  }

  async #writeFamilies(): Promise<void> {
    const encoder = this.#encoder
    this.#encoder = new FamilyFileEncoder()
    await this.#options.files.writeFamilies(encoder)
  }
}

/** Of a family that becomes cold; undefined when it has no final head, does not fit, or a row keeps it. */
function entryOf(id: string, members: ReadonlyMap<string, readonly PartRow[]>): FamilyEntry | undefined {
  let entry: FamilyEntry | undefined
  let bytes = 0
  for (const rows of members.values())
    for (const row of rows) {
      if (row.note === keepsWarm) return undefined
      if (row.note !== '' && row.id === id) entry = JSON.parse(row.note) as FamilyEntry // noteOf made it
      bytes += row.id.length + row.body.length
    }
  return bytes <= limits.familyBytes.value ? entry : undefined
}
