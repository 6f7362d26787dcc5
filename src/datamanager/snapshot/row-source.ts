// Reads the rows for a snapshot through a connection of its own, one range per short read transaction, and encodes them.
// Runs in a worker thread (snapshot-worker.ts); the simulation calls it directly.
//
// Each range is read at the position the database has just then. To become rows of one position, the caller collects the
// keys of rows that change from before the first read on. `openCut` chooses the position; `readOverlay` reads those rows
// there; `patch` lays them over the files they belong to.

import type { DatabaseSync } from 'node:sqlite'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { invariant } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { RecordHash } from '../change-log.ts'
import { Entries } from '../cold/entries.ts'
import {
  compareMembers,
  decodeFamilyFile,
  type Family,
  FamilyFileEncoder,
  familyIdOf,
  frameFamilyRows,
} from '../cold/family-file.ts'
import { isUuid } from '../cold/stored-entry.ts'
import type { Position } from '../database.ts'
import { exportRowFrame } from '../export/export-format.ts'
import { hashNumber } from '../read-model/content-hash.ts'
import { Statements } from '../read-model/rows.ts'
import { openReadConnection } from '../read-model/sqlite.ts'
import {
  type DataFile,
  decodeDataFile,
  type EncodedDataFile,
  encodeDataFile,
  familiesType,
  frameRows,
  type SnapshotRow,
  transactionsType,
} from './data-file.ts'
import { type IdRange, isWithin, rangesOfFiles } from './ranges.ts'

export type RowSourceOptions = {
  readonly path: string
  /** Files are named after it; never used before. */
  readonly namePrefix: string
  readonly fileBytesMax: number
  /** Names of the types of which families have rows; empty for a database without. */
  readonly familyTypes: readonly string[]
  readonly familyFileBytesMax: number
}

export type Cut = { readonly position: Position; readonly hash: RecordHash; readonly contentHash: string }

export type Piece = {
  readonly encoded: EncodedDataFile | undefined
  /** The first id that did not fit any more; undefined at the end of the range. */
  readonly next: string | undefined
}

/** What a file of the snapshot before says of a range of rows. */
export type RangeState = { readonly position: Position; readonly count: number; readonly sum: bigint }

/** Where rows changed while the snapshot was made: a file, or a type that has none. */
export type Patch = IdRange & { readonly file: DataFile | undefined }

/** Calls come one at a time, in the order of the methods; only those of exportLines may overlap. */
export interface RowSource {
  /** Names of all row types. */
  types(): Promise<readonly string[]>
  /** Chooses the families that become cold with this snapshot, among those that are here and final. */
  chooseFamilies(): Promise<void>
  /** Whether every family of these files is still there and cold, and none was chosen whose id is in the range. */
  areFamiliesClean(range: IdRange, files: readonly DataFile[]): Promise<boolean>
  /** Begins with the chosen families of the range; `addFamilies` brings those of each old file, in order. */
  beginFamilies(range: IdRange): Promise<void>
  /** The files that are full now. */
  addFamilies(file: DataFile, rows: Uint8Array): Promise<readonly EncodedDataFile[]>
  endFamilies(): Promise<readonly EncodedDataFile[]>
  /** Whether the rows of the range are still those that the snapshot before has. */
  isClean(range: IdRange, at: RangeState): Promise<boolean>
  /** The rows of the range as one file, or its first rows. */
  encode(range: IdRange): Promise<Piece>
  /** Begins to read one state, the newest; readOverlay, called soon, ends it. */
  openCut(): Promise<Cut>
  readOverlay(keys: readonly string[]): Promise<void>
  /** What of `files` (in order) has to be patched. */
  planPatches(files: readonly DataFile[]): Promise<readonly Patch[]>
  /** The files that take the place of `patch.file`, of which `rows` are the bytes; undefined when nothing differs. */
  patch(patch: Patch, rows: Uint8Array | undefined): Promise<readonly EncodedDataFile[] | undefined>
  /** The rows of a data file as lines of an export; of a file of families those of one type. */
  exportLines(file: DataFile, rows: Uint8Array, type: string): Promise<Uint8Array>
  /** Transaction ids up to `position`, the first of them or those after `after`. */
  encodeTransactions(position: Position, after: string): Promise<Piece>
  close(): Promise<void>
}

type StoredRow = { id: string; changed_at: number; body: string }
type FamilyMerge = { encoder: FamilyFileEncoder; readonly chosen: readonly string[]; next: number }

