// GitHub Enterprise Server as a provider server: what its API answers, and the hooks it sends.

import description from './descriptions/github.json' with { type: 'json' }
import type { ApiAnswer, ApiCall, ApiRoute, ProviderFlavour } from './flavour.ts'
import { blobOf, commitOf, listTree, objectType, type TreeEntry } from './git-objects.ts'
import { hookRequestOf, pingRequestOf } from './github-hooks.ts'
import { hookJson, keyJson, nodeId, repositoryJson, simpleUserJson, userJson } from './github-json.ts'
import type { ServerRepository } from './server-repository.ts'

const apiPath = '/api/v3'

export const githubFlavour: ProviderFlavour = {
  type: 'github',
  name: 'GitHub',
  apiPath,
  description,
  routes: [
    { method: 'GET', path: '/user', handle: ({ server, user }) => ok(userJson(server, user!)) },
    { method: 'GET', path: '/user/repos', handle: listRepositories },
    ...inRepository(''),
  ],
  errorBody,
  rateLimited: (now, seconds) => ({
    status: 403,
    body: errorBody(403, 'API rate limit exceeded for user ID 1.'),
    headers: {
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(Math.ceil(now / 1000) + seconds),
      'x-ratelimit-resource': 'core',
    },
  }),
  tokenOf: ({ authorization }) => /^(?:token|bearer) (.+)$/i.exec(authorization ?? '')?.[1],
  hookRequest: hookRequestOf,
  pullRequestRef: (number) => `refs/pull/${number}/head`,
  oauth2: {
    authorizePath: '/login/oauth/authorize',
    tokenPath: '/login/oauth/access_token',
    expiresInSeconds: undefined,
    refusals: {
      application: { status: 200, error: 'incorrect_client_credentials' },
      code: { status: 200, error: 'bad_verification_code' },
      refreshToken: { status: 200, error: 'bad_refresh_token' },
    },
    needsResponseType: false,
    scope: 'repo',
  },
}

/** An installation whose tokens expire, as those of GitHub Apps do. */
export const githubWithExpiry: ProviderFlavour = {
  ...githubFlavour,
  oauth2: { ...githubFlavour.oauth2, expiresInSeconds: 28_800 },
}

type Handle = (call: ApiCall, repository: ServerRepository) => ApiAnswer | undefined

/** Each below the path of a repository, and below its id, where redirects lead to. */
function inRepository(base: string): readonly ApiRoute[] {
  const routes: readonly (readonly [ApiRoute['method'], path: string, 'read' | 'push' | 'administer', Handle])[] = [
    ['GET', '', 'read', ({ server, user }, found) => ok(repositoryJson(server, found, user))],
    [
      'GET',
      '/keys',
      'administer',
      (call, found) =>
        page(
          call,
          found.keys.map((key) => keyJson(call.server, found, key)),
        ),
    ],
    ['POST', '/keys', 'administer', createKey],
    ['DELETE', '/keys/{key_id}', 'administer', deleteKey],
    [
      'GET',
      '/hooks',
      'administer',
      (call, found) =>
        page(
          call,
          found.hooks.map((hook) => hookJson(call.server, found, hook)),
        ),
    ],
    ['POST', '/hooks', 'administer', createHook],
    ['PATCH', '/hooks/{hook_id}', 'administer', editHook],
    ['DELETE', '/hooks/{hook_id}', 'administer', deleteHook],
    ['POST', '/statuses/{sha}', 'push', createStatus],
    ['GET', '/git/ref/{ref+}', 'read', findRef],
    ['GET', '/git/matching-refs/{ref+}', 'read', matchingRefs],
    ['GET', '/git/tags/{tag_sha}', 'read', findTagObject],
    ['GET', '/git/commits/{commit_sha}', 'read', findCommit],
    ['GET', '/git/blobs/{file_sha}', 'read', findBlob],
    ['GET', '/git/trees/{tree_sha}', 'read', findTree],
    ['GET', '/contents/{path+}', 'read', findContents],
    ['GET', '/tags', 'read', listTags],
  ]
  return routes.flatMap(([method, path, right, handle]) => {
    const describedAs = `/repos/{owner}/{repo}${path}`
    const isPublic = right === 'read'
    const guarded = (call: ApiCall, found: ServerRepository | undefined) => {
      if (found === undefined || !found.canRead(call.user)) return undefined
      // Who may not see settings does not hear of them.
      if (right === 'administer' && !found.canAdminister(call.user)) return undefined
      if (right === 'push' && !found.canPush(call.user)) return undefined
      if (method !== 'GET' && found.isArchived) return refused(403, 'Repository was archived so is read-only.')
      return handle(call, found)
    }
    return [
      {
        method,
        path: `${base}/repositories/{id}${path}`,
        describedAs,
        isPublic,
        handle: (call) =>
          guarded(
            call,
            call.server.repositories.find(({ id }) => String(id) === call.params.id),
          ),
      },
      {
        method,
        path: `${base}${describedAs}`,
        isPublic,
        handle: (call) => {
          const asked = `${call.params.owner}/${call.params.repo}`
          const found = call.server.findRepository(asked)
          if (found?.isFormer !== true || !found.repository.canRead(call.user)) return guarded(call, found?.repository)
          const rest = call.url.pathname.slice(`${apiPath}/repos/${asked}`.length)
          const location = `${call.server.url}${apiPath}/repositories/${found.repository.id}${rest}${call.url.search}`
          return {
            status: method === 'GET' ? 301 : 307,
            headers: { location },
            body: { message: 'Moved Permanently', url: location, documentation_url: 'https://docs.github.com/rest' },
          }
        },
      },
    ] satisfies ApiRoute[]
  })
}

