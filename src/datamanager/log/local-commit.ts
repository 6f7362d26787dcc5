// The embedded commit: record and rows in the one SQLite transaction of the evaluation, one fsync for a batch.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Position } from '../database.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { sqliteCode, sqliteError } from '../read-model/sqlite.ts'
import type { CommitOutcome, CommitStrategy, EvaluatedBatch } from '../writer.ts'
import type { EmbeddedChangeLog } from './embedded.ts'

/** In passing, every so many records, old ones go, so no commit deletes many, and `meta` says where the rows are. */
const tidyEveryRecords = 64

export type LocalCommitOptions = {
  readonly model: ReadModel
  readonly log: EmbeddedChangeLog
  /** Records that stay in the log at least. */
  readonly recordsKept?: number
  /** The position up to which every registered consumer has seen the changes; later records stay as well. */
  readonly consumed?: (() => Position) | undefined
  /** Hears of a commit that failed in a way after which nothing is certain. */
  readonly onFailure: (error: SlipwayError) => void
}

export class LocalCommit implements CommitStrategy {
  readonly namesTransactions = false
  readonly #options: LocalCommitOptions

  constructor(options: LocalCommitOptions) {
    this.#options = options
  }

  commit({ record, prev, batch }: EvaluatedBatch): CommitOutcome {
    const { model, log, onFailure, consumed, recordsKept = limits.recordsKept.value } = this.#options
    if (!record) {
      model.rollback()
      return { kind: 'committed' }
    }
    const isTidied = record.position % tidyEveryRecords === 0
    try {
      model.write(batch)
      const isNext = model.storageCalls('append', () => log.appendWithin(record, prev, model.seal()))
      if (!isNext)
        throw new SlipwayError(
          'database_corrupt',
          `the newest record of the log is not ${record.position - 1}, ${prev}`,
        )
      if (isTidied) log.collectWithin(collectable(record.position, consumed?.(), recordsKept))
    } catch (error) {
      model.rollback()
      return { kind: 'failed', error: sqliteError(error, `append record ${record.position}`) }
    }
    try {
      if (isTidied) model.commit(record.position, record.hash)
      else model.commitRecorded(record.position, record.hash)
    } catch (cause) {
      if (isDiskFull(cause) && model.isAsCommitted()) {
        return { kind: 'failed', error: sqliteError(cause, `commit record ${record.position}`) }
      }
      // Whether the commit is on the disk shows only when the file is opened again: nothing may be built on it until then.
      model.rollback()
      const error = sqliteError(cause, `commit record ${record.position}: open the database again`)
      onFailure(
        new SlipwayError('database_failed', 'a commit failed half-way; open the database again', { cause: error }),
      )
      return { kind: 'unknown', cause: error }
    }
    log.committed()
    return { kind: 'committed' }
  }
}

/** The newest position that may leave the log once `position` is in it. */
export function collectable(position: Position, consumed: Position | undefined, recordsKept: number): Position {
  const byCount = position - recordsKept
  if (consumed === undefined) return byCount
  return Math.max(Math.min(byCount, consumed), position - limits.recordsKeptForConsumers.value)
}

/**
 * SQLite writes the frame that makes a commit valid last, so when a write found no room that frame is not there: this
 * failure, unlike others of a commit, is certain. (With SQLITE_IOCAP_POWERSAFE_OVERWRITE, its default, nothing follows it.)
 */
function isDiskFull(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== undefined && (code & 0xff) === 13
}
