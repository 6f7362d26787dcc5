// What has to be removed elsewhere after a deletion in the configstore: runs, and what was set up at a provider.

import type { Configstore } from '../../configstore/api.ts'
import { workOnTasks } from '../../configstore/task-worker.ts'
import type { CascadeKind, CascadeTask, CascadeWork } from '../../configstore/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Runservice } from '../../runservice/api.ts'

export type FollowDeletionsComponents = {
  readonly configstore: Pick<Configstore, 'claimTasks' | 'renewTask' | 'completeTask' | 'failTask'>
  readonly runservice: Pick<Runservice, 'deleteRunsOf'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Does the tasks of the configstore, one of each kind at a time, until it is disposed; what is under way then, goes on at the next
 * start or in another instance. `holder`: this process.
 */
export function followDeletions(holder: string, components: FollowDeletionsComponents): AsyncDisposable {
  const leaving = new AbortController()
  const workOn = (kind: CascadeKind) =>
    workOnTasks(
      { kinds: [kind], holder },
      { ...components, perform: (task, signal) => perform(task, components, signal) },
      leaving.signal,
    )
  // A project of many runs keeps no webhook waiting.
  const working = Promise.all([workOn('delete_runs'), workOn('clean_remote')])
  return {
    [Symbol.asyncDispose]: async () => {
      leaving.abort(new Error('the process ends'))
      await working
    },
  }
}

async function perform(
  { work, createdAt }: CascadeTask,
  { runservice, clock, logger }: FollowDeletionsComponents,
  signal: AbortSignal,
): Promise<void> {
  switch (work.kind) {
    case 'delete_runs':
      for (let isDone = false; !isDone; ) {
        signal.throwIfAborted()
        isDone = (await runservice.deleteRunsOf({ owner: work.owner }, signal)).isDone
      }
      logger.info('runs of what was deleted are removed', { owner: work.owner })
      return
    case 'clean_remote':
      return cleanRemote(work, { isLate: clock.now() - createdAt >= limits.remoteCleaningMs.value, logger })
  }
}

/**
 * This version sets up nothing at providers, and can remove nothing there. A task that names something waits for one that can,
 * which may come with an upgrade; the credentials it needs are kept as long.
 */
function cleanRemote(
  { projectId, remoteHookId, remoteDeployKeyId }: Extract<CascadeWork, { readonly kind: 'clean_remote' }>,
  { isLate, logger }: { readonly isLate: boolean; readonly logger: Logger },
): void {
  if (remoteHookId === undefined && remoteDeployKeyId === undefined) return
  const fields = { projectId, remoteHookId, remoteDeployKeyId }
  if (!isLate)
    throw new SlipwayError(
      'service_unavailable',
      `webhook and deploy key of project ${projectId} are still at their provider: this server cannot remove them there`,
    )
  logger.warn('what a deleted project has at its provider stays there: remove it by hand', fields)
}
