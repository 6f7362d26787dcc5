// The data of an object on its way into a storage: counted, hashed and compared with what was announced.

import { createHash } from 'node:crypto'
import { SlipwayError } from '../lib/errors.ts'
import { encodeFooter, objectCorrupt } from './object-footer.ts'
import type { ObjectData, ObjectKey, PutOptions, PutResult } from './object-storage.ts'

/** Of what is in memory anyway: each chunk of it is a trip to another thread or a write to a socket. */
const memoryChunkBytes = 4 * 1024 * 1024

/** What the source of the data threw: not about the storage, even when it is an error of a system call or a connection. */
export class SourceFailure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/**
 * The data as chunks; a source that waits is left as soon as `signal` is aborted. What the source throws comes as a
 * `SourceFailure`, the reason of the signal included.
 */
export async function* chunksOf(data: ObjectData, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (data instanceof Uint8Array) {
    for (let at = 0; at < data.length; at += memoryChunkBytes) {
      signal?.throwIfAborted()
      yield data.subarray(at, at + memoryChunkBytes)
    }
    return
  }
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {}) // Heard of below, by whoever waits.
  const onAbort = () => aborted.reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const source = data[Symbol.asyncIterator]()
  let isOpen = true
  try {
    while (true) {
      signal?.throwIfAborted()
      const next = await Promise.race([source.next(), aborted.promise]).catch((error: unknown) => {
        isOpen = signal?.aborted === true
        throw new SourceFailure(error)
      })
      isOpen = next.done !== true
      if (next.done) return
      yield next.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // Not awaited when aborted: a source that hangs would hang here too, and its own error no longer matters.
    const left = isOpen ? source.return?.() : undefined
    if (signal?.aborted) left?.catch(() => {})
    else await left
  }
}

/** Counts and hashes what is stored, and compares it with what was announced. */
export class DataMeter {
  readonly #key: ObjectKey
  readonly #announced: PutOptions
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  constructor(key: ObjectKey, announced: PutOptions) {
    this.#key = key
    this.#announced = announced
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Throws `object_size_mismatch` as soon as there is more than announced. */
  add(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.length
    this.#hash.update(chunk)
    const announced = this.#announced.sizeBytes
    if (announced !== undefined && this.#sizeBytes > announced) throw sizeMismatch(this.#key, announced, 'more')
  }

  /** After the last chunk, once. Throws `object_size_mismatch` or `object_corrupt`. */
  finish(): Measured {
    const storedHash = this.#hash.copy()
    const digest = this.#hash.digest()
    const result = { sizeBytes: this.#sizeBytes, sha256: digest.toString('hex') }
    checkAnnounced(this.#key, result, this.#announced)
    const footer = encodeFooter(result.sizeBytes, digest)
    return { result, footer, storedSha256: storedHash.update(footer).digest('hex') }
  }
}

export type Measured = {
  readonly result: PutResult
  readonly footer: Buffer
  /** Of content and footer, lower case hex. */
  readonly storedSha256: string
}

/** Throws `object_size_mismatch` or `object_corrupt` unless the content is what was announced. */
export function checkAnnounced(key: ObjectKey, { sizeBytes, sha256 }: PutResult, announced: PutOptions): void {
  if (announced.sizeBytes !== undefined && sizeBytes !== announced.sizeBytes) {
    const difference = sizeBytes > announced.sizeBytes ? 'more' : `only ${sizeBytes}`
    throw sizeMismatch(key, announced.sizeBytes, difference)
  }
  if (announced.sha256 !== undefined && announced.sha256 !== sha256)
    throw objectCorrupt(key, 'is not what was announced')
}

function sizeMismatch(key: ObjectKey, announced: number, difference: string): SlipwayError {
  return new SlipwayError('object_size_mismatch', `object ${key} was to have ${announced} bytes but has ${difference}`)
}
