// What a database does beside its commits when it has object storage: ships its records, makes snapshots now and then, and
// removes what they make superfluous.

import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { type Logger, silentLogger } from '../../lib/log.ts'
import type { ChangeLog } from '../change-log.ts'
import { adoptFamilies } from '../cold/adopt-families.ts'
import type { FamilyLoader } from '../cold/load-families.ts'
import type { Position } from '../database.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import type { OnBranch } from '../recovery.ts'
import { type Collected, collectGarbage } from './collect-garbage.ts'
import type { StoragePlace } from './keys.ts'
import { isComplete, listData, type Manifest, readManifest } from './manifest.ts'
import type { RowSource, RowSourceOptions } from './row-source.ts'
import { Shipper, type ShippingLag } from './shipper.ts'
import { type SnapshotResult, Snapshotter } from './snapshotter.ts'
import { WorkerRowSource } from './worker-row-source.ts'

/** How often is asked whether a snapshot is due. */
const checkMs = 5000
/** How long closing waits for what is not shipped yet; the rest is shipped after the next start. */
const closeShippingMs = 3000
/** After a snapshot that failed, the next attempt waits this long. */
const failedPauseMs = 60_000

/** Where a database keeps what it must not lose, and how. */
export type DatabaseStorage = {
  readonly place: StoragePlace
  readonly logger?: Logger
  /** Defaults: limits.snapshotRecords, snapshotLogBytes, snapshotMs, snapshotPauseMs, and so on. */
  readonly snapshots?: Partial<SnapshotSettings>
  /** Only for tests and the simulation. */
  readonly openSource?: (options: RowSourceOptions) => RowSource
}

export type SnapshotSettings = {
  readonly records: number
  readonly logBytes: number
  readonly ms: number
  readonly pauseMs: number
  readonly fileBytes: number
  /** Default: limits.familyFileBytes. */
  readonly familyFileBytes?: number
  /** Younger objects that nothing names are left alone; snapshots that take more than half of it are given up. */
  readonly graceMs: number
  /** Younger shipped records stay, whatever snapshots there are. */
  readonly shippedKeptMs: number
}

export const defaultSnapshots: SnapshotSettings = {
  records: limits.snapshotRecords.value,
  logBytes: limits.snapshotLogBytes.value,
  ms: limits.snapshotMs.value,
  pauseMs: limits.snapshotPauseMs.value,
  fileBytes: limits.snapshotFileBytes.value,
  graceMs: limits.storageGraceMs.value,
  shippedKeptMs: limits.shippedRecordsKeptMs.value,
}

/** What there is since the last snapshot. */
export type SinceSnapshot = {
  readonly records: number
  readonly logBytes: number
  readonly ageMs: number
  /** There was none before. */
  readonly isFirst: boolean
  /** What is shipped lacks something that only a snapshot has. */
  readonly isNeeded: boolean
}

export function isSnapshotDue(
  { records, logBytes, ageMs, isFirst, isNeeded }: SinceSnapshot,
  settings: Pick<SnapshotSettings, 'records' | 'logBytes' | 'ms' | 'pauseMs'>,
): boolean {
  const isDue = records >= settings.records || logBytes >= settings.logBytes || ageMs >= settings.ms || isNeeded
  return isDue && records > 0 && (ageMs >= settings.pauseMs || isFirst)
}

export type UpkeepComponents = {
  readonly storage: DatabaseStorage
  readonly model: ReadModel
  readonly path: string
  readonly log: ChangeLog
  readonly clock: Clock
  readonly newId: () => string
  /** Several instances have this log; its records are collected here, an embedded one collects its own. */
  readonly isShared: boolean
  /** False for a log that is in object storage itself. */
  readonly shipsLog: boolean
  readonly consumed: () => Position
  readonly families: FamilyLoader
  /** Aborted when the database closes or fails. */
  readonly closing: AbortSignal
  readonly onFailure: (error: SlipwayError) => void
  readonly onBranch?: OnBranch | undefined
}

