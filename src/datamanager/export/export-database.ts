// Exports all rows of a database as a stream, out of a snapshot: nobody who writes waits, memory stays flat. Out of one
// snapshot the stream always has the same bytes, so an export that broke off goes on where it was.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { collectBytes } from '../../lib/bytes.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Position } from '../database.ts'
import { decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import { maintenanceType } from '../read-model/read-model.ts'
import { type DataFile, decodeDataFile, transactionsType } from '../snapshot/data-file.ts'
import { exportKey, rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import type { RowSource } from '../snapshot/row-source.ts'
import type { Upkeep } from '../snapshot/upkeep.ts'
import { encodeExportHeader, encodeExportRow, encodeExportTrailer } from './export-format.ts'
import type { OpenSecretsExport, SecretsExport } from './export-secrets.ts'

/** Hashed in one go. */
const chunkBytes = 256 * 1024

export type ExportOptions = {
  /** Which database of the installation; an import into another one is refused. */
  readonly database: string
  readonly place: StoragePlace
  readonly signal: AbortSignal
  /** Adds the sealed values under a passphrase; without it they are what they are, sealed under the installation's key. */
  readonly secrets?: OpenSecretsExport
}

/** Where an export that broke off goes on. */
export type ExportResumption = {
  /** What the first attempt said. */
  readonly id: string
  /** Bytes that the caller has already. */
  readonly offset: number
}

export type OpenedExport = AsyncDisposable & {
  /** Names the snapshot: with it the same bytes come again, for a day. */
  readonly id: string
  readonly stream: AsyncIterable<Uint8Array>
}

/**
 * All rows at the position of a new snapshot, or of the newest when it has everything, or of the one that is resumed. The
 * snapshot is kept for a day. A stream that ends without its trailer is incomplete. Errors: `export_gone` when the resumed
 * one is not kept any more, those of a snapshot and of the storage, in the middle too.
 */
export async function openExport(
  upkeep: Upkeep,
  options: ExportOptions & { readonly resume?: ExportResumption | undefined },
): Promise<OpenedExport> {
  const { place, resume, signal } = options
  const held = await upkeep.hold(resume && parseExportId(resume.id))
  try {
    const { generation, position } = held.manifest
    // Every instance that collects sees it, and leaves the snapshot alone for a day.
    await place.ost.put(exportKey(place.base, generation, position), Buffer.from('\n'), { signal })
    const stream = exportSnapshot(held.manifest, held.source, options)
    return {
      id: encodeExportId(held.manifest),
      stream: resume ? skipBytes(stream, resume.offset) : stream,
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    }
  } catch (error) {
    await held[Symbol.asyncDispose]()
    throw error
  }
}

/** The same as one stream, which cannot be resumed. */
export async function* exportDatabase(upkeep: Upkeep, options: ExportOptions): AsyncGenerator<Uint8Array> {
  await using opened = await openExport(upkeep, options)
  yield* opened.stream
}

/** The same out of a snapshot that is there. Transaction ids and maintenance are no part of it. */
export async function* exportSnapshot(
  manifest: Manifest,
  source: Pick<RowSource, 'exportLines'>,
  { database, place, secrets: openSecrets, signal }: ExportOptions,
): AsyncGenerator<Uint8Array> {
  const read = (name: string) =>
    collectBytes(place.ost.read(rowsKey(place.base, manifest.generation, name), { signal }))
  const { store, generation, position, hash, createdAt } = manifest
  const secrets = openSecrets?.({ generation, position })
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
  const header = {
    ...{ database, store, generation, position, hash, contentHash, count, createdAt },
    ...(secrets ? { secrets: secrets.header } : {}),
  }
  yield hashed(Buffer.from(encodeExportHeader(header)))
  const counts: Record<string, number> = {}
  for (const file of manifest.files) {
    if (file.type === transactionsType || file.type === maintenanceType) continue
    const rows = await read(file.name)
    const lines = secrets?.types.has(file.type)
      ? linesWithSecrets(file, rows, { secrets, store })
      : await source.exportLines(file, rows)
    for (let at = 0; at < lines.length; at += chunkBytes) {
      await setImmediate() // Others of this process have their turn between two chunks.
      yield hashed(lines.subarray(at, at + chunkBytes))
    }
    counts[file.type] = (counts[file.type] ?? 0) + file.count
  }
  yield Buffer.from(encodeExportTrailer({ counts, sha256: digest.digest('hex') }))
}

function linesWithSecrets(
  file: DataFile,
  rows: Uint8Array,
  { secrets, store }: { readonly secrets: SecretsExport; readonly store: string },
): Buffer {
  const lines = decodeDataFile(file, rows).map(({ id, body }) => {
    const wrapped = secrets.wrap({ type: file.type, id, body: JSON.parse(body), store })
    return encodeExportRow(JSON.stringify(file.type), JSON.stringify(id), body, wrapped && JSON.stringify(wrapped))
  })
  return Buffer.from(lines.join(''))
}

async function* skipBytes(stream: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset
  for await (const chunk of stream) {
    if (left < chunk.length) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}

type SnapshotName = { readonly generation: string; readonly position: Position }

function encodeExportId({ generation, position }: SnapshotName): string {
  return `${generation}.${position}`
}

function parseExportId(id: string): SnapshotName {
  const [, generation, position] = /^([0-9a-f-]{36})\.(\d{1,15})$/.exec(id) ?? []
  if (generation === undefined || position === undefined)
    throw new SlipwayError('usage', `${JSON.stringify(id)} is no id of an export`)
  return { generation, position: Number(position) }
}
