// Workspace archives and caches of the tasks of one executor: objects first, then the row, or the entry, that decides who was
// first. What an executor may read or write follows from the order that it has.

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { invariant, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { DirectTransfers, SignedRequest } from '../../objectstorage/direct-transfers.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type {
  BegunUpload,
  DirectPartRequest,
  FoundCache,
  SignedPart,
  StoredArchive,
  UploadPurpose,
} from '../executor-api.ts'
import { type RunserviceSchema, runTaskRowId } from '../row-types.ts'
import type { ExecutorTask, WorkspaceArchive } from '../types.ts'
import { archivePrefix, archiveRowId, findArchive } from './archives.ts'
import { type CacheGroups, cacheGroupsOf, fullCacheKey } from './cache-key.ts'
import type { Caches } from './caches.ts'
import {
  completeDirect,
  type DirectUpload,
  formatUploadId,
  parseUploadId,
  relayPart,
  signPart,
} from './direct-uploads.ts'
import { type UploadedArchive, type UploadPart, Uploads } from './uploads.ts'

export type ExecutorArchivesComponents = {
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly caches: Caches
  readonly clock: Clock
  /** The order of this executor. Errors: `executor_task_gone`. */
  readonly orderOf: (executorTaskId: string) => ExecutorTask
}

/** A use of an archive is written once in this time. */
const useWrittenMs = 60 * 60 * 1000

type ReadOptions = { readonly fromByte?: number; readonly signal?: AbortSignal | undefined }

export class ExecutorArchives {
  readonly #components: ExecutorArchivesComponents
  readonly #uploads: Uploads

  constructor(components: ExecutorArchivesComponents) {
    this.#components = components
    this.#uploads = new Uploads(components.ost)
  }

