// Whether a run that ended changed the state of its branch. Pure.

import type { RunEvent } from '../runservice/types.ts'
import type { BranchStateRow } from './row-types.ts'
import type { BranchChange } from './types.ts'

/** Undefined where the run says nothing of the branch: it has not ended, or somebody ended it. */
export function branchStateOf({
  phase,
  result,
}: Pick<RunEvent, 'phase' | 'result'>): BranchStateRow['state'] | undefined {
  if (phase === 'setuperror') return 'failed'
  if (phase !== 'finished') return undefined
  return result === 'success' || result === 'failed' ? result : undefined
}

/** A branch that nothing is known of is as good as one that succeeds. An older run changes nothing. */
export function branchChange(
  before: Pick<BranchStateRow, 'state' | 'runSequence'> | undefined,
  now: Pick<BranchStateRow, 'state' | 'runSequence'>,
): BranchChange | undefined {
  if (before !== undefined && before.runSequence >= now.runSequence) return undefined
  const wasBroken = before?.state === 'failed'
  if (now.state === 'failed') return wasBroken ? 'still_broken' : 'broken'
  return wasBroken ? 'fixed' : undefined
}
