// Webhooks of GitHub (docs.github.com, "Webhook events and payloads").

import type { PullRequestAction } from '../repository-event.ts'
import { at, below, branchOrTag, commitAt, isZero, linksOf, refAt, repositoryAt, textAt } from './payload.ts'
import { parsePullRequest } from './pull-request.ts'
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
  const repository = repositoryAt(payload, { member: 'repository', path: 'full_name' })
  switch (event) {
    case 'push':
      return { ...repository, ...parsePush(payload) }
    case 'pull_request':
      return { ...repository, ...parsePullRequest(payload, actions, textAt(payload, 'sender', 'login') ?? '') }
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
