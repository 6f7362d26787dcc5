// The commits that are measured, whatever the log: rows of 300 bytes in a type with two indexes, each a closure that reads,
// checks and writes.

import type { Database } from '../src/datamanager/database.ts'
import type { FloorRow } from './floors/sqlite-commits.ts'

export type Rows = { run: FloorRow }
export const types = {
  run: { indexes: { group: (run: FloorRow) => [run.group], number: (run: FloorRow) => [run.number] } },
}
const rowBytes = 300

let rowNumber = 0

/** New rows; their ids grow, as UUIDv7 do. */
export function someRows(count: number): FloorRow[] {
  return Array.from({ length: count }, () => {
    const number = ++rowNumber
    const row = {
      id: `run ${String(number).padStart(10, '0')}`,
      group: `/project/${number % 50}/main`,
      number,
      pad: '',
    }
    return { ...row, pad: 'x'.repeat(rowBytes - JSON.stringify(row).length) }
  })
}

/** Commits each row in a transaction of its own, by so many callers. */
export async function commit(db: Database<Rows>, rows: readonly FloorRow[], callers: number): Promise<void> {
  let next = 0
  const call = async () => {
    for (let row = rows[next++]; row; row = rows[next++]) await commitOne(db, row)
  }
  await Promise.all(Array.from({ length: callers }, call))
}

export async function commitOne(db: Database<Rows>, row: FloorRow): Promise<void> {
  await db.do((tx) => {
    if (tx.get('run', row.id)) throw new Error('the row exists')
    tx.put('run', row.id, row)
  })
}

/** Per second. */
export async function rateOf(count: number, act: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await act()
  return (count * 1000) / (performance.now() - start)
}

/** Milliseconds. */
export type Latencies = { readonly median: number; readonly p99: number }

/**
 * What `act` takes of a row while so many per second are asked for, evenly, for `ms`. Rows are made when they are due, and of
 * each its time is all that is kept, so that the collector has little to do for this.
 */
export async function latencies(
  act: (row: FloorRow) => Promise<void>,
  perSecond: number,
  ms: number,
): Promise<Latencies> {
  const taken = new Float64Array(Math.ceil((perSecond * ms) / 1000))
  const ended = Promise.withResolvers<void>()
  let done = 0
  const start = performance.now()
  const call = async (at: number) => {
    // From when it was due: a process that is late makes its callers wait.
    const dueAt = start + (at * 1000) / perSecond
    await act(someRows(1)[0]!)
    taken[at] = performance.now() - dueAt
    if (++done === taken.length) ended.resolve()
  }
  for (let at = 0; at < taken.length; ) {
    const due = Math.min(taken.length, Math.ceil(((performance.now() - start) * perSecond) / 1000))
    for (; at < due; at++) call(at).catch(ended.reject)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await ended.promise
  taken.sort()
  return { median: taken[Math.floor(taken.length / 2)]!, p99: taken[Math.floor(taken.length * 0.99)]! }
}
