// Does tasks that the configstore gives out, for a service that they are about: holds each as long as it takes, and gives it back
// with what went wrong. Any number of instances may; each task is with one of them at a time.

import type { Clock } from '../../lib/clock.ts'
import { errorMessage, isSlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Configstore } from '../api.ts'
import type { CascadeKind, CascadeTask } from '../types.ts'

export type TaskWorkerSettings = {
  readonly kinds: readonly CascadeKind[]
  /** Unique among processes and their starts. */
  readonly holder: string
}

export type TaskWorkerComponents = {
  readonly configstore: Pick<Configstore, 'claimTasks' | 'renewTask' | 'completeTask' | 'failTask'>
  /**
   * Does it; doing it twice does no harm. What it throws is noted, and the task comes again later. `signal`: it is another's by
   * now, or the worker ends.
   */
  readonly perform: (task: CascadeTask, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** A killed instance keeps a task from the others for so long. */
const leaseMs = 5_000
const renewMs = 1_500
const waitMs = 30_000
/** After a failure of the configstore itself. */
const pauseMs = 5_000
const retryMs = { first: 5_000, most: 60 * 60 * 1000 }

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function workOnTasks(
  settings: TaskWorkerSettings,
  components: TaskWorkerComponents,
  signal: AbortSignal,
): Promise<void> {
  const { configstore, clock, logger } = components
  while (!signal.aborted) {
    try {
      // One at a time: what waits longer than a lease would be given to another one meanwhile.
      const { tasks } = await configstore.claimTasks({ ...settings, leaseMs, limit: 1, waitMs }, { signal })
      for (const task of tasks) await workOn(task, settings.holder, components, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!isSlipwayError(error, 'maintenance'))
        logger.warn('tasks cannot be claimed or given back', { kinds: settings.kinds, error })
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }
}

async function workOn(
  task: CascadeTask,
  holder: string,
  { configstore, perform, clock, logger }: TaskWorkerComponents,
  signal: AbortSignal,
): Promise<void> {
  const { id } = task
  const over = new AbortController()
  const during = AbortSignal.any([signal, over.signal])
  const holding = hold(async () => {
    await clock.sleep(renewMs, during)
    await configstore.renewTask({ id, holder, leaseMs })
  }, during).finally(() => over.abort())
  try {
    await perform(task, during)
    await configstore.completeTask({ id, holder })
    logger.debug('task done', { task: id, attempts: task.attempts + 1 })
  } catch (error) {
    if (isSlipwayError(error, 'task_lease_lost')) return // Whoever has it now does it again.
    if (signal.aborted) return // Its lease ends, then another one gets it.
    logger.warn('task failed', { task: id, attempts: task.attempts + 1, error })
    const wait = Math.min(retryMs.first * 2 ** task.attempts, retryMs.most)
    await configstore.failTask({ id, holder, error: errorMessage(error), retryMs: wait }).catch((cause: unknown) => {
      if (!isSlipwayError(cause, 'task_lease_lost')) throw cause
    })
  } finally {
    over.abort()
    await holding
  }
}

/** Again and again until `signal`, or until the task is not ours any more. */
async function hold(renew: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await renew()
    } catch (error) {
      if (isSlipwayError(error, 'task_lease_lost')) return
      // The configstore may be back before the lease has ended.
    }
  }
}
