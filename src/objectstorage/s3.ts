// Object storage in a bucket of S3 or of a server that speaks its protocol.
//
//   <prefix>data/<key>   content, then a footer with size and SHA-256 (object-footer.ts)
//
// Creating rests on PUT with If-None-Match: *, for which the data is complete before it is sent; a conditional end of a
// multipart upload is not honoured everywhere. When an answer is lost, the object tells by its metadata which attempt wrote it.

import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { GetObjectCommandOutput, ListObjectsV2CommandInput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { compareUtf8 } from '../lib/compare-utf8.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { DirectTransfers } from './direct-transfers.ts'
import { decodeFooter, footerBytes, objectCorrupt } from './object-footer.ts'
import { checkObjectKey, isObjectKey } from './object-key.ts'
import { chunksOf, DataMeter, SourceFailure } from './object-source.ts'
import type {
  ListOptions,
  ObjectData,
  ObjectInfo,
  ObjectKey,
  ObjectStorage,
  PutOptions,
  PutResult,
  ReadOptions,
} from './object-storage.ts'
import { failureOf, S3Client, S3Refused, type S3Seams, timeoutMsFor } from './s3-client.ts'
import { decodeListed, S3DirectTransfers } from './s3-direct.ts'
import { checkS3Settings, type S3Settings } from './s3-settings.ts'
import { type SpooledData, spool } from './s3-spool.ts'
import { S3Upload, writeIdField, writeIdOf } from './s3-upload.ts'

/** Of more than that it is asked first whether the object exists, rather than sent in vain. */
const askFirstBytes = 1024 * 1024

/**
 * Opens the storage and removes uploads that were begun longer than `limits.temporaryFileAgeMs` ago and never ended. Many
 * processes may have it open. `object_storage_config`, `object_storage_denied`, `object_storage_no_bucket` or
 * `object_storage_unavailable` when it cannot be used; the operations throw the same.
 */
export async function openS3ObjectStorage(settings: S3Settings, seams: S3Seams = {}): Promise<ObjectStorage> {
  checkS3Settings(settings)
  const client = await S3Client.open(settings, seams)
  const storage = new S3ObjectStorage(client, settings)
  try {
    await storage.check()
    await storage.transfers.removeOldUploads(client.clock.now() - limits.temporaryFileAgeMs.value)
  } catch (error) {
    await storage[Symbol.asyncDispose]()
    throw error
  }
  return storage
}

class S3ObjectStorage implements ObjectStorage {
  readonly direct?: DirectTransfers
  readonly transfers: S3DirectTransfers
  readonly #client: S3Client
  readonly #root: string
  readonly #spoolFolder: string | undefined

  constructor(client: S3Client, settings: S3Settings) {
    this.#client = client
    this.#root = `${settings.prefix ?? ''}data/`
    this.#spoolFolder = settings.spoolFolder
    this.transfers = new S3DirectTransfers(client, this.#root, (key) => this.#pathOf(key))
    if (settings.signedUrls !== false) this.direct = this.transfers
  }

  async put(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const path = this.#pathOf(key)
    const { signal } = options
    signal?.throwIfAborted()
    const sizeBytes = data instanceof Uint8Array ? data.length : options.sizeBytes
    const meter = new DataMeter(key, options)
    await using upload = new S3Upload(this.#client, { key: path, attempt: `write object ${key}`, sizeBytes, signal })
    return await withSourceErrors(async () => {
      for await (const chunk of chunksOf(data, signal)) {
        meter.add(chunk)
        await upload.append(chunk)
      }
      const { result, footer } = meter.finish()
      await upload.append(footer)
      await upload.complete()
      return result
    })
  }

  async create(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const path = this.#pathOf(key)
    options.signal?.throwIfAborted()
    await using spooled = await withSourceErrors(() => spool(key, data, options, this.#spoolFolder))
    if (spooled.result.sizeBytes > askFirstBytes && (await this.stat(key, options.signal)) !== undefined)
      throw objectExists(key)
    await this.#createFrom(spooled, { key, path, signal: options.signal })
    return spooled.result
  }

  async *read(key: ObjectKey, { range, signal }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const path = this.#pathOf(key)
    signal?.throwIfAborted()
    const start = range?.start ?? 0
    if (range?.end !== undefined && range.end <= start) {
      if ((await this.stat(key, signal)) === undefined) throw objectNotFound(key)
      return
    }
    // From the beginning it may turn out to be the whole object: then the footer is wanted too.
    const end = range?.end === undefined ? undefined : range.end + (start === 0 ? footerBytes : 0)
    const opened = await this.#get(key, path, { start, end, signal })
    if (opened === undefined) return
    const sizeBytes = opened.storedBytes - footerBytes
    if (sizeBytes < 0) {
      opened.body.destroy()
      throw objectCorrupt(key, 'has lost its end')
    }
    const contentEnd = Math.min(range?.end ?? sizeBytes, sizeBytes)
    if (start > 0 || contentEnd < sizeBytes) yield* this.#bytes(key, path, opened, { start, end: contentEnd, signal })
    else yield* verified(key, sizeBytes, this.#bytes(key, path, opened, { start, end: opened.storedBytes, signal }))
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    const path = this.#pathOf(key)
    const attempt = `look up object ${key}`
    const { HeadObjectCommand } = this.#client.sdk
    const command = new HeadObjectCommand({ Bucket: this.#client.bucket, Key: path })
    const found = await this.#client
      .call({ attempt, signal }, (client, abortSignal) => client.send(command, { abortSignal }))
      .catch(this.#unless(attempt, 404))
    return found === undefined ? undefined : infoOf(key, found.ContentLength, found.LastModified)
  }

  async delete(key: ObjectKey, signal?: AbortSignal): Promise<boolean> {
    const path = this.#pathOf(key)
    // S3 does not say whether there was something.
    if ((await this.stat(key, signal)) === undefined) return false
    const attempt = `delete object ${key}`
    const { DeleteObjectCommand } = this.#client.sdk
    const command = new DeleteObjectCommand({ Bucket: this.#client.bucket, Key: path })
    await this.#client
      .call({ attempt, signal }, (client, abortSignal) => client.send(command, { abortSignal }))
      .catch(this.#unless(attempt, 404))
    return true
  }

  async *list({ prefix = '', after = '', signal }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const input: ListObjectsV2CommandInput = {
      Bucket: this.#client.bucket,
      Prefix: this.#root + prefix,
      // XML cannot carry all characters of keys.
      EncodingType: 'url',
      ...(after === '' ? {} : { StartAfter: this.#root + after }),
    }
    let previous: string | undefined
    do {
      const page = await this.#listPage(input, { attempt: 'list objects', signal })
      for (const { Key = '', Size, LastModified } of page.Contents ?? []) {
        const key = decodeListed(Key).slice(this.#root.length)
        if (previous !== undefined && compareUtf8(previous, key) >= 0)
          throw new SlipwayError('object_storage_unsafe', 'list objects: the bucket does not list keys in byte order')
        previous = key
        // What others put there, such as the empty objects that stand for folders, is passed over.
        if (isObjectKey(key)) yield infoOf(key, Size, LastModified)
        signal?.throwIfAborted()
      }
      input.ContinuationToken = page.NextContinuationToken
    } while (input.ContinuationToken !== undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]()
  }

  /** Throws when the bucket cannot be listed. */
  async check(): Promise<void> {
    const input = { Bucket: this.#client.bucket, Prefix: this.#root, MaxKeys: 1 }
    await this.#listPage(input, { attempt: 'open object storage' })
  }

  async #createFrom(
    spooled: SpooledData,
    { key, path, signal }: { key: ObjectKey; path: string; signal: AbortSignal | undefined },
  ): Promise<void> {
    const attempt = `create object ${key}`
    const writeId = randomUUID()
    const timeoutMs = timeoutMsFor(spooled.result.sizeBytes)
    let isUncertain = false
    const call = {
      attempt,
      signal,
      timeoutMs,
      onFailure: (failure: { readonly isRefusal: boolean }) => {
        if (!failure.isRefusal) isUncertain = true
      },
    }
    try {
      await this.#client.call(call, async (client, abortSignal) => {
        const body = spooled.open()
        const sending = client.send(this.#createCommand(path, body, spooled, writeId), { abortSignal })
        if (!(body instanceof Readable)) return await sending
        try {
          // The SDK does not listen to what goes wrong with the body itself.
          return await Promise.race([sending, failureOfStream(body)])
        } finally {
          body.destroy()
        }
      })
    } catch (error) {
      signal?.throwIfAborted()
      const status = error instanceof S3Refused ? error.failure.status : undefined
      if (isUncertain) return await this.#settle(error, { key, path, writeId, attempt, signal })
      if (status === 412) throw objectExists(key, error)
      if (status === 501)
        throw new SlipwayError('object_storage_unsafe', `${attempt}: the server has no conditional writes`)
      throw error instanceof S3Refused ? this.#client.refused(attempt, error.failure) : error
    }
  }

  /** After an attempt that may have written the object although its answer was lost. */
  async #settle(
    cause: unknown,
    write: { key: ObjectKey; path: string; writeId: string; attempt: string; signal: AbortSignal | undefined },
  ): Promise<void> {
    const { attempt, signal } = write
    const found = await writeIdOf(this.#client, { key: write.path, attempt, signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      if (isSlipwayError(error)) return undefined
      throw error
    })
    if (found === write.writeId) return
    if (found !== undefined) throw objectExists(write.key, cause)
    const message = `${attempt}: the answer was lost, and the object is not there (yet): it may have been created or not`
    throw new SlipwayError('outcome_unknown', message, {
      cause: cause instanceof S3Refused ? cause.failure.error : cause,
    })
  }

  #createCommand(path: string, body: Readable | Uint8Array, spooled: SpooledData, writeId: string) {
    const command = new this.#client.sdk.PutObjectCommand({
      Bucket: this.#client.bucket,
      Key: path,
      Body: body,
      ContentLength: spooled.result.sizeBytes + footerBytes,
      IfNoneMatch: '*',
      Metadata: { [writeIdField]: writeId },
    })
    // A stream would be sent unsigned; with its checksum the server notices a body that was damaged on the way.
    command.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> }
        headers['x-amz-content-sha256'] = spooled.storedSha256
        return next(args)
      },
      { step: 'build' },
    )
    return command
  }

  /** Undefined when the object has nothing from `start` on. The caller reads the body or destroys it. */
  async #get(
    key: ObjectKey,
    path: string,
    part: StoredRange & { readonly etag?: string | undefined },
  ): Promise<OpenedBody | undefined> {
    const attempt = `read object ${key}`
    const { GetObjectCommand } = this.#client.sdk
    const command = new GetObjectCommand({
      Bucket: this.#client.bucket,
      Key: path,
      ...(part.start === 0 && part.end === undefined
        ? {}
        : { Range: `bytes=${part.start}-${part.end === undefined ? '' : part.end - 1}` }),
      ...(part.etag === undefined ? {} : { IfMatch: part.etag }),
    })
    try {
      const answer = await this.#client.call({ attempt, signal: part.signal }, (client, abortSignal) =>
        client.send(command, { abortSignal }),
      )
      return openedBody(answer)
    } catch (error) {
      if (!(error instanceof S3Refused)) throw error
      const { name, status } = error.failure
      if (part.etag !== undefined && (status === 412 || name === 'NoSuchKey'))
        throw new SlipwayError('object_changed', `${attempt}: it was replaced or deleted while it was read`)
      if (status === 416) return undefined
      if (name === 'NoSuchKey') throw objectNotFound(key, error.failure.error)
      throw this.#client.refused(attempt, error.failure)
    }
  }

  /** Stored bytes of the range; goes on where it was when the connection breaks, unless it is another object by then. */
  async *#bytes(
    key: ObjectKey,
    path: string,
    opened: OpenedBody,
    range: StoredRange & { readonly end: number },
  ): AsyncGenerator<Buffer> {
    let offset = range.start
    let body: Readable | undefined = opened.body
    for (let failures = 0; offset < range.end; ) {
      try {
        body ??= (await this.#get(key, path, { ...range, start: offset, etag: opened.etag }))?.body
        if (body === undefined) throw new Error('the object has become shorter')
        for await (const chunk of this.#chunksOfBody(body, range.signal)) {
          const wanted = chunk.subarray(0, range.end - offset)
          offset += wanted.length
          failures = 0
          // To the end of the answer, so that the connection can be used again.
          if (wanted.length > 0) yield wanted
        }
        if (offset < range.end) throw new Error('the answer ended too early')
      } catch (error) {
        range.signal?.throwIfAborted()
        if (isSlipwayError(error)) throw error
        if (++failures >= limits.storageAttempts.value)
          throw this.#client.unavailable(`read object ${key}`, failureOf(error))
        await this.#client.pause(failures, range.signal)
        body = undefined
      }
    }
    opened.body.destroy()
  }

  async *#chunksOfBody(body: Readable, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    const onAbort = () => body.destroy(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    try {
      while (true) {
        signal?.throwIfAborted()
        const arrived = new AbortController()
        this.#client.clock.sleep(limits.storageCallMs.value, arrived.signal).then(
          () => body.destroy(new Error('nothing came in time')),
          () => {}, // Something came.
        )
        const next = await chunks.next().finally(() => arrived.abort())
        if (next.done) return
        yield next.value
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      // Also when the reader leaves early: the connection would wait for it for ever.
      body.destroy()
    }
  }

  async #listPage(
    input: ListObjectsV2CommandInput,
    call: { readonly attempt: string; readonly signal?: AbortSignal | undefined },
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new this.#client.sdk.ListObjectsV2Command(input)
    try {
      return await this.#client.call(call, (client, abortSignal) => client.send(command, { abortSignal }))
    } catch (error) {
      throw error instanceof S3Refused ? this.#client.refused(call.attempt, error.failure) : error
    }
  }

  /** For `catch`: undefined for a refusal with that status, all others for people. */
  #unless(attempt: string, status: number): (error: unknown) => undefined {
    return (error) => {
      if (!(error instanceof S3Refused)) throw error
      if (error.failure.status === status) return undefined
      throw this.#client.refused(attempt, error.failure)
    }
  }

  #pathOf(key: ObjectKey): string {
    checkObjectKey(key)
    return this.#root + key
  }
}

