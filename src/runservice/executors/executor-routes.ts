// The executor protocol over HTTP, mounted by any runservice. Every call stands alone: an executor's stream of orders may be
// held by one instance while another takes its reports. The addresses are listed in executor-protocol.ts.

import { once } from 'node:events'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { errorResponse } from '../../http/error-response.ts'
import { requestSignal } from '../../http/request-signal.ts'
import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunserviceHost } from '../api.ts'
import type { ExecutorHello, LogName, RegisteringExecutorApi, TaskReport } from '../executor-api.ts'
import { commentEveryMs, completingMs, executorPrefix } from '../executor-protocol.ts'
import {
  BeginUploadSchema,
  CacheQuery,
  HelloSchema,
  LiveQuery,
  LogParams,
  ObjectQuery,
  OrdersQuery,
  PartParams,
  RelayQuery,
  ReportSchema,
  SignPartSchema,
  StepParams,
  TaskParams,
  UploadedArchiveSchema,
} from './executor-wire.ts'

export type ExecutorRoutesComponents = {
  readonly runservice: Pick<RunserviceHost, 'admitExecutor'>
  readonly clock: Clock
  readonly logger: Logger
}

/** A frame as it is stored: compressed, with its index. */
const frameBytesMax = 4 * limits.logFrameBytes.value
/** A connection that has not taken what was sent before in this time is broken. */
const stalledMs = 60_000

