// The webhooks of Gitea and Forgejo.

import { createHmac, randomUUID } from 'node:crypto'
import { commitOf } from './git-objects.ts'
import { repositoryJson, userJson } from './gitea-json.ts'
import type { ProviderServer, ServerEvent } from './provider-server.ts'
import { noSha, type ServerHook, type ServerPullRequest, type ServerRepository } from './server-repository.ts'

export function hookRequestOf(
  type: 'gitea' | 'forgejo',
  server: ProviderServer,
  repository: ServerRepository,
  hook: ServerHook,
  event: ServerEvent,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined {
  const kind = kindOf(event)
  if (kind === undefined || !hook.events.includes(kind)) return undefined
  const body = JSON.stringify(
    event.kind === 'push' ? pushPayload(repository, event) : pullRequestPayload(server, repository, event),
  )
  const signed = (algorithm: string) => createHmac(algorithm, hook.secret).update(body).digest('hex')
  const delivery = randomUUID()
  const same = (prefix: string) => ({
    [`x-${prefix}-delivery`]: delivery,
    [`x-${prefix}-event`]: event.kind,
    [`x-${prefix}-event-type`]: kind,
    // Of Gitea 1.26; whoever knows it from GitHub looks for it.
    ...(type === 'gitea' && prefix !== 'gogs' ? { [`x-${prefix}-hook-installation-target-type`]: 'repository' } : {}),
  })
  const both = type === 'gitea' ? ['gitea', 'gogs'] : ['forgejo', 'gitea', 'gogs']
  return {
    headers: {
      'content-type': 'application/json',
      ...same('github'),
      ...Object.assign({}, ...both.map(same)),
      ...Object.fromEntries(both.map((prefix) => [`x-${prefix}-signature`, signed('sha256')])),
      'x-hub-signature': `sha1=${signed('sha1')}`,
      'x-hub-signature-256': `sha256=${signed('sha256')}`,
    },
    body,
  }
}

/** It is a copy under an id of its own. */
export function redeliveredHeaders(before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const delivery = randomUUID()
  return Object.fromEntries(
    Object.entries(before).map(([name, value]) => [name, /^x-\w+-delivery$/.test(name) ? delivery : value]),
  )
}

/** Undefined for what is told by hooks of another kind only: that a branch was deleted. */
function kindOf(event: ServerEvent): string | undefined {
  if (event.kind === 'push')
    return event.push.after === noSha && event.push.ref.startsWith('refs/heads/') ? undefined : 'push'
  if (event.action === 'synchronised') return 'pull_request_sync'
  return event.action === 'labelled' ? 'pull_request_label' : 'pull_request'
}

/** A tag has no commits of its own; of an annotated one `after` is the tag. One that is moved is told as a new one. */
function pushPayload(repository: ServerRepository, { push }: Extract<ServerEvent, { readonly kind: 'push' }>): object {
  const { ref, after, user } = push
  const isGone = after === noSha
  const head = isGone ? undefined : repository.git('rev-parse', `${after}^{commit}`)
  const isBranch = ref.startsWith('refs/heads/')
  const before = isBranch || isGone ? push.before : noSha
  // The newest first.
  const range =
    before === noSha ? [`${head}`, '--not', `refs/heads/${repository.defaultBranch}`] : [`${before}..${head}`]
  const shas =
    isGone || !isBranch
      ? []
      : repository
          .git('rev-list', ...range)
          .split('\n')
          .filter(Boolean)
  // Of a new branch: where its commits begin, or the default branch when it has none of its own.
  const oldest = shas.at(-1)
  const from =
    !isBranch || before !== noSha
      ? before
      : oldest === undefined
        ? repository.defaultBranch
        : repository.git('rev-parse', `${oldest}^`)
  const commits = shas.slice(0, 30).map((sha) => commitPayload(repository, sha))
  return {
    ref,
    before,
    after,
    compare_url: isGone ? `${repository.serverUrl}/` : `${repository.webUrl}/compare/${from}...${after}`,
    commits,
    total_commits: shas.length,
    head_commit: head === undefined ? null : commitPayload(repository, head),
    repository: repositoryJson(repository, user),
    pusher: userJson(user),
    sender: userJson(user),
  }
}

function commitPayload(repository: ServerRepository, sha: string): object {
  const { author: name, email, date: timestamp, message } = commitOf(repository, sha)
  const person = { name, email, username: '' }
  return {
    id: sha,
    message: `${message}\n`,
    url: `${repository.webUrl}/commit/${sha}`,
    author: person,
    committer: person,
    verification: null,
    timestamp,
    added: [],
    removed: [],
    modified: [],
  }
}

const actions = {
  opened: 'opened',
  synchronised: 'synchronized',
  reopened: 'reopened',
  labelled: 'label_updated',
  closed: 'closed',
} as const

function pullRequestPayload(
  server: ProviderServer,
  repository: ServerRepository,
  event: Extract<ServerEvent, { readonly kind: 'pull_request' }>,
): object {
  const { pullRequest, user, action } = event
  return {
    action: actions[action],
    number: pullRequest.number,
    pull_request: pullRequestJson(server, repository, pullRequest),
    requested_reviewer: null,
    repository: repositoryJson(repository, user),
    sender: userJson(user),
    commit_id: '',
    review: null,
  }
}

function pullRequestJson(
  server: ProviderServer,
  repository: ServerRepository,
  { id, number, title, user, head, base, isOpen, mergedAs, labels }: ServerPullRequest,
): object {
  const url = `${repository.webUrl}/pulls/${number}`
  const at = server.nowText()
  return {
    id,
    url,
    number,
    user: userJson(user),
    title,
    body: '',
    labels: labels.map((name, index) => ({ id: index + 1, name, color: 'aabbcc', description: '', url: '' })),
    state: isOpen ? 'open' : 'closed',
    draft: false,
    html_url: url,
    diff_url: `${url}.diff`,
    patch_url: `${url}.patch`,
    mergeable: true,
    merged: mergedAs !== undefined,
    merged_at: mergedAs === undefined ? null : at,
    merge_commit_sha: mergedAs ?? null,
    base: {
      label: base.branch,
      ref: base.branch,
      sha: repository.git('rev-parse', `refs/heads/${base.branch}`),
      repo_id: repository.id,
      repo: repositoryJson(repository),
    },
    head: {
      label: head.branch,
      ref: head.repository === undefined ? `refs/pull/${number}/head` : head.branch,
      sha: head.sha,
      repo_id: head.repository?.id ?? 0,
      repo: head.repository === undefined ? null : repositoryJson(head.repository),
    },
    merge_base: head.sha,
    due_date: null,
    created_at: at,
    updated_at: at,
    closed_at: isOpen ? null : at,
  }
}
