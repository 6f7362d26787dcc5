// What a change of a run does to the lists and runs that pages show. Values in, values out: the cache is the caller's.

import { originOf } from '../features/runs/run-state.ts'
import type { Run, RunList, RunSummary, TaskChange } from './types.ts'

export type RunFilter = {
  readonly branch?: string | undefined
  readonly tag?: string | undefined
  readonly pullRequest?: string | undefined
  readonly refType?: 'branch' | 'tag' | 'pullRequest' | undefined
  readonly phase?: readonly RunSummary['phase'][] | undefined
  readonly result?: readonly RunSummary['result'][] | undefined
  readonly text?: string | undefined
  readonly author?: string | undefined
}

/** Pages of a list, the newest first. */
export type RunPages = { readonly pages: readonly RunList[] }

/** By what the server filters with, too. */
export function matchesFilter(
  run: RunSummary,
  { branch, tag, pullRequest, refType, phase, result, text, author }: RunFilter,
): boolean {
  const { annotations = {} } = run
  if (branch !== undefined && annotations.branch !== branch) return false
  if (tag !== undefined && annotations.tag !== tag) return false
  if (pullRequest !== undefined && annotations.pull_request_id !== pullRequest) return false
  if (refType !== undefined && originOf(run).kind !== refType) return false
  if (author !== undefined && !hasPart(annotations.webhook_sender, author)) return false
  if (text !== undefined && !hasPart(searchedText(run), text)) return false
  if (phase !== undefined && phase.length > 0 && !phase.includes(run.phase)) return false
  return result === undefined || result.length === 0 || result.includes(run.result)
}

function searchedText({ number, name, group, annotations = {} }: RunSummary): string {
  const { message = '', commit_sha: sha = '', webhook_sender: sender = '' } = annotations
  return `#${number} ${name} ${group.split('/').slice(4).join('/')} ${message} ${sha} ${sender}`
}

function hasPart(whole: string | undefined, part: string): boolean {
  return (whole ?? '').toLowerCase().includes(part.toLowerCase())
}

/**
 * The list with the run as it is now: in its place, gone when it does not match any more, or new where its number belongs. What lies
 * after the last page that was loaded is not added. The same object when nothing changes.
 */
export function applyRunToList<P extends RunPages>(list: P, run: RunSummary, filter: RunFilter): P {
  const index = list.pages.findIndex(({ items }) => items.some(({ id }) => id === run.id))
  const isShown = matchesFilter(run, filter)
  if (index !== -1)
    return withPage(list, index, (items) =>
      isShown
        ? items.map((item) => (item.id === run.id ? mergeRun(item, run) : item))
        : items.filter(({ id }) => id !== run.id),
    )
  if (!isShown) return list
  const last = list.pages.at(-1)
  if (last === undefined) return list
  const page = list.pages.findIndex(({ items }) => items.some(({ number }) => number < run.number))
  if (page === -1 && last.nextCursor !== undefined) return list
  return withPage(list, page === -1 ? list.pages.length - 1 : page, (items) => {
    const at = items.findIndex(({ number }) => number < run.number)
    return at === -1 ? [...items, run] : [...items.slice(0, at), run, ...items.slice(at)]
  })
}

/** The approvals a run waits for change with its tasks. */
export function applyTaskToList<P extends RunPages>(list: P, { runId, task }: TaskChange): P {
  const index = list.pages.findIndex(({ items }) => items.some(({ id }) => id === runId))
  if (index === -1) return list
  const old = list.pages[index]!.items.find(({ id }) => id === runId)!
  const waiting = old.tasksWaitingApproval ?? []
  const isWaiting = task.isWaitingApproval && task.status === 'notstarted'
  if (waiting.includes(task.id) === isWaiting) return list
  const tasksWaitingApproval = isWaiting ? [...waiting, task.id] : waiting.filter((id) => id !== task.id)
  return withPage(list, index, (items) =>
    items.map((item) => (item.id === runId ? { ...item, tasksWaitingApproval } : item)),
  )
}

/** A run that is open on a page, with its tasks. */
export function applyRunToRun(open: Run, run: RunSummary): Run {
  return open.id === run.id ? { ...open, ...mergeRun(open, run) } : open
}

/** Changes leave out what only a list or a run tells: it stays, unless the new state denies it. */
function mergeRun<R extends RunSummary>(old: R, run: RunSummary): R {
  const hasEnded = run.phase !== 'queued' && run.phase !== 'running'
  const { tasksWaitingApproval: _approvals, reason: _reason, ...kept } = old
  return {
    ...kept,
    ...run,
    ...(run.tasksWaitingApproval === undefined && old.tasksWaitingApproval !== undefined && !hasEnded
      ? { tasksWaitingApproval: old.tasksWaitingApproval }
      : {}),
  } as R
}

function withPage<P extends RunPages>(list: P, index: number, change: (items: RunSummary[]) => RunSummary[]): P {
  const pages = list.pages.map((page, at) => (at === index ? { ...page, items: change([...page.items]) } : page))
  return { ...list, pages }
}
