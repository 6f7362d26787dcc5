// Runs that people compare one with: attempts before and after, and the last one that was good. Reads no run, only entries.

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { RelatedRuns } from '../api.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { statesOf, toRunEntry } from './run-entries.ts'

/** Looked at for one of the same name; a push starts a few runs at most. */
const sameGroupMax = 50
/** Attempts of one run; more are not told. */
const attemptsMax = 100

/** Undefined when there is no such run. */
export function relatedRuns(
  tx: Pick<ReadTransaction<RunserviceSchema>, 'entry' | 'entries' | 'repeatingEntries'>,
  runId: string,
): RelatedRuns | undefined {
  const entry = tx.entry(runId)
  if (entry === undefined) return undefined
  const states = statesOf(['finished'], ['success'])
  const before = { path: entry.path, after: entry.order, descending: true, limit: sameGroupMax }
  const lastSuccess = tx
    .entries({ ...before, ...(states === undefined ? {} : { states }) })
    .find(({ label }) => label === entry.label)
  let first = entry
  for (let n = 0; n < attemptsMax && first.repeats !== undefined; n++) {
    const previous = tx.entry(first.repeats)
    if (previous === undefined) break
    first = previous
  }
  const attempts = [first]
  for (let at = 0; at < attempts.length && attempts.length < attemptsMax; at++)
    attempts.push(...tx.repeatingEntries(attempts[at]!.id))
  attempts.sort((a, b) => a.order - b.order)
  return {
    attempts: attempts.map(toRunEntry),
    ...(lastSuccess === undefined ? {} : { lastSuccess: toRunEntry(lastSuccess) }),
  }
}
