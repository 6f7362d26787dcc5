// The object storage that a configuration names.

import { unreachable } from '../lib/errors.ts'
import type { ObjectStorage } from './object-storage.ts'
import { openPosixObjectStorage } from './posix.ts'
import { openS3ObjectStorage } from './s3.ts'
import type { S3Settings } from './s3-settings.ts'

export type ObjectStorageSettings =
  | { readonly type: 'posix' /** Made when missing. */; readonly path: string }
  | ({ readonly type: 's3' } & S3Settings)

/** Opens it; disposing is the caller's. Errors are those of `openPosixObjectStorage` and `openS3ObjectStorage`. */
export async function openObjectStorage(settings: ObjectStorageSettings): Promise<ObjectStorage> {
  switch (settings.type) {
    case 'posix':
      return await openPosixObjectStorage({ root: settings.path })
    case 's3':
      return await openS3ObjectStorage(settings)
    default:
      return unreachable(settings)
  }
}
