// Makes the file of a database from object storage: the newest snapshot that is sound, then the records after it.

import { existsSync, renameSync, rmSync } from 'node:fs'
import { collectBytes } from '../../lib/bytes.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { createPrivateFile } from '../../lib/file-lock.ts'
import type { Logger } from '../../lib/log.ts'
import { type EncodedRecord, genesisHash, type RecordHash } from '../change-log.ts'
import { decodeFamilyIndex } from '../cold/family-file.ts'
import { FamilyLoader } from '../cold/load-families.ts'
import { ColdRows, Thawing } from '../cold/thawed.ts'
import type { Position, RowTypes } from '../database.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import { ReadModel } from '../read-model/read-model.ts'
import { type Identity, openReadConnection, sqliteError } from '../read-model/sqlite.ts'
import { decodeRecord } from '../record.ts'
import { decodeDataFile, familiesType, transactionsType } from './data-file.ts'
import { indexKey, rowsKey, type StoragePlace } from './keys.ts'
import { listManifests, type Manifest, readManifest } from './manifest.ts'
import { readShipped } from './shipped-log.ts'

export type RestoreOptions = {
  /** The file to make; one that is there is replaced when everything else has succeeded. */
  readonly path: string
  readonly types: RowTypes
  readonly place: StoragePlace
  readonly identity: Identity
  /** What the generation began with: only an empty one can be restored without a snapshot. */
  readonly firstContentHash: string
  readonly logger: Logger
  /** Begins with this snapshot and no other. */
  readonly from?: Position
  /** Records up to the newest shipped one are applied and put into the file's own log. */
  readonly isEmbedded: boolean
  readonly signal?: AbortSignal
}

export type Restored = { readonly position: Position; readonly snapshot: Position; readonly contentHash: string }

/**
 * Errors: `snapshot_corrupt` when no snapshot is sound, `history_collected` when records after it are gone,
 * `database_corrupt`, `database_foreign`, `disk_full`, those of the storage. Then the file at `path` is as it was.
 */
export async function restoreDatabase(options: RestoreOptions): Promise<Restored> {
  const { path, place, identity, logger, from, signal, firstContentHash } = options
  const positions = from === undefined ? await listManifests(place, identity.generation, signal) : [from]
  const candidates = firstContentHash === emptyContentHash && from === undefined ? [...positions, undefined] : positions
  let failure: unknown
  for (const position of candidates) {
    const building = `${path}.restoring`
    removeDatabase(building)
    try {
      const manifest = position === undefined ? undefined : await readManifest(place, identity, position, signal)
      const restored = await build(building, manifest, options)
      removeDatabase(path)
      renameSync(building, path)
      logger.info('the database was restored from object storage', { ...restored })
      return restored
    } catch (error) {
      removeDatabase(building)
      // The records after another snapshot may be whole where those after this one are not.
      if (!isSlipwayError(error, ...damage)) throw error
      // Without a snapshot there is nothing but the log: what failed before says more.
      if (position !== undefined) failure = error
      failure ??= error
      logger.warn('a snapshot is not usable', { position, error })
    }
  }
  throw new SlipwayError(
    'snapshot_corrupt',
    `restore ${path}: no snapshot of generation ${identity.generation} is usable${failure ? `: ${errorMessage(failure)}` : ''}`,
    { cause: failure },
  )
}

const damage = [
  'snapshot_corrupt',
  'object_corrupt',
  'object_not_found',
  'database_corrupt',
  'database_foreign',
  'history_collected',
] as const

/** Everything in object storage is compared with its hashes while the file is built beside the old one. */
async function build(path: string, manifest: Manifest | undefined, options: RestoreOptions): Promise<Restored> {
  const { types, identity, place, isEmbedded, signal } = options
  createPrivateFile(path)
  using model = ReadModel.open({ path, types, identity })
  // Closing syncs what it writes from the WAL into the file, which gets its name after that.
  // What is sorted for the lists of a million families does not have to fit into memory.
  model.connection.exec('PRAGMA synchronous = NORMAL; PRAGMA temp_store = FILE')
  if (manifest) await loadSnapshot(model, manifest, place, signal)
  const snapshot = manifest?.position ?? 0
  if (isEmbedded) {
    if (manifest && snapshot > 0) await logRecord(model, manifest, options)
    await applyShipped(model, { place, ...(signal ? { signal } : {}) })
  }
  return { position: model.position, snapshot, contentHash: model.contentHash }
}

