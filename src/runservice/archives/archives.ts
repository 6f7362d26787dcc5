// Where workspace archives are: a row decides which object is the archive of a step; objects that no row names are what a
// crash, or a second writer, left behind.
//
//   archives/<run task id>/<step>-<uuid>.tar.zst

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { WorkspaceArchive } from '../types.ts'

export const archivesFolder = 'archives/'

type Place = Pick<WorkspaceArchive, 'runTaskId' | 'step'>

export function archiveRowId({ runTaskId, step }: Place): string {
  return `${runTaskId}.${step}`
}

/** All objects written for a step begin with it; what follows is unique. */
export function archivePrefix({ runTaskId, step }: Place): string {
  return `${archivesFolder}${runTaskId}/${step}-`
}

/** The row that names this object, or undefined when none does. */
export function findArchive(
  tx: Pick<ReadTransaction<RunserviceSchema>, 'get'>,
  object: string,
): WorkspaceArchive | undefined {
  const [, runTaskId, step] = /^archives\/([^/]+)\/(\d+)-/.exec(object) ?? []
  if (runTaskId === undefined || step === undefined) return undefined
  const row = tx.get('archive', archiveRowId({ runTaskId, step: Number(step) }))
  return row?.object === object ? row : undefined
}
