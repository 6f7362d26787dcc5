// What a run's phase and result are called outside, and which of its changes are told. Pure.

import type { RunEvent, RunPhase, RunResult } from '../runservice/types.ts'
import type { RunEventName } from './types.ts'

/** Undefined for a change that is told to nobody: the result of a run is known before its last tasks have ended. */
export function runEventName({ phase, result }: Pick<RunEvent, 'phase' | 'result'>): RunEventName | undefined {
  switch (phase) {
    case 'setuperror':
      return 'run.setuperror'
    case 'queued':
      return 'run.queued'
    case 'cancelled':
      return 'run.cancelled'
    case 'running':
      return result === 'unknown' ? 'run.running' : undefined
    case 'finished':
      return result === 'unknown' ? undefined : `run.${result}`
    default:
      return undefined
  }
}

/** A view of a run that is older than what the event says comes from an instance that is behind. */
export function isOlderThan(run: { readonly phase: RunPhase; readonly result: RunResult }, event: RunEvent): boolean {
  if (rank[run.phase] !== rank[event.phase]) return rank[run.phase] < rank[event.phase]
  return run.result === 'unknown' && event.result !== 'unknown'
}

const rank: Readonly<Record<RunPhase, number>> = { queued: 0, running: 1, setuperror: 2, cancelled: 2, finished: 2 }

const phases: readonly string[] = Object.keys(rank)

/** Whether it is an event that this version knows. */
export function isKnownEvent(event: unknown): event is RunEvent {
  if (typeof event !== 'object' || event === null) return false
  const { kind, sequence, runId, phase, result, at } = event as Partial<Record<keyof RunEvent, unknown>>
  return (
    kind === 'run_phase_changed' &&
    Number.isSafeInteger(sequence) &&
    typeof runId === 'string' &&
    typeof phase === 'string' &&
    phases.includes(phase) &&
    typeof result === 'string' &&
    Number.isSafeInteger(at)
  )
}
