// Gitea and Forgejo as provider servers: what their APIs answer, and the hooks they send.

import { createHash } from 'node:crypto'
import forgejoDifferences from './descriptions/forgejo.json' with { type: 'json' }
import forgejoPublished from './descriptions/forgejo-published.json' with { type: 'json' }
import description from './descriptions/gitea.json' with { type: 'json' }
import giteaPublished from './descriptions/gitea-published.json' with { type: 'json' }
import type { ApiAnswer, ApiCall, ApiRoute, ProviderFlavour } from './flavour.ts'
import { blobOf, commitOf, listTree, objectType, type TreeEntry } from './git-objects.ts'
import { hookRequestOf, redeliveredHeaders } from './gitea-hooks.ts'
import { hookJson, keyJson, repositoryJson, userJson } from './gitea-json.ts'
import type { ServerHook, ServerKey, ServerRepository } from './server-repository.ts'

const apiPath = '/api/v1'

/** A folder is a list, and users have a member for those who know Gitea's first versions. */
const misdescribed =
  /^GET \/repos\/\{owner\}\/\{repo\}\/contents\/.*answer 200 must be object$|: the member \S*\.username is not in the description$/

export const giteaFlavour: ProviderFlavour = {
  ...flavourOf('gitea', 'Gitea', description),
  // It is of 1.20: some of what is asked and told came later.
  published: {
    description: giteaPublished,
    wrong: new RegExp(
      `${misdescribed.source}|: the member (\\[\\])?\\.(url|branch_filter) is not|: the query parameter (stat|verification|files) is not`,
    ),
  },
}
export const forgejoFlavour: ProviderFlavour = {
  ...flavourOf('forgejo', 'Forgejo', {
    ...description,
    definitions: { ...description.definitions, ...forgejoDifferences.definitions },
  }),
  published: { description: forgejoPublished, wrong: misdescribed },
}

function flavourOf(type: 'gitea' | 'forgejo', name: string, described: object): ProviderFlavour {
  return {
    type,
    name,
    apiPath,
    description: described,
    routes: routesOf(type),
    errorBody: (_status, message) => ({ message, url: 'https://example.org/api/swagger' }),
    // They have no limits of their own; this is what a proxy in front of them says.
    rateLimited: (_now, seconds) => ({
      status: 429,
      body: { message: 'Too Many Requests', url: '' },
      headers: { 'retry-after': String(seconds) },
    }),
    tokenOf: ({ authorization }) => /^(?:token|bearer) (.+)$/i.exec(authorization ?? '')?.[1],
    hookRequest: (server, repository, hook, event) => hookRequestOf(type, server, repository, hook, event),
    redeliveredHeaders,
    closesWithBranch: true,
    pullRequestRef: (number) => `refs/pull/${number}/head`,
    oauth2: {
      authorizePath: '/login/oauth/authorize',
      tokenPath: '/login/oauth/access_token',
      expiresInSeconds: 3600,
      refusals: {
        application: { status: 400, error: 'invalid_client' },
        code: { status: 400, error: 'unauthorized_client' },
        refreshToken: { status: 400, error: 'unauthorized_client' },
      },
      needsResponseType: true,
      scope: '',
    },
  }
}

function routesOf(type: 'gitea' | 'forgejo'): readonly ApiRoute[] {
  const repository = '/repos/{owner}/{repo}'
  return [
    { method: 'GET', path: '/user', handle: ({ user }) => ok(userJson(user!)) },
    { method: 'GET', path: '/user/repos', handle: listRepositories },
    { method: 'GET', path: '/users/{username}/tokens', handle: listTokens },
    { method: 'POST', path: '/users/{username}/tokens', handle: createToken },
    { method: 'DELETE', path: '/users/{username}/tokens/{token}', handle: deleteToken },
    {
      method: 'GET',
      path: '/repositories/{id}',
      isPublic: true,
      handle: ({ server, params, user }) => {
        const found = server.repositories.find(({ id }) => String(id) === params.id)
        return found?.canRead(user) ? ok(repositoryJson(found, user)) : undefined
      },
    },
    ...readable([
      { method: 'GET', path: repository, handle: (call, found) => ok(repositoryJson(found, call.user)) },
      { method: 'GET', path: `${repository}/git/refs/{ref+}`, handle: findRefs },
      { method: 'GET', path: `${repository}/git/tags/{sha}`, handle: findTagObject },
      { method: 'GET', path: `${repository}/tags`, handle: listTags },
      { method: 'GET', path: `${repository}/git/commits/{sha}`, handle: findCommit },
      { method: 'GET', path: `${repository}/contents/{filepath+}`, handle: listFolder },
      { method: 'GET', path: `${repository}/raw/{filepath+}`, handle: readFile },
    ]),
    ...administrable([
      { method: 'GET', path: `${repository}/keys`, handle: (call, found) => page(call, found.keys.map(keyJson)) },
      { method: 'POST', path: `${repository}/keys`, handle: createKey },
      { method: 'DELETE', path: `${repository}/keys/{id}`, handle: deleteKey },
      {
        method: 'GET',
        path: `${repository}/hooks`,
        handle: (call, found) => page(call, found.hooks.map(hookJson(type))),
      },
      { method: 'POST', path: `${repository}/hooks`, handle: (call, found) => createHook(type, call, found) },
      { method: 'PATCH', path: `${repository}/hooks/{id}`, handle: (call, found) => editHook(type, call, found) },
      { method: 'DELETE', path: `${repository}/hooks/{id}`, handle: deleteHook },
    ]),
    ...writable([{ method: 'POST', path: `${repository}/statuses/{sha}`, handle: createStatus }]),
  ]
}

