// All rows of one database at one position of its log, in SQLite. Rows change only by operations: `evaluate` runs a closure
// and collects what it wrote, `apply` repeats what a record says; both go through the same two functions, put and delete.
//
// Invariant: rows, index entries, content hash, transaction ids and position move in one SQLite transaction, and no SQLite
// transaction of this class is open when a method returns to an `await`: callers pair begin with commit or rollback
// without waiting in between.

import type { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { invariant, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import { limits } from '../../lib/limits.ts'
import { genesisHash, type RecordHash } from '../change-log.ts'
import { type ColdFamily, Entries } from '../cold/entries.ts'
import type { FamilyIndex, RowSpan } from '../cold/family-file.ts'
import { isUuid } from '../cold/stored-entry.ts'
import { ColdRows, ThawedFamilies } from '../cold/thawed.ts'
import type { Maintenance, Position, RowTypes, Schema, Transaction } from '../database.ts'
import { type DecodedRecord, encodeDelete, encodePut, type RecordedTransaction } from '../record.ts'
import {
  type Catalog,
  type DeclaredFamily,
  type DeclaredIndex,
  type DeclaredType,
  deleteEntries,
  internType,
  loadCatalog,
} from './catalog.ts'
import { decodeSum, emptyContentHash, encodeSum, hashNumber, moveSum, rowHash } from './content-hash.ts'
import { encodeIndexKey } from './index-key.ts'
import { Rows, RowsReader, Statements } from './rows.ts'
import { type Identity, openReadConnection, openWriteConnection, sqliteCode, sqliteError } from './sqlite.ts'

/** An id longer than this is a mistake of ours. */
const rowIdCharactersMax = 512
/** Rows per index that are compared with the index function at open, to notice that something it calls has changed. */
const indexSampleRows = 32

/** Where the storage is told to do something lasting; the simulation crashes before and after each. */
export type StorageCall = 'begin' | 'append' | 'commit' | 'apply' | 'move'
export type StorageCalls = <T>(name: StorageCall, call: () => T) => T
const plainCalls: StorageCalls = (_name, call) => call()

export type ReadModelOptions = {
  readonly path: string
  readonly types: RowTypes
  /** Ids for a file that does not exist yet. */
  readonly identity: Identity
  /**
   * The file can be made again from a log elsewhere: commits are atomic, but not synced one by one, so that a power cut may
   * cost the newest of them.
   */
  readonly isDerived?: boolean
  readonly storageCalls?: StorageCalls | undefined
}

/** A row of this type, of which there is at most one, says that the database is in maintenance: it is in log and snapshots. */
export const maintenanceType = '$maintenance'
export const maintenanceId = 'state'

type State = { position: Position; hash: RecordHash; sum: bigint; maintenance: Maintenance | undefined }
type StoredRow = { number: number; body: string; hash: Uint8Array }
type FamilyStoredRow = StoredRow & { readonly id: string; readonly changed_at: number }
const insertRow = 'INSERT INTO stored_row (type, id, body, changed_at, hash) VALUES (?, ?, ?, ?, ?)'

export type Remembered = { readonly position: Position; readonly at: number; readonly result: string | null }

/** What one closure did. */
export type Evaluation<T> =
  | { readonly kind: 'returned'; readonly result: T; readonly operations: readonly string[]; readonly bytes: number }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** Nothing of it stays; it has to run again when these are read. */
  | { readonly kind: 'cold'; readonly cold: ColdRows }

/** The state of a family that a snapshot has, as its index says. */
export type SnapshotFamily = RowSpan & { readonly id: string }

export class ReadModel implements Disposable {
  readonly identity: Identity
  /** Shared with the embedded log, whose records are committed together with the rows. */
  readonly connection: DatabaseSync
  readonly readConnection: DatabaseSync
  readonly storageCalls: StorageCalls
  /**
   * Whether a closure that fails after it has written is undone alone. Without, which is faster, evaluating one throws
   * EvaluateAgain.
   */
  usesSavepoints = true
  /** Called after the position has moved. */
  onApplied: () => void = () => {}
  /** While set, gets type and id, with a zero byte between, of every row that changes, also when that is rolled back. */
  touched: Set<string> | undefined
  /** Rows of cold families that were read. */
  readonly thawed = new ThawedFamilies()
  /** Of the state in the open transaction. */
  readonly entries: Entries
  readonly #catalog: Catalog
  readonly #rows: Rows
  readonly #readRows: Rows
  readonly #statements: Statements
  readonly #readStatements: Statements
  #state: State
  /** The state that is committed, while a transaction is open. */
  #committed: State | undefined
  /** The first error of SQLite in the open transaction: a closure may have swallowed it, the transaction is lost. */
  #broken: unknown
  /** In the open transaction the row that was looked up last, unless any was changed since: who reads a row often writes it. */
  #lookedUp: { readonly type: number; readonly id: string; readonly row: StoredRow | undefined } | undefined

  private constructor(connection: DatabaseSync, readConnection: DatabaseSync, options: ReadModelOptions) {
    this.connection = connection
    this.readConnection = readConnection
    this.storageCalls = options.storageCalls ?? plainCalls
    this.#statements = new Statements(connection)
    this.#readStatements = new Statements(readConnection)
    this.#run('BEGIN IMMEDIATE')
    this.#catalog = loadCatalog(connection, { ...options.types, [maintenanceType]: {} })
    for (const { type, index } of [...this.#catalog.changed, ...this.#staleIndexes()]) this.#rebuild(type, index)
    const knowledge = { mayBeCold: true }
    this.entries = new Entries(connection, knowledge)
    knowledge.mayBeCold = !this.entries.hasNoneCold
    if (this.#catalog.isFamilyChanged) this.#rebuildEntries()
    this.#run('COMMIT')
    const { thawed } = this
    this.#rows = new Rows(connection, { catalog: this.#catalog, entries: this.entries, thawed })
    this.#readRows = new Rows(readConnection, {
      catalog: this.#catalog,
      entries: new Entries(readConnection, knowledge),
      thawed,
    })
    const meta = connection.prepare('SELECT * FROM meta').get() as Identity & {
      position: number
      hash: string
      content_hash: string
    }
    this.identity = { store: meta.store, generation: meta.generation }
    const maintenance = this.#find(this.#rows.type(maintenanceType), maintenanceId)
    this.#state = {
      position: meta.position,
      hash: meta.hash,
      sum: decodeSum(meta.content_hash),
      maintenance: parseMaintenance(maintenance?.body),
    }
  }

  /** Opens or makes the file. Errors: `database_foreign`, `database_too_new`, `database_corrupt`, `disk_full`. */
  static open(options: ReadModelOptions): ReadModel {
    const connection = openWriteConnection(options.path, options.identity, emptyContentHash, genesisHash)
    let readConnection: DatabaseSync | undefined
    try {
      if (options.isDerived) connection.exec('PRAGMA synchronous = NORMAL')
      readConnection = openReadConnection(options.path)
      return new ReadModel(connection, readConnection, options)
    } catch (error) {
      readConnection?.close()
      connection.close()
      throw sqliteError(error, `open database ${options.path}`)
    }
  }

  /** Names of the types of which families have rows. */
  get familyTypes(): readonly string[] {
    return this.#catalog.familyTypes.map(({ name }) => name)
  }

  /** Position of the newest applied record; inside a transaction still the one it began at. */
  get position(): Position {
    return (this.#committed ?? this.#state).position
  }

  get hash(): RecordHash {
    return (this.#committed ?? this.#state).hash
  }

  get contentHash(): string {
    return encodeSum((this.#committed ?? this.#state).sum)
  }

  /** Set while the database is frozen, as of the newest applied record. */
  get maintenance(): Maintenance | undefined {
    return (this.#committed ?? this.#state).maintenance
  }

  get isInTransaction(): boolean {
    return this.#committed !== undefined
  }

  /** Runs `read` on the newest committed state, through the read-only connection. Errors: ColdRows. */
  view<S extends Schema, T>(read: (tx: RowsReader<S>) => T): T {
    const tx = new RowsReader<S>(this.#readRows)
    const isOuter = !this.readConnection.isTransaction
    if (isOuter) this.#readStatements.of('BEGIN').run()
    try {
      const result = mustBeSynchronous(read(tx), 'view')
      if (tx.cold) throw tx.cold
      return result
    } catch (error) {
      throw tx.cold ?? sqliteError(error, 'read the database')
    } finally {
      tx.close()
      if (isOuter) this.#readStatements.of('COMMIT').run()
    }
  }

  begin(): void {
    invariant(!this.#committed, 'a transaction is open already')
    this.#lookedUp = undefined
    this.storageCalls('begin', () => this.#run('BEGIN IMMEDIATE'))
    this.#committed = { ...this.#state }
    this.#broken = undefined
  }

  /** Makes everything since begin durable, as the state after the record `hash` at `position`. */
  commit(position: Position, hash: RecordHash): void {
    invariant(this.#committed, 'no transaction is open')
    this.#state.position = position
    this.#state.hash = hash
    this.#statements
      .of('UPDATE meta SET position = ?, hash = ?, content_hash = ?')
      .run(position, hash, encodeSum(this.#state.sum))
    this.storageCalls('commit', () => this.#run('COMMIT'))
    this.#committed = undefined
    this.onApplied()
  }

  rollback(): void {
    if (!this.#committed) return
    this.#state = this.#committed
    this.#committed = undefined
    // Some errors of SQLite (disk full, I/O) have rolled back already.
    if (this.connection.isTransaction) this.#run('ROLLBACK')
  }

  /** After a failed commit: rolls back, and tells whether the file is still at the state that was committed before. */
  isAsCommitted(): boolean {
    this.rollback()
    const meta = this.#statements.of('SELECT position, hash FROM meta').get()
    return meta?.position === this.position && meta.hash === this.hash
  }

  /**
   * Runs `closure` in the open transaction as part of record `position`. If it throws, nothing of it stays; if SQLite
   * failed below it, this throws and the whole transaction must be rolled back, as after EvaluateAgain. While the database is in maintenance only
   * closures that are part of it (`isMaintenance`) may write.
   */
  evaluate<S extends Schema, T>(
    closure: (tx: Transaction<S>) => T,
    position: Position,
    isMaintenance = false,
  ): Evaluation<T> {
    const refusing = isMaintenance ? undefined : this.#state.maintenance
    const tx = new RowsWriter<S>(this.#rows, this, { position, refusing })
    const before = { ...this.#state }
    let evaluation: Evaluation<T>
    try {
      const result = mustBeSynchronous(closure(tx), 'do')
      evaluation = { kind: 'returned', result, operations: tx.operations, bytes: tx.bytes }
    } catch (error) {
      evaluation = { kind: 'threw', error }
    } finally {
      tx.close()
    }
    if (this.#broken !== undefined) throw this.#broken
    if (evaluation.kind === 'threw' && sqliteCode(evaluation.error) !== undefined) throw evaluation.error
    // A failed put may have changed the row before it failed; a closure that swallows the error must not keep half of it.
    if (tx.failure !== undefined && evaluation.kind === 'returned') evaluation = { kind: 'threw', error: tx.failure }
    if (tx.cold) evaluation = { kind: 'cold', cold: tx.cold }
    if (tx.hasChanged && this.usesSavepoints) {
      if (evaluation.kind !== 'returned') this.#undo(before)
      this.#run('RELEASE closure')
    } else if (tx.hasChanged && evaluation.kind !== 'returned') throw new EvaluateAgain()
    return evaluation
  }

  /** In the open transaction: a row as a snapshot has it. */
  restoreRow(type: string, row: { readonly id: string; readonly body: string; readonly changedAt: Position }): void {
    this.put(this.#typeOf(type), row.id, row.body, row.changedAt)
  }

  /** Cold families as the index file of a snapshot's data file has them. `entries.finishRestore` must follow. */
  restoreFamilies(name: string, { blocks, families }: FamilyIndex): void {
    this.begin()
    try {
      this.entries.restore(this.entries.addFile(name, blocks), families)
      for (const { sum } of families) this.#state.sum = moveSum(this.#state.sum, sum, undefined)
      this.commit(0, genesisHash) // As loadSnapshot: at no position before it has all rows.
    } catch (error) {
      this.rollback()
      throw error
    }
  }

  /**
   * Families as a snapshot at `position` has them in its file, which is durable and which the newest manifest names: those
   * that are the same here become cold, or are read from that file from now on. The others stay as they are. Nothing else
   * changes. No transaction may be open.
   */
  adoptFamilies(file: number, families: readonly SnapshotFamily[], position: Position): void {
    this.#move(() => {
      for (const family of families) this.#adoptFamily(file, family, position)
    })
  }

  /** The number of a file of families of a snapshot; families that are in it already stay there. */
  adoptFile(name: string, blocks: Uint8Array): number {
    const known = this.entries.files().find((file) => file.name === name)
    return known?.number ?? this.#move(() => this.entries.addFile(name, blocks))
  }

  removeUnusedFiles(): void {
    this.#move(() => this.entries.removeUnusedFiles())
  }

  /** Brings the rows of cold families back; returns what has to be read first, and then has done nothing. */
  takeBack(families: readonly ColdFamily[]): ColdRows | undefined {
    const missing = families.filter(({ key }) => !this.thawed.find(key))
    if (missing.length > 0) return new ColdRows(missing)
    this.#move(() => {
      for (const family of families) if (this.entries.cold(family.id)?.key === family.key) this.#thaw(family)
    })
    return undefined
  }

  /** A transaction that changes where rows are, and no row. It is no part of the log and may be lost in a crash. */
  #move<T>(act: () => T): T {
    invariant(!this.isInTransaction, 'a transaction is open')
    // Not synced: what follows it in the WAL and is synced makes it durable, and nothing rests on it before.
    this.#run('PRAGMA synchronous = NORMAL')
    this.#run('BEGIN IMMEDIATE')
    try {
      const result = act()
      this.storageCalls('move', () => this.#run('COMMIT'))
      return result
    } catch (error) {
      if (this.connection.isTransaction) this.#run('ROLLBACK')
      throw sqliteError(error, 'move rows of families')
    } finally {
      this.#run('PRAGMA synchronous = FULL')
    }
  }

  #adoptFamily(file: number, span: SnapshotFamily, position: Position): void {
    const cold = this.entries.cold(span.id)
    if (cold) {
      if (Buffer.compare(cold.sum, span.sum) === 0) this.entries.makeCold(span.id, file, span)
      return
    }
    if (!this.entries.get(span.id)) return
    const rows = this.#familyRows(span.id)
    let sum = 0n
    for (const { row } of rows) sum = moveSum(sum, row.hash, undefined)
    const isSame =
      rows.length === span.rows && sum === hashNumber(span.sum) && rows.every(({ row }) => row.changed_at <= position)
    if (!isSame) return
    if (rows.some(({ type, row }) => this.#keepsWarm(type, row))) {
      this.entries.keepWarm(span.id)
      return
    }
    for (const { type, row } of rows) {
      this.#statements.of('DELETE FROM stored_row WHERE number = ?').run(row.number)
      this.#reindex(type, row.id, row.number, row.body, undefined)
    }
    this.entries.makeCold(span.id, file, span)
  }

  /** The rows of a family that are here. */
  #familyRows(id: string): { readonly type: DeclaredType; readonly row: FamilyStoredRow }[] {
    const select = this.#statements.of(
      'SELECT number, id, body, hash, changed_at FROM stored_row WHERE type = ? AND (id = ? OR (id > ? AND id < ?))',
    )
    return this.#catalog.familyTypes.flatMap((type) =>
      (select.all(type.number, id, `${id}/`, `${id}0`) as FamilyStoredRow[]).map((row) => ({ type, row })),
    )
  }

  /** An index that says nothing of cold rows would lose this one. */
  #keepsWarm(type: DeclaredType, { body }: FamilyStoredRow): boolean {
    const strict = type.indexes.filter(({ ofCold }) => ofCold === 'none')
    if (strict.length === 0) return false
    const parsed: unknown = JSON.parse(body)
    return strict.some(({ keyOf }) => keyOf(parsed) !== undefined)
  }

  /** In the open transaction: brings the rows of a cold family back. Errors: ColdRows when they were not read. */
  #thaw(cold: ColdFamily): void {
    this.#lookedUp = undefined
    const { rows } = this.thawed.get(cold)
    this.entries.makeWarm(cold)
    for (const { type: name, id, body, changedAt, hash } of rows) {
      const type = this.#typeOf(name)
      const { lastInsertRowid } = this.#statements.of(insertRow).run(type.number, id, body, changedAt, hash)
      this.#index(type, id, Number(lastInsertRowid), body)
    }
  }

  /**
   * Applies the record after `position` to the rows and moves there, in one SQLite transaction, in which `also` is called
   * before the commit. Errors besides those of the database: ColdRows when it changes a family that was not read.
   */
  apply(record: DecodedRecord, also?: () => void): void {
    const { store, generation } = this.identity
    if (record.store !== store || record.generation !== generation)
      throw new SlipwayError(
        'database_foreign',
        `record ${record.position} is of store ${record.store}, generation ${record.generation}; this is store ${store}, generation ${generation}`,
      )
    if (record.position !== this.position + 1 || record.prev !== this.hash)
      throw new SlipwayError(
        'database_corrupt',
        `record ${record.position} follows ${record.prev}, but the database is at ${this.position}, ${this.hash}`,
      )
    this.storageCalls('apply', () => {
      this.begin()
      try {
        for (const transaction of record.transactions) this.#applyTransaction(transaction, record.position)
        also?.()
        this.commit(record.position, record.hash)
      } catch (error) {
        this.rollback()
        throw error instanceof ColdRows ? error : sqliteError(error, `apply record ${record.position}`)
      }
    })
  }

  /** What the transaction with this id returned, if it was committed at or after `since`. */
  remembered(transactionId: string, since: number): Remembered | undefined {
    return this.#statements
      .of('SELECT position, at, result FROM transaction_id WHERE id = ? AND at >= ?')
      .get(transactionId, since) as Remembered | undefined
  }

  /** In the open transaction: keeps what a transaction with an id returned (JSON text). */
  remember(transactionId: string, position: Position, at: number, result: string | undefined): void {
    this.#statements
      .of('INSERT OR REPLACE INTO transaction_id (id, position, at, result) VALUES (?, ?, ?, ?)')
      .run(transactionId, position, at, result ?? null)
  }

  /** In the open transaction: forgets transaction ids committed before `before`. */
  forget(before: number): void {
    this.#statements.of('DELETE FROM transaction_id WHERE at < ?').run(before)
  }

  /** The problems found in rows, indexes and content hash; empty when all is well. Reads everything. */
  verify(): { readonly rows: number; readonly problems: string[] } {
    const problems: string[] = []
    for (const row of this.connection.prepare('PRAGMA integrity_check(10)').all())
      if (row.integrity_check !== 'ok') problems.push(`SQLite: ${String(row.integrity_check)}`)
    let rows = 0
    let sum = 0n
    let entries = 0
    const select = `SELECT r.number, t.name AS type, r.id, r.body, r.hash, r.changed_at FROM stored_row r JOIN stored_type t ON t.number = r.type`
    for (const stored of this.connection.prepare(select).iterate()) {
      const row = stored as StoredRow & { type: string; id: string; changed_at: number }
      const name = `row ${row.type} ${row.id}`
      rows++
      const hash = rowHash(row.type, row.id, row.body)
      sum = moveSum(sum, hash, undefined)
      if (Buffer.compare(hash, row.hash) !== 0) problems.push(`${name} does not fit its hash`)
      if (row.changed_at > this.position)
        problems.push(`${name} was changed at ${row.changed_at}, after the newest record`)
      for (const key of this.#keysOf(this.#catalog.types.get(row.type), row.id, row.body).values()) {
        entries++
        const entry = this.#statements.of('SELECT row FROM index_entry WHERE key = ?').get(key)
        if (entry?.row !== row.number) problems.push(`${name} is not where an index should have it`)
      }
    }
    for (const { sum: ofFamily, rows: count } of this.entries.coldFamilies()) {
      sum = moveSum(sum, ofFamily, undefined)
      rows += count
    }
    const meta = this.connection.prepare('SELECT content_hash FROM meta').get()
    if (meta?.content_hash !== this.contentHash) problems.push('the stored content hash is not the one in use')
    if (encodeSum(sum) !== this.contentHash)
      problems.push(`the content hash is ${this.contentHash}, not ${encodeSum(sum)}`)
    const stored = Number(this.connection.prepare('SELECT count(*) AS n FROM index_entry').get()?.n)
    if (stored !== entries) problems.push(`there are ${stored} index entries, not ${entries}`)
    return { rows, problems }
  }

  /**
   * The rows that differ from `expected`, which has the JSON text of each by its type and id with a zero byte between. Rows
   * with which the generation began (those of an import) are in no record and not compared.
   */
  compareRows(expected: ReadonlyMap<string, string>): string[] {
    const problems: string[] = []
    let rows = 0
    const select =
      'SELECT t.name AS type, r.id, r.body FROM stored_row r JOIN stored_type t ON t.number = r.type WHERE r.changed_at > 0'
    for (const stored of this.connection.prepare(select).iterate()) {
      const row = stored as { type: string; id: string; body: string }
      rows++
      if (expected.get(`${row.type}\0${row.id}`) !== row.body)
        problems.push(`row ${row.type} ${row.id} is not what the log says`)
    }
    const sums = new Map<string, bigint>()
    for (const [key, body] of expected) {
      const [typeName = '', id = ''] = key.split('\0')
      const type = this.#catalog.types.get(typeName)
      const cold = type && this.#rows.coldFamilyOf(type, id)
      if (cold) sums.set(cold.id, moveSum(sums.get(cold.id) ?? 0n, rowHash(typeName, id, body), undefined))
    }
    for (const { id, sum, rows: count } of this.entries.coldFamilies()) {
      rows += count
      if (sums.get(id) !== hashNumber(sum)) problems.push(`the rows of family ${id} are not what the log says`)
    }
    if (rows !== expected.size) problems.push(`there are ${rows} rows, the log says ${expected.size}`)
    return problems
  }

  [Symbol.dispose](): void {
    if (this.readConnection.isOpen) this.readConnection.close()
    if (this.connection.isOpen) this.connection.close()
  }

  /** Writes one row; false when it is stored like this already. Only for RowsWriter and apply. */
  put(type: DeclaredType, id: string, body: string, position: Position): boolean {
    return this.#guard(() => {
      let found = this.#find(type, id)
      const cold = found ? undefined : this.#rows.coldFamilyOf(type, id)
      if (isSameBody((found ?? (cold && this.thawed.get(cold).find(type.name, id)))?.body, body)) return false
      if (cold) {
        this.#thaw(cold)
        found = this.#find(type, id)
      }
      this.touched?.add(`${type.name}\0${id}`)
      this.#lookedUp = undefined
      const hash = rowHash(type.name, id, body)
      this.#state.sum = moveSum(this.#state.sum, hash, found?.hash)
      if (type.name === maintenanceType) this.#state.maintenance = parseMaintenance(body)
      if (found) {
        this.#statements
          .of('UPDATE stored_row SET body = ?, changed_at = ?, hash = ? WHERE number = ?')
          .run(body, position, hash, found.number)
        this.#reindex(type, id, found.number, found.body, body)
      } else {
        const { lastInsertRowid } = this.#statements.of(insertRow).run(type.number, id, body, position, hash)
        this.#index(type, id, Number(lastInsertRowid), body)
      }
      if (type.family) this.#putEntry(type.family, id, body)
      return true
    })
  }

  /** Removes one row; false when there is none. Only for RowsWriter and apply. */
  delete(type: DeclaredType, id: string): boolean {
    return this.#guard(() => {
      let found = this.#find(type, id)
      const cold = found ? undefined : this.#rows.coldFamilyOf(type, id)
      if (cold && this.thawed.get(cold).find(type.name, id)) {
        this.#thaw(cold)
        found = this.#find(type, id)
      }
      if (!found) return false
      this.touched?.add(`${type.name}\0${id}`)
      this.#lookedUp = undefined
      this.#state.sum = moveSum(this.#state.sum, undefined, found.hash)
      if (type.name === maintenanceType) this.#state.maintenance = undefined
      this.#statements.of('DELETE FROM stored_row WHERE number = ?').run(found.number)
      this.#reindex(type, id, found.number, found.body, undefined)
      if (type.family) this.entries.remove(id)
      return true
    })
  }

  /** Before the first change of a closure. Only for RowsWriter. */
  openSavepoint(): void {
    if (this.usesSavepoints) this.#guard(() => this.#run('SAVEPOINT closure'))
  }

  /** In the open transaction: the JSON text of a row's body. Errors: ColdRows. */
  bodyOf(type: string, id: string): string | undefined {
    const declared = this.#rows.type(type)
    const found = this.#find(declared, id)
    return found ? found.body : this.#rows.coldBodyOf(declared, id)
  }

  #undo({ sum, maintenance }: State): void {
    this.#run('ROLLBACK TO closure')
    this.#lookedUp = undefined
    this.#state.sum = sum
    this.#state.maintenance = maintenance
  }

  #applyTransaction(transaction: RecordedTransaction, position: Position): void {
    for (const operation of transaction.operations) {
      if (operation.kind === 'unknown') continue
      const type = this.#typeOf(operation.type)
      if (operation.kind === 'put') this.put(type, operation.id, JSON.stringify(operation.body), position)
      else this.delete(type, operation.id)
    }
    const { transactionId, at, result } = transaction
    if (transactionId === undefined) return
    this.remember(transactionId, position, at, result === undefined ? undefined : JSON.stringify(result))
  }

  /** A type of a record may be one that this version does not declare: its rows are kept without indexes. */
  #typeOf(name: string): DeclaredType {
    const known = this.#catalog.types.get(name)
    return known ?? { number: internType(this.connection, name), name, indexes: [], isInFamily: false }
  }

  #find(type: DeclaredType, id: string): StoredRow | undefined {
    const last = this.#lookedUp
    if (last?.type === type.number && last.id === id) return last.row
    const sql = 'SELECT number, body, hash FROM stored_row WHERE type = ? AND id = ?'
    const row = this.#statements.of(sql).get(type.number, id) as StoredRow | undefined
    if (this.#committed) this.#lookedUp = { type: type.number, id, row }
    return row
  }

  #index(type: DeclaredType, id: string, row: number, body: string): void {
    if (type.indexes.length === 0) return
    const parsed: unknown = JSON.parse(body)
    const values: (Buffer | number)[] = []
    for (const index of type.indexes) {
      const key = index.keyOf(parsed)
      if (key !== undefined) values.push(encodeIndexKey(index.number, key, id), row)
    }
    if (values.length === 0) return
    const places = '(?, ?), '.repeat(values.length / 2).slice(0, -2)
    this.#statements.of(`INSERT INTO index_entry (key, row) VALUES ${places}`).run(...values)
  }

  #reindex(type: DeclaredType, id: string, row: number, before: string, after: string | undefined): void {
    if (type.indexes.length === 0) return
    const next = after === undefined ? new Map<number, Buffer>() : this.#keysOf(type, id, after)
    for (const [index, key] of this.#keysOf(type, id, before)) {
      const same = next.get(index)
      if (same && Buffer.compare(same, key) === 0) next.delete(index)
      else this.#statements.of('DELETE FROM index_entry WHERE key = ?').run(key)
    }
    const insert = this.#statements.of('INSERT INTO index_entry (key, row) VALUES (?, ?)')
    for (const key of next.values()) insert.run(key, row)
  }

  #keysOf(type: DeclaredType | undefined, id: string, body: string): Map<number, Buffer> {
    const keys = new Map<number, Buffer>()
    if (!type || type.indexes.length === 0) return keys
    const parsed: unknown = JSON.parse(body)
    for (const index of type.indexes) {
      const key = index.keyOf(parsed)
      if (key !== undefined) keys.set(index.number, encodeIndexKey(index.number, key, id))
    }
    return keys
  }

  #putEntry({ entry, isFinal }: DeclaredFamily, id: string, body: string): void {
    const head: unknown = JSON.parse(body)
    this.entries.put(id, entry(head), isUuid(id) && isFinal(head))
  }

  /** Of the families that are here; those that are cold keep what the version before said of them. */
  #rebuildEntries(): void {
    const { head } = this.#catalog
    if (!head?.family) return
    const heads = this.connection.prepare('SELECT id, body FROM stored_row WHERE type = ?')
    for (const { id, body } of heads.all(head.number)) this.#putEntry(head.family, String(id), String(body))
  }

  #rebuild(type: DeclaredType, index: DeclaredIndex): void {
    deleteEntries(this.connection, index.number)
    const insert = this.connection.prepare('INSERT INTO index_entry (key, row) VALUES (?, ?)')
    const rows = this.connection.prepare('SELECT number, id, body FROM stored_row WHERE type = ?')
    for (const row of rows.iterate(type.number) as Iterable<StoredRow & { id: string }>) {
      const key = index.keyOf(JSON.parse(row.body))
      if (key !== undefined) insert.run(encodeIndexKey(index.number, key, row.id), row.number)
    }
  }

  /** Indexes whose function has the same text as before but gives other keys for the newest rows. */
  #staleIndexes(): { type: DeclaredType; index: DeclaredIndex }[] {
    const stale: { type: DeclaredType; index: DeclaredIndex }[] = []
    const newest = this.connection.prepare(
      'SELECT number, id, body FROM stored_row WHERE type = ? ORDER BY id DESC LIMIT +?',
    )
    const entry = this.connection.prepare('SELECT row FROM index_entry WHERE key = ?')
    for (const type of this.#catalog.types.values()) {
      const rows = newest.all(type.number, indexSampleRows) as (StoredRow & { id: string })[]
      for (const index of type.indexes) {
        const isStale = rows.some((row) => {
          const key = index.keyOf(JSON.parse(row.body))
          return key !== undefined && entry.get(encodeIndexKey(index.number, key, row.id))?.row !== row.number
        })
        if (isStale) stale.push({ type, index })
      }
    }
    return stale
  }

  #run(sql: string): void {
    this.#statements.of(sql).run()
  }

  #guard<T>(change: () => T): T {
    try {
      return change()
    } catch (error) {
      if (sqliteCode(error) !== undefined) this.#broken ??= error
      throw error
    }
  }
}

