// A provider of repositories for tests: users, tokens, real git repositories over HTTP and ssh, hooks that are really sent, OAuth2
// pages for a browser, and faults. What a provider's API looks like is its flavour (`github-server.ts`). Every request of the API and
// every answer is held against the provider's own description; what does not fit it fails the test when the server is disposed.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerGit } from '../support/git-http-server.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { ApiDescription } from './api-description.ts'
import type { ApiAnswer, ApiRoute, ProviderFlavour } from './flavour.ts'
import { answerOAuth2, type OAuth2Grants } from './oauth2-pages.ts'
import { randomText } from './random-text.ts'
import {
  noSha,
  type ServerHook,
  type ServerPullRequest,
  type ServerPush,
  ServerRepository,
} from './server-repository.ts'
import { openSshAccess, type SshAccess } from './ssh-access.ts'

export type ServerUser = {
  readonly id: number
  login: string
  readonly name: string
  readonly email: string
  readonly password: string
}

export type ServerToken = {
  readonly text: string
  readonly user: ServerUser
  /** Of tokens that a user made. */
  readonly name?: string
  readonly scope: string
  readonly refreshToken?: string
  expiresAt?: number
  isRevoked: boolean
}

export type ServerApplication = {
  readonly name: string
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[]
}

export type ServerEvent =
  | { readonly kind: 'push'; readonly push: ServerPush }
  | {
      readonly kind: 'pull_request'
      readonly action: 'opened' | 'synchronised' | 'reopened' | 'labelled' | 'closed'
      readonly pullRequest: ServerPullRequest
      readonly user: ServerUser
      readonly label?: string
      /** Of `synchronised`: the commit before. */
      readonly before?: string
    }

export type HookDelivery = {
  readonly repository: ServerRepository
  readonly hook: ServerHook
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Undefined when there was no answer. */
  status?: number
}

export type Fault = {
  /** Default: every one. */
  readonly method?: string
  /** Of the path below the API; default: every one. */
  readonly path?: RegExp
  /** How often; default once. */
  readonly times?: number
} & (
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: unknown
    }
  /** Half of the answer, and the connection ends. What was asked is done. */
  | { readonly kind: 'cut' }
  /** The connection ends before anything was done. */
  | { readonly kind: 'reset' }
  /** Nothing comes until this resolves, then the answer. */
  | { readonly kind: 'slow'; readonly until: Promise<unknown> }
  /** Nothing ever comes; the connection ends when this resolves. */
  | { readonly kind: 'hang'; readonly until: Promise<unknown> }
  /** The provider's own way to say that there were too many requests. */
  | { readonly kind: 'rate_limit'; readonly seconds: number }
)

export type SeenRequest = {
  readonly method: string
  /** With its query. */
  readonly url: string
  readonly authorization: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
  status?: number
}

export type ProviderServerOptions = {
  /** Repositories over ssh as well, for those whose deploy keys are known. */
  readonly ssh?: boolean
  /** Milliseconds since 1970; default: of this machine. */
  readonly now?: () => number
}

export class ProviderServer implements AsyncDisposable {
  readonly flavour: ProviderFlavour
  readonly root: string
  readonly users: ServerUser[] = []
  readonly tokens: ServerToken[] = []
  readonly applications: ServerApplication[] = []
  readonly repositories: ServerRepository[] = []
  readonly deliveries: HookDelivery[] = []
  /** Requests of the API and of OAuth2's token endpoint. */
  readonly requests: SeenRequest[] = []
  /** Requests and answers that are not as the provider describes them. */
  readonly violations: string[] = []
  readonly grants: OAuth2Grants = { codes: new Map() }
  /** Items of a page are at most so many. */
  pageItemsMax = 100
  readonly now: () => number
  readonly #faults: { fault: Fault; left: number }[] = []
  readonly #description: ApiDescription
  readonly #published: ApiDescription | undefined
  readonly #server: Server
  readonly #owned = new AsyncDisposableStack()
  readonly #ending = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  #ssh: SshAccess | undefined
  #ids = 1000

