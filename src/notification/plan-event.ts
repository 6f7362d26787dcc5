// What is told of a run event, written in the transaction that notes that the event was read: so that each event makes one
// notification for each receiver, whatever happens in between.

import { createHash } from 'node:crypto'
import type { Project } from '../configstore/types.ts'
import type { RunView } from '../runservice/api.ts'
import type { RunEvent } from '../runservice/types.ts'
import { branchChange, branchStateOf } from './branch-state.ts'
import { statusContext, statusOfRun } from './commit-status.ts'
import { addNotification, laneOfReceiver, laneOfSource } from './notifications.ts'
import { receiversOf } from './receivers.ts'
import type { ReceiverRow, StatusContextRow, Tx } from './row-types.ts'
import { messageIdOf, runMessage, runUrl } from './run-message.ts'
import { runEventName } from './run-state.ts'
import type { BranchChange, RunEventName } from './types.ts'

/** All that is known of an event of a project's run before it is stored. */
export type ReadEvent = {
  readonly event: RunEvent
  readonly view: RunView
  readonly project: Project
  /** For new rows: one for the commit status, one for each receiver a project may have. */
  readonly ids: readonly string[]
}

export type TellSettings = {
  /** How people reach the installation, without a slash at its end; asked when it is needed. */
  readonly publicUrl: () => string
  /** Begins the contexts of commit statuses. */
  readonly statusPrefix: string
}

export function tellEvent(tx: Tx, read: ReadEvent, settings: TellSettings, now: number): void {
  const { event, view, project } = read
  const [statusId, ...ids] = read.ids
  tellStatus(tx, { view, project, id: statusId!, sequence: event.sequence }, settings, now)
  const name = runEventName(event)
  const change = noteBranch(tx, read, now)
  if (name === undefined) return
  const wanting = receiversOf(tx, project.id).filter((receiver) => wants(receiver, { name, change, view }))
  if (wanting.length === 0) return
  const messageId = messageIdOf(event)
  const body = runMessage({ event, name, view, project, url: settings.publicUrl() }, change)
  tx.put('message', messageId, { projectId: project.id, createdAt: now, body })
  for (const [index, receiver] of wanting.entries())
    addNotification(
      tx,
      ids[index]!,
      {
        projectId: project.id,
        kind: receiver.settings.kind,
        receiverId: receiver.id,
        event: receiver.settings.kind === 'webhook' ? name : `branch.${change}`,
        messageId,
        runId: event.runId,
        runNumber: view.run.counter,
        lane: laneOfReceiver(receiver.id),
        sequence: event.sequence,
      },
      now,
    )
}

/** The commit status of the run as it is now, if that is news. `sequence`: of the newest event that was read. */
export function tellStatus(
  tx: Tx,
  input: {
    readonly view: RunView
    readonly project: Project
    readonly id: string
    readonly sequence: number
  },
  settings: TellSettings,
  now: number,
): void {
  const { view, project, id, sequence } = input
  const { run } = view
  const commitSha = run.annotations.commit_sha ?? ''
  if (project.source.kind !== 'remotesource' || !/^[0-9a-f]{40,64}$/.test(commitSha)) return
  const { id: contextId, context } = contextOf(tx, input, settings)
  const before = tx.get('statuscontext', contextId)
  const { state, description, isFinal } = statusOfRun(view)
  const next: StatusContextRow = {
    projectId: project.id,
    commitSha,
    context,
    runId: run.id,
    runSequence: run.sequence,
    position: view.position,
    state,
    description,
    isFinal,
    notificationId: id,
    updatedAt: now,
  }
  if (before !== undefined && !isNews(before, next)) return
  tx.put('statuscontext', contextId, next)
  const targetUrl = runUrl(settings.publicUrl(), project.id, run.counter)
  addNotification(
    tx,
    id,
    {
      projectId: project.id,
      kind: 'status',
      event: `status.${state}`,
      runId: run.id,
      runNumber: run.counter,
      status: { commitSha, state, context, description, targetUrl },
      contextId,
      lane: laneOfSource(project.source.remoteSourceId),
      sequence,
    },
    now,
  )
}

/** A run that has begun to report goes on under that name, though its project was renamed since. */
function contextOf(
  tx: Tx,
  { view, project }: { readonly view: RunView; readonly project: Project },
  { statusPrefix: prefix }: TellSettings,
): { readonly id: string; readonly context: string } {
  const { run } = view
  const [known] = tx.list('statuscontext', { index: 'byRun', prefix: [run.id], limit: 1 })
  if (known !== undefined) return { id: known.id, context: known.body.context }
  const { ref_type: refType = '', commit_sha: commitSha = '' } = run.annotations
  const context = statusContext({ prefix, projectPath: project.path, runName: run.name, refType })
  return { id: digest([project.id, commitSha, context]), context }
}

/** The newest run of a context has it; of one run what was seen later counts, and its end always. */
function isNews(before: StatusContextRow, next: StatusContextRow): boolean {
  if (next.runSequence !== before.runSequence) return next.runSequence > before.runSequence
  if (before.isFinal) return false
  if (next.position < before.position && !next.isFinal) return false
  return next.state !== before.state || next.description !== before.description
}

function noteBranch(tx: Tx, { event, view, project }: ReadEvent, now: number): BranchChange | undefined {
  const { run } = view
  const state = branchStateOf(event)
  if (state === undefined || run.annotations.ref_type !== 'branch') return undefined
  const id = digest([run.group, run.name])
  const before = tx.get('branchstate', id)
  const next = { projectId: project.id, state, runSequence: run.sequence, updatedAt: now }
  if (before === undefined || before.runSequence < run.sequence) tx.put('branchstate', id, next)
  return branchChange(before, next)
}

type Told = { readonly name: RunEventName; readonly change: BranchChange | undefined; readonly view: RunView }

function wants({ isEnabled, settings }: ReceiverRow, { name, change, view }: Told): boolean {
  if (!isEnabled) return false
  if (settings.kind === 'webhook') return settings.events.includes(name)
  if (change === undefined || !settings.changes.includes(change)) return false
  return settings.branches.length === 0 || settings.branches.includes(view.run.annotations.branch ?? '')
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)
}
