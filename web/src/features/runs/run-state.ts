// What people see of the state of a run or task: one word and one mark, whatever the machinery's two or three fields say.

import type { Run, RunSummary, TaskSummary } from '../../api/types.ts'

export type ShownState =
  | 'success'
  | 'failed'
  | 'running'
  | 'stopping'
  | 'queued'
  | 'approval'
  | 'stopped'
  | 'cancelled'
  | 'skipped'
  | 'setuperror'
  | 'notstarted'

export const stateWords: Readonly<Record<ShownState, string>> = {
  success: 'Succeeded',
  failed: 'Failed',
  running: 'Running',
  stopping: 'Stopping',
  queued: 'Queued',
  approval: 'Waiting for approval',
  stopped: 'Stopped',
  cancelled: 'Cancelled',
  skipped: 'Skipped',
  setuperror: 'Setup error',
  notstarted: 'Not started',
}

type RunState = Pick<RunSummary, 'phase' | 'result' | 'isStopping' | 'tasksWaitingApproval'>

/** A result that is there already goes before the phase: a failed run whose last tasks still run has failed. */
export function stateOfRun(run: RunState): ShownState {
  if (run.phase === 'setuperror' || run.phase === 'cancelled') return run.phase
  if (run.result !== 'unknown') return run.result
  if (run.isStopping === true) return 'stopping'
  if (run.phase === 'running' && (run.tasksWaitingApproval?.length ?? 0) > 0) return 'approval'
  return run.phase === 'running' ? 'running' : 'queued'
}

/** A result is set, but tasks still run: cleaning up, or what the failure did not concern. */
export function isStillRunning(run: RunState): boolean {
  return run.phase === 'running' && run.result !== 'unknown'
}

export function isLive(run: Pick<RunSummary, 'phase'>): boolean {
  return run.phase === 'queued' || run.phase === 'running'
}

export function stateOfTask(task: Pick<TaskSummary, 'status' | 'isWaitingApproval'>): ShownState {
  if (task.status === 'notstarted' && task.isWaitingApproval) return 'approval'
  return task.status
}

/** Where the commit of a run comes from: what one filters by. */
export type RunOrigin =
  | { readonly kind: 'branch' | 'tag'; readonly name: string; readonly link: string | undefined }
  | { readonly kind: 'pullRequest'; readonly name: string; readonly link: string | undefined }
  | { readonly kind: 'direct' }

/** From the annotations; of runs that ended long ago, which have none, from the run's group. */
export function originOf({ annotations = {}, group }: Pick<RunSummary, 'annotations' | 'group'>): RunOrigin {
  const link = (name: string) => safeLink(annotations[name])
  const { branch, tag, pull_request_id: pullRequest } = annotations
  if (pullRequest) return { kind: 'pullRequest', name: pullRequest, link: link('pull_request_link') }
  if (tag) return { kind: 'tag', name: tag, link: link('tag_link') }
  if (branch) return { kind: 'branch', name: branch, link: link('branch_link') }
  const [, owner, , kind, ...rest] = group.split('/')
  if (owner !== 'project' || kind === undefined || rest.length === 0) return { kind: 'direct' }
  const name = unescapeSegment(rest.join('/'))
  if (kind === 'tag' || kind === 'branch') return { kind, name, link: undefined }
  return { kind: 'pullRequest', name, link: undefined }
}

function unescapeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Links come from what git servers say: only web addresses become links. */
export function safeLink(link: string | undefined): string | undefined {
  return link !== undefined && /^https?:\/\//i.test(link) ? link : undefined
}

export type RunCommit = { readonly sha: string; readonly subject: string; readonly link: string | undefined }

export function commitOf({ annotations = {} }: Pick<RunSummary, 'annotations'>): RunCommit {
  return {
    sha: annotations.commit_sha ?? '',
    subject: (annotations.message ?? '').split('\n', 1)[0] ?? '',
    link: safeLink(annotations.commit_link),
  }
}

/** Milliseconds from its start to its end, or to `now`; undefined when it has not begun. */
export function durationOf(
  { startedAt, endedAt }: { readonly startedAt?: string | undefined; readonly endedAt?: string | undefined },
  now: number,
): number | undefined {
  if (startedAt === undefined) return undefined
  return Math.max(0, (endedAt === undefined ? now : Date.parse(endedAt)) - Date.parse(startedAt))
}

/** Tasks counted by what is shown of them. */
export function countStates(run: Pick<Run, 'tasks'>): ReadonlyMap<ShownState, number> {
  const counts = new Map<ShownState, number>()
  for (const task of run.tasks) {
    const state = stateOfTask(task)
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  return counts
}
