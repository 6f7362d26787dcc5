// What `slipway run` tells, one event after another: the terminal view, plain lines and `--output json` are made of it. The
// JSON form is stable and documented in docs/run.md: fields are added, never changed.

import { describeReason, type Reason } from '../../runservice/reasons.ts'
import type { RunPhase, RunResult, StepPhase, TaskStatus } from '../../runservice/types.ts'

export type RunEvent =
  | { readonly type: 'notice'; readonly message: string }
  | {
      readonly type: 'run'
      readonly at: number
      readonly run: RunReference
      readonly phase: RunPhase
      readonly result: RunResult
      readonly reason?: ShownReason
      /** With the first event of a run. */
      readonly tasks?: readonly { readonly name: string; readonly level: number; readonly steps: readonly string[] }[]
      readonly setupErrors?: readonly string[]
      readonly startedAt?: number
      readonly endedAt?: number
    }
  | {
      readonly type: 'task'
      readonly at: number
      readonly run: RunReference
      readonly task: string
      readonly status: TaskStatus
      readonly waitingApproval: boolean
      readonly reason?: ShownReason
      readonly startedAt?: number
      readonly endedAt?: number
      /** A command that enters the pod of this failed task. */
      readonly keptPod?: string
      /** It was taken over from the run that this one repeats; its steps are not told. */
      readonly kept?: true
    }
  | {
      readonly type: 'step'
      readonly at: number
      readonly run: RunReference
      readonly task: string
      /** `setup`, or the index. */
      readonly step: 'setup' | number
      readonly name: string
      readonly phase: StepPhase
      readonly exitStatus?: number
      readonly reason?: ShownReason
      readonly startedAt?: number
      readonly endedAt?: number
    }
  | {
      readonly type: 'log'
      readonly run: RunReference
      readonly task: string
      readonly step: 'setup' | number
      /** Without its line end. */
      readonly line: string
    }

export type StepReference = {
  readonly run: { readonly id: string }
  readonly task: string
  readonly step: 'setup' | number
}

export type RunReference = { readonly id: string; readonly name: string; readonly number: number }

/** A reason with its facts, and in words. */
export type ShownReason = Reason & { readonly text: string }

export function shownReason(reason: Reason): ShownReason {
  return { ...reason, text: describeReason(reason) }
}

/** Where events go. Writing is in order; a sink that is slow slows the reader of logs down. */
export interface RunEventSink {
  /** Said once before the first event of a run: so many runs will be told. */
  begin?(runs: number): void
  write(event: RunEvent): void | Promise<void>
  /** The beginning of a line that has not ended yet: progress. The whole line follows as an event. */
  showPartialLine?(where: StepReference, text: string): void
  /** Asks the person at the terminal and returns what `read` gives. What is live on the screen waits. */
  ask?(question: string, read: () => Promise<string | undefined>): Promise<string | undefined>
  /** Everything is told: closes what is live on the screen, and sums up. */
  finish(): void | Promise<void>
}
