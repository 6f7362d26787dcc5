// Group commit: takes the closures that wait, evaluates one after the other, makes one record of what they wrote, commits
// it and answers. What "commits" means is a strategy: `LocalCommit` writes rows and record in the transaction of the
// evaluation (one fsync), `RemoteCommit` rolls back, appends to a log elsewhere and then applies what was evaluated.
//
// Every answer, errors of closures included, waits for the commit of its batch, since a closure has seen what those
// before it in the batch wrote.

import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { EncodedRecord, RecordHash } from './change-log.ts'
import { type ColdRows, type LoadFamilies, Thawing } from './cold/thawed.ts'
import type { Committed, DoOptions, Position, Schema, Transaction } from './database.ts'
import { OutcomeUnknownError } from './outcome-unknown.ts'
import type { Batch } from './read-model/batch.ts'
import type { ReadModel } from './read-model/read-model.ts'
import { sqliteError } from './read-model/sqlite.ts'
import { encodeRecord, encodeTransaction } from './record.ts'

export type WriterComponents = {
  readonly model: ReadModel
  readonly commit: CommitStrategy
  readonly now: () => number
  /** Random ids of batches and of transactions without one. */
  readonly newId: () => string
  /** Runs `task` soon, after those who are about to call have done so. */
  readonly defer: (task: () => void) => void
  readonly loadFamilies: LoadFamilies
  /** To write records in; default: the newest. Other instances may not read that one. */
  readonly recordFormat?: (() => number) | undefined
}

export type EvaluatedBatch = {
  readonly record: EncodedRecord | undefined
  readonly prev: RecordHash
  /** What the record changes, as ReadModel.write takes it. */
  readonly batch: Batch
}

export type CommitOutcome =
  | { readonly kind: 'committed' }
  /** Another record took the position: evaluate again. */
  | { readonly kind: 'lost' }
  /** Certainly not committed. */
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'unknown'; readonly cause: unknown }

/**
 * Commits what was just evaluated. The transaction of the evaluation is open when this is called and closed when it returns
 * (not: resolves).
 */
export type CommitStrategy = {
  /** Before a batch is evaluated: whatever must hold first. */
  prepare?(): Promise<void> | undefined
  commit(batch: EvaluatedBatch): CommitOutcome | Promise<CommitOutcome>
  /** Whether transactions without an id get one when their caller may abort. */
  readonly namesTransactions: boolean
}

type Queued = {
  readonly closure: (tx: Transaction<Schema>) => unknown
  readonly signal: AbortSignal | undefined
  readonly transactionId: string | undefined
  readonly isIdGiven: boolean
  readonly isMaintenance: boolean
  readonly settle: { resolve(committed: Committed<unknown>): void; reject(error: unknown): void }
  state: 'queued' | 'evaluated' | 'settled'
  rounds: number
  /** Holds what it has read of cold families. */
  thawing: Thawing | undefined
  onAbort: (() => void) | undefined
}
type Outcome =
  | { readonly kind: 'returned'; readonly result: unknown; readonly position: Position }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'cold'; readonly cold: ColdRows }
type Evaluated = { readonly queued: Queued; readonly outcome: Outcome }

/** Transaction ids are forgotten in passing, every so many records. */
const forgetEveryRecords = 256

export class Writer {
  readonly #components: WriterComponents
  #queue: Queued[] = []
  /** Those that wait for rows from object storage, and then go on before the others. */
  readonly #thawing = new Set<Queued>()
  #isScheduled = false
  #running: Promise<void> | undefined
  #closed: SlipwayError | undefined
  #idle = Promise.withResolvers<void>()
  /** Bytes of operations per closure, averaged over the recent ones: what those that wait will probably need. */
  #meanBytes = 0

  constructor(components: WriterComponents) {
    this.#components = components
  }

