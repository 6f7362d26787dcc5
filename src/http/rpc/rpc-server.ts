// Serves an interface to other processes of the installation; the wire is in rpc.ts.

import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import { requestIdHeader } from '../../lib/request-id.ts'
import { errorResponse } from '../error-response.ts'
import { requestSignal } from '../request-signal.ts'
import {
  formatProtocol,
  marker,
  olderSide,
  parseProtocol,
  protocolHeader,
  type RpcMethods,
  type RpcProtocol,
  rpcProtocol,
  type StreamLine,
} from './rpc.ts'

export type RpcServerSettings<T> = {
  /** `/internal/configstore`. */
  readonly prefix: string
  readonly methods: RpcMethods<T>
  /** What callers must show; at least 32 characters. */
  readonly token: string
  /** Default: that of this version. */
  readonly protocol?: RpcProtocol
}

/** Adds the routes of `target`'s methods to `app`. */
export function serveRpc<T extends object>(
  app: FastifyInstance,
  { prefix, methods, token, protocol = rpcProtocol }: RpcServerSettings<T>,
  { target, logger }: { readonly target: T; readonly logger: Logger },
): void {
  const expected = digest(token)
  for (const [name, kind] of Object.entries(methods) as [keyof T & string, 'call' | 'stream' | 'bytes'][]) {
    app.post<{ Body: unknown }>(
      `${prefix}/${name}`,
      {
        bodyLimit: limits.rpcBodyBytes.value,
        onRequest: async (request, reply) => {
          reply.raw.setHeader(protocolHeader, formatProtocol(protocol))
          const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
          if (!timingSafeEqual(digest(shown), expected))
            throw new SlipwayError(
              'unauthenticated',
              'this address is for services of the installation; the token is wrong',
            )
          checkCaller(protocol, request.headers[protocolHeader])
        },
      },
      async (request, reply) => {
        const signal = requestSignal(reply)
        const args = decodeArguments(request.body, signal)
        const method = target[name] as (...args: unknown[]) => unknown
        const answer = Reflect.apply(method, target, args)
        if (kind === 'call') return { result: await answer }
        reply.hijack()
        const onFailure = (error: unknown) =>
          logger.error('rpc stream failed', { requestId: request.id, method: `${prefix}/${name}`, error })
        if (kind === 'stream') await sendItems(reply, answer as AsyncIterable<unknown>, signal, onFailure)
        else await sendBytes(reply, answer as AsyncIterable<Uint8Array>, signal, onFailure)
        return reply
      },
    )
  }
}

/** Errors: `protocol_unsupported`, before anything was done. */
function checkCaller(mine: RpcProtocol, header: string | string[] | undefined): void {
  const caller = parseProtocol(typeof header === 'object' ? header.join() : header)
  const older = caller === undefined ? 'mine' : olderSide(mine, caller)
  if (older === undefined) return
  const who = older === 'mine' ? 'this service is older than its caller understands' : 'the caller is too old'
  throw new SlipwayError(
    'protocol_unsupported',
    `${who}: protocol ${formatProtocol(mine)} is served, and ${caller === undefined ? 'another' : formatProtocol(caller)} was asked for; upgrade it`,
  )
}

async function sendItems(
  reply: FastifyReply,
  items: AsyncIterable<unknown>,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const { raw } = reply
  raw.writeHead(200, { 'content-type': 'application/x-ndjson', [requestIdHeader]: reply.request.id })
  raw.flushHeaders()
  let last: StreamLine = { end: true }
  try {
    for await (const item of items) await write(raw, `${JSON.stringify({ item } satisfies StreamLine)}\n`, signal)
  } catch (error) {
    if (signal.aborted) return void raw.destroy()
    const told = isSlipwayError(error) && error.kind !== 'internal'
    if (!told) onFailure(error)
    last = {
      error: told
        ? { code: error.code, message: error.message }
        : { code: 'upstream', message: 'internal server error' },
    }
  }
  raw.end(`${JSON.stringify(last)}\n`)
}

async function sendBytes(
  reply: FastifyReply,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const { raw } = reply
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    // Errors before the first byte are answered as errors.
    let next = await iterator.next()
    raw.writeHead(200, { 'content-type': 'application/octet-stream', [requestIdHeader]: reply.request.id })
    raw.flushHeaders()
    for (; !next.done; next = await iterator.next()) await write(raw, next.value, signal)
    raw.end()
  } catch (error) {
    if (!signal.aborted) onFailure(error)
    if (raw.headersSent || signal.aborted) raw.destroy()
    else sendError(reply, error)
  } finally {
    await iterator.return?.()
  }
}

function sendError({ raw, request }: FastifyReply, error: unknown): void {
  const { status, body } = errorResponse(error, request.id)
  raw.writeHead(status, { 'content-type': 'application/json', [requestIdHeader]: request.id })
  raw.end(JSON.stringify(body))
}

async function write(raw: FastifyReply['raw'], data: string | Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!raw.write(data)) await once(raw, 'drain', { signal })
}

function decodeArguments(body: unknown, signal: AbortSignal): unknown[] {
  const args = typeof body === 'object' && body !== null && 'args' in body ? body.args : undefined
  if (!Array.isArray(args)) throw new SlipwayError('request_invalid', 'the body is not {"args": [...]}')
  return args.map((arg: unknown) => {
    const mark = typeof arg === 'object' && arg !== null && marker in arg ? arg[marker] : undefined
    if (mark === 'undefined') return undefined
    return mark === 'signal' ? signal : reviveSignal(arg, signal)
  })
}

/** A context `{transactionId, signal}` has its signal inside. */
function reviveSignal(arg: unknown, signal: AbortSignal): unknown {
  if (typeof arg !== 'object' || arg === null || !('signal' in arg)) return arg
  const inner = arg.signal
  const isMarked = typeof inner === 'object' && inner !== null && marker in inner && inner[marker] === 'signal'
  return isMarked ? { ...arg, signal } : arg
}

/** Of one length whatever was sent, so that comparing takes constant time. */
const digest = (text: string) => createHash('sha256').update(text).digest()
