// The change log on object storage (docs/storage.md, "On object storage"): one object per record, made by
// create-if-absent. A record is immutable, so what was once seen of it holds for ever. Nothing rests on listings being
// fresh, nor on clocks.
//
// The store cannot compare the record before, so the writer does, from what it knows of it. And it cannot know that a free
// slot was taken and collected: therefore what may be gone is written down first (collected-mark.ts), and who created or read
// a record looks there afterwards.

import { hash as digest } from 'node:crypto'
import { collectBytes } from '../../../lib/bytes.ts'
import type { Clock } from '../../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../../lib/errors.ts'
import type { ObjectKey, ObjectStorage } from '../../../objectstorage/object-storage.ts'
import {
  type AppendResult,
  type ChangeLog,
  type EncodedRecord,
  genesisHash,
  type RecordHash,
} from '../../change-log.ts'
import type { Position } from '../../database.ts'
import type { OnBranch } from '../../recovery.ts'
import { encodePosition } from '../../snapshot/keys.ts'
import { type Head, HeadWatch } from '../head-watch.ts'
import { CollectedMark } from './collected-mark.ts'

export type BucketChangeLogOptions = {
  /** Shared with others; not closed here. It must honour conditions: selfTest. */
  readonly storage: ObjectStorage
  /** Of all keys of this log; ends with a slash. */
  readonly prefix: string
  readonly clock: Clock
  /** How often others are looked for; default 1 s. */
  readonly pollMs?: number
  /** Only for the simulation. */
  readonly onBranch?: OnBranch
}

const pollMsDefault = 1000
const readsAtOnce = 8
/** After so many records found one by one a listing is asked how far it goes. */
const probesMax = 8
/** A record that others build on and that cannot be seen for so long is lost. */
const shownLateMsMax = 60_000
/** Deletions at once. */
const deletesAtOnce = 8

export class BucketChangeLog implements ChangeLog {
  readonly #options: BucketChangeLogOptions
  readonly #news: HeadWatch
  readonly #onBranch: OnBranch
  readonly #mark: CollectedMark
  /** A record that is or was in the log, with all before it. */
  #reached: Position = 0
  #hasListed = false
  /** The record that could not be seen when it was asked for last, and when that began. */
  #missingSince: { readonly position: Position; readonly at: number } | undefined

