// A database over a change log, a read model and a writer, whatever the log is.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import type { Json } from '../lib/json.ts'
import { limits } from '../lib/limits.ts'
import { SharedQuestion } from '../lib/shared-question.ts'
import type { ChangeLog } from './change-log.ts'
import { ColdRows, type LoadFamilies, Thawing } from './cold/thawed.ts'
import type {
  Barrier,
  Change,
  Committed,
  Database,
  DoOptions,
  Maintenance,
  Operation,
  Position,
  ReadTransaction,
  Schema,
  Transaction,
  ViewTransaction,
} from './database.ts'
import { Wakeups } from './log/wakeups.ts'
import type { Checkpoints } from './read-model/checkpoints.ts'
import { maintenanceId, maintenanceType, type ReadModel } from './read-model/read-model.ts'
import type { Identity } from './read-model/sqlite.ts'
import { decodeRecord } from './record.ts'
import type { Writer } from './writer.ts'

/** Records that `changes` reads at once: few, since each may have a megabyte and the reader may be slow. */
const changesReadRecords = 16

/** How long closing waits for commits that are under way. */
const closeFlushMs = 10_000

export type LogDatabaseComponents = {
  readonly model: ReadModel
  readonly log: ChangeLog
  readonly writer: Writer
  readonly clock: Clock
  readonly loadFamilies: LoadFamilies
  /** Hears of every commit; closed by `close`. */
  readonly checkpoints?: Checkpoints | undefined
  /** True while something committed is missing from the rows. */
  readonly isBehind?: () => boolean
  /** Ends what goes on beside the commits, after the last of them. */
  readonly endUpkeep?: (() => Promise<void>) | undefined
  /** Aborted when the database closes or fails; ends every wait below it. */
  readonly closing: AbortController
  /** Closes what the database stands on, after the writer has ended. */
  readonly close: () => void | Promise<void>
}

export class LogDatabase<S extends Schema> implements Database<S> {
  readonly #components: LogDatabaseComponents
  readonly #applied = new Wakeups()
  readonly #head: SharedQuestion<Position>
  readonly #maintenanceListeners = new Set<(state: Maintenance | undefined) => void>()
  readonly #closing: AbortController
  #closed: Promise<void> | undefined
  #failure: SlipwayError | undefined

