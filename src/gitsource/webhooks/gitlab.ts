// Webhooks of GitLab (docs.gitlab.com, "Webhook events").

import type { PullRequestAction } from '../repository-event.ts'
import {
  at,
  below,
  branchOrTag,
  commitAt,
  idAt,
  isZero,
  itemsAt,
  linksOf,
  numberAt,
  refAt,
  repositoryAt,
  textAt,
} from './payload.ts'
import type { ParsedWebhook } from './webhook.ts'

/** Errors: `request_invalid`. */
export function parseGitlab(event: string, payload: unknown): ParsedWebhook {
  const repository = repositoryAt(payload, { member: 'project', path: 'path_with_namespace' })
  switch (event) {
    case 'Push Hook':
    case 'Tag Push Hook':
      return { ...repository, ...parsePush(payload) }
    case 'Merge Request Hook':
      return { ...repository, ...parseMergeRequest(payload) }
    default:
      return { ...repository, kind: 'ignored', why: `events of type ${JSON.stringify(event)} start nothing` }
  }
}

function parsePush(payload: unknown): ParsedWebhook {
  const ref = refAt(payload, 'ref')
  const named = branchOrTag(ref)
  if (named === undefined) return { kind: 'ignored', ref, why: `${ref} is neither a branch nor a tag` }
  if (isZero(textAt(payload, 'after'))) return { kind: 'ignored', ref, why: `${ref} was deleted` }
  const web = textAt(payload, 'project', 'web_url')
  // `after` of an annotated tag is the tag itself.
  const commitSha = named.kind === 'tag' ? commitAt(payload, 'checkout_sha') : commitAt(payload, 'after')
  // The commits of a push are the oldest first, at most twenty, and none for a new branch at a known commit.
  const commit = itemsAt(payload, 'commits').find((one) => textAt(one, 'id') === commitSha)
  const message = named.kind === 'tag' ? undefined : textAt(commit, 'message')?.trim()
  return {
    kind: 'event',
    event: {
      ...named,
      ref,
      ...(commitSha === undefined ? {} : { commitSha }),
      ...(message === undefined ? {} : { message }),
      sender: textAt(payload, 'user_username') ?? textAt(payload, 'user_name') ?? '',
      links: linksOf({
        commit: commitSha && below(web, '-/commit', commitSha),
        ...(named.kind === 'branch'
          ? { branch: below(web, '-/tree', named.branch) }
          : { tag: below(web, '-/tags', named.tag) }),
      }),
    },
  }
}

function parseMergeRequest(payload: unknown): ParsedWebhook {
  const request = at(payload, 'object_attributes')
  const pullRequestId = numberAt(request, 'iid')
  const ref = `refs/merge-requests/${pullRequestId}/head`
  const action = actionOf(payload)
  if (action === undefined) {
    const name = textAt(request, 'action') ?? 'changed'
    return { kind: 'ignored', ref, why: `a merge request with the action ${name} and no new commits starts nothing` }
  }
  if (action !== 'closed' && textAt(request, 'state') !== 'opened')
    return { kind: 'ignored', ref, why: 'the merge request is not open' }
  const commitSha = commitAt(request, 'last_commit', 'id')
  // GitLab says null of one that has no commits of its own. To refuse it would count as a failure, and many of these stop the hook.
  if (commitSha === undefined) return { kind: 'ignored', ref, why: 'the merge request has no commits' }
  const source = idAt(request, 'source_project_id')
  return {
    kind: 'event',
    event: {
      kind: 'pull_request',
      action,
      ref,
      commitSha,
      message: textAt(request, 'title') ?? `Merge request ${pullRequestId}`,
      sender: textAt(payload, 'user', 'username') ?? textAt(payload, 'user', 'name') ?? '',
      pullRequestId,
      targetBranch: textAt(request, 'target_branch') ?? '',
      isFork: source === undefined || source !== idAt(request, 'target_project_id'),
      links: linksOf({ commit: textAt(request, 'last_commit', 'url'), pullRequest: textAt(request, 'url') }),
    },
  }
}

/** An update has new commits only when it names the commit before. */
function actionOf(payload: unknown): PullRequestAction | undefined {
  switch (textAt(payload, 'object_attributes', 'action')) {
    case 'open':
    case 'reopen':
      return 'changed'
    case 'update':
      if (textAt(payload, 'object_attributes', 'oldrev') !== undefined) return 'changed'
      return at(payload, 'changes', 'labels') === undefined ? undefined : 'labelled'
    case 'close':
    case 'merge':
      return 'closed'
    default:
      return undefined
  }
}
