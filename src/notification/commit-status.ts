// What a commit says of a run: state, context and a line of words. Pure.

import { createHash } from 'node:crypto'
import type { CommitStatusState } from '../gitsource/provider.ts'
import type { RefType } from '../pipeline/event.ts'
import type { RunView } from '../runservice/api.ts'
import { describeReason } from '../runservice/reasons.ts'
import type { RunTask } from '../runservice/types.ts'

/** GitHub takes no longer one. */
const descriptionCharactersMax = 140
/** Providers take 255; what would be cut there could meet another one. */
const contextCharactersMax = 200

/**
 * `slipway/org/acme/web/build/push`: another one for each project, name of a run, and for branches, tags and pull requests, so that
 * none overwrites another's.
 */
export function statusContext(input: {
  readonly prefix: string
  readonly projectPath: string
  readonly runName: string
  readonly refType: string
}): string {
  const { prefix, projectPath, runName, refType } = input
  const kind = refWords[refType as RefType] ?? 'push'
  const context = `${prefix}/${projectPath}/${runName}/${kind}`
  if (context.length <= contextCharactersMax) return context
  const digest = createHash('sha256').update(context).digest('hex').slice(0, 16)
  return `${context.slice(0, contextCharactersMax - digest.length - 1).toWellFormed()}~${digest}`
}

const refWords: Readonly<Record<RefType, string>> = { branch: 'push', tag: 'tag', pull_request: 'pr' }

export type StatusOfRun = {
  readonly state: CommitStatusState
  readonly description: string
  readonly isFinal: boolean
}

export function statusOfRun(view: RunView): StatusOfRun {
  const { run } = view
  const words = (state: CommitStatusState, description: string, isFinal = true) => ({
    state,
    description: cut(description),
    isFinal,
  })
  switch (run.phase) {
    case 'queued':
      return words('queued', view.waiting === undefined ? 'queued' : describeReason(view.waiting), false)
    case 'running':
      return words('running', describeRunning(view), false)
    case 'cancelled':
      return words('cancelled', 'cancelled before it started')
    case 'setuperror':
      return words('error', firstLine(run.setupErrors[0] ?? 'the run could not be set up'))
    case 'finished':
      if (run.result === 'success') return words('success', describeSuccess(view))
      if (run.result === 'stopped') return words('cancelled', describeStopped(view))
      return words('failed', describeFailures(view))
  }
}

function describeRunning(view: RunView): string {
  const failed = describeFailed(view)
  if (failed !== undefined) return `${failed} so far`
  const waiting = view.tasks.filter(({ task }) => task.waitingApproval && !task.approved)
  const isBusy = view.tasks.some(({ task }) => task.status === 'running')
  if (waiting.length === 0) return view.run.stop ? 'is being stopped' : 'running'
  const names = waiting.map(({ config }) => config.name).join(', ')
  return isBusy ? `running; waits for approval: ${names}` : `waits for approval: ${names}`
}

function describeSuccess({ run, tasks }: RunView): string {
  const done = tasks.filter(({ task }) => task.status === 'success').length
  const skipped = tasks.filter(({ task }) => task.status === 'skipped').length
  const took =
    run.startedAt === undefined || run.endedAt === undefined ? '' : ` in ${duration(run.endedAt - run.startedAt)}`
  return `${count(done, 'task')} succeeded${took}${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

function describeFailures(view: RunView): string {
  return describeFailed(view) ?? (view.run.reason === undefined ? 'failed' : describeReason(view.run.reason))
}

/** `2 of 7 tasks failed: test, lint`. */
function describeFailed({ tasks }: RunView): string | undefined {
  const failed = tasks.filter(({ task }) => task.status === 'failed')
  if (failed.length === 0) return undefined
  return `${failed.length} of ${count(tasks.length, 'task')} failed: ${failed.map(({ config }) => config.name).join(', ')}`
}

function describeStopped({ run, tasks }: RunView): string {
  const reason = run.reason ?? tasks.map(({ task }) => stopReason(task)).find((found) => found !== undefined)
  return reason === undefined ? 'stopped' : describeReason(reason)
}

const stopReason = ({ reason }: RunTask) => (reason?.kind === 'stopped' ? reason : undefined)

const firstLine = (text: string) => text.split('\n')[0] ?? ''
const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`

function cut(text: string): string {
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
  return line.length <= descriptionCharactersMax
    ? line
    : `${line.slice(0, descriptionCharactersMax - 3).toWellFormed()}...`
}

/** `3 s`, `2 min 5 s`, `1 h 2 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
