// Archives on their way from an executor elsewhere: in parts, each sent again until it is stored, and then put together. What a
// pod packs can be read only once, so a connection that breaks must cost a part, never the archive.
//
//   uploads/<executor task>/<upload>/<part, 5 digits>     removed when the archive is complete, or after a day

import { createHash } from 'node:crypto'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'

/** What an upload adds up to, as the executor says. */
export type UploadedArchive = {
  readonly uploadId: string
  readonly parts: number
  readonly sizeBytes: number
  /** Of the whole, lower case hex. */
  readonly sha256: string
}

export class Uploads {
  readonly #ost: ObjectStorage

  constructor(ost: ObjectStorage) {
    this.#ost = ost
  }

  /** Stores a part; the same again changes nothing. Errors: `limit_exceeded`, `object_corrupt` for another SHA-256. */
  async putPart(
    executorTaskId: string,
    { uploadId, index, data, sha256 }: UploadPart,
    signal?: AbortSignal,
  ): Promise<void> {
    if (index >= limits.uploadParts.value)
      throw new SlipwayError('limit_exceeded', `an archive has at most ${limits.uploadParts.value} parts`)
    // Made again by the executor when it is lost before the archive is complete.
    const options = { sha256, persist: false, ...(signal === undefined ? {} : { signal }) }
    await this.#ost.put(`${folderOf(executorTaskId, uploadId)}${nameOf(index)}`, data, options)
  }

  /** All parts in order; ends with an error when they are not what the executor says. Errors: `upload_not_found`, `object_corrupt`. */
  async *read(executorTaskId: string, archive: UploadedArchive, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const folder = folderOf(executorTaskId, archive.uploadId)
    const hash = createHash('sha256')
    let sizeBytes = 0
    for (let index = 0; index < archive.parts; index++) {
      try {
        for await (const chunk of this.#ost.read(`${folder}${nameOf(index)}`, signal === undefined ? {} : { signal })) {
          hash.update(chunk)
          sizeBytes += chunk.length
          yield chunk
        }
      } catch (error) {
        if (!isSlipwayError(error, 'object_not_found')) throw error
        throw new SlipwayError('upload_not_found', `part ${index} of upload ${archive.uploadId} is not there`)
      }
    }
    if (sizeBytes !== archive.sizeBytes || hash.digest('hex') !== archive.sha256)
      throw new SlipwayError('object_corrupt', `upload ${archive.uploadId} is not what the executor sent`)
  }

  async delete(
    executorTaskId: string,
    { uploadId, parts }: Pick<UploadedArchive, 'uploadId' | 'parts'>,
  ): Promise<void> {
    for (let index = 0; index < parts; index++)
      await this.#ost.delete(`${folderOf(executorTaskId, uploadId)}${nameOf(index)}`)
  }

  /** Removes what was written before `before` and never completed. */
  async clean(before: number, signal?: AbortSignal): Promise<void> {
    for await (const { key, modifiedAt } of this.#ost.list({
      prefix: root,
      ...(signal === undefined ? {} : { signal }),
    }))
      if (modifiedAt < before) await this.#ost.delete(key)
  }
}

export type UploadPart = {
  readonly uploadId: string
  /** From 0. */
  readonly index: number
  readonly data: Uint8Array
  readonly sha256: string
}

const root = 'uploads/'
const nameOf = (index: number) => String(index).padStart(5, '0')
const folderOf = (executorTaskId: string, uploadId: string) => `${root}${executorTaskId}/${uploadId}/`
