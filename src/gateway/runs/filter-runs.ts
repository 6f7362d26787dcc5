// Runs with a text or of a person. Entries do not know either: what rows tell that are at hand is looked at, so of runs that ended long
// ago only name, number and branch are.

import type { FindRunsQuery, RunEntry, RunRow, Runservice } from '../../runservice/api.ts'

export type RunTextFilter = { readonly text?: string; readonly author?: string }

/** Looked at for one page; `next` goes on behind them. */
const lookedAtMax = 1000
const pageLimit = 100

/** A page of what matches: as many as were asked for, or those among the next thousand. Errors: `run_query_invalid`. */
export async function filterRuns(
  runservice: Pick<Runservice, 'findRuns' | 'runRows'>,
  query: FindRunsQuery,
  filter: RunTextFilter,
): Promise<{ readonly runs: readonly RunEntry[]; readonly rows: readonly RunRow[]; readonly next?: string }> {
  const { limit = 25 } = query
  const found: RunEntry[] = []
  const foundRows: RunRow[] = []
  let { cursor } = query
  for (let looked = 0; looked < lookedAtMax; looked += pageLimit) {
    const from = cursor === undefined ? {} : { cursor }
    const page = await runservice.findRuns({ ...query, ...from, limit: pageLimit })
    const rows = await runservice.runRows(page.runs.map(({ id }) => id))
    const byId = new Map(rows.map((row) => [row.run.id, row]))
    for (const [at, run] of page.runs.entries()) {
      const row = byId.get(run.id)
      if (!matches(run, row?.run.annotations ?? {}, filter)) continue
      found.push(run)
      if (row !== undefined) foundRows.push(row)
      if (found.length < limit) continue
      // Where the next page begins only a page that ends here tells.
      const { next } = await runservice.findRuns({ ...query, ...from, limit: at + 1 })
      return { runs: found, rows: foundRows, ...(next === undefined ? {} : { next }) }
    }
    if (page.next === undefined) return { runs: found, rows: foundRows }
    cursor = page.next
  }
  return { runs: found, rows: foundRows, ...(cursor === undefined ? {} : { next: cursor }) }
}

function matches(
  { name, counter, group }: RunEntry,
  annotations: Readonly<Record<string, string>>,
  { text, author }: RunTextFilter,
): boolean {
  const isBy = (annotations.webhook_sender ?? '').toLowerCase()
  if (author !== undefined && !isBy.includes(author.toLowerCase())) return false
  if (text === undefined) return true
  const { message = '', commit_sha: sha = '' } = annotations
  const all = `#${counter} ${name} ${group.split('/').slice(4).join('/')} ${message} ${sha} ${isBy}`.toLowerCase()
  return all.includes(text.toLowerCase())
}
