// Pages of runs. Nothing here reads a run: entries tell enough of each, old or not.

import type { Database } from '../../datamanager/database.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { FindRunsQuery, RunPage } from '../api.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { statesOf, toRunEntry } from './run-entries.ts'

const pageLimitDefault = 25
const pageLimitMax = 100

/** Errors: `run_query_invalid`. */
export function findRuns(database: Database<RunserviceSchema>, query: FindRunsQuery): RunPage {
  const { group, isSubtree, phases, results, counter, from, before, oldestFirst, cursor } = query
  const limit = Math.min(query.limit ?? pageLimitDefault, pageLimitMax)
  const states = statesOf(phases, results)
  if (counter !== undefined && elementsOf(group) < 2)
    throw new SlipwayError(
      'run_query_invalid',
      'find a run by its number: the query needs the group of a project or user',
    )
  const familyQuery = {
    descending: oldestFirst !== true,
    // One more tells whether there is another page.
    limit: limit + 1,
    ...(group === undefined ? {} : { path: group }),
    ...(isSubtree === undefined ? {} : { isSubtree }),
    ...(states === undefined ? {} : { states }),
    ...(counter === undefined ? {} : { number: counter }),
    ...(from === undefined ? {} : { from }),
    ...(before === undefined ? {} : { before }),
    ...(cursor === undefined ? {} : { after: decodeCursor(cursor) }),
  }
  return database.view((tx) => {
    const found = tx.entries(familyQuery)
    const last = found[limit - 1]
    const isMore = found.length > limit && last !== undefined
    return {
      runs: found.slice(0, limit).map(toRunEntry),
      ...(isMore ? { next: encodeCursor(last.order) } : {}),
      position: database.position,
    }
  })
}

function elementsOf(group: string | undefined): number {
  return (group ?? '').split('/').filter((element) => element !== '').length
}

/** Runs have their sequence for ever, so a place among them stays one whatever comes or goes. */
function encodeCursor(sequence: number): string {
  return Buffer.from(`1.${sequence}`).toString('base64url')
}

function decodeCursor(cursor: string): number {
  const match = /^1\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (match === null) throw new SlipwayError('run_query_invalid', `"${cursor}" is no place in a list of runs`)
  return Number(match[1])
}
