// What a placement decides from, read from rows when it asks.

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { ExecutorRows } from '../executors/executor-rows.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { PlacementInput } from '../scheduler/place.ts'
import { takenSlots } from './orders.ts'
import { readyRows } from './ready-rows.ts'

export function placementInput(tx: ReadTransaction<RunserviceSchema>, rows: ExecutorRows): PlacementInput {
  const [last] = tx.list('served', { index: 'byTurn', descending: true, limit: 1 })
  return {
    ready: readyRows(tx),
    executors: rows.list(tx),
    taken: lazily(() => slotsTaken(tx)),
    served: { get: (project) => tx.get('served', project)?.turn },
    nextTurn: (last?.body.turn ?? -1) + 1,
  }
}

type Lookup = PlacementInput['taken']

/**
 * Orders of each executor that has any, read at once. Idle executors have no row and may be thousands: as long as the rows account
 * for all orders nobody is asked for them one by one.
 */
function slotsTaken(tx: ReadTransaction<RunserviceSchema>): Lookup {
  const counts = new Map(tx.list('takenslots').map(({ id, body }) => [id, body.count]))
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const isComplete = counted === tx.count('executortask')
  return { get: (executorId) => counts.get(executorId) ?? (isComplete ? 0 : takenSlots(tx, executorId)) }
}

function lazily(make: () => Lookup): Lookup {
  let made: Lookup | undefined
  return {
    get: (key) => {
      made ??= make()
      return made.get(key)
    },
  }
}
