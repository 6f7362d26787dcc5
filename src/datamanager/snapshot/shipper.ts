// Carries the records of a log to object storage, in order, soon after they were committed. It reads the log like any other
// reader, so no commit waits for it; what it has not shipped yet is all that a lost log can cost.
//
// Invariant: what is shipped is a prefix of the log (above what was collected). The next object is written only after the
// one before it is certainly there, and each is checked to continue the hash chain.

import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { ChangeLog, EncodedRecord, RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import { Wakeups } from '../log/wakeups.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { decodeRecord } from '../record.ts'
import type { OnBranch } from '../recovery.ts'
import { encodePosition, positionOfKey, type StoragePlace, shippedPrefix } from './keys.ts'
import { decodeShipped, encodeShipped, findShippedHead, shippedKey } from './shipped-log.ts'

const retryMsMin = 50
const retryMsMax = 5000

export type ShipperComponents = {
  readonly log: ChangeLog
  readonly place: StoragePlace
  readonly identity: Identity
  readonly clock: Clock
  readonly logger: Logger
  /** Others ship the same log: what they have shipped is looked at first. */
  readonly isShared: boolean
  /** Position of the newest snapshot, 0 without one: nothing before it has to be shipped. */
  readonly snapshotPosition: () => Promise<Position>
  /** Hears when storage and log contradict each other: this log is not the one that was shipped. */
  readonly onFailure: (error: SlipwayError) => void
  readonly onBranch?: OnBranch | undefined
}

export type ShippingLag = {
  /** Newest record that is in object storage. */
  readonly shipped: Position
  readonly head: Position
  /** How long the oldest record that is not shipped waits already; 0 when all are. */
  readonly waitingMs: number
}

export class Shipper {
  readonly #components: ShipperComponents
  readonly #shipped = new Wakeups()
  #position: Position = 0
  #hash: RecordHash | undefined
  #isResumed = false
  #head: Position = 0
  #waitingSince: number | undefined
  #isWarned = false
  #needsSnapshot = false
  #shippedBytes = 0

  constructor(components: ShipperComponents) {
    this.#components = components
  }

  /** Everything up to it is in object storage; 0 until it is known how far an earlier life came. */
  get position(): Position {
    return this.#position
  }

  /** True while records that were never shipped are gone from the log: only a snapshot can take their place. */
  get needsSnapshot(): boolean {
    return this.#needsSnapshot
  }

  /** In this life. */
  get shippedBytes(): number {
    return this.#shippedBytes
  }

  get lag(): ShippingLag {
    const waiting = this.#waitingSince
    const waitingMs = waiting === undefined ? 0 : Math.max(0, this.#components.clock.now() - waiting)
    return { shipped: this.#position, head: Math.max(this.#head, this.#position), waitingMs }
  }

  /**
   * Resolves when everything up to `position` is shipped, however long it takes; or when it never can be, because a
   * snapshot is needed first.
   */
  async waitFor(position: Position, signal: AbortSignal): Promise<void> {
    await this.#shipped.until(() => this.#position >= position || this.#needsSnapshot, signal)
  }

  /** Ships until `signal` is aborted. Trouble with log or storage is tried again, for as long as it lasts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, clock, logger, onFailure } = this.#components
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.resume(signal)
        await log.changed(this.#position, signal)
        this.#waitingSince ??= clock.now()
        await clock.sleep(limits.shippingMs.value, signal)
        await this.shipAll(signal)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (isSlipwayError(error, 'database_corrupt', 'database_foreign', 'database_too_new')) {
          logger.error('shipping has stopped', { error })
          onFailure(error)
          return
        }
        if (this.lag.waitingMs > limits.shippingLagMs.value && !this.#isWarned) {
          this.#isWarned = true
          logger.warn('shipping to object storage is behind', { ...this.lag, error })
        }
        const wait = Math.min(retryMsMin * 2 ** Math.min(failures++, 10), retryMsMax)
        await clock.sleep(wait, signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }

  /** Finds out how far shipping has come. */
  async resume(signal: AbortSignal): Promise<void> {
    if (this.#isResumed) return
    const { place, identity, snapshotPosition } = this.#components
    const snapshot = await snapshotPosition()
    const head = await findShippedHead(place, identity.generation, snapshot, signal)
    if (head) await this.#checkSame(head, signal)
    this.#moveTo(head?.position ?? 0, head?.hash)
    this.#isResumed = true
  }

  /** Ships what the log has now; after `resume`. What is committed meanwhile is gathered for the next object. */
  async shipAll(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#components
    for (;;) {
      if (this.#components.isShared) await this.#adopt(signal)
      const readAt = clock.now()
      let found: readonly EncodedRecord[]
      try {
        found = await log.read(this.#position, limits.shippingRecords.value, signal)
      } catch (error) {
        if (!isSlipwayError(error, 'history_collected')) throw error
        await this.#skipCollected(error, signal)
        continue
      }
      const records = firstBytes(found)
      const newest = records.at(-1)
      if (newest === undefined) {
        this.#waitingSince = undefined
        break
      }
      this.#head = Math.max(this.#head, newest.position)
      this.#waitingSince ??= readAt
      await this.#ship(records, newest, signal)
      // What is not shipped now came after it was read.
      this.#waitingSince = (await log.head(signal)) > this.#position ? readAt : undefined
      if (records.length === found.length && found.length < limits.shippingRecords.value) break
    }
    this.#isWarned = false
  }

  async #ship(records: readonly EncodedRecord[], newest: EncodedRecord, signal: AbortSignal): Promise<void> {
    const { place, identity } = this.#components
    this.#checkChain(records)
    const key = shippedKey(place.base, identity.generation, newest.position)
    try {
      const bytes = encodeShipped(records)
      await place.ost.create(key, bytes, { signal })
      this.#shippedBytes += bytes.length
    } catch (error) {
      if (!isSlipwayError(error, 'object_exists')) throw error
      this.#components.onBranch?.('ship: the object is there already')
      // Ours with a lost answer, or another shipper's: it must end with the same record.
      const found = decodeShipped(await collectBytes(place.ost.read(key, { signal })), newest.position)
      if (found.at(-1)?.hash !== newest.hash) throw forked(newest.position)
      if ((found[0]?.position ?? 0) > this.#position + 1) {
        if (!this.#components.isShared) throw forked(this.#position + 1)
        // After it was looked at: that is taken over the next time.
        this.#components.onBranch?.('ship: another shipper wrote what is before it')
        return
      }
    }
    this.#moveTo(newest.position, newest.hash)
  }

  #checkChain(records: readonly EncodedRecord[]): void {
    const { identity } = this.#components
    let prev = this.#hash
    for (const record of records) {
      const decoded = decodeRecord(record)
      if (decoded.store !== identity.store || decoded.generation !== identity.generation)
        throw new SlipwayError('database_foreign', `record ${record.position} of the log is of another store`)
      if (prev !== undefined && decoded.prev !== prev) throw forked(record.position)
      prev = record.hash
    }
  }

  /** The log may have lost its end (an old copy of a disk), or be another one: then nothing may be built on it. */
  async #checkSame(shipped: EncodedRecord, signal: AbortSignal): Promise<void> {
    const { log } = this.#components
    const head = await log.head(signal)
    if (head < shipped.position)
      throw new SlipwayError(
        'database_corrupt',
        `object storage has record ${shipped.position}, the log ends at ${head}: it is an old copy; restore it`,
      )
    try {
      const [ours] = await log.read(shipped.position - 1, 1, signal)
      if (ours && ours.hash !== shipped.hash) throw forked(shipped.position)
    } catch (error) {
      if (!isSlipwayError(error, 'history_collected')) throw error // the next record tells, by its `prev`
    }
  }

  /** Takes over what another shipper has written meanwhile. */
  async #adopt(signal: AbortSignal): Promise<void> {
    const { place, identity, log } = this.#components
    const prefix = shippedPrefix(place.base, identity.generation)
    let newest = this.#position
    for await (const { key } of place.ost.list({ prefix, after: `${prefix}${encodePosition(newest)}`, signal }))
      newest = Math.max(newest, positionOfKey(key) ?? 0)
    if (newest === this.#position) return
    const key = shippedKey(place.base, identity.generation, newest)
    const theirs = decodeShipped(await collectBytes(place.ost.read(key, { signal })), newest).at(-1)
    if (theirs === undefined) return
    // A reader of the log may be behind what another has read there: then this one waits.
    if ((await log.head(signal)) < newest) return
    const [ours] = await log.read(newest - 1, 1, signal)
    if (ours && ours.hash !== theirs.hash) throw forked(newest)
    this.#components.onBranch?.('ship: took over what another shipper wrote')
    this.#moveTo(newest, theirs.hash)
  }

  /** The log forgot records that were never shipped. A snapshot after them takes their place. */
  async #skipCollected(cause: unknown, signal: AbortSignal): Promise<void> {
    const snapshot = await this.#components.snapshotPosition()
    signal.throwIfAborted()
    if (snapshot <= this.#position) {
      this.#needsSnapshot = true
      this.#shipped.wake()
      throw cause
    }
    // The record with which the snapshot ends is shipped too: an embedded log that is restored begins with it.
    this.#moveTo(snapshot - 1, undefined)
    this.#needsSnapshot = false
  }

  #moveTo(position: Position, hash: RecordHash | undefined): void {
    this.#position = position
    this.#hash = hash
    this.#shipped.wake()
  }
}

function forked(position: Position): SlipwayError {
  return new SlipwayError(
    'database_corrupt',
    `object storage and the log have two records ${position}: one of them was restored from an old copy`,
  )
}

/** As many records as fit into one object, at least one. */
function firstBytes(records: readonly EncodedRecord[]): readonly EncodedRecord[] {
  let bytes = 0
  const end = records.findIndex((record, at) => {
    bytes += record.bytes.length
    return at > 0 && bytes > limits.shippingBytes.value
  })
  return end < 0 ? records : records.slice(0, end)
}
