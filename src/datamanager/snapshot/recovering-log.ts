// A log whose collected records are read from where they were shipped to: an instance that was away for days catches up
// without starting anew.

import { isSlipwayError } from '../../lib/errors.ts'
import type { AppendResult, ChangeLog, EncodedRecord, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import type { OnBranch } from '../recovery.ts'
import type { StoragePlace } from './keys.ts'
import { readShipped } from './shipped-log.ts'

export class RecoveringLog implements ChangeLog {
  readonly #log: ChangeLog
  readonly #place: StoragePlace
  readonly #identity: Identity
  readonly #onBranch: OnBranch

  constructor(log: ChangeLog, place: StoragePlace, identity: Identity, onBranch: OnBranch = () => {}) {
    this.#log = log
    this.#place = place
    this.#identity = identity
    this.#onBranch = onBranch
  }

  append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    return this.#log.append(record, prev, signal)
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    try {
      return await this.#log.read(from, limit, signal)
    } catch (error) {
      if (!isSlipwayError(error, 'history_collected')) throw error
      const records: EncodedRecord[] = []
      for await (const record of readShipped(this.#place, this.#identity, { from, ...(signal ? { signal } : {}) }))
        if (records.push(record) === limit) break
      // The log had the next record once, so it is not simply the end.
      if (records.length === 0) throw error
      this.#onBranch('read: collected records, from where they were shipped')
      return records
    }
  }

  head(signal?: AbortSignal): Promise<Position> {
    return this.#log.head(signal)
  }

  changed(from: Position, signal: AbortSignal): Promise<void> {
    return this.#log.changed(from, signal)
  }

  collect(position: Position, signal?: AbortSignal): Promise<void> {
    return this.#log.collect(position, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]()
  }
}
