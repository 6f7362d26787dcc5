// What stays at hand of every run, however old: the entry of its family (docs/storage.md, "Entries of families").

import type { FamilyEntry, FamilyRow } from '../../datamanager/database.ts'
import type { RunEntry } from '../api.ts'
import { isFinishedRun, type Run, type RunPhase, type RunResult, runPhases, runResults } from '../types.ts'

/** Of phase and result. The numbers are stored: new phases and results come after the others. */
const stateOf = (phase: RunPhase, result: RunResult) => runPhases.indexOf(phase) * 16 + runResults.indexOf(result)

/** States of all pairs of these; undefined for all there are. */
export function statesOf(
  phases: readonly RunPhase[] | undefined,
  results: readonly RunResult[] | undefined,
): readonly number[] | undefined {
  if (phases === undefined && results === undefined) return undefined
  return (phases ?? runPhases).flatMap((phase) => (results ?? runResults).map((result) => stateOf(phase, result)))
}

export function toFamilyEntry(run: Run): FamilyEntry {
  const { sequence, group, phase, result, counter, name, enqueuedAt, startedAt, endedAt, restartOf, logsDeleted } = run
  return {
    order: sequence,
    path: group,
    state: stateOf(phase, result),
    number: counter,
    label: name,
    createdAt: enqueuedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(endedAt === undefined || logsDeleted === true ? {} : { removableSince: endedAt }),
    ...(restartOf === undefined ? {} : { repeats: restartOf }),
  }
}

/** Nothing of it is expected to change but what people do. Runs made before their definition had their id are never final. */
export function isFinalRun({ id, runConfigId, phase }: Run): boolean {
  return id === runConfigId && isFinishedRun(phase)
}

export function toRunEntry(row: FamilyRow): RunEntry {
  const { id, order, label, path, state, number, createdAt, startedAt, endedAt } = row
  return {
    id,
    sequence: order,
    name: label,
    group: path,
    // A state of a later version is none that this one could show.
    phase: runPhases[Math.floor(state / 16)] ?? 'finished',
    result: runResults[state % 16] ?? 'unknown',
    counter: number,
    enqueuedAt: createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  }
}
