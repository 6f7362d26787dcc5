// GitLab as a provider server: what its API answers, and the hooks it sends.

import description from './descriptions/gitlab.json' with { type: 'json' }
import type { ApiAnswer, ApiCall, ApiRoute, ProviderFlavour } from './flavour.ts'
import { blobOf, listTree, objectType } from './git-objects.ts'
import { hookRequestOf } from './gitlab-hooks.ts'
import {
  branchJson,
  commitJson,
  hookJson,
  isStopped,
  keyJson,
  mergeRequestJson,
  projectJson,
  tagJson,
  userJson,
} from './gitlab-json.ts'
import type { ServerHook, ServerKey, ServerRepository, ServerStatus } from './server-repository.ts'

const apiPath = '/api/v4'

export const gitlabFlavour: ProviderFlavour = {
  type: 'gitlab',
  name: 'GitLab',
  apiPath,
  description,
  isComplete: true,
  routes: routes(),
  errorBody: (status, message) => ({ message: `${status} ${message}` }),
  rateLimited: (now, seconds) => ({
    status: 429,
    body: 'Retry later\n',
    headers: {
      'content-type': 'text/plain',
      'retry-after': String(seconds),
      'ratelimit-limit': '60',
      'ratelimit-remaining': '0',
      'ratelimit-reset': String(Math.ceil(now / 1000) + seconds),
    },
  }),
  tokenOf: ({ authorization, 'private-token': personal }) =>
    typeof personal === 'string' ? personal : /^Bearer (.+)$/i.exec(authorization ?? '')?.[1],
  hookRequest: hookRequestOf,
  pullRequestRef: (number) => `refs/merge-requests/${number}/head`,
  hookedRefsMost: 3,
  oauth2: {
    authorizePath: '/oauth/authorize',
    tokenPath: '/oauth/token',
    expiresInSeconds: 7200,
    refusals: {
      application: { status: 401, error: 'invalid_client' },
      code: { status: 400, error: 'invalid_grant' },
      refreshToken: { status: 400, error: 'invalid_grant' },
    },
    needsResponseType: true,
    scope: 'api',
  },
}

function routes(): readonly ApiRoute[] {
  const project = '/projects/{id}'
  const repository = `${project}/repository`
  return [
    { method: 'GET', path: '/user', handle: ({ user }) => ok(userJson(user!)) },
    { method: 'GET', path: '/projects', handle: listProjects },
    ...readable([
      { method: 'GET', path: project, handle: (call, found) => ok(projectJson(found, call.user)) },
      { method: 'GET', path: `${repository}/branches`, handle: listBranches },
      { method: 'GET', path: `${repository}/branches/{branch}`, handle: findBranch },
      { method: 'GET', path: `${repository}/tags`, handle: listTags },
      { method: 'GET', path: `${repository}/tags/{tag_name}`, handle: findTag },
      { method: 'GET', path: `${repository}/commits/{sha}`, handle: findCommit },
      { method: 'GET', path: `${repository}/commits/{sha}/merge_requests`, handle: listMergeRequests },
      { method: 'GET', path: `${repository}/tree`, handle: listFolder },
      { method: 'GET', path: `${repository}/blobs/{sha}/raw`, handle: readBlob },
    ]),
    ...administrable([
      { method: 'GET', path: `${project}/deploy_keys`, handle: (call, found) => page(call, found.keys.map(keyJson)) },
      { method: 'POST', path: `${project}/deploy_keys`, handle: createKey },
      { method: 'DELETE', path: `${project}/deploy_keys/{key_id}`, handle: deleteKey },
      {
        method: 'GET',
        path: `${project}/hooks`,
        handle: (call, found) => page(call, found.hooks.map(hookJson(found))),
      },
      { method: 'POST', path: `${project}/hooks`, handle: createHook },
      { method: 'PUT', path: `${project}/hooks/{hook_id}`, handle: editHook },
      { method: 'DELETE', path: `${project}/hooks/{hook_id}`, handle: deleteHook },
    ]),
    // Developers may.
    ...writable([{ method: 'POST', path: `${project}/statuses/{sha}`, handle: createStatus }]),
  ]
}

type ProjectRoute = Omit<ApiRoute, 'handle'> & {
  readonly handle: (call: ApiCall, repository: ServerRepository) => ApiAnswer | undefined
}

