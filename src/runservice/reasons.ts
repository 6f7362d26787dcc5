// Why something waits, was skipped or failed, as data with its facts: API, command line, web UI and commit status all show
// the same. `describeReason` is the one place that words it.

import { unreachable } from '../lib/errors.ts'

export type Reason =
  // waits
  | { readonly kind: 'waiting_dependencies'; readonly tasks: readonly string[] }
  | {
      readonly kind: 'waiting_executor'
      readonly arch?: string
      readonly labels: Readonly<Record<string, string>>
      readonly privileged: boolean
      /** Driver that was asked for. */
      readonly driver?: string
      /** Needs another driver than `host`: runs of forks never get the host. */
      readonly isolated?: true
      /** Executors connected that could ever serve it. */
      readonly matching: number
    }
  | { readonly kind: 'waiting_slot'; readonly executors: readonly string[]; readonly limit: number }
  | { readonly kind: 'waiting_run'; readonly counter: number }
  | { readonly kind: 'waiting_approval' }
  /** `code`: of the error. */
  | { readonly kind: 'waiting_secrets'; readonly code: string }
  // skipped or cancelled
  | { readonly kind: 'skipped_when'; readonly rule: string; readonly ref: string }
  | { readonly kind: 'skipped_dependency'; readonly task: string; readonly outcome: string }
  | { readonly kind: 'skipped_stop' }
  | { readonly kind: 'run_has_result'; readonly result: string }
  | { readonly kind: 'cancelled_stop' }
  // stopped or failed
  | { readonly kind: 'stopped'; readonly by?: string }
  | { readonly kind: 'failed_exit'; readonly step: number; readonly code: number }
  | { readonly kind: 'failed_signal'; readonly step: number; readonly signal: string }
  | { readonly kind: 'failed_timeout'; readonly timeoutMs: number }
  | { readonly kind: 'failed_setup'; readonly message: string }
  | { readonly kind: 'failed_step'; readonly step: number; readonly message: string }
  | { readonly kind: 'image_pull'; readonly image: string; readonly answer: string }
  | { readonly kind: 'out_of_memory'; readonly limitBytes?: number }
  | { readonly kind: 'limit'; readonly limit: string; readonly value: number }
  | { readonly kind: 'privileged_refused' }
  | { readonly kind: 'needs_docker'; readonly because: string }
  | { readonly kind: 'executor_lost'; readonly executorId: string; readonly lastSeenAt?: number }
  | { readonly kind: 'pod_lost'; readonly step?: number }
  | { readonly kind: 'setup_error'; readonly message: string }
  | { readonly kind: 'task_failed'; readonly task: string }

/** Whether repeating can help: theirs = the same again, ours = the machinery's fault. */
export type ReasonClass = 'waiting' | 'theirs' | 'ours'

export function classOfReason(reason: Reason): ReasonClass {
  switch (reason.kind) {
    case 'waiting_dependencies':
    case 'waiting_executor':
    case 'waiting_slot':
    case 'waiting_run':
    case 'waiting_approval':
    case 'waiting_secrets':
      return 'waiting'
    case 'executor_lost':
    case 'pod_lost':
      return 'ours'
    default:
      return 'theirs'
  }
}

/** What a task or run did, by its status. */
const didWords: Readonly<Record<string, string>> = {
  success: 'succeeded',
  failed: 'failed',
  stopped: 'was stopped',
  skipped: 'was skipped',
  cancelled: 'was cancelled',
}

/** One line for people; names of tasks and steps come from the caller's run config. */
export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'waiting_dependencies':
      return `waits for ${reason.tasks.join(', ')}`
    case 'waiting_executor': {
      const wants = [
        ...(reason.arch === undefined ? [] : [`arch ${reason.arch}`]),
        ...Object.entries(reason.labels).map(([name, value]) => `label ${name}=${value}`),
        ...(reason.privileged ? ['privileged containers'] : []),
        ...(reason.driver === undefined ? [] : [`driver ${reason.driver}`]),
        ...(reason.isolated ? ['a driver that isolates runs of forks'] : []),
      ]
      return wants.length === 0 ? 'no executor is connected' : `no executor with ${wants.join(', ')}`
    }
    case 'waiting_slot':
      return `${reason.limit} of ${reason.limit} slots busy on ${reason.executors.join(', ')}`
    case 'waiting_run':
      return `waits for run #${reason.counter} of this branch`
    case 'waiting_approval':
      return 'waits for approval by an owner'
    case 'waiting_secrets':
      return `its secrets cannot be looked up now (${reason.code}); it starts as soon as they can`
    case 'skipped_when':
      return `when ${reason.rule} does not match ${reason.ref}`
    case 'skipped_dependency':
      return `${reason.task} ${didWords[reason.outcome] ?? reason.outcome}`
    case 'skipped_stop':
      return 'the run was stopped'
    case 'run_has_result':
      return `the run ${didWords[reason.result] ?? reason.result} before`
    case 'cancelled_stop':
      return 'stopped before it started'
    case 'stopped':
      return reason.by === undefined ? 'stopped' : `stopped by ${reason.by}`
    case 'failed_exit':
      return `exit status ${reason.code}`
    case 'failed_signal':
      return `killed by ${reason.signal}`
    case 'failed_timeout':
      return `not finished after ${reason.timeoutMs / 1000} s`
    case 'failed_setup':
    case 'failed_step':
    case 'setup_error':
      return reason.message
    case 'image_pull':
      return `cannot pull image ${reason.image}: ${reason.answer}`
    case 'out_of_memory':
      return reason.limitBytes === undefined ? 'out of memory' : `out of memory (limit ${reason.limitBytes} bytes)`
    case 'limit':
      return `limit ${reason.limit} (${reason.value}) reached`
    case 'privileged_refused':
      return 'the executor does not allow privileged containers'
    case 'needs_docker':
      return `needs docker: ${reason.because}`
    case 'executor_lost':
      return `executor ${reason.executorId} was lost`
    case 'pod_lost':
      return 'the pod disappeared'
    case 'task_failed':
      return `task ${reason.task} failed`
    default:
      return unreachable(reason)
  }
}
