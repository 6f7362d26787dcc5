import { expect, test } from 'vitest'
import type { ObjectStorageSettings } from '../../objectstorage/open-object-storage.ts'
import { isStorageShared } from './shared-storage.ts'

test.each([
  ['below the data directory', { type: 'posix', path: '/data/objects' }, false],
  ['beside it', { type: 'posix', path: '/mnt/objects' }, true],
  ['beside it with a name that begins alike', { type: 'posix', path: '/data-objects' }, true],
  ['a bucket', { type: 's3', bucket: 'b', region: 'r' }, true],
] as const satisfies readonly (readonly [string, ObjectStorageSettings, boolean])[])(
  'object storage %s',
  (_, objectStorage, isShared) => {
    expect(isStorageShared({ objectStorage, dataDir: '/data' })).toBe(isShared)
  },
)