function readable(all: readonly ProjectRoute[]): readonly ApiRoute[] {
  return all.map((route) => ({ ...route, isPublic: true, handle: (call) => inProject(call, route) }))
}

function administrable(all: readonly ProjectRoute[]): readonly ApiRoute[] {
  return allowed(all, (repository, user) => repository.canAdminister(user))
}

function writable(all: readonly ProjectRoute[]): readonly ApiRoute[] {
  return allowed(all, (repository, user) => repository.canPush(user))
}

function allowed(
  all: readonly ProjectRoute[],
  may: (repository: ServerRepository, user: ApiCall['user']) => boolean,
): readonly ApiRoute[] {
  return all.map((route) => ({
    ...route,
    handle: (call) =>
      inProject(call, {
        ...route,
        handle: (given, repository) =>
          may(repository, given.user) ? route.handle(given, repository) : refused(403, '403 Forbidden'),
      }),
  }))
}

/** By its id, or by its path as one part of the address. */
function inProject(call: ApiCall, { method, handle }: Pick<ProjectRoute, 'method' | 'handle'>): ApiAnswer | undefined {
  const { server, params, url, user } = call
  const { id = '' } = params
  const byId = server.repositories.find((repository) => String(repository.id) === id)
  const found = byId === undefined ? server.findRepository(id) : { repository: byId, isFormer: false }
  if (found === undefined || !found.repository.canRead(user)) return refused(404, '404 Project Not Found')
  if (!found.isFormer) return handle(call, found.repository) ?? refused(404, '404 Not Found')
  if (method !== 'GET') return refused(405, 'Non GET methods are not allowed for moved projects')
  const rest = url.pathname.slice(`${apiPath}/projects/`.length).replace(/^[^/]+/, '')
  return {
    status: 301,
    headers: { location: `${server.url}${apiPath}/projects/${found.repository.id}${rest}${url.search}` },
  }
}

function listProjects(call: ApiCall): ApiAnswer {
  const { server, user, query, url } = call
  const atLeast = Number(query.get('min_access_level') ?? 0)
  const words = (query.get('search') ?? '').toLowerCase()
  const inPaths = query.get('search_namespaces') === 'true'
  const before = Number(query.get('id_before') ?? Number.MAX_SAFE_INTEGER)
  const found = server.repositories
    .filter(
      (one) => one.canAdminister(user) || (atLeast <= 30 && one.canPush(user)) || (atLeast < 30 && one.canRead(user)),
    )
    .filter((one) => one.id < before)
    .filter(({ path, name }) => (inPaths ? path : name).toLowerCase().includes(words))
    .toSorted((a, b) => (query.get('sort') === 'asc' ? a.id - b.id : b.id - a.id))
  const size = sizeOf(call)
  const shown = found.slice(0, size)
  if (query.get('pagination') !== 'keyset')
    return page(
      call,
      found.map((one) => projectJson(one, user)),
    )
  const next = new URLSearchParams(query)
  next.set('id_before', String(shown.at(-1)?.id))
  return {
    status: 200,
    body: shown.map((one) => projectJson(one, user)),
    // Of the address that GitLab has for itself, which need not be the one it is asked at.
    headers: shown.length === size ? { link: `<http://gitlab.internal${url.pathname}?${next}>; rel="next"` } : {},
  }
}

function listBranches(call: ApiCall, repository: ServerRepository): ApiAnswer {
  return page(
    call,
    [...repository.refs('refs/heads/').keys()].map((ref) => branchJson(repository, ref)),
  )
}

