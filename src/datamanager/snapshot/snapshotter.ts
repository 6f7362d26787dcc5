// Makes a snapshot: all rows at one position of the log as files in object storage, of which only those with changed rows
// are written. Any instance may do it at any time; nothing here needs a lock.
//
// Invariant: the manifest is created last, when every file it names is there. What is named once is never written again
// under that name. A snapshot whose files do not add up to the content hash of the database is not published.

import { isDeepStrictEqual } from 'node:util'
import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Position } from '../database.ts'
import { decodeSum } from '../read-model/content-hash.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { contentHashOf, type DataFile, type EncodedDataFile, familiesType } from './data-file.ts'
import { encodePosition, indexKey, rowsKey, type StoragePlace } from './keys.ts'
import {
  countOf,
  encodeManifest,
  isComplete,
  listData,
  listManifests,
  type Manifest,
  manifestKey,
  readManifest,
} from './manifest.ts'
import { planRanges } from './ranges.ts'
import type { RowSource, RowSourceOptions } from './row-source.ts'

/** A storage that answers with trouble is asked so often, with growing pauses. */
const attemptsMax = 4
const retryMs = 100
/** So long files of a snapshot that was given up are removed; what is left is collected. */
const removeMsMax = 3000
/** So many files that are small together become one, even when nothing in them has changed. */
const mergedFiles = 4

export type SnapshotterComponents = {
  readonly model: ReadModel
  readonly path: string
  readonly place: StoragePlace
  readonly clock: Clock
  readonly logger: Logger
  readonly openSource: (options: RowSourceOptions) => RowSource
  readonly newId: () => string
  /** Resolves when the records up to `position` are in object storage, or at once when the log is there anyway. */
  readonly untilShipped: (position: Position, signal: AbortSignal) => Promise<void>
  readonly fileBytesMax: number
  readonly familyFileBytesMax: number
  /** Lets what a snapshot has of cold families leave this instance; the manifest is complete. */
  readonly adopt: (manifest: Manifest, signal: AbortSignal) => Promise<void>
  /** How long files stay that no manifest names. */
  readonly graceMs: number
}

export type SnapshotResult = {
  readonly manifest: Manifest
  /** Of the data files written for it, and of all it names. */
  readonly writtenBytes: number
  readonly bytes: number
}

export class Snapshotter {
  readonly #components: SnapshotterComponents
  #running: Promise<SnapshotResult> | undefined

  constructor(components: SnapshotterComponents) {
    this.#components = components
  }

