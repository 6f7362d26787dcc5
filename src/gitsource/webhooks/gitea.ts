// Webhooks of Gitea (docs.gitea.com, "Webhooks") and of Forgejo (forgejo.org/docs, "Webhooks"), which are alike.

import type { PullRequestAction } from '../repository-event.ts'
import { at, below, branchOrTag, commitAt, isZero, itemsAt, linksOf, refAt, repositoryAt, textAt } from './payload.ts'
import { parsePullRequest } from './pull-request.ts'
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
  const repository = repositoryAt(payload, { member: 'repository', path: 'full_name' })
  switch (event) {
    case 'push':
      return { ...repository, ...parsePush(payload) }
    case 'pull_request':
    // Older servers say what happened in the name of the event, too.
    case 'pull_request_sync':
    case 'pull_request_label':
      return { ...repository, ...parsePullRequest(payload, actions, senderOf(payload)) }
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
  // `after` of an annotated tag is the tag itself. Where its commit is not told, it is looked up.
  const commitSha = named.kind === 'tag' ? commitAt(payload, 'head_commit', 'id') : commitAt(payload, 'after')
  const commit = [...itemsAt(payload, 'commits'), at(payload, 'head_commit')].find(
    (one) => commitSha !== undefined && textAt(one, 'id') === commitSha,
  )
  const message = named.kind === 'tag' ? undefined : textAt(commit, 'message')?.trim()
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

function senderOf(payload: unknown): string {
  return textAt(payload, 'sender', 'login') ?? textAt(payload, 'sender', 'username') ?? ''
}
