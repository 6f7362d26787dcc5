// Hooks as GitHub sends them: the examples that GitHub publishes, with what happened here in them.

import { createHmac, randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { commitOf, objectType } from './git-objects.ts'
import { hookJson, repositoryJson, simpleUserJson } from './github-json.ts'
import type { ProviderServer, ServerEvent } from './provider-server.ts'
import {
  noSha,
  type ServerHook,
  type ServerPullRequest,
  type ServerPush,
  type ServerRepository,
} from './server-repository.ts'

type Fields = Readonly<Record<string, unknown>>
type Request = { readonly headers: Readonly<Record<string, string>>; readonly body: string }

const commitsMax = 2048
const actions = {
  opened: 'opened',
  synchronised: 'synchronize',
  reopened: 'reopened',
  labelled: 'labeled',
  closed: 'closed',
} as const

/** Undefined when the hook does not want to hear of it. */
export function hookRequestOf(
  server: ProviderServer,
  repository: ServerRepository,
  hook: ServerHook,
  event: ServerEvent,
): Request | undefined {
  if (!hook.events.includes(event.kind) && !hook.events.includes('*')) return undefined
  if (event.kind === 'pull_request') return signed(hook, 'pull_request', pullRequestPayload(server, repository, event))
  // GitHub tells of branches and tags only.
  if (!/^refs\/(heads|tags)\//.test(event.push.ref)) return undefined
  return signed(hook, 'push', pushPayload(server, repository, event.push))
}

/** What a new hook gets. */
export function pingRequestOf(server: ProviderServer, repository: ServerRepository, hook: ServerHook): Request {
  const user = repository.anAdministrator()
  return signed(hook, 'ping', {
    zen: 'Practicality beats purity.',
    hook_id: hook.id,
    hook: hookJson(server, repository, hook),
    repository: repositoryJson(server, repository, user),
    sender: simpleUserJson(server, user),
  })
}

function signed({ id, secret, contentType }: ServerHook, event: string, payload: object): Request {
  const json = JSON.stringify(payload)
  const isJson = contentType === 'json'
  const body = isJson ? json : new URLSearchParams({ payload: json }).toString()
  const mac = (algorithm: string) => `${algorithm}=${createHmac(algorithm, secret).update(body).digest('hex')}`
  return {
    headers: {
      accept: '*/*',
      'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded',
      'user-agent': 'GitHub-Hookshot/044aadd',
      'x-github-delivery': randomUUID(),
      'x-github-event': event,
      'x-github-hook-id': String(id),
      'x-github-hook-installation-target-type': 'repository',
      ...(secret === '' ? {} : { 'x-hub-signature': mac('sha1'), 'x-hub-signature-256': mac('sha256') }),
    },
    body,
  }
}

function pushPayload(server: ProviderServer, repository: ServerRepository, push: ServerPush): Fields {
  const { ref, before, after, user } = push
  const isNew = before === noSha
  const isGone = after === noSha
  const isTag = ref.startsWith('refs/tags/')
  const commitJson = (sha: string) => {
    const { author, email, date, message } = commitOf(repository, sha)
    const person = { name: author, email, username: user.login }
    const changed = repository.git('show', '--format=', '--name-status', '--first-parent', sha).split('\n')
    const names = (letters: string) =>
      changed.filter((line) => line !== '' && letters.includes(line[0]!)).map((line) => line.split('\t').at(-1)!)
    return {
      id: sha,
      tree_id: repository.git('rev-parse', `${sha}^{tree}`),
      distinct: true,
      message,
      timestamp: date,
      url: `${repository.webUrl}/commit/${sha}`,
      author: person,
      committer: person,
      added: names('A'),
      removed: names('D'),
      modified: names('MRT'),
    }
  }
  const head = isGone ? undefined : repository.git('rev-parse', `${after}^{commit}`)
  const range = isNew ? [after, '--not', ...othersThan(repository, ref)] : [`${before}..${after}`]
  const isBranchPush = !isTag && !isGone && objectType(repository, after) === 'commit'
  const commits = isBranchPush
    ? repository
        .git('rev-list', '--reverse', ...range)
        .split('\n')
        .filter(Boolean)
    : []
  const isForced = !isNew && isBranchPush && repository.git('merge-base', before, after) !== before
  const published = example('push', ({ deleted }) => deleted === isGone)
  return {
    ...published,
    ref,
    before,
    after,
    created: isNew,
    deleted: isGone,
    forced: isForced,
    base_ref: null,
    compare: `${repository.webUrl}/compare/${isNew ? after.slice(0, 12) : `${before.slice(0, 12)}...${after.slice(0, 12)}`}`,
    commits: commits.slice(-commitsMax).map(commitJson),
    head_commit: head === undefined ? null : commitJson(head),
    repository: pushedRepository(server, repository),
    pusher: { name: user.login, email: user.email },
    sender: simpleUserJson(server, user),
  }
}

/** Of a push these are numbers, and the owner has a name. */
function pushedRepository(server: ProviderServer, repository: ServerRepository): Fields {
  const json = repositoryJson(server, repository, undefined)
  const seconds = Math.floor(Date.parse(repository.createdAt) / 1000)
  return {
    ...json,
    url: repository.webUrl,
    owner: { ...json.owner, name: repository.owner, email: `${repository.owner}@example.org` },
    created_at: seconds,
    pushed_at: seconds,
    stargazers: 0,
    master_branch: repository.defaultBranch,
  }
}

function othersThan(repository: ServerRepository, ref: string): readonly string[] {
  return [...repository.refs('refs/heads/').keys()].filter((name) => name !== ref)
}

function pullRequestPayload(
  server: ProviderServer,
  repository: ServerRepository,
  event: Extract<ServerEvent, { kind: 'pull_request' }>,
): Fields {
  const { pullRequest, user, label } = event
  const action = actions[event.action]
  // Members of installations of apps and of organizations, which this one is not part of.
  const { installation: _, organization: __, ...published } = example('pull_request', (each) => each.action === action)
  return {
    ...published,
    action,
    number: pullRequest.number,
    pull_request: pullRequestJson(server, repository, pullRequest, published.pull_request as Fields),
    ...(event.action === 'synchronised' ? { before: event.before, after: pullRequest.head.sha } : {}),
    ...(label === undefined ? {} : { label: { ...(published.label as Fields), name: label } }),
    repository: repositoryJson(server, repository, undefined),
    sender: simpleUserJson(server, user),
  }
}

function pullRequestJson(
  server: ProviderServer,
  repository: ServerRepository,
  { id, number, title, user, head, base, isOpen, mergedAs, labels }: ServerPullRequest,
  published: Fields,
): Fields {
  const url = `${server.url}/api/v3/repos/${repository.path}/pulls/${number}`
  const htmlUrl = `${repository.webUrl}/pull/${number}`
  const side = (of: ServerRepository | undefined, branch: string, sha: string) => ({
    label: `${of?.owner ?? 'unknown'}:${branch}`,
    ref: branch,
    sha,
    user: simpleUserJson(server, user),
    repo: of === undefined ? null : repositoryJson(server, of, undefined),
  })
  const closedAt = isOpen ? null : server.nowText()
  return {
    ...published,
    url,
    id,
    html_url: htmlUrl,
    diff_url: `${htmlUrl}.diff`,
    patch_url: `${htmlUrl}.patch`,
    number,
    state: isOpen ? 'open' : 'closed',
    merged: mergedAs !== undefined,
    merged_at: mergedAs === undefined ? null : closedAt,
    merge_commit_sha: mergedAs ?? null,
    title,
    user: simpleUserJson(server, user),
    body: null,
    closed_at: closedAt,
    labels: labels.map((name, index) => ({ id: index + 1, name, color: 'ededed', default: false, description: '' })),
    statuses_url: `${server.url}/api/v3/repos/${repository.path}/statuses/${head.sha}`,
    head: side(head.repository, head.branch, head.sha),
    base: side(repository, base.branch, repository.git('rev-parse', `refs/heads/${base.branch}`)),
  }
}

type Examples = readonly { readonly name: string; readonly examples: readonly Fields[] }[]
let published: Examples | undefined

function example(name: string, isWanted: (payload: Fields) => boolean): Fields {
  published ??= createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Examples
  const all = published.find((each) => each.name === name)!.examples
  return all.find(isWanted) ?? all[0]!
}
