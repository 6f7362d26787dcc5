// Signed URLs of a bucket, and uploads of several parts that others fill. Which parts there are is asked of the bucket: whoever
// completes an upload need not be who signed its parts.

import { createHash } from 'node:crypto'
import type {
  CompletedPart,
  ListMultipartUploadsCommandInput,
  ListMultipartUploadsCommandOutput,
  Part,
} from '@aws-sdk/client-s3'
import { collectBytes } from '../lib/bytes.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { DirectPart, DirectTransfers, SignedRequest } from './direct-transfers.ts'
import { decodeFooter, footerBytes, objectCorrupt } from './object-footer.ts'
import type { ObjectKey, PutResult } from './object-storage.ts'
import { type S3Client, S3Refused, timeoutMsFor } from './s3-client.ts'
import { signedUrl } from './signed-url.ts'

type Upload = { readonly key: ObjectKey; readonly uploadId: string | undefined }

export class S3DirectTransfers implements DirectTransfers {
  readonly #client: S3Client
  readonly #pathOf: (key: ObjectKey) => string
  readonly #root: string

  /** `root` begins the paths of all objects in the bucket. */
  constructor(client: S3Client, root: string, pathOf: (key: ObjectKey) => string) {
    this.#client = client
    this.#root = root
    this.#pathOf = pathOf
  }

  async begin(key: ObjectKey, signal?: AbortSignal): Promise<string> {
    const input = { Bucket: this.#client.bucket, Key: this.#pathOf(key) }
    const { CreateMultipartUploadCommand } = this.#client.sdk
    const { UploadId } = await this.#call({ key, signal }, (client, abortSignal) =>
      client.send(new CreateMultipartUploadCommand(input), { abortSignal }),
    )
    return UploadId!
  }