function findBranch({ params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const ref = `refs/heads/${params.branch}`
  if (!repository.refs('refs/heads/').has(ref)) return refused(404, '404 Branch Not Found')
  return ok(branchJson(repository, ref))
}

function listTags(call: ApiCall, repository: ServerRepository): ApiAnswer {
  return page(
    call,
    [...repository.refs('refs/tags/')].map(([ref, target]) => tagJson(repository, ref, target)),
  )
}

function findTag({ params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const ref = `refs/tags/${params.tag_name}`
  const target = repository.refs('refs/tags/').get(ref)
  if (target === undefined) return refused(404, '404 Tag Not Found')
  return ok(tagJson(repository, ref, target))
}

/** By any name of it. */
function findCommit({ params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = params
  if (objectType(repository, `${sha}^{commit}`) === undefined) return refused(404, '404 Commit Not Found')
  return ok(commitJson(repository, sha))
}

function listMergeRequests(call: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = call.params
  if (objectType(repository, sha) !== 'commit') return refused(404, '404 Commit Not Found')
  const found = repository.pullRequests.filter(({ head, number }) => {
    const commits = repository.git('rev-list', `refs/merge-requests/${number}/head`, '--not', '--branches')
    return head.sha === sha || commits.split('\n').includes(sha)
  })
  return page(
    call,
    found.map((one) => mergeRequestJson(repository, one)),
  )
}

/** Missing folders and missing commits have the same answer. */
function listFolder(call: ApiCall, repository: ServerRepository): ApiAnswer {
  const ref = call.query.get('ref') ?? repository.defaultBranch
  const path = call.query.get('path') ?? ''
  if (objectType(repository, `${ref}^{commit}`) === undefined) return refused(404, '404 Tree Not Found')
  if (path !== '' && objectType(repository, `${ref}:${path}`) !== 'tree')
    return refused(404, '404 invalid revision or path Not Found')
  const entries = listTree(repository, ref, path === '' ? '' : `${path}/`)
  return page(
    call,
    entries.map(({ sha, name, type, path: found, mode }) => ({ id: sha, name, type, path: found, mode })),
  )
}

function readBlob({ params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = params
  if (objectType(repository, sha) !== 'blob') return refused(404, '404 Blob Not Found')
  return { status: 200, body: blobOf(repository, sha) }
}

/**
 * A key there is only once, and projects have it together: asked for again it is answered as it is, whatever its title, and a project gets
 * what another one has, if the user may administer that.
 */
function createKey({ server, body, user }: ApiCall, repository: ServerRepository): ApiAnswer {
  const {
    title,
    key,
    can_push = false,
  } = body as {
    readonly title: string
    readonly key: string
    readonly can_push?: boolean
  }
  const text = key.trim()
  if (!/^ssh-(?:rsa|ed25519) AAAA/.test(text)) return refused(400, { key: ['is invalid'] })
  const same = repository.keys.find((known) => known.key === text)
  if (same !== undefined) return { status: 201, body: keyJson(same) }
  const having = server.repositories.filter(({ keys }) => keys.some((known) => known.key === text))
  const from = having.find((one) => one.canAdminister(user))
  if (having.length > 0 && from === undefined) return refused(400, { fingerprint_sha256: ['has already been taken'] })
  const shared = from?.keys.find((known) => known.key === text)
  const made: ServerKey = { ...(shared ?? { id: server.nextId(), title, key: text }), isReadOnly: !can_push }
  repository.keys.push(made)
  server.keysChanged()
  return { status: 201, body: keyJson(made) }
}

function deleteKey({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const index = repository.keys.findIndex(({ id }) => String(id) === params.key_id)
  if (index < 0) return refused(404, '404 Deploy Key Not Found')
  repository.keys.splice(index, 1)
  server.keysChanged()
  return { status: 204 }
}

type HookBody = {
  readonly url?: string
  readonly token?: string
  readonly push_events?: boolean
  readonly tag_push_events?: boolean
  readonly merge_requests_events?: boolean
}

const hookEvents = ['push_events', 'tag_push_events', 'merge_requests_events'] as const

/** Pushes are heard of unless it says no. */
function createHook({ server, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const given = { push_events: true, ...(body as HookBody) }
  if (!/^https?:\/\//.test(given.url ?? '')) return { status: 422, body: { error: 'Invalid url given' } }
  const hook: ServerHook = {
    id: server.nextId(),
    url: given.url ?? '',
    secret: given.token ?? '',
    events: hookEvents.filter((name) => given[name] === true),
    isActive: true,
    contentType: 'json',
  }
  repository.hooks.push(hook)
  return { status: 201, body: hookJson(repository)(hook) }
}

/** What is not given stays as it is, and a hook that was stopped stays stopped. */
function editHook({ params, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const hook = repository.hooks.find(({ id }) => String(id) === params.hook_id)
  if (hook === undefined) return refused(404, '404 Not Found')
  const given = body as HookBody
  hook.url = given.url ?? hook.url
  hook.secret = given.token ?? hook.secret
  hook.events = hookEvents.filter((name) => given[name] ?? hook.events.includes(name))
  if (!isStopped(hook)) hook.isActive = true
  return ok(hookJson(repository)(hook))
}

function deleteHook({ params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const index = repository.hooks.findIndex(({ id }) => String(id) === params.hook_id)
  if (index < 0) return refused(404, '404 Not Found')
  repository.hooks.splice(index, 1)
  return { status: 204 }
}

/** Events that lead to a state, by the state a job has to be in. A finished job is left alone: another one is made. */
const transitions: Readonly<Record<string, { readonly event: string; readonly from: readonly string[] }>> = {
  pending: { event: 'enqueue', from: ['created'] },
  running: { event: 'run', from: ['created', 'pending'] },
  success: { event: 'success', from: ['created', 'pending', 'running'] },
  failed: { event: 'drop', from: ['created', 'pending', 'running'] },
  canceled: { event: 'cancel', from: ['created', 'pending', 'running'] },
}

/** Of the statuses, which belong to a branch and to whoever said them: of one name each user has one of their own. */
const refsOfStatuses = new WeakMap<ServerStatus, string>()
const authorsOfStatuses = new WeakMap<ServerStatus, ApiCall['user']>()

function createStatus({ server, params, user, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = params
  if (objectType(repository, sha) !== 'commit') return refused(404, '404 Commit Not Found')
  const given = body as Readonly<Record<string, string>>
  const { state = '', context, name = context ?? 'default', description: words = '', target_url = '' } = given
  for (const [member, text] of Object.entries({ ref: given.ref ?? '', description: words, target_url }))
    if ([...text].length > 255) return refused(400, { [member]: ['is too long (maximum is 255 characters)'] })
  const [branch] = repository
    .git('for-each-ref', '--format=%(refname:short)', `--contains=${sha}`, 'refs/heads')
    .split('\n')
  const same = repository.statuses.filter((status) => status.sha === sha && status.context === name)
  const known = same.findLast((status) => authorsOfStatuses.get(status) === user)
  const newest = same.at(-1)
  const ref = given.ref ?? (newest && refsOfStatuses.get(newest)) ?? branch
  if (ref === undefined || ref === '') return refused(404, '404 References for commit Not Found')
  const transition = transitions[state]
  if (transition === undefined) return refused(400, { error: 'state does not have a valid value' })
  const isOpen =
    known !== undefined && ['pending', 'running'].includes(known.state) && refsOfStatuses.get(known) === ref
  const from = isOpen ? known.state : 'created'
  if (!transition.from.includes(from))
    return refused(
      400,
      `Cannot transition status via :${transition.event} from :${from} (Reason(s): Status cannot transition via "${transition.event}")`,
    )
  if (isOpen) repository.statuses.splice(repository.statuses.indexOf(known), 1)
  const status: ServerStatus = {
    id: isOpen ? known.id : server.nextId(),
    sha,
    state,
    context: name,
    description: words,
    targetUrl: target_url,
  }
  repository.statuses.push(status)
  refsOfStatuses.set(status, ref)
  authorsOfStatuses.set(status, user)
  const json = { id: status.id, sha, ref, status: state, name, target_url, description: words, author: userJson(user!) }
  return { status: 201, body: json }
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body }
}

function refused(status: number, message: unknown): ApiAnswer {
  return { status, body: { message } }
}

function sizeOf({ server, query }: ApiCall): number {
  return Math.min(Number(query.get('per_page') ?? 20), 100, server.pageItemsMax)
}

function page(call: ApiCall, items: readonly unknown[]): ApiAnswer {
  const { url, query } = call
  const number = Number(query.get('page') ?? 1)
  const size = sizeOf(call)
  const link = (rel: string, to: number) => {
    const there = new URLSearchParams(query)
    there.set('page', String(to))
    return `<http://gitlab.internal${url.pathname}?${there}>; rel="${rel}"`
  }
  const links = [link('first', 1), ...(items.length > number * size ? [link('next', number + 1)] : [])]
  return { status: 200, body: items.slice((number - 1) * size, number * size), headers: { link: links.join(', ') } }
}
