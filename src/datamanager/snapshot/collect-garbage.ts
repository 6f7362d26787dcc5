// Removes what no snapshot needs any more: old manifests, data files nobody names, shipped records below the oldest
// snapshot, and records of the log itself.
//
// Why nothing that is needed goes, however late a snapshotter or a collector wakes up:
// - Files go only when no manifest that exists names them, asked again after old manifests went, and when they are older
//   than the grace by the storage's own clock. A snapshotter that was slower than half the grace gives up.
// - A manifest that names a file that is gone (whoever made it slept too long) does not count as one of those kept.
// - Records go only below the oldest manifest that is kept and complete; the record at its position stays.

import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { clockKey, dataPrefix, exportPrefix, positionOfKey, type StoragePlace, shippedPrefix } from './keys.ts'
import {
  isComplete,
  listData,
  listManifests,
  type Manifest,
  manifestKey,
  readManifest,
  type StoredData,
} from './manifest.ts'

export type GarbageCollection = {
  readonly place: StoragePlace
  readonly identity: Identity
  /** Removes records of the log up to a position; undefined for a log that does so itself. */
  readonly collectLog: ((position: Position) => Promise<void>) | undefined
  readonly logger: Logger
  /** Everything up to it is in object storage; undefined when the log itself is. */
  readonly shipped: Position | undefined
  /** Up to where every consumer of changes has come; nothing after it leaves the log. */
  readonly consumed: Position
  /** Snapshots that are being read here: they and what is newer stay. */
  readonly held: readonly Position[]
  readonly graceMs: number
  readonly shippedKeptMs: number
  readonly signal: AbortSignal
}

export type Collected = { readonly manifests: number; readonly files: number; readonly shipped: number }

/** Errors: of storage and log; what is left then goes the next time. */
export async function collectGarbage(parts: GarbageCollection): Promise<Collected> {
  const { place, identity, signal } = parts
  const now = await storageTime(place, identity.generation, signal)
  const objects = await listData(place, identity.generation, signal)
  const before = await readManifests(parts)
  const complete = before.filter(({ manifest }) => manifest && isComplete(manifest, objects))
  const kept = complete.slice(0, limits.snapshotsKept.value)
  const newest = kept.at(-1)?.position
  // Without as many as are to be kept, all stay: also those that cannot be read, for whoever looks into it.
  if (newest === undefined || kept.length < limits.snapshotsKept.value) return { manifests: 0, files: 0, shipped: 0 }
  const oldest = Math.min(newest, ...parts.held, ...(await exportedSnapshots(parts, now)))
  const old = before.filter(({ position }) => position < oldest)
  for (const { position } of old) await place.ost.delete(manifestKey(place.base, identity.generation, position), signal)
  const files = await collectFiles(parts, objects, now)
  // A log that is in object storage collects its own records.
  const shipped = parts.shipped === undefined ? 0 : await collectShipped(parts, oldest, now)
  const collectable = Math.min(oldest - 1, parts.shipped ?? oldest, parts.consumed)
  if (collectable > 0) await parts.collectLog?.(collectable)
  return { manifests: old.length, files, shipped }
}

type Found = { readonly position: Position; readonly manifest: Manifest | undefined }

async function readManifests({ place, identity, signal, logger }: GarbageCollection): Promise<Found[]> {
  const found: Found[] = []
  for (const position of await listManifests(place, identity.generation, signal)) {
    let manifest: Manifest | undefined
    try {
      manifest = await readManifest(place, identity, position, signal)
    } catch (error) {
      if (isSlipwayError(error, 'object_not_found')) continue // collected by somebody else
      if (!isSlipwayError(error, 'snapshot_corrupt', 'object_corrupt')) throw error
      logger.warn('a snapshot cannot be read', { position, error })
    }
    found.push({ position, manifest })
  }
  return found
}

/** Positions of snapshots that exports stand on, also those of other instances; what is older than the grace is forgotten. */
async function exportedSnapshots({ place, identity, graceMs, signal }: GarbageCollection, now: number) {
  const positions: Position[] = []
  const prefix = exportPrefix(place.base, identity.generation)
  for await (const { key, modifiedAt } of place.ost.list({ prefix, signal })) {
    const position = positionOfKey(key)
    if (now - modifiedAt >= graceMs) await place.ost.delete(key, signal)
    else if (position !== undefined) positions.push(position)
  }
  return positions
}

async function collectFiles(parts: GarbageCollection, objects: StoredData, now: number): Promise<number> {
  const { place, identity, signal } = parts
  const named = new Set<string>()
  for (const { manifest } of await readManifests(parts)) {
    // One that exists but cannot be read may name anything.
    if (!manifest) return 0
    for (const { name } of manifest.files) named.add(`${name}.rows`).add(`${name}.index`)
  }
  let files = 0
  for (const [name, { modifiedAt }] of objects) {
    if (named.has(name) || now - modifiedAt < parts.graceMs) continue
    await place.ost.delete(`${dataPrefix(place.base, identity.generation)}${name}`, signal)
    files++
  }
  return files
}

async function collectShipped(parts: GarbageCollection, oldest: Position, now: number): Promise<number> {
  const { place, identity, signal } = parts
  const old: string[] = []
  const prefix = shippedPrefix(place.base, identity.generation)
  for await (const { key, modifiedAt } of place.ost.list({ prefix, signal })) {
    const newest = positionOfKey(key)
    if (newest === undefined) continue
    if (newest >= oldest || now - modifiedAt < parts.shippedKeptMs) break
    old.push(key)
  }
  // In order, so that what is left has no gap whenever this ends.
  for (const key of old) await place.ost.delete(key, signal)
  return old.length
}

/** Read from an object written now: comparing it with other times of the same storage needs no clock of ours. */
async function storageTime({ ost, base }: StoragePlace, generation: string, signal: AbortSignal): Promise<number> {
  const key = clockKey(base, generation)
  await ost.put(key, Buffer.from('\n'), { persist: false, signal })
  return (await ost.stat(key, signal))?.modifiedAt ?? 0
}
