// The life of an order to an executor: made when a task is handed out, gone with the task's end.

import { invariant } from '../../lib/errors.ts'
import type { Reason } from '../reasons.ts'
import type { ExecutorTask, Run, RunTask, StepPhase, TaskStep } from '../types.ts'
import { isFinishedTask } from '../types.ts'

/** Id of the order for an attempt (from 1) to execute a run task. */
export function executorTaskId(runTaskId: string, attempt: number): string {
  return `${runTaskId}.${attempt}`
}

/** Hands a ready task to an executor. */
export function handOut(
  run: Pick<Run, 'id' | 'runConfigId'>,
  task: RunTask,
  { executorId, attempt, now }: { readonly executorId: string; readonly attempt: number; readonly now: number },
): { readonly task: RunTask; readonly executorTask: ExecutorTask } {
  invariant(task.runId === run.id && task.status === 'notstarted', `task ${task.id} cannot be handed out`)
  const { reason: _, ...rest } = task
  return {
    task: { ...rest, executorId },
    executorTask: {
      id: executorTaskId(task.id, attempt),
      runId: run.id,
      runTaskId: task.id,
      runConfigId: run.runConfigId,
      executorId,
      stop: false,
      phase: 'notstarted',
      lastStatus: 0,
      createdAt: now,
    },
  }
}

/**
 * A task whose executor was lost or removed: it failed, with end times on the task and on what of it was running. Its
 * order is to be deleted, so the executor hears `gone` when it returns. A task that ended before stays as it is.
 */
export function failLostTask(
  task: RunTask,
  { executorId, lastSeenAt, now }: { readonly executorId: string; readonly lastSeenAt?: number; readonly now: number },
): RunTask {
  const reason: Reason = { kind: 'executor_lost', executorId, ...(lastSeenAt === undefined ? {} : { lastSeenAt }) }
  return failTask(task, { reason, now })
}

/** Fails a task from outside: with end times on it and on what of it was running. One that ended before stays as it is. */
export function failTask(task: RunTask, { reason, now }: { readonly reason: Reason; readonly now: number }): RunTask {
  if (isFinishedTask(task.status)) return task
  return {
    ...task,
    status: 'failed',
    waitingApproval: false,
    endedAt: now,
    setupStep: endRunning(task.setupStep, 'failed', now),
    steps: task.steps.map((step) => endRunning(step, 'failed', now)),
    reason,
  }
}

/** Ends a step that is still running, because what executed it has ended. */
export function endRunning(step: TaskStep, phase: StepPhase, endedAt: number): TaskStep {
  return step.phase === 'running' ? { ...step, phase, endedAt: step.endedAt ?? endedAt } : step
}
