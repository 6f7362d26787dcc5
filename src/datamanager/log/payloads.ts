// Records above a size lie on object storage, and the log says only that they are there: etcd and PostgreSQL keep what
// they hold in memory or rewrite it. An object's key has the position and the hash of its record, so writers that race for a
// position do not meet, and what no record names is collected with its position.

import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { EncodedRecord, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { encodePosition } from '../snapshot/keys.ts'

export class Payloads {
  readonly #storage: ObjectStorage
  readonly #prefix: string

  /** Objects `<prefix><position>-<hash>`. */
  constructor(storage: ObjectStorage, prefix: string) {
    this.#storage = storage
    this.#prefix = prefix
  }

  isWanted(record: EncodedRecord): boolean {
    return record.bytes.length > limits.inlineRecordBytes.value
  }

  /** Stores the bytes before the record is appended. Again is no change. */
  async save({ position, hash, bytes }: EncodedRecord, signal?: AbortSignal): Promise<void> {
    await this.#storage.put(this.#key(position, hash), bytes, { sha256: hash, ...(signal ? { signal } : {}) })
  }

  async load(position: Position, hash: RecordHash, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      return await collectBytes(this.#storage.read(this.#key(position, hash), signal ? { signal } : {}))
    } catch (cause) {
      if (!isSlipwayError(cause, 'object_not_found')) throw cause
      throw new SlipwayError(
        'database_corrupt',
        `record ${position} of the change log lies on object storage, but ${this.#key(position, hash)} is not there: is it the right storage?`,
        { cause },
      )
    }
  }

  /** Deletes those of records up to `position`, also of records that were never appended. */
  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    const end = `${this.#prefix}${encodePosition(position + 1)}`
    for await (const { key } of this.#storage.list({ prefix: this.#prefix, ...(signal ? { signal } : {}) })) {
      if (key >= end) return
      await this.#storage.delete(key, signal)
    }
  }

  #key(position: Position, hash: RecordHash): string {
    return `${this.#prefix}${encodePosition(position)}-${hash}`
  }
}
