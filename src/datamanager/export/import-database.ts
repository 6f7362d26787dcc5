// Reads an export into a new generation: its rows become the snapshot of position 0, beside everything that is there. Only
// when the last line was read and everything fits is the old generation closed and the new one made the current one.

import { createHash } from 'node:crypto'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import { genesisHash } from '../change-log.ts'
import type { RowTypes } from '../database.ts'
import { encodeIndexKey } from '../read-model/index-key.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { contentHashOf, type DataFile, encodeDataFile, type SnapshotRow } from '../snapshot/data-file.ts'
import { indexKey, rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import { countOf, encodeManifest, isComplete, listData, type Manifest, manifestKey } from '../snapshot/manifest.ts'
import { createRoot, findRoot } from '../snapshot/root.ts'
import { type ExportHeader, type ExportRow, invalid, parseExportHeader, parseExportLine } from './export-format.ts'

/** A line is a row; what is longer cannot be one. */
const lineBytesMax = 2 * limits.rowBytes.value + 16 * 1024

export type ImportOptions = {
  readonly place: StoragePlace
  /** Which database of the installation the export must be of. */
  readonly database: string
  readonly stream: AsyncIterable<Uint8Array>
  /** Milliseconds. */
  readonly now: number
  /** Rows of these types must be such that their indexes can be made, or the database could not be opened afterwards. */
  readonly types: RowTypes
  readonly fileBytesMax?: number
  /**
   * Ends the log of the generation that is replaced, when there is one: LogDatabase.closeGeneration, which wants that it is
   * in maintenance. Called only after everything was verified.
   */
  readonly closeOld?: (generation: string) => Promise<unknown>
  readonly signal?: AbortSignal
}

export type Imported = Identity & {
  readonly count: number
  readonly contentHash: string
  readonly header: ExportHeader
}

/**
 * Imports, or throws and has changed nothing: `import_invalid` with what is wrong with the stream, `database_too_new`,
 * `import_refused` when there is a generation already and it is not in maintenance or `closeOld` is missing, errors of the
 * storage. Databases that are opened afterwards have the new generation.
 */
export async function importDatabase(options: ImportOptions): Promise<Imported> {
  const { place, now, closeOld, signal } = options
  const root = await findRoot(place, signal)
  if (root && !closeOld)
    throw new SlipwayError('import_refused', `import: there is a database already, generation ${root.generation}`)
  const identity = { store: root?.store ?? newUuid(now), generation: newUuid(now) }
  const files: DataFile[] = []
  let isOffered = false
  try {
    const header = await writeFiles(options, identity, files)
    const contentHash = contentHashOf(files)
    const manifest: Manifest = {
      ...identity,
      position: 0,
      hash: genesisHash,
      contentHash,
      count: countOf(files),
      createdAt: now,
      files,
    }
    if (!isComplete(manifest, await listData(place, identity.generation, signal)))
      throw new SlipwayError('object_storage_failed', 'import: object storage has not kept all files')
    await place.ost.create(manifestKey(place.base, identity.generation, 0), encodeManifest(manifest))
    if (root) await closeOld?.(identity.generation)
    isOffered = true
    await createRoot(place, { number: (root?.number ?? 0) + 1, ...identity, contentHash })
    return { ...identity, count: manifest.count, contentHash, header }
  } catch (error) {
    // Once the root may be there, what it stands on stays.
    if (!isOffered) await removeGeneration(place, identity.generation, files)
    throw error
  }
}

/** Adds to `files` what it writes. Nothing is held but the rows of one file. */
async function writeFiles(options: ImportOptions, identity: Identity, files: DataFile[]): Promise<ExportHeader> {
  const { place, stream, database, types, signal, fileBytesMax = limits.snapshotFileBytes.value } = options
  const digest = createHash('sha256')
  const counts = new Map<string, number>()
  let header: ExportHeader | undefined
  let isEnded = false
  let number = 0
  let type = ''
  let rows: SnapshotRow[] = []
  let bytes = 0
  const write = async () => {
    if (rows.length === 0) return
    const encoded = encodeDataFile(`import-${files.length}`, type, rows)
    files.push(encoded.file)
    rows = []
    bytes = 0
    for (const [key, content, sha256] of [
      [rowsKey(place.base, identity.generation, encoded.file.name), encoded.rows, encoded.file.sha256],
      [indexKey(place.base, identity.generation, encoded.file.name), encoded.index, encoded.file.indexSha256],
    ] as const)
      await place.ost.put(key, content, { sha256, ...(signal ? { signal } : {}) })
  }
  for await (const line of linesOf(stream)) {
    signal?.throwIfAborted()
    number++
    if (isEnded) throw invalid('something follows its trailer')
    const text = line.toString()
    if (!header) {
      header = parseExportHeader(text)
      if (header.database !== database) throw invalid(`it is of the database "${header.database}", not "${database}"`)
      digest.update(line).update('\n')
      continue
    }
    const parsed = parseExportLine(text, number)
    if (parsed.kind === 'trailer') {
      if (parsed.trailer.sha256 !== digest.digest('hex')) throw invalid('its bytes do not have the hash of its trailer')
      const isSame =
        Object.keys(parsed.trailer.counts).length === counts.size &&
        [...counts].every(([name, count]) => parsed.trailer.counts[name] === count)
      if (!isSame) throw invalid('it has other rows than its trailer says')
      isEnded = true
      continue
    }
    digest.update(line).update('\n')
    const { row } = parsed
    checkRow(row, { type, id: rows.at(-1)?.id ?? (type === row.type ? files.at(-1)?.last : undefined) }, number)
    checkIndexes(row, types, number)
    const body = JSON.stringify(row.body)
    if (Buffer.byteLength(body) > limits.rowBytes.value) throw invalid(`line ${number}: the row is too large`)
    if (row.type !== type || bytes >= fileBytesMax) await write()
    type = row.type
    rows.push({ id: row.id, changedAt: 0, body })
    bytes += row.id.length + body.length + 16
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  if (!header) throw invalid('it is empty')
  if (!isEnded) throw invalid('it ends without its trailer, so it is cut off')
  await write()
  if (contentHashOf(files) !== header.contentHash || countOf(files) !== header.count)
    throw invalid('its rows do not have the content hash of its header')
  return header
}

/** `before` is the row before, or its type when that has no row yet. */
function checkRow(
  row: ExportRow,
  before: { readonly type: string; readonly id: string | undefined },
  number: number,
): void {
  const isName = row.type !== '' && !row.type.startsWith('$') && !row.type.includes('\0')
  const isId = row.id !== '' && row.id.length <= 512 && row.id.isWellFormed() && !row.id.includes('\0')
  if (!isName || !isId) throw invalid(`line ${number}: type or id is none`)
  const order = compareUtf8(before.type, row.type)
  const isAfter = order < 0 || (order === 0 && (before.id === undefined || compareUtf8(before.id, row.id) < 0))
  if (!isAfter) throw invalid(`line ${number} is not after the line before it`)
}

function checkIndexes({ type, id, body }: ExportRow, types: RowTypes, number: number): void {
  // A name of an export must not find what every object has.
  const indexes = Object.hasOwn(types, type) ? (types[type]?.indexes ?? {}) : {}
  for (const [name, keyOf] of Object.entries(indexes))
    try {
      const key = keyOf(body as never) // its type is what is found out here
      if (key !== undefined) encodeIndexKey(1, key, id)
    } catch (cause) {
      throw invalid(`line ${number}: ${type} ${id} does not fit the index "${name}" of this version`, cause)
    }
}

/** Lines without their ends; a last one that has no end is none. */
async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    let at = 0
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, at)) {
      yield bytes.subarray(at, end)
      at = end + 1
    }
    rest = bytes.subarray(at)
    if (rest.length > lineBytesMax) throw invalid('a line is longer than any row')
  }
  if (rest.length > 0) throw invalid('its last line has no end, so it is cut off')
}

async function removeGeneration(place: StoragePlace, generation: string, files: readonly DataFile[]): Promise<void> {
  const keys = [manifestKey(place.base, generation, 0)]
  for (const { name } of files) keys.push(rowsKey(place.base, generation, name), indexKey(place.base, generation, name))
  // What is left is of a generation that no root names: nobody reads it.
  for (const key of keys) await place.ost.delete(key).catch(() => undefined)
}
