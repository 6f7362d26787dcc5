// Exit status of runs that have ended.

import type { RunView } from '../../runservice/api.ts'
import { exitStatus } from '../exit-status.ts'

export function statusOf(views: readonly Pick<RunView, 'run'>[]): number {
  if (views.some(({ run }) => run.result === 'failed' || run.phase === 'setuperror')) return exitStatus.runFailed
  if (views.some(({ run }) => run.result === 'stopped' || run.phase === 'cancelled')) return exitStatus.stopped
  return exitStatus.success
}
