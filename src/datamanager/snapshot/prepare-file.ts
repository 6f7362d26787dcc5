// Before a database with object storage is opened: its file is made from there when it is missing or of a generation that an
// import has replaced.

import { renameSync } from 'node:fs'
import { SlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import type { RowTypes } from '../database.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { listManifests } from './manifest.ts'
import { describeFile, restoreDatabase } from './restore.ts'
import { createRoot, findRoot, type Root } from './root.ts'
import type { DatabaseStorage } from './upkeep.ts'

export type PrepareOptions = {
  readonly path: string
  readonly types: RowTypes
  readonly storage: DatabaseStorage
  /** Of a database that is new. */
  readonly identity: Identity
}

/**
 * For an embedded log. Returns the ids to open the file with; where it lacks shipped records, applyShipped brings them.
 * Errors: `database_foreign` for a file of another store, those of restoreDatabase.
 */
export async function prepareEmbeddedFile({ path, types, storage, identity }: PrepareOptions): Promise<Identity> {
  const { place } = storage
  const root = await findRoot(place)
  const found = describeFile(path)
  if (!root) {
    const { store, generation } = found ?? identity
    await createRoot(place, { number: 1, store, generation, contentHash: emptyContentHash })
    return { store, generation }
  }
  const current = { store: root.store, generation: root.generation }
  if (found && isOld(found, root, path)) setAside(path, found.generation)
  else if (found) return current
  await restoreDatabase({ ...restoring({ path, types, storage }, root), isEmbedded: true })
  return current
}

/**
 * For a log that is elsewhere: a file that is missing is made from the newest snapshot, so that only the records after it
 * have to be read. Returns how to do the same when the log turns out to lack what the file needs next.
 */
export async function prepareSharedFile({
  path,
  types,
  storage,
  identity,
}: PrepareOptions): Promise<() => Promise<void>> {
  const { place } = storage
  let root = await findRoot(place)
  if (!root) {
    root = { number: 1, ...identity, contentHash: emptyContentHash }
    await createRoot(place, root)
  }
  if (root.store !== identity.store || root.generation !== identity.generation)
    throw new SlipwayError(
      'database_foreign',
      `the current generation in object storage is ${root.generation}, not ${identity.generation}`,
    )
  const restore = async () => {
    await restoreDatabase({ ...restoring({ path, types, storage }, root), isEmbedded: false })
  }
  const found = describeFile(path)
  if (found && isOld(found, root, path)) setAside(path, found.generation)
  else if (found) return restore
  const hasSnapshot = (await listManifests(place, identity.generation)).length > 0
  if (hasSnapshot || root.contentHash !== emptyContentHash) await restore()
  return restore
}

function restoring({ path, types, storage }: Omit<PrepareOptions, 'identity'>, root: Root) {
  const { place, logger = silentLogger } = storage
  const identity = { store: root.store, generation: root.generation }
  return { path, types, place, identity, firstContentHash: root.contentHash, logger }
}

function isOld(found: Identity, root: Root, path: string): boolean {
  if (found.generation === root.generation && found.store === root.store) return false
  if (found.store === root.store) return true
  throw new SlipwayError(
    'database_foreign',
    `${path} is of store ${found.store}, object storage has store ${root.store}: one of them is another installation's`,
  )
}

/** Renames a file that is of no use any more; nothing is thrown away here. */
export function setAside(path: string, generation: string): void {
  for (const end of ['', '-wal', '-shm'])
    try {
      renameSync(`${path}${end}`, `${path}.${generation}${end}`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
}