type RepositoryRoute = Omit<ApiRoute, 'handle'> & {
  readonly handle: (call: ApiCall, repository: ServerRepository) => ApiAnswer | undefined
}

function readable(routes: readonly RepositoryRoute[]): readonly ApiRoute[] {
  return routes.map((route) => ({
    ...route,
    isPublic: true,
    handle: (call) => inRepository(call, (repository) => route.handle(call, repository)),
  }))
}

function administrable(routes: readonly RepositoryRoute[]): readonly ApiRoute[] {
  const words = 'user should be an owner or a collaborator with admin write of a repository'
  return allowed(routes, (repository, user) => repository.canAdminister(user), words)
}

function writable(routes: readonly RepositoryRoute[]): readonly ApiRoute[] {
  return allowed(
    routes,
    (repository, user) => repository.canPush(user),
    'user should have a permission to write to a repo',
  )
}

function allowed(
  routes: readonly RepositoryRoute[],
  may: (repository: ServerRepository, user: ApiCall['user']) => boolean,
  words: string,
): readonly ApiRoute[] {
  return routes.map((route) => ({
    ...route,
    handle: (call) =>
      inRepository(call, (repository) =>
        may(repository, call.user) ? route.handle(call, repository) : refused(403, words),
      ),
  }))
}

function inRepository(
  { server, params, url, user }: ApiCall,
  handle: (repository: ServerRepository) => ApiAnswer | undefined,
): ApiAnswer | undefined {
  const path = `${params.owner}/${params.repo}`
  const found = server.findRepository(path)
  if (found?.repository.canRead(user) !== true) return refused(404, "The target couldn't be found.")
  if (!found.isFormer) return handle(found.repository)
  const location = `${url.pathname.replace(path, found.repository.path)}${url.search}`
  return { status: 307, headers: { location } }
}

function listRepositories(call: ApiCall): ApiAnswer {
  const { server, user } = call
  const own = server.repositories.filter((repository) => repository.isMember(user))
  const sorted = own.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return page(
    call,
    sorted.map((repository) => repositoryJson(repository, user)),
    { hasLink: true },
  )
}

function listTokens(call: ApiCall): ApiAnswer {
  if (call.isPassword !== true) return refused(401, 'auth required')
  if (call.user!.login !== call.params.username) return refused(403, 'doer should be the same as the contextUser')
  return page(
    call,
    tokensOf(call).map(({ name, text, scope }) => ({
      id: idOfToken(text),
      name,
      sha1: '',
      token_last_eight: text.slice(-8),
      scopes: scope.split(','),
    })),
  )
}

function createToken(call: ApiCall): ApiAnswer {
  const { server, user, body } = call
  if (call.isPassword !== true) return refused(401, 'auth required')
  if (user!.login !== call.params.username) return refused(403, 'doer should be the same as the contextUser')
  const { name, scopes = [] } = body as { readonly name: string; readonly scopes?: readonly string[] }
  if (tokensOf(call).some((token) => token.name === name))
    return refused(400, 'access token name has been used already')
  if (scopes.length === 0) return refused(400, 'access token must have a scope')
  const unknown = scopes.find((scope) => !/^(?:all|public-only|(?:read|write):[a-z]+)$/.test(scope))
  if (unknown !== undefined) return refused(400, `invalid access token scope provided: ${unknown}`)
  const { text } = server.createToken(user!, { name, scope: scopes.join(',') })
  const json = { id: idOfToken(text), name, sha1: text, token_last_eight: text.slice(-8), scopes }
  return { status: 201, body: json }
}

