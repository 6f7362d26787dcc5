// Archives on their way from an executor straight into a bucket: each part goes to a signed URL, or through the server where the
// executor cannot reach the bucket; the bucket puts them together. Nothing is remembered here, so every call may come to another
// instance: the id of an upload says what it is for, which object it makes, and, once it has several parts, the id that the
// bucket gave it.
//
//   w<step>.<uuid>[.<bucket's id>]        a workspace archive
//   c<key>.<uuid>[.<bucket's id>]         a cache; key and bucket's id in base64url

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { DirectTransfers } from '../../objectstorage/direct-transfers.ts'
import type { DirectPartRequest, SignedPart, StoredArchive, UploadPurpose } from '../executor-api.ts'

export type DirectUpload = {
  readonly purpose: UploadPurpose
  readonly uuid: string
  /** The bucket's, when it has several parts. */
  readonly multipartId: string | undefined
}

/** An upload, and where it goes. */
type Place = { readonly upload: DirectUpload; readonly object: string }

export function formatUploadId({ purpose, uuid, multipartId }: DirectUpload): string {
  const what = purpose.kind === 'workspace' ? `w${purpose.step}` : `c${base64url(purpose.key)}`
  return [what, uuid, ...(multipartId === undefined ? [] : [base64url(multipartId)])].join('.')
}

/** Undefined for the id of an upload whose parts are objects (uploads.ts). Errors: `upload_not_found` for what is no id. */
export function parseUploadId(id: string): DirectUpload | undefined {
  if (!id.includes('.')) return undefined
  const [, kind, what = '', uuid = '', multipart] = pattern.exec(id) ?? []
  if (kind === undefined) throw new SlipwayError('upload_not_found', 'there is no such upload')
  const purpose: UploadPurpose =
    kind === 'w' ? { kind: 'workspace', step: Number(what) } : { kind: 'cache', key: textOf(what) }
  return { purpose, uuid, multipartId: multipart === undefined ? undefined : textOf(multipart) }
}

/** Where this part is to be sent. The first of several parts begins the upload: from then on it has the id that is returned. */
export async function signPart(
  direct: DirectTransfers,
  { upload, object }: Place,
  part: DirectPartRequest,
): Promise<SignedPart> {
  const begun = await beginIfFirst(direct, { upload, object }, part)
  const { index, sizeBytes, sha256 } = part
  const request = await direct.signPart({ key: object, uploadId: begun.multipartId, index, sizeBytes, sha256 })
  return { uploadId: formatUploadId(begun), request }
}

/** As `signPart`, and sends it there. */
export async function relayPart(
  direct: DirectTransfers,
  { upload, object }: Place,
  part: DirectPartRequest & { readonly data: Uint8Array },
): Promise<string> {
  const begun = await beginIfFirst(direct, { upload, object }, part)
  const { index, sizeBytes, sha256, data } = part
  await direct.putPart({ key: object, uploadId: begun.multipartId, index, sizeBytes, sha256 }, data)
  return formatUploadId(begun)
}

export async function completeDirect(
  direct: DirectTransfers,
  { upload, object }: Place,
  { sizeBytes, sha256 }: Omit<StoredArchive, 'object'>,
): Promise<StoredArchive> {
  await direct.complete({ key: object, uploadId: upload.multipartId }, { sizeBytes, sha256 })
  return { object, sizeBytes, sha256 }
}

async function beginIfFirst(direct: DirectTransfers, { upload, object }: Place, part: DirectPartRequest) {
  if (part.index >= limits.uploadParts.value)
    throw new SlipwayError('limit_exceeded', `an archive has at most ${limits.uploadParts.value} parts`)
  if (part.sizeBytes > limits.uploadPartBytes.value)
    throw new SlipwayError('limit_exceeded', `a part has at most ${limits.uploadPartBytes.value} bytes`)
  const isWhole = part.index === 0 && part.isLast
  if (isWhole || upload.multipartId !== undefined) return upload
  if (part.index > 0) throw new SlipwayError('upload_not_found', 'the first part of this upload was not sent')
  return { ...upload, multipartId: await direct.begin(object) }
}

const pattern = /^([wc])([A-Za-z0-9_-]+)\.([0-9a-f-]{36})(?:\.([A-Za-z0-9_-]+))?$/
const base64url = (text: string) => Buffer.from(text).toString('base64url')
const textOf = (encoded: string) => Buffer.from(encoded, 'base64url').toString()
