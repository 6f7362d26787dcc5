// Reads a whole embedded database and compares everything with everything: what operators and crash tests run.

import { errorMessage } from '../lib/errors.ts'
import { genesisHash } from './change-log.ts'
import type { Position } from './database.ts'
import type { ReadModel } from './read-model/read-model.ts'
import { type DecodedRecord, decodeRecord } from './record.ts'

export type VerifyReport = {
  readonly rows: number
  /** Records in the log, and the position of the oldest of them; 0 when there is none. */
  readonly records: number
  readonly oldest: Position
  /** Empty when all is well. */
  readonly problems: readonly string[]
}

export function verifyDatabase(model: ReadModel): VerifyReport {
  const { rows, problems } = model.verify()
  const replayed = new Map<string, string>()
  let oldest = 0
  let records = 0
  let last: { position: Position; hash: string } = { position: 0, hash: genesisHash }
  const select = model.connection.prepare('SELECT position, hash, bytes FROM log ORDER BY position')
  for (const stored of select.iterate()) {
    const record = stored as { position: number; hash: string; bytes: Uint8Array }
    const isFirst = records === 0
    records++
    if (isFirst) oldest = record.position
    try {
      const decoded = decodeRecord(record)
      if (decoded.store !== model.identity.store || decoded.generation !== model.identity.generation)
        problems.push(`record ${record.position} is of another store or generation`)
      const isLinked = record.position === last.position + 1 && decoded.prev === last.hash
      if (!isLinked && !(isFirst && oldest > 1))
        problems.push(`record ${record.position} does not follow record ${last.position}`)
      replay(decoded, replayed)
    } catch (error) {
      problems.push(errorMessage(error))
    }
    last = { position: record.position, hash: record.hash }
  }
  if (last.position !== model.position || last.hash !== model.hash)
    problems.push(`the log ends at record ${last.position}, ${last.hash}, the rows at ${model.position}, ${model.hash}`)
  if (oldest === 1) problems.push(...model.compareRows(replayed))
  return { rows, records, oldest, problems }
}

/** The body of each row after `record`, by type and id: what the log says, computed without the read model's code. */
function replay(record: DecodedRecord, rows: Map<string, string>): void {
  for (const { operations } of record.transactions) {
    for (const operation of operations) {
      if (operation.kind === 'unknown') continue
      const key = `${operation.type}\0${operation.id}`
      if (operation.kind === 'put') rows.set(key, JSON.stringify(operation.body))
      else rows.delete(key)
    }
  }
}
