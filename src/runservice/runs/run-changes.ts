// Changes of runs and tasks as they are committed, for whoever shows them live; and the rows of some runs at once, for lists.

import type { Database, Position, ReadTransaction, ViewTransaction } from '../../datamanager/database.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { Run, RunTask } from '../types.ts'

/** What one committed record changed; at most one entry for each run and task. */
export type RunChanges = {
  readonly position: Position
  /** As they are after it. */
  readonly runs: readonly Run[]
  readonly tasks: readonly ChangedTask[]
}

/** With what tells whose it is. */
export type ChangedTask = { readonly group: string; readonly task: RunTask }

/** A run without its tasks. */
export type RunRow = {
  readonly run: Run
  /** Ids of its tasks that wait for approval. */
  readonly tasksWaitingApproval: readonly string[]
}

/** After `from`, or from now on; a first item without changes tells where that is. Errors: `history_collected`. */
export async function* watchRunChanges(
  database: Database<RunserviceSchema>,
  from: Position | undefined,
  signal: AbortSignal,
): AsyncGenerator<RunChanges, void, undefined> {
  const start = from ?? database.position
  yield { position: start, runs: [], tasks: [] }
  for await (const { position, operations } of database.changes(start, signal)) {
    const runs = new Map<string, Run>()
    const tasks = new Map<string, RunTask>()
    for (const operation of operations) {
      if (operation.kind !== 'put') continue
      if (operation.type === 'run') runs.set(operation.id, operation.body as unknown as Run)
      else if (operation.type === 'runtask') tasks.set(operation.id, operation.body as unknown as RunTask)
    }
    if (runs.size === 0 && tasks.size === 0) continue
    const groupOf = (runId: string) => (runs.get(runId) ?? rowAtHand(database, runId))?.group
    yield {
      position,
      runs: [...runs.values()],
      tasks: [...tasks.values()].flatMap((task) => {
        const group = groupOf(task.runId)
        return group === undefined ? [] : [{ group, task }]
      }),
    }
  }
}

/** Those of these runs that this process has at hand, in the order of the ids: runs that ended long ago are left out. */
export function runRowsAtHand(tx: ViewTransaction<RunserviceSchema>, runIds: readonly string[]): readonly RunRow[] {
  const rows = tx.listAtHand('run', runIds)
  return rows.map(({ body: run }) => ({ run, tasksWaitingApproval: waitingApproval(tx, run) }))
}

function waitingApproval(tx: ReadTransaction<RunserviceSchema>, run: Run): readonly string[] {
  if (run.phase !== 'running') return []
  return tx.list('runtask', { index: 'byApproval', prefix: [run.id] }).map(({ body }) => body.id)
}

function rowAtHand(database: Database<RunserviceSchema>, id: string): Run | undefined {
  try {
    return database.view((tx) => tx.get('run', id))
  } catch (error) {
    if (isSlipwayError(error, 'row_cold')) return undefined
    throw error
  }
}
