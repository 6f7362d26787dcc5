// The manifest of a snapshot: which data files hold all rows at one position of the log. Byte by byte: docs/storage.md,
// "Manifest".

import { hash } from 'node:crypto'
import { collectBytes } from '../../lib/bytes.ts'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { ObjectKey } from '../../objectstorage/object-storage.ts'
import type { RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { contentHashOf, type DataFile, familiesType, transactionsType } from './data-file.ts'
import { dataPrefix, encodePosition, manifestPrefix, positionOfKey, type StoragePlace } from './keys.ts'

/** 2 is written only when there are files of families. */
export const manifestFormat = 2

export type Manifest = Identity & {
  readonly position: Position
  /** Of the record at `position`, which ties the snapshot to the log. */
  readonly hash: RecordHash
  readonly contentHash: string
  /** Rows in all data files, transaction ids not counted. */
  readonly count: number
  /** By the clock of its writer, in milliseconds. */
  readonly createdAt: number
  /** In the order of types and ids. */
  readonly files: readonly DataFile[]
}

/** One line that describes the second, which is the manifest. */
export function encodeManifest(manifest: Manifest): Buffer {
  const body = Buffer.from(`${JSON.stringify(manifest)}\n`)
  const format = manifest.files.some(({ type }) => type === familiesType) ? manifestFormat : 1
  const header = { format, bytes: body.length, sha256: hash('sha256', body) }
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body])
}

/** Errors: `snapshot_corrupt`, `database_too_new`, `database_foreign`. */
export function decodeManifest(bytes: Uint8Array, identity: Identity, position: Position): Manifest {
  const where = `snapshot ${position}`
  const fail = (what: string, cause?: unknown) =>
    new SlipwayError('snapshot_corrupt', `the manifest of ${where} is damaged: ${what}`, { cause })
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const headerEnd = text.indexOf(0x0a) + 1
  const parse = (part: Buffer): unknown => {
    try {
      return JSON.parse(part.toString())
    } catch (cause) {
      throw fail(errorMessage(cause), cause)
    }
  }
  if (headerEnd === 0) throw fail('it has no header')
  const header = parse(text.subarray(0, headerEnd)) as { format?: unknown; bytes?: unknown; sha256?: unknown } | null
  if (typeof header?.format !== 'number') throw fail('it has no format')
  if (header.format > manifestFormat)
    throw new SlipwayError('database_too_new', `${where} has format ${header.format}: upgrade`)
  const body = text.subarray(headerEnd)
  if (header.bytes !== body.length || header.sha256 !== hash('sha256', body)) throw fail('its hash is another')
  // The hash says that a writer of this format wrote it.
  const manifest = parse(body) as Manifest
  if (manifest.store !== identity.store || manifest.generation !== identity.generation)
    throw new SlipwayError('database_foreign', `${where} is of store ${manifest.store}, ${manifest.generation}`)
  if (manifest.position !== position) throw fail(`it is of position ${manifest.position}`)
  const count = countOf(manifest.files)
  if (contentHashOf(manifest.files) !== manifest.contentHash || count !== manifest.count)
    throw fail('its files are not its content')
  return manifest
}

export function countOf(files: readonly DataFile[]): number {
  return files.reduce((count, file) => count + (file.type === transactionsType ? 0 : (file.rows ?? file.count)), 0)
}

export function manifestKey(base: string, generation: string, position: Position): ObjectKey {
  return `${manifestPrefix(base, generation)}${encodePosition(position)}`
}

/** Positions of all manifests, newest first, whether they can be read or not. */
export async function listManifests(
  place: StoragePlace,
  generation: string,
  signal?: AbortSignal,
): Promise<Position[]> {
  const positions: Position[] = []
  const prefix = manifestPrefix(place.base, generation)
  for await (const { key } of place.ost.list({ prefix, ...(signal ? { signal } : {}) })) {
    const position = positionOfKey(key)
    if (position !== undefined) positions.push(position)
  }
  return positions.reverse()
}

/** Errors: those of decodeManifest and of the storage. */
export async function readManifest(
  place: StoragePlace,
  identity: Identity,
  position: Position,
  signal?: AbortSignal,
): Promise<Manifest> {
  const key = manifestKey(place.base, identity.generation, position)
  const bytes = await collectBytes(place.ost.read(key, signal ? { signal } : {}))
  return decodeManifest(bytes, identity, position)
}

/** Objects below the data prefix, by the rest of their keys. */
export type StoredData = ReadonlyMap<string, { readonly sizeBytes: number; readonly modifiedAt: number }>

export async function listData(
  { ost, base }: StoragePlace,
  generation: string,
  signal?: AbortSignal,
): Promise<StoredData> {
  const objects = new Map<string, { readonly sizeBytes: number; readonly modifiedAt: number }>()
  const prefix = dataPrefix(base, generation)
  for await (const { key, sizeBytes, modifiedAt } of ost.list({ prefix, ...(signal ? { signal } : {}) }))
    objects.set(key.slice(prefix.length), { sizeBytes, modifiedAt })
  return objects
}

/** Whether every file it names is there with its size; their content is not looked at. */
export function isComplete(manifest: Manifest, objects: StoredData): boolean {
  return manifest.files.every(
    ({ name, bytes, indexBytes }) =>
      objects.get(`${name}.rows`)?.sizeBytes === bytes && objects.get(`${name}.index`)?.sizeBytes === indexBytes,
  )
}