function listRepositories(call: ApiCall): ApiAnswer {
  const { server, user } = call
  const seen = server.repositories
    .filter((repository) => repository.isMember(user))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return page(
    call,
    seen.map((repository) => repositoryJson(server, repository, user)),
  )
}

function createKey({ server, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { title = '', key, read_only = false } = body as { title?: string; key: string; read_only?: boolean }
  // A key is good for one repository of the whole installation. GitHub keeps no comment of it.
  const text = key.trim().split(/\s+/).slice(0, 2).join(' ')
  if (server.repositories.some(({ keys }) => keys.some((known) => known.key === text)))
    return invalid({ resource: 'PublicKey', code: 'custom', field: 'key', message: 'key is already in use' })
  const made = { id: server.nextId(), title, key: text, isReadOnly: read_only }
  repository.keys.push(made)
  server.keysChanged()
  return { status: 201, body: keyJson(server, repository, made) }
}

function deleteKey({ server, params }: ApiCall, { keys }: ServerRepository): ApiAnswer | undefined {
  const index = keys.findIndex(({ id }) => String(id) === params.key_id)
  if (index < 0) return undefined
  keys.splice(index, 1)
  server.keysChanged()
  return { status: 204 }
}

type HookBody = {
  readonly active?: boolean
  readonly events?: readonly string[]
  readonly config?: { readonly url?: string; readonly secret?: string; readonly content_type?: string }
}

function createHook({ server, body }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { active = true, events = ['push'], config = {} } = body as HookBody
  const { url = '', secret = '', content_type = 'form' } = config
  if (!URL.canParse(url)) return invalid({ resource: 'Hook', code: 'custom', message: 'url is missing a scheme' })
  if (repository.hooks.some((known) => known.url === url))
    return invalid({ resource: 'Hook', code: 'custom', message: 'Hook already exists on this repository' })
  const made = { id: server.nextId(), url, secret, events, isActive: active, contentType: content_type }
  repository.hooks.push(made)
  server.sendHook(repository, made, pingRequestOf(server, repository, made))
  return { status: 201, body: hookJson(server, repository, made) }
}

function editHook({ server, params, body }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const hook = repository.hooks.find(({ id }) => String(id) === params.hook_id)
  if (hook === undefined) return undefined
  const { active, events, config } = body as HookBody
  if (active !== undefined) hook.isActive = active
  if (events !== undefined) hook.events = events
  // The whole of it is replaced: without a secret there is none any more.
  if (config !== undefined)
    Object.assign(hook, {
      url: config.url ?? hook.url,
      secret: config.secret ?? '',
      contentType: config.content_type ?? 'form',
    })
  return ok(hookJson(server, repository, hook))
}

function deleteHook({ params }: ApiCall, { hooks }: ServerRepository): ApiAnswer | undefined {
  const index = hooks.findIndex(({ id }) => String(id) === params.hook_id)
  if (index < 0) return undefined
  hooks.splice(index, 1)
  return { status: 204 }
}

function createStatus({ server, params, body, user }: ApiCall, repository: ServerRepository): ApiAnswer {
  const { state, context = 'default', description = '', target_url = '' } = body as Record<string, string>
  const sha = params.sha!
  if (objectType(repository, sha) !== 'commit') return invalid(`No commit found for SHA: ${sha}`)
  if ([...description].length > 140)
    return invalid({
      resource: 'Status',
      code: 'custom',
      field: 'description',
      message: 'description is too long (maximum is 140 characters)',
    })
  const id = server.nextId()
  repository.statuses.push({ id, sha, state: state!, context, description, targetUrl: target_url })
  const at = server.nowText()
  return {
    status: 201,
    body: {
      url: `${server.url}${apiPath}/repos/${repository.path}/statuses/${sha}`,
      avatar_url: `${server.url}/avatars/u/${user!.id}`,
      id,
      node_id: nodeId('Status', id),
      state,
      description,
      target_url,
      context,
      created_at: at,
      updated_at: at,
      creator: simpleUserJson(server, user!),
    },
  }
}

function findRef({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  if (repository.isEmpty) return empty()
  const name = `refs/${params.ref}`
  const sha = repository.refs('refs/').get(name)
  return sha === undefined ? undefined : ok(refJson(server.url, repository, name, sha))
}

function matchingRefs({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer {
  if (repository.isEmpty) return empty()
  const prefix = `refs/${params.ref}`
  const found = [...repository.refs('refs/')].filter(([name]) => name.startsWith(prefix))
  return ok(found.map(([name, sha]) => refJson(server.url, repository, name, sha)))
}

function refJson(serverUrl: string, repository: ServerRepository, name: string, sha: string) {
  const type = objectType(repository, sha)!
  const base = `${serverUrl}${apiPath}/repos/${repository.path}/git`
  const url = `${base}/${name.split('/').map(encodeURIComponent).join('/')}`
  return { ref: name, node_id: nodeId('Ref', name), url, object: { type, sha, url: `${base}/${type}s/${sha}` } }
}

function findTagObject({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const sha = params.tag_sha!
  if (objectType(repository, sha) !== 'tag') return undefined
  const [, target, type, tag, tagger] =
    /^object (\w+)\ntype (\w+)\ntag (.+)\ntagger (.+)$/m.exec(repository.git('cat-file', '-p', sha)) ?? []
  const base = `${server.url}${apiPath}/repos/${repository.path}/git`
  return ok({
    node_id: nodeId('Tag', sha),
    sha,
    url: `${base}/tags/${sha}`,
    tag,
    message: `Tag ${tag}`,
    tagger: { name: tagger!.split(' <')[0], email: 'test@example.org', date: server.nowText() },
    object: { sha: target, type, url: `${base}/${type}s/${target}` },
    verification: unsigned,
  })
}

const unsigned = { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null }

function findCommit({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  if (repository.isEmpty) return empty()
  const sha = params.commit_sha!
  if (!/^[0-9a-f]{40}$/.test(sha) || objectType(repository, sha) !== 'commit') return undefined
  const { author, email, date, parents, message } = commitOf(repository, sha)
  const person = { name: author, email, date }
  const base = `${server.url}${apiPath}/repos/${repository.path}/git`
  const tree = repository.git('rev-parse', `${sha}^{tree}`)
  const html = (name: string) => `${repository.webUrl}/commit/${name}`
  return ok({
    sha,
    node_id: nodeId('Commit', sha),
    url: `${base}/commits/${sha}`,
    html_url: html(sha),
    author: person,
    committer: person,
    message,
    tree: { sha: tree, url: `${base}/trees/${tree}` },
    parents: parents.map((parent) => ({ sha: parent, url: `${base}/commits/${parent}`, html_url: html(parent) })),
    verification: unsigned,
  })
}

function findBlob({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const sha = params.file_sha!
  if (objectType(repository, sha) !== 'blob') return undefined
  const content = blobOf(repository, sha)
  return ok({
    sha,
    node_id: nodeId('Blob', sha),
    size: content.length,
    url: `${server.url}${apiPath}/repos/${repository.path}/git/blobs/${sha}`,
    // In lines of 60, as GitHub breaks them.
    content: content.toString('base64').replaceAll(/.{60}/g, '$&\n'),
    encoding: 'base64',
  })
}

function findTree({ server, params }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const sha = params.tree_sha!
  const type = objectType(repository, sha)
  if (type !== 'tree' && type !== 'commit') return undefined
  const base = `${server.url}${apiPath}/repos/${repository.path}/git`
  const tree = listTree(repository, sha, '.').map(({ mode, type: kind, sha: id, size, path }) => ({
    path,
    mode,
    type: kind,
    sha: id,
    ...(size === undefined ? {} : { size }),
    ...(kind === 'commit' ? {} : { url: `${base}/${kind}s/${id}` }),
  }))
  return ok({ sha: repository.git('rev-parse', `${sha}^{tree}`), url: `${base}/trees/${sha}`, tree, truncated: false })
}

const folderEntriesMax = 1000

function findContents({ server, params, query }: ApiCall, repository: ServerRepository): ApiAnswer | undefined {
  const ref = query.get('ref') ?? repository.defaultBranch
  if (repository.isEmpty) return refused(404, 'This repository is empty.')
  if (objectType(repository, `${ref}^{commit}`) !== 'commit') return refused(404, `No commit found for the ref ${ref}`)
  const path = params.path!.replace(/\/$/, '')
  const [entry] = listTree(repository, ref, path)
  if (entry === undefined) return undefined
  const json = (each: TreeEntry) => contentJson(server.url, repository, ref, each)
  if (entry.type === 'tree') return ok(listTree(repository, ref, `${path}/`).slice(0, folderEntriesMax).map(json))
  if (entry.mode === '120000') {
    const target = blobOf(repository, entry.sha).toString('utf8')
    return ok({ ...json(entry), type: 'symlink', target })
  }
  if (entry.type === 'commit')
    return ok({ ...json(entry), type: 'submodule', submodule_git_url: 'https://example.org/sub.git' })
  const content = blobOf(repository, entry.sha)
  return ok({ ...json(entry), content: content.toString('base64'), encoding: 'base64' })
}

function contentJson(serverUrl: string, repository: ServerRepository, ref: string, entry: TreeEntry) {
  const { mode, type, sha, size = 0, path, name } = entry
  const escaped = path.split('/').map(encodeURIComponent).join('/')
  const base = `${serverUrl}${apiPath}/repos/${repository.path}`
  const url = `${base}/contents/${escaped}?ref=${encodeURIComponent(ref)}`
  const isFile = type === 'blob' && mode !== '120000'
  const git = `${base}/git/${type === 'blob' ? 'blobs' : 'trees'}/${sha}`
  const html = `${repository.webUrl}/blob/${encodeURIComponent(ref)}/${escaped}`
  return {
    name,
    path,
    sha,
    size,
    url,
    html_url: html,
    git_url: git,
    // On a host of its own, which must not be asked with a token.
    download_url: isFile ? `http://raw.example.org/${repository.path}/${escaped}` : null,
    // A submodule in a folder says that it is a file, for those who know nothing else.
    type: type === 'tree' ? 'dir' : mode === '120000' ? 'symlink' : 'file',
    _links: { self: url, git, html },
  }
}

function listTags(call: ApiCall, repository: ServerRepository): ApiAnswer {
  const base = `${call.server.url}${apiPath}/repos/${repository.path}`
  const tags = [...repository.refs('refs/tags/')].flatMap(([ref]) => {
    const name = ref.slice('refs/tags/'.length)
    // Tags of anything else are not listed.
    if (objectType(repository, `${ref}^{}`) !== 'commit') return []
    const sha = repository.git('rev-parse', `${ref}^{commit}`)
    const tag = {
      name,
      commit: { sha, url: `${base}/commits/${sha}` },
      zipball_url: `${base}/zipball/${name}`,
      tarball_url: `${base}/tarball/${name}`,
      node_id: nodeId('Ref', ref),
    }
    return [tag]
  })
  return page(call, tags)
}

/** One page of it, with GitHub's header Link. */
function page({ server, url, query }: ApiCall, items: readonly unknown[]): ApiAnswer {
  const size = Math.min(Number(query.get('per_page') ?? 30), 100, server.pageItemsMax)
  const number = Number(query.get('page') ?? 1)
  const last = Math.max(1, Math.ceil(items.length / size))
  const at = (to: number) => {
    const link = new URL(url)
    link.searchParams.set('page', String(to))
    return link.href
  }
  const links = [
    ...(number < last ? [`<${at(number + 1)}>; rel="next"`, `<${at(last)}>; rel="last"`] : []),
    ...(number > 1 ? [`<${at(number - 1)}>; rel="prev"`, `<${at(1)}>; rel="first"`] : []),
  ]
  const body = items.slice((number - 1) * size, number * size)
  return { status: 200, body, headers: links.length === 0 ? {} : { link: links.join(', ') } }
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body }
}

function empty(): ApiAnswer {
  return refused(409, 'Git Repository is empty.')
}

function refused(status: number, message: string): ApiAnswer {
  return { status, body: errorBody(status, message) }
}

/** `error`: one of a list, or a message of its own. */
function invalid(error: object | string): ApiAnswer {
  const documentation_url = 'https://docs.github.com/rest'
  return typeof error === 'string'
    ? { status: 422, body: { message: error, documentation_url, status: '422' } }
    : { status: 422, body: { message: 'Validation Failed', errors: [error], documentation_url, status: '422' } }
}

function errorBody(status: number, message: string): unknown {
  return { message, documentation_url: 'https://docs.github.com/rest', status: String(status) }
}
