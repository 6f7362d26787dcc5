// Archives between an executor and its server, or the bucket of its server: parts up, ranges down. Each is tried until it is
// stored, read or given up, because what a pod packs can be read only once.
//
// When the server says so, bytes go to its bucket directly, by a signed URL for each request. Where that does not work (a
// firewall, an authority that is not trusted) they go through the server, part by part.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { SignedRequest } from '../../objectstorage/direct-transfers.ts'
import { encodeFooter } from '../../objectstorage/object-footer.ts'
import type {
  BegunUpload,
  DirectPartRequest,
  SignedPart,
  StoredArchive,
  UploadPurpose,
} from '../../runservice/executor-api.ts'
import type { BucketAnswer, BucketConnection } from './bucket-connection.ts'
import type { CallOptions } from './http-connection.ts'

export type TransferComponents = {
  readonly server: {
    call(method: string, path: string, options: CallOptions): Promise<unknown>
    open(method: string, path: string, options: CallOptions): Promise<IncomingMessage>
  }
  /** Undefined when everything is to go through the server. */
  readonly bucket: BucketConnection | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** From 0 to 1, exclusive; spreads the attempts of many executors. */
  readonly random: () => number
}

export type Uploaded = {
  readonly uploadId: string
  readonly parts: number
  readonly sizeBytes: number
  readonly sha256: string
}

const retryMsMin = 100
const retryMsMax = 10_000
/** Parts over slow lines. */
const uploadMsMax = 120_000
const answerMsMax = 30_000
/** Failures in a row until a part, or the rest of an archive, goes through the server. */
const bucketAttempts = 4
/** A bucket that was not reached so often in a row is left alone for a while. */
const unreachedAttempts = 2
const avoidedMs = 5 * 60_000

export class ArchiveTransfers {
  readonly #components: TransferComponents
  #avoidedUntil = 0
  /** Attempts in a row in which the bucket was not reached. */
  #unreached = 0

  constructor(components: TransferComponents) {
    this.#components = components
  }

