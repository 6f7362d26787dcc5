// Git's smart HTTP (gitprotocol-http) for the repositories of direct runs: who asks, for what, and then git itself.
//
//   GET  /repos/<user id>/<repository id>.git/info/refs?service=git-upload-pack | git-receive-pack
//   POST /repos/<user id>/<repository id>.git/git-upload-pack
//   POST /repos/<user id>/<repository id>.git/git-receive-pack
//
// Errors are answered as text, which git shows to whoever called it.

import { PassThrough, Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errorResponse } from '../../http/error-response.ts'
import { requestSignal } from '../../http/request-signal.ts'
import { isSlipwayError, SlipwayError, unreachable } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import {
  decideGitAccess,
  type GitCaller,
  type GitDecision,
  type GitOperation,
  type IdentifyComponents,
  identifyGitCaller,
} from '../access.ts'
import { isRepositoryId, type RepositoryName, repositoriesPath } from '../api.ts'
import type { GitserverHost, OpenRepository, Repositories } from '../service.ts'
import { type GitChild, startGit } from './git-child.ts'
import { flushPacket, packetLine, ShallowLines } from './packet-lines.ts'
import { answerHook, checkHook, receiveSettings } from './receive-pack.ts'
import { RequestQueue } from './request-queue.ts'

export type SmartHttpComponents = IdentifyComponents & {
  readonly gitserver: Pick<GitserverHost, 'repositories'>
  readonly queue?: RequestQueue
}

/** The services that are served, by their names in requests, and what each of them does. */
const operations: Readonly<Record<string, GitOperation>> = { 'git-upload-pack': 'fetch', 'git-receive-pack': 'push' }

/** Users' ids are UUIDs. */
const userIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

type RepositoryRequest = FastifyRequest<{
  Params: { user: string; repository: string }
  Querystring: { service?: unknown }
}>

type Call = {
  readonly name: RepositoryName
  readonly operation: GitOperation
  readonly request: FastifyRequest
  readonly signal: AbortSignal
}

/** Adds the routes. */
export async function mountGitserver(app: FastifyInstance, components: SmartHttpComponents): Promise<void> {
  const { repositories } = components.gitserver
  const { clock } = repositories.components
  const queue = components.queue ?? new RequestQueue()
  const answer = async (
    request: RepositoryRequest,
    reply: FastifyReply,
    operation: GitOperation,
    respond: (call: Call, repository: OpenRepository) => GitChild,
    before: Buffer = Buffer.alloc(0),
  ) => {
    const signal = AbortSignal.any([requestSignal(reply), clock.timeout(limits.gitRequestMs.value)])
    await using owned = new AsyncDisposableStack()
    const name = await admit(request, reply, operation, components)
    owned.use(await queue.enter(signal))
    if (operation === 'push') await checkHook(repositories.hooks)
    const settings =
      operation === 'push'
        ? receiveSettings(repositories.hooks, { bytesMax: repositories.pushBytesMax })
        : fetchSettings
    const repository = owned.use(await repositories.open(name, settings, signal))
    // Nothing was ever pushed there, or it has gone: a push begins it.
    if (operation === 'fetch' && repository.state.state.refs.size === 0) throw notFound(name)
    const git = respond({ name, operation, request, signal }, repository)
    const rest = owned.move()
    reply.header('cache-control', 'no-cache')
    const body = new PassThrough()
    void finish(git, body, before)
      .catch((error: unknown) => {
        if (!signal.aborted) repositories.components.logger.warn('git has failed', { ...name, operation, error })
        body.destroy(error instanceof Error ? error : new Error(String(error)))
      })
      .finally(() => rest.disposeAsync())
    return await reply.send(body)
  }
  await app.register(async (inner) => {
    inner.removeAllContentTypeParsers()
    inner.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    inner.setErrorHandler((error, request, reply) => answerError(error, request, reply, repositories))
    inner.get(
      `${repositoriesPath}/:user/:repository/info/refs`,
      { exposeHeadRoute: false },
      async (request: RepositoryRequest, reply) => {
        const { service } = request.query
        const operation = typeof service === 'string' ? operations[service] : undefined
        if (operation === undefined)
          throw new SlipwayError('request_invalid', 'this server speaks the smart HTTP of git, for fetches and pushes')
        reply.type(`application/x-${service}-advertisement`)
        const isNew = operation === 'fetch' && speaksVersion2(request)
        const before = isNew ? Buffer.alloc(0) : Buffer.concat([packetLine(`# service=${service}\n`), flushPacket])
        return await answer(request, reply, operation, advertise, before)
      },
    )
    for (const [service, operation] of Object.entries(operations))
      inner.post(
        `${repositoriesPath}/:user/:repository/${service}`,
        { bodyLimit: Number.MAX_SAFE_INTEGER },
        async (request: RepositoryRequest, reply) => {
          if (request.headers['content-type'] !== `application/x-${service}-request`)
            throw new SlipwayError('request_invalid', `application/x-${service}-request is expected`)
          reply.type(`application/x-${service}-result`)
          const respond = operation === 'push' ? receive(repositories) : upload
          return await answer(request, reply, operation, respond)
        },
      )
  })
}

const fetchSettings = [
  '[uploadpack]',
  '\tallowFilter = true',
  '\tallowTipSHA1InWant = true',
  '\tallowReachableSHA1InWant = true',
]

