// Pages of runs. Nothing here reads the body of a run.

import type { Database } from '../datamanager/database.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { FindRunsQuery, RunEntry, RunPage } from './api.ts'
import type { RunserviceSchema } from './row-types.ts'
import type { Run } from './types.ts'

const pageLimitDefault = 25
const pageLimitMax = 100
const scannedRows = 100

/** Errors: `run_query_invalid`. */
export function findRuns(database: Database<RunserviceSchema>, query: FindRunsQuery): RunPage {
  const limit = Math.min(query.limit ?? pageLimitDefault, pageLimitMax)
  const cursor = query.cursor === undefined ? undefined : decodeCursor(query.cursor)
  if (query.counter !== undefined && elementsOf(query.group) < 2)
    throw new SlipwayError(
      'run_query_invalid',
      'find a run by its number: the query needs the group of a project or user',
    )
  const isOldestFirst = query.oldestFirst === true
  return database.view((tx) => {
    const runs: RunEntry[] = []
    const { position } = database
    let sequence = cursor
    for (;;) {
      const page = tx.list('run', {
        index: 'bySequence',
        descending: !isOldestFirst,
        limit: scannedRows,
        // No id comes before the empty one: a key with it stands before all rows of a sequence, one without an id as well.
        ...(sequence === undefined ? {} : { after: isOldestFirst ? [sequence + 1, ''] : [sequence] }),
      })
      for (const { body: run } of page) {
        sequence = run.sequence
        if (!matches(run, query)) continue
        if (runs.length === limit) return { runs, next: encodeCursor(runs.at(-1)!.sequence), position }
        runs.push(entryOf(run))
      }
      if (page.length < scannedRows) return { runs, position }
    }
  })
}

function entryOf(run: Run): RunEntry {
  const { id, sequence, name, group, phase, result, counter, enqueuedAt, startedAt, endedAt } = run
  return {
    id,
    sequence,
    name,
    group,
    phase,
    result,
    counter,
    enqueuedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  }
}

function matches(run: Run, { group, isSubtree, phases, results, counter, from, before }: FindRunsQuery): boolean {
  const base = group?.replace(/\/$/, '')
  const isInGroup = run.group === base || (isSubtree === true && run.group.startsWith(`${base}/`))
  if (base !== undefined && !isInGroup) return false
  if (phases !== undefined && !phases.includes(run.phase)) return false
  if (results !== undefined && !results.includes(run.result)) return false
  if (counter !== undefined && run.counter !== counter) return false
  return run.enqueuedAt >= (from ?? 0) && run.enqueuedAt < (before ?? Number.POSITIVE_INFINITY)
}

function elementsOf(group: string | undefined): number {
  return (group ?? '').split('/').filter((element) => element !== '').length
}

function encodeCursor(sequence: number): string {
  return Buffer.from(`1.${sequence}`).toString('base64url')
}

function decodeCursor(cursor: string): number {
  const match = /^1\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (match === null) throw new SlipwayError('run_query_invalid', `"${cursor}" is no place in a list of runs`)
  return Number(match[1])
}
