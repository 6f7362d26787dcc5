// Exit status of runs that have ended.

import { exitStatus } from '../exit-status.ts'
import type { FollowedRun } from './followed-run.ts'

export function statusOf(views: readonly { readonly run: Pick<FollowedRun['run'], 'phase' | 'result'> }[]): number {
  if (views.some(({ run }) => run.result === 'failed' || run.phase === 'setuperror')) return exitStatus.runFailed
  if (views.some(({ run }) => run.result === 'stopped' || run.phase === 'cancelled')) return exitStatus.stopped
  return exitStatus.success
}