  async signPart(part: DirectPart): Promise<SignedRequest> {
    const { sdk } = this.#client
    const headers = { 'content-length': String(part.sizeBytes), 'x-amz-content-sha256': part.sha256 }
    const url = await this.#client.urlOf((client) =>
      part.uploadId === undefined
        ? client.send(new sdk.PutObjectCommand(this.#wholeInput(part)))
        : client.send(new sdk.UploadPartCommand(this.#partInput(part, part.uploadId))),
    )
    return { url: await this.#sign('PUT', url, headers), headers }
  }

  async putPart(part: DirectPart, data: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (data.length !== part.sizeBytes || createHash('sha256').update(data).digest('hex') !== part.sha256)
      throw objectCorrupt(part.key, `has a part ${part.index} that is not what was announced`)
    const { sdk } = this.#client
    await this.#call({ key: part.key, signal, sizeBytes: data.length }, (client, abortSignal) =>
      part.uploadId === undefined
        ? client.send(new sdk.PutObjectCommand({ ...this.#wholeInput(part), Body: data }), { abortSignal })
        : client.send(new sdk.UploadPartCommand({ ...this.#partInput(part, part.uploadId), Body: data }), {
            abortSignal,
          }),
    )
  }

  async complete(upload: Upload, announced: PutResult, signal?: AbortSignal): Promise<void> {
    const { key, uploadId } = upload
    // Not found: an earlier attempt may have completed it, and its answer been lost. The object itself tells.
    if (uploadId !== undefined) await this.#putTogether({ key, uploadId }, announced, signal)
    const footer = await this.#footerOf(key, announced, signal)
    try {
      const { sha256 } = decodeFooter(key, footer, announced.sizeBytes)
      if (sha256 !== announced.sha256) throw objectCorrupt(key, 'is not what was announced')
    } catch (error) {
      const { DeleteObjectCommand } = this.#client.sdk
      const input = { Bucket: this.#client.bucket, Key: this.#pathOf(key) }
      await this.#call({ key, signal }, (client, abortSignal) =>
        client.send(new DeleteObjectCommand(input), { abortSignal }),
      )
      throw error
    }
  }

  async signRead(key: ObjectKey): Promise<SignedRequest> {
    const { GetObjectCommand } = this.#client.sdk
    const input = { Bucket: this.#client.bucket, Key: this.#pathOf(key) }
    const url = await this.#client.urlOf((client) => client.send(new GetObjectCommand(input)))
    return { url: await this.#sign('GET', url, {}), headers: {} }
  }

  async removeOldUploads(before: number, signal?: AbortSignal): Promise<void> {
    const { AbortMultipartUploadCommand, ListMultipartUploadsCommand } = this.#client.sdk
    const { bucket: Bucket } = this.#client
    const call = { attempt: 'remove uploads that were never ended', signal }
    const input: ListMultipartUploadsCommandInput = { Bucket, Prefix: this.#root, EncodingType: 'url' }
    try {
      for (let isMore = true; isMore; ) {
        const command = new ListMultipartUploadsCommand(input)
        const page: ListMultipartUploadsCommandOutput = await this.#client.call(call, (client, abortSignal) =>
          client.send(command, { abortSignal }),
        )
        for (const { Key = '', UploadId, Initiated } of page.Uploads ?? []) {
          if (Initiated === undefined || Initiated.getTime() > before) continue
          const abort = new AbortMultipartUploadCommand({ Bucket, Key: decodeListed(Key), UploadId })
          await this.#client.call(call, (client, abortSignal) => client.send(abort, { abortSignal }))
        }
        isMore = page.IsTruncated === true && page.NextKeyMarker !== undefined
        input.KeyMarker = decodeListed(page.NextKeyMarker ?? '')
        input.UploadIdMarker = page.NextUploadIdMarker
      }
    } catch (error) {
      // Somebody else has removed it, or the server or our rights do not allow it: they cost room, nothing else.
      if (!(error instanceof S3Refused)) throw error
    }
  }

  /** Nothing when there is no such upload. */
  async #putTogether(
    { key, uploadId }: { readonly key: ObjectKey; readonly uploadId: string },
    announced: PutResult,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { CompleteMultipartUploadCommand } = this.#client.sdk
    const parts = await this.#partsOf({ key, uploadId }, signal)
    if (parts === undefined) return
    const sizeBytes = parts.reduce((sum, { Size = 0 }) => sum + Size, 0)
    const isWhole = parts.every(({ PartNumber }, index) => PartNumber === index + 1)
    if (!isWhole || sizeBytes !== announced.sizeBytes + footerBytes)
      throw objectCorrupt(key, `is to have ${announced.sizeBytes} bytes, but its parts are others`)
    const command = {
      Bucket: this.#client.bucket,
      Key: this.#pathOf(key),
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map(completedPart) },
    }
    await this.#call({ key, signal, sizeBytes, unless: 404 }, (client, abortSignal) =>
      client.send(new CompleteMultipartUploadCommand(command), { abortSignal }),
    )
  }

  async #partsOf(
    { key, uploadId }: { readonly key: ObjectKey; readonly uploadId: string },
    signal: AbortSignal | undefined,
  ): Promise<readonly Part[] | undefined> {
    const { ListPartsCommand } = this.#client.sdk
    const parts: Part[] = []
    let after: string | undefined
    do {
      const input = { Bucket: this.#client.bucket, Key: this.#pathOf(key), UploadId: uploadId }
      const command = new ListPartsCommand({ ...input, ...(after === undefined ? {} : { PartNumberMarker: after }) })
      const page = await this.#call({ key, signal, unless: 404 }, (client, abortSignal) =>
        client.send(command, { abortSignal }),
      )
      if (page === undefined) return undefined
      parts.push(...(page.Parts ?? []))
      after = page.IsTruncated === true ? page.NextPartNumberMarker : undefined
    } while (after !== undefined)
    return parts
  }

  /** The end of the object. Errors: `upload_not_found`. */
  async #footerOf(key: ObjectKey, { sizeBytes }: PutResult, signal: AbortSignal | undefined): Promise<Buffer> {
    const { GetObjectCommand } = this.#client.sdk
    // Whatever the object has beyond its footer would be asked for, too, and be too long.
    const input = { Bucket: this.#client.bucket, Key: this.#pathOf(key), Range: `bytes=${sizeBytes}-` }
    const read = (abortSignal: AbortSignal, client: SdkClient) =>
      client.send(new GetObjectCommand(input), { abortSignal }).then(async ({ Body, ContentLength = 0 }) => {
        if (ContentLength <= footerBytes) return await collectBytes(Body as AsyncIterable<Uint8Array>)
        ;(Body as { destroy(): void }).destroy()
        return Buffer.alloc(0)
      })
    try {
      return await this.#client.call({ attempt: `read the end of object ${key}`, signal }, (client, abortSignal) =>
        read(abortSignal, client),
      )
    } catch (error) {
      if (!(error instanceof S3Refused)) throw error
      const { name, status } = error.failure
      if (status === 416) return Buffer.alloc(0)
      if (name === 'NoSuchKey')
        throw new SlipwayError('upload_not_found', `the upload of object ${key} is not there: it was never completed`)
      throw this.#client.refused(`read the end of object ${key}`, error.failure)
    }
  }

  async #call<T, U extends number | undefined = undefined>(
    call: {
      readonly key: ObjectKey
      readonly signal: AbortSignal | undefined
      readonly sizeBytes?: number
      /** Undefined is the answer for a refusal with that status. */
      readonly unless?: U
    },
    send: (client: SdkClient, signal: AbortSignal) => Promise<T>,
  ): Promise<U extends number ? T | undefined : T> {
    const { key, signal, sizeBytes = 0, unless } = call
    const attempt = `upload object ${key}`
    type Answer = U extends number ? T | undefined : T
    try {
      return (await this.#client.call({ attempt, signal, timeoutMs: timeoutMsFor(sizeBytes) }, send)) as Answer
    } catch (error) {
      if (!(error instanceof S3Refused)) throw error
      const { failure } = error
      if (unless !== undefined && failure.status === unless) return undefined as Answer
      if (failure.name === 'NoSuchUpload') throw new SlipwayError('upload_not_found', `${attempt}: it was given up`)
      throw this.#client.refused(attempt, failure)
    }
  }

  #wholeInput({ key }: DirectPart) {
    return { Bucket: this.#client.bucket, Key: this.#pathOf(key) }
  }

  #partInput({ key, index }: DirectPart, uploadId: string) {
    return { Bucket: this.#client.bucket, Key: this.#pathOf(key), UploadId: uploadId, PartNumber: index + 1 }
  }

  async #sign(method: 'GET' | 'PUT', url: URL, headers: Readonly<Record<string, string>>): Promise<string> {
    const { credentials, region } = await this.#client.signer()
    const expiresMs = limits.signedUrlMs.value
    return signedUrl({ method, url, headers }, { credentials, region, now: this.#client.clock.now(), expiresMs })
  }
}

type SdkClient = InstanceType<S3Client['sdk']['S3Client']>

function completedPart({ PartNumber, ETag }: Part): CompletedPart {
  return {
    ...(PartNumber === undefined ? {} : { PartNumber }),
    ...(ETag === undefined ? {} : { ETag }),
  }
}

/** In answers, S3 writes a space as a plus, as forms do; Ceph as %20. */
export const decodeListed = (text: string) => decodeURIComponent(text.replaceAll('+', '%20'))
