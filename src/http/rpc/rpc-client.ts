// Calls an interface that another process of the installation serves; the wire is in rpc.ts.

import type { IncomingMessage } from 'node:http'
import { type ErrorCode, errorCodes, errorMessage, invariant, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { currentRequestId, requestIdHeader } from '../../lib/request-id.ts'
import {
  formatProtocol,
  marker,
  protocolHeader,
  type RpcMethods,
  type RpcProtocol,
  rpcProtocol,
  type StreamLine,
} from './rpc.ts'

export type RpcClientSettings<T> = {
  /** Instances of the service, all the same; a call goes to the first that can be reached, beginning with the one that answered last. */
  readonly urls: readonly string[]
  /** As the server's. */
  readonly prefix: string
  readonly methods: RpcMethods<T>
  readonly token: string
  /** Default: that of this version. */
  readonly protocol?: RpcProtocol
}

/**
 * The interface, remote. A call that no instance took is `service_unavailable`, or `protocol_unsupported` where all that could be
 * reached are of another version; one whose answer was lost is `outcome_unknown`: it may or
 * may not have acted, so repeat it with a transaction id only.
 */
export function createRpcClient<T extends object>(settings: RpcClientSettings<T>): T & AsyncDisposable {
  invariant(settings.urls.length > 0, 'a client needs the URL of a service')
  const connection = new Connection(settings)
  const client: Record<PropertyKey, unknown> = { [Symbol.asyncDispose]: async () => connection.close() }
  for (const [name, kind] of Object.entries(settings.methods) as [string, 'call' | 'stream' | 'bytes'][]) {
    if (kind === 'call') client[name] = (...args: unknown[]) => connection.call(name, args)
    else if (kind === 'stream') client[name] = (...args: unknown[]) => connection.items(name, args)
    else client[name] = (...args: unknown[]) => connection.bytes(name, args)
  }
  return client as T & AsyncDisposable
}

/** With them comes a large part of Node's own modules (30 ms), which a run on this machine does without. */
async function loadHttp() {
  const [{ Agent, request }, { request: requestTls }] = await Promise.all([import('node:http'), import('node:https')])
  return { request, requestTls, agent: new Agent({ keepAlive: true, maxSockets: 256 }) }
}

class Connection {
  readonly #urls: readonly string[]
  readonly #prefix: string
  readonly #token: string
  readonly #protocol: RpcProtocol
  #http: ReturnType<typeof loadHttp> | undefined
  #preferred = 0

  constructor({
    urls,
    prefix,
    token,
    protocol = rpcProtocol,
  }: Pick<RpcClientSettings<object>, 'urls' | 'prefix' | 'token' | 'protocol'>) {
    this.#urls = urls
    this.#prefix = prefix
    this.#token = token
    this.#protocol = protocol
  }

  close(): void {
    this.#http?.then(({ agent }) => agent.destroy()).catch(() => {}) // It was never used then.
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    const response = await this.#send(method, args)
    try {
      return (JSON.parse(await readText(response)) as { result?: unknown }).result
    } catch (cause) {
      if (isSlipwayError(cause)) throw cause
      // It acted, or it would not have begun to answer; what it answered nobody knows.
      throw new SlipwayError('outcome_unknown', `the answer of ${method} was cut: ${errorMessage(cause)}`, { cause })
    }
  }

  async *items(method: string, args: readonly unknown[]): AsyncGenerator<unknown> {
    const response = await this.#send(method, args)
    response.setEncoding('utf8')
    try {
      let rest = ''
      for await (const text of response as AsyncIterable<string>) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const parsed = JSON.parse(line) as StreamLine
          if ('end' in parsed) return
          if ('error' in parsed) throw remoteError(parsed.error.code, parsed.error.message)
          yield parsed.item
        }
      }
    } catch (cause) {
      throw asUnavailable(cause, method)
    } finally {
      response.destroy()
    }
    throw new SlipwayError('service_unavailable', `the stream of ${method} was cut`)
  }

  async *bytes(method: string, args: readonly unknown[]): AsyncGenerator<Uint8Array> {
    const response = await this.#send(method, args)
    try {
      yield* response as AsyncIterable<Uint8Array>
    } catch (cause) {
      throw asUnavailable(cause, method)
    } finally {
      response.destroy()
    }
  }

  /** The response of the first instance that takes the call; an error status is thrown as the error it carries. */
  async #send(method: string, args: readonly unknown[]): Promise<IncomingMessage> {
    const { body, signal } = encodeArguments(args)
    let lastError: unknown
    for (let attempt = 0; attempt < this.#urls.length; attempt++) {
      signal?.throwIfAborted()
      const index = (this.#preferred + attempt) % this.#urls.length
      try {
        const response = await this.#post(`${this.#urls[index]}${this.#prefix}/${method}`, body, signal)
        this.#preferred = index
        return response
      } catch (error) {
        if (signal?.aborted || !isNotTaken(error)) throw error
        // One that cannot be reached may be there again soon: which of all is too old is what somebody has to know.
        if (!isSlipwayError(lastError, 'protocol_unsupported')) lastError = error
      }
    }
    if (isSlipwayError(lastError, 'protocol_unsupported')) throw lastError
    throw new SlipwayError(
      'service_unavailable',
      `no instance of ${this.#prefix} answers: ${errorMessage(lastError)}`,
      {
        cause: lastError,
      },
    )
  }

  async #post(url: string, body: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const isTls = url.startsWith('https:')
    const requestId = currentRequestId()
    this.#http ??= loadHttp()
    const { request, requestTls, agent } = await this.#http
    signal?.throwIfAborted()
    return await new Promise((resolve, reject) => {
      const outgoing = (isTls ? requestTls : request)(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${this.#token}`,
          [protocolHeader]: formatProtocol(this.#protocol),
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...(requestId === undefined ? {} : { [requestIdHeader]: requestId }),
        },
        ...(isTls ? {} : { agent }),
        ...(signal === undefined ? {} : { signal }),
      })
      const connecting = setTimeout(
        () => outgoing.destroy(notTaken('it does not accept the connection')),
        limits.rpcConnectMs.value,
      )
      let isSent = false
      outgoing.once('socket', (socket) => {
        const sent = () => {
          clearTimeout(connecting)
          isSent = true
        }
        if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', sent)
        else sent()
      })
      outgoing.once('error', (error) => {
        clearTimeout(connecting)
        if (signal?.aborted) return reject(signal.reason)
        if (!isSent) return reject(notTaken(error.message))
        reject(new SlipwayError('outcome_unknown', `the answer of ${url} was lost: ${error.message}`, { cause: error }))
      })
      outgoing.once('response', (response) => {
        clearTimeout(connecting)
        if (response.statusCode === 200) return resolve(response)
        readText(response).then(
          (text) => reject(notUnderstood(errorOfBody(text, response.statusCode ?? 0), url)),
          (error: unknown) => reject(error),
        )
      })
      outgoing.end(body)
    })
  }
}

