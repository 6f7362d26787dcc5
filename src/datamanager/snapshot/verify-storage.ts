// Reads everything a database has in object storage and compares it with its hashes: manifests, data and index files,
// shipped records, and how they fit together.

import { collectBytes } from '../../lib/bytes.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { ObjectKey } from '../../objectstorage/object-storage.ts'
import { decodeFamilyFile, decodeFamilyIndex } from '../cold/family-file.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { type DataFile, decodeDataFile, decodeIndexFile, familiesType } from './data-file.ts'
import { indexKey, positionOfKey, rowsKey, type StoragePlace, shippedPrefix } from './keys.ts'
import { listManifests, type Manifest, readManifest } from './manifest.ts'
import { findRoot } from './root.ts'
import { decodeShipped, readShipped } from './shipped-log.ts'

export type StorageReport = {
  readonly identity: Identity
  /** Newest first. */
  readonly snapshots: readonly {
    readonly position: Position
    /** Undefined when the manifest cannot be read. */
    readonly count: number | undefined
    readonly createdAt: number | undefined
    readonly isSound: boolean
  }[]
  /** Positions of the oldest and newest shipped record; undefined when there is none. */
  readonly shipped: { readonly oldest: Position; readonly newest: Position } | undefined
  /** Empty when all is well. */
  readonly problems: readonly string[]
}

/** Errors: `database_corrupt` when there is nothing at this place, those of the storage. Holds one file at a time. */
export async function verifyStorage(place: StoragePlace, signal?: AbortSignal): Promise<StorageReport> {
  const root = await findRoot(place, signal)
  if (!root) throw new SlipwayError('database_corrupt', `there is no database at ${place.base} in object storage`)
  const identity = { store: root.store, generation: root.generation }
  const problems: string[] = []
  const sound = new Map<string, Promise<string | undefined>>()
  const snapshots: StorageReport['snapshots'][number][] = []
  const manifests: Manifest[] = []
  for (const position of await listManifests(place, identity.generation, signal)) {
    const manifest = await readManifest(place, identity, position, signal).catch((error: unknown) => {
      problems.push(damageOf(error))
      return undefined
    })
    let isSound = manifest !== undefined
    for (const file of manifest?.files ?? []) {
      // Most files are in several snapshots.
      const problem = sound.get(file.name) ?? problemOf(place, identity, file)
      if (!sound.has(file.name)) {
        sound.set(file.name, problem)
        const found = await problem
        if (found !== undefined) problems.push(found)
      }
      if ((await problem) !== undefined) isSound = false
    }
    if (manifest) manifests.push(manifest)
    snapshots.push({ position, count: manifest?.count, createdAt: manifest?.createdAt, isSound })
  }
  if (root.contentHash !== '0'.repeat(64) && snapshots.length === 0)
    problems.push('the generation began with rows, and there is no snapshot')
  const shipped = await verifyShipped(place, identity, { manifests, problems, ...(signal ? { signal } : {}) })
  return { identity, snapshots, shipped, problems }
}

async function problemOf(place: StoragePlace, identity: Identity, file: DataFile): Promise<string | undefined> {
  const read = (keyOf: typeof rowsKey) =>
    collectBytes(place.ost.read(keyOf(place.base, identity.generation, file.name)))
  try {
    if (file.type === familiesType) {
      const families = [...decodeFamilyFile(file, await read(rowsKey))]
      const known = decodeFamilyIndex(file, await read(indexKey)).families
      const isSame = families.length === known.length && families.every(({ id }, at) => id === known[at]?.id)
      return isSame ? undefined : `index file ${file.name} has other families than its data file`
    }
    const rows = decodeDataFile(file, await read(rowsKey))
    const places = decodeIndexFile(file, await read(indexKey))
    if (rows.some(({ id }) => !places.has(id)) || rows.length !== places.size)
      return `index file ${file.name} has other rows than its data file`
    return undefined
  } catch (error) {
    return damageOf(error)
  }
}

async function verifyShipped(
  place: StoragePlace,
  identity: Identity,
  {
    manifests,
    problems,
    signal,
  }: { readonly manifests: readonly Manifest[]; readonly problems: string[]; readonly signal?: AbortSignal },
): Promise<StorageReport['shipped']> {
  const first = await firstShipped(place, identity, signal)
  if (first === undefined) {
    for (const { position } of manifests) if (position > 0) problems.push(`record ${position} was not shipped`)
    return undefined
  }
  const hashes = new Map(manifests.map(({ position, hash }) => [position, hash]))
  let newest = first.oldest - 1
  try {
    const options = { from: first.oldest - 1, ...(signal ? { signal } : {}) }
    for await (const record of readShipped(place, identity, options)) {
      newest = record.position
      const hash = hashes.get(record.position)
      if (hash !== undefined && hash !== record.hash)
        problems.push(`snapshot ${record.position} and the shipped records are of different logs`)
    }
  } catch (error) {
    problems.push(damageOf(error))
  }
  for (const position of hashes.keys())
    if (position > newest || (position > 0 && position < first.oldest))
      problems.push(`record ${position}, with which a snapshot ends, is not there`)
  return { oldest: first.oldest, newest }
}

async function firstShipped(
  place: StoragePlace,
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<{ readonly key: ObjectKey; readonly oldest: Position } | undefined> {
  const prefix = shippedPrefix(place.base, identity.generation)
  for await (const { key } of place.ost.list({ prefix, ...(signal ? { signal } : {}) })) {
    const newest = positionOfKey(key)
    if (newest === undefined) continue
    try {
      const records = decodeShipped(await collectBytes(place.ost.read(key)), newest)
      return { key, oldest: records[0]?.position ?? newest }
    } catch (error) {
      if (!isSlipwayError(error)) throw error
      return { key, oldest: newest } // said when it is read again
    }
  }
  return undefined
}

/** Damage is a finding; a storage that cannot be reached is not. */
function damageOf(error: unknown): string {
  const isFinding = isSlipwayError(
    error,
    'snapshot_corrupt',
    'object_corrupt',
    'object_not_found',
    'database_corrupt',
    'database_foreign',
    'database_too_new',
    'history_collected',
  )
  if (!isFinding) throw error
  return errorMessage(error)
}
