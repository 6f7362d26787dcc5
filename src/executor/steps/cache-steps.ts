// `save_cache` and `restore_cache`. Keys are templates, evaluated with facts of the pod.

import type { RestoreCacheStep, SaveCacheStep } from '../../pipeline/run-config.ts'
import { compressed, decompressed } from '../archive-codec.ts'
import { renderCacheKey } from './cache-key.ts'
import { joinWorkingDir } from './run-step.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'
import { archiveLimits, formatBytes } from './workspace-steps.ts'

export async function executeSaveCache(step: SaveCacheStep, context: StepContext): Promise<StepOutcome> {
  const { order, pod, api, log, signal } = context
  const key = await renderCacheKey(step.key, context)
  if ((await api.findCache(order.executorTaskId, key, { exactOnly: true }, signal)) !== undefined) {
    log.line(`Cache ${key} exists already`)
    return succeeded
  }
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
  const answer = await api.saveCache(order.executorTaskId, key, compressed(tar), signal)
  log.line(answer === 'stored' ? `Saved cache ${key}` : `Cache ${key} was saved by another task meanwhile`)
  return succeeded
}

export async function executeRestoreCache(step: RestoreCacheStep, context: StepContext): Promise<StepOutcome> {
  const { order, pod, api, log, signal } = context
  for (const template of step.keys) {
    const key = await renderCacheKey(template, context)
    const found = await api.findCache(order.executorTaskId, key, { exactOnly: false }, signal)
    if (found === undefined) {
      log.line(`No cache for ${key}`)
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
      decompressed(api.readCache(order.executorTaskId, found, signal)),
      signal,
    )
    log.line(`Restored cache ${found.key} (${formatBytes(found.sizeBytes)})`)
    return succeeded
  }
  return succeeded
}