type Schemas = { readonly params?: TSchema; readonly querystring?: TSchema; readonly body?: TSchema }
type Given<S extends Schemas, K extends keyof Schemas> = S[K] extends TSchema ? Static<S[K]> : undefined
type Call<S extends Schemas> = {
  readonly executor: RegisteringExecutorApi
  readonly params: Given<S, 'params'>
  readonly query: Given<S, 'querystring'>
  readonly body: Given<S, 'body'>
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** Adds the routes. */
export async function mountExecutorRoutes(app: FastifyInstance, components: ExecutorRoutesComponents): Promise<void> {
  await app.register(
    async (scope) => {
      scope.removeContentTypeParser('text/plain')
      scope.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
      new ExecutorRoutes(scope, components).add()
    },
    { prefix: executorPrefix },
  )
}

class ExecutorRoutes {
  readonly #app: FastifyInstance
  readonly #components: ExecutorRoutesComponents
  readonly #completing = new Map<string, Promise<unknown>>()
  readonly #admitted = new WeakMap<FastifyRequest, RegisteringExecutorApi>()

  constructor(app: FastifyInstance, components: ExecutorRoutesComponents) {
    this.#app = app
    this.#components = components
  }

  add(): void {
    this.#route('GET', '/self', {}, ({ executor }) => ({ executorId: executor.executorId }))
    this.#route('POST', '/alive', {}, () => undefined)
    this.#route(
      'POST',
      '/register',
      { body: HelloSchema },
      ({ executor, body }) => executor.register({ ...(body as ExecutorHello), id: executor.executorId }),
      limits.executorHelloBytes.value,
    )
    this.#route('GET', '/orders', { querystring: OrdersQuery }, (call) => this.#orders(call))
    this.#route(
      'POST',
      '/tasks/:id/report',
      { params: TaskParams, body: ReportSchema },
      async ({ executor, params, body }) => {
        if (params.id !== body.executorTaskId)
          throw new SlipwayError('request_invalid', 'the report is about another task than its address')
        return { answer: await executor.report(body as TaskReport) }
      },
      limits.reportBytes.value,
    )
    this.#route('GET', '/tasks/:id/clone', { params: TaskParams }, async ({ executor, params }) => ({
      url: await executor.cloneUrl(params.id),
    }))
    this.#addLogs()
    this.#addArchives()
    this.#addCaches()
  }

  #addLogs(): void {
    const log = '/tasks/:id/logs/:log'
    this.#route('GET', log, { params: LogParams }, ({ executor, params }) =>
      executor.logPosition(params.id, logNameOf(params.log)),
    )
    this.#route('POST', `${log}/frames`, { params: LogParams }, async ({ executor, params, request }) =>
      executor.storeFrame(params.id, logNameOf(params.log), await bytesOf(request, frameBytesMax)),
    )
    this.#route('POST', `${log}/live`, { params: LogParams, querystring: LiveQuery }, async (call) => {
      const { executor, params, query, request } = call
      const bytes = await bytesOf(request, limits.liveBytes.value)
      executor.offerLive(params.id, logNameOf(params.log), query.firstByte, bytes)
    })
    this.#route('POST', `${log}/finish`, { params: LogParams }, ({ executor, params }) =>
      executor.finishLog(params.id, logNameOf(params.log)),
    )
  }

  #addArchives(): void {
    const beginning = { params: TaskParams, body: BeginUploadSchema }
    this.#route('POST', '/tasks/:id/uploads', beginning, ({ executor, params, body }) =>
      executor.beginUpload(params.id, body?.purpose),
    )
    this.#route('PUT', '/tasks/:id/uploads/:upload/:part', { params: PartParams }, async (call) => {
      const { executor, params, request } = call
      const part = { uploadId: params.upload, index: params.part, ...(await partOf(request)) }
      await executor.putPart(params.id, part)
    })
    this.#route('POST', '/tasks/:id/direct/sign', { params: TaskParams, body: SignPartSchema }, (call) =>
      call.executor.signPart(call.params.id, call.body),
    )
    this.#route('PUT', '/tasks/:id/direct/relay', { params: TaskParams, querystring: RelayQuery }, async (call) => {
      const { executor, params, query, request } = call
      const part = await partOf(request)
      const uploadId = await executor.relayPart(params.id, { ...query, ...part, sizeBytes: part.data.length })
      return { uploadId }
    })
    const completing = { params: StepParams, body: UploadedArchiveSchema }
    this.#route('POST', '/tasks/:id/archives/:step', completing, ({ executor, params, body }) =>
      this.#completed(body.uploadId, () => executor.completeArchive(params.id, params.step, body)),
    )
    this.#route('GET', '/tasks/:id/archives', { params: TaskParams, querystring: ObjectQuery }, async (call) => {
      const { executor, params, query, reply } = call
      const signed = query.direct === true ? await executor.signArchiveRead(params.id, query.object) : undefined
      if (signed !== undefined) return signed
      const signal = requestSignal(reply)
      return this.#bytes(reply, executor.readArchiveFrom(params.id, query.object, query.from ?? 0, signal), signal)
    })
  }

  #addCaches(): void {
    const caches = '/tasks/:id/caches'
    this.#route('GET', caches, { params: TaskParams, querystring: CacheQuery }, async ({ executor, params, query }) => {
      const found = await executor.findCache(params.id, query.key, { exactOnly: query.exactOnly ?? false })
      return found === undefined ? {} : { found }
    })
    const saving = { params: TaskParams, querystring: CacheQuery, body: UploadedArchiveSchema }
    this.#route('POST', caches, saving, async ({ executor, params, query, body }) => ({
      answer: await this.#completed(body.uploadId, () => executor.completeCache(params.id, query.key, body)),
    }))
    this.#route('GET', `${caches}/data`, { params: TaskParams, querystring: ObjectQuery }, async (call) => {
      const { executor, params, query, reply } = call
      const signed = query.direct === true ? await executor.signCacheRead(params.id, query.object) : undefined
      if (signed !== undefined) return signed
      const signal = requestSignal(reply)
      return this.#bytes(reply, executor.readCacheFrom(params.id, query.object, query.from ?? 0, signal), signal)
    })
  }

  /** Putting a large archive together takes longer than proxies wait: who asks again hears of the same work. */
  async #completed<T>(uploadId: string, complete: () => Promise<T>): Promise<T> {
    const found = this.#completing.get(uploadId) as Promise<T> | undefined
    const working = found ?? complete()
    if (found === undefined) {
      this.#completing.set(uploadId, working)
      const forget = () => this.#completing.delete(uploadId)
      working.then(forget, forget)
    }
    const done = new AbortController()
    const unfinished = this.#components.clock.sleep(completingMs, done.signal).then(() => {
      throw new SlipwayError('upload_unfinished', `upload ${uploadId} is being put together: ask again`)
    })
    unfinished.catch(() => undefined) // It lost the race.
    try {
      return await Promise.race([working, unfinished])
    } finally {
      done.abort()
    }
  }

  /** A result is answered as JSON, nothing as 204. */
  #route<S extends Schemas>(
    method: 'GET' | 'POST' | 'PUT',
    url: string,
    schema: S,
    handle: (call: Call<S>) => unknown,
    bodyLimit?: number,
  ): void {
    this.#app.route({
      method,
      url,
      schema: schema as FastifySchema,
      ...(bodyLimit === undefined ? {} : { bodyLimit }),
      // Before the body is read: nobody without a token sends us megabytes.
      onRequest: async (request) => {
        this.#admitted.set(request, this.#admit(request))
      },
      handler: async (request, reply) => {
        const executor = this.#admitted.get(request)! // A request without one does not come so far.
        // The schemas of the route have checked these.
        const given = { params: request.params, query: request.query, body: request.body } as Pick<
          Call<S>,
          'params' | 'query' | 'body'
        >
        const answer = await handle({ ...given, executor, request, reply })
        if (reply.sent) return reply
        return answer === undefined ? reply.status(204).send() : answer
      },
    })
  }

  #admit(request: FastifyRequest): RegisteringExecutorApi {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined)
      throw new SlipwayError('unauthenticated', 'this address is for executors: it needs a token')
    return this.#components.runservice.admitExecutor(token)
  }

  async #orders({ executor, query, reply }: Call<{ readonly querystring: typeof OrdersQuery }>): Promise<void> {
    const { clock, logger } = this.#components
    const { raw } = reply
    const signal = requestSignal(reply)
    const orders = await executor.orders(query, signal) // What is refused at once is answered as an error.
    const ended = new AbortController()
    try {
      reply.hijack()
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        'x-request-id': reply.request.id,
      })
      raw.write(': connected\n\n')
      this.#comment(raw, AbortSignal.any([signal, ended.signal])).catch(() => undefined) // Aborted.
      for await (const { position, message } of orders)
        await write(raw, `id: ${position}\ndata: ${JSON.stringify(message)}\n\n`, { clock, signal })
      raw.end()
    } catch (error) {
      if (signal.aborted && !isSlipwayError(signal.reason, 'service_unavailable')) {
        raw.destroy()
        return
      }
      const { body, status } = errorResponse(error, reply.request.id)
      if (status === 500) logger.error('orders cannot be sent', { requestId: reply.request.id, error })
      raw.end(`event: error\ndata: ${JSON.stringify(body)}\n\n`)
    } finally {
      ended.abort()
    }
  }

  /** Shows proxies and the executor that the connection is alive. */
  async #comment(raw: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#components.clock.sleep(commentEveryMs, signal)
      raw.write(': alive\n\n')
    }
  }

  /** Errors before the first byte are answers; later ones cut the connection, so that what is short is never taken for whole. */
  async #bytes(reply: FastifyReply, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components
    const { raw } = reply
    const iterator = chunks[Symbol.asyncIterator]()
    try {
      let next = await iterator.next()
      reply.hijack()
      raw.writeHead(200, { 'content-type': 'application/octet-stream', 'x-request-id': reply.request.id })
      for (; !next.done; next = await iterator.next()) await write(raw, next.value, { clock, signal })
      raw.end()
    } catch (error) {
      if (!raw.headersSent && !signal.aborted) throw error
      if (!signal.aborted) logger.error('archive cannot be sent', { error })
      raw.destroy()
    } finally {
      await iterator.return?.()
    }
  }
}