function deleteToken(call: ApiCall): ApiAnswer | undefined {
  if (call.isPassword !== true) return refused(401, 'auth required')
  const token = tokensOf(call).find(
    ({ name, text }) => String(idOfToken(text)) === call.params.token || name === call.params.token,
  )
  if (token === undefined) return undefined
  token.isRevoked = true
  return { status: 204 }
}

function tokensOf({ server, user }: ApiCall) {
  return server.tokens.filter((token) => token.user === user && token.name !== undefined && !token.isRevoked)
}

function idOfToken(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0)
}

/** All that begin with it, as a list; never one alone. */
function findRefs({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const found = [...repository.refs()].filter(([name]) => name.startsWith(`refs/${params.ref}`))
  if (found.length === 0) return undefined
  const api = `${server.url}${apiPath}/repos/${repository.path}`
  return ok(
    found.map(([ref, sha]) => {
      const type = repository.git('cat-file', '-t', sha)
      return { ref, url: `${api}/git/${ref}`, object: { type, sha, url: `${api}/git/${type}s/${sha}` } }
    }),
  )
}

function findTagObject({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = params
  if (objectType(repository, sha) !== 'tag') return refused(400, 'GetAnnotatedTag')
  // Gitea 1.23 has an answer for tags of commits only.
  if (objectType(repository, `${sha}^{}`) !== 'commit') return refused(400, 'object does not exist')
  const api = `${server.url}${apiPath}/repos/${repository.path}`
  const commit = repository.git('rev-parse', `${sha}^{commit}`)
  const [, name = ''] = /^tag (.+)$/m.exec(repository.git('cat-file', 'tag', sha)) ?? []
  return ok({
    tag: name,
    sha,
    url: `${api}/git/tags/${sha}`,
    message: 'a tag',
    object: { type: 'commit', sha: commit, url: `${api}/git/commits/${commit}` },
  })
}

function listTags(call: ApiCall, repository: ServerRepository): ApiAnswer {
  const isOdd = [...repository.refs('refs/tags/').keys()].some(
    (ref) => objectType(repository, `${ref}^{}`) !== 'commit',
  )
  // As Gitea 1.23 does.
  if (isOdd) return refused(500, "GetTagInfos: parse tag: parse object '': length 0 has no matched object format: ")
  const tags = [...repository.refs('refs/tags/')].map(([ref, id]) => {
    const sha = repository.git('rev-parse', `${ref}^{commit}`)
    const name = ref.slice('refs/tags/'.length)
    const url = `${call.server.url}${apiPath}/repos/${repository.path}/git/commits/${sha}`
    return { name, id, message: '', commit: { sha, url }, zipball_url: '', tarball_url: '' }
  })
  return page(call, tags)
}

function findCommit({ params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const { sha = '' } = params
  if (objectType(repository, sha) !== 'commit') return undefined
  const { author, email, date, parents, message } = commitOf(repository, sha)
  const person = { name: author, email, date }
  return ok({
    url: '',
    sha,
    html_url: `${repository.webUrl}/commit/${sha}`,
    commit: { url: '', author: person, committer: person, message: `${message}\n` },
    author: null,
    committer: null,
    parents: parents.map((parent) => ({ sha: parent, url: '' })),
  })
}

/** A list for a folder, one thing for a file. */
function listFolder({ params, query }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const { filepath = '' } = params
  const ref = query.get('ref') ?? repository.defaultBranch
  if (objectType(repository, ref) !== 'commit') return undefined
  const [itself] = listTree(repository, ref, filepath)
  if (itself === undefined) return undefined
  if (itself.type !== 'tree') return ok(contentsOf(itself, 'base64'))
  return ok(listTree(repository, ref, `${filepath}/`).map((entry) => contentsOf(entry, null)))
}

function contentsOf({ name, path, sha, mode, size = 0 }: TreeEntry, encoding: string | null): object {
  const types: Readonly<Record<string, string>> = { '040000': 'dir', '120000': 'symlink', '160000': 'submodule' }
  return { name, path, sha, type: types[mode] ?? 'file', size, encoding, content: null, target: null }
}

function readFile({ params, query }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const name = `${query.get('ref') ?? repository.defaultBranch}:${params.filepath}`
  if (objectType(repository, name) !== 'blob') return undefined
  return { status: 200, body: blobOf(repository, name) }
}

function createKey({ server, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const {
    title,
    key,
    read_only = false,
  } = body as {
    readonly title: string
    readonly key: string
    readonly read_only?: boolean
  }
  const text = key.trim().split(/\s+/).slice(0, 2).join(' ')
  if (!/^ssh-(?:rsa|ed25519) AAAA/.test(text)) return refused(422, 'Invalid key content: ssh: no key found')
  if (repository.keys.some((known) => known.title === title))
    return refused(422, 'Key title has been used, please use another one')
  if (repository.keys.some((known) => known.key === text))
    return refused(422, 'This key has already been added to this repository')
  const made: ServerKey = { id: server.nextId(), title, key: text, isReadOnly: read_only }
  repository.keys.push(made)
  server.keysChanged()
  return { status: 201, body: keyJson(made) }
}

function deleteKey({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const index = repository.keys.findIndex(({ id }) => String(id) === params.id)
  if (index < 0) return undefined
  repository.keys.splice(index, 1)
  server.keysChanged()
  return { status: 204 }
}

type HookBody = {
  readonly type?: string
  readonly config?: Readonly<Record<string, string>>
  readonly events?: readonly string[]
  readonly active?: boolean
}

/** `pull_request` means everything about pull requests. */
const pullRequestEvents = [
  'pull_request',
  'pull_request_assign',
  'pull_request_label',
  'pull_request_milestone',
  'pull_request_comment',
  'pull_request_review_approved',
  'pull_request_review_rejected',
  'pull_request_review_comment',
  'pull_request_sync',
  'pull_request_review_request',
]

/** Without any they are those of a push, also when a hook is changed. */
function eventsOf({ events = [] }: HookBody): readonly string[] {
  const wanted = events.length === 0 ? ['push'] : events
  return [...new Set(wanted.flatMap((event) => (event === 'pull_request' ? pullRequestEvents : [event])))]
}

function createHook(type: string, { server, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const given = body as HookBody
  const { url, content_type, secret = '' } = given.config ?? {}
  if (given.type !== type && given.type !== 'gitea') return refused(422, `Invalid hook type: ${given.type}`)
  if (url === undefined || content_type === undefined) return refused(422, 'Missing config option: url')
  const hook: ServerHook = {
    id: server.nextId(),
    url,
    secret,
    events: eventsOf(given),
    isActive: given.active === true,
    contentType: content_type,
  }
  repository.hooks.push(hook)
  return { status: 201, body: hookJson(type)(hook) }
}

function editHook(type: string, { params, body }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const hook = repository.hooks.find(({ id }) => String(id) === params.id)
  if (hook === undefined) return undefined
  const given = body as HookBody
  hook.url = given.config?.url ?? hook.url
  hook.secret = given.config?.secret ?? hook.secret
  hook.contentType = given.config?.content_type ?? hook.contentType
  hook.events = eventsOf(given)
  hook.isActive = given.active ?? hook.isActive
  return ok(hookJson(type)(hook))
}

function deleteHook({ params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const index = repository.hooks.findIndex(({ id }) => String(id) === params.id)
  if (index < 0) return undefined
  repository.hooks.splice(index, 1)
  return { status: 204 }
}

function createStatus({ server, params, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { sha = '' } = params
  // Gitea 1.23 has no better answer.
  if (objectType(repository, sha) !== 'commit') return refused(500, `GetCommit[${sha}]: object does not exist`)
  const {
    state = 'pending',
    context = 'default',
    description: words = '',
    target_url = '',
  } = body as Readonly<Record<string, string>>
  const id = server.nextId()
  repository.statuses.push({ id, sha, state, context, description: words, targetUrl: target_url })
  const at = server.nowText()
  return {
    status: 201,
    body: {
      id,
      status: state,
      target_url,
      description: words,
      context,
      url: '',
      creator: null,
      created_at: at,
      updated_at: at,
    },
  }
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body }
}

function refused(status: number, message: string): ApiAnswer {
  return { status, body: { message, url: 'https://example.org/api/swagger' } }
}

/** How many there are all of them tell; where the next page is, only some. */
function page({ server, url, query }: ApiCall, items: readonly unknown[], { hasLink = false } = {}): ApiAnswer {
  const number = Math.max(1, Number(query.get('page') ?? 1))
  const size = Math.min(Number(query.get('limit') ?? 30), 50, server.pageItemsMax)
  const headers: Record<string, string> = { 'x-total-count': String(items.length) }
  const next = new URLSearchParams(query)
  next.set('page', String(number + 1))
  const first = new URLSearchParams(query)
  first.set('page', '1')
  // Of the address that the server has for itself, which need not be the one it is asked at.
  const links = [
    ...(items.length > number * size ? [`<http://git.internal${url.pathname}?${next}>; rel="next"`] : []),
    ...(number > 1 ? [`<http://git.internal${url.pathname}?${first}>; rel="first"`] : []),
  ]
  if (hasLink && links.length > 0) headers.link = links.join(',')
  return { status: 200, body: items.slice((number - 1) * size, number * size), headers }
}
