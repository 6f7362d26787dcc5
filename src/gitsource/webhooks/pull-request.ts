// Pull requests in webhooks of GitHub, and of Gitea and Forgejo, whose payloads are GitHub's here.

import type { PullRequestAction } from '../repository-event.ts'
import { below, commitAt, idAt, invalid, linksOf, numberAt, textAt } from './payload.ts'
import type { ParsedWebhook } from './webhook.ts'

/** `actions`: how the provider calls them. Errors: `request_invalid`. */
export function parsePullRequest(
  payload: unknown,
  actions: Readonly<Record<string, PullRequestAction>>,
  sender: string,
): ParsedWebhook {
  const name = textAt(payload, 'action') ?? ''
  // Not the id, which counts over all repositories.
  const pullRequestId = numberAt(payload, 'pull_request', 'number')
  const ref = `refs/pull/${pullRequestId}/head`
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined
  if (action === undefined) return { kind: 'ignored', ref, why: `a pull request that is ${name} starts nothing` }
  if (action !== 'closed' && textAt(payload, 'pull_request', 'state') !== 'open')
    return { kind: 'ignored', ref, why: 'the pull request is not open' }
  const commitSha = commitAt(payload, 'pull_request', 'head', 'sha')
  if (commitSha === undefined) throw invalid('pull_request.head.sha is missing')
  const base = idAt(payload, 'pull_request', 'base', 'repo', 'id')
  const head = idAt(payload, 'pull_request', 'head', 'repo', 'id')
  return {
    kind: 'event',
    event: {
      kind: 'pull_request',
      action,
      ref,
      commitSha,
      message: textAt(payload, 'pull_request', 'title') ?? `Pull request ${pullRequestId}`,
      sender,
      pullRequestId,
      targetBranch: textAt(payload, 'pull_request', 'base', 'ref') ?? '',
      // The repository of the head is null once a fork was deleted.
      isFork: head === undefined || head !== base,
      links: linksOf({
        commit: below(textAt(payload, 'repository', 'html_url'), 'commit', commitSha),
        pullRequest: textAt(payload, 'pull_request', 'html_url'),
      }),
    },
  }
}
