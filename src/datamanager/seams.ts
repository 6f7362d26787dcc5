// Where the simulation takes hold of a database. Nothing else passes any of it.

import type { ReadModel, StorageCalls } from './read-model/read-model.ts'
import type { OnBranch } from './recovery.ts'
import type { CommitStrategy } from './writer.ts'

export type Seams = {
  /** Around each lasting call to SQLite. */
  readonly storageCalls?: StorageCalls
  /** Runs a task soon, after those who are about to call have done so. */
  readonly defer?: (task: () => void) => void
  readonly newId?: () => string
  /** In [0, 1). */
  readonly random?: () => number
  readonly onBranch?: OnBranch
  /** Replaces the commit, to see that a broken one is found. */
  readonly replaceCommit?: (commit: CommitStrategy, model: ReadModel) => CommitStrategy
}

/**
 * The default of `defer`: after the callbacks and microtasks of this turn of the event loop, so that all who are about to
 * call share one commit; no timer, so one caller alone waits for nothing.
 */
export function deferToEndOfTurn(task: () => void): void {
  setImmediate(task)
}
