// `clone`: the commit of the run, streamed into the pod as the step's user. The image needs no git.

import type { CloneStep } from '../../pipeline/run-config.ts'
import { archiveLimits } from './archives.ts'
import { type StepContext, type StepOutcome, succeeded } from './step-context.ts'

export async function executeCloneStep(step: CloneStep, context: StepContext): Promise<StepOutcome> {
  const { order, pod, mirrors, log, signal } = context
  const path = await mirrors.packedTree(
    order.clone,
    {
      ...(step.depth === undefined ? {} : { depth: step.depth }),
      recurseSubmodules: step.recurseSubmodules,
      lfs: step.lfs ?? false,
    },
    (line) => log.line(line),
    signal,
  )
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
