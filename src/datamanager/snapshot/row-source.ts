// Reads the rows for a snapshot through a connection of its own, one range per short read transaction, and encodes them.
// Runs in a worker thread (snapshot-worker.ts); the simulation calls it directly.
//
// Each range is read at the position the database has just then. To become rows of one position, the caller collects the
// keys of rows that change from before the first read on. `openCut` chooses the position; `readOverlay` reads those rows
// there; `patch` lays them over the files they belong to.

import type { DatabaseSync } from 'node:sqlite'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { invariant } from '../../lib/errors.ts'
import type { RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { encodeExportRow } from '../export/export-format.ts'
import { Statements } from '../read-model/rows.ts'
import { openReadConnection } from '../read-model/sqlite.ts'
import {
  type DataFile,
  decodeDataFile,
  type EncodedDataFile,
  encodeDataFile,
  mapDataFile,
  type SnapshotRow,
  transactionsType,
} from './data-file.ts'
import { type IdRange, isWithin, rangesOfFiles } from './ranges.ts'

export type RowSourceOptions = {
  readonly path: string
  /** Files are named after it; never used before. */
  readonly namePrefix: string
  readonly fileBytesMax: number
}

export type Cut = { readonly position: Position; readonly hash: RecordHash; readonly contentHash: string }

export type Piece = {
  readonly encoded: EncodedDataFile | undefined
  /** The first id that did not fit any more; undefined at the end of the range. */
  readonly next: string | undefined
}

/** Where rows changed while the snapshot was made: a file, or a type that has none. */
export type Patch = IdRange & { readonly file: DataFile | undefined }

/** Calls come one at a time, in the order of the methods. */
export interface RowSource {
  /** Names of all row types. */
  types(): Promise<readonly string[]>
  /** Whether the rows of the range are still those that a snapshot at `position` has, `count` of them. */
  isClean(range: IdRange, at: { readonly position: Position; readonly count: number }): Promise<boolean>
  /** The rows of the range as one file, or its first rows. */
  encode(range: IdRange): Promise<Piece>
  /** Begins to read one state, the newest; readOverlay, called soon, ends it. */
  openCut(): Promise<Cut>
  readOverlay(keys: readonly string[]): Promise<void>
  /** What of `files` (in order) has to be patched. */
  planPatches(files: readonly DataFile[]): Promise<readonly Patch[]>
  /** The files that take the place of `patch.file`, of which `rows` are the bytes; undefined when nothing differs. */
  patch(patch: Patch, rows: Uint8Array | undefined): Promise<readonly EncodedDataFile[] | undefined>
  /** The rows of a data file as lines of an export. */
  exportLines(file: DataFile, rows: Uint8Array): Promise<Uint8Array>
  /** Transaction ids up to `position`, the first of them or those after `after`. */
  encodeTransactions(position: Position, after: string): Promise<Piece>
  close(): Promise<void>
}

type StoredRow = { id: string; changed_at: number; body: string }

export class LocalRowSource implements RowSource {
  readonly #connection: DatabaseSync
  readonly #statements: Statements
  readonly #options: RowSourceOptions
  readonly #overlay = new Map<string, Map<string, SnapshotRow | undefined>>()
  #names = 0

  constructor(options: RowSourceOptions) {
    this.#options = options
    this.#connection = openReadConnection(options.path)
    this.#statements = new Statements(this.#connection)
  }

  async types(): Promise<readonly string[]> {
    return this.#statements
      .of('SELECT name FROM stored_type ORDER BY name')
      .all()
      .map(({ name }) => String(name))
  }

  async isClean(range: IdRange, at: { readonly position: Position; readonly count: number }): Promise<boolean> {
    return this.#reading(() => {
      const { where, values } = this.#where(range)
      const sql = `SELECT count(*) AS n, max(changed_at) AS newest FROM stored_row WHERE ${where}`
      const found = this.#statements.of(sql).get(...values)
      // Rows that came have a newer position; when none has, rows that went make the count smaller.
      return found?.n === at.count && Number(found.newest ?? 0) <= at.position
    })
  }

  async encode(range: IdRange): Promise<Piece> {
    const { where, values } = this.#where(range)
    const select = this.#statements.of(`SELECT id, changed_at, body FROM stored_row WHERE ${where} ORDER BY id`)
    return this.#piece(range.type, () => select.iterate(...values) as Iterable<StoredRow>)
  }

  async openCut(): Promise<Cut> {
    this.#connection.exec('BEGIN')
    const meta = this.#statements.of('SELECT position, hash, content_hash FROM meta').get()
    invariant(meta, 'the database has no meta row')
    return { position: Number(meta.position), hash: String(meta.hash), contentHash: String(meta.content_hash) }
  }

  async readOverlay(keys: readonly string[]): Promise<void> {
    const select = this.#statements.of(
      'SELECT id, changed_at, body FROM stored_row WHERE type = (SELECT number FROM stored_type WHERE name = ?) AND id = ?',
    )
    for (const key of keys) {
      const end = key.indexOf('\0')
      const type = key.slice(0, end)
      const id = key.slice(end + 1)
      const found = select.get(type, id) as StoredRow | undefined
      const ofType = this.#overlay.get(type) ?? new Map<string, SnapshotRow | undefined>()
      this.#overlay.set(type, ofType)
      ofType.set(id, found && asRow(found))
    }
    this.#connection.exec('COMMIT')
  }

  async planPatches(files: readonly DataFile[]): Promise<readonly Patch[]> {
    const patches: Patch[] = []
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

  async exportLines(file: DataFile, rows: Uint8Array): Promise<Uint8Array> {
    return Buffer.from(mapDataFile(file, rows, encodeExportRow))
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
