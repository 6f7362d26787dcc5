// What a run carries for people and for commit statuses: where it came from, with links.

import type { GitEvent } from './event.ts'
import type { RunOwner } from './group.ts'

export type RunLinks = {
  readonly commit?: string
  readonly compare?: string
  readonly branch?: string
  readonly tag?: string
  readonly pullRequest?: string
}

export type AnnotationsInput = {
  readonly owner: RunOwner
  readonly event: GitEvent
  /** `poll`: a look at the repository found it. */
  readonly trigger: 'webhook' | 'poll' | 'manual'
  readonly links?: RunLinks
  /** As the forge names them; empty for manual runs. */
  readonly webhookEvent?: string
  readonly webhookSender?: string
}

/** The annotations of a run, names as in the reference. */
export function runAnnotations(input: AnnotationsInput): Readonly<Record<string, string>> {
  const { owner, event, trigger, links = {}, webhookEvent = '', webhookSender = '' } = input
  return {
    run_type: owner.type,
    ref_type: event.refType,
    run_creation_trigger: trigger,
    webhook_event: webhookEvent,
    webhook_sender: webhookSender,
    commit_sha: event.commitSha,
    ref: event.ref,
    message: event.message,
    commit_link: links.commit ?? '',
    compare_link: links.compare ?? '',
    ...(owner.type === 'project' ? { projectid: owner.id } : { userid: owner.id }),
    ...(event.branch === '' ? {} : { branch: event.branch, branch_link: links.branch ?? '' }),
    ...(event.tag === '' ? {} : { tag: event.tag, tag_link: links.tag ?? '' }),
    ...(event.pullRequestId === ''
      ? {}
      : { pull_request_id: event.pullRequestId, pull_request_link: links.pullRequest ?? '' }),
  }
}
