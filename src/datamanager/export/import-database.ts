// Reads an export into a new generation: its rows become the snapshot of position 0, beside everything that is there. Only
// when the last line was read and everything fits is the old generation closed and the new one made the current one.

import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import { genesisHash } from '../change-log.ts'
import type { Maintenance, RowTypes } from '../database.ts'
import { claimLogKind, type LogKind } from '../log/log-kind.ts'
import { decodeSum, encodeSum, moveSum, rowHash } from '../read-model/content-hash.ts'
import { maintenanceId, maintenanceType } from '../read-model/read-model.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { contentHashOf, type DataFile, type SnapshotRow } from '../snapshot/data-file.ts'
import type { StoragePlace } from '../snapshot/keys.ts'
import { countOf, encodeManifest, isComplete, listData, type Manifest, manifestKey } from '../snapshot/manifest.ts'
import { createRoot, findRoot } from '../snapshot/root.ts'
import { type ExportHeader, type ExportRow, invalid } from './export-format.ts'
import type { SecretsImport } from './export-secrets.ts'
import { claimGeneration, removeGeneration } from './generations.ts'
import { ImportFamilies } from './import-families.ts'
import { ImportFiles } from './import-files.ts'
import { readExport } from './read-export.ts'

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
  readonly familyFileBytesMax?: number
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
    const { header, store, files } = await writeFiles(options, { store: root?.store, generation })
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

type Written = { readonly header: ExportHeader; readonly store: string; readonly files: readonly DataFile[] }

/** Nothing is held but some files of rows. When it throws, nothing is on its way to the storage any more. */
async function writeFiles(
  options: ImportOptions,
  identity: { readonly store: string | undefined; readonly generation: string },
): Promise<Written> {
  const { place, stream, database, types, maintenance, openSecrets, signal } = options
  const { fileBytesMax = limits.snapshotFileBytes.value, familyFileBytesMax = limits.familyFileBytes.value } = options
  const { generation, store: known } = identity
  const writer = new ImportFiles(place, generation, signal)
  const bounds = { fileBytesMax, familyFileBytesMax }
  const families = new ImportFamilies({ place, generation, types, files: writer, ...bounds, signal })
  let type = ''
  let rows: SnapshotRow[] = []
  let bytes = 0
  const write = async () => {
    const full = rows
    rows = []
    bytes = 0
    if (full.length > 0) await writer.write(type, full)
  }
  const onRow = (row: ExportRow, body: string): Promise<void> | undefined => {
    if (families.has(row.type)) return families.add(row, body)
    const writing = row.type !== type || bytes >= fileBytesMax ? write() : undefined
    type = row.type
    rows.push({ id: row.id, changedAt: 0, body })
    bytes += row.id.length + body.length + 16
    return writing
  }
  try {
    let added = 0n
    if (maintenance) {
      const body = JSON.stringify(maintenance)
      await writer.write(maintenanceType, [{ id: maintenanceId, changedAt: 0, body }])
      added = moveSum(added, rowHash(maintenanceType, maintenanceId, body), undefined)
    }
    const reading = { stream, database, types, store: known, openSecrets, signal, onRow }
    const { header, store, difference } = await readExport(reading)
    await write()
    await families.finish()
    await writer.settle()
    const { files } = writer
    const sum = moveSum(decodeSum(header.contentHash) + difference + added, undefined, undefined)
    if (contentHashOf(files) !== encodeSum(sum) || countOf(files) - (maintenance ? 1 : 0) !== header.count)
      throw invalid('its rows do not have the content hash of its header')
    return {
      header,
      store,
      files: files.toSorted((a, b) => compareUtf8(a.type, b.type) || compareUtf8(a.first, b.first)),
    }
  } catch (error) {
    await writer.settle().catch(() => undefined) // what failed first is thrown
    throw error
  }
}
