// Generations of a database that are not the current one: half of an import that died, or what an import has replaced.
//
// An importer that slept for days must not make a generation the current one of which a collector has just removed the
// half. So both first create one object, the fate of the generation, and only who created it goes on.

import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectInfo } from '../../objectstorage/object-storage.ts'
import { clockKey, fateKey, generationPrefix, manifestPrefix, type StoragePlace } from '../snapshot/keys.ts'
import { findRoot, listRoots } from '../snapshot/root.ts'

export type Fate =
  /** It may become the current generation, in the place of `replaces`. */
  | { readonly fate: 'imported'; readonly replaces: string | undefined }
  /** It is being removed. */
  | { readonly fate: 'dropped' }

/** Decides what becomes of a generation; `import_refused` when it was decided otherwise before. */
export async function claimGeneration(place: StoragePlace, generation: string, fate: Fate): Promise<void> {
  const text = `${JSON.stringify(fate)}\n`
  try {
    await place.ost.create(fateKey(place.base, generation), Buffer.from(text))
  } catch (cause) {
    if (!isSlipwayError(cause, 'object_exists', 'outcome_unknown')) throw cause
    const found = await readFate(place, generation)
    // Also a lost answer to the first attempt.
    if (JSON.stringify(found) === JSON.stringify(fate)) return
    throw new SlipwayError('import_refused', `generation ${generation} is ${found?.fate ?? 'undecided'} already`, {
      cause,
    })
  }
}

/** Removes everything of a generation, what makes it usable first. Trouble on the way is left for the next collection. */
export async function removeGeneration(place: StoragePlace, generation: string, signal?: AbortSignal): Promise<void> {
  const keys: string[] = []
  const prefix = generationPrefix(place.base, generation)
  try {
    for await (const { key } of place.ost.list({ prefix, ...(signal ? { signal } : {}) })) keys.push(key)
  } catch (error) {
    if (signal?.aborted) throw error
  }
  const manifests = manifestPrefix(place.base, generation)
  const last = fateKey(place.base, generation)
  const rest = keys.filter((key) => !key.startsWith(manifests) && key !== last)
  for (const key of [
    ...keys.filter((key) => key.startsWith(manifests)),
    ...rest,
    ...keys.filter((key) => key === last),
  ])
    try {
      await place.ost.delete(key, signal)
    } catch (error) {
      if (signal?.aborted) throw error
      return
    }
}

export type GenerationCollection = {
  readonly place: StoragePlace
  /** Removes the log of a generation, where it is not in object storage. */
  readonly dropLog: (generation: string) => Promise<void>
  /** Half an import of which nothing is newer than this is dead. Default: limits.storageGraceMs. */
  readonly graceMs?: number
  /** A replaced generation stays for so long after it was replaced. Default: limits.replacedGenerationMs. */
  readonly keptMs?: number
  readonly signal?: AbortSignal
}

export type CollectedGenerations = { readonly replaced: readonly string[]; readonly halfImported: readonly string[] }

/** Removes dead generations. The current one and those younger than their time stay. Errors: of the storage and the log. */
export async function collectGenerations(parts: GenerationCollection): Promise<CollectedGenerations> {
  const { place, dropLog, signal } = parts
  const { graceMs = limits.storageGraceMs.value, keptMs = limits.replacedGenerationMs.value } = parts
  const replaced: string[] = []
  const halfImported: string[] = []
  const current = await findRoot(place, signal)
  if (!current) return { replaced, halfImported }
  const roots = await listRoots(place, signal)
  const now = await storageTime(place, current.generation, signal)
  for (const generation of await listGenerations(place, signal)) {
    if (generation === current.generation) continue
    const at = roots.findIndex((root) => root.generation === generation)
    const successor = roots[at + 1]
    if (at >= 0) {
      if (!successor || now - successor.modifiedAt < keptMs) continue
      await dropLog(generation)
      await removeGeneration(place, generation, signal)
      replaced.push(generation)
    } else if (await isDead(parts, generation, { now, graceMs, current: current.generation })) {
      await dropLog(generation)
      await removeGeneration(place, generation, signal)
      halfImported.push(generation)
    }
  }
  return { replaced, halfImported }
}

/** Whether no root will ever name it; then its fate says so. */
async function isDead(
  { place, signal }: GenerationCollection,
  generation: string,
  at: { readonly now: number; readonly graceMs: number; readonly current: string },
): Promise<boolean> {
  let newest = 0
  const prefix = generationPrefix(place.base, generation)
  for await (const { modifiedAt } of place.ost.list({ prefix, ...(signal ? { signal } : {}) }))
    newest = Math.max(newest, modifiedAt)
  if (at.now - newest < at.graceMs) return false
  const fate = await readFate(place, generation)
  // Decided, and the generation it was to replace is still the current one: whoever opens that may have to complete it.
  if (fate?.fate === 'imported') return fate.replaces !== at.current
  try {
    if (!fate) await claimGeneration(place, generation, { fate: 'dropped' })
    return true
  } catch (error) {
    if (isSlipwayError(error, 'import_refused')) return false // the importer woke up just now
    throw error
  }
}

/** Generations of which there is any object. */
async function listGenerations({ ost, base }: StoragePlace, signal: AbortSignal | undefined): Promise<string[]> {
  const generations: string[] = []
  const prefix = `${base}/`
  for (let after: string | undefined; ; ) {
    let first: ObjectInfo | undefined
    const options = { prefix, ...(after === undefined ? {} : { after }), ...(signal ? { signal } : {}) }
    for await (const info of ost.list(options)) {
      first = info
      break
    }
    if (!first) return generations
    const name = first.key.slice(prefix.length).split('/')[0] ?? ''
    if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(name)) generations.push(name)
    // The next key that does not begin with this name and a slash.
    after = `${prefix}${name}0`
  }
}

async function readFate(place: StoragePlace, generation: string): Promise<Fate | undefined> {
  try {
    return JSON.parse((await collectBytes(place.ost.read(fateKey(place.base, generation)))).toString()) as Fate // ours
  } catch (error) {
    if (isSlipwayError(error, 'object_not_found')) return undefined
    throw error
  }
}

async function storageTime({ ost, base }: StoragePlace, generation: string, signal?: AbortSignal): Promise<number> {
  const key = clockKey(base, generation)
  await ost.put(key, Buffer.from('\n'), { persist: false, ...(signal ? { signal } : {}) })
  return (await ost.stat(key, signal))?.modifiedAt ?? 0
}
