// What Gitea and Forgejo tell of users, repositories, keys and hooks.

import { createHash } from 'node:crypto'
import type { ServerUser } from './provider-server.ts'
import type { ServerHook, ServerKey, ServerRepository } from './server-repository.ts'

/** Types of hooks that are not the provider's own. */
const foreignTypes = new WeakMap<ServerHook, string>()

/** As if somebody had made the hook for Slack or the like. */
export function setHookType(hook: ServerHook, type: string): void {
  foreignTypes.set(hook, type)
}

export function userJson({ id, login, name, email }: ServerUser): object {
  return { id, login, full_name: name, email, avatar_url: `https://example.org/avatars/${login}`, username: login }
}

export function repositoryJson(repository: ServerRepository, user?: ServerUser): object {
  const { id, path, name, webUrl, owner } = repository
  return {
    id,
    owner: {
      id: 1,
      login: owner,
      full_name: '',
      email: `${owner}@noreply.example.org`,
      avatar_url: '',
      username: owner,
    },
    name,
    full_name: path,
    description: '',
    empty: repository.isEmpty,
    private: repository.isPrivate,
    fork: repository.parent !== undefined,
    html_url: webUrl,
    url: `${webUrl}/api`,
    ssh_url: repository.sshUrl,
    clone_url: repository.cloneUrl,
    default_branch: repository.defaultBranch,
    archived: repository.isArchived,
    internal: false,
    permissions: { admin: repository.canAdminister(user), push: repository.canPush(user), pull: true },
  }
}

export function keyJson({ id, title, key, isReadOnly }: ServerKey): object {
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64')}`
  return {
    id,
    key_id: id,
    key,
    url: '',
    title,
    fingerprint,
    created_at: '2026-01-01T00:00:00Z',
    read_only: isReadOnly,
  }
}

/** The secret is never told. */
export function hookJson(type: string) {
  return (hook: ServerHook): object => ({
    id: hook.id,
    type: foreignTypes.get(hook) ?? type,
    branch_filter: '',
    config: { content_type: hook.contentType, url: hook.url },
    events: hook.events,
    authorization_header: '',
    active: hook.isActive,
    updated_at: '2026-01-01T00:00:00Z',
    created_at: '2026-01-01T00:00:00Z',
  })
}
