// The last step of an import: the root that makes the new generation the current one. The record that closes the old
// generation is the decision; whoever finds it without the root completes the import.

import { SlipwayError } from '../../lib/errors.ts'
import type { Identity } from '../read-model/sqlite.ts'
import type { StoragePlace } from '../snapshot/keys.ts'
import { isComplete, listData, readManifest } from '../snapshot/manifest.ts'
import { createRoot, findRoot } from '../snapshot/root.ts'

/**
 * Makes `replacedBy` the current generation of a store whose generation `old` was closed for it; nothing when it is
 * already. Errors: `snapshot_corrupt` when the new generation is not whole, `import_refused` when a third one is current.
 */
export async function completeImport(
  place: StoragePlace,
  old: Identity,
  replacedBy: string,
  signal?: AbortSignal,
): Promise<void> {
  const root = await findRoot(place, signal)
  if (root?.generation === replacedBy) return
  if (root?.generation !== old.generation)
    throw new SlipwayError(
      'import_refused',
      `generation ${old.generation} was closed for ${replacedBy}, but ${root?.generation ?? 'none'} is the current one`,
    )
  const identity = { store: old.store, generation: replacedBy }
  const manifest = await readManifest(place, identity, 0, signal)
  if (!isComplete(manifest, await listData(place, replacedBy, signal)))
    throw new SlipwayError('snapshot_corrupt', `the rows of generation ${replacedBy} are not whole in object storage`)
  await createRoot(place, { number: root.number + 1, ...identity, contentHash: manifest.contentHash }, signal)
}
