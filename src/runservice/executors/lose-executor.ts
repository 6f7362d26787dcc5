// What becomes of the tasks of an executor that is lost or was removed: they fail, with end times on all that was running,
// and their orders are deleted, so that the executor hears `gone` when it returns and no report of it is about anything.

import { invariant } from '../../lib/errors.ts'
import type { LogStore } from '../logs/log-store.ts'
import { deleteOrder } from '../orders/orders.ts'
import { runTaskRowId } from '../row-types.ts'
import { failLostTask } from '../scheduler/hand-out.ts'
import { type Affected, putTask, type Tx } from '../stimulus.ts'
import type { RunTask } from '../types.ts'

/** Fails the tasks of an executor, and returns them. */
export function failTasksOf(
  tx: Tx,
  executorId: string,
  { now, lastSeenAt }: { readonly now: number; readonly lastSeenAt: number | undefined },
): readonly RunTask[] {
  const failed: RunTask[] = []
  for (const { body: order } of tx.list('executortask', { index: 'byExecutor', prefix: [executorId] })) {
    const task = tx.get('runtask', runTaskRowId(order.runId, order.runTaskId))
    deleteOrder(tx, order)
    invariant(task !== undefined, `order ${order.id} has no task`)
    const lost = failLostTask(task, { executorId, now, ...(lastSeenAt === undefined ? {} : { lastSeenAt }) })
    putTask(tx, lost)
    failed.push(lost)
  }
  return failed
}

/** The runs of these tasks, to be looked at whole. */
export function runsOf(tasks: readonly RunTask[]): readonly Affected[] {
  return [...new Set(tasks.map(({ runId }) => runId))].map((runId) => ({ runId }))
}

/** Completes the logs of tasks that failed so. Nobody else will: followers of what was being written would wait for ever. */
export async function finishLogsOf(tasks: readonly RunTask[], logs: Pick<LogStore, 'finish'>): Promise<void> {
  for (const { id: runTaskId, setupStep, steps } of tasks) {
    if (setupStep.phase !== 'notstarted') await logs.finish({ runTaskId, log: 'setup' })
    for (const [log, step] of steps.entries()) if (step.phase !== 'notstarted') await logs.finish({ runTaskId, log })
  }
}
