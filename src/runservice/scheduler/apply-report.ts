// A report of an executor about a task, applied to the task's row and the order's. Reports may be lost, doubled, late and
// out of order; each carries a number, and only a higher one than the last is news.

import { limits } from '../../lib/limits.ts'
import type { ReportedStep, TaskReport } from '../executor-api.ts'
import type { Reason } from '../reasons.ts'
import type { ExecutorTask, RunTask, StepPhase, TaskStep } from '../types.ts'
import { isFinishedStep } from '../types.ts'
import { endRunning } from './hand-out.ts'

export type ReportInput = {
  /** Who sent it. */
  readonly executorId: string
  readonly report: TaskReport
  /** The order it is about, when there is one. */
  readonly executorTask: ExecutorTask | undefined
  /** The task of that order, when there is one. */
  readonly task: RunTask | undefined
  readonly now: number
}

export type ReportOutcome =
  /** `executorTask` undefined: the task has ended and its order is to be deleted. */
  | { readonly kind: 'applied'; readonly task: RunTask; readonly executorTask: ExecutorTask | undefined }
  /** Applied before: acknowledge it. */
  | { readonly kind: 'known' }
  /** There is no such order for this executor: it may kill the pod and drop the data. */
  | { readonly kind: 'gone' }
  /** It cannot be true; nothing of it is applied. */
  | { readonly kind: 'refused'; readonly code: 'status_impossible'; readonly message: string }

/**
 * Applies a report. A report that ends the task comes when its logs and archives are acknowledged, so nothing is waited for
 * afterwards. Times that are set stay.
 */
export function applyReport({ executorId, report, executorTask, task, now }: ReportInput): ReportOutcome {
  if (executorTask === undefined || task === undefined) return { kind: 'gone' }
  if (executorTask.id !== report.executorTaskId || executorTask.executorId !== executorId) return { kind: 'gone' }
  if (executorTask.runTaskId !== task.id || executorTask.runId !== task.runId) return { kind: 'gone' }
  if (!Number.isSafeInteger(report.number) || report.number < 1)
    return refused(report, `its number ${report.number} is none`)
  if (report.number <= executorTask.lastStatus) return { kind: 'known' }

  if (!mayBecome(task.status, report.phase)) return refused(report, `the task is ${task.status}, not ${report.phase}`)
  if (report.steps.length > task.steps.length)
    return refused(report, `the task has ${task.steps.length} steps, not ${report.steps.length}`)
  const impossible = impossibleStep(task, report)
  if (impossible !== undefined) return refused(report, impossible)
  return { kind: 'applied', ...applied(task, executorTask, { report, now }) }
}

/** Whether a task or step may go from one phase to another: forwards, over any in between, and staying. */
export function mayBecome(from: StepPhase | RunTask['status'], to: StepPhase): boolean {
  if (from === to) return true
  if (from === 'notstarted') return true
  return from === 'running' && (to === 'stopped' || to === 'success' || to === 'failed')
}

function refused(report: TaskReport, why: string): ReportOutcome {
  const message = `report ${report.number} of ${report.executorTaskId}: ${why}`
  return { kind: 'refused', code: 'status_impossible', message }
}

/** Of an executor that lost its disk: it knows that the task failed, and nothing of how far it had come. */
function isBare({ phase, setupStep, steps }: TaskReport): boolean {
  return phase === 'failed' && setupStep.phase === 'notstarted' && steps.length === 0
}

function impossibleStep(task: RunTask, report: TaskReport): string | undefined {
  if (isBare(report)) return undefined
  if (!mayBecome(task.setupStep.phase, report.setupStep.phase))
    return `the setup is ${task.setupStep.phase}, not ${report.setupStep.phase}`
  for (const [index, { phase }] of report.steps.entries()) {
    const before = task.steps[index]!.phase
    if (!mayBecome(before, phase)) return `step ${index} is ${before}, not ${phase}`
  }
  return undefined
}

function applied(
  task: RunTask,
  executorTask: ExecutorTask,
  { report, now }: { readonly report: TaskReport; readonly now: number },
): { readonly task: RunTask; readonly executorTask: ExecutorTask | undefined } {
  const hasEnded = isFinishedStep(report.phase)
  const startedAt = task.startedAt ?? report.startedAt ?? (report.phase === 'running' ? now : undefined)
  const endedAt = task.endedAt ?? (hasEnded ? (report.endedAt ?? now) : undefined)
  // Nothing runs on in a task that ended, whatever its last report forgot to say.
  const close = (step: TaskStep) => (hasEnded ? endRunning(step, report.phase, endedAt ?? now) : step)
  const setupStep = close(isBare(report) ? task.setupStep : mergeStep(task.setupStep, report.setupStep))
  const steps = task.steps.map((step, index) => close(mergeStep(step, report.steps[index])))
  const { reason: _, ...rest } = task
  const reason = hasEnded ? (report.reason ?? defaultReason(report.phase, setupStep, steps)) : undefined
  return {
    task: {
      ...rest,
      status: report.phase,
      timedOut: task.timedOut || report.timedOut,
      setupStep,
      steps,
      executorId: executorTask.executorId,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(endedAt === undefined ? {} : { endedAt }),
      ...(reason === undefined ? {} : { reason }),
      ...(report.keptPod === undefined ? {} : { keptPod: report.keptPod }),
      ...(report.printedSecrets === undefined
        ? {}
        : { printedSecrets: report.printedSecrets.slice(0, limits.printedSecretsPerTask.value) }),
    },
    executorTask: hasEnded ? undefined : { ...executorTask, phase: report.phase, lastStatus: report.number },
  }
}

function mergeStep(step: TaskStep, reported: ReportedStep | undefined): TaskStep {
  if (reported === undefined) return step
  const exitStatus = step.exitStatus ?? reported.exitStatus
  const startedAt = step.startedAt ?? reported.startedAt
  const endedAt = step.endedAt ?? reported.endedAt
  const reason = step.reason ?? reported.reason
  return {
    phase: reported.phase,
    ...(exitStatus === undefined ? {} : { exitStatus }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** What the steps say when the report itself gives no reason. */
function defaultReason(phase: StepPhase, setupStep: TaskStep, steps: readonly TaskStep[]): Reason | undefined {
  switch (phase) {
    case 'stopped':
      return { kind: 'stopped' }
    case 'cancelled':
      return { kind: 'cancelled_stop' }
    case 'failed':
      break
    default:
      return undefined
  }
  if (setupStep.phase === 'failed') return setupStep.reason ?? { kind: 'failed_setup', message: 'the setup failed' }
  const index = steps.findIndex((step) => step.phase === 'failed')
  const step = steps[index]
  if (step === undefined) return { kind: 'failed_setup', message: 'the executor gave no reason' }
  if (step.reason !== undefined) return step.reason
  if (step.exitStatus !== undefined) return { kind: 'failed_exit', step: index, code: step.exitStatus }
  return { kind: 'failed_step', step: index, message: `step ${index} failed` }
}
