// Exports all rows of a database as a stream, out of a snapshot: nobody who writes waits, memory stays flat. Out of one
// snapshot the stream always has the same bytes, so an export that broke off goes on where it was.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { collectBytes } from '../../lib/bytes.ts'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import type { Position } from '../database.ts'
import { decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import { maintenanceType } from '../read-model/read-model.ts'
import { type DataFile, decodeDataFile, familiesType, transactionsType } from '../snapshot/data-file.ts'
import { exportKey, rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import type { RowSource } from '../snapshot/row-source.ts'
import type { Upkeep } from '../snapshot/upkeep.ts'
import { encodeExportHeader, encodeExportRow, encodeExportTrailer } from './export-format.ts'
import type { OpenSecretsExport, SecretsExport } from './export-secrets.ts'
import { mergeLines } from './merge-lines.ts'

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
  async function* linesOf(files: readonly DataFile[], type: string) {
    const load = async (file: DataFile) =>
      [file, asBuffer(await source.exportLines(file, await read(file.name), type))] as const
    for await (const [file, lines] of oneAhead(files, load)) {
      counts[type] = (counts[type] ?? 0) + (file.type === familiesType ? countLines(lines) : file.count)
      yield secrets?.types.has(type) ? withSecrets(lines, { secrets, store }) : lines
    }
  }
  for (const type of typesOf(manifest.files)) {
    const rows = linesOf(
      manifest.files.filter((file) => file.type === type),
      type,
    )
    const ofFamilies = linesOf(
      manifest.files.filter((file) => file.types?.includes(type)),
      type,
    )
    for await (const lines of mergeLines(rows, ofFamilies))
      for (let at = 0; at < lines.length; at += chunkBytes) {
        await setImmediate() // Others of this process have their turn between two chunks.
        yield hashed(lines.subarray(at, at + chunkBytes))
      }
  }
  yield Buffer.from(encodeExportTrailer({ counts, sha256: digest.digest('hex') }))
}

/** Loads the next one while the caller is busy with one. */
async function* oneAhead<T, R>(items: readonly T[], load: (item: T) => Promise<R>): AsyncGenerator<Awaited<R>> {
  const begin = (at: number) => {
    const loading = at < items.length ? load(items[at]!) : undefined
    // Whoever awaits it hears of its failure; nobody does after the caller has left.
    loading?.catch(() => undefined)
    return loading
  }
  let next = begin(0)
  for (let at = 1; next; at++) {
    const loaded = await next
    next = begin(at)
    yield loaded
  }
}

/** Of all rows that are exported, in order. */
function typesOf(files: readonly DataFile[]): readonly string[] {
  const types = new Set(files.flatMap(({ type, types = [] }) => [type, ...types]))
  for (const type of [transactionsType, maintenanceType, familiesType]) types.delete(type)
  return [...types].sort(compareUtf8)
}

function withSecrets(
  lines: Buffer,
  { secrets, store }: { readonly secrets: SecretsExport; readonly store: string },
): Buffer {
  const wrapped = lines
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const { type, id, body } = JSON.parse(line) as { type: string; id: string; body: Json } // encodeExportRow made it
      const value = secrets.wrap({ type, id, body, store })
      const [typeText, idText, bodyText] = [type, id, body].map((part) => JSON.stringify(part)) as [
        string,
        string,
        string,
      ]
      return encodeExportRow(typeText, idText, bodyText, value && JSON.stringify(value))
    })
  return Buffer.from(wrapped.join(''))
}

function countLines(lines: Buffer): number {
  let count = 0
  for (let at = lines.indexOf(0x0a); at >= 0; at = lines.indexOf(0x0a, at + 1)) count++
  return count
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
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
