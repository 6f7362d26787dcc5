// `save_cache` and `restore_cache`. Keys are templates, evaluated with facts of the pod.

import type { RestoreCacheStep, SaveCacheStep } from '../../pipeline/run-config.ts'
import { formatBytes, packFiles, unpackFiles } from './archives.ts'
import { renderCacheKey } from './cache-key.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'

export async function executeSaveCache(step: SaveCacheStep, context: StepContext): Promise<StepOutcome> {
  const { order, api, log, signal } = context
  const key = await renderCacheKey(step.key, context)
  if ((await api.findCache(order.executorTaskId, key, { exactOnly: true }, signal)) !== undefined) {
    log.line(`Cache ${key} exists already`)
    return succeeded
  }
  const answer = await api.saveCache(order.executorTaskId, key, packFiles(step.contents, context), signal)
  log.line(answer === 'stored' ? `Saved cache ${key}` : `Cache ${key} was saved by another task meanwhile`)
  return succeeded
}

export async function executeRestoreCache(step: RestoreCacheStep, context: StepContext): Promise<StepOutcome> {
  const { order, api, log, signal } = context
  for (const template of step.keys) {
    const key = await renderCacheKey(template, context)
    const found = await api.findCache(order.executorTaskId, key, { exactOnly: false }, signal)
    if (found === undefined) {
      log.line(`No cache for ${key}`)
      continue
    }
    await unpackFiles(step.destDir, api.readCache(order.executorTaskId, found, signal), context)
    log.line(`Restored cache ${found.key} (${formatBytes(found.sizeBytes)})`)
    return succeeded
  }
  return succeeded
}