export class LocalRowSource implements RowSource {
  readonly #connection: DatabaseSync
  readonly #statements: Statements
  readonly #options: RowSourceOptions
  readonly #entries: Entries
  readonly #overlay = new Map<string, Map<string, SnapshotRow | undefined>>()
  /** Families that are no part of any file of families, because they have changed meanwhile. */
  readonly #overlaidFamilies = new Set<string>()
  /** Files that this instance reads cold families from, and how many, when the families were chosen. */
  #files: ReadonlyMap<string, { readonly number: number; readonly families: number }> = new Map()
  /** In the order of their ids. */
  #chosen: readonly string[] = []
  #isChosen: ReadonlySet<string> = new Set()
  #merging: FamilyMerge | undefined
  #names = 0

  constructor(options: RowSourceOptions) {
    this.#options = options
    this.#connection = openReadConnection(options.path)
    this.#statements = new Statements(this.#connection)
    this.#entries = new Entries(this.#connection)
  }

  async types(): Promise<readonly string[]> {
    return this.#statements
      .of('SELECT name FROM stored_type ORDER BY name')
      .all()
      .map(({ name }) => String(name))
  }

  async chooseFamilies(): Promise<void> {
    if (this.#options.familyTypes.length === 0) return
    // What changes later is laid over the files.
    this.#files = new Map(this.#reading(() => this.#entries.files()).map((file) => [file.name, file]))
    const found = this.#reading(() => this.#entries.finalIds(limits.coldFamiliesAtOnce.value))
    this.#chosen = found.filter((id) => this.#sizeOfFamily(id) <= limits.familyBytes.value).sort(compareUtf8)
    this.#isChosen = new Set(this.#chosen)
  }

  async areFamiliesClean(range: IdRange, files: readonly DataFile[]): Promise<boolean> {
    const areWhole = files.every(({ name, count }) => this.#files.get(name)?.families === count)
    return areWhole && !this.#chosen.some((id) => isWithin(id, range))
  }

  async beginFamilies(range: IdRange): Promise<void> {
    invariant(!this.#merging, 'families of another range are being read')
    const chosen = this.#chosen.filter((id) => isWithin(id, range))
    this.#merging = { encoder: new FamilyFileEncoder(), chosen, next: 0 }
  }

  async addFamilies(file: DataFile, rows: Uint8Array): Promise<readonly EncodedDataFile[]> {
    const files: EncodedDataFile[] = []
    const number = this.#files.get(file.name)?.number
    for (const family of decodeFamilyFile(file, rows)) {
      this.#addChosen(family.id, files)
      // Those that are here by now are chosen, or among the other rows.
      const cold = this.#reading(() => this.#entries.cold(family.id))
      if (cold && cold.file === number) this.#addFamily(family, files)
    }
    return files
  }

  async endFamilies(): Promise<readonly EncodedDataFile[]> {
    const files: EncodedDataFile[] = []
    this.#addChosen(undefined, files)
    const encoder = this.#merging?.encoder
    if (encoder && !encoder.isEmpty) files.push(encoder.finish(this.#newName()))
    this.#merging = undefined
    return files
  }

  /** The chosen families before an id, or all that are left. */
  #addChosen(before: string | undefined, files: EncodedDataFile[]): void {
    const merging = this.#merging
    invariant(merging, 'no families are being read')
    for (; merging.next < merging.chosen.length; merging.next++) {
      const id = merging.chosen[merging.next]!
      if (before !== undefined && compareUtf8(id, before) >= 0) return
      const family = this.#reading(() => this.#readFamily(id))
      if (family) this.#addFamily(family, files)
    }
  }

  #addFamily(family: Family, files: EncodedDataFile[]): void {
    const merging = this.#merging
    invariant(merging, 'no families are being read')
    merging.encoder.add(family)
    if (merging.encoder.rawBytes < this.#options.familyFileBytesMax) return
    files.push(merging.encoder.finish(this.#newName()))
    merging.encoder = new FamilyFileEncoder()
  }

  /** The rows of a family that are here; undefined when it has no head any more. */
  #readFamily(id: string): Family | undefined {
    const entry = this.#entries.get(id)
    if (!entry || this.#entries.cold(id)) return undefined
    return { id, entry, rows: this.#rowsOfFamily(id) }
  }

  #rowsOfFamily(id: string): (SnapshotRow & { readonly type: string })[] {
    const select = this.#statements.of(`SELECT id, changed_at, body FROM stored_row
      WHERE type = (SELECT number FROM stored_type WHERE name = ?) AND (id = ? OR (id > ? AND id < ?))`)
    const rows = this.#options.familyTypes.flatMap((type) =>
      (select.all(type, id, `${id}/`, `${id}0`) as StoredRow[]).map((row) => ({ type, ...asRow(row) })),
    )
    return rows.sort(compareMembers)
  }

  #sizeOfFamily(id: string): number {
    const select = this.#statements.of(`SELECT total(length(body) + length(id)) AS bytes FROM stored_row
      WHERE type = (SELECT number FROM stored_type WHERE name = ?) AND (id = ? OR (id > ? AND id < ?))`)
    return this.#options.familyTypes.reduce(
      (bytes, type) => bytes + Number(select.get(type, id, `${id}/`, `${id}0`)?.bytes),
      0,
    )
  }

  #isLeftOut(type: string, id: string): boolean {
    return this.#isChosen.size > 0 && this.#isFamilyType(type) && this.#isChosen.has(familyIdOf(id))
  }

  #isFamilyType(type: string): boolean {
    return this.#options.familyTypes.includes(type)
  }

  async isClean(range: IdRange, at: RangeState): Promise<boolean> {
    return this.#reading(() => {
      const { where, values } = this.#where(range)
      if (this.#isFamilyType(range.type)) {
        // Families come and go without any row of theirs being newer, so the number of rows says nothing.
        let sum = -at.sum
        const select = this.#statements.of(`SELECT id, changed_at, hash FROM stored_row WHERE ${where}`)
        for (const stored of select.iterate(...values)) {
          const { id, changed_at, hash } = stored as { id: string; changed_at: number; hash: Uint8Array }
          if (this.#isLeftOut(range.type, id)) continue
          if (changed_at > at.position) return false
          sum += hashNumber(hash)
        }
        return sum % (1n << 256n) === 0n
      }
      const sql = `SELECT count(*) AS n, max(changed_at) AS newest FROM stored_row WHERE ${where}`
      const found = this.#statements.of(sql).get(...values)
      // Rows that came have a newer position; when none has, rows that went make the count smaller.
      return found?.n === at.count && Number(found.newest ?? 0) <= at.position
    })
  }

  async encode(range: IdRange): Promise<Piece> {
    const { where, values } = this.#where(range)
    const select = this.#statements.of(`SELECT id, changed_at, body FROM stored_row WHERE ${where} ORDER BY id`)
    const isLeftOut = (id: string) => this.#isLeftOut(range.type, id)
    function* rows() {
      for (const row of select.iterate(...values) as Iterable<StoredRow>) if (!isLeftOut(row.id)) yield row
    }
    return this.#piece(range.type, rows)
  }

  async openCut(): Promise<Cut> {
    this.#connection.exec('BEGIN')
    const state = this.#statements.of('SELECT position, hash, content_hash FROM state').get()
    invariant(state, 'the database has no meta row')
    return { position: Number(state.position), hash: String(state.hash), contentHash: String(state.content_hash) }
  }

  async readOverlay(keys: readonly string[]): Promise<void> {
    const select = this.#statements.of(
      'SELECT id, changed_at, body FROM stored_row WHERE type = (SELECT number FROM stored_type WHERE name = ?) AND id = ?',
    )
    for (const key of keys) {
      const end = key.indexOf('\0')
      const type = key.slice(0, end)
      const id = key.slice(end + 1)
      if (this.#isFamilyType(type) && !this.#overlayFamily(familyIdOf(id))) continue
      const found = select.get(type, id) as StoredRow | undefined
      this.#lay(type, id, found && asRow(found))
    }
    this.#connection.exec('COMMIT')
  }

  /** False for a family that is cold: what changed it was rolled back. */
  #overlayFamily(id: string): boolean {
    if (this.#overlaidFamilies.has(id)) return true
    if (this.#entries.cold(id)) return false
    this.#overlaidFamilies.add(id)
    // It may have been cold, or chosen: all its rows are among the others now.
    if (isUuid(id)) for (const row of this.#rowsOfFamily(id)) this.#lay(row.type, row.id, row)
    return true
  }

  #lay(type: string, id: string, row: SnapshotRow | undefined): void {
    const ofType = this.#overlay.get(type) ?? new Map<string, SnapshotRow | undefined>()
    this.#overlay.set(type, ofType)
    ofType.set(id, row)
  }

  async planPatches(files: readonly DataFile[]): Promise<readonly Patch[]> {
    const patches: Patch[] = []
    for (const file of files) {
      if (file.type !== familiesType) continue
      const { type, first, last } = file
      const isIn = (id: string) => compareUtf8(id, first) >= 0 && compareUtf8(id, last) <= 0
      if ([...this.#overlaidFamilies].some(isIn)) patches.push({ type, from: first, to: undefined, file })
    }
    for (const [type, rows] of this.#overlay) {
      const ofType = files.filter((file) => file.type === type)
      const ids = [...rows.keys()].sort(compareUtf8)
      if (ofType.length === 0) patches.push({ type, from: '', to: undefined, file: undefined })
      for (const [at, range] of rangesOfFiles(ofType).entries())
        if (ids.some((id) => isWithin(id, range))) patches.push({ ...range, file: ofType[at] })
    }
    return patches
  }

  async patch(patch: Patch, bytes: Uint8Array | undefined): Promise<readonly EncodedDataFile[] | undefined> {
    if (patch.file?.type === familiesType) return this.#withoutOverlaid(patch.file, bytes)
    const rows = new Map<string, SnapshotRow>()
    if (patch.file && bytes) for (const row of decodeDataFile(patch.file, bytes)) rows.set(row.id, row)
    let isChanged = false
    for (const [id, row] of this.#overlay.get(patch.type) ?? []) {
      if (!isWithin(id, patch)) continue
      const found = rows.get(id)
      if (found?.body === row?.body && found?.changedAt === row?.changedAt) continue
      isChanged = true
      if (row) rows.set(id, row)
      else rows.delete(id)
    }
    if (!isChanged) return undefined
    const sorted = [...rows.values()].sort((a, b) => compareUtf8(a.id, b.id))
    const files: EncodedDataFile[] = []
    for (let next = 0; next < sorted.length; ) {
      const piece = firstOf(sorted.slice(next), this.#options.fileBytesMax)
      files.push(encodeDataFile(this.#newName(), patch.type, piece))
      next += piece.length
    }
    return files
  }

  #withoutOverlaid(file: DataFile, bytes: Uint8Array | undefined): readonly EncodedDataFile[] | undefined {
    const encoder = new FamilyFileEncoder()
    let isChanged = false
    for (const family of decodeFamilyFile(file, bytes ?? new Uint8Array())) {
      if (this.#overlaidFamilies.has(family.id)) isChanged = true
      else encoder.add(family)
    }
    if (!isChanged) return undefined
    return encoder.isEmpty ? [] : [encoder.finish(this.#newName())]
  }

  async exportLines(file: DataFile, rows: Uint8Array, type: string): Promise<Uint8Array> {
    const frame = exportRowFrame(type)
    return file.type === familiesType ? frameFamilyRows(file, rows, { type, frame }) : frameRows(file, rows, frame)
  }

  async encodeTransactions(position: Position, after: string): Promise<Piece> {
    const select = this.#statements.of(
      'SELECT id, position AS changed_at, at, result FROM transaction_id WHERE id >= ? AND position <= ? ORDER BY id',
    )
    function* rows() {
      for (const row of select.iterate(after, position) as Iterable<StoredRow & { at: number; result: string | null }>)
        yield { ...row, body: `{"at":${row.at}${row.result === null ? '' : `,"result":${row.result}`}}` }
    }
    return this.#piece(transactionsType, rows)
  }

  async close(): Promise<void> {
    if (!this.#connection.isOpen) return
    if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
    this.#connection.close()
  }

  #piece(type: string, select: () => Iterable<StoredRow>): Piece {
    const rows: SnapshotRow[] = []
    let next: string | undefined
    this.#reading(() => {
      let bytes = 0
      for (const stored of select()) {
        if (bytes >= this.#options.fileBytesMax) {
          next = stored.id
          break
        }
        rows.push(asRow(stored))
        bytes += sizeOf(stored)
      }
    })
    return { encoded: rows.length === 0 ? undefined : encodeDataFile(this.#newName(), type, rows), next }
  }

  #where({ type, from, to }: IdRange): { readonly where: string; readonly values: string[] } {
    const where = 'type = (SELECT number FROM stored_type WHERE name = ?) AND id >= ?'
    return to === undefined
      ? { where, values: [type, from] }
      : { where: `${where} AND id < ?`, values: [type, from, to] }
  }

  #reading<T>(read: () => T): T {
    this.#connection.exec('BEGIN')
    try {
      return read()
    } finally {
      this.#connection.exec('COMMIT')
    }
  }

  #newName(): string {
    return `${this.#options.namePrefix}-${this.#names++}`
  }
}

const asRow = ({ id, changed_at, body }: StoredRow): SnapshotRow => ({ id, changedAt: changed_at, body })
/** About what a row takes in a file; text that is not ASCII takes more. */
const sizeOf = ({ id, body }: Pick<SnapshotRow, 'id' | 'body'>) => id.length + body.length + 16

function firstOf(rows: readonly SnapshotRow[], bytesMax: number): readonly SnapshotRow[] {
  let bytes = 0
  const end = rows.findIndex((row) => {
    const isFull = bytes >= bytesMax
    bytes += sizeOf(row)
    return isFull
  })
  return end < 0 ? rows : rows.slice(0, end)
}
