// Whether what a server keeps can be reached by others than its own machine.

import { relative } from 'node:path'
import type { Settings } from './read-settings.ts'

/** Object storage that is not below the data directory: another machine may use it as well. */
export function isStorageShared({ objectStorage, dataDir }: Pick<Settings, 'objectStorage' | 'dataDir'>): boolean {
  return objectStorage.type !== 'posix' || relative(dataDir, objectStorage.path).startsWith('..')
}
