// The state of one task as its executor sees it, and how it changes. Values only: the life cycle decides when.

import { limits } from '../lib/limits.ts'
import type { Order, ReportedStep, TaskReport } from '../runservice/executor-api.ts'
import type { Reason } from '../runservice/reasons.ts'
import type { PrintedSecret, StepPhase } from '../runservice/types.ts'

export type TaskState = Omit<TaskReport, 'executorTaskId' | 'number'>

export function initialState(order: Order): TaskState {
  return {
    phase: 'notstarted',
    timedOut: false,
    setupStep: { phase: 'notstarted' },
    steps: order.steps.map(() => ({ phase: 'notstarted' })),
  }
}

export function begin(state: TaskState, now: number): TaskState {
  return { ...state, phase: 'running', startedAt: now, setupStep: { phase: 'running', startedAt: now } }
}

export function finishSetup(state: TaskState, end: StepEnd, now: number): TaskState {
  return { ...state, setupStep: ended(state.setupStep, end, now) }
}

export function beginStep(state: TaskState, index: number, now: number): TaskState {
  return { ...state, steps: state.steps.map((step, i) => (i === index ? { phase: 'running', startedAt: now } : step)) }
}

export type StepEnd = {
  readonly phase: Extract<StepPhase, 'success' | 'failed' | 'stopped'>
  readonly exitStatus?: number
  readonly reason?: Reason
}

export function finishStep(state: TaskState, index: number, end: StepEnd, now: number): TaskState {
  return { ...state, steps: state.steps.map((step, i) => (i === index ? ended(step, end, now) : step)) }
}

/** With secrets that were printed since; each is told once per log. */
export function withPrintedSecrets(state: TaskState, found: readonly PrintedSecret[]): TaskState {
  const known = state.printedSecrets ?? []
  const isNew = (printed: PrintedSecret) =>
    !known.some(({ secret, log }) => secret === printed.secret && log === printed.log)
  const added = found.filter(isNew)
  if (added.length === 0) return state
  return { ...state, printedSecrets: [...known, ...added].slice(0, limits.printedSecretsPerTask.value) }
}

export type TaskEnd = {
  readonly phase: Extract<StepPhase, 'success' | 'failed' | 'stopped' | 'cancelled'>
  readonly timedOut?: boolean
  readonly reason?: Reason
  readonly keptPod?: string
}

export function finishTask(state: TaskState, end: TaskEnd, now: number): TaskState {
  return {
    ...state,
    phase: end.phase,
    timedOut: end.timedOut ?? false,
    endedAt: now,
    ...(end.reason === undefined ? {} : { reason: end.reason }),
    ...(end.keptPod === undefined ? {} : { keptPod: end.keptPod }),
  }
}

function ended(step: ReportedStep, end: StepEnd, now: number): ReportedStep {
  return {
    ...step,
    phase: end.phase,
    endedAt: now,
    ...(end.exitStatus === undefined ? {} : { exitStatus: end.exitStatus }),
    ...(end.reason === undefined ? {} : { reason: end.reason }),
  }
}
