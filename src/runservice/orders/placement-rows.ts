// What a placement decides from, read from rows when it asks.

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { ExecutorRows } from '../executors/executor-rows.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { PlacementInput } from '../scheduler/place.ts'
import { readyRows } from './ready-rows.ts'

export function placementInput(tx: ReadTransaction<RunserviceSchema>, rows: ExecutorRows): PlacementInput {
  const [last] = tx.list('served', { index: 'byTurn', descending: true, limit: 1 })
  return {
    ready: readyRows(tx),
    executors: rows.pool(tx),
    taken: { [Symbol.iterator]: () => slotsTaken(tx)[Symbol.iterator]() },
    served: { get: (project) => tx.get('served', project)?.turn },
    nextTurn: (last?.body.turn ?? -1) + 1,
  }
}

/** Orders of each executor that has any, read at once: idle executors have no row and may be thousands. */
function slotsTaken(tx: ReadTransaction<RunserviceSchema>): ReadonlyMap<string, number> {
  const counts = new Map(tx.list('takenslots').map(({ id, body }) => [id, body.count]))
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  if (counted === tx.count('executortask')) return counts
  // Orders that were written before slots were counted.
  const orders = Map.groupBy(tx.list('executortask'), ({ body }) => body.executorId)
  return new Map([...orders].map(([executorId, { length }]) => [executorId, length]))
}
