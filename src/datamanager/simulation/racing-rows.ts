// What the processes of a race and their judge have in common.

import type { Json } from '../../lib/json.ts'
import type { ObjectStorageSettings } from '../../objectstorage/open-object-storage.ts'

export type Racing = {
  /** Of this life of the process. */
  readonly name: string
  readonly settings: Json
  readonly storage: ObjectStorageSettings
  readonly modelPath: string
  readonly callers: number
  /** Writes now and then are so large that they do not fit into the log itself. */
  readonly largeBytes: number
  /** They make snapshots and collect all the time. */
  readonly makesSnapshots: boolean
}
export type RacingRows = {
  counter: { readonly value: number }
  line: { readonly number: number; readonly text: string }
}
export const racingTypes = { counter: {}, line: {} }
export const racingBase = 'racing'
export const racingService = 'race'
/** So many that a stopped writer is soon without the records it needs. */
export const racingSnapshots = { records: 25, pauseMs: 200, fileBytes: 8192 }
export const racingIdentity = { store: 'racing-store', generation: 'racing-generation' }
