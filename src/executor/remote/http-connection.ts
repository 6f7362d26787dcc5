// HTTP calls of an executor to its server: one attempt each, with connections that are kept, and errors that say whether trying
// again makes sense.

import { readFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { rootCertificates } from 'node:tls'
import { type ErrorCode, errorCodes, errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'

export type ConnectionSettings = {
  /** Of the server, with a path when it is below one; without a slash at its end. */
  readonly url: string
  readonly token: string
  /** PEM; authorities besides those that Node.js trusts. */
  readonly caFile?: string
}

export type CallOptions = {
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly json?: unknown
  readonly bytes?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Until the answer begins, milliseconds. */
  readonly timeoutMs?: number
}

const timeoutMsDefault = 30_000
/** Answers are small; what is larger is a stream. */
const answerBytesMax = 4 * 1024 * 1024
const connectionsMax = 64
/** An idle connection is closed: of thousands of executors that do nothing each would cost the server one more. */
const idleMs = 5000

export class HttpConnection implements Disposable {
  readonly #settings: ConnectionSettings
  readonly #agent: Agent | TlsAgent
  readonly #request: typeof request

  /** Errors: `config_invalid`. */
  constructor(settings: ConnectionSettings) {
    this.#settings = settings
    const { protocol } = parseUrl(settings.url)
    const options = { keepAlive: true, maxSockets: connectionsMax, timeout: idleMs }
    const isTls = protocol === 'https:'
    this.#request = isTls ? requestTls : request
    this.#agent = isTls ? new TlsAgent({ ...options, ...authoritiesOf(settings) }) : new Agent(options)
  }

  /** The answer's JSON; undefined for one without content. Errors: those of `open`, and `service_unavailable` when it is cut. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<unknown> {
    const response = await this.open(method, path, options)
    const text = await this.#read(response, options.signal)
    if (text === '') return undefined
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new SlipwayError('service_unavailable', `${this.#settings.url} answered with what is no JSON`, { cause })
    }
  }

  /**
   * The answer, to be read as a stream. Errors: the one that the server answered; `service_unavailable` for all that may be
   * better another time, a 404 of somebody else's among them; `upstream` for the rest.
   */
  async open(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const response = await this.#send(method, path, options)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    const text = await this.#read(response, options.signal).catch(() => '')
    throw errorOfAnswer(this.#settings.url, status, text)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  #send(method: string, path: string, options: CallOptions): Promise<IncomingMessage> {
    const { query = {}, json, bytes, headers, signal, timeoutMs = timeoutMsDefault } = options
    signal?.throwIfAborted()
    const url = new URL(this.#settings.url + path)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    const body = bytes ?? (json === undefined ? undefined : Buffer.from(JSON.stringify(json)))
    const type = bytes === undefined ? 'application/json' : 'application/octet-stream'
    return new Promise((resolve, reject) => {
      const outgoing = this.#request(url, {
        method,
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${this.#settings.token}`,
          ...(body === undefined ? {} : { 'content-type': type, 'content-length': String(body.length) }),
          ...headers,
        },
        ...(signal === undefined ? {} : { signal }),
      })
      const late = setTimeout(() => outgoing.destroy(this.#unavailable(`no answer within ${timeoutMs} ms`)), timeoutMs)
      outgoing.once('error', (error) => {
        clearTimeout(late)
        if (signal?.aborted) reject(signal.reason)
        else reject(isSlipwayError(error) ? error : this.#unavailable(errorMessage(error), error))
      })
      outgoing.once('response', (response) => {
        clearTimeout(late)
        resolve(response)
      })
      outgoing.end(body)
    })
  }

  async #read(response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
    response.setEncoding('utf8')
    let text = ''
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        text += chunk
        if (text.length > answerBytesMax)
          throw new SlipwayError('upstream', `${this.#settings.url} answered with too much`)
      }
      return text
    } catch (error) {
      signal?.throwIfAborted()
      throw isSlipwayError(error) ? error : this.#unavailable('the answer was cut', error)
    }
  }

  #unavailable(what: string, cause?: unknown): SlipwayError {
    return new SlipwayError('service_unavailable', `${this.#settings.url}: ${what}`, { cause })
  }
}

function errorOfAnswer(url: string, status: number, text: string): SlipwayError {
  const body = parseError(text)
  // Somebody else's 404, say of a proxy, or of a server that is being exchanged, says nothing about what was asked for.
  const isOurs = body !== undefined && body.code !== 'route_not_found' && Object.hasOwn(errorCodes, body.code)
  if (isOurs) return new SlipwayError(body.code as ErrorCode, body.message)
  const hint = status === 404 ? ': no runservice is behind this address' : ''
  const message = `${url} answered with status ${status}${hint}`
  if (status === 401) return new SlipwayError('unauthenticated', message)
  const mayPass =
    status === 404 || status === 408 || status === 429 || status === 502 || status === 503 || status === 504
  return new SlipwayError(mayPass ? 'service_unavailable' : 'upstream', message)
}

function parseError(text: string): { readonly code: string; readonly message: string } | undefined {
  try {
    const { code, message } = JSON.parse(text) as { readonly code?: unknown; readonly message?: unknown }
    return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined
  } catch {
    return undefined
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw new SlipwayError(
      'config_invalid',
      `${JSON.stringify(text)} is no URL of a server: it begins with http:// or https://`,
    )
  if (url.username !== '' || url.password !== '')
    throw new SlipwayError('config_invalid', 'the URL of the server must not hold a password: use a token file')
  return url
}

/** Those of a file, for TLS, besides the usual ones. Errors: `config_invalid` when it cannot be read. */
export function authoritiesOf({ caFile }: Pick<ConnectionSettings, 'caFile'>): { readonly ca?: string[] } {
  if (caFile === undefined) return {}
  try {
    return { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] }
  } catch (cause) {
    throw new SlipwayError('config_invalid', `read the authorities in ${caFile}: ${errorMessage(cause)}`, { cause })
  }
}