/**
 * A closure failed after it had written, and cannot be undone alone: the transaction must be rolled back and everything in it
 * evaluated again, with savepoints.
 */
export class EvaluateAgain extends Error {}

/** What `do` hands to a closure. */
class RowsWriter<S extends Schema> extends RowsReader<S> implements Transaction<S> {
  readonly operations: string[] = []
  bytes = 0
  hasChanged = false
  failure: unknown
  readonly #rows: Rows
  readonly #model: ReadModel
  readonly #position: Position
  readonly #refusing: Maintenance | undefined

  constructor(
    rows: Rows,
    model: ReadModel,
    { position, refusing }: { readonly position: Position; readonly refusing: Maintenance | undefined },
  ) {
    super(rows)
    this.#rows = rows
    this.#model = model
    this.#position = position
    this.#refusing = refusing
  }

  override get<T extends keyof S & string>(type: T, id: string): S[T] | undefined {
    this.checkOpen()
    const body = this.noticing(() => this.#model.bodyOf(type, id))
    return body === undefined ? undefined : (JSON.parse(body) as S[T]) // what `put` was given for this type
  }

  put<T extends keyof S & string>(type: T, id: string, body: S[T]): void {
    this.#beforeChange()
    invariant(isRowId(id), `"${id}" is no id for a row of type "${type}"`)
    const text = JSON.stringify(body) as string | undefined // undefined when body is undefined or a function
    invariant(text !== undefined, `the body of row ${type} ${id} is not JSON`)
    const isLarge = text.length > limits.rowBytes.value || Buffer.byteLength(text) > limits.rowBytes.value
    if (isLarge)
      throw new SlipwayError(
        'row_too_large',
        `write row ${type} ${id}: ${Buffer.byteLength(text)} bytes, at most ${limits.rowBytes.value} fit`,
      )
    const declared = this.#rows.type(type)
    if (this.#change(() => this.#model.put(declared, id, text, this.#position)))
      this.#collect(encodePut(type, id, text))
  }

  delete<T extends keyof S & string>(type: T, id: string): void {
    this.#beforeChange()
    const declared = this.#rows.type(type)
    if (this.#change(() => this.#model.delete(declared, id))) this.#collect(encodeDelete(type, id))
  }

  #change(change: () => boolean): boolean {
    try {
      return this.noticing(change)
    } catch (error) {
      this.failure ??= error
      throw error
    }
  }

  #beforeChange(): void {
    this.checkOpen()
    if (this.#refusing) this.#refuse(this.#refusing)
    if (this.hasChanged) return
    this.#model.openSavepoint()
    this.hasChanged = true
  }

  /** Remembered, so that a closure which swallows it does not seem to have succeeded. */
  #refuse(maintenance: Maintenance): never {
    const error = inMaintenance(maintenance)
    this.failure ??= error
    throw error
  }

  #collect(operation: string): void {
    this.operations.push(operation)
    this.bytes += operation.length
    if (this.bytes > limits.recordBytes.value)
      throw new SlipwayError('record_too_large', `one transaction wrote more than ${limits.recordBytes.value} bytes`)
  }
}

