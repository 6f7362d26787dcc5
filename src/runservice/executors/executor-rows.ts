// All executors, as placement asks for them with every task that is handed out. They change seldom and may be thousands: as long as
// none has changed they are not read again.

import type { Database, ReadTransaction } from '../../datamanager/database.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { ExecutorPool } from '../scheduler/executor-pool.ts'
import type { Executor } from '../types.ts'

type Tx = ReadTransaction<RunserviceSchema>

/** Id of the one row that says which set of executors this is. */
export const executorSetId = 'all'

/** For a transaction that changes executors, made outside of it: names the set that it makes. */
export function newExecutorSet(now: number): string {
  return newUuid(now)
}

export class ExecutorRows {
  #known: { readonly version: string; readonly executors: readonly Executor[]; readonly pool: ExecutorPool } | undefined
  #isMissing = false

  /** The executors as `tx` sees them, its own changes included. */
  list(tx: Tx): readonly Executor[] {
    return this.#find(tx)?.executors ?? executorsOf(tx)
  }

  /** The same for placement. */
  pool(tx: Tx): ExecutorPool {
    return this.#find(tx)?.pool ?? new ExecutorPool(executorsOf(tx))
  }

  /**
   * Remembers what was missing. Only what is committed: a set that a transaction would have made may never be, and another one
   * of the same attempt may.
   */
  refresh(database: Pick<Database<RunserviceSchema>, 'view'>): void {
    if (!this.#isMissing) return
    this.#isMissing = false
    database.view((tx) => {
      const version = tx.get('executorset', executorSetId)?.version
      if (version === undefined || version === this.#known?.version) return
      const executors = executorsOf(tx)
      this.#known = { version, executors, pool: new ExecutorPool(executors) }
    })
  }

  #find(tx: Tx) {
    const version = tx.get('executorset', executorSetId)?.version
    if (version !== undefined && version === this.#known?.version) return this.#known
    this.#isMissing = true
    return undefined
  }
}

const executorsOf = (tx: Tx): readonly Executor[] => tx.list('executor').map(({ body }) => body)
