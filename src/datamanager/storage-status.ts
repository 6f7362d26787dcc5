// What object storage holds of a database: for operators, of an installation that runs or is stopped.

import type { Clock } from '../lib/clock.ts'
import type { Position } from './database.ts'
import type { Identity } from './read-model/sqlite.ts'
import type { StoragePlace } from './snapshot/keys.ts'
import { listManifests, readManifest } from './snapshot/manifest.ts'
import { findRoot } from './snapshot/root.ts'
import { findShippedHead } from './snapshot/shipped-log.ts'

export type StorageStatus = {
  /** The current generation in object storage; undefined when there is none. */
  readonly current: Identity | undefined
  /** Newest shipped record. */
  readonly shipped: Position | undefined
  /** The newest first. */
  readonly snapshots: readonly Position[]
  /** Milliseconds since the newest snapshot was made. */
  readonly snapshotAgeMs: number | undefined
}

/** Reads a few objects; works while the installation runs, too. */
export async function storageStatus(place: StoragePlace, clock: Pick<Clock, 'now'>): Promise<StorageStatus> {
  const root = await findRoot(place)
  if (!root) return { current: undefined, shipped: undefined, snapshots: [], snapshotAgeMs: undefined }
  const current = { store: root.store, generation: root.generation }
  const snapshots = await listManifests(place, current.generation)
  const newest = snapshots[0] === undefined ? undefined : await readManifest(place, current, snapshots[0])
  const shipped = await findShippedHead(place, current.generation, newest?.position ?? 0)
  return {
    current,
    shipped: shipped?.position,
    snapshots,
    snapshotAgeMs: newest && clock.now() - newest.createdAt,
  }
}