function logNameOf(text: string): LogName {
  return text === 'setup' ? 'setup' : Number(text)
}

/** A part of an upload, as it says it is. */
async function partOf(request: FastifyRequest): Promise<{ readonly data: Buffer; readonly sha256: string }> {
  const sha256 = request.headers['x-slipway-sha256']
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    throw new SlipwayError('request_invalid', 'a part needs its SHA-256 in the header x-slipway-sha256')
  return { data: await bytesOf(request, limits.uploadPartBytes.value), sha256 }
}

/** The body, whole. Errors: `request_too_large`, `request_invalid` when there is none. */
async function bytesOf(request: FastifyRequest, bytesMax: number): Promise<Buffer> {
  const { body } = request
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body))
    throw new SlipwayError('request_invalid', 'the body must be application/octet-stream')
  const stream = body as AsyncIterable<Uint8Array>
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax)
  return await collectBytes(limited(stream, bytesMax))
}

async function* limited(stream: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooLarge(bytesMax)
    yield chunk
  }
}

function tooLarge(bytesMax: number): SlipwayError {
  return new SlipwayError('request_too_large', `the body has more than ${bytesMax} bytes`)
}

async function write(
  raw: FastifyReply['raw'],
  data: string | Uint8Array,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted()
  if (!raw.write(data)) await once(raw, 'drain', { signal: AbortSignal.any([signal, clock.timeout(stalledMs)]) })
}
