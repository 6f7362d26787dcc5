// Why the tasks of a run wait, told when somebody asks: what the run itself decides, and what the executors do.

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { ExecutorRows } from '../executors/executor-rows.ts'
import { placementInput } from '../orders/placement-rows.ts'
import type { Reason } from '../reasons.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { waitingReasons } from '../scheduler/advance.ts'
import { place } from '../scheduler/place.ts'
import { type GraphCache, loadConfigTasks } from '../stimulus.ts'
import type { Run, RunTask } from '../types.ts'

/** Why a queued run waits: for the run of its group just before it, so that the reason holds until its turn. */
export function runWaitingReasonOf(tx: ReadTransaction<RunserviceSchema>, run: Run): Reason | undefined {
  if (run.phase !== 'queued') return undefined
  const [before] = [
    ...tx.list('run', {
      index: 'byGroupPhase',
      prefix: [run.group, 'queued'],
      after: [run.group, 'queued', run.sequence, run.id],
      descending: true,
      limit: 1,
    }),
    ...tx.list('run', { index: 'byGroupPhase', prefix: [run.group, 'running'], limit: 1 }),
  ]
  return before === undefined ? undefined : { kind: 'waiting_run', counter: before.body.counter }
}

/** Reasons by task id, for the tasks that wait. */
export function waitingReasonsOf(
  tx: ReadTransaction<RunserviceSchema>,
  run: Run,
  tasks: readonly RunTask[],
  { graphs, executors }: { readonly graphs: GraphCache; readonly executors: ExecutorRows },
): ReadonlyMap<string, Reason> {
  const { graph } = loadConfigTasks(tx, run.runConfigId, graphs)
  const reasons = new Map(waitingReasons({ run, tasks, graph }))
  const ready = tx.list('ready', { index: 'byRun', prefix: [run.id] })
  if (ready.length === 0) return reasons
  const { waiting } = place(placementInput(tx, executors))
  for (const { body } of ready) {
    const reason = waiting.get(body.requirement.key)
    if (reason !== undefined) reasons.set(body.taskId, reason)
  }
  return reasons
}
