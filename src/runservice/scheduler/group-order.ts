// Which queued runs may start: one at a time per exact group, in the order of creation.

import type { Reason } from '../reasons.ts'
import type { Run } from '../types.ts'

export type GroupedRun = Pick<Run, 'id' | 'group' | 'sequence' | 'counter' | 'phase'>

export type GroupOrder = {
  /** Ids of queued runs that may start now, oldest first; at most one per group. */
  readonly start: readonly string[]
  /** Why the other queued runs wait: each for the one just before it, so that the reason holds until its turn. */
  readonly waiting: ReadonlyMap<string, Reason>
}

/**
 * Decides from the queued and running runs of any number of groups, in any order; others are ignored. A run that waits
 * for an approval is running and keeps its group.
 */
export function groupOrder(runs: Iterable<GroupedRun>): GroupOrder {
  const live = [...runs].filter((run) => run.phase === 'queued' || run.phase === 'running')
  live.sort((a, b) => Number(b.phase === 'running') - Number(a.phase === 'running') || a.sequence - b.sequence)
  const last = new Map<string, GroupedRun>()
  const start: string[] = []
  const waiting = new Map<string, Reason>()
  for (const run of live) {
    const previous = last.get(run.group)
    last.set(run.group, run)
    if (run.phase === 'running') continue
    if (previous === undefined) start.push(run.id)
    else waiting.set(run.id, { kind: 'waiting_run', counter: previous.counter })
  }
  return { start, waiting }
}
