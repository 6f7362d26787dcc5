// Exports all rows of a database as a stream, out of a snapshot: nobody who writes waits, memory stays flat.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { collectBytes } from '../../lib/bytes.ts'
import { decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import { maintenanceType } from '../read-model/read-model.ts'
import { decodeDataFile, transactionsType } from '../snapshot/data-file.ts'
import { rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import type { RowSource } from '../snapshot/row-source.ts'
import type { Upkeep } from '../snapshot/upkeep.ts'
import { encodeExportHeader, encodeExportTrailer } from './export-format.ts'

/** Hashed in one go. */
const chunkBytes = 256 * 1024

export type ExportOptions = {
  /** Which database of the installation; an import into another one is refused. */
  readonly database: string
  readonly place: StoragePlace
  /** Milliseconds. */
  readonly now: number
  readonly signal: AbortSignal
}

/**
 * All rows at the position of a new snapshot, or of the newest when it has everything. A stream that ends without its
 * trailer is incomplete. Errors: those of a snapshot and of the storage, in the middle too.
 */
export async function* exportDatabase(upkeep: Upkeep, options: ExportOptions): AsyncGenerator<Uint8Array> {
  await using held = await upkeep.hold()
  yield* exportSnapshot(held.manifest, held.source, options)
}

/** The same out of a snapshot that is there. Transaction ids and maintenance are no part of it. */
export async function* exportSnapshot(
  manifest: Manifest,
  source: Pick<RowSource, 'exportLines'>,
  { database, place, now, signal }: ExportOptions,
): AsyncGenerator<Uint8Array> {
  const read = (name: string) =>
    collectBytes(place.ost.read(rowsKey(place.base, manifest.generation, name), { signal }))
  const { store, generation, position, hash } = manifest
  let sum = decodeSum(manifest.contentHash)
  let count = manifest.count
  for (const file of manifest.files) {
    if (file.type !== maintenanceType) continue
    for (const { id, body } of decodeDataFile(file, await read(file.name)))
      sum = moveSum(sum, undefined, rowHash(maintenanceType, id, body))
    count -= file.count
  }
  const contentHash = encodeSum(sum)
  const digest = createHash('sha256')
  const hashed = (bytes: Uint8Array) => {
    digest.update(bytes)
    return bytes
  }
  const header = { database, store, generation, position, hash, contentHash, count, createdAt: now }
  yield hashed(Buffer.from(encodeExportHeader(header)))
  const counts: Record<string, number> = {}
  for (const file of manifest.files) {
    if (file.type === transactionsType || file.type === maintenanceType) continue
    const lines = await source.exportLines(file, await read(file.name))
    for (let at = 0; at < lines.length; at += chunkBytes) {
      await setImmediate() // Others of this process have their turn between two chunks.
      yield hashed(lines.subarray(at, at + chunkBytes))
    }
    counts[file.type] = (counts[file.type] ?? 0) + file.count
  }
  yield Buffer.from(encodeExportTrailer({ counts, sha256: digest.digest('hex') }))
}
