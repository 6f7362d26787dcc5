// Keeps a read model at the head of a log that others append to as well.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { ChangeLog, EncodedRecord, RecordHash } from '../change-log.ts'
import { ColdRows, type LoadFamilies, Thawing } from '../cold/thawed.ts'
import type { Batch } from '../read-model/batch.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { decodeRecord } from '../record.ts'
import type { OnBranch } from '../recovery.ts'
import type { LogHealth } from './log-health.ts'

/** Records read at once; each may have a megabyte. */
const readRecords = 16
const retryMsMax = 1000
/** News while a record of this instance is on its way is mostly that record: so long it is waited for before the log is read. */
const ownNewsMs = 50
/** A page that is not full ends at the head of its moment; one of shipped records may end where shipping was. */
const endsSeenMax = 2

export type FollowerComponents = {
  readonly model: ReadModel
  readonly log: ChangeLog
  readonly clock: Clock
  readonly onBranch: OnBranch
  readonly health: LogHealth
  readonly loadFamilies: LoadFamilies
  /** Hears when the log and this database contradict each other: nothing may be served any more. */
  readonly onFailure: (error: SlipwayError) => void
}

/** What a record of this instance was made of. */
export type OwnBatch = { readonly prev: RecordHash; readonly batch: Batch }

export class Follower {
  readonly #components: FollowerComponents
  #isBehind = false
  /** Resolves when the record of this instance that is on its way is in the log and counts here, or is not. */
  #own: Promise<unknown> | undefined

  constructor(components: FollowerComponents) {
    this.#components = components
  }

  /** True while a record that is committed could not be applied (disk full, I/O error): reads must not be served. */
  get isBehind(): boolean {
    return this.#isBehind
  }

  /**
   * Applies all records the log has now; those that are added meanwhile are for the next time, since others may add them faster
   * than a slow log is read. Errors: of the log, of applying; contradictions are told to `onFailure` as well.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { model, log, onBranch } = this.#components
    for (let endsSeen = 0; endsSeen < endsSeenMax; ) {
      const records = await this.#checked(() => log.read(model.position, readRecords, signal))
      if (records.length === 0) return
      if (records.length < readRecords) endsSeen++
      for (const record of records) {
        // Applied meanwhile: the writer and the follower may both have read it.
        if (record.position <= model.position) onBranch('follow: applied already')
        else await this.apply(record, signal)
      }
    }
  }

  /** Says that a record of this instance is on its way until `committing` is settled. */
  async expectOwn<T>(committing: Promise<T>): Promise<T> {
    this.#own = committing
    try {
      return await committing
    } finally {
      this.#own = undefined
    }
  }

  /** Writes the record that the model has deferred, if there is one. False while that fails: rows must not be read then. */
  writeDeferred(): boolean {
    try {
      this.#components.model.writeDeferred()
      return true
    } catch {
      return false // It stays deferred, and whoever needs the rows tries again.
    }
  }

  /**
   * Lets a record count whose append has succeeded, and applies it now or, when the model can defer it, soon. Until one of
   * them is done, this database is behind.
   */
  async applyOwn(record: EncodedRecord, own: OwnBatch, signal: AbortSignal): Promise<void> {
    const { model } = this.#components
    if (this.writeDeferred() && model.defer(record, own.prev, own.batch)) return
    try {
      await this.apply(record, signal, own)
    } catch (error) {
      if (this.#components.model.position < record.position) this.#isBehind = true
      throw error
    }
  }

  /**
   * Applies the next record, unless somebody does so meanwhile. What it changes of cold families is read first. When SQLite
   * fails, this database is behind until it succeeds.
   */
  async apply(record: EncodedRecord, signal: AbortSignal, own?: OwnBatch): Promise<void> {
    const { model, loadFamilies, onBranch } = this.#components
    using thawing = new Thawing(loadFamilies, model.thawed)
    while (model.position < record.position) {
      try {
        this.#apply(record, own)
      } catch (error) {
        if (!(error instanceof ColdRows)) throw error
        onBranch('apply: rows of a cold family')
        await this.#checked(() => thawing.load(error, signal))
      }
    }
  }

  #apply(record: EncodedRecord, own: OwnBatch | undefined): void {
    const { model, onBranch } = this.#components
    this.#checkedNow(() => {
      try {
        if (!own || !model.applyBatch(record, own.prev, own.batch)) {
          if (own) onBranch('apply: rows were moved since our record was evaluated')
          model.apply(decodeRecord(record))
        }
        this.#isBehind = false
      } catch (error) {
        if (!isContradiction(error) && !(error instanceof ColdRows)) {
          onBranch('apply: failed')
          this.#isBehind = true
        }
        throw error
      }
    })
  }

  /** Follows until `signal` is aborted; trouble with the log is tried again, for as long as it lasts. */
  async run(signal: AbortSignal): Promise<void> {
    const { model, log, clock, onBranch, health } = this.#components
    for (let failures = 0; !signal.aborted; ) {
      try {
        const { position } = model
        await log.changed(position, signal)
        await this.#awaitOwn(signal)
        if (model.position === position) await this.catchUp(signal)
        failures = 0
        health.succeeded()
      } catch (error) {
        if (signal.aborted || isContradiction(error)) return
        onBranch('follow: try again')
        health.failed(error)
        await clock.sleep(Math.min(2 ** failures++, retryMsMax), signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }

  async #awaitOwn(signal: AbortSignal): Promise<void> {
    if (!this.#own) return
    const done = new AbortController()
    // Without a reason one is made, with the stack of its place, for each record.
    const settled = () => done.abort('settled')
    this.#own.then(settled, settled)
    await this.#components.clock.sleep(ownNewsMs, AbortSignal.any([signal, done.signal])).catch(() => undefined) // settled
  }

  async #checked<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw this.#told(error)
    }
  }

  #checkedNow(act: () => void): void {
    try {
      act()
    } catch (error) {
      throw this.#told(error)
    }
  }

  #told(error: unknown): unknown {
    if (isContradiction(error))
      this.#components.onFailure(
        new SlipwayError(error.code, `the database has stopped: ${error.message}`, { cause: error }),
      )
    return error
  }
}

/** The log says something that cannot follow what is applied here; trying again cannot help. */
export function isContradiction(error: unknown): error is SlipwayError {
  return isSlipwayError(error, 'database_corrupt', 'database_foreign', 'database_too_new', 'history_collected')
}
