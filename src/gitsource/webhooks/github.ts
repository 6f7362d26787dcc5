// Webhooks of GitHub (docs.github.com, "Webhook events and payloads").

import type { PullRequestAction } from '../repository-event.ts'
import { at, below, branchOrTag, commitAt, idAt, invalid, isZero, linksOf, numberAt, refAt, textAt } from './payload.ts'
import type { ParsedWebhook } from './webhook.ts'

const actions: Readonly<Record<string, PullRequestAction>> = {
  opened: 'changed',
  synchronize: 'changed',
  reopened: 'changed',
  labeled: 'labelled',
  closed: 'closed',
}

/** Errors: `request_invalid`. */
export function parseGithub(event: string, payload: unknown): ParsedWebhook {
  const repositoryId = idAt(payload, 'repository', 'id')
  const repository = repositoryId === undefined ? {} : { repositoryId }
  switch (event) {
    case 'push':
      return { ...repository, ...parsePush(payload) }
    case 'pull_request':
      return { ...repository, ...parsePullRequest(payload) }
    case 'ping':
      return { ...repository, kind: 'ignored', why: 'the provider tries the hook: it works' }
    default:
      return { ...repository, kind: 'ignored', why: `events of type ${JSON.stringify(event)} start nothing` }
  }
}

function parsePush(payload: unknown): ParsedWebhook {
  const ref = refAt(payload, 'ref')
  const named = branchOrTag(ref)
  if (named === undefined) return { kind: 'ignored', ref, why: `${ref} is neither a branch nor a tag` }
  if (at(payload, 'deleted') === true || isZero(textAt(payload, 'after')))
    return { kind: 'ignored', ref, why: `${ref} was deleted` }
  const web = textAt(payload, 'repository', 'html_url')
  // `after` of an annotated tag is the tag itself, its commit is the head commit.
  const commitSha = named.kind === 'tag' ? commitAt(payload, 'head_commit', 'id') : commitAt(payload, 'after')
  const message = named.kind === 'tag' ? undefined : textAt(payload, 'head_commit', 'message')
  return {
    kind: 'event',
    event: {
      ...named,
      ref,
      ...(commitSha === undefined ? {} : { commitSha }),
      ...(message === undefined ? {} : { message }),
      sender: textAt(payload, 'sender', 'login') ?? textAt(payload, 'pusher', 'name') ?? '',
      links: linksOf({
        commit: commitSha && below(web, 'commit', commitSha),
        compare: textAt(payload, 'compare'),
        ...(named.kind === 'branch'
          ? { branch: below(web, 'tree', named.branch) }
          : { tag: below(web, 'tree', named.tag) }),
      }),
    },
  }
}

function parsePullRequest(payload: unknown): ParsedWebhook {
  const name = textAt(payload, 'action') ?? ''
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
      sender: textAt(payload, 'sender', 'login') ?? '',
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
