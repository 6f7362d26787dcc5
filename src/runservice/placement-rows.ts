// What a placement decides from, read from rows when it asks.

import type { ReadTransaction } from '../datamanager/database.ts'
import { takenSlots } from './orders.ts'
import { readyRows } from './ready-rows.ts'
import type { RunserviceSchema } from './row-types.ts'
import type { PlacementInput } from './scheduler/place.ts'

export function placementInput(tx: ReadTransaction<RunserviceSchema>): PlacementInput {
  const [last] = tx.list('served', { index: 'byTurn', descending: true, limit: 1 })
  return {
    ready: readyRows(tx),
    executors: tx.list('executor').map((row) => row.body),
    taken: { get: (executorId) => takenSlots(tx, executorId) },
    served: { get: (project) => tx.get('served', project)?.turn },
    nextTurn: (last?.body.turn ?? -1) + 1,
  }
}
