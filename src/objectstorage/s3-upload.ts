// Writes a stream of unknown length: one PUT when it fits in a part, else a multipart upload, which nobody sees before it is
// completed. Parts are sent while the next one is filled.

import { randomUUID } from 'node:crypto'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { SlipwayError } from '../lib/errors.ts'
import { footerBytes } from './object-footer.ts'
import { type S3Client, S3Refused, timeoutMsFor } from './s3-client.ts'

const MiB = 1024 * 1024
/** S3's limit. */
const partsMax = 10_000
const partBytesMin = 8 * MiB
/** After so many parts they get twice as large, up to 64 MiB: 50 GB are 3,200 parts, and 500 GB the end. */
const partsPerSize = 1000
const doublings = 3
/** Parts on their way, beside the one being filled; larger ones go one at a time. */
const bytesInFlightMax = 4 * partBytesMin
const abortMsMax = 60_000

/** Metadata of every object: which attempt wrote it. */
export const writeIdField = 'slipway-write'

export type UploadTarget = {
  /** In the bucket. */
  readonly key: string
  /** For messages: `write object a/b`. */
  readonly attempt: string
  /** Of the content, when announced. */
  readonly sizeBytes: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Disposing one that was not completed removes what was uploaded of it. */
export class S3Upload implements AsyncDisposable {
  readonly #client: S3Client
  readonly #target: UploadTarget
  readonly #writeId = randomUUID()
  readonly #sending = new Map<Promise<void>, number>()
  readonly #parts: CompletedPart[] = []
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #uploadId: string | undefined
  #failure: { readonly error: unknown } | undefined
  #partNumber = 1
  #part = Buffer.alloc(0)
  #filled = 0

  constructor(client: S3Client, target: UploadTarget) {
    this.#client = client
    this.#target = target
    this.#signal = target.signal === undefined ? this.#stop.signal : AbortSignal.any([target.signal, this.#stop.signal])
  }

  /** Takes a copy of the chunk; waits while too much is on its way. Throws what sending an earlier part threw. */
  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const most = partBytes(this.#partNumber, this.#target.sizeBytes)
      if (this.#filled === most) await this.#sendPart()
      const taken = Math.min(chunk.length - at, most - this.#filled)
      if (taken === 0) continue // The next part may be larger.
      this.#reserve(this.#filled + taken, most)
      this.#part.set(chunk.subarray(at, at + taken), this.#filled)
      this.#filled += taken
      at += taken
    }
  }

  /** After the last chunk: the object is there when it returns. */
  async complete(): Promise<void> {
    if (this.#uploadId === undefined) return await this.#putWhole()
    await this.#sendPart()
    while (this.#sending.size > 0) await this.#untilOneIsSent()
    this.#throwFailure()
    await this.#completeParts(this.#uploadId)
    this.#uploadId = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the upload was left'))
    // A part that arrives after the end of the upload would stay.
    await Promise.all(this.#sending.keys())
    const uploadId = this.#uploadId
    if (uploadId === undefined) return
    this.#uploadId = undefined
    const { AbortMultipartUploadCommand } = this.#client.sdk
    const command = { Bucket: this.#client.bucket, Key: this.#target.key, UploadId: uploadId }
    const signal = this.#client.clock.timeout(abortMsMax)
    // What cannot be removed now is removed when it is a day old, at the opening of a storage.
    await this.#client
      .call({ attempt: this.#target.attempt, signal }, (client, abortSignal) =>
        client.send(new AbortMultipartUploadCommand(command), { abortSignal }),
      )
      .catch(() => {})
  }

  async #putWhole(): Promise<void> {
    const body = this.#part.subarray(0, this.#filled)
    const { bucket, sdk } = this.#client
    const command = { Bucket: bucket, Key: this.#target.key, Body: body, Metadata: { [writeIdField]: this.#writeId } }
    await this.#call(body.length, (client, abortSignal) =>
      client.send(new sdk.PutObjectCommand(command), { abortSignal }),
    )
  }

  async #sendPart(): Promise<void> {
    const body = this.#part.subarray(0, this.#filled)
    const number = this.#partNumber
    if (number > partsMax)
      throw new SlipwayError('object_too_large', `${this.#target.attempt}: it needs more than ${partsMax} parts`)
    this.#uploadId ??= await this.#begin()
    while (this.#sending.size > 0 && this.#bytesInFlight() + body.length > bytesInFlightMax)
      await this.#untilOneIsSent()
    this.#throwFailure()
    const sending: Promise<void> = this.#upload(this.#uploadId, number, body)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#sending.delete(sending))
    this.#sending.set(sending, body.length)
    this.#partNumber++
    this.#part = Buffer.alloc(0)
    this.#filled = 0
  }

  async #begin(): Promise<string> {
    const { bucket, sdk } = this.#client
    const command = { Bucket: bucket, Key: this.#target.key, Metadata: { [writeIdField]: this.#writeId } }
    const { UploadId } = await this.#call(0, (client, abortSignal) =>
      client.send(new sdk.CreateMultipartUploadCommand(command), { abortSignal }),
    )
    return UploadId!
  }

  async #upload(uploadId: string, number: number, body: Uint8Array): Promise<void> {
    const { bucket, sdk } = this.#client
    const command = { Bucket: bucket, Key: this.#target.key, UploadId: uploadId, PartNumber: number, Body: body }
    const { ETag } = await this.#call(body.length, (client, abortSignal) =>
      client.send(new sdk.UploadPartCommand(command), { abortSignal }),
    )
    this.#parts.push({ PartNumber: number, ...(ETag === undefined ? {} : { ETag }) })
  }

  /** An answer may get lost after it was done; then the upload is gone, and the object is the one of this upload. */
  async #completeParts(uploadId: string): Promise<void> {
    const { bucket, sdk } = this.#client
    const { key, attempt, signal } = this.#target
    const parts = this.#parts.sort((a, b) => a.PartNumber! - b.PartNumber!)
    const command = { Bucket: bucket, Key: key, UploadId: uploadId, MultipartUpload: { Parts: parts } }
    // Putting thousands of parts together may take minutes.
    const timeoutMs = timeoutMsFor(parts.length * partBytesMin)
    let isUncertain = false
    const onFailure = () => {
      isUncertain = true
    }
    try {
      await this.#client.call({ attempt, signal, timeoutMs, onFailure }, (client, abortSignal) =>
        client.send(new sdk.CompleteMultipartUploadCommand(command), { abortSignal }),
      )
    } catch (error) {
      if (!(error instanceof S3Refused)) throw error
      const isDone =
        isUncertain && error.failure.status === 404 && (await writeIdOf(this.#client, this.#target)) === this.#writeId
      if (!isDone) throw this.#client.refused(attempt, error.failure)
    }
  }

  async #call<T>(sizeBytes: number, send: Parameters<typeof S3Client.prototype.call<T>>[1]): Promise<T> {
    const { attempt } = this.#target
    try {
      return await this.#client.call({ attempt, signal: this.#signal, timeoutMs: timeoutMsFor(sizeBytes) }, send)
    } catch (error) {
      throw error instanceof S3Refused ? this.#client.refused(attempt, error.failure) : error
    }
  }

  #reserve(needed: number, most: number): void {
    if (needed <= this.#part.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(most, Math.max(needed, this.#part.length * 2)))
    larger.set(this.#part.subarray(0, this.#filled))
    this.#part = larger
  }

  #bytesInFlight(): number {
    return [...this.#sending.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  async #untilOneIsSent(): Promise<void> {
    await Promise.race(this.#sending.keys())
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** The attempt that wrote the object, or undefined when there is none or it does not say. */
export async function writeIdOf(
  client: S3Client,
  { key, attempt, signal }: Omit<UploadTarget, 'sizeBytes'>,
): Promise<string | undefined> {
  try {
    const found = await client.call({ attempt, signal }, (sdkClient, abortSignal) =>
      sdkClient.send(new client.sdk.HeadObjectCommand({ Bucket: client.bucket, Key: key }), { abortSignal }),
    )
    return found.Metadata?.[writeIdField] ?? ''
  } catch (error) {
    if (!(error instanceof S3Refused)) throw error
    if (error.failure.status === 404) return undefined
    throw client.refused(attempt, error.failure)
  }
}

/** Size of that part, from 1: all alike when the size is announced, which some servers want. */
export function partBytes(number: number, announcedBytes: number | undefined): number {
  if (announcedBytes !== undefined) {
    const needed = Math.ceil((announcedBytes + footerBytes) / partsMax / MiB) * MiB
    return Math.max(partBytesMin, needed)
  }
  return partBytesMin * 2 ** Math.min(doublings, Math.floor((number - 1) / partsPerSize))
}