  /** `isMaintenance`: may write while the database is frozen. */
  do<S extends Schema, T>(
    closure: (tx: Transaction<S>) => T,
    options: DoOptions & { readonly isMaintenance?: boolean } = {},
  ): Promise<Committed<T>> {
    const { signal, transactionId, isMaintenance = false } = options
    if (this.#closed) return Promise.reject(this.#closed)
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#isOverloaded())
      return Promise.reject(
        new SlipwayError('database_overloaded', `${this.#queue.length} transactions wait already: try again later`),
      )
    return new Promise<Committed<T>>((resolve, reject) => {
      const needsId = transactionId === undefined && signal !== undefined && this.#components.commit.namesTransactions
      const queued: Queued = {
        closure: closure as (tx: Transaction<Schema>) => unknown, // S is what the database was opened with
        signal,
        transactionId: needsId ? this.#components.newId() : transactionId,
        isIdGiven: transactionId !== undefined,
        isMaintenance,
        settle: { resolve: resolve as (committed: Committed<unknown>) => void, reject },
        state: 'queued',
        rounds: 0,
        thawing: undefined,
        onAbort: undefined,
      }
      if (signal) {
        queued.onAbort = () => this.#abort(queued, signal)
        signal.addEventListener('abort', queued.onAbort, { once: true })
      }
      this.#queue.push(queued)
      this.#schedule()
    })
  }

  /** Commits what waits, refuses what comes. */
  async close(): Promise<void> {
    this.#closed ??= new SlipwayError('database_closed', 'the database is closed')
    while (this.#queue.length > 0 || this.#thawing.size > 0 || this.#running) await this.#idle.promise
  }

  /** Refuses everything from now on, what waits included. */
  fail(error: SlipwayError): void {
    this.#closed = error
    for (const queued of this.#queue.splice(0)) this.#reject(queued, error)
    for (const queued of this.#thawing) this.#reject(queued, error)
  }

  #isOverloaded(): boolean {
    const waiting = this.#queue.length + this.#thawing.size
    if (waiting >= limits.queuedTransactions.value) return true
    return waiting > limits.batchTransactions.value && waiting * this.#meanBytes > limits.queuedBytes.value
  }

  #schedule(): void {
    if (this.#isScheduled || this.#running) return
    this.#isScheduled = true
    this.#components.defer(() => {
      this.#isScheduled = false
      if (this.#queue.length === 0) {
        this.#afterBatch() // all were refused meanwhile
        return
      }
      const done = this.#commitBatch()
      if (done) this.#running = done.finally(() => this.#afterBatch())
      else this.#afterBatch()
    })
  }

  #afterBatch(): void {
    this.#running = undefined
    if (this.#queue.length > 0) {
      this.#schedule()
      return
    }
    this.#wakeIdle()
  }

