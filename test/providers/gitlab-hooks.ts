// The webhooks of GitLab.

import { randomUUID } from 'node:crypto'
import { commitOf } from './git-objects.ts'
import { stateOf } from './gitlab-json.ts'
import type { ProviderServer, ServerEvent } from './provider-server.ts'
import { noSha, type ServerHook, type ServerRepository } from './server-repository.ts'

export function hookRequestOf(
  server: ProviderServer,
  repository: ServerRepository,
  hook: ServerHook,
  event: ServerEvent,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined {
  const isTag = event.kind === 'push' && event.push.ref.startsWith('refs/tags/')
  const [wanted, name] =
    event.kind === 'pull_request'
      ? ['merge_requests_events', 'Merge Request Hook']
      : isTag
        ? ['tag_push_events', 'Tag Push Hook']
        : ['push_events', 'Push Hook']
  if (!hook.events.includes(wanted)) return undefined
  const payload =
    event.kind === 'push' ? pushPayload(repository, event, isTag) : mergeRequestPayload(server, repository, event)
  return {
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitLab/18.0.0',
      'idempotency-key': randomUUID(),
      'x-gitlab-event': name,
      'x-gitlab-webhook-uuid': randomUUID(),
      'x-gitlab-instance': server.url,
      'x-gitlab-event-uuid': randomUUID(),
      'x-gitlab-token': hook.secret,
    },
    body: JSON.stringify(payload),
  }
}

/** Of an annotated tag `after` is the tag, and `checkout_sha` the commit. The oldest commit comes first. */
function pushPayload(
  repository: ServerRepository,
  { push }: Extract<ServerEvent, { readonly kind: 'push' }>,
  isTag: boolean,
): object {
  const { ref, before, after, user } = push
  const isGone = after === noSha
  const kind = isTag ? 'tag_push' : 'push'
  const head = isGone ? null : repository.git('rev-parse', `${after}^{commit}`)
  const range =
    before === noSha ? [`${head}`, '--not', `refs/heads/${repository.defaultBranch}`] : [`${before}..${head}`]
  const shas =
    isGone || isTag
      ? []
      : repository
          .git('rev-list', '--reverse', ...range)
          .split('\n')
          .filter(Boolean)
  return {
    object_kind: kind,
    event_name: kind,
    before,
    after,
    ref,
    ref_protected: false,
    checkout_sha: head,
    message: null,
    user_id: user.id,
    user_name: user.name,
    user_username: user.login,
    user_email: null,
    user_avatar: null,
    project_id: repository.id,
    project: projectPayload(repository),
    commits: shas
      .slice(-20)
      .map((sha) => ({ ...commitPayload(repository, sha), added: [], modified: [], removed: [] })),
    total_commits_count: shas.length,
    push_options: {},
    repository: { name: repository.name, url: repository.sshUrl, homepage: repository.webUrl },
  }
}

function projectPayload(repository: ServerRepository): object {
  const { id, name, webUrl, sshUrl, cloneUrl, owner, path, isPrivate, defaultBranch } = repository
  return {
    id,
    name,
    description: null,
    web_url: webUrl,
    avatar_url: null,
    git_ssh_url: sshUrl,
    git_http_url: cloneUrl,
    namespace: owner,
    visibility_level: isPrivate ? 0 : 20,
    path_with_namespace: path,
    default_branch: defaultBranch,
    homepage: webUrl,
    url: sshUrl,
    ssh_url: sshUrl,
    http_url: cloneUrl,
  }
}

function commitPayload(repository: ServerRepository, name: string): object {
  const { sha, author, email, date, message } = commitOf(repository, name)
  return {
    id: sha,
    message: `${message}\n`,
    title: message.split('\n')[0],
    timestamp: date,
    url: `${repository.webUrl}/-/commit/${sha}`,
    author: { name: author, email },
  }
}

const actions = {
  opened: 'open',
  synchronised: 'update',
  reopened: 'reopen',
  labelled: 'update',
  closed: 'close',
} as const

function mergeRequestPayload(
  server: ProviderServer,
  repository: ServerRepository,
  event: Extract<ServerEvent, { readonly kind: 'pull_request' }>,
): object {
  const { pullRequest, user, action, before, label } = event
  const { id, number, title, head, base, mergedAs, labels } = pullRequest
  const at = server.nowText()
  const labelsNow = labels.map((name, index) => ({ id: index + 1, title: name, color: '#aabbcc' }))
  return {
    object_kind: 'merge_request',
    event_type: 'merge_request',
    user: { id: user.id, name: user.name, username: user.login, avatar_url: null, email: '[REDACTED]' },
    project: projectPayload(repository),
    repository: { name: repository.name, url: repository.sshUrl, homepage: repository.webUrl },
    object_attributes: {
      id,
      iid: number,
      title,
      description: '',
      state: stateOf(pullRequest),
      action: mergedAs === undefined ? actions[action] : 'merge',
      merge_commit_sha: mergedAs ?? null,
      // Only of an update that brings commits.
      ...(action === 'synchronised' ? { oldrev: before } : {}),
      source_branch: head.branch,
      source_project_id: head.repository?.id ?? null,
      source: head.repository === undefined ? null : projectPayload(head.repository),
      target_branch: base.branch,
      target_project_id: repository.id,
      target: projectPayload(repository),
      last_commit: commitPayload(repository, head.sha),
      labels: labelsNow,
      merge_status: 'unchecked',
      draft: false,
      created_at: at,
      updated_at: at,
      url: `${repository.webUrl}/-/merge_requests/${number}`,
    },
    labels: labelsNow,
    changes: label === undefined ? {} : { labels: { previous: labelsNow.slice(0, -1), current: labelsNow } },
  }
}
