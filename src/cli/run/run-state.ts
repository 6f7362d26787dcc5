// What is known of runs from their events so far: the live tree and the summary at the end are drawn from it.

import {
  isFinishedStep,
  type RunPhase,
  type RunResult,
  type StepPhase,
  type TaskStatus,
} from '../../runservice/types.ts'
import { printableLine } from './printable-line.ts'
import type { RunEvent, ShownReason, StepReference } from './run-event.ts'

/** Last lines that are kept of a running or failed step. */
export const tailLinesMax = 100
/** Failed steps whose last lines are kept; the others are in the stored log. */
const failedTailsMax = 20
/** Characters kept of one line: more than any screen shows. */
const tailCharactersMax = 4096

export type RunsState = {
  readonly runs: Map<string, RunState>
  failedTails: number
}

export type RunState = {
  readonly name: string
  readonly number: number
  phase: RunPhase
  result: RunResult
  reason?: ShownReason
  setupErrors: readonly string[]
  startedAt?: number
  endedAt?: number
  readonly tasks: Map<string, TaskState>
}

export type TaskState = {
  readonly name: string
  status: TaskStatus
  waitingApproval: boolean
  /** It was taken over from the run that this one repeats. */
  isKept: boolean
  reason?: ShownReason
  startedAt?: number
  endedAt?: number
  keptPod?: string
  readonly setup: StepState
  readonly steps: readonly StepState[]
}

export type StepState = {
  readonly name: string
  phase: StepPhase
  exitStatus?: number
  reason?: ShownReason
  startedAt?: number
  endedAt?: number
  /** The newest lines, as a terminal would show them; a little more than `tailLinesMax` at most. */
  tail: string[]
  lines: number
  /** The line that has not ended yet. */
  partial: string
}

export function emptyRunsState(): RunsState {
  return { runs: new Map(), failedTails: 0 }
}

/** Changes `state` to what it is after `event`. In place: a step may print a million lines a second. */
export function applyEvent(state: RunsState, event: RunEvent): void {
  switch (event.type) {
    case 'notice':
      return
    case 'run':
      applyRun(state, event)
      return
    case 'task': {
      const task = state.runs.get(event.run.id)?.tasks.get(event.task)
      if (task === undefined) return
      task.status = event.status
      task.waitingApproval = event.waitingApproval
      task.isKept = event.kept === true
      set(task, 'reason', event.reason)
      set(task, 'startedAt', event.startedAt)
      set(task, 'endedAt', event.endedAt)
      set(task, 'keptPod', event.keptPod)
      return
    }
    case 'step': {
      const step = findStep(state, event)
      if (step === undefined) return
      step.phase = event.phase
      set(step, 'exitStatus', event.exitStatus)
      set(step, 'reason', event.reason)
      set(step, 'startedAt', event.startedAt)
      set(step, 'endedAt', event.endedAt)
      if (!isFinishedStep(event.phase)) return
      step.partial = ''
      if (event.phase === 'failed' && state.failedTails < failedTailsMax) state.failedTails++
      else step.tail = []
      return
    }
    case 'log': {
      const step = findStep(state, event)
      if (step === undefined) return
      step.partial = ''
      step.lines++
      step.tail.push(printableLine(event.line, { colours: false }).slice(0, tailCharactersMax))
      // Not at every line: removing from the front costs as much as the array is long.
      if (step.tail.length >= 2 * tailLinesMax) step.tail = step.tail.slice(-tailLinesMax)
      return
    }
  }
}

/** Tells of the beginning of a line that has not ended yet. */
export function applyPartialLine(state: RunsState, where: StepReference, text: string): void {
  const step = findStep(state, where)
  if (step !== undefined) step.partial = printableLine(text, { colours: false }).slice(0, tailCharactersMax)
}

function applyRun({ runs }: RunsState, event: RunEvent & { readonly type: 'run' }): void {
  let run = runs.get(event.run.id)
  if (run === undefined) {
    run = {
      name: event.run.name,
      number: event.run.number,
      phase: event.phase,
      result: event.result,
      setupErrors: [],
      tasks: new Map((event.tasks ?? []).map(({ name, steps }) => [name, newTask(name, steps)])),
    }
    runs.set(event.run.id, run)
  }
  run.phase = event.phase
  run.result = event.result
  set(run, 'reason', event.reason)
  set(run, 'startedAt', event.startedAt)
  set(run, 'endedAt', event.endedAt)
  run.setupErrors = event.setupErrors ?? run.setupErrors
}

function newTask(name: string, steps: readonly string[]): TaskState {
  return {
    name,
    status: 'notstarted',
    waitingApproval: false,
    isKept: false,
    setup: newStep('setup'),
    steps: steps.map(newStep),
  }
}

function newStep(name: string): StepState {
  return { name, phase: 'notstarted', tail: [], lines: 0, partial: '' }
}

function findStep({ runs }: RunsState, { run, task, step }: StepReference): StepState | undefined {
  const found = runs.get(run.id)?.tasks.get(task)
  return step === 'setup' ? found?.setup : found?.steps[step]
}

function set<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value === undefined) delete target[key]
  else target[key] = value
}
