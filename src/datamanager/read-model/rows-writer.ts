// What `do` hands to a closure.

import { invariant, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { FamilyQuery, FamilyRow, ListRowsOptions, Maintenance, Row, Schema, Transaction } from '../database.ts'
import { encodeDelete, encodePut } from '../record.ts'
import type { ReadModel } from './read-model.ts'
import { type Rows, RowsReader } from './rows.ts'

/** An id longer than this is a mistake of ours. */
const rowIdCharactersMax = 512

export class RowsWriter<S extends Schema> extends RowsReader<S> implements Transaction<S> {
  /** Of the record, one for each change. */
  readonly operations: string[] = []
  /** The first write that failed, even if the closure has swallowed it. */
  failure: unknown
  #bytes = 0
  readonly #rows: Rows
  readonly #model: ReadModel
  readonly #refusing: Maintenance | undefined

  /** `refusing`: the maintenance because of which nothing may be written. */
  constructor(rows: Rows, model: ReadModel, refusing: Maintenance | undefined) {
    super(rows)
    this.#rows = rows
    this.#model = model
    this.#refusing = refusing
  }

  override get<T extends keyof S & string>(type: T, id: string): S[T] | undefined {
    this.checkOpen()
    let body: string | undefined
    try {
      body = this.#model.bodyOf(this.#rows.type(type), id)
    } catch (error) {
      throw this.noticed(error)
    }
    return body === undefined ? undefined : (JSON.parse(body) as S[T]) // what `put` was given for this type
  }

  override list<T extends keyof S & string>(type: T, options: ListRowsOptions = {}): readonly Row<S[T]>[] {
    this.#prepareList(type, options)
    return super.list(type, options)
  }

  override listAtHand<T extends keyof S & string>(type: T, ids: readonly string[]): readonly Row<S[T]>[] {
    this.#prepareList(type, {})
    return super.listAtHand(type, ids)
  }

  override count<T extends keyof S & string>(type: T, options: Pick<ListRowsOptions, 'index' | 'prefix'> = {}): number {
    this.#prepareList(type, options)
    return super.count(type, options)
  }

  override entries(query: FamilyQuery): readonly FamilyRow[] {
    this.#prepareEntries()
    return super.entries(query)
  }

  override entry(id: string): FamilyRow | undefined {
    this.#prepareEntries()
    return super.entry(id)
  }

  override removableEntries(before: number, limit: number): readonly FamilyRow[] {
    this.#prepareEntries()
    return super.removableEntries(before, limit)
  }

  override repeatingEntries(id: string): readonly FamilyRow[] {
    this.#prepareEntries()
    return super.repeatingEntries(id)
  }

  put<T extends keyof S & string>(type: T, id: string, body: S[T]): void {
    this.#beforeChange()
    invariant(isRowId(id), `"${id}" is no id for a row of type "${type}"`)
    const text = JSON.stringify(body) as string | undefined // undefined when body is undefined or a function
    invariant(text !== undefined, `the body of row ${type} ${id} is not JSON`)
    // No character takes more than three bytes.
    const isLarge = text.length * 3 > limits.rowBytes.value && Buffer.byteLength(text) > limits.rowBytes.value
    if (isLarge)
      throw new SlipwayError(
        'row_too_large',
        `write row ${type} ${id}: ${Buffer.byteLength(text)} bytes, at most ${limits.rowBytes.value} fit`,
      )
    const declared = this.#rows.type(type)
    let isChange: boolean
    try {
      isChange = this.#model.put(declared, id, text)
    } catch (error) {
      throw this.#failed(error)
    }
    if (isChange) this.#collect(encodePut(type, id, text))
  }

  delete<T extends keyof S & string>(type: T, id: string): void {
    this.#beforeChange()
    const declared = this.#rows.type(type)
    let isChange: boolean
    try {
      isChange = this.#model.delete(declared, id)
    } catch (error) {
      throw this.#failed(error)
    }
    if (isChange) this.#collect(encodeDelete(type, id))
  }

  #prepareList(type: string, options: ListRowsOptions): void {
    this.checkOpen()
    this.noticing(() => this.#model.prepareList(this.#rows.type(type), options))
  }

  #prepareEntries(): void {
    this.checkOpen()
    this.noticing(() => this.#model.prepareEntries())
  }

  /** Remembered, so that a closure which swallows it does not seem to have succeeded. */
  #failed(error: unknown): unknown {
    this.failure ??= error
    return this.noticed(error)
  }

  #beforeChange(): void {
    this.checkOpen()
    if (this.#refusing) throw this.#failed(inMaintenance(this.#refusing))
  }

  #collect(operation: string): void {
    this.operations.push(operation)
    this.#bytes += operation.length
    if (this.#bytes > limits.recordBytes.value)
      throw new SlipwayError('record_too_large', `one transaction wrote more than ${limits.recordBytes.value} bytes`)
  }
}

function inMaintenance({ by, why, replacedBy }: Maintenance): SlipwayError {
  const what = replacedBy === undefined ? 'is in maintenance' : `was replaced by generation ${replacedBy}`
  return new SlipwayError('maintenance', `write to the database: it ${what} (${by}: ${why})`)
}

/** Ids are well-formed text without zero bytes, so that they come back from SQLite as they went in. */
function isRowId(id: string): boolean {
  return id.length > 0 && id.length <= rowIdCharactersMax && !id.includes('\0') && id.isWellFormed()
}