/** Fills an empty model with the rows of a snapshot. Errors: `snapshot_corrupt`, `object_corrupt`, `object_not_found`. */
export async function loadSnapshot(
  model: ReadModel,
  manifest: Manifest,
  place: StoragePlace,
  signal?: AbortSignal,
): Promise<void> {
  for (const file of manifest.files) {
    const options = signal ? { signal } : {}
    if (file.type === familiesType) {
      const bytes = await collectBytes(place.ost.read(indexKey(place.base, manifest.generation, file.name), options))
      model.restoreFamilies(file.name, decodeFamilyIndex(file, bytes))
      continue
    }
    const key = rowsKey(place.base, manifest.generation, file.name)
    const rows = decodeDataFile(file, await collectBytes(place.ost.read(key, signal ? { signal } : {})))
    model.begin()
    try {
      for (const row of rows)
        if (file.type !== transactionsType) model.restoreRow(file.type, row)
        else {
          const { at, result } = JSON.parse(row.body) as { at: number; result?: unknown } // row-source.ts wrote it
          model.remember(row.id, row.changedAt, at, result === undefined ? undefined : JSON.stringify(result))
        }
      model.commit(0, genesisHash) // The file is not at any position before it has all rows.
    } catch (error) {
      model.rollback()
      throw error
    }
  }
  if (model.contentHash !== manifest.contentHash)
    throw new SlipwayError('snapshot_corrupt', `snapshot ${manifest.position} has other rows than its manifest says`)
  model.begin()
  if (manifest.files.some(({ type }) => type === familiesType)) model.entries.finishRestore()
  model.commit(manifest.position, manifest.hash)
}

/** An embedded log begins with the record at which the rows are. */
async function logRecord(
  model: ReadModel,
  manifest: Manifest,
  { place, identity, signal }: RestoreOptions,
): Promise<void> {
  const { position, hash } = manifest
  for await (const record of readShipped(place, identity, { from: position - 1, ...(signal ? { signal } : {}) })) {
    if (record.hash !== hash) break
    insertRecord(model, record)
    return
  }
  throw new SlipwayError('history_collected', `record ${position}, with which snapshot ${position} ends, is not there`)
}

/**
 * Applies the shipped records after the model's position to it and to its embedded log, reading what they change of cold
 * families. Returns how many.
 */
export async function applyShipped(
  model: ReadModel,
  { place, signal }: { readonly place: StoragePlace; readonly signal?: AbortSignal },
): Promise<number> {
  let count = 0
  const { load } = new FamilyLoader({ model, place })
  const options = { from: model.position, prev: model.hash as RecordHash, ...(signal ? { signal } : {}) }
  for await (const record of readShipped(place, model.identity, options)) {
    const decoded = decodeRecord(record)
    using thawing = new Thawing(load, model.thawed)
    while (model.position < record.position) {
      try {
        model.apply(decoded, () => insertRecord(model, record))
      } catch (error) {
        if (!(error instanceof ColdRows)) throw error
        await thawing.load(error, signal)
      }
    }
    count++
  }
  return count
}

function insertRecord(model: ReadModel, { position, hash, bytes }: EncodedRecord): void {
  model.connection.prepare('INSERT INTO log (position, hash, bytes) VALUES (?, ?, ?)').run(position, hash, bytes)
}

/** What a file that is there says of itself; undefined when there is none, or one that is not yet a database. */
export function describeFile(
  path: string,
): (Identity & { readonly position: Position; readonly hash: string }) | undefined {
  if (!existsSync(path)) return undefined
  // A crash while it was written may have left a WAL, which only a writing connection takes over: read with care.
  const connection = openReadConnection(path)
  try {
    // A file that is no database shows itself only when it is read.
    const isThere = connection.prepare('SELECT 1 FROM sqlite_master WHERE name = ?')
    // Files of formats 1 and 2 have no `state`.
    const source = ['state', 'meta'].find((name) => isThere.get(name) !== undefined)
    const state = source && connection.prepare(`SELECT store, generation, position, hash FROM ${source}`).get()
    if (!state) return undefined
    return {
      store: String(state.store),
      generation: String(state.generation),
      position: Number(state.position),
      hash: String(state.hash),
    }
  } catch (error) {
    throw sqliteError(error, `open database ${path}`)
  } finally {
    connection.close()
  }
}

/**
 * Rows of a type in a file, as they are now, of those whose body has a member: JSON texts. Works while an instance has the file
 * open. Nothing when there is no file.
 */
export function* readFileRows(path: string, type: string, member: string): Generator<string, void, undefined> {
  if (describeFile(path) === undefined) return
  const connection = openReadConnection(path)
  try {
    const rows = connection.prepare(`
      SELECT body FROM stored_row WHERE type = (SELECT number FROM stored_type WHERE name = ?)
      AND json_type(body, ?) IS NOT NULL`)
    for (const { body } of rows.iterate(type, `$.${member}`)) yield String(body)
  } catch (error) {
    throw sqliteError(error, `read ${type} rows of ${path}`)
  } finally {
    connection.close()
  }
}

function removeDatabase(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
}
