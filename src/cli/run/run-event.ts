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
      readonly keptPod?: string
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

export type RunReference = { readonly id: string; readonly name: string; readonly number: number }

/** A reason with its facts, and in words. */
export type ShownReason = Reason & { readonly text: string }

export function shownReason(reason: Reason): ShownReason {
  return { ...reason, text: describeReason(reason) }
}

/** Where events go. Writing is in order; a sink that is slow slows the reader of logs down. */
export interface RunEventSink {
  write(event: RunEvent): void | Promise<void>
  /** Everything is told: closes what is live on the screen. */
  finish(): void | Promise<void>
}