/** Errors: `unauthenticated`, `token_scope`, `forbidden`, `git_repository_not_found`. */
async function admit(
  request: RepositoryRequest,
  reply: FastifyReply,
  operation: GitOperation,
  components: IdentifyComponents,
): Promise<RepositoryName> {
  const { user, repository } = request.params
  const repositoryId = repository.endsWith('.git') ? repository.slice(0, -'.git'.length) : ''
  const name = { userId: user, repositoryId }
  const caller = await identifyGitCaller(request.headers.authorization, components)
  // Whoever is nobody learns nothing of what is a name.
  const decision = decideGitAccess(caller, operation, name)
  if (decision !== 'unauthenticated' && !(userIdPattern.test(user) && isRepositoryId(repositoryId)))
    throw notFound(name)
  if (decision === 'unauthenticated') reply.header('www-authenticate', 'Basic realm="Slipway", charset="UTF-8"')
  enforce(decision, caller, name)
  return name
}

function enforce(decision: GitDecision, caller: GitCaller, name: RepositoryName): void {
  switch (decision) {
    case 'allowed':
      return
    case 'unauthenticated':
      throw new SlipwayError(
        'unauthenticated',
        caller.kind === 'anonymous'
          ? 'log in with a token of slipway as password'
          : 'the token is not valid, was revoked, or has expired',
      )
    case 'hidden':
      throw notFound(name)
    case 'token_scope':
      throw new SlipwayError(
        'token_scope',
        'this token is not for it: pushing needs the scope run, fetching the scope read, and neither a token for some projects',
      )
    case 'forbidden':
      throw new SlipwayError('forbidden', 'a task only fetches')
    default:
      unreachable(decision)
  }
}

const notFound = ({ userId, repositoryId }: RepositoryName) =>
  new SlipwayError('git_repository_not_found', `there is no repository ${userId}/${repositoryId}`)

function advertise({ operation, request, signal }: Call, { path }: OpenRepository): GitChild {
  const git = startGit([serviceOf(operation), '--stateless-rpc', '--advertise-refs', path], {
    protocol: protocolOf(request, operation),
    signal,
  })
  git.stdin.end()
  return git
}

function upload(call: Call, { path }: OpenRepository): GitChild {
  const { request, operation, signal } = call
  const git = startGit(['upload-pack', '--stateless-rpc', path], { protocol: protocolOf(request, operation), signal })
  feed(git, [...decoded(request), atMost(limits.gitFetchRequestBytes.value)], call)
  return git
}

function receive(repositories: Repositories): (call: Call, repository: OpenRepository) => GitChild {
  const { components, parts, pushLimits, pushBytesMax } = repositories
  return (call, { path, state: base }) => {
    const { name, request, operation, signal } = call
    const git = startGit(['receive-pack', '--stateless-rpc', path], {
      protocol: protocolOf(request, operation),
      hasChannel: true,
      signal,
    })
    const shallow = new ShallowLines()
    void answerHook(
      git.channel!,
      { name, base, path, shallow: () => shallow.found, limits: pushLimits, signal },
      { ...components, ...parts },
    )
    feed(git, [...decoded(request), atMost(pushBytesMax + limits.gitFetchRequestBytes.value), shallow], call)
    return git
  }
}

function serviceOf(operation: GitOperation): string {
  return operation === 'push' ? 'receive-pack' : 'upload-pack'
}

/** What the client says it speaks. There is no version 2 of pushing. */
function protocolOf(request: FastifyRequest, operation: GitOperation): string | undefined {
  const header = request.headers['git-protocol']
  const text = typeof header === 'string' ? header : undefined
  return operation === 'push' && speaksVersion2(request) ? undefined : text
}

function speaksVersion2({ headers }: FastifyRequest): boolean {
  return String(headers['git-protocol'] ?? '')
    .split(':')
    .includes('version=2')
}

function decoded({ headers }: FastifyRequest): Transform[] {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return []
  if (encoding === 'gzip' || encoding === 'x-gzip') return [createGunzip()]
  throw new SlipwayError('request_invalid', `bodies may be compressed with gzip, not with ${encoding}`)
}

function atMost(bytesMax: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      if (bytes > bytesMax) done(new SlipwayError('request_too_large', `the request has more than ${bytesMax} bytes`))
      else done(undefined, chunk)
    },
  })
}

/**
 * Git may end before the body does: it has refused it, and says so. The rest of the body is read and dropped then, because most
 * clients listen only after they have sent everything.
 */
function feed(git: GitChild, through: readonly Transform[], { request, signal }: Call): void {
  const body = request.body instanceof Readable ? request.body : Readable.from([])
  const [first = git.stdin] = through
  const drop = () => {
    body.unpipe(first)
    git.stdin.destroy()
    body.resume()
  }
  const inputs: Writable[] = [...through, git.stdin]
  for (const input of inputs) input.once('error', drop)
  // A body that ends before its time ends the input, and git says what it makes of that.
  body.once('error', drop)
  body.once('close', () => first.end())
  signal.addEventListener('abort', () => body.destroy(), { once: true })
  body.pipe(first)
  for (const [index, input] of through.entries()) input.pipe(inputs[index + 1]!)
}

async function finish(git: GitChild, body: PassThrough, before: Buffer): Promise<void> {
  if (before.length > 0) body.write(before)
  const ended = git.ended
  await Promise.all([pipeline(git.stdout, body), ended])
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, { components }: Repositories): void {
  const { status, body } = errorResponse(error, request.id)
  if (status === 500)
    components.logger.error('request failed', {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? '(none)',
      error,
    })
  if (isSlipwayError(error) && (error.kind === 'unavailable' || error.kind === 'ratelimited'))
    reply.header('retry-after', '2')
  const trace = status === 500 ? ` (request ${request.id} in the log of the server)` : ''
  void reply.status(status).type('text/plain; charset=utf-8').send(`${body.message}${trace}\n`)
}