  private constructor(flavour: ProviderFlavour, options: ProviderServerOptions) {
    this.flavour = flavour
    this.now = options.now ?? Date.now
    this.root = this.#owned.use(temporaryDirectory('provider')).path
    this.#description = descriptionOf(flavour.description, { isComplete: flavour.isComplete === true })
    this.#published =
      flavour.published && descriptionOf(flavour.published.description, { isComplete: true, tellsNull: false })
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.violations.push(`${request.method} ${request.url}: the server failed: ${String(error)}`)
        if (response.headersSent) response.destroy()
        else response.writeHead(500).end()
      })
    })
  }

  static async open(flavour: ProviderFlavour, options: ProviderServerOptions = {}): Promise<ProviderServer> {
    await using undo = new AsyncDisposableStack()
    const server = undo.use(new ProviderServer(flavour, options))
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    server.#owned.defer(() => {
      server.#server.closeAllConnections()
      return new Promise((resolve) => void server.#server.close(() => resolve()))
    })
    if (options.ssh === true) server.#ssh = server.#owned.use(await openSshAccess(server))
    undo.move()
    return server
  }

  /** Without a slash at the end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The line of known_hosts; undefined without ssh. */
  get sshHostKey(): string | undefined {
    return this.#ssh?.hostKeyLine
  }

  sshUrlOf(path: string): string {
    return this.#ssh?.urlOf(path) ?? `ssh://git@127.0.0.1:1/${path}.git`
  }

  nextId(): number {
    return this.#ids++
  }

  nowText(): string {
    return `${new Date(this.now()).toISOString().slice(0, 19)}Z`
  }

  createUser(login: string): ServerUser {
    const user = {
      id: this.nextId(),
      login,
      name: `The user ${login}`,
      email: `${login}@example.org`,
      password: `password-of-${login}`,
    }
    this.users.push(user)
    return user
  }

  /** One that a user made, or that OAuth2 gave. */
  createToken(
    user: ServerUser,
    options: {
      readonly name?: string
      readonly scope?: string
      readonly expiresInMs?: number
      readonly refreshToken?: string
    } = {},
  ): ServerToken {
    const { name, scope = '', expiresInMs, refreshToken } = options
    const token: ServerToken = {
      text: randomText('token'),
      user,
      scope,
      isRevoked: false,
      ...(name === undefined ? {} : { name }),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(expiresInMs === undefined ? {} : { expiresAt: this.now() + expiresInMs }),
    }
    this.tokens.push(token)
    return token
  }

  /** All tokens of the user end now; refresh tokens stay good. */
  expireTokens(user: ServerUser): void {
    for (const token of this.tokens) if (token.user === user) token.expiresAt = this.now()
  }

  /** For OAuth2. */
  createApplication(name: string, redirectUris: readonly string[]): ServerApplication {
    const application = {
      name,
      clientId: randomText('client'),
      clientSecret: randomText('secret'),
      redirectUris,
    }
    this.applications.push(application)
    return application
  }

  /** `path`: `acme/web`. With `files` it has one commit. */
  async createRepository(
    path: string,
    options: {
      readonly administrator: ServerUser
      readonly files?: Readonly<Record<string, string>>
      readonly isPrivate?: boolean
      readonly defaultBranch?: string
    },
  ): Promise<ServerRepository> {
    const { administrator, files, isPrivate = false, defaultBranch = 'main' } = options
    const repository = new ServerRepository(this, { path, isPrivate, defaultBranch, parent: undefined })
    repository.administrators.add(administrator)
    this.repositories.push(repository)
    if (files !== undefined) await repository.commit({ files, message: 'First commit' })
    return repository
  }

  /** Of the user, under the same name. */
  fork(parent: ServerRepository, user: ServerUser): ServerRepository {
    const { isPrivate, defaultBranch, name } = parent
    const fork = new ServerRepository(this, { path: `${user.login}/${name}`, isPrivate, defaultBranch, parent })
    fork.administrators.add(user)
    this.repositories.push(fork)
    return fork
  }

  /** The old address leads to the new one, until another repository takes it. */
  renameRepository(repository: ServerRepository, path: string): void {
    repository.formerPaths.push(repository.path)
    repository.path = path
    this.#ssh?.update()
  }

  /** Its pull requests to other repositories have no head any more. */
  async deleteRepository(repository: ServerRepository): Promise<void> {
    if (this.flavour.closesWithBranch === true)
      for (const base of this.repositories) if (base !== repository) await base.closePullRequestsOf(repository)
    this.repositories.splice(this.repositories.indexOf(repository), 1)
    for (const { pullRequests } of this.repositories)
      for (const { head } of pullRequests) if (head.repository === repository) head.repository = undefined
    this.#ssh?.update()
  }

  /** Tells whoever checks keys of changes. */
  keysChanged(): void {
    this.#ssh?.update()
  }

  /** As it is called now, and which one had that path before; case does not matter. */
  findRepository(path: string): { readonly repository: ServerRepository; readonly isFormer: boolean } | undefined {
    const wanted = path.toLowerCase()
    const current = this.repositories.find((repository) => repository.path.toLowerCase() === wanted)
    if (current !== undefined) return { repository: current, isFormer: false }
    const former = this.repositories.findLast(({ formerPaths }) =>
      formerPaths.some((name) => name.toLowerCase() === wanted),
    )
    return former && { repository: former, isFormer: true }
  }

  /** The next requests that fit meet it. */
  addFault(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  clearFaults(): void {
    this.#faults.length = 0
  }

  /** Sends the event to the active hooks of the repository that want it, and waits for their answers. */
  async sendHooks(repository: ServerRepository, event: ServerEvent): Promise<void> {
    const deliveries: HookDelivery[] = []
    for (const hook of repository.hooks) {
      const request = hook.isActive ? this.flavour.hookRequest(this, repository, hook, event) : undefined
      if (request !== undefined) deliveries.push({ repository, hook, ...request })
    }
    this.deliveries.push(...deliveries)
    await Promise.all(deliveries.map((delivery) => this.#deliver(delivery)))
  }

  /** One that is of no change, like a try; nobody waits for it. */
  sendHook(repository: ServerRepository, hook: ServerHook, request: Pick<HookDelivery, 'headers' | 'body'>): void {
    const delivery = { repository, hook, ...request }
    this.deliveries.push(delivery)
    void this.#deliver(delivery)
  }

  /** The same again, as somebody asks for on the page of the hook. */
  async redeliver(delivery: HookDelivery): Promise<HookDelivery> {
    const { status: _, ...same } = delivery
    const again = { ...same, headers: this.flavour.redeliveredHeaders?.(same.headers) ?? same.headers }
    this.deliveries.push(again)
    await this.#deliver(again)
    return again
  }

  /** Resolves when no hook is being sent any more. */
  async settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending)
  }

  async #deliver(delivery: HookDelivery): Promise<void> {
    const { hook, headers, body } = delivery
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(30_000)])
    const sending = fetch(hook.url, { method: 'POST', headers, body, signal, redirect: 'manual' }).then(
      async (answer) => {
        delivery.status = answer.status
        await answer.body?.cancel()
      },
      // Nobody there: providers do not try again by themselves.
      () => undefined,
    )
    this.#sending.add(sending)
    await sending
    this.#sending.delete(sending)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.url)
    const { apiPath, oauth2 } = this.flavour
    if (pathname.startsWith(`${apiPath}/`)) return await this.#answerApi(request, response)
    if (pathname === oauth2.authorizePath || pathname === oauth2.tokenPath) {
      const body = await bodyOf(request)
      if (pathname === oauth2.tokenPath) {
        const seen = this.#see(request, body)
        response.on('finish', () => Object.assign(seen, { status: response.statusCode }))
        if (await this.#meetFault(request, pathname, response)) return
      }
      const answer = answerOAuth2(this, request, body.toString('utf8'))
      response.writeHead(answer.status, answer.headers).end(answer.body)
      return
    }
    const git = /^\/(.+?)(?:\.git)?(\/(?:info\/refs|git-upload-pack|git-receive-pack))$/.exec(
      decodeURIComponent(pathname),
    )
    if (git !== null) return await this.#answerGit(request, response, git[1]!, git[2]!)
    response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found</h1>')
  }

  async #answerGit(request: IncomingMessage, response: ServerResponse, path: string, rest: string): Promise<void> {
    const found = this.findRepository(path)
    const [, password = ''] = basicOf(request) ?? []
    const user = this.#tokenOf(password)?.user ?? this.users.find((each) => each.password === password)
    if (found === undefined || !found.repository.canRead(user)) {
      response.writeHead(user === undefined ? 401 : 404, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    const { repository, isFormer } = found
    if (isFormer) {
      const { search } = new URL(request.url ?? '/', this.url)
      response.writeHead(301, { location: `${repository.cloneUrl}${rest}${search}` }).end()
      return
    }
    const mayPush = repository.canPush(user) && !repository.isArchived
    const before = repository.refs()
    await answerGit(request, response, { root: this.root, pathname: `/${repository.id}.git${rest}`, mayPush })
    if (rest !== '/git-receive-pack' || user === undefined) return
    const after = repository.refs()
    const names = new Set([...before.keys(), ...after.keys()])
    const pushes = [...names]
      .filter((ref) => before.get(ref) !== after.get(ref))
      .map((ref) => ({ ref, before: before.get(ref) ?? noSha, after: after.get(ref) ?? noSha, user }))
    await repository.pushed(pushes)
  }

  async #answerApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const path = url.pathname.slice(this.flavour.apiPath.length)
    const raw = await bodyOf(request)
    const seen = this.#see(request, raw)
    const fault = await this.#meetFault(request, path, response)
    if (fault === true) {
      seen.status = response.statusCode
      return
    }
    const { route, params } = this.#route(request.method ?? '', path)
    const answer = this.#authorized(request, route) ?? (await this.#handled(request, url, seen.body, route, params))
    seen.status = answer.status
    if (route === undefined) this.violations.push(`${request.method} ${path}: this server does not know that`)
    else this.#check(route, url.searchParams, seen.body, answer)
    this.#send(response, answer, fault === 'cut')
  }

  #authorized(request: IncomingMessage, route: ApiRoute | undefined): ApiAnswer | undefined {
    const { authorization } = request.headers
    const isKnown = authorization === undefined || this.#callerOf(request) !== undefined
    if (isKnown && (authorization !== undefined || route?.isPublic === true)) return undefined
    return { status: 401, body: this.flavour.errorBody(401, 'Bad credentials') }
  }

  async #handled(
    request: IncomingMessage,
    url: URL,
    body: unknown,
    route: ApiRoute | undefined,
    params: Readonly<Record<string, string>>,
  ): Promise<ApiAnswer> {
    const notFound = { status: 404, body: this.flavour.errorBody(404, 'Not Found') }
    if (route === undefined) return notFound
    const caller = this.#callerOf(request)
    const call = { server: this, params, url, query: url.searchParams, body, headers: request.headers, ...caller }
    return (await route.handle(call)) ?? notFound
  }

  #check(route: ApiRoute, query: URLSearchParams, body: unknown, answer: ApiAnswer): void {
    // A redirect is none of the operation's own answers, and has the query of the request once more.
    if (answer.status >= 300 && answer.status < 400) return
    const path = (route.describedAs ?? route.path).replaceAll('+}', '}')
    const isJson = answer.body !== undefined && !Buffer.isBuffer(answer.body)
    const given = isJson ? (JSON.parse(JSON.stringify(answer.body)) as unknown) : undefined
    const call = { method: route.method, path, query, body, status: answer.status, answer: given }
    this.violations.push(...this.#description.violations(call))
    const beside = this.#published?.violations(call) ?? []
    this.violations.push(...beside.filter((text) => this.flavour.published?.wrong.test(text) !== true))
  }

  #callerOf(request: IncomingMessage): { readonly user: ServerUser; readonly isPassword: boolean } | undefined {
    const basic = basicOf(request)
    if (basic !== undefined) {
      const [login, password] = basic
      const user = this.users.find((each) => each.login === login && each.password === password)
      return user && { user, isPassword: true }
    }
    const text = this.flavour.tokenOf(request.headers)
    const token = text === undefined ? undefined : this.#tokenOf(text)
    return token && { user: token.user, isPassword: false }
  }

  #tokenOf(text: string): ServerToken | undefined {
    return this.tokens.find(
      (token) =>
        token.text === text && !token.isRevoked && (token.expiresAt === undefined || token.expiresAt > this.now()),
    )
  }

  #route(method: string, path: string): { route: ApiRoute | undefined; params: Readonly<Record<string, string>> } {
    for (const route of this.flavour.routes) {
      if (route.method !== method) continue
      const found = patternOf(route.path).exec(path)
      if (found === null) continue
      const params = Object.entries(found.groups ?? {}).map(([name, text]) => [name, decodeURIComponent(text ?? '')])
      return { route, params: Object.fromEntries(params) as Record<string, string> }
    }
    return { route: undefined, params: {} }
  }

  #see(request: IncomingMessage, raw: Buffer): SeenRequest {
    const seen: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      authorization: request.headers.authorization,
      headers: request.headers,
      body: raw.length === 0 ? undefined : parsed(raw, request.headers['content-type'] ?? ''),
    }
    this.requests.push(seen)
    return seen
  }

  /** True when the fault was the whole answer. */
  async #meetFault(request: IncomingMessage, path: string, response: ServerResponse): Promise<boolean | 'cut'> {
    const met = this.#faults.find(
      ({ fault, left }) =>
        left > 0 && (fault.method ?? request.method) === request.method && (fault.path?.test(path) ?? true),
    )
    if (met === undefined) return false
    met.left--
    const { fault } = met
    switch (fault.kind) {
      case 'status':
        this.#send(response, {
          status: fault.status,
          body: fault.body ?? this.flavour.errorBody(fault.status, 'A fault of the test'),
          headers: fault.headers ?? {},
        })
        return true
      case 'rate_limit':
        this.#send(response, this.flavour.rateLimited(this.now(), fault.seconds))
        return true
      case 'reset':
        request.socket.destroy()
        return true
      case 'slow':
        await Promise.race([fault.until, ended(this.#ending.signal)])
        return request.socket.destroyed
      case 'hang':
        await Promise.race([fault.until, ended(this.#ending.signal)])
        request.socket.destroy()
        return true
      case 'cut':
        return 'cut'
    }
  }

  #send(response: ServerResponse, { status, body, headers = {} }: ApiAnswer, isCut = false): void {
    const content = body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
    const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json; charset=utf-8'
    response.writeHead(status, {
      ...(content === undefined
        ? {}
        : { 'content-type': type, 'content-length': String(content.length + (isCut ? 1 : 0)) }),
      ...headers,
    })
    if (!isCut) return void response.end(content)
    response.write((content ?? Buffer.alloc(0)).subarray(0, Math.floor((content?.length ?? 0) / 2)), () =>
      response.destroy(),
    )
    response.flushHeaders()
  }

  /** Errors: what was not as the provider describes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.settled()
    await this.#owned.disposeAsync()
    if (this.violations.length > 0)
      throw new Error(`not as ${this.flavour.name} describes its API:\n${this.violations.join('\n')}`)
  }
}

const descriptions = new WeakMap<object, ApiDescription>()

/** Made once for each: it takes a while. */
function descriptionOf(
  document: object,
  options: { readonly isComplete?: boolean; readonly tellsNull?: boolean } = {},
): ApiDescription {
  const known = descriptions.get(document)
  if (known !== undefined) return known
  const made = new ApiDescription(document, options)
  descriptions.set(document, made)
  return made
}

/** `{name}` is one segment as it was sent, `{name+}` the rest. */
function patternOf(path: string): RegExp {
  const pattern = path
    .replaceAll(/[.*?^$()|[\]\\]/g, '\\$&')
    .replaceAll(/\{(\w+)\+\}/g, '(?<$1>.+)')
    .replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')
  return new RegExp(`^${pattern}$`)
}

function basicOf(request: IncomingMessage): readonly [user: string, password: string] | undefined {
  const [, encoded] = /^Basic (.+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const [, user = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  return [user, password]
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function parsed(raw: Buffer, contentType: string): unknown {
  const text = raw.toString('utf8')
  return contentType.startsWith('application/json') ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text))
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