  /**
   * Makes a snapshot of the newest state, or returns the newest one when it has everything. While one is made, callers get
   * that one. Errors: `snapshot_impossible` when too much changed meanwhile or it took too long, those of the storage.
   */
  snapshot(signal: AbortSignal): Promise<SnapshotResult> {
    this.#running ??= this.#snapshot(signal).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Of all manifests, newest first. */
  positions(signal?: AbortSignal): Promise<Position[]> {
    const { place, model } = this.#components
    return listManifests(place, model.identity.generation, signal)
  }

  /** The newest manifest that can be read and of which no file is missing; their content is not looked at. */
  async newest(signal?: AbortSignal): Promise<Manifest | undefined> {
    const { place, model, logger } = this.#components
    const objects = await listData(place, model.identity.generation, signal)
    for (const position of await listManifests(place, model.identity.generation, signal)) {
      try {
        const manifest = await readManifest(place, model.identity, position, signal)
        if (isComplete(manifest, objects)) return manifest
        logger.warn('a snapshot is not complete', { position })
      } catch (error) {
        if (!isSlipwayError(error, 'snapshot_corrupt', 'object_corrupt', 'object_not_found')) throw error
        logger.warn('a snapshot cannot be read', { position, error })
      }
    }
    return undefined
  }

  async #snapshot(signal: AbortSignal): Promise<SnapshotResult> {
    const previous = await this.newest(signal)
    if (previous && previous.position >= this.#components.model.position)
      return { manifest: previous, writtenBytes: 0, bytes: bytesOf(previous.files) }
    const { adopt, logger } = this.#components
    // Cold families of this instance are where the snapshot before has them: from there they are carried over.
    if (previous) await adopt(previous, signal)
    let made: SnapshotResult
    try {
      made = await this.#make(previous?.files ?? [], previous?.position ?? 0, signal)
    } catch (error) {
      if (!previous || !isSlipwayError(error, 'snapshot_corrupt', 'object_corrupt', 'object_not_found')) throw error
      // What the one before has is not to be trusted: everything that is here is written anew.
      logger.error('a snapshot is damaged', { position: previous.position, error })
      const families = previous.files.filter(({ type }) => type === familiesType)
      made = await this.#make(families, previous.position, signal)
    }
    await adopt(made.manifest, signal).catch((error: unknown) => {
      // The rows stay here until the next time.
      if (!signal.aborted) logger.warn('rows that a snapshot has could not be let go', { error })
    })
    return made
  }

  async #make(previous: readonly DataFile[], previousPosition: Position, signal: AbortSignal): Promise<SnapshotResult> {
    const { model, place, clock, openSource, newId, path, untilShipped } = this.#components
    const startedAt = clock.now()
    const written = new Map<string, DataFile>()
    // From before the first read on: rows that change later are read again at the cut.
    const touched = new Set<string>()
    model.touched = touched
    model.writeDeferred()
    const namePrefix = `${encodePosition(model.position)}-${newId()}`
    const { fileBytesMax, familyFileBytesMax, graceMs } = this.#components
    const { familyTypes } = model
    const source = openSource({ path, namePrefix, fileBytesMax, familyTypes, familyFileBytesMax })
    let isOffered = false
    try {
      await source.chooseFamilies()
      const families = previous.filter(({ type }) => type === familiesType)
      const rows = previous.filter(({ type }) => type !== familiesType)
      const read = await this.#readFamilies(source, families, written, signal)
      const position = previousPosition
      read.push(...(await this.#readRanges(source, rows, written, { touched, fileBytesMax, position, signal })))
      const cut = await source.openCut()
      refuseTooMany(touched)
      const keys = [...touched]
      model.touched = undefined
      await source.readOverlay(keys)
      const files = await this.#patch(source, read, written, signal)
      for (let after: string | undefined = ''; after !== undefined; ) {
        const piece = await source.encodeTransactions(cut.position, after)
        if (piece.encoded) files.push(await this.#write(piece.encoded, written, signal))
        after = piece.next
      }
      files.sort((a, b) => compareUtf8(a.type, b.type) || compareUtf8(a.first, b.first))
      if (contentHashOf(files) !== cut.contentHash)
        throw new SlipwayError('snapshot_corrupt', `the files of snapshot ${cut.position} are not its content`)
      await untilShipped(cut.position, signal)
      const manifest: Manifest = {
        ...model.identity,
        position: cut.position,
        hash: cut.hash,
        contentHash: cut.contentHash,
        count: countOf(files),
        createdAt: clock.now(),
        files,
      }
      // Slower than anything should be: somebody may have collected what is carried over.
      if (!isComplete(manifest, await listData(place, manifest.generation, signal)))
        throw new SlipwayError('snapshot_impossible', `files of snapshot ${cut.position} were collected meanwhile`)
      // Files carried over may be collected once nothing names them for that long: after all that may take long.
      if (Math.abs(clock.now() - startedAt) > graceMs / 2)
        throw new SlipwayError('snapshot_impossible', `snapshot ${cut.position} took too long`)
      isOffered = true
      const published = await this.#publish(manifest, signal)
      if (published !== manifest) await this.#remove([...written.values()])
      return { manifest: published, writtenBytes: bytesOf([...written.values()]), bytes: bytesOf(files) }
    } catch (error) {
      // Once the manifest may be there, its files stay.
      if (!isOffered) await this.#remove([...written.values()])
      throw error
    } finally {
      if (model.touched === touched) model.touched = undefined
      await source.close()
    }
  }

  /** Files of families in which nothing was changed stay; the chosen families are laid between those of the others. */
  async #readFamilies(
    source: RowSource,
    previous: readonly DataFile[],
    written: Map<string, DataFile>,
    signal: AbortSignal,
  ): Promise<DataFile[]> {
    const files: DataFile[] = []
    if (this.#components.model.familyTypes.length === 0) return files
    const write = async (encoded: readonly EncodedDataFile[]) => {
      for (const file of encoded) files.push(await this.#write(file, written, signal))
    }
    for (const range of planRanges(previous, [familiesType], this.#components.familyFileBytesMax)) {
      signal.throwIfAborted()
      const isWhole = range.files.length < mergedFiles
      if (isWhole && (await source.areFamiliesClean(range, range.files))) {
        files.push(...range.files)
        continue
      }
      await source.beginFamilies(range)
      for (const file of range.files) await write(await source.addFamilies(file, await this.#read(file, signal)))
      await write(await source.endFamilies())
    }
    return files
  }

  async #readRanges(
    source: RowSource,
    previous: readonly DataFile[],
    written: Map<string, DataFile>,
    {
      touched,
      fileBytesMax,
      position,
      signal,
    }: { touched: Set<string>; fileBytesMax: number; position: Position; signal: AbortSignal },
  ): Promise<DataFile[]> {
    const files: DataFile[] = []
    for (const range of planRanges(previous, await source.types(), fileBytesMax)) {
      signal.throwIfAborted()
      refuseTooMany(touched)
      const sum = range.files.reduce((total, file) => total + decodeSum(file.sum), 0n)
      const at = { position, count: countOf(range.files), sum }
      const isWhole = range.files.length > 0 && range.files.length < mergedFiles
      if (isWhole && (await source.isClean(range, at))) {
        files.push(...range.files)
        continue
      }
      for (let from: string | undefined = range.from; from !== undefined; ) {
        const piece = await source.encode({ ...range, from })
        if (piece.encoded) files.push(await this.#write(piece.encoded, written, signal))
        from = piece.next
      }
    }
    return files
  }

  /** Brings files that were read at different positions to the one of the cut. */
  async #patch(
    source: RowSource,
    read: readonly DataFile[],
    written: Map<string, DataFile>,
    signal: AbortSignal,
  ): Promise<DataFile[]> {
    const files = new Map(read.map((file) => [file.name, file]))
    for (const patch of await source.planPatches(read)) {
      const { file } = patch
      const bytes = file && (await this.#read(file, signal))
      const replacing = await source.patch(patch, bytes)
      if (!replacing) continue
      for (const encoded of replacing) files.set(encoded.file.name, await this.#write(encoded, written, signal))
      if (!file) continue
      files.delete(file.name)
      if (written.delete(file.name)) await this.#remove([file])
    }
    return [...files.values()]
  }

  #read({ name }: DataFile, signal: AbortSignal): Promise<Uint8Array> {
    const { place, model } = this.#components
    const key = rowsKey(place.base, model.identity.generation, name)
    return this.#retrying(() => collectBytes(place.ost.read(key, { signal })), signal)
  }

  async #write(
    { file, rows, index }: EncodedDataFile,
    written: Map<string, DataFile>,
    signal: AbortSignal,
  ): Promise<DataFile> {
    const { place, model } = this.#components
    const { generation } = model.identity
    written.set(file.name, file)
    const put = (key: string, bytes: Uint8Array, sha256: string) =>
      this.#retrying(() => place.ost.put(key, bytes, { sha256, sizeBytes: bytes.length, signal }), signal)
    await put(rowsKey(place.base, generation, file.name), rows, file.sha256)
    await put(indexKey(place.base, generation, file.name), index, file.indexSha256)
    return file
  }

  /** Creates the manifest; returns the one that is there when somebody else was faster. */
  async #publish(manifest: Manifest, signal: AbortSignal): Promise<Manifest> {
    const { place, model } = this.#components
    const key = manifestKey(place.base, manifest.generation, manifest.position)
    try {
      await this.#retrying(() => place.ost.create(key, encodeManifest(manifest), { signal }), signal)
      return manifest
    } catch (error) {
      if (!isSlipwayError(error, 'object_exists')) throw error
      // Ours with a lost answer, or another instance's of the same state.
      const found = await this.#retrying(() => readManifest(place, model.identity, manifest.position, signal), signal)
      return isDeepStrictEqual(found, manifest) ? manifest : found
    }
  }

  /** What is not removed here is collected later. */
  async #remove(files: readonly DataFile[]): Promise<void> {
    const { place, model, clock } = this.#components
    // Of its own: it outlives a snapshot that was given up, but whoever closes the database does not wait for a silent storage.
    const signal = clock.timeout(removeMsMax)
    for (const { name } of files)
      for (const keyOf of [rowsKey, indexKey])
        await place.ost.delete(keyOf(place.base, model.identity.generation, name), signal).catch(() => undefined)
  }

  async #retrying<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await act()
      } catch (error) {
        const isFinal = isSlipwayError(error, 'object_exists', 'object_not_found', 'object_corrupt', 'snapshot_corrupt')
        if (signal.aborted || isFinal || attempt === attemptsMax) throw error
        await this.#components.clock.sleep(retryMs * 2 ** attempt, signal)
      }
    }
  }
}

function bytesOf(files: readonly DataFile[]): number {
  return files.reduce((total, { bytes, indexBytes }) => total + bytes + indexBytes, 0)
}

/** They are read again while nobody else reads, and held in memory. Errors: `snapshot_impossible`. */
function refuseTooMany(touched: ReadonlySet<string>): void {
  const most = limits.changedDuringSnapshot.value
  if (touched.size > most)
    throw new SlipwayError('snapshot_impossible', `${touched.size} rows changed during a snapshot, more than ${most}`)
}
