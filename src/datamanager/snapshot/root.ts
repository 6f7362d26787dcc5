// Which generation of a database is the current one: numbered root objects, of which the highest counts. An import makes a
// new one; nothing else does after the first.

import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { newUuid } from '../../lib/uuid.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { encodePosition, positionOfKey, rootPrefix, type StoragePlace } from './keys.ts'

export const rootFormat = 1

export type Root = Identity & {
  readonly number: number
  /** Content hash of the rows this generation begins with; a snapshot of position 0 holds them. */
  readonly contentHash: string
}

/** The newest root; undefined when there is none. Errors: `database_too_new`, `database_corrupt`, those of the storage. */
export async function findRoot({ ost, base }: StoragePlace, signal?: AbortSignal): Promise<Root | undefined> {
  let newest: string | undefined
  for await (const { key } of ost.list({ prefix: rootPrefix(base), ...(signal ? { signal } : {}) }))
    if (positionOfKey(key) !== undefined) newest = key
  if (newest === undefined) return undefined
  const text = (await collectBytes(ost.read(newest, signal ? { signal } : {}))).toString()
  return parseRoot(text, positionOfKey(newest) ?? 0)
}

/** All roots in the order of their numbers, with the time by the storage's clock at which they were made. Errors: as findRoot. */
export async function listRoots(
  { ost, base }: StoragePlace,
  signal?: AbortSignal,
): Promise<readonly (Root & { readonly modifiedAt: number })[]> {
  const roots: (Root & { readonly modifiedAt: number })[] = []
  for await (const { key, modifiedAt } of ost.list({ prefix: rootPrefix(base), ...(signal ? { signal } : {}) })) {
    const number = positionOfKey(key)
    if (number === undefined) continue
    const text = (await collectBytes(ost.read(key, signal ? { signal } : {}))).toString()
    roots.push({ ...parseRoot(text, number), modifiedAt })
  }
  return roots
}

/** Makes `root` the newest; `import_refused` when somebody else made one with that number. */
export async function createRoot({ ost, base }: StoragePlace, root: Root, signal?: AbortSignal): Promise<void> {
  const text = `${JSON.stringify({ format: rootFormat, ...root })}\n`
  const key = `${rootPrefix(base)}${encodePosition(root.number)}`
  try {
    await ost.create(key, Buffer.from(text), signal ? { signal } : {})
  } catch (cause) {
    if (!isSlipwayError(cause, 'object_exists')) throw cause
    // A lost answer: it may be ours.
    const found = (await collectBytes(ost.read(key, signal ? { signal } : {}))).toString()
    if (found !== text) throw new SlipwayError('import_refused', `somebody else made root ${root.number}`, { cause })
  }
}

/** The newest root, or the first one, of a new and empty database; several may make it at once. Errors: as findRoot. */
export async function findOrCreateRoot(place: StoragePlace, now: number, signal?: AbortSignal): Promise<Root> {
  const found = await findRoot(place, signal)
  if (found) return found
  const root = { number: 1, store: newUuid(now), generation: newUuid(now), contentHash: emptyContentHash }
  try {
    await createRoot(place, root, signal)
    return root
  } catch (error) {
    const other = isSlipwayError(error, 'import_refused') ? await findRoot(place, signal) : undefined
    if (!other) throw error
    return other
  }
}

function parseRoot(text: string, number: number): Root {
  let value: { format?: unknown; store?: unknown; generation?: unknown; contentHash?: unknown } | null
  try {
    value = JSON.parse(text) as typeof value
  } catch (cause) {
    throw new SlipwayError('database_corrupt', `root ${number} in object storage is damaged`, { cause })
  }
  if (typeof value?.format === 'number' && value.format > rootFormat)
    throw new SlipwayError('database_too_new', `root ${number} has format ${value.format}: upgrade`)
  const { store, generation, contentHash } = value ?? {}
  if (typeof store !== 'string' || typeof generation !== 'string' || typeof contentHash !== 'string')
    throw new SlipwayError('database_corrupt', `root ${number} in object storage is damaged`)
  return { number, store, generation, contentHash }
}
