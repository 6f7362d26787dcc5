// `save_to_workspace` and `restore_workspace`: files from task to task, through object storage.

import { limits } from '../../lib/limits.ts'
import type { RestoreWorkspaceStep, SaveToWorkspaceStep } from '../../pipeline/run-config.ts'
import { compressed, decompressed } from '../archive-codec.ts'
import { joinWorkingDir } from './run-step.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'

export const archiveLimits = { sizeBytesMax: limits.archiveBytes.value, entriesMax: limits.archiveEntries.value }

export async function executeSaveToWorkspace(step: SaveToWorkspaceStep, context: StepContext): Promise<StepOutcome> {
  const { order, index, pod, api, log, signal } = context
  const tar = pod.archive(
    {
      contents: step.contents,
      workingDir: order.workingDir,
      environment: order.environment,
      limits: archiveLimits,
      note: (line) => log.line(line),
    },
    signal,
  )
  const stored = await api.saveArchive(order.executorTaskId, index, compressed(tar), signal)
  log.line(`Saved ${formatBytes(stored.sizeBytes)} to the workspace`)
  return succeeded
}

export async function executeRestoreWorkspace(step: RestoreWorkspaceStep, context: StepContext): Promise<StepOutcome> {
  const { order, pod, api, log, signal } = context
  for (const { archive, taskName, step: from } of order.workspace) {
    if (archive === undefined) {
      log.line(`Task ${taskName} did not save its step ${from}: nothing to restore`)
      continue
    }
    await pod.unarchive(
      {
        destDir: joinWorkingDir(order.workingDir, step.destDir),
        workingDir: order.workingDir,
        environment: order.environment,
        existing: context.isResumed ? 'overwrite' : 'refuse',
        limits: archiveLimits,
      },
      decompressed(api.readArchive(order.executorTaskId, archive, signal)),
      signal,
    )
    log.line(`Restored ${formatBytes(archive.sizeBytes)} that task ${taskName} saved`)
  }
  return succeeded
}

/** 1536 -> `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
