// Users, repositories, keys and hooks as GitHub's API shows them.

import type { ProviderServer, ServerUser } from './provider-server.ts'
import type { ServerHook, ServerKey, ServerRepository } from './server-repository.ts'

export function nodeId(type: string, id: number | string): string {
  return Buffer.from(`${type}:${id}`).toString('base64')
}

export function simpleUserJson(server: ProviderServer, { id, login }: ServerUser) {
  const url = `${server.url}/api/v3/users/${login}`
  return {
    login,
    id,
    node_id: nodeId('User', id),
    avatar_url: `${server.url}/avatars/u/${id}`,
    gravatar_id: '',
    url,
    html_url: `${server.url}/${login}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type: 'User',
    site_admin: false,
  }
}

export function userJson(server: ProviderServer, user: ServerUser) {
  const at = '2020-01-01T00:00:00Z'
  return {
    ...simpleUserJson(server, user),
    name: user.name,
    email: user.email,
    ...{ company: null, blog: '', location: null, hireable: null, bio: null },
    ...{ public_repos: 0, public_gists: 0, followers: 0, following: 0 },
    ...{ created_at: at, updated_at: at },
    ...{ private_gists: 0, total_private_repos: 0, owned_private_repos: 0, disk_usage: 0, collaborators: 0 },
    two_factor_authentication: true,
  }
}

/** Owner of a repository: a user, or an organization that is no user here. */
function ownerOf(server: ProviderServer, { owner }: ServerRepository): ServerUser {
  const known = server.users.find(({ login }) => login === owner)
  // Organizations have ids too, the same for each of their repositories.
  const id = [...owner].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) % 1_000_000, 7) + 1_000_000
  return known ?? { id, login: owner, name: owner, email: '', password: '' }
}

const addresses = [
  ...['archive', 'assignees', 'blobs', 'branches', 'collaborators', 'comments', 'commits', 'compare', 'contents'],
  ...['contributors', 'deployments', 'downloads', 'events', 'forks', 'git_commits', 'git_refs', 'git_tags'],
  ...['issue_comment', 'issue_events', 'issues', 'keys', 'labels', 'languages', 'merges', 'milestones'],
  ...['notifications', 'pulls', 'releases', 'stargazers', 'statuses', 'subscribers', 'subscription', 'tags'],
  ...['teams', 'trees', 'hooks'],
]

export function repositoryJson(server: ProviderServer, repository: ServerRepository, user: ServerUser | undefined) {
  const { id, name, path, isPrivate, isArchived, defaultBranch, parent, createdAt } = repository
  const url = `${server.url}/api/v3/repos/${path}`
  const isAdministrator = repository.canAdminister(user)
  return {
    id,
    node_id: nodeId('Repository', id),
    name,
    full_name: path,
    private: isPrivate,
    owner: simpleUserJson(server, ownerOf(server, repository)),
    html_url: repository.webUrl,
    description: null,
    fork: parent !== undefined,
    url,
    ...Object.fromEntries(addresses.map((address) => [`${address}_url`, `${url}/${address.replace(/^git_/, 'git/')}`])),
    created_at: createdAt,
    updated_at: createdAt,
    pushed_at: createdAt,
    git_url: repository.cloneUrl.replace(/^http/, 'git'),
    ssh_url: repository.sshUrl,
    clone_url: repository.cloneUrl,
    svn_url: repository.webUrl,
    // In kB, so that of a small one is 0 like that of an empty one.
    size: 0,
    ...{ homepage: null, language: null, mirror_url: null, license: null },
    ...{ stargazers_count: 0, watchers_count: 0, forks_count: 0, open_issues_count: 0 },
    ...{ forks: 0, open_issues: 0, watchers: 0, network_count: 0, subscribers_count: 0 },
    ...{ has_issues: true, has_projects: true, has_downloads: true, has_wiki: true, has_pages: false },
    ...{ has_discussions: false, archived: isArchived, disabled: false, is_template: false, topics: [] },
    visibility: isPrivate ? 'private' : 'public',
    default_branch: defaultBranch,
    ...(user === undefined
      ? {}
      : {
          permissions: {
            admin: isAdministrator,
            maintain: isAdministrator,
            push: isAdministrator,
            triage: isAdministrator,
            pull: true,
          },
        }),
  }
}

export function keyJson(server: ProviderServer, { path }: ServerRepository, { id, title, key, isReadOnly }: ServerKey) {
  return {
    id,
    key,
    url: `${server.url}/api/v3/repos/${path}/keys/${id}`,
    title,
    verified: true,
    created_at: server.nowText(),
    read_only: isReadOnly,
    added_by: null,
    last_used: null,
    enabled: true,
  }
}

export function hookJson(server: ProviderServer, { path }: ServerRepository, hook: ServerHook) {
  const { id, url: to, secret, events, isActive, contentType } = hook
  const url = `${server.url}/api/v3/repos/${path}/hooks/${id}`
  return {
    type: 'Repository',
    id,
    name: 'web',
    active: isActive,
    events,
    // The secret is never shown.
    config: { content_type: contentType, insecure_ssl: '0', url: to, ...(secret === '' ? {} : { secret: '********' }) },
    updated_at: server.nowText(),
    created_at: server.nowText(),
    url,
    test_url: `${url}/test`,
    ping_url: `${url}/pings`,
    deliveries_url: `${url}/deliveries`,
    last_response: { code: null, status: 'unused', message: null },
  }
}
