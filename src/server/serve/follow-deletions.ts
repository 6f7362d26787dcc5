// What has to be removed elsewhere after a deletion in the configstore: runs, and what was set up at a provider.

import type { Configstore } from '../../configstore/api.ts'
import { workOnTasks } from '../../configstore/cascade/task-worker.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { CascadeKind, CascadeTask, CascadeWork } from '../../configstore/types.ts'
import { cleanRemote } from '../../gateway/remote-projects/remote-set-up.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Runservice } from '../../runservice/api.ts'

export type FollowDeletionsComponents = {
  readonly configstore: Pick<Configstore, 'claimTasks' | 'renewTask' | 'completeTask' | 'failTask' | 'getProject'>
  readonly providers: Pick<ProviderAccess, 'openAccountProvider'>
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
  components: FollowDeletionsComponents,
  signal: AbortSignal,
): Promise<void> {
  const { runservice, clock, logger } = components
  switch (work.kind) {
    case 'delete_runs':
      for (let isDone = false; !isDone; ) {
        signal.throwIfAborted()
        isDone = (await runservice.deleteRunsOf({ owner: work.owner }, signal)).isDone
      }
      logger.info('runs of what was deleted are removed', { owner: work.owner })
      return
    case 'clean_remote':
      return await clean(
        work,
        { ...components, isLate: clock.now() - createdAt >= limits.remoteCleaningMs.value },
        signal,
      )
  }
}

/** Given up after a while, and when nobody could ever do it; then it is told in the log, for people to do it. */
async function clean(
  work: Extract<CascadeWork, { readonly kind: 'clean_remote' }>,
  components: FollowDeletionsComponents & { readonly isLate: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { projectId, remoteHookId, remoteDeployKeyId, remoteHookUrl, source } = work
  if (remoteHookId === undefined && remoteDeployKeyId === undefined && remoteHookUrl === undefined) return
  const { logger, isLate } = components
  const fields = { projectId, repository: source.repositoryPath, remoteHookId, remoteDeployKeyId, remoteHookUrl }
  const giveUp = (why: string) =>
    logger.warn('what a project had at its provider stays there: remove it by hand', { ...fields, why })
  try {
    const during = AbortSignal.any([signal, components.clock.timeout(cleanMs)])
    const outcome = await cleanRemote(work, components, during)
    if (outcome.kind === 'gone') giveUp(outcome.why)
    else logger.info('what a project had at its provider is removed', fields)
  } catch (error) {
    signal.throwIfAborted()
    if (!isLate) throw error
    giveUp(errorMessage(error))
  }
}

/** A provider that answers slower than that is as good as one that does not. */
const cleanMs = 2 * 60_000
