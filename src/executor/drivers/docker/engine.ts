// A client of the Docker Engine API (https://docs.docker.com/reference/api/engine/), as much as pods need: JSON calls, streams
// in both directions, and hijacked connections for exec. The API version is negotiated once at open.

import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { describeEngineAddress, type EngineAddress } from './engine-address.ts'
import { HijackedStream } from './hijacked-stream.ts'

/** Oldest and newest API this client was written for: 20.10 (and Podman's socket) speaks 1.41, Docker 29 at least 1.44. */
const apiVersionMin = [1, 41] as const
const apiVersionMax = [1, 52] as const

/** A loaded engine needs seconds to start a container; one that is silent for longer hangs. */
const callTimeoutMs = 120_000
/** Finding out whether an engine is there must not take long. */
const openTimeoutMs = 10_000
/** Error bodies are one line of JSON; anything longer is not one. */
const errorBytesMax = 64 * 1024

/** The engine answered with an error. `message` is the engine's own text. */
export class EngineError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'EngineError'
    this.status = status
  }
}

/** True when the engine answered with one of `statuses`. */
export function isEngineError(error: unknown, ...statuses: readonly number[]): error is EngineError {
  return error instanceof EngineError && (statuses.length === 0 || statuses.includes(error.status))
}

export type EngineVersion = {
  /** Of the API that is used, such as `1.41`. */
  readonly api: string
  /** `Docker Engine` or `Podman Engine`. */
  readonly product: string
  readonly version: string
  /** Go's name of the architecture the engine runs on. */
  readonly arch: string
  readonly os: string
}

export type EngineRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Without the version, such as `/containers/json`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is; `data` is a tar stream in every call there is. */
  readonly data?: AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
  /** 0 means no limit other than `signal`. */
  readonly timeoutMs?: number
}

export type EngineOptions = { readonly address: EngineAddress; readonly clock: Clock; readonly signal?: AbortSignal }

export class Engine implements AsyncDisposable {
  readonly address: EngineAddress
  readonly version: EngineVersion
  readonly #connection: Connection

  private constructor(connection: Connection, version: EngineVersion) {
    this.address = connection.address
    this.version = version
    this.#connection = connection
  }

  /** Connects and agrees on the API version. Fails with `driver_unavailable`. */
  static async open({ address, clock, signal }: EngineOptions): Promise<Engine> {
    const connection = new Connection(address, clock)
    try {
      const response = await connection.send({
        method: 'GET',
        path: '/version',
        timeoutMs: openTimeoutMs,
        ...(signal === undefined ? {} : { signal }),
      })
      return new Engine(connection, negotiate((await readJson(response)) as VersionAnswer))
    } catch (cause) {
      connection.close()
      if (cause instanceof SlipwayError || signal?.aborted) throw cause
      throw new SlipwayError(
        'driver_unavailable',
        `${describeEngineAddress(address)} is not a Docker engine: ${errorMessage(cause)}`,
        { cause },
      )
    }
  }