export class Upkeep {
  readonly #components: UpkeepComponents
  readonly #shipper: Shipper | undefined
  readonly #snapshotter: Snapshotter
  readonly #settings: SnapshotSettings
  readonly #familyFileBytes: number
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #running: Promise<unknown>[] = []
  /** Position of the snapshot whose files of families this instance reads. */
  #adopted: Position = -1
  #adopting: Promise<void> = Promise.resolve()
  /** Positions of snapshots that are being read. */
  readonly #held: Position[] = []

  constructor(components: UpkeepComponents) {
    const { storage, model, path, log, clock, newId, isShared, shipsLog, closing, onFailure } = components
    const { place, logger = silentLogger, openSource = (options) => new WorkerRowSource(options) } = storage
    this.#components = components
    this.#settings = { ...defaultSnapshots, ...storage.snapshots }
    this.#familyFileBytes = this.#settings.familyFileBytes ?? limits.familyFileBytes.value
    this.#signal = AbortSignal.any([this.#stop.signal, closing])
    const snapshotPosition = async () => (await this.#snapshotter.newest(this.#signal))?.position ?? 0
    if (shipsLog)
      this.#shipper = new Shipper({
        log,
        place,
        identity: model.identity,
        clock,
        logger,
        isShared,
        snapshotPosition,
        onFailure,
        onBranch: components.onBranch,
      })
    this.#snapshotter = new Snapshotter({
      model,
      path,
      place,
      clock,
      logger,
      openSource,
      newId,
      untilShipped: (position, signal) => this.#shipper?.waitFor(position, signal) ?? Promise.resolve(),
      fileBytesMax: this.#settings.fileBytes,
      familyFileBytesMax: this.#familyFileBytes,
      adopt: (manifest, signal) => this.#adopt(manifest, signal),
      graceMs: this.#settings.graceMs,
    })
  }

  /** Everything up to it is in object storage. */
  get shipped(): Position {
    return this.#shipper?.position ?? this.#components.model.position
  }

  /** How far shipping is behind. */
  get lag(): ShippingLag {
    const head = this.#components.model.position
    const lag = this.#shipper?.lag ?? { shipped: head, head, waitingMs: 0 }
    return { ...lag, head: Math.max(lag.head, head) }
  }

  /** Begins to ship, to follow the snapshots of others, and, unless `onDemand`, to make snapshots by itself. */
  start(options: { readonly onDemand?: boolean } = {}): void {
    this.#components.families.refresh = (signal) => this.adoptNewest(signal)
    if (this.#shipper) this.#running.push(this.#shipper.run(this.#signal))
    if (!options.onDemand) this.#running.push(this.#makeSnapshots())
  }

  /** As Snapshotter.snapshot. */
  snapshot(): Promise<SnapshotResult> {
    return this.#snapshotter.snapshot(this.#signal)
  }

  /**
   * A snapshot of the newest state, or the one that is `named`, whose files this instance does not collect before it is
   * disposed, and a source that reads them. Errors: `export_gone` when the named one is not there any more.
   */
  async hold(
    named?: Pick<Manifest, 'generation' | 'position'>,
  ): Promise<AsyncDisposable & { readonly manifest: Manifest; readonly source: RowSource }> {
    const { storage, path, newId } = this.#components
    const { openSource = (options) => new WorkerRowSource(options) } = storage
    const manifest = named ? await this.#findSnapshot(named) : (await this.snapshot()).manifest
    this.#held.push(manifest.position)
    const source = openSource({
      path,
      namePrefix: newId(),
      fileBytesMax: this.#settings.fileBytes,
      familyTypes: this.#components.model.familyTypes,
      familyFileBytesMax: this.#familyFileBytes,
    })
    return {
      manifest,
      source,
      [Symbol.asyncDispose]: async () => {
        this.#held.splice(this.#held.indexOf(manifest.position), 1)
        await source.close()
      },
    }
  }

  /**
   * Lets rows of cold families go that the newest snapshot has, whoever made it. Snapshots of this instance do so
   * themselves.
   */
  async adoptNewest(signal?: AbortSignal): Promise<void> {
    if (this.#components.model.familyTypes.length === 0) return
    const ending = signal ? AbortSignal.any([signal, this.#signal]) : this.#signal
    const [position] = await this.#snapshotter.positions(ending)
    if (position === undefined || position === this.#adopted || position > this.#components.model.position) return
    const manifest = await this.#snapshotter.newest(ending)
    if (manifest && !this.#snapshotter.isRunning) await this.#adopt(manifest, ending)
  }

  /** One after the other: each leaves rows and files as a snapshot has them. */
  #adopt(manifest: Manifest, signal: AbortSignal): Promise<void> {
    const { model, storage, families, clock } = this.#components
    if (model.familyTypes.length === 0) return Promise.resolve()
    const adopting = this.#adopting
      .catch(() => undefined) // told to whom it belonged
      .then(async () => {
        if (manifest.position <= this.#adopted) return
        await adoptFamilies({ model, place: storage.place, loadFamilies: families.load, clock }, manifest, signal)
        if (model.position >= manifest.position) this.#adopted = manifest.position
      })
    this.#adopting = adopting
    return adopting
  }

  /** As collectGarbage. */
  async collect(): Promise<Collected> {
    const { storage, model, log, isShared, consumed } = this.#components
    return await collectGarbage({
      place: storage.place,
      identity: model.identity,
      collectLog: isShared ? (position) => log.collect(position, this.#signal) : undefined,
      logger: storage.logger ?? silentLogger,
      shipped: this.#shipper ? this.#shipper.position : undefined,
      held: this.#held,
      consumed: consumed(),
      graceMs: this.#settings.graceMs,
      shippedKeptMs: this.#settings.shippedKeptMs,
      signal: this.#signal,
    })
  }

  /** Resolves when everything that is committed now is shipped. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#shipper?.waitFor(this.#components.model.position, AbortSignal.any([signal, this.#signal]))
  }

  /** Ships what is left, if that is quick, and ends. */
  async close(): Promise<void> {
    if (!this.#signal.aborted) await this.flush(this.#components.clock.timeout(closeShippingMs)).catch(() => undefined) // shipped the next time
    this.#stop.abort(new Error('the database is closed'))
    await Promise.all(this.#running)
  }

  async #findSnapshot({ generation, position }: Pick<Manifest, 'generation' | 'position'>): Promise<Manifest> {
    const { storage, model } = this.#components
    const { place } = storage
    try {
      if (generation === model.identity.generation) {
        const manifest = await readManifest(place, model.identity, position, this.#signal)
        if (isComplete(manifest, await listData(place, generation, this.#signal))) return manifest
      }
    } catch (error) {
      if (!isSlipwayError(error, 'object_not_found')) throw error
    }
    throw new SlipwayError('export_gone', `snapshot ${position} is not kept any more: begin the export again`)
  }

  async #makeSnapshots(): Promise<void> {
    const { storage, model, clock } = this.#components
    const { logger = silentLogger } = storage
    const { pauseMs } = this.#settings
    let last: { readonly position: Position; readonly at: number; readonly shippedBytes: number } | undefined
    while (!this.#signal.aborted) {
      try {
        if (!last) {
          const newest = await this.#snapshotter.newest(this.#signal)
          last = { position: newest?.position ?? 0, at: newest?.createdAt ?? clock.now(), shippedBytes: 0 }
        }
        // By the clock of whoever made it, which may be ahead of this one: then it counts as old.
        const since: SinceSnapshot = {
          records: model.position - last.position,
          logBytes: (this.#shipper?.shippedBytes ?? 0) - last.shippedBytes,
          ageMs: Math.abs(clock.now() - last.at),
          isFirst: last.position === 0,
          isNeeded: this.#shipper?.needsSnapshot === true,
        }
        if (isSnapshotDue(since, this.#settings)) {
          const shippedBytes = this.#shipper?.shippedBytes ?? 0
          const { manifest, writtenBytes } = await this.snapshot()
          logger.info('snapshot made', { position: manifest.position, rows: manifest.count, writtenBytes })
          last = { position: manifest.position, at: clock.now(), shippedBytes }
          await this.collect()
        }
        if (this.#components.isShared) await this.adoptNewest()
        await clock.sleep(Math.min(checkMs, pauseMs), this.#signal)
      } catch (error) {
        if (this.#signal.aborted) return
        logger.error('no snapshot could be made', { error })
        await clock.sleep(Math.min(failedPauseMs, pauseMs), this.#signal).catch(() => undefined) // aborted: the loop ends
      }
    }
  }
}