type StoredRange = {
  readonly start: number
  readonly end: number | undefined
  readonly signal: AbortSignal | undefined
}

type OpenedBody = {
  readonly body: Readable
  /** Of the whole object, footer included. */
  readonly storedBytes: number
  readonly etag: string | undefined
}

function openedBody({ Body, ContentRange, ContentLength, ETag }: GetObjectCommandOutput): OpenedBody {
  // Content-Range: bytes 0-99/1234
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1]
  return { body: Body as Readable, storedBytes: total === undefined ? (ContentLength ?? 0) : Number(total), etag: ETag }
}

function failureOfStream(stream: Readable): Promise<never> {
  return new Promise((_, reject) => stream.on('error', reject))
}

/** The content of a whole object; the last chunk is handed out only when the checksum is right. */
async function* verified(key: ObjectKey, sizeBytes: number, stored: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const footer: Buffer[] = []
  let offset = 0
  let held: Buffer | undefined
  for await (const chunk of stored) {
    const content = chunk.subarray(0, Math.max(0, sizeBytes - offset))
    offset += chunk.length
    if (content.length < chunk.length) footer.push(chunk.subarray(content.length))
    if (content.length === 0) continue
    if (held !== undefined) yield held
    hash.update(content)
    held = content
  }
  if (decodeFooter(key, Buffer.concat(footer), sizeBytes).sha256 !== hash.digest('hex'))
    throw objectCorrupt(key, 'does not have its checksum')
  if (held !== undefined) yield held
}

function infoOf(key: ObjectKey, storedBytes = 0, modified: Date | undefined): ObjectInfo {
  return { key, sizeBytes: Math.max(0, storedBytes - footerBytes), modifiedAt: modified?.getTime() ?? 0 }
}

function objectExists(key: ObjectKey, cause?: unknown): SlipwayError {
  return new SlipwayError('object_exists', `object ${key} exists`, {
    cause: cause instanceof S3Refused ? cause.failure.error : cause,
  })
}

function objectNotFound(key: ObjectKey, cause?: unknown): SlipwayError {
  return new SlipwayError('object_not_found', `object ${key} does not exist`, { cause })
}

/** What the source of the data threw goes through as it was thrown. */
async function withSourceErrors<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw error instanceof SourceFailure ? error.error : error
  }
}
