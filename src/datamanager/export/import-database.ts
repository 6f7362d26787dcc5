// Reads an export into a new generation: its rows become the snapshot of position 0, beside everything that is there. Only
// when the last line was read and everything fits is the old generation closed and the new one made the current one.

import { createHash } from 'node:crypto'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import { genesisHash } from '../change-log.ts'
import type { Maintenance, RowTypes } from '../database.ts'
import { claimLogKind, type LogKind } from '../log/log-kind.ts'
import { decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import { encodeIndexKey } from '../read-model/index-key.ts'
import { maintenanceId, maintenanceType } from '../read-model/read-model.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { contentHashOf, type DataFile, encodeDataFile, type SnapshotRow } from '../snapshot/data-file.ts'
import { indexKey, rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import { countOf, encodeManifest, isComplete, listData, type Manifest, manifestKey } from '../snapshot/manifest.ts'
import { createRoot, findRoot } from '../snapshot/root.ts'
import { type ExportHeader, type ExportRow, invalid, parseExportHeader, parseExportLine } from './export-format.ts'
import type { SecretsImport } from './export-secrets.ts'
import { claimGeneration, removeGeneration } from './generations.ts'

/** A line is a row, perhaps with its sealed values once more; what is longer cannot be one. */
const lineBytesMax = 4 * limits.rowBytes.value + 16 * 1024

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
  /** Called with the header, before anything else is read; what it throws ends the import. Seals the secrets anew. */
  readonly openSecrets?: (header: ExportHeader) => SecretsImport | undefined
  /** The log of the new generation is of this kind; undefined leaves it to the first one who opens it. */
  readonly logKind?: LogKind
  /** The new generation begins in maintenance. */
  readonly maintenance?: Maintenance
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
 * storage. Databases that are opened afterwards have the new generation. Where there was no database the store id is the
 * one of the export, so that values sealed for it can be opened with its key.
 */
export async function importDatabase(options: ImportOptions): Promise<Imported> {
  const prepared = await prepareImport(options)
  try {
    return await prepared.commit()
  } catch (error) {
    if (!prepared.isCommitting) await prepared.discard()
    throw error
  }
}

const certainRefusals = ['import_refused', 'commit_conflict', 'database_overloaded'] as const

/** An import that was verified and written, and is not in force yet. */
export type PreparedImport = {
  readonly imported: Imported
  /** True once `commit` has begun to make it the current generation: it can only be completed then. */
  readonly isCommitting: boolean
  /** Closes the old generation and makes the new one the current one. Errors: as importDatabase. */
  commit(): Promise<Imported>
  /** Removes it. */
  discard(): Promise<void>
}

/** The first half of importDatabase: several databases can so be replaced together, or none. */
export async function prepareImport(options: ImportOptions): Promise<PreparedImport> {
  const { place, now, closeOld, logKind, signal } = options
  const root = await findRoot(place, signal)
  if (root && !closeOld)
    throw new SlipwayError('import_refused', `import: there is a database already, generation ${root.generation}`)
  const generation = newUuid(now)
  const discard = () => removeGeneration(place, generation)
  try {
    const files: DataFile[] = []
    const { header, store } = await writeFiles(options, { store: root?.store, generation }, files)
    const identity = { store, generation }
    const contentHash = contentHashOf(files)
    const count = countOf(files)
    const manifest: Manifest = {
      ...identity,
      position: 0,
      hash: genesisHash,
      contentHash,
      count,
      createdAt: now,
      files,
    }
    if (!isComplete(manifest, await listData(place, generation, signal)))
      throw new SlipwayError('object_storage_failed', 'import: object storage has not kept all files')
    if (logKind !== undefined) await claimLogKind(place, generation, logKind, signal)
    await place.ost.create(manifestKey(place.base, generation, 0), encodeManifest(manifest))
    const imported = { ...identity, count: header.count, contentHash: header.contentHash, header }
    let isCommitting = false
    return {
      imported,
      discard,
      get isCommitting() {
        return isCommitting
      },
      async commit() {
        await claimGeneration(place, generation, { fate: 'imported', replaces: root?.generation })
        isCommitting = true
        try {
          if (root) await closeOld?.(generation)
        } catch (error) {
          // After any other error the record may be there.
          if (isSlipwayError(error, ...certainRefusals)) isCommitting = false
          throw error
        }
        await createRoot(place, { number: (root?.number ?? 0) + 1, ...identity, contentHash })
        return imported
      },
    }
  } catch (error) {
    await discard()
    throw error
  }
}

type Written = { readonly header: ExportHeader; readonly store: string }

/** Adds to `files` what it writes. Nothing is held but the rows of one file. */
async function writeFiles(
  options: ImportOptions,
  identity: { readonly store: string | undefined; readonly generation: string },
  files: DataFile[],
): Promise<Written> {
  const { place, stream, database, types, maintenance, openSecrets, signal } = options
  const { fileBytesMax = limits.snapshotFileBytes.value } = options
  const digest = createHash('sha256')
  const counts = new Map<string, number>()
  let header: ExportHeader | undefined
  let secrets: SecretsImport | undefined
  let store = identity.store ?? ''
  /** What the rows of the files have more than those of the export. */
  let difference = 0n
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
  if (maintenance) {
    const body = JSON.stringify(maintenance)
    type = maintenanceType
    rows.push({ id: maintenanceId, changedAt: 0, body })
    difference = moveSum(difference, rowHash(type, maintenanceId, body), undefined)
  }
  for await (const line of linesOf(stream)) {
    signal?.throwIfAborted()
    number++
    if (isEnded) throw invalid('something follows its trailer')
    const text = line.toString()
    if (!header) {
      header = parseExportHeader(text)
      if (header.database !== database) throw invalid(`it is of the database "${header.database}", not "${database}"`)
      store = identity.store ?? header.store
      secrets = openSecrets?.(header)
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
    let body = JSON.stringify(row.body)
    if (secrets && row.secrets) {
      const before = rowHash(row.type, row.id, body)
      body = JSON.stringify(secrets.unwrap({ ...row, store }, row.secrets))
      difference = moveSum(difference, rowHash(row.type, row.id, body), before)
    }
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
  const sum = moveSum(decodeSum(header.contentHash) + difference, undefined, undefined)
  if (contentHashOf(files) !== encodeSum(sum) || countOf(files) - (maintenance ? 1 : 0) !== header.count)
    throw invalid('its rows do not have the content hash of its header')
  return { header, store }
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
