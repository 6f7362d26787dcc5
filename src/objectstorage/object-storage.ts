// Object storage: files by key, the same contract on a posix directory and on S3. Every backend runs
// object-storage-contract.ts.

import type { DirectTransfers } from './direct-transfers.ts'

/**
 * Keys: non-empty valid UTF-8 without NUL, at most 900 bytes, segments separated by single slashes, no empty, `.` or
 * `..` segment. Anything else is `object_key_invalid`. Keys are compared and listed by their UTF-8 bytes.
 */
export type ObjectKey = string

export type ObjectInfo = {
  readonly key: ObjectKey
  readonly sizeBytes: number
  /** Time of the last write by the storage's own clock. */
  readonly modifiedAt: number
}

export type PutOptions = {
  readonly signal?: AbortSignal
  /** Announced size; a stream that is shorter or longer fails with `object_size_mismatch` and leaves nothing. */
  readonly sizeBytes?: number
  /** Lower case hex; a different content fails with `object_corrupt` and leaves nothing. */
  readonly sha256?: string
  /**
   * Whether the object must survive a power cut when the call returns (fsync on posix; S3 always persists). False is for
   * what can be made again. Default true.
   */
  readonly persist?: boolean
}

export type PutResult = { readonly sizeBytes: number; readonly sha256: string }

export type ReadOptions = {
  readonly signal?: AbortSignal
  /** First byte and, exclusive, the end; an end beyond the object's is the object's. */
  readonly range?: { readonly start: number; readonly end?: number }
}

export type ListOptions = {
  /** Plain string prefix, not a folder. */
  readonly prefix?: string
  /** Exclusive. */
  readonly after?: ObjectKey
  readonly signal?: AbortSignal
}

export type ObjectData = Uint8Array | AsyncIterable<Uint8Array>

export interface ObjectStorage extends AsyncDisposable {
  /** Of a storage that lets others read and write objects themselves, by signed URLs. */
  readonly direct?: DirectTransfers
  /** Writes or replaces; readers see the old object or the new one, never a part. */
  put(key: ObjectKey, data: ObjectData, options?: PutOptions): Promise<PutResult>
  /**
   * As `put`, but fails with `object_exists` when there is one: of many at once exactly one succeeds. On S3 the data is taken
   * whole before it is sent, at most `limits.createdObjectBytes` (`object_too_large`), and `outcome_unknown` means that the
   * object may have been created or may be yet.
   */
  create(key: ObjectKey, data: ObjectData, options?: PutOptions): Promise<PutResult>
  /**
   * Streams the object; `object_not_found`, and `object_corrupt` when a whole read does not have the stored checksum. On S3, when
   * the connection breaks and the object has been replaced or deleted since, `object_changed`.
   */
  read(key: ObjectKey, options?: ReadOptions): AsyncIterable<Uint8Array>
  /** The object, or undefined. */
  stat(key: ObjectKey, signal?: AbortSignal): Promise<ObjectInfo | undefined>
  /** Idempotent; says whether there was something to delete (on S3 both of two at once may say so). */
  delete(key: ObjectKey, signal?: AbortSignal): Promise<boolean>
  /** In byte order of keys, lazily; an object written meanwhile may or may not appear. */
  list(options?: ListOptions): AsyncIterable<ObjectInfo>
}
