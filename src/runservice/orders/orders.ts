// Orders are written and deleted here, and nowhere else, so that how many an executor has is known without counting them.

import { invariant } from '../../lib/errors.ts'
import type { Tx } from '../stimulus.ts'
import type { ExecutorTask } from '../types.ts'
import { deleteFound } from './order-secrets.ts'

/** Writes a new order: it takes a slot of its executor. */
export function insertOrder(tx: Tx, order: ExecutorTask): void {
  const taken = takenSlots(tx, order.executorId)
  tx.put('executortask', order.id, order)
  tx.put('takenslots', order.executorId, { count: taken + 1 })
}

/** Deletes an order that is there: its slot is free again. */
export function deleteOrder(tx: Tx, { id, executorId }: Pick<ExecutorTask, 'id' | 'executorId'>): void {
  const left = takenSlots(tx, executorId) - 1
  invariant(left >= 0, `executor ${executorId} has fewer orders than are deleted`)
  tx.delete('executortask', id)
  deleteFound(tx, id)
  if (left === 0) tx.delete('takenslots', executorId)
  else tx.put('takenslots', executorId, { count: left })
}

/** Orders of an executor. Only rows that were written before this was kept have to be counted. */
export function takenSlots(tx: Pick<Tx, 'get' | 'count'>, executorId: string): number {
  return (
    tx.get('takenslots', executorId)?.count ?? tx.count('executortask', { index: 'byExecutor', prefix: [executorId] })
  )
}
