// All rows of one database at one position of its log, in SQLite. `evaluate` runs a closure over them and keeps what it writes
// in a Batch; rows change when a record is applied: one of this instance as the batch that was prepared (`write`), another one
// as its operations say (`apply`). Both end in the same function, which changes one row.
//
// One record of this instance may be deferred: it is certain and counts, closures see it over SQLite, and it is written a little
// later, or as soon as anything else looks at the rows.
//
// Invariant: rows, index entries, content hash, transaction ids and position move in one SQLite transaction, and no SQLite
// transaction of this class is open when a method returns to an `await`: callers pair begin with commit or rollback
// without waiting in between.

import type { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { invariant, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import { type EncodedRecord, genesisHash, type RecordHash } from '../change-log.ts'
import { type ColdFamily, Entries } from '../cold/entries.ts'
import type { FamilyIndex, RowSpan } from '../cold/family-file.ts'
import { ColdRows, ThawedFamilies } from '../cold/thawed.ts'
import type { ListRowsOptions, Maintenance, Position, RowTypes, Schema, Transaction } from '../database.ts'
import type { DecodedRecord, RecordedTransaction } from '../record.ts'
import type { OnBranch } from '../recovery.ts'
import { Batch, hashOf, keysOf, newState, type Remembered, type RowChange, type RowState } from './batch.ts'
import { type Catalog, type DeclaredType, internType, loadCatalog } from './catalog.ts'
import { ContentSum, emptyContentHash, hashNumber, moveSum } from './content-hash.ts'
import { checkIndexKey } from './index-key.ts'
import { prepareEntry } from './prepare-entry.ts'
import { rebuildEntries, rebuildIndexes } from './rebuild-indexes.ts'
import { Rows, RowsReader, Statements } from './rows.ts'
import { RowsWriter } from './rows-writer.ts'
import { type Identity, mayPass, openReadConnection, openWriteConnection, sqliteCode, sqliteError } from './sqlite.ts'
import { type StoredRow, StoredRows } from './stored-rows.ts'
import { compareRows, type RowsReport, type RowsToVerify, verifyRows } from './verify-rows.ts'

/** Where the storage is told to do something lasting; the simulation crashes before and after each. */
export type StorageCall = 'begin' | 'append' | 'commit' | 'apply' | 'apply deferred' | 'move'
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
  readonly onBranch?: OnBranch | undefined
}

/** A row of this type, of which there is at most one, says that the database is in maintenance: it is in log and snapshots. */
export const maintenanceType = '$maintenance'
export const maintenanceId = 'state'

/** `sum`: as encodeSum has it. */
type State = { position: Position; hash: RecordHash; sum: string; maintenance: Maintenance | undefined }
/** A record of this instance that is certain, and what it was made of. */
type Deferred = { readonly position: Position; readonly hash: RecordHash; readonly batch: Batch }
/** A row where it is just now. */
type Found = { readonly state: RowState | undefined; readonly isCold: boolean }
const forgetTransactions = 'DELETE FROM transaction_id WHERE at < ?'

/** What one closure did. */
export type Evaluation<T> =
  | { readonly kind: 'returned'; readonly result: T; readonly operations: readonly string[] }
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
  /** Called after the position has moved. */
  onApplied: () => void = () => {}
  /** Called when the deferred record cannot be written, and trying again cannot help: only the log has it then. */
  onStuck: (cause: unknown) => void = () => {}
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
  readonly #stored: StoredRows
  readonly #readStatements: Statements
  /** Its sum is that of `#sum` when no transaction is open. */
  #state: State
  readonly #sum: ContentSum
  /** The state that is committed, while a transaction is open. */
  #committed: State | undefined
  /** Follows the state that is committed. */
  #deferred: Deferred | undefined
  /** What is evaluated just now. */
  #batch: Batch | undefined
  /** So many changes of the batch are of the closures before this one. */
  #batchBefore = 0
  /** While changes of the closure that is evaluated are written behind a savepoint: the state before. */
  #saved: Pick<State, 'sum' | 'maintenance'> | undefined
  /** Counts the moves of rows: numbers that were looked up before are not to be used after. */
  #layout = 0
  readonly #isDerived: boolean
  readonly #onBranch: OnBranch
  /** The first error of SQLite in the open transaction: a closure may have swallowed it, the transaction is lost. */
  #broken: unknown
  /** In the open transaction the row that was looked up last, unless any was changed since: who reads a row often writes it. */
  #lookedUp: { readonly type: number; readonly id: string; readonly row: RowState | undefined } | undefined

  private constructor(connection: DatabaseSync, readConnection: DatabaseSync, options: ReadModelOptions) {
    this.connection = connection
    this.readConnection = readConnection
    this.storageCalls = options.storageCalls ?? plainCalls
    this.#isDerived = options.isDerived ?? false
    this.#onBranch = options.onBranch ?? (() => {})
    this.#statements = new Statements(connection)
    this.#stored = new StoredRows(connection)
    this.#readStatements = new Statements(readConnection)
    this.#run('BEGIN IMMEDIATE')
    this.#catalog = loadCatalog(connection, { ...options.types, [maintenanceType]: {} })
    rebuildIndexes(connection, this.#catalog)
    const knowledge = { mayBeCold: true }
    this.entries = new Entries(connection, knowledge)
    knowledge.mayBeCold = !this.entries.hasNoneCold
    if (this.#catalog.isFamilyChanged) rebuildEntries(connection, this.#catalog, this.entries)
    this.#run('COMMIT')
    const { thawed } = this
    this.#rows = new Rows(connection, { catalog: this.#catalog, entries: this.entries, thawed })
    this.#readRows = new Rows(readConnection, {
      catalog: this.#catalog,
      entries: new Entries(readConnection, knowledge),
      thawed,
    })
    const stored = connection.prepare('SELECT * FROM state').get() as Identity & {
      position: number
      hash: string
      content_hash: string
    }
    this.identity = { store: stored.store, generation: stored.generation }
    const maintenance = this.#find(this.#rows.type(maintenanceType), maintenanceId)
    this.#state = {
      position: stored.position,
      hash: stored.hash,
      sum: stored.content_hash,
      maintenance: parseMaintenance(maintenance?.body),
    }
    this.#sum = new ContentSum(this.#state.sum)
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

  /** Position of the newest record that counts here; inside a transaction still the one it began at. */
  get position(): Position {
    return (this.#deferred ?? this.#committed ?? this.#state).position
  }

  get hash(): RecordHash {
    return (this.#deferred ?? this.#committed ?? this.#state).hash
  }

  /** Errors: as writeDeferred. */
  get contentHash(): string {
    this.writeDeferred()
    return (this.#committed ?? this.#state).sum
  }

  /** Set while the database is frozen, as of the newest applied record. */
  get maintenance(): Maintenance | undefined {
    return (this.#committed ?? this.#state).maintenance
  }

  get isInTransaction(): boolean {
    return this.#committed !== undefined
  }

  /** Runs `read` on the newest state, through the read-only connection. Errors: ColdRows, and as writeDeferred. */
  view<S extends Schema, T>(read: (tx: RowsReader<S>) => T): T {
    this.writeDeferred()
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
    this.writeDeferred()
    this.#begin()
  }

  #begin(): void {
    invariant(!this.#committed, 'a transaction is open already')
    this.#lookedUp = undefined
    this.storageCalls('begin', () => this.#run('BEGIN IMMEDIATE'))
    this.#committed = { ...this.#state }
    this.#broken = undefined
  }

  /** Makes everything since begin durable, as the state after the record `hash` at `position`. */
  commit(position: Position, hash: RecordHash): void {
    this.#writeMeta({ position, hash, sum: this.seal() })
    this.commitRecorded(position, hash)
  }

  /** Before the file is closed, if nothing failed: `meta` says where the rows are, so that a log which is lost then shows. */
  settle(): void {
    try {
      this.#writeMeta(this.#state)
    } catch {
      // A full disk: the newest record says it.
    }
  }

  #writeMeta({ position, hash, sum }: Pick<State, 'position' | 'hash' | 'sum'>): void {
    this.#statements.of('UPDATE meta SET position = ?, hash = ?, content_hash = ?').run(position, hash, sum)
  }

  /** In the open transaction, after its last change: the content hash of its rows. */
  seal(): string {
    this.#state.sum = this.#sum.hex()
    return this.#state.sum
  }

  /** As commit, when that record is in the log of this file, with the content hash of `seal`: then it says where the rows are. */
  commitRecorded(position: Position, hash: RecordHash): void {
    invariant(this.#committed, 'no transaction is open')
    this.#state.position = position
    this.#state.hash = hash
    this.storageCalls('commit', () => this.#run('COMMIT'))
    this.#committed = undefined
    this.#batch = undefined
    this.onApplied()
  }

  rollback(): void {
    if (!this.#committed) return
    this.#state = this.#committed
    this.#sum.reset(this.#state.sum)
    this.#committed = undefined
    if (this.#batch) this.#batch.written = 0
    this.#batch = undefined
    this.#saved = undefined
    // Some errors of SQLite (disk full, I/O) have rolled back already.
    if (this.connection.isTransaction) this.#run('ROLLBACK')
  }

  /** After a failed commit: rolls back, and tells whether the file is still at the state that was committed before. */
  isAsCommitted(): boolean {
    this.rollback()
    const state = this.#statements.of('SELECT position, hash FROM state').get()
    return state?.position === this.position && state.hash === this.hash
  }

  /** Begins a transaction in which closures are evaluated, as the next record. */
  beginBatch(): Batch {
    this.#begin()
    if (this.#deferred) this.#onBranch('deferred: closures were evaluated over it')
    this.#batch = new Batch(this.position + 1, this.#layout)
    return this.#batch
  }

  /**
   * Takes a record that this instance has made of `batch` and that is certain as the newest one, to be written later. False, and
   * nothing is done, when that does not fit: rows have moved since it was evaluated, one before it is not written yet, or
   * writing it may need more than SQLite.
   */
  defer({ position, hash }: Pick<EncodedRecord, 'position' | 'hash'>, prev: RecordHash, batch: Batch): boolean {
    if (this.#deferred || this.#committed || !this.#isNext(position, prev, batch)) return false
    if (batch.changes.some(({ isCold, type }) => isCold || type.name === maintenanceType)) return false
    batch.written = 0 // What was written while it was evaluated was rolled back.
    this.#deferred = { position, hash, batch }
    this.onApplied()
    return true
  }

  /**
   * Writes the record that is deferred, if there is one; while closures are evaluated before the first of them is. When it
   * throws, the record stays deferred, for `onStuck` perhaps for ever. Errors: of SQLite.
   */
  writeDeferred(): void {
    const deferred = this.#deferred
    if (!deferred) return
    const evaluated = this.#committed && this.#batch
    if (evaluated) {
      // The transaction of the evaluation has only read, since all that writes in it comes here first.
      invariant(evaluated.written === 0 && !this.#saved, 'rows are written over a record that is not')
      this.rollback()
    }
    this.#deferred = undefined
    try {
      this.#applying('apply deferred', deferred, () => this.write(deferred.batch))
    } catch (error) {
      deferred.batch.written = 0
      this.#deferred = deferred
      this.#onBranch('deferred: it cannot be written yet')
      if (!mayPass(error)) this.onStuck(error)
      throw error
    } finally {
      if (evaluated) {
        this.#begin()
        this.#batch = evaluated
      }
    }
  }

  /**
   * Runs `closure` as part of the batch. If it throws, nothing of it stays; if SQLite failed below it, this throws and the
   * whole transaction must be rolled back. While the database is in maintenance only closures that are part of it
   * (`isMaintenance`) may write.
   */
  evaluate<S extends Schema, T>(closure: (tx: Transaction<S>) => T, isMaintenance = false): Evaluation<T> {
    const batch = this.#batch
    invariant(batch, 'no batch is begun')
    this.#batchBefore = batch.changes.length
    const tx = new RowsWriter<S>(this.#rows, this, isMaintenance ? undefined : this.#maintenanceIn(batch))
    let evaluation: Evaluation<T>
    try {
      const result = mustBeSynchronous(closure(tx), 'do')
      evaluation = { kind: 'returned', result, operations: tx.operations }
    } catch (error) {
      evaluation = { kind: 'threw', error }
    } finally {
      tx.close()
    }
    if (this.#broken !== undefined) throw this.#broken
    if (evaluation.kind === 'threw' && sqliteCode(evaluation.error) !== undefined) throw evaluation.error
    // What a closure wrote is not what it meant when a write failed, also if it swallowed the error.
    if (tx.failure !== undefined && evaluation.kind === 'returned') evaluation = { kind: 'threw', error: tx.failure }
    if (tx.cold) evaluation = { kind: 'cold', cold: tx.cold }
    if (evaluation.kind !== 'returned') this.#undo(batch)
    else if (this.#saved) {
      this.#run('RELEASE closure')
      this.#saved = undefined
    }
    return evaluation
  }

  /** In the open transaction: changes the rows as the batch says, of which no record may be applied yet. */
  write(batch: Batch): void {
    invariant(this.#committed && batch.position === this.position + 1, 'the batch is of another position')
    this.#writeChanges(batch, batch.changes.length)
    for (const [id, { at, result }] of batch.remembered) this.remember(id, batch.position, at, result ?? undefined)
    if (batch.forgetBefore !== undefined) this.#statements.of(forgetTransactions).run(batch.forgetBefore)
  }

  /** In the open transaction: a row as a snapshot has it. */
  restoreRow(type: string, row: { readonly id: string; readonly body: string; readonly changedAt: Position }): void {
    const declared = this.#typeOf(type)
    this.#putNow(declared, row, row.changedAt)
  }

  /** Cold families as the index file of a snapshot's data file has them. `entries.finishRestore` must follow. */
  restoreFamilies(name: string, { blocks, families }: FamilyIndex): void {
    this.begin()
    try {
      this.entries.restore(this.entries.addFile(name, blocks), families)
      for (const { sum } of families) this.#sum.add(sum)
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
    this.writeDeferred()
    this.#layout++
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
      if (!this.#isDerived) this.#run('PRAGMA synchronous = FULL')
    }
  }

  #adoptFamily(file: number, span: SnapshotFamily, position: Position): void {
    const cold = this.entries.cold(span.id)
    if (cold) {
      if (Buffer.compare(cold.sum, span.sum) === 0) this.entries.makeCold(span.id, file, span)
      return
    }
    if (!this.entries.get(span.id)) return
    const rows = this.#stored.ofFamily(span.id, this.#catalog.familyTypes)
    let sum = 0n
    for (const { row } of rows) sum = moveSum(sum, row.hash, undefined)
    const isSame =
      rows.length === span.rows && sum === hashNumber(span.sum) && rows.every(({ row }) => row.changed_at <= position)
    if (!isSame) return
    if (rows.some(({ type, row }) => this.#keepsWarm(type, row))) {
      this.entries.keepWarm(span.id)
      return
    }
    for (const { type, row } of rows) this.#stored.remove(type, row.id, newState(row.body, row.hash, row.number))
    this.entries.makeCold(span.id, file, span)
  }

  /** An index that says nothing of cold rows would lose this one. */
  #keepsWarm(type: DeclaredType, { body }: StoredRow): boolean {
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
      this.#stored.insert(this.#typeOf(name), id, newState(body, hash), changedAt)
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
    if (this.#deferred) this.#onBranch('deferred: it was written before the record of another one')
    this.#applying('apply', record, () => {
      for (const transaction of record.transactions) this.#applyTransaction(transaction, record.position)
      also?.()
    })
  }

  /**
   * Applies a record that this instance has made of `batch`, as `apply` would. False, and nothing is done, when rows have moved
   * since it was evaluated: then only the record says what is to be done.
   */
  applyBatch({ position, hash }: Pick<EncodedRecord, 'position' | 'hash'>, prev: RecordHash, batch: Batch): boolean {
    if (!this.#isNext(position, prev, batch)) return false
    batch.written = 0 // What was written while it was evaluated was rolled back.
    this.#applying('apply', { position, hash }, () => this.write(batch))
    return true
  }

  #isNext(position: Position, prev: RecordHash, batch: Batch): boolean {
    return position === this.position + 1 && prev === this.hash && batch.layout === this.#layout
  }

  #applying(
    call: 'apply' | 'apply deferred',
    { position, hash }: Pick<EncodedRecord, 'position' | 'hash'>,
    change: () => void,
  ): void {
    this.writeDeferred()
    this.storageCalls(call, () => {
      this.#begin()
      try {
        change()
        this.commit(position, hash)
      } catch (error) {
        this.rollback()
        throw error instanceof ColdRows ? error : sqliteError(error, `apply record ${position}`)
      }
    })
  }

  /** What the transaction with this id returned, if it was committed at or after `since`. */
  remembered(transactionId: string, since: number): Remembered | undefined {
    const unwritten = this.#batch?.remembered.get(transactionId) ?? this.#deferred?.batch.remembered.get(transactionId)
    if (unwritten) return unwritten
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

  /** As verifyRows. */
  verify(): RowsReport {
    return verifyRows(this.#toVerify())
  }

  /** As compareRows. */
  compareRows(expected: ReadonlyMap<string, string>): string[] {
    return compareRows(this.#toVerify(), expected)
  }

  #toVerify(): RowsToVerify {
    const { connection, entries, contentHash, position } = this
    return { connection, catalog: this.#catalog, rows: this.#rows, entries, contentHash, position }
  }

  [Symbol.dispose](): void {
    if (this.readConnection.isOpen) this.readConnection.close()
    if (this.connection.isOpen) this.connection.close()
  }

  /** In the batch: a row as it is to be; false when it is like this already. Only for RowsWriter. */
  put(type: DeclaredType, id: string, body: string): boolean {
    return this.#add(this.#changeTo(type, id, this.#newest(type, id), body))
  }

  /** In the batch: removes one row; false when there is none. Only for RowsWriter. */
  delete(type: DeclaredType, id: string): boolean {
    return this.#add(changeToNothing(type, id, this.#newest(type, id)))
  }

  /** In the batch: the JSON text of a row's body. Only for RowsWriter. Errors: ColdRows. */
  bodyOf(type: DeclaredType, id: string): string | undefined {
    return this.#newest(type, id).state?.body
  }

  /** Before a list is read in the batch: makes its rows be in SQLite. Only for RowsWriter. */
  prepareList(type: DeclaredType, options: Pick<ListRowsOptions, 'index' | 'prefix'>): void {
    if (this.#deferred?.batch.mayBeListed(type, options)) this.#writeDeferredForList()
    if (this.#batch?.mayBeListed(type, options)) this.#writeEarly(this.#batch)
  }

  /** The same of entries of families. */
  prepareEntries(): void {
    if (this.#deferred?.batch.hasUnwrittenHead) this.#writeDeferredForList()
    if (this.#batch?.hasUnwrittenHead) this.#writeEarly(this.#batch)
  }

  /** A closure that swallows the error has not seen what it should have: nothing of the batch stays. */
  #writeDeferredForList(): void {
    this.#onBranch('deferred: it was written for a list of a closure')
    try {
      this.writeDeferred()
    } catch (error) {
      this.#broken ??= error
      throw error
    }
  }

  #add(change: RowChange | undefined): boolean {
    if (!change) return false
    this.#batch?.add(change) // RowsWriter is used in a batch only
    return true
  }

  /** The maintenance that the next closure of the batch meets. */
  #maintenanceIn(batch: Batch): Maintenance | undefined {
    const change = batch.find(maintenanceType, maintenanceId)
    return change ? parseMaintenance(change.after?.body) : this.#state.maintenance
  }

  /** A row as the batch has it. Errors: ColdRows. */
  #newest(type: DeclaredType, id: string): Found {
    const change = this.#batch?.find(type.name, id) ?? this.#deferred?.batch.find(type.name, id)
    return change ? { state: change.after, isCold: false } : this.#found(type, id)
  }

  /** A row as it is in SQLite, or in a cold family. Errors: ColdRows. */
  #found(type: DeclaredType, id: string): Found {
    const state = this.#guard(() => this.#find(type, id))
    if (state) return { state, isCold: false }
    const cold = this.#rows.coldFamilyOf(type, id)
    if (!cold) return { state: undefined, isCold: false }
    const row = this.thawed.get(cold).find(type.name, id)
    return { state: row && newState(row.body, row.hash), isCold: true }
  }

  /** Undefined when the row is like this already. What can fail, beside SQLite, fails here and not when it is written. */
  #changeTo(type: DeclaredType, id: string, { state: before, isCold }: Found, body: string): RowChange | undefined {
    if (isSameBody(before?.body, body)) return undefined
    const after = newState(body)
    for (const key of keysOf(type, after)) if (key) checkIndexKey(key)
    const entry = type.family && prepareEntry(type.family, id, body)
    return { type, id, before, after, entry, isCold }
  }

  /** For the lists that follow: what of the batch is not written yet goes into the open transaction. */
  #writeEarly(batch: Batch): void {
    if (this.#deferred) this.#writeDeferredForList()
    this.#guard(() => {
      this.#writeChanges(batch, this.#batchBefore)
      if (batch.changes.length > this.#batchBefore && !this.#saved) {
        this.#run('SAVEPOINT closure')
        this.#saved = { sum: this.#sum.hex(), maintenance: this.#state.maintenance }
      }
      this.#writeChanges(batch, batch.changes.length)
    })
  }

  #writeChanges(batch: Batch, end: number): void {
    for (; batch.written < end; batch.written++) this.#write(batch.changes[batch.written]!, batch.position) // end <= length
  }

  #undo(batch: Batch): void {
    if (this.#saved) {
      this.#run('ROLLBACK TO closure')
      this.#run('RELEASE closure')
      this.#lookedUp = undefined
      this.#sum.reset(this.#saved.sum)
      this.#state.maintenance = this.#saved.maintenance
      this.#saved = undefined
      batch.written = this.#batchBefore
    }
    batch.undoTo(this.#batchBefore)
  }

  #applyTransaction(transaction: RecordedTransaction, position: Position): void {
    for (const operation of transaction.operations) {
      if (operation.kind === 'unknown') continue
      const type = this.#typeOf(operation.type)
      if (operation.kind === 'put')
        this.#putNow(type, { id: operation.id, body: JSON.stringify(operation.body) }, position)
      else this.#deleteNow(type, operation.id, position)
    }
    const { transactionId, at, result } = transaction
    if (transactionId === undefined) return
    this.remember(transactionId, position, at, result === undefined ? undefined : JSON.stringify(result))
  }

  #putNow(type: DeclaredType, { id, body }: { readonly id: string; readonly body: string }, position: Position): void {
    const change = this.#changeTo(type, id, this.#found(type, id), body)
    if (change) this.#write(change, position)
  }

  #deleteNow(type: DeclaredType, id: string, position: Position): void {
    const change = changeToNothing(type, id, this.#found(type, id))
    if (change) this.#write(change, position)
  }

  /** The only place where a row changes. Errors: ColdRows when it belongs to a family that was not read. */
  #write({ type, id, before: looked, after, entry, isCold }: RowChange, position: Position): void {
    let before = looked
    if (isCold) {
      // Another change may have brought the family back already, and only now its rows have numbers.
      const cold = this.#rows.coldFamilyOf(type, id)
      if (cold) this.#thaw(cold)
      before = this.#find(type, id)
    }
    this.touched?.add(`${type.name}\0${id}`)
    this.#lookedUp = undefined
    if (after) this.#sum.add(hashOf(type, id, after))
    if (before) this.#sum.remove(hashOf(type, id, before))
    if (type.name === maintenanceType) this.#state.maintenance = parseMaintenance(after?.body)
    if (before && after) this.#stored.update(type, id, { before, after }, position)
    else if (after) this.#stored.insert(type, id, after, position)
    else if (before) this.#stored.remove(type, id, before)
    if (entry) this.entries.put(id, entry.entry, entry.isFinal)
    else if (type.family) this.entries.remove(id)
  }

  /** A type of a record may be one that this version does not declare: its rows are kept without indexes. */
  #typeOf(name: string): DeclaredType {
    const known = this.#catalog.types.get(name)
    return known ?? { number: internType(this.connection, name), name, indexes: [], isInFamily: false }
  }

  #find(type: DeclaredType, id: string): RowState | undefined {
    const last = this.#lookedUp
    if (last?.type === type.number && last.id === id) return last.row
    const row = this.#stored.find(type, id)
    if (this.#committed) this.#lookedUp = { type: type.number, id, row }
    return row
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

function changeToNothing(type: DeclaredType, id: string, { state: before, isCold }: Found): RowChange | undefined {
  return before && { type, id, before, after: undefined, entry: undefined, isCold }
}

function parseMaintenance(body: string | undefined): Maintenance | undefined {
  return body === undefined ? undefined : (JSON.parse(body) as Maintenance) // LogDatabase.freeze wrote it
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
