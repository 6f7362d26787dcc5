// Webhooks of Gitea (docs.gitea.com, "Webhooks") and of Forgejo (forgejo.org/docs, "Webhooks"), which are alike.

import type { PullRequestAction } from '../repository-event.ts'
import {
  at,
  below,
  branchOrTag,
  commitAt,
  idAt,
  invalid,
  isZero,
  itemsAt,
  linksOf,
  numberAt,
  refAt,
  textAt,
} from './payload.ts'
import type { ParsedWebhook } from './webhook.ts'

const actions: Readonly<Record<string, PullRequestAction>> = {
  opened: 'changed',
  synchronized: 'changed', // Spelt so, unlike GitHub's.
  reopened: 'changed',
  label_updated: 'labelled',
  closed: 'closed',
}

/** Errors: `request_invalid`. */
export function parseGitea(event: string, payload: unknown): ParsedWebhook {
  const repositoryId = idAt(payload, 'repository', 'id')
  const repository = repositoryId === undefined ? {} : { repositoryId }
  switch (event) {
    case 'push':
      return { ...repository, ...parsePush(payload) }
    case 'pull_request':
    // Older servers say what happened in the name of the event, too.
    case 'pull_request_sync':
    case 'pull_request_label':
      return { ...repository, ...parsePullRequest(payload) }
    default:
      return { ...repository, kind: 'ignored', why: `events of type ${JSON.stringify(event)} start nothing` }
  }
}

function parsePush(payload: unknown): ParsedWebhook {
  const ref = refAt(payload, 'ref')
  const named = branchOrTag(ref)
  if (named === undefined) return { kind: 'ignored', ref, why: `${ref} is neither a branch nor a tag` }
  if (isZero(textAt(payload, 'after'))) return { kind: 'ignored', ref, why: `${ref} was deleted` }
  const web = textAt(payload, 'repository', 'html_url')
  // An annotated tag is no commit: it is looked up.
  const commitSha = named.kind === 'tag' ? undefined : commitAt(payload, 'after')
  const commit = [...itemsAt(payload, 'commits'), at(payload, 'head_commit')].find(
    (one) => commitSha !== undefined && textAt(one, 'id') === commitSha,
  )
  const message = textAt(commit, 'message')?.trim()
  return {
    kind: 'event',
    event: {
      ...named,
      ref,
      ...(commitSha === undefined ? {} : { commitSha }),
      ...(message === undefined ? {} : { message }),
      sender: senderOf(payload),
      links: linksOf({
        commit: commitSha && below(web, 'commit', commitSha),
        // Of a tag it compares with nothing, which is no page.
        ...(named.kind === 'branch'
          ? { compare: textAt(payload, 'compare_url'), branch: below(web, 'src/branch', named.branch) }
          : { tag: below(web, 'src/tag', named.tag) }),
      }),
    },
  }
}

function parsePullRequest(payload: unknown): ParsedWebhook {
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
      sender: senderOf(payload),
      pullRequestId,
      targetBranch: textAt(payload, 'pull_request', 'base', 'ref') ?? '',
      isFork: head === undefined || head !== base,
      links: linksOf({
        commit: below(textAt(payload, 'repository', 'html_url'), 'commit', commitSha),
        pullRequest: textAt(payload, 'pull_request', 'html_url'),
      }),
    },
  }
}

function senderOf(payload: unknown): string {
  return textAt(payload, 'sender', 'login') ?? textAt(payload, 'sender', 'username') ?? ''
}