  async save(
    executorTaskId: string,
    step: number,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredArchive> {
    const { ost, clock } = this.#components
    const place = { runTaskId: this.#order(executorTaskId).runTaskId, step }
    const object = archiveObject(place, newUuid(clock.now()))
    const { sizeBytes, sha256 } = await ost.put(object, data, signal === undefined ? {} : { signal })
    return await this.#enter(executorTaskId, place, { object, sizeBytes, sha256 })
  }

  /** Bytes of an archive of the run; whole ones are verified. Errors: `object_not_found`. */
  async *read(
    executorTaskId: string,
    object: string,
    options: ReadOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { ost } = this.#components
    const row = this.#archiveOfRun(executorTaskId, object)
    await this.#markUsed(row)
    yield* ost.read(row.object, readOptionsOf(options))
  }

  /** Undefined when bytes only go through us. Errors: `object_not_found`. */
  async signRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined> {
    const { direct } = this.#components.ost
    const row = this.#archiveOfRun(executorTaskId, object)
    if (direct === undefined) return undefined
    await this.#markUsed(row)
    return await direct.signRead(row.object)
  }

  async findCache(
    executorTaskId: string,
    key: string,
    options: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    const { caches } = this.#components
    const { own, project } = this.#cacheGroups(executorTaskId)
    const full = fullCacheKey(project, key)
    const groups = own === project ? [project] : [own, project]
    const findIn = async (exactOnly: boolean) => {
      for (const group of groups) {
        const found = await caches.find(group, full, { exactOnly }, signal)
        if (found !== undefined) return found
      }
      return undefined
    }
    const exact = groups.length > 1 || options.exactOnly ? await findIn(true) : undefined
    return exact ?? (options.exactOnly ? undefined : await findIn(false))
  }

  readCache(executorTaskId: string, object: string, options: ReadOptions): AsyncIterable<Uint8Array> {
    const { own, project } = this.#cacheGroups(executorTaskId)
    return this.#components.caches.read([own, project], object, readOptionsOf(options))
  }

  /** As `signRead`. */
  async signCacheRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined> {
    const { caches, ost } = this.#components
    const { own, project } = this.#cacheGroups(executorTaskId)
    caches.checkGroup([own, project], object)
    return await ost.direct?.signRead(object)
  }

  async saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    const { own, project } = this.#cacheGroups(executorTaskId)
    return await this.#components.caches.save(own, fullCacheKey(project, key), data, signal)
  }

  async begin(executorTaskId: string, purpose?: UploadPurpose): Promise<BegunUpload> {
    const { clock, ost } = this.#components
    this.#order(executorTaskId)
    const uuid = newUuid(clock.now())
    const partBytes = limits.uploadPartBytes.value
    if (purpose === undefined || ost.direct === undefined) return { uploadId: uuid, partBytes }
    return { uploadId: formatUploadId({ purpose, uuid, multipartId: undefined }), partBytes, isDirect: true }
  }

  async putPart(executorTaskId: string, part: UploadPart): Promise<void> {
    this.#order(executorTaskId)
    await withDamageAsUnavailable(part.index, () => this.#uploads.putPart(executorTaskId, part))
  }

  async signPart(executorTaskId: string, part: DirectPartRequest): Promise<SignedPart> {
    const { direct, ...place } = this.#directPlace(executorTaskId, part.uploadId)
    return await signPart(direct, place, part)
  }

  async relayPart(executorTaskId: string, part: DirectPartRequest & { readonly data: Uint8Array }): Promise<string> {
    const { direct, ...place } = this.#directPlace(executorTaskId, part.uploadId)
    return await withDamageAsUnavailable(part.index, () => relayPart(direct, place, part))
  }

  async complete(executorTaskId: string, step: number, archive: UploadedArchive): Promise<StoredArchive> {
    const { database, ost } = this.#components
    const { runTaskId } = this.#order(executorTaskId)
    const upload = parseUploadId(archive.uploadId)
    // The answer to the first attempt may have been lost, and its parts are gone.
    const first = database.view((tx) => tx.get('archive', archiveRowId({ runTaskId, step })))
    let stored: StoredArchive
    if (upload === undefined) {
      stored = first ?? (await this.save(executorTaskId, step, this.#uploads.read(executorTaskId, archive)))
      await this.#uploads.delete(executorTaskId, archive)
    } else {
      checkPurpose(upload, { kind: 'workspace', step })
      const { direct, ...place } = this.#directPlace(executorTaskId, archive.uploadId)
      if (first === undefined)
        stored = await this.#enter(executorTaskId, { runTaskId, step }, await completeDirect(direct, place, archive))
      else {
        stored = first
        if (first.object !== place.object) await ost.delete(place.object)
      }
    }
    return { object: stored.object, sizeBytes: stored.sizeBytes, sha256: stored.sha256 }
  }

  async completeCache(executorTaskId: string, key: string, archive: UploadedArchive): Promise<'stored' | 'exists'> {
    const { caches, ost } = this.#components
    const { own, project } = this.#cacheGroups(executorTaskId)
    const full = fullCacheKey(project, key)
    const upload = parseUploadId(archive.uploadId)
    const found = await caches.find(own, full, { exactOnly: true })
    if (upload === undefined) {
      const answer =
        found === undefined
          ? await this.saveCache(executorTaskId, key, this.#uploads.read(executorTaskId, archive))
          : 'exists'
      await this.#uploads.delete(executorTaskId, archive)
      return answer
    }
    checkPurpose(upload, { kind: 'cache', key })
    const { direct, ...place } = this.#directPlace(executorTaskId, archive.uploadId)
    if (found === undefined) return await caches.enter(own, full, await completeDirect(direct, place, archive))
    if (found.object === place.object) return 'stored' // The first answer was lost.
    await ost.delete(place.object)
    return 'exists'
  }

  /** The row decides who was first. */
  async #enter(
    executorTaskId: string,
    place: Pick<WorkspaceArchive, 'runTaskId' | 'step'>,
    stored: StoredArchive,
  ): Promise<StoredArchive> {
    const { database, ost, clock } = this.#components
    const id = archiveRowId(place)
    const now = clock.now()
    const { result } = await database.do((tx) => {
      const first = tx.get('archive', id)
      if (first !== undefined) return first
      // Its run may have been deleted while the archive was on its way.
      if (tx.get('executortask', executorTaskId) === undefined)
        throw new SlipwayError('executor_task_gone', `task ${executorTaskId} has ended`)
      tx.put('archive', id, { ...stored, ...place, createdAt: now, lastUsedAt: now })
      return undefined
    })
    const { object, sizeBytes, sha256 } = result ?? stored
    // Ours if we lost, and what an attempt left that was killed before its row was written.
    for await (const { key } of ost.list({ prefix: archivePrefix(place) })) if (key !== object) await ost.delete(key)
    return { object, sizeBytes, sha256 }
  }

  #archiveOfRun(executorTaskId: string, object: string): WorkspaceArchive {
    const { database } = this.#components
    const { runId } = this.#order(executorTaskId)
    const row = database.view((tx) => findArchive(tx, object))
    const isOfRun = row && database.view((tx) => tx.get('runtask', runTaskRowId(runId, row.runTaskId)) !== undefined)
    if (row === undefined || !isOfRun)
      throw new SlipwayError('object_not_found', `${executorTaskId} has no archive ${object}`)
    return row
  }

  /** Retention counts in days: a use is not written more often than necessary. */
  async #markUsed(row: WorkspaceArchive): Promise<void> {
    const { database, clock } = this.#components
    const now = clock.now()
    if (now - row.lastUsedAt < useWrittenMs) return
    await database.do((tx) => {
      const current = tx.get('archive', archiveRowId(row))
      if (current !== undefined) tx.put('archive', archiveRowId(row), { ...current, lastUsedAt: now })
    })
  }

  /** Where an upload of this executor goes: the executor's word is taken for the name of the object, never for its folder. */
  #directPlace(
    executorTaskId: string,
    uploadId: string,
  ): { readonly direct: DirectTransfers; readonly upload: DirectUpload; readonly object: string } {
    const { ost, caches } = this.#components
    const upload = parseUploadId(uploadId)
    if (upload === undefined || ost.direct === undefined)
      throw new SlipwayError('upload_not_found', 'uploads do not go to the bucket directly any more')
    const { purpose, uuid } = upload
    const object =
      purpose.kind === 'workspace'
        ? archiveObject({ runTaskId: this.#order(executorTaskId).runTaskId, step: purpose.step }, uuid)
        : caches.objectOf(this.#cacheGroups(executorTaskId).own, uuid)
    return { direct: ost.direct, upload, object }
  }

  #order(executorTaskId: string): ExecutorTask {
    return this.#components.orderOf(executorTaskId)
  }

  #cacheGroups(executorTaskId: string): CacheGroups {
    const { runConfigId } = this.#order(executorTaskId)
    const config = this.#components.database.view((tx) => tx.get('runconfig', runConfigId))
    invariant(config !== undefined, `run config ${runConfigId} is missing`)
    return cacheGroupsOf(config)
  }
}

const archiveObject = (place: Pick<WorkspaceArchive, 'runTaskId' | 'step'>, uuid: string) =>
  `${archivePrefix(place)}${uuid}.tar.zst`

function readOptionsOf({ fromByte, signal }: ReadOptions) {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(fromByte === undefined ? {} : { range: { start: fromByte } }),
  }
}

function checkPurpose({ purpose }: DirectUpload, wanted: UploadPurpose): void {
  const isIt =
    purpose.kind === 'workspace'
      ? wanted.kind === 'workspace' && purpose.step === wanted.step
      : wanted.kind === 'cache' && purpose.key === wanted.key
  if (!isIt) throw new SlipwayError('upload_not_found', 'this upload is for something else')
}

async function withDamageAsUnavailable<T>(index: number, put: () => Promise<T>): Promise<T> {
  try {
    return await put()
  } catch (error) {
    if (!isSlipwayError(error, 'object_corrupt')) throw error
    // Not what was stored is damaged, but what arrived: it is sent again.
    throw new SlipwayError('service_unavailable', `part ${index} of an upload arrived damaged`, { cause: error })
  }
}