  /** Parts one after another; the next one is packed while one is on its way. `path` is that of the task. */
  async upload(
    path: string,
    purpose: UploadPurpose,
    data: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<Uploaded> {
    const { bucket } = this.#components
    const options = { ...(bucket === undefined ? {} : { json: { purpose } }), signal }
    const begun = (await this.persist('POST', `${path}/uploads`, options)) as BegunUpload
    const meter = new Meter()
    const content = meter.measured(data)
    const stored = begun.isDirect === true ? meter.withFooter(content) : content
    let { uploadId } = begun
    let parts = 0
    let sending: Promise<unknown> = Promise.resolve()
    try {
      for await (const { bytes, isLast } of partsOf(stored, begun.partBytes)) {
        await sending
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        const index = parts++
        const part = { uploadId, index, isLast, sizeBytes: bytes.length, sha256 }
        sending =
          begun.isDirect === true
            ? this.#sendDirect(path, part, bytes, signal).then((id) => {
                uploadId = id
              })
            : this.#put(`${path}/uploads/${uploadId}/${index}`, { bytes, sha256, signal })
        sending.catch(() => undefined) // Heard of above, or below.
        // The first of several says under which id the others go.
        if (index === 0) await sending
      }
    } finally {
      await sending
    }
    return { uploadId, parts, sizeBytes: meter.sizeBytes, sha256: meter.sha256 }
  }

  /** The bytes of an archive, verified; a connection that breaks is taken up again where it broke. */
  async *download(
    path: string,
    archive: StoredArchive,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { object, sizeBytes, sha256 } = archive
    const hash = createHash('sha256')
    let from = 0
    let failures = 0
    do {
      const isDirect = this.#mayAskBucket() && sizeBytes > 0 && failures < bucketAttempts
      const response = await this.#open(path, { object, from, sizeBytes, isDirect }, signal)
      try {
        if (response === undefined) throw new Error('the bucket does not answer as it should')
        for await (const chunk of response as AsyncIterable<Uint8Array>) {
          hash.update(chunk)
          from += chunk.length
          failures = 0
          yield chunk
        }
        if (from < sizeBytes) throw isDirect ? new Error('the answer ended too early') : corrupt(object)
      } catch (error) {
        signal?.throwIfAborted()
        if (isSlipwayError(error)) throw error
        this.#components.logger.warn('download cut', { path, from, error })
        await this.pause(failures++, signal)
      } finally {
        response?.destroy()
      }
    } while (from < sizeBytes)
    if (from !== sizeBytes || hash.digest('hex') !== sha256) throw corrupt(object)
  }

  /** Calls the server until it answers more than "not now". */
  async persist(method: string, path: string, options: CallOptions): Promise<unknown> {
    return await this.#again(() => this.#components.server.call(method, path, options), options.signal)
  }

  async pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random } = this.#components
    await clock.sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax) * (0.5 + random() / 2), signal)
  }

  /** The id of the upload from now on. */
  async #sendDirect(
    path: string,
    part: DirectPartRequest,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { bucket } = this.#components
    let { uploadId } = part
    for (let attempt = 0; attempt < bucketAttempts && bucket !== undefined && this.#mayAskBucket(); attempt++) {
      // Each attempt has a URL of its own: that an old one has expired needs no answer to itself.
      const options = { json: { ...part, uploadId }, signal }
      const signed = (await this.persist('POST', `${path}/direct/sign`, options)) as SignedPart
      uploadId = signed.uploadId
      const answer = await bucket.send(signed.request, { method: 'PUT', bytes, signal, timeoutMs: uploadMsMax })
      if (answer.kind === 'done') {
        answer.response.resume()
        return uploadId
      }
      await this.#heard(answer, attempt, signal)
    }
    const { index, isLast, sha256 } = part
    const query = { uploadId, index, isLast }
    const answer = await this.#put(`${path}/direct/relay`, { bytes, sha256, query, signal })
    return (answer as { readonly uploadId: string }).uploadId
  }

  #put(
    path: string,
    { sha256, ...options }: CallOptions & { readonly sha256: string; readonly bytes: Uint8Array },
  ): Promise<unknown> {
    return this.persist('PUT', path, {
      ...options,
      headers: { 'x-slipway-sha256': sha256 },
      timeoutMs: uploadMsMax,
    })
  }

  /** What the bytes can be read from; undefined when the bucket did not give them. */
  async #open(
    path: string,
    {
      object,
      from,
      sizeBytes,
      isDirect,
    }: {
      readonly object: string
      readonly from: number
      readonly sizeBytes: number
      readonly isDirect: boolean
    },
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage | undefined> {
    const { server, bucket } = this.#components
    const query = { object, from, ...(isDirect ? { direct: true } : {}) }
    const response = await this.#again(() => server.open('GET', path, { query, signal }), signal)
    const isSigned = isDirect && (response.headers['content-type'] ?? '').startsWith('application/json')
    if (!isSigned || bucket === undefined) return response
    const request = parseSigned(await textOf(response))
    if (request === undefined) return undefined
    const range = { first: from, last: sizeBytes - 1 }
    const answer = await bucket.send(request, { method: 'GET', range, signal, timeoutMs: answerMsMax })
    if (answer.kind === 'done') return answer.response
    await this.#heard(answer, 0, signal)
    return undefined
  }

  #mayAskBucket(): boolean {
    return this.#components.bucket !== undefined && this.#components.clock.now() >= this.#avoidedUntil
  }

  async #heard(
    answer: Exclude<BucketAnswer, { readonly kind: 'done' }>,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { logger, clock } = this.#components
    this.#unreached = answer.kind === 'unreached' ? this.#unreached + 1 : 0
    if (this.#unreached >= unreachedAttempts) {
      this.#avoidedUntil = clock.now() + avoidedMs
      this.#unreached = 0
      const message = 'the bucket of the server cannot be reached from here: archives go through the server for a while'
      logger.warn(message, { error: answer.error, forMs: avoidedMs })
      return
    }
    logger.warn('the bucket did not take or give an archive: trying again', { error: answer.error })
    await this.pause(attempt, signal)
  }

  async #again<T>(act: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await act()
      } catch (error) {
        signal?.throwIfAborted()
        if (!isSlipwayError(error) || error.kind !== 'unavailable') throw error
        this.#components.logger.warn('server not available', { error })
        await this.pause(attempt, signal)
      }
    }
  }
}

/** Size and SHA-256 of what passes. */
class Meter {
  readonly #hash = createHash('sha256')
  sizeBytes = 0

  /** Of all that has passed. */
  get sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  async *measured(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of data) {
      this.#hash.update(chunk)
      this.sizeBytes += chunk.length
      yield chunk
    }
  }

  /** What is stored of it in a bucket. */
  async *withFooter(measured: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield* measured
    yield encodeFooter(this.sizeBytes, this.#hash.copy().digest())
  }
}

/** Chunks of any size as parts of one; only the last may be shorter. */
async function* partsOf(
  data: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<{ readonly bytes: Buffer; readonly isLast: boolean }> {
  let part: Uint8Array[] = []
  let size = 0
  for await (let chunk of data) {
    while (size + chunk.length > partBytes) {
      const taken = partBytes - size
      yield { bytes: Buffer.concat([...part, chunk.subarray(0, taken)]), isLast: false }
      chunk = chunk.subarray(taken)
      part = []
      size = 0
    }
    if (chunk.length === 0) continue
    part.push(Buffer.from(chunk)) // A reader may use its buffer again.
    size += chunk.length
  }
  if (size > 0) yield { bytes: Buffer.concat(part), isLast: true }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch {
    return '' // Cut: it is asked for again.
  }
  return Buffer.concat(chunks).toString()
}

/** Undefined for what is cut. Its text is a credential and stands in no error. */
function parseSigned(text: string): SignedRequest | undefined {
  try {
    return JSON.parse(text) as SignedRequest
  } catch {
    return undefined
  }
}

function corrupt(object: string): SlipwayError {
  return new SlipwayError('object_corrupt', `${object} is not what was stored`)
}
