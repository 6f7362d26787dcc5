// The newest invocation of a repository, and its runs.

import { SlipwayError } from '../../lib/errors.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import type { Run } from '../../runservice/types.ts'
import {
  type Invocation,
  listInvocations,
  lockInvocation,
  type StateDirectory,
} from '../../server/local/state-directory.ts'

/** Takes it over; `run_not_found` when there is none, `database_locked` while it works. */
export function lockLast(state: StateDirectory): Invocation {
  const [last] = listInvocations(state)
  if (last === undefined)
    throw new SlipwayError('run_not_found', 'there is no run in this repository yet: start one with `slipway run`')
  const invocation = lockInvocation(state, last)
  if (invocation === undefined)
    throw new SlipwayError('database_locked', 'the last run is still at work in another terminal: wait for its end')
  return invocation
}

/** Its runs; of one that was repeated the newest. */
export function newestRuns(runservice: Pick<RunserviceHost, 'listRuns'>): readonly Run[] {
  const newest = new Map<string, Run>()
  for (let after = 0; ; ) {
    // An invocation that was repeated again and again has more than one page of them.
    const page = runservice.listRuns({ oldestFirst: true, after })
    for (const run of page) {
      newest.set(run.name, run)
      after = run.sequence
    }
    if (page.length === 0) return [...newest.values()]
  }
}
