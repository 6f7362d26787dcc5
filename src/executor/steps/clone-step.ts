// `clone`: the commit of the run, streamed into the pod as the step's user. The image needs no git.

import { isSlipwayError } from '../../lib/errors.ts'
import type { CloneStep } from '../../pipeline/run-config.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { archiveLimits } from './archives.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'

export async function executeCloneStep(step: CloneStep, context: StepContext): Promise<StepOutcome> {
  const { order, pod, mirrors, log, signal } = context
  const path = await packedTree(step, context)
  await pod.unarchive(
    {
      destDir: order.workingDir,
      workingDir: '',
      environment: order.environment,
      existing: context.isResumed ? 'overwrite' : 'empty',
      limits: archiveLimits,
    },
    mirrors.open(path, signal),
    signal,
  )
  log.line(`Checked out ${order.clone.commitSha} into ${order.workingDir === '' ? '.' : order.workingDir}`)
  return succeeded
}

/** From where the repository is by now when it cannot be had from where the order says: it may have been renamed since. */
async function packedTree(step: CloneStep, { order, api, mirrors, log, signal }: StepContext): Promise<string> {
  const options = {
    ...(step.depth === undefined ? {} : { depth: step.depth }),
    recurseSubmodules: step.recurseSubmodules,
    lfs: step.lfs ?? false,
  }
  const packed = (source: CloneSource) => mirrors.packedTree(source, options, (line) => log.line(line), signal)
  try {
    return await packed(order.clone)
  } catch (error) {
    if (!isSlipwayError(error, 'git_failed')) throw error
    // Where this cannot be asked, what git said is what there is to tell.
    const url = await api.cloneUrl(order.executorTaskId, signal).catch(() => order.clone.url)
    signal.throwIfAborted()
    if (url === order.clone.url) throw error
    log.line(`The repository is at ${url} by now`)
    return await packed({ ...order.clone, url, originUrl: url })
  }
}