/** Marks failures of a call that was not taken by the instance, so that another may be asked. */
const notTakenErrors = new WeakSet<Error>()

function notTaken(message: string): Error {
  const error = new SlipwayError('service_unavailable', message)
  notTakenErrors.add(error)
  return error
}

/** Of another version, so it did nothing: a newer instance may. */
function notUnderstood(error: SlipwayError, url: string): SlipwayError {
  if (!isSlipwayError(error, 'protocol_unsupported', 'route_not_found')) return error
  const why = error.code === 'route_not_found' ? 'it does not know the call: it is too old, upgrade it' : error.message
  const told = new SlipwayError('protocol_unsupported', `${url}: ${why}`, { cause: error })
  notTakenErrors.add(told)
  return told
}

const isNotTaken = (error: unknown) => error instanceof Error && notTakenErrors.has(error)

function encodeArguments(args: readonly unknown[]): { body: string; signal?: AbortSignal } {
  let signal: AbortSignal | undefined
  const mark = (arg: unknown): unknown => {
    if (arg === undefined) return { [marker]: 'undefined' }
    if (arg instanceof AbortSignal) {
      signal = arg
      return { [marker]: 'signal' }
    }
    return arg
  }
  const encoded = args.map((arg) => {
    const isContext = typeof arg === 'object' && arg !== null && 'signal' in arg && arg.signal instanceof AbortSignal
    return isContext ? { ...arg, signal: mark(arg.signal) } : mark(arg)
  })
  const body = JSON.stringify({ args: encoded })
  return signal === undefined ? { body } : { body, signal }
}

function errorOfBody(text: string, status: number): SlipwayError {
  try {
    const { code, message, currentVersion } = JSON.parse(text) as Readonly<Record<string, unknown>>
    if (typeof code === 'string' && typeof message === 'string')
      return remoteError(code, message, typeof currentVersion === 'number' ? { currentVersion } : {})
  } catch {
    // A proxy's page, say: the status is all there is.
  }
  return status === 502 || status === 503 || status === 504
    ? new SlipwayError('service_unavailable', `the service answered with status ${status}`)
    : new SlipwayError('upstream', `the service answered with status ${status}`)
}

function remoteError(code: string, message: string, options: { readonly currentVersion?: number } = {}): SlipwayError {
  return Object.hasOwn(errorCodes, code)
    ? new SlipwayError(code as ErrorCode, message, options)
    : new SlipwayError('upstream', message)
}

function asUnavailable(cause: unknown, method: string): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
    ? new SlipwayError('service_unavailable', `the stream of ${method} was cut`, { cause })
    : cause
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response as AsyncIterable<string>) {
    text += chunk
    if (text.length > limits.rpcBodyBytes.value)
      throw new SlipwayError('upstream', 'the service answered with too much')
  }
  return text
}