  /** The JSON answer, undefined when there is none. Fails with `EngineError`, or `driver_unavailable` when it is gone. */
  async call(request: EngineRequest): Promise<unknown> {
    return await readJson(await this.#connection.send(this.#versioned(request)))
  }

  /** The answer's headers; its body is dropped. */
  async head(request: EngineRequest): Promise<Readonly<Record<string, string | string[] | undefined>>> {
    const response = await this.#connection.send(this.#versioned(request))
    response.resume()
    return response.headers
  }

  /** The answer as bytes, as fast as they are read. Leaving the loop early closes the connection. */
  async *stream(request: EngineRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const response = await this.#connection.send(this.#versioned({ timeoutMs: 0, ...request }))
    try {
      for await (const chunk of response) yield chunk as Buffer
    } catch (cause) {
      throw this.#connection.explain(cause, request)
    } finally {
      response.destroy()
    }
  }

  /** The objects of an answer of JSON lines, such as the progress of a pull. */
  async *lines(request: EngineRequest): AsyncGenerator<unknown, void, undefined> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of this.stream(request)) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) if (part.trim() !== '') yield JSON.parse(part)
    }
    if (rest.trim() !== '') yield JSON.parse(rest)
  }

  /** Turns the connection of a POST into a raw stream both ways, demultiplexed. `signal` is for getting there only. */
  async hijack(request: EngineRequest): Promise<HijackedStream> {
    return new HijackedStream(await this.#connection.upgrade(this.#versioned(request)))
  }

  /** Closes all connections, those that were handed over too. What runs on the engine goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close()
  }

  #versioned(request: EngineRequest): EngineRequest {
    return { ...request, path: `/v${this.version.api}${request.path}` }
  }
}

type VersionAnswer = {
  readonly Version?: string
  readonly ApiVersion?: string
  readonly MinAPIVersion?: string
  readonly Arch?: string
  readonly Os?: string
  readonly Components?: readonly { readonly Name?: string; readonly Version?: string }[]
}

/** Chooses the newest API version that both sides know. Exported for its table of cases. */
export function negotiate(answer: VersionAnswer): EngineVersion {
  const newest = parseApiVersion(answer.ApiVersion)
  const oldest = parseApiVersion(answer.MinAPIVersion) ?? [1, 0]
  if (newest === undefined) throw new SlipwayError('driver_unavailable', 'what answers there is not a Docker engine')
  const component = answer.Components?.[0]
  const product = component?.Name?.includes('Podman') ? 'Podman Engine' : 'Docker Engine'
  const version = component?.Version ?? answer.Version ?? 'unknown'
  if (isOlder(newest, apiVersionMin) || isOlder(apiVersionMax, oldest))
    throw new SlipwayError(
      'driver_unavailable',
      `${product} ${version} speaks API ${oldest.join('.')} to ${newest.join('.')}, ` +
        `Slipway ${apiVersionMin.join('.')} to ${apiVersionMax.join('.')}`,
    )
  const api = isOlder(newest, apiVersionMax) ? newest : apiVersionMax
  return { api: api.join('.'), product, version, arch: answer.Arch ?? 'amd64', os: answer.Os ?? 'linux' }
}

type ApiVersion = readonly [number, number]

function parseApiVersion(text: string | undefined): ApiVersion | undefined {
  const match = /^(\d+)\.(\d+)/.exec(text ?? '')
  return match === null ? undefined : [Number(match[1]), Number(match[2])]
}

const isOlder = (a: ApiVersion, b: ApiVersion) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

/** HTTP to one address over kept connections. */
class Connection {
  readonly address: EngineAddress
  readonly #clock: Clock
  readonly #options: RequestOptions
  readonly #agent: HttpAgent
  readonly #request: typeof requestHttp
  /** Connections that are streams now, until they are closed. */
  readonly #handedOver = new Set<Duplex>()

  constructor(address: EngineAddress, clock: Clock) {
    this.address = address
    this.#clock = clock
    if (address.kind === 'tcp' && address.tls !== undefined) {
      const { verify, ...files } = address.tls
      this.#agent = new HttpsAgent({ keepAlive: true, ...files, rejectUnauthorized: verify })
      this.#request = requestHttps
    } else {
      this.#agent = new HttpAgent({ keepAlive: true })
      this.#request = requestHttp
    }
    this.#options = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port }
  }

  close(): void {
    this.#agent.destroy()
    for (const socket of this.#handedOver) socket.destroy()
  }

  /** Returns when the head of a good answer is there; a bad one is thrown as `EngineError`. */
  async send(request: EngineRequest): Promise<IncomingMessage> {
    const response = await this.#roundTrip(request, {})
    if ((response.statusCode ?? 500) < 400) return response
    throw await readError(response)
  }

  /** Returns the connection itself. */
  async upgrade(request: EngineRequest): Promise<Duplex> {
    let socket: Duplex | undefined
    const response = await this.#roundTrip(request, {
      onUpgrade: (upgraded, head) => {
        if (head.length > 0) upgraded.unshift(head)
        socket = upgraded
        this.#handedOver.add(upgraded)
        upgraded.once('close', () => this.#handedOver.delete(upgraded))
      },
    })
    if (socket !== undefined) return socket
    if ((response.statusCode ?? 500) >= 400) throw await readError(response)
    response.destroy()
    throw new SlipwayError('driver_unavailable', `${request.path}: the engine did not hand over the connection`)
  }

  /** The error a caller gets for a failed exchange. */
  explain(cause: unknown, { method, path, signal }: EngineRequest): unknown {
    if (signal?.aborted) return signal.reason
    if (cause instanceof SlipwayError || cause instanceof EngineError) return cause
    return new SlipwayError(
      'driver_unavailable',
      `${method} ${path} at ${describeEngineAddress(this.address)}: ${describeNetworkError(cause)}`,
      { cause },
    )
  }

  async #roundTrip(
    request: EngineRequest,
    { onUpgrade }: { readonly onUpgrade?: OnUpgrade },
  ): Promise<IncomingMessage> {
    request.signal?.throwIfAborted()
    for (;;) {
      const attempt = this.#attempt(request, onUpgrade)
      try {
        return await attempt.response
      } catch (cause) {
        // A kept connection that the engine closed meanwhile: nothing was processed (nodejs.org, request.reusedSocket).
        const isStale = attempt.wasReused() && isConnectionReset(cause) && request.data === undefined
        if (!isStale || request.signal?.aborted) throw this.explain(cause, request)
      }
    }
  }

  #attempt(request: EngineRequest, onUpgrade: OnUpgrade | undefined): Attempt {
    const timeoutMs = request.timeoutMs ?? callTimeoutMs
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const isEmptyPost = body === undefined && request.data === undefined && request.method !== 'GET'
    const outgoing = this.#request({
      ...this.#options,
      agent: this.#agent,
      method: request.method,
      path: request.path + encodeQuery(request.query),
      headers: {
        // Any name will do on a socket; over TLS it is what the certificate must name.
        ...(this.address.kind === 'unix' ? { host: 'docker' } : {}),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(request.data === undefined ? {} : { 'content-type': 'application/x-tar' }),
        ...(isEmptyPost && request.method !== 'HEAD' ? { 'content-length': 0 } : {}),
        ...(onUpgrade === undefined ? {} : { connection: 'Upgrade', upgrade: 'tcp' }),
        ...request.headers,
      },
    })
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      const { signal } = request
      const onAbort = () => outgoing.destroy(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
      signal?.addEventListener('abort', onAbort, { once: true })
      // The timeout is for the answer's head; a body is limited by what the caller does with it.
      const timeout = timeoutMs === 0 ? undefined : this.#clock.timeout(timeoutMs)
      const onTimeout = () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`))
      timeout?.addEventListener('abort', onTimeout, { once: true })
      const settle = () => timeout?.removeEventListener('abort', onTimeout)
      outgoing.once('close', () => {
        settle()
        signal?.removeEventListener('abort', onAbort)
      })
      outgoing.once('error', reject)
      outgoing.once('response', (incoming) => {
        settle()
        resolve(incoming)
      })
      outgoing.once('upgrade', (incoming, socket, head) => {
        settle()
        signal?.removeEventListener('abort', onAbort)
        onUpgrade?.(socket, head)
        resolve(incoming)
      })
    })
    if (request.data === undefined) outgoing.end(body)
    else void sendAll(outgoing, request.data)
    return { response, wasReused: () => outgoing.reusedSocket }
  }
}

type OnUpgrade = (socket: Duplex, head: Buffer) => void
type Attempt = { readonly response: Promise<IncomingMessage>; readonly wasReused: () => boolean }

/** Sends a body as fast as it is taken; a failing source destroys the request, which is how its waiter hears of it. */
async function sendAll(
  outgoing: NodeJS.WritableStream & { destroy(error?: Error): void },
  data: AsyncIterable<Uint8Array>,
) {
  try {
    for await (const chunk of data) {
      if (outgoing.write(chunk)) continue
      await new Promise<void>((resolve) => {
        const done = () => {
          outgoing.removeListener('drain', done)
          outgoing.removeListener('close', done)
          resolve()
        }
        outgoing.once('drain', done)
        outgoing.once('close', done)
      })
    }
    outgoing.end()
  } catch (cause) {
    outgoing.destroy(cause instanceof Error ? cause : new Error(String(cause)))
  }
}

function encodeQuery(query: EngineRequest['query']): string {
  const present = Object.entries(query ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return present.length === 0 ? '' : `?${new URLSearchParams(present)}`
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  // Podman answers some calls with plain text where Docker answers with nothing.
  return /^\s*[[{]/.test(text) ? JSON.parse(text) : undefined
}

async function readError(response: IncomingMessage): Promise<EngineError> {
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    if (text.length > errorBytesMax) break
  }
  const status = response.statusCode ?? 500
  try {
    const parsed = JSON.parse(text) as { readonly message?: unknown; readonly cause?: unknown }
    if (typeof parsed.message === 'string') return new EngineError(status, parsed.message.trim())
  } catch {
    // Not JSON: a proxy in between, or an engine that answers in plain text.
  }
  return new EngineError(status, text.trim().slice(0, 1000) || `status ${status}`)
}

function isConnectionReset(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ECONNRESET' || code === 'EPIPE'
}

function describeNetworkError(error: unknown): string {
  switch ((error as NodeJS.ErrnoException | undefined)?.code) {
    case 'ENOENT':
      return 'there is no such socket'
    case 'EACCES':
      return 'this user may not use that socket'
    case 'ECONNREFUSED':
      return 'nobody answers'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the engine closed the connection'
    default:
      return errorMessage(error)
  }
}
