// Reads all records of a log that is outside of the database's file, and compares them with each other and with a snapshot.

import { errorMessage, isSlipwayError } from '../../lib/errors.ts'
import type { ChangeLog, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { decodeRecord } from '../record.ts'

const readRecords = 16

export type LogReport = {
  /** Positions of the oldest and newest record; undefined when there is none. */
  readonly records: { readonly oldest: Position; readonly newest: Position } | undefined
  /** Empty when all is well. */
  readonly problems: readonly string[]
}

/** `known`: what records at these positions must have as hash, such as snapshots say. Errors: of reaching the log. */
export async function verifyLog(
  log: ChangeLog,
  identity: Identity,
  known: ReadonlyMap<Position, RecordHash>,
): Promise<LogReport> {
  const problems: string[] = []
  const head = await log.head()
  if (head === 0) return { records: undefined, problems }
  let oldest = await oldestRecord(log, head)
  let before: { readonly position: Position; readonly hash: RecordHash } | undefined
  const first = oldest
  while (oldest <= head) {
    const records = await log.read(oldest - 1, readRecords)
    if (records.length === 0) {
      problems.push(`record ${oldest} is missing, the newest is ${head}`)
      break
    }
    for (const record of records) {
      try {
        const { store, generation, prev } = decodeRecord(record)
        if (store !== identity.store || generation !== identity.generation)
          problems.push(`record ${record.position} is of another store or generation`)
        if (before && (prev !== before.hash || record.position !== before.position + 1))
          problems.push(`record ${record.position} does not follow record ${before.position}`)
      } catch (error) {
        problems.push(errorMessage(error))
      }
      const expected = known.get(record.position)
      if (expected !== undefined && expected !== record.hash)
        problems.push(`record ${record.position} is not the one that a snapshot names`)
      before = record
      oldest = record.position + 1
    }
  }
  return { records: { oldest: first, newest: head }, problems }
}

/** By bisection: what is collected is a prefix. */
async function oldestRecord(log: ChangeLog, head: Position): Promise<Position> {
  let collected = 0
  let found = head
  while (found - collected > 1) {
    const middle = Math.floor((collected + found) / 2)
    try {
      await log.read(middle - 1, 1)
      found = middle
    } catch (error) {
      if (!isSlipwayError(error, 'history_collected')) throw error
      collected = middle
    }
  }
  return found
}
