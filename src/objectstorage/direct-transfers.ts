// How others get at single objects of a bucket without its keys: by signed URLs, each for one request and a short time. A URL
// to write is for these bytes and no others: their number and SHA-256 are signed, so the store refuses anything else.

import type { ObjectKey, PutResult } from './object-storage.ts'

/** One HTTP request, as it is to be sent. The URL is a credential: it must not be logged, nor stand in the message of an error. */
export type SignedRequest = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** What is written in one request: content and, at the end of the last one, the footer of object-footer.ts. */
export type DirectPart = {
  readonly key: ObjectKey
  /** Of `begin`; undefined when this is the whole object. */
  readonly uploadId: string | undefined
  /** From 0. */
  readonly index: number
  readonly sizeBytes: number
  /** Lower case hex. */
  readonly sha256: string
}

export interface DirectTransfers {
  /** Begins an object of several parts, which nobody sees before it is completed. Keys should be used once only. */
  begin(key: ObjectKey, signal?: AbortSignal): Promise<string>
  /** For `limits.signedUrlMs`. All parts but the last have at least 5 MiB. */
  signPart(part: DirectPart): Promise<SignedRequest>
  /** As the request that `signPart` signs. Errors: `upload_not_found`, `object_corrupt` when the data is not what the part says. */
  putPart(part: DirectPart, data: Uint8Array, signal?: AbortSignal): Promise<void>
  /**
   * The object is there when it returns, and its footer says what was announced; the content itself is not read. Again is as once.
   * Errors: `upload_not_found`; `object_corrupt` when it is something else, which is then removed.
   */
  complete(
    upload: { readonly key: ObjectKey; readonly uploadId: string | undefined },
    announced: PutResult,
    signal?: AbortSignal,
  ): Promise<void>
  /** To read an object, or by a Range header a part of it, for `limits.signedUrlMs`. Its content is followed by the footer. */
  signRead(key: ObjectKey): Promise<SignedRequest>
  /** Removes what was begun before `before` and never completed. */
  removeOldUploads(before: number, signal?: AbortSignal): Promise<void>
}
