// Runs by the branch, tag or pull request they are of.

import type { RunSummary } from '../../api/types.ts'
import { originOf, type RunOrigin } from './run-state.ts'

export type RunGroup = {
  readonly key: string
  readonly origin: RunOrigin
  /** The newest first; at least one. */
  readonly runs: readonly RunSummary[]
}

/** The group with the newest run first. */
export function groupRuns(runs: readonly RunSummary[]): readonly RunGroup[] {
  const groups = new Map<string, { origin: RunOrigin; runs: RunSummary[] }>()
  for (const run of runs) {
    const found = groups.get(run.group)
    if (found === undefined) groups.set(run.group, { origin: originOf(run), runs: [run] })
    else found.runs.push(run)
  }
  return [...groups].map(([key, group]) => ({ key, ...group }))
}
