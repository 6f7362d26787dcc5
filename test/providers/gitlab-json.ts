// What GitLab tells of users, projects, commits, keys and hooks.

import { commitOf, objectType } from './git-objects.ts'
import type { ServerUser } from './provider-server.ts'
import type { ServerHook, ServerKey, ServerPullRequest, ServerRepository } from './server-repository.ts'

/** Hooks that are not called any more after they failed often. */
const stopped = new WeakMap<ServerHook, 'disabled' | 'temporarily_disabled'>()

/** As GitLab does with a hook that failed often. */
export function stopHook(hook: ServerHook, how: 'disabled' | 'temporarily_disabled'): void {
  hook.isActive = false
  stopped.set(hook, how)
}

export function isStopped(hook: ServerHook): boolean {
  return stopped.has(hook)
}

export function userJson({ id, login, name, email }: ServerUser): object {
  const url = `https://example.org/${login}`
  return { id, username: login, name, state: 'active', avatar_url: `${url}.png`, web_url: url, email }
}

export function projectJson(repository: ServerRepository, user?: ServerUser): object {
  const { id, name, path, isEmpty, defaultBranch, isPrivate, isArchived, webUrl } = repository
  // Maintainers and developers.
  const level = repository.canAdminister(user) ? 40 : repository.canPush(user) ? 30 : undefined
  return {
    id,
    name,
    path: name,
    path_with_namespace: path,
    description: null,
    // Of an empty one, too: the branch that its first push is expected to make.
    default_branch: defaultBranch,
    visibility: isPrivate ? 'private' : 'public',
    ssh_url_to_repo: repository.sshUrl,
    http_url_to_repo: repository.cloneUrl,
    web_url: webUrl,
    archived: isArchived,
    empty_repo: isEmpty,
    permissions: {
      // Of a project that was shared with a group of the user neither says anything.
      project_access: level !== undefined && path.split('/').length < 3 ? { access_level: level } : null,
      group_access: null,
    },
  }
}

export function commitJson(repository: ServerRepository, name: string): object {
  const { sha, author, email, date, parents, message } = commitOf(repository, name)
  return {
    id: sha,
    short_id: sha.slice(0, 8),
    created_at: date,
    parent_ids: parents,
    title: message.split('\n')[0],
    message: `${message}\n`,
    author_name: author,
    author_email: email,
    web_url: `${repository.webUrl}/-/commit/${sha}`,
  }
}

export function branchJson(repository: ServerRepository, ref: string): object {
  const name = ref.slice('refs/heads/'.length)
  const isDefault = name === repository.defaultBranch
  return { name, commit: commitJson(repository, ref), merged: false, protected: isDefault, default: isDefault }
}

export function tagJson(repository: ServerRepository, ref: string, target: string): object {
  const name = ref.slice('refs/tags/'.length)
  const isOfCommit = objectType(repository, `${ref}^{}`) === 'commit'
  return { name, message: null, target, commit: isOfCommit ? commitJson(repository, ref) : null, protected: false }
}

export function keyJson({ id, title, key, isReadOnly }: ServerKey): object {
  return { id, title, key, created_at: '2026-01-01T00:00:00Z', expires_at: null, can_push: !isReadOnly }
}

/** The token is never told. */
export function hookJson(repository: ServerRepository) {
  return (hook: ServerHook): object => ({
    id: hook.id,
    url: hook.url,
    project_id: repository.id,
    created_at: '2026-01-01T00:00:00Z',
    push_events: hook.events.includes('push_events'),
    push_events_branch_filter: null,
    tag_push_events: hook.events.includes('tag_push_events'),
    merge_requests_events: hook.events.includes('merge_requests_events'),
    enable_ssl_verification: true,
    alert_status: stopped.get(hook) ?? 'executable',
    disabled_until: null,
  })
}

/** As GitLab calls it. */
export function stateOf({ isOpen, mergedAs }: ServerPullRequest): 'opened' | 'merged' | 'closed' {
  if (isOpen) return 'opened'
  return mergedAs === undefined ? 'closed' : 'merged'
}

export function mergeRequestJson(repository: ServerRepository, request: ServerPullRequest): object {
  const { id, number, title, head, base } = request
  return {
    id,
    iid: number,
    project_id: repository.id,
    title,
    state: stateOf(request),
    source_branch: head.branch,
    source_project_id: head.repository?.id ?? null,
    target_branch: base.branch,
    target_project_id: repository.id,
    sha: head.sha,
    web_url: `${repository.webUrl}/-/merge_requests/${number}`,
  }
}
