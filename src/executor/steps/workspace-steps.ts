// `save_to_workspace` and `restore_workspace`: files from task to task, through object storage.

import type { RestoreWorkspaceStep, SaveToWorkspaceStep } from '../../pipeline/run-config.ts'
import { formatBytes, packFiles, unpackFiles } from './archives.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'

export async function executeSaveToWorkspace(step: SaveToWorkspaceStep, context: StepContext): Promise<StepOutcome> {
  const { order, index, api, log, signal } = context
  const stored = await api.saveArchive(order.executorTaskId, index, packFiles(step.contents, context), signal)
  log.line(`Saved ${formatBytes(stored.sizeBytes)} to the workspace`)
  return succeeded
}

export async function executeRestoreWorkspace(step: RestoreWorkspaceStep, context: StepContext): Promise<StepOutcome> {
  const { order, api, log, signal } = context
  for (const { archive, taskName, step: from } of order.workspace) {
    if (archive === undefined) {
      log.line(`Task ${taskName} did not save its step ${from}: nothing to restore`)
      continue
    }
    await unpackFiles(step.destDir, api.readArchive(order.executorTaskId, archive, signal), context)
    log.line(`Restored ${formatBytes(archive.sizeBytes)} that task ${taskName} saved`)
  }
  return succeeded
}
