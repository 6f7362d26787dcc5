// After a snapshot: what it has in its files of families leaves the file of this instance, and what was read from older
// files is read from the new ones. Every instance does so for itself, when it comes to it.
//
// A family goes only when the sum of its row hashes is the one of the snapshot's index, none of its rows is newer than the
// snapshot, and this instance is not older: then the snapshot has exactly these rows, and the manifest, which was created
// last, says that they are durable.

import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { familiesType } from '../snapshot/data-file.ts'
import { indexKey, type StoragePlace } from '../snapshot/keys.ts'
import { isComplete, listData, listManifests, type Manifest, readManifest } from '../snapshot/manifest.ts'
import { decodeFamilyIndex, type IndexedFamily } from './family-file.ts'
import type { LoadFamilies } from './thawed.ts'
import { Thawing } from './thawed.ts'

/** Rows that go in one SQLite transaction, during which nobody else has a turn. */
const rowsAtOnce = 150
/** Families that are looked at in one go, and those of an old file that are read at once. */
const familiesAtOnce = 2000
const thawedAtOnce = 16

export type AdoptComponents = {
  readonly model: ReadModel
  readonly place: StoragePlace
  readonly loadFamilies: LoadFamilies
  readonly clock: Clock
}

/** Between two transactions, for others. */
const pauseMs = 1

/**
 * `manifest` must be complete. Does nothing while this instance is older than it. Errors: those of the storage,
 * `snapshot_corrupt`; what was done until then is right.
 */
export async function adoptFamilies(
  { model, place, loadFamilies, clock }: AdoptComponents,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  if (model.position < manifest.position) return
  const files = manifest.files.filter(({ type }) => type === familiesType)
  const known = new Map(model.entries.files().map((file) => [file.name, file]))
  for (const file of files) {
    if (known.get(file.name)?.families === file.count) continue
    const key = indexKey(place.base, manifest.generation, file.name)
    const { blocks, families } = decodeFamilyIndex(file, await collectBytes(place.ost.read(key, { signal })))
    const number = model.adoptFile(file.name, blocks)
    for (const some of portions(families)) {
      model.adoptFamilies(number, some, manifest.position)
      await clock.sleep(pauseMs, signal)
    }
  }
  const names = new Set(files.map(({ name }) => name))
  for (const { name, number, families } of model.entries.files())
    if (families > 0 && !names.has(name)) await takeBack({ model, loadFamilies, clock }, number, signal)
  if (model.entries.files().some(({ families }) => families === 0)) model.removeUnusedFiles()
}

/**
 * Before anything is applied to a file that was closed for a while: its cold families are looked for where the newest
 * snapshot that is not newer than the file has them. False when they are gone: then all snapshots are newer, and the file is
 * to be made from one of them. Errors: those of the storage.
 */
export async function adoptAtStart(components: AdoptComponents, signal: AbortSignal): Promise<boolean> {
  const { model, place } = components
  if (model.entries.hasNoneCold) return true
  const { identity } = model
  const objects = await listData(place, identity.generation, signal)
  for (const position of await listManifests(place, identity.generation, signal)) {
    if (position > model.position) continue
    try {
      const manifest = await readManifest(place, identity, position, signal)
      if (!isComplete(manifest, objects)) continue
      await adoptFamilies(components, manifest, signal)
      return true
    } catch (error) {
      if (!isSlipwayError(error, 'snapshot_corrupt', 'object_corrupt', 'object_not_found', 'history_collected'))
        throw error
    }
  }
  return model.entries.files().every(({ name, families }) => families === 0 || objects.has(`${name}.rows`))
}

/** Brings families back that the newest snapshot has among its other rows, before their file is collected. */
async function takeBack(
  { model, loadFamilies, clock }: Omit<AdoptComponents, 'place'>,
  file: number,
  signal: AbortSignal,
): Promise<void> {
  for (let after = 0; ; ) {
    const { families, end } = model.entries.coldOfFile(file, after, familiesAtOnce)
    for (let at = 0; at < families.length; at += thawedAtOnce) {
      using thawing = new Thawing(loadFamilies, model.thawed)
      const some = families.slice(at, at + thawedAtOnce)
      for (;;) {
        const missing = model.takeBack(some)
        if (!missing) break
        await thawing.load(missing, signal)
      }
    }
    if (end === undefined) return
    after = end
    await clock.sleep(pauseMs, signal)
  }
}

function* portions(families: readonly IndexedFamily[]): Generator<IndexedFamily[]> {
  let some: IndexedFamily[] = []
  let rows = 0
  for (const family of families) {
    if (some.length > 0 && rows + family.rows > rowsAtOnce) {
      yield some
      some = []
      rows = 0
    }
    some.push(family)
    rows += family.rows
  }
  if (some.length > 0) yield some
}
