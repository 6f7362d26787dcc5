// A change log in memory that several instances share, with the faults of a network between them and it. It does what the
// logs on servers do, their watch for lost records included.

import type { Clock } from '../../lib/clock.ts'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { type AppendResult, type ChangeLog, type EncodedRecord, genesisHash, type RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { type Head, HeadWatch } from '../log/head-watch.ts'

/** What survives every crash of an instance. */
export class MemoryLogStore {
  /** By position. */
  readonly records = new Map<Position, EncodedRecord>()
  /** Told of every new head. */
  readonly listeners = new Set<(head: Position) => void>()
  head: Position = 0

  append(record: EncodedRecord, prev: RecordHash): AppendResult {
    if (record.position !== this.head + 1 || prev !== this.newestHash) return { kind: 'exists' }
    this.records.set(record.position, record)
    this.head = record.position
    for (const listener of this.listeners) listener(this.head)
    return { kind: 'created' }
  }

  /** Makes the log end at `position`, as a backup that was restored would. */
  goBack(position: Position): void {
    for (const known of [...this.records.keys()]) if (known > position) this.records.delete(known)
    this.head = position
  }

  get newestHash(): RecordHash {
    return this.records.get(this.head)?.hash ?? genesisHash
  }
}

export type LogCall = 'append' | 'read records' | 'head' | 'collect'

/** What one request does, and what else a network may make of it. */
export type Request<T> = {
  readonly act: () => T
  /** An answer that was right a while ago; absent where nobody would give one. */
  readonly stale?: () => T
  /** What is answered when the stored bytes have rotted. */
  readonly damaged?: () => T
}

/** Stands between an instance and the store; a plain one just calls. */
export type Network = <T>(call: LogCall, request: Request<T>, signal: AbortSignal | undefined) => Promise<T>

/** The answer to a call was lost: it may have been done or not. */
export class LostAnswer extends Error {}

const plainNetwork: Network = async (_call, { act }) => act()
const pollMs = 500

type Page = { readonly head: Head | undefined; readonly records: readonly EncodedRecord[] }

export class MemoryChangeLog implements ChangeLog {
  readonly #store: MemoryLogStore
  readonly #network: Network
  readonly #watch: HeadWatch
  readonly #onHead = (position: Position) => this.#watch.told(position)

  constructor(store: MemoryLogStore, network: Network = plainNetwork, clock: Clock = systemClock) {
    this.#store = store
    this.#network = network
    this.#watch = new HeadWatch(clock, pollMs, { hasNews: true })
    store.listeners.add(this.#onHead)
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    const before = this.#watch.newest
    const act = () => ({ result: this.#store.append(record, prev), head: this.#head() })
    try {
      const { result, head } = await this.#network('append', { act }, signal)
      if (result.kind === 'created') this.#watch.saw(record)
      else this.#watch.check(head, before)
      return result
    } catch (cause) {
      if (cause instanceof LostAnswer) return { kind: 'unknown', cause }
      throw cause
    }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const before = this.#watch.newest
    const act = (): Page => ({ head: this.#head(), records: this.#read(from, limit) })
    const stale = (): Page => ({ head: undefined, records: [] })
    const { head, records } = await this.#network('read records', { act, stale }, signal)
    if (head) this.#watch.check(head, before)
    return records
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    const before = this.#watch.newest
    const head = await this.#network('head', { act: () => this.#head() }, signal)
    this.#watch.check(head, before)
    return head.position
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    await this.#watch.changed(from, () => this.head(signal), signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const act = () => {
      for (const known of [...this.#store.records.keys()])
        if (known <= position && known < this.#store.head) this.#store.records.delete(known)
    }
    await this.#network('collect', { act }, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.listeners.delete(this.#onHead)
    this.#watch.look()
  }

  #head(): Head {
    return { position: this.#store.head, hash: this.#store.newestHash }
  }

  #read(from: Position, limit: number): EncodedRecord[] {
    const { records, head } = this.#store
    const found: EncodedRecord[] = []
    for (let position = from + 1; position <= head && found.length < limit; position++) {
      const record = records.get(position)
      if (!record) throw new SlipwayError('history_collected', `record ${position} of the log was collected`)
      found.push(record)
    }
    return found
  }
}
