// What is told of a run event, as JSON: version 1, described in docs/notifications.md. Every member is there, null where there is
// nothing to say. Pure.

import type { Project } from '../configstore/types.ts'
import { limits } from '../lib/limits.ts'
import type { RunView } from '../runservice/api.ts'
import { describeReason } from '../runservice/reasons.ts'
import type { RunEvent } from '../runservice/types.ts'
import type { BranchChange, RunEventName } from './types.ts'

export type ProjectMessage = {
  readonly id: string
  /** `org/acme/web`. */
  readonly path: string
  readonly name: string
  readonly url: string
}

export type TaskMessage = {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly isWaitingApproval: boolean
  readonly reason: string | null
  readonly startedAt: string | null
  readonly endedAt: string | null
}

export type RunMessage = {
  readonly id: string
  readonly number: number
  readonly name: string
  readonly url: string
  readonly phase: string
  readonly result: string
  readonly refType: string
  readonly ref: string
  readonly branch: string | null
  readonly tag: string | null
  readonly pullRequestId: string | null
  readonly commitSha: string
  /** First line, cut. */
  readonly commitMessage: string
  readonly commitUrl: string | null
  /** `webhook`, `poll`, `manual`. */
  readonly trigger: string
  /** Who the provider says it was. */
  readonly sender: string | null
  readonly restartOf: string | null
  readonly enqueuedAt: string
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly setupErrors: readonly string[]
  readonly taskCount: number
  /** In the order of the definition; of many those that failed first. */
  readonly tasks: readonly TaskMessage[]
}

export type Message = {
  readonly version: 1
  /** The same however often it is sent. */
  readonly id: string
  readonly event: RunEventName | 'test'
  readonly time: string
  readonly change: BranchChange | null
  readonly project: ProjectMessage
  /** Null in a test. */
  readonly run: RunMessage | null
}

export type RunMessageInput = {
  readonly event: RunEvent
  readonly name: RunEventName
  readonly view: RunView
  readonly project: Pick<Project, 'id' | 'path' | 'name'>
  /** How people reach the installation. */
  readonly url: string
}

/** A row has to hold it, escaped as JSON within JSON. */
const bodyBytesMax = 40 * 1024
const textCharacters = 500
const nameCharacters = 250
const setupErrorsMost = 10

/** RUN.SEQUENCE: one for each event, and nobody needs to remember it. */
export function messageIdOf({ runId, sequence }: Pick<RunEvent, 'runId' | 'sequence'>): string {
  return `${runId}.${sequence}`
}

/** `change` is known only when it is stored. */
export function runMessage(input: RunMessageInput, change: BranchChange | undefined): string {
  const { event, name, project, url } = input
  let body = ''
  for (let tasksMost = limits.notifiedTasks.value; ; tasksMost = Math.floor(tasksMost / 2)) {
    const message: Message = {
      version: 1,
      id: messageIdOf(event),
      event: name,
      time: timeText(event.at),
      change: change ?? null,
      project: projectMessage(project, url),
      run: runOf(input, tasksMost),
    }
    body = JSON.stringify(message)
    if (tasksMost === 0 || Buffer.byteLength(JSON.stringify(body)) <= bodyBytesMax) return body
  }
}

export function testMessage(
  id: string,
  { project, url, now }: { readonly project: RunMessageInput['project']; readonly url: string; readonly now: number },
): string {
  const message: Message = {
    version: 1,
    id,
    event: 'test',
    time: timeText(now),
    change: null,
    project: projectMessage(project, url),
    run: null,
  }
  return JSON.stringify(message)
}

export function runUrl(url: string, projectId: string, number: number): string {
  return `${url}/projects/${encodeURIComponent(projectId)}/runs/${number}`
}

function projectMessage({ id, path, name }: RunMessageInput['project'], url: string): ProjectMessage {
  return { id, path, name, url: `${url}/projects/${encodeURIComponent(id)}` }
}

function runOf({ event, view, project, url }: RunMessageInput, tasksMost: number): RunMessage {
  const { run } = view
  const { annotations } = run
  const text = (name: string, most = textCharacters) => cut(annotations[name] ?? '', most)
  const optional = (name: string, most?: number) => text(name, most) || null
  const hasEnded = event.phase !== 'queued' && event.phase !== 'running'
  return {
    id: run.id,
    number: run.counter,
    name: run.name,
    url: runUrl(url, project.id, run.counter),
    phase: event.phase,
    result: event.result,
    refType: text('ref_type'),
    ref: text('ref', 2 * nameCharacters),
    branch: optional('branch', nameCharacters),
    tag: optional('tag', nameCharacters),
    pullRequestId: optional('pull_request_id', nameCharacters),
    commitSha: text('commit_sha'),
    commitMessage: cut((annotations.message ?? '').split('\n')[0] ?? '', textCharacters),
    commitUrl: optional('commit_link'),
    trigger: text('run_creation_trigger'),
    sender: optional('webhook_sender', nameCharacters),
    restartOf: run.restartOf ?? null,
    enqueuedAt: timeText(run.enqueuedAt),
    startedAt: event.phase === 'queued' ? null : optionalTime(run.startedAt),
    endedAt: hasEnded ? optionalTime(run.endedAt) : null,
    setupErrors: run.setupErrors.slice(0, setupErrorsMost).map((error) => cut(error, textCharacters)),
    taskCount: view.tasks.length,
    tasks: chosenTasks(view, tasksMost).map(({ task, config, waiting }) => ({
      id: task.id,
      name: config.name,
      status: task.status,
      isWaitingApproval: task.waitingApproval && !task.approved,
      reason: reasonText(task.reason ?? waiting),
      startedAt: optionalTime(task.startedAt),
      endedAt: optionalTime(task.endedAt),
    })),
  }
}

/** In their order, but where there is no room for all those that failed come before the others. */
function chosenTasks({ tasks }: RunView, most: number): RunView['tasks'] {
  if (tasks.length <= most) return tasks
  const hasFailed = ({ task }: RunView['tasks'][number]) => task.status === 'failed' || task.status === 'stopped'
  const chosen = new Set([...tasks.filter(hasFailed), ...tasks.filter((task) => !hasFailed(task))].slice(0, most))
  return tasks.filter((task) => chosen.has(task))
}

function reasonText(reason: RunView['waiting']): string | null {
  return reason === undefined ? null : cut(describeReason(reason), textCharacters)
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}...`
}

const timeText = (ms: number) => new Date(ms).toISOString()
const optionalTime = (ms: number | undefined) => (ms === undefined ? null : timeText(ms))
