// What people and the group order do to a run: start, stop, cancel, approve. Each checks that the state allows it and
// gives the changed rows; `advance` decides what follows.

import { SlipwayError } from '../../lib/errors.ts'
import type { Run, RunTask } from '../types.ts'
import type { RunTransition } from './advance.ts'

export type RunChange = { readonly run: Run; readonly events: readonly RunTransition[] }

/** Queued to running. Throws `run_not_queued`. */
export function startRun(run: Run, now: number): RunChange {
  checkQueued(run, 'start')
  const { reason: _, ...rest } = run
  return changed({ ...rest, phase: 'running', startedAt: now })
}

/** Queued to cancelled; its tasks stay as they are. Throws `run_not_queued`. */
export function cancelRun(run: Run, { by, now }: { readonly by?: string; readonly now: number }): RunChange {
  checkQueued(run, 'cancel')
  return changed({
    ...run,
    phase: 'cancelled',
    endedAt: now,
    reason: { kind: 'stopped', ...(by === undefined ? {} : { by }) },
  })
}

/**
 * Asks a running run to stop: what was not handed out is skipped and what was is asked to stop, by the `advance` that
 * follows. Asking again changes nothing. Throws `run_not_running`.
 */
export function stopRun(
  run: Run,
  tasks: readonly RunTask[],
  { by }: { readonly by?: string } = {},
): { readonly run: Run; readonly tasks: readonly RunTask[] } {
  checkRunning(run, 'stop')
  if (run.stop) return { run, tasks: [] }
  return {
    run: {
      ...run,
      stop: true,
      // A run that failed already stays failed for its own reason.
      ...(run.result === 'unknown' ? { reason: { kind: 'stopped', ...(by === undefined ? {} : { by }) } } : {}),
    },
    tasks: tasks
      .filter((task) => task.waitingApproval)
      .map((task) => ({ ...withoutReason(task), waitingApproval: false })),
  }
}

/**
 * Approves a task that waits for it; one approval is enough. Throws `run_not_running`, `task_already_approved` and
 * `task_not_waiting_approval`.
 */
export function approveTask(run: Run, task: RunTask, approver: string): RunTask {
  checkRunning(run, `approve task ${task.id} of`)
  if (task.approved)
    throw new SlipwayError('task_already_approved', `approve task ${task.id}: ${task.approvers.join(', ')} did already`)
  if (!task.waitingApproval)
    throw new SlipwayError('task_not_waiting_approval', `approve task ${task.id}: it does not wait for approval`)
  return { ...withoutReason(task), waitingApproval: false, approved: true, approvers: [...task.approvers, approver] }
}

function checkQueued(run: Run, action: string): void {
  if (run.phase !== 'queued')
    throw new SlipwayError(
      'run_not_queued',
      `${action} run #${run.counter} (${run.id}): it is ${run.phase}, not queued`,
    )
}

function checkRunning(run: Run, action: string): void {
  if (run.phase !== 'running')
    throw new SlipwayError(
      'run_not_running',
      `${action} run #${run.counter} (${run.id}): it is ${run.phase}, not running`,
    )
}

const changed = (run: Run): RunChange => ({ run, events: [{ phase: run.phase, result: run.result, run }] })

function withoutReason(task: RunTask): RunTask {
  const { reason: _, ...rest } = task
  return rest
}
