// The commit to a log elsewhere: the evaluation is rolled back, the record appended, and when it is certain that it is
// there, answered; it is applied while the next one is appended. No SQLite transaction is open while this waits.

import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { AppendResult, ChangeLog, EncodedRecord, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import type { OnBranch } from '../recovery.ts'
import type { CommitOutcome, CommitStrategy, EvaluatedBatch } from '../writer.ts'
import { type Follower, isContradiction } from './follower.ts'
import type { LogHealth } from './log-health.ts'

/** Waits between attempts double from 1 ms up to this. */
const retryMsMax = 1000
/** Upper bound of the random wait after a lost race. */
const jitterMsMax = 16
/** So long after a record of somebody else a writer takes turns; on a slow log, for so many times as an append takes. */
const rivalMs = 1000
const rivalAppends = 30
/** A log that says "taken" and then shows nothing there, so often in a row, has lost its end. */
const phantomReadsMax = 20

export type RemoteCommitComponents = {
  readonly model: ReadModel
  readonly log: ChangeLog
  readonly follower: Follower
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Runs a task soon, after what is being sent has left. */
  readonly defer: (task: () => void) => void
  readonly onBranch: OnBranch
  readonly health: LogHealth
  /** Of appending, while the log can be read. */
  readonly writing: LogHealth
  /** Aborted when the database closes. */
  readonly closing: AbortSignal
  readonly onFailure: (error: SlipwayError) => void
}

type Slot = 'ours' | 'another' | 'nothing'

export class RemoteCommit implements CommitStrategy {
  readonly namesTransactions = true
  readonly #components: RemoteCommitComponents
  /** The newest record that is known to be this writer's, or was there before its first. */
  #ownPosition: Position
  #rivalSeenAt: number | undefined
  #appendMs = 0
  #endedAt: number
  /** When it last did nothing for a moment in which another writer could win. */
  #pausedAt: number

  constructor(components: RemoteCommitComponents) {
    this.#components = components
    this.#ownPosition = components.model.position
    this.#endedAt = this.#pausedAt = components.clock.now()
  }

  /** While a committed record could not be applied here, nothing may be evaluated. */
  prepare(): Promise<void> | undefined {
    if (this.#components.follower.isBehind) return this.#retrying(() => this.#catchUp())
    return this.#takeTurns()
  }

  /**
   * Whoever has just won is the first to know the newest record, so it would win again and again. While there are rivals it
   * lets as much time pass as they need to catch up; what is called meanwhile goes into the same record. A rival that always
   * loses is not seen: therefore a writer that never rests does so now and then without having seen one.
   */
  #takeTurns(): Promise<void> | undefined {
    const { model, clock, random, closing } = this.#components
    const now = clock.now()
    if (model.position > this.#ownPosition) this.#rivalSeenAt = now
    const isFirst = model.position === this.#ownPosition
    this.#ownPosition = model.position
    const forgottenAfterMs = Math.max(rivalMs, rivalAppends * this.#appendMs)
    const hasRivals = this.#rivalSeenAt !== undefined && now - this.#rivalSeenAt <= forgottenAfterMs
    const pauseMs = Math.max(jitterMsMax, 4 * this.#appendMs)
    if (!isFirst || now - this.#endedAt >= pauseMs) this.#pausedAt = now
    if (!isFirst || !(hasRivals || now - this.#pausedAt > forgottenAfterMs)) return undefined
    this.#pausedAt = now
    return clock.sleep(random() * pauseMs, closing)
  }

  async commit(batch: EvaluatedBatch): Promise<CommitOutcome> {
    const { model } = this.#components
    model.rollback()
    try {
      if (!batch.record) return await this.#confirmHead()
      return await this.#components.follower.expectOwn(this.#commitRecord(batch.record, batch))
    } catch (cause) {
      if (isContradiction(cause)) this.#components.onFailure(cause)
      return { kind: 'unknown', cause }
    } finally {
      this.#endedAt = this.#components.clock.now()
    }
  }

  async #commitRecord(record: EncodedRecord, { prev, batch }: EvaluatedBatch): Promise<CommitOutcome> {
    const { model, follower, clock, random, defer, closing } = this.#components
    const startedAt = clock.now()
    const appending = this.#append(record, prev)
    defer(() => batch.prepare())
    const winner = await appending
    this.#appendMs = Math.min(clock.now() - startedAt, retryMsMax)
    if (winner === 'another') {
      await this.#retrying(() => this.#catchUp())
      await clock.sleep(random() * jitterMsMax, closing)
      return { kind: 'lost' }
    }
    if (model.position < record.position) {
      try {
        await follower.applyOwn(record, { prev, batch }, closing)
        // If others call at once, their record is sent first.
        defer(() => defer(() => follower.writeDeferred()))
      } catch (error) {
        // The record is durable and counts; this instance serves nothing until it has applied it.
        if (isContradiction(error)) throw error
      }
    }
    if (model.position === record.position && model.hash !== record.hash) {
      const error = new SlipwayError(
        'database_corrupt',
        `the log has two records ${record.position}: ${model.hash} and ${record.hash}`,
      )
      this.#components.onFailure(error)
      throw error
    }
    if (this.#ownPosition === record.position - 1) this.#ownPosition = record.position
    return { kind: 'committed' }
  }

  /** A batch that wrote nothing has read the newest state only if the log still ends where it was evaluated. */
  async #confirmHead(): Promise<CommitOutcome> {
    const { model, log, closing } = this.#components
    const position = model.position
    const head = await this.#retrying(() => log.head(closing))
    if (head <= position) return { kind: 'committed' }
    await this.#retrying(() => this.#catchUp())
    return { kind: 'lost' }
  }

  /** Appends until it is certain whose record is at this position. Never moves past a position that is not resolved. */
  async #append(record: EncodedRecord, prev: RecordHash): Promise<'ours' | 'another'> {
    const { log, clock, onBranch, health, writing, closing } = this.#components
    let phantoms = 0
    for (let attempt = 0; ; attempt++) {
      closing.throwIfAborted()
      const result = await this.#tryAppend(() => log.append(record, prev, closing))
      if (result.kind === 'unknown') health.failed(result.cause)
      else health.succeeded()
      if (result.kind !== 'unknown') writing.succeeded()
      if (result.kind === 'created') return 'ours'
      const slot = await this.#retrying(() => this.#readSlot(record))
      const isUnknown = result.kind === 'unknown'
      if (slot !== 'nothing') {
        const who = slot === 'ours' ? 'our record' : 'another record'
        writing.succeeded()
        onBranch(isUnknown ? `append: unknown, ${who}` : `append: exists, ${who}`)
        return slot
      }
      if (isUnknown) {
        onBranch('append: unknown, no record yet')
        writing.failed(result.cause)
      } else if (++phantoms > phantomReadsMax) {
        const error = new SlipwayError(
          'database_corrupt',
          `the log refuses record ${record.position} but has none there`,
        )
        this.#components.onFailure(error)
        throw error
      }
      // The same bytes again: whichever attempt arrives, there is one record.
      await clock.sleep(Math.min(2 ** attempt, retryMsMax), closing)
    }
  }

  /** A thrown error says as little about the record as a lost answer. */
  async #tryAppend(append: () => Promise<AppendResult>): Promise<AppendResult> {
    try {
      return await append()
    } catch (cause) {
      if (isContradiction(cause)) throw cause
      return { kind: 'unknown', cause }
    }
  }

  async #readSlot(record: EncodedRecord): Promise<Slot> {
    const [found] = await this.#components.log.read(record.position - 1, 1, this.#components.closing)
    if (!found) return 'nothing'
    return found.hash === record.hash ? 'ours' : 'another'
  }

  #catchUp(): Promise<void> {
    return this.#components.follower.catchUp(this.#components.closing)
  }

  /** Until it succeeds, the log and this database contradict each other, or the database closes. */
  async #retrying<T>(act: () => Promise<T>): Promise<T> {
    const { clock, onBranch, health, closing } = this.#components
    for (let attempt = 0; ; attempt++) {
      try {
        const result = await act()
        health.succeeded()
        return result
      } catch (error) {
        if (closing.aborted || isContradiction(error)) throw error
        onBranch('append: log not readable')
        health.failed(error)
        await clock.sleep(Math.min(2 ** attempt, retryMsMax), closing)
      }
    }
  }
}