  constructor(components: LogDatabaseComponents) {
    this.#components = components
    this.#closing = components.closing
    this.#head = new SharedQuestion(() => this.#askHead())
    let maintenance = this.maintenance
    components.model.onApplied = () => {
      components.checkpoints?.committed()
      this.#applied.wake()
      if (maintenance === this.maintenance) return
      maintenance = this.maintenance
      for (const listener of this.#maintenanceListeners) listener(maintenance)
    }
  }

  do<T>(closure: (tx: Transaction<S>) => T, options: DoOptions = {}): Promise<Committed<T>> {
    const { signal, transactionId } = options
    return this.#components.writer.do(closure, {
      ...(signal ? { signal } : {}),
      ...(transactionId === undefined ? {} : { transactionId }),
    })
  }

  /** Which log this is. */
  get identity(): Identity {
    return this.#components.model.identity
  }

  /** Set while the database is frozen, as of `position`. */
  get maintenance(): Maintenance | undefined {
    return this.#components.model.maintenance
  }

  /** Calls `listener`, which must not throw, after each applied record that began, changed or ended maintenance. */
  watchMaintenance(listener: (state: Maintenance | undefined) => void): Disposable {
    this.#maintenanceListeners.add(listener)
    return { [Symbol.dispose]: () => void this.#maintenanceListeners.delete(listener) }
  }

  /**
   * Begins maintenance: what comes after this in the log is refused with `maintenance`, on every instance, until `unfreeze`.
   * Closures that only read go on. A database that is frozen already stays as it is; its state is the result.
   */
  freeze(by: string, why: string): Promise<Committed<Maintenance>> {
    const since = this.#components.clock.now()
    return this.#maintain((current) => current ?? { by, why, since })
  }

  /** Ends maintenance. `import_refused` when an import has replaced this generation. */
  async unfreeze(): Promise<Position> {
    const { position } = await this.#maintain((current) => {
      if (current?.replacedBy === undefined) return undefined
      throw new SlipwayError('import_refused', `unfreeze: generation ${current.replacedBy} has replaced this one`)
    })
    return position
  }

  /** The last record of a generation: only in maintenance and only for one (`import_refused`), and never undone. */
  closeGeneration(replacedBy: string): Promise<Committed<Maintenance>> {
    return this.#maintain((current) => {
      if (!current) throw new SlipwayError('import_refused', 'import: the database is not in maintenance')
      if (current.replacedBy !== undefined && current.replacedBy !== replacedBy)
        throw new SlipwayError(
          'import_refused',
          `import: generation ${current.replacedBy} has replaced this one already`,
        )
      return { ...current, replacedBy }
    })
  }

  #maintain<M extends Maintenance | undefined>(next: (current: Maintenance | undefined) => M): Promise<Committed<M>> {
    type State = { readonly [maintenanceType]: Maintenance }
    return this.#components.writer.do<State, M>(
      (tx) => {
        const state = next(tx.get(maintenanceType, maintenanceId))
        if (state) tx.put(maintenanceType, maintenanceId, state)
        else tx.delete(maintenanceType, maintenanceId)
        return state
      },
      { isMaintenance: true },
    )
  }

  outcome(transactionId: string): Committed<Json | undefined> | undefined {
    this.#checkUsable()
    const since = this.#components.clock.now() - limits.transactionResultMs.value
    const found = this.#components.model.remembered(transactionId, since)
    if (!found) return undefined
    const result = found.result === null ? undefined : (JSON.parse(found.result) as Json)
    return { result, position: found.position }
  }

  view<T>(read: (tx: ViewTransaction<S>) => T): T {
    const isBehind = this.#components.isBehind?.()
    this.#checkUsable()
    if (isBehind)
      throw new SlipwayError('database_behind', 'a committed record could not be applied yet: try again later')
    try {
      return this.#components.model.view<S, T>(read)
    } catch (error) {
      if (!(error instanceof ColdRows)) throw error
      const ids = error.families.map(({ id }) => id).join(', ')
      throw new SlipwayError('row_cold', `read the database: family ${ids} is in object storage`, { cause: error })
    }
  }

  async read<T>(read: (tx: ReadTransaction<S>) => T, signal?: AbortSignal): Promise<T> {
    const { model, loadFamilies } = this.#components
    const ending = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal
    using thawing = new Thawing(loadFamilies, model.thawed)
    for (;;) {
      try {
        return this.view(read)
      } catch (error) {
        const { cause } = error as { cause?: unknown }
        if (!isSlipwayError(error, 'row_cold') || !(cause instanceof ColdRows)) throw error
        await thawing.load(cause, ending)
      }
    }
  }

  get position(): Position {
    return this.#components.model.position
  }

  get contentHash(): string {
    return this.#components.model.contentHash
  }

  async waitFor(barrier: Barrier, signal?: AbortSignal): Promise<void> {
    this.#checkUsable()
    if (barrier !== 'newest' && this.position >= barrier) return
    const late = this.#components.clock.timeout(limits.readBarrierMs.value)
    const signals = [late, this.#closing.signal]
    if (signal) signals.push(signal)
    const ending = AbortSignal.any(signals)
    try {
      const position = barrier === 'newest' ? await this.#head.answer() : barrier
      await this.#applied.until(() => this.position >= position, ending)
    } catch (error) {
      if (!late.aborted || signal?.aborted || this.#closing.signal.aborted) throw error
      throw new SlipwayError(
        'database_behind',
        `wait for position ${barrier}: still at ${this.position} after ${limits.readBarrierMs.value} ms`,
      )
    }
  }

  async #askHead(): Promise<Position> {
    const { log, clock } = this.#components
    return await log.head(AbortSignal.any([clock.timeout(limits.readBarrierMs.value), this.#closing.signal]))
  }

  async *changes(from: Position, signal: AbortSignal): AsyncGenerator<Change> {
    const { log } = this.#components
    const ending = AbortSignal.any([signal, this.#closing.signal])
    try {
      for (let position = from; ; ) {
        this.#checkUsable()
        const records = await log.read(position, changesReadRecords, ending)
        for (const record of records) {
          const operations = decodeRecord(record).transactions.flatMap((transaction) =>
            transaction.operations.filter((operation): operation is Operation => operation.kind !== 'unknown'),
          )
          position = record.position
          // A reader of a change may look at its rows, so they are there first.
          await this.#applied.until(() => this.position >= record.position, ending)
          if (operations.length > 0) yield { position, operations }
          if (ending.aborted) break
        }
        if (ending.aborted) break
        if (records.length === 0) await log.changed(position, ending)
      }
    } catch (error) {
      if (!ending.aborted) throw error
    }
    if (!signal.aborted) this.#checkUsable()
  }

  /** Stops the database: what waits is refused, reads throw. It must be opened again. */
  fail(error: SlipwayError): void {
    if (this.#failure) return
    this.#failure = error
    this.#components.writer.fail(error)
    this.#closing.abort(error)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const { writer, log, close, endUpkeep } = this.#components
    // A log that cannot be reached must not keep a process from ending; callers then hear that the outcome is unknown.
    const late = this.#components.clock.timeout(closeFlushMs)
    const stop = () =>
      this.#closing.abort(new SlipwayError('database_closed', 'the database was closed while the log was out of reach'))
    late.addEventListener('abort', stop)
    await writer.close()
    late.removeEventListener('abort', stop)
    await endUpkeep?.()
    this.#closing.abort(new SlipwayError('database_closed', 'the database is closed'))
    await log[Symbol.asyncDispose]()
    await close()
  }

  /** Nothing may be written any more. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  #checkUsable(): void {
    if (this.#failure) throw this.#failure
    if (!this.#closing.signal.aborted && !this.#closed) return
    throw isSlipwayError(this.#closing.signal.reason)
      ? this.#closing.signal.reason
      : new SlipwayError('database_closed', 'the database is closed')
  }
}