  constructor(options: BucketChangeLogOptions) {
    const { storage, prefix, clock, pollMs = pollMsDefault, onBranch = () => {} } = options
    this.#options = options
    this.#onBranch = onBranch
    this.#news = new HeadWatch(clock, pollMs)
    this.#mark = new CollectedMark(storage, `${prefix}low/`)
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    const { position, hash, bytes } = record
    try {
      if (!(await this.#isNewest({ position: position - 1, hash: prev }, signal))) return { kind: 'exists' }
      const options = { sha256: hash, ...(signal ? { signal } : {}) }
      await this.#options.storage.create(this.#key(position), bytes, options)
    } catch (cause) {
      if (isSlipwayError(cause, 'object_exists')) {
        this.#reach(position)
        return { kind: 'exists' }
      }
      if (isSlipwayError(cause, 'database_corrupt', 'disk_full')) throw cause
      return { kind: 'unknown', cause }
    }
    try {
      if ((await this.#mark.position(signal)) >= position) {
        // Nobody follows what it has written.
        this.#onBranch('bucket log: the slot was collected while its writer slept')
        await this.#options.storage.delete(this.#key(position), signal)
        return { kind: 'exists' }
      }
    } catch (cause) {
      return { kind: 'unknown', cause }
    }
    this.#reach(position)
    this.#news.saw({ position, hash })
    return { kind: 'created' }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const records: EncodedRecord[] = []
    while (records.length < limit) {
      const first = from + records.length + 1
      const wanted = Math.min(readsAtOnce, limit - records.length)
      // The first alone: mostly there is nothing, or one.
      const count = records.length === 0 ? 1 : wanted
      const page = await Promise.all(Array.from({ length: count }, (_, index) => this.#readOne(first + index, signal)))
      const end = page.indexOf(undefined)
      records.push(...page.slice(0, end < 0 ? page.length : end).filter((record) => record !== undefined))
      if (end >= 0) break
    }
    // Asked afterwards: what is missing may have been collected, and what is there may be a stalled writer's.
    if ((await this.#mark.position(signal)) > from)
      throw new SlipwayError('history_collected', `record ${from + 1} of the log was collected`)
    const last = records.at(-1)
    if (last) {
      this.#reach(last.position)
      this.#news.saw(last)
    } else if (limit > 0 && this.#reached > from) {
      // A log without its next record is not one that ends here: it must not be taken for the newest state.
      throw this.#missing(from + 1)
    }
    return records
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    // Below the mark slots may be free; above it they are taken without a gap up to the head.
    this.#reach(await this.#mark.position(signal))
    if (!this.#hasListed) await this.#list(signal)
    this.#hasListed = true
    for (let probes = 1; ; probes++) {
      const position = this.#reached + 1
      if (!(await this.#options.storage.stat(this.#key(position), signal))) {
        if ((await this.#mark.position(signal)) < position) return position - 1
        this.#onBranch('bucket log: records were collected while the head was looked for')
        this.#reach(await this.#mark.position(signal))
        continue
      }
      this.#reach(position)
      if (probes % probesMax === 0) await this.#list(signal)
    }
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    const isThere = async () => {
      if (this.#reached > from) return this.#reached
      return (await this.#options.storage.stat(this.#key(from + 1), signal)) ? from + 1 : this.#mark.position(signal)
    }
    await this.#news.changed(from, isThere, signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { storage, prefix } = this.#options
    const last = Math.min(position, (await this.head(signal)) - 1)
    if (last < 1) return
    await this.#mark.raise(last, signal)
    const end = this.#key(last + 1)
    let deletes: Promise<unknown>[] = []
    for await (const { key } of storage.list({ prefix: `${prefix}log/`, ...(signal ? { signal } : {}) })) {
      if (key >= end) break
      deletes.push(storage.delete(key, signal))
      if (deletes.length < deletesAtOnce) continue
      await Promise.all(deletes)
      deletes = []
    }
    await Promise.all(deletes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#news.look()
  }

  #key(position: Position): ObjectKey {
    return `${this.#options.prefix}log/${encodePosition(position)}`
  }

  /** `position` was certainly taken, and so were all before it. */
  #reach(position: Position): void {
    if (position > this.#reached) this.#reached = position
  }

  #missing(position: Position): SlipwayError {
    this.#onBranch('bucket log: a record cannot be seen though later ones are there')
    const now = this.#options.clock.now()
    if (this.#missingSince?.position !== position) this.#missingSince = { position, at: now }
    const isLost = now - this.#missingSince.at > shownLateMsMax
    return new SlipwayError(
      isLost ? 'database_corrupt' : 'backend_unavailable',
      `read record ${position} of the change log: it is not there, but record ${this.#reached} is: object storage ${isLost ? 'has lost it' : 'shows it late or has lost it'}`,
    )
  }

  /** Whether the record of that position is this one and, as far as it is known here, the newest. */
  async #isNewest({ position, hash }: Head, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#reached > position) return false
    if (position === 0) return hash === genesisHash
    const { newest } = this.#news
    if (newest?.position === position) return newest.hash === hash
    const record = await this.#readOne(position, signal)
    if (!record) return false
    this.#news.saw(record)
    return record.hash === hash
  }

  async #readOne(position: Position, signal: AbortSignal | undefined): Promise<EncodedRecord | undefined> {
    try {
      const bytes = await collectBytes(this.#options.storage.read(this.#key(position), signal ? { signal } : {}))
      return { position, hash: digest('sha256', bytes), bytes }
    } catch (error) {
      if (isSlipwayError(error, 'object_not_found')) return undefined
      if (!isSlipwayError(error, 'object_corrupt')) throw error
      throw new SlipwayError('database_corrupt', `record ${position} of the change log is damaged`, { cause: error })
    }
  }

  /** A listing may be stale, so it only says how far the log reaches at least. */
  async #list(signal: AbortSignal | undefined): Promise<void> {
    const { storage, prefix } = this.#options
    const options = { prefix: `${prefix}log/`, after: this.#key(this.#reached), ...(signal ? { signal } : {}) }
    for await (const { key } of storage.list(options)) {
      const name = key.slice(options.prefix.length)
      if (/^[0-9a-f]{16}$/.test(name)) this.#reach(Number.parseInt(name, 16))
    }
  }
}