  /** Returns a promise only when the strategy waits. */
  #commitBatch(): Promise<void> | undefined {
    const preparing = this.#components.commit.prepare?.()
    if (preparing)
      return preparing.then(
        () => this.#evaluateAndCommit(),
        (error: unknown) => this.fail(asClosing(error)),
      )
    return this.#evaluateAndCommit()
  }

  #evaluateAndCommit(): Promise<void> | undefined {
    const evaluated: Evaluated[] = []
    const batch = this.#evaluate(evaluated)
    if (!batch) return undefined
    let committing: CommitOutcome | Promise<CommitOutcome>
    try {
      committing = this.#components.commit.commit(batch)
    } catch (cause) {
      committing = { kind: 'unknown', cause }
    }
    if (!(committing instanceof Promise)) {
      this.#answer(evaluated, batch, committing)
      return undefined
    }
    return committing.then(
      (outcome) => this.#answer(evaluated, batch, outcome),
      (cause: unknown) => this.#answer(evaluated, batch, { kind: 'unknown', cause }),
    )
  }

  /** Fills `evaluated`; undefined when nothing is left to commit, and then no transaction is open. */
  #evaluate(evaluated: Evaluated[]): EvaluatedBatch | undefined {
    const { model, newId } = this.#components
    let begun: Batch | undefined
    const lines: string[] = []
    let taken = 0
    let bytes = 0
    let current: Queued | undefined
    try {
      const batch = model.beginBatch()
      begun = batch
      while (evaluated.length < limits.batchTransactions.value && bytes < limits.batchBytes.value) {
        current = this.#queue[taken]
        if (!current) break
        taken++
        if (current.state === 'settled' || this.#thawing.has(current)) continue
        const { outcome, line } = this.#evaluateOne(current, batch, lines.length > 0)
        if (outcome.kind === 'cold') {
          void this.#thaw(current, outcome.cold)
          continue
        }
        this.#meanBytes += ((line?.length ?? 0) - this.#meanBytes) / 16
        bytes += line?.length ?? 0
        if (line !== undefined) lines.push(line)
        current.state = 'evaluated'
        evaluated.push({ queued: current, outcome })
      }
      this.#queue.splice(0, taken)
      if (batch.position % forgetEveryRecords === 0 && lines.length > 0)
        batch.forgetBefore = this.#components.now() - limits.transactionResultMs.value
    } catch (error) {
      // SQLite failed below a closure: nothing of this batch stays.
      this.#queue.splice(0, taken)
      model.rollback()
      const failure = sqliteError(error, 'evaluate a transaction')
      for (const { queued } of evaluated) this.#reject(queued, failure)
      if (current) this.#reject(current, failure)
      else for (const queued of this.#queue.splice(0)) this.#reject(queued, failure)
      return undefined
    }
    if (evaluated.length === 0 || !begun) {
      model.rollback()
      return undefined
    }
    const place = { ...model.identity, position: begun.position, prev: model.hash }
    const format = this.#components.recordFormat?.()
    const record = lines.length === 0 ? undefined : encodeRecord(place, newId(), lines, format)
    return { record, prev: place.prev, batch: begun }
  }

  /** Reads what the closure needs, while others go on; then it is the next. */
  async #thaw(queued: Queued, cold: ColdRows): Promise<void> {
    const { loadFamilies, model } = this.#components
    this.#thawing.add(queued)
    try {
      queued.thawing ??= new Thawing(loadFamilies, model.thawed)
      await queued.thawing.load(cold, queued.signal)
      // Settled when its caller has left, or the database has failed.
      if (queued.state !== 'settled') this.#queue.unshift(queued)
    } catch (error) {
      this.#reject(queued, error)
    }
    this.#thawing.delete(queued)
    if (this.#queue.length > 0) this.#schedule()
    else this.#wakeIdle()
  }

  #wakeIdle(): void {
    this.#idle.resolve()
    this.#idle = Promise.withResolvers<void>()
  }

  #evaluateOne(
    queued: Queued,
    { position, remembered }: Batch,
    isAfterChange: boolean,
  ): { readonly outcome: Outcome; readonly line: string | undefined } {
    const { model, now } = this.#components
    const { transactionId } = queued
    const at = now()
    if (transactionId !== undefined && queued.isIdGiven) {
      const first = model.remembered(transactionId, at - limits.transactionResultMs.value)
      if (first) {
        const result: unknown = first.result === null ? undefined : JSON.parse(first.result)
        return { outcome: { kind: 'returned', result, position: first.position }, line: undefined }
      }
    }
    let resultText: string | undefined
    const evaluation = model.evaluate((tx) => {
      const result = queued.closure(tx)
      if (transactionId !== undefined) resultText = encodeResult(result, queued.isIdGiven)
      return result
    }, queued.isMaintenance)
    if (evaluation.kind !== 'returned') return { outcome: evaluation, line: undefined }
    const { result, operations } = evaluation
    if (operations.length === 0)
      return {
        outcome: { kind: 'returned', result, position: isAfterChange ? position : position - 1 },
        line: undefined,
      }
    if (transactionId !== undefined) remembered.set(transactionId, { position, at, result: resultText ?? null })
    const line = encodeTransaction({ transactionId, at, result: resultText, operations })
    return { outcome: { kind: 'returned', result, position }, line }
  }

  #answer(evaluated: readonly Evaluated[], batch: EvaluatedBatch, outcome: CommitOutcome): void {
    switch (outcome.kind) {
      case 'committed':
        for (const { queued, outcome } of evaluated)
          if (outcome.kind === 'returned') this.#resolve(queued, { result: outcome.result, position: outcome.position })
          else if (outcome.kind === 'threw') this.#reject(queued, outcome.error)
        return
      case 'lost':
        this.#again(evaluated)
        return
      case 'failed':
        for (const { queued } of evaluated) this.#reject(queued, outcome.error)
        return
      case 'unknown':
        for (const { queued } of evaluated)
          this.#reject(
            queued,
            batch.record ? new OutcomeUnknownError(queued.transactionId, outcome.cause) : outcome.cause,
          )
        return
    }
  }

  /** Back to the head of the queue, in the same order, those that have not lost too often. */
  #again(evaluated: readonly Evaluated[]): void {
    const again: Queued[] = []
    for (const { queued } of evaluated) {
      if (queued.state === 'settled') continue
      queued.state = 'queued'
      queued.rounds++
      if (queued.rounds < limits.commitRounds.value) again.push(queued)
      else
        this.#reject(
          queued,
          new SlipwayError('commit_conflict', `commit a transaction: others were faster ${queued.rounds} times`),
        )
    }
    this.#queue.unshift(...again)
  }

  #abort(queued: Queued, signal: AbortSignal): void {
    if (queued.state === 'queued') this.#reject(queued, signal.reason)
    else this.#reject(queued, new OutcomeUnknownError(queued.transactionId, signal.reason))
  }

  #resolve(queued: Queued, committed: Committed<unknown>): void {
    if (this.#settle(queued)) queued.settle.resolve(committed)
  }

  #reject(queued: Queued, error: unknown): void {
    if (this.#settle(queued)) queued.settle.reject(error)
  }

  #settle(queued: Queued): boolean {
    if (queued.state === 'settled') return false
    queued.state = 'settled'
    queued.thawing?.[Symbol.dispose]()
    if (queued.onAbort) queued.signal?.removeEventListener('abort', queued.onAbort)
    return true
  }
}

/** JSON text of what a closure with a transaction id returned; what cannot be kept is refused only if the caller gave the id. */
function encodeResult(result: unknown, isIdGiven: boolean): string | undefined {
  let text: string | undefined
  try {
    text = JSON.stringify(result) as string | undefined // undefined for undefined and functions
  } catch (error) {
    if (isIdGiven) throw error // a BigInt, a cycle
  }
  if (text === undefined || Buffer.byteLength(text) <= limits.transactionResultBytes.value) return text
  if (!isIdGiven) return undefined
  throw new SlipwayError(
    'limit_exceeded',
    `keep the result of a transaction: ${Buffer.byteLength(text)} bytes, at most ${limits.transactionResultBytes.value} fit`,
  )
}

function asClosing(error: unknown): SlipwayError {
  if (isSlipwayError(error)) return error
  return new SlipwayError('database_failed', 'the database has stopped', { cause: error })
}
