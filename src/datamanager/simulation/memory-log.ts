// A change log in memory that several instances share, with the faults of a network between them and it.

import { SlipwayError } from '../../lib/errors.ts'
import { type AppendResult, type ChangeLog, type EncodedRecord, genesisHash, type RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { Wakeups } from '../log/wakeups.ts'

/** What survives every crash of an instance. */
export class MemoryLogStore {
  /** By position. */
  readonly records = new Map<Position, EncodedRecord>()
  readonly wakeups = new Wakeups()
  head: Position = 0

  append(record: EncodedRecord, prev: RecordHash): AppendResult {
    if (record.position !== this.head + 1 || prev !== this.newestHash) return { kind: 'exists' }
    this.records.set(record.position, record)
    this.head = record.position
    this.wakeups.wake()
    return { kind: 'created' }
  }

  get newestHash(): RecordHash {
    return this.records.get(this.head)?.hash ?? genesisHash
  }
}

/** Stands between an instance and the store; a plain one just calls. */
export type Network = <T>(call: LogCall, act: () => T, signal: AbortSignal | undefined) => Promise<T>
export type LogCall = 'append' | 'read' | 'head' | 'collect'

/** The answer to a call was lost: it may have been done or not. */
export class LostAnswer extends Error {}

const plainNetwork: Network = async (_call, act) => act()

export class MemoryChangeLog implements ChangeLog {
  readonly #store: MemoryLogStore
  readonly #network: Network

  constructor(store: MemoryLogStore, network: Network = plainNetwork) {
    this.#store = store
    this.#network = network
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    try {
      return await this.#network('append', () => this.#store.append(record, prev), signal)
    } catch (cause) {
      if (cause instanceof LostAnswer) return { kind: 'unknown', cause }
      throw cause
    }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const { records } = this.#store
    return this.#network(
      'read',
      () => {
        const found: EncodedRecord[] = []
        for (let position = from + 1; position <= this.#store.head && found.length < limit; position++) {
          const record = records.get(position)
          if (!record) throw new SlipwayError('history_collected', `record ${position} of the log was collected`)
          found.push(record)
        }
        return found
      },
      signal,
    )
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    return this.#network('head', () => this.#store.head, signal)
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    await this.#store.wakeups.until(() => this.#store.head > from, signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await this.#network(
      'collect',
      () => {
        for (const known of [...this.#store.records.keys()])
          if (known <= position && known < this.#store.head) this.#store.records.delete(known)
      },
      signal,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.wakeups.wake()
  }
}