function inMaintenance({ by, why, replacedBy }: Maintenance): SlipwayError {
  const what = replacedBy === undefined ? 'is in maintenance' : `was replaced by generation ${replacedBy}`
  return new SlipwayError('maintenance', `write to the database: it ${what} (${by}: ${why})`)
}

function parseMaintenance(body: string | undefined): Maintenance | undefined {
  return body === undefined ? undefined : (JSON.parse(body) as Maintenance) // LogDatabase.freeze wrote it
}

/** Ids are well-formed text without zero bytes, so that they come back from SQLite as they went in. */
function isRowId(id: string): boolean {
  return id.length > 0 && id.length <= rowIdCharactersMax && !id.includes('\0') && id.isWellFormed()
}

/** Equal JSON text, or the same value with its keys in another order. */
function isSameBody(stored: string | undefined, body: string): boolean {
  if (stored === body) return true
  if (stored === undefined) return false
  return stored.length === body.length && isDeepStrictEqual(JSON.parse(stored) as Json, JSON.parse(body) as Json)
}

function mustBeSynchronous<T>(result: T, name: string): T {
  const isPromise = typeof (result as { then?: unknown } | null | undefined)?.then === 'function'
  if (!isPromise) return result
  // The promise has no owner any more; its failure is covered by this one.
  Promise.resolve(result).catch(() => undefined)
  throw new SlipwayError('invariant', `the closure given to ${name} returned a promise: it must be synchronous`)
}
