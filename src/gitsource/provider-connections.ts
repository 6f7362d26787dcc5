// Connections to providers of repositories, and one request over them: no redirect is followed and nothing is repeated here. Node's own
// client and not fetch, for that one cannot leave a certificate unchecked for one host alone.

import { type ClientRequest, Agent as HttpAgent, type IncomingHttpHeaders, request as requestPlain } from 'node:http'
import { Agent as HttpsAgent, request as requestTls } from 'node:https'
import { limits } from '../lib/limits.ts'

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in either case. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

export type HttpRequest = {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Of the answer's body. */
  readonly bytesMax: number
  readonly skipVerify: boolean
  /** Whether an open connection may be used: one that the server closes at this moment leaves open whether the request arrived. */
  readonly mayReuse: boolean
}

export type HttpAnswer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** No answer, or not a whole one. */
export class NoAnswer extends Error {
  readonly reason: 'connection' | 'certificate' | 'too_large'
  /** Whether the provider may have got the request. */
  readonly mayHaveArrived: boolean

  constructor(
    reason: NoAnswer['reason'],
    message: string,
    about: { readonly mayHaveArrived: boolean; readonly cause?: unknown },
  ) {
    super(message, { cause: about.cause })
    this.reason = reason
    this.mayHaveArrived = about.mayHaveArrived
  }
}

const certificateErrors = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH|ERR_SSL_)/

/** Keeps connections open for those who ask again; disposing closes them. */
export class ProviderConnections implements Disposable {
  readonly #proxies: ProxyEnvironment
  readonly #agents = new Map<string, HttpAgent>()

  constructor({ proxies = {} }: { readonly proxies?: ProxyEnvironment } = {}) {
    this.#proxies = proxies
  }

  /** Any whole answer, whatever its status. Throws `NoAnswer`, or the reason of the signal. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const isTls = request.url.protocol === 'https:'
      let mayHaveArrived = request.mayReuse
      const fail = (error: NodeJS.ErrnoException) => {
        if (signal.aborted) return reject(signal.reason)
        const reason = certificateErrors.test(error.code ?? '') ? 'certificate' : 'connection'
        const message = error.message || (error.code ?? 'no connection')
        reject(new NoAnswer(reason, message, { mayHaveArrived, cause: error }))
      }
      const outgoing: ClientRequest = (isTls ? requestTls : requestPlain)(request.url, {
        method: request.method,
        headers: {
          ...request.headers,
          ...(request.body === undefined ? {} : { 'content-length': String(request.body.length) }),
        },
        agent: this.#agent(isTls, request),
        signal,
      })
      outgoing.on('error', fail)
      outgoing.on('socket', (socket) => {
        if (!socket.connecting) mayHaveArrived = true
        else
          socket.once(isTls ? 'secureConnect' : 'connect', () => {
            mayHaveArrived = true
          })
      })
      outgoing.on('response', (answer) => {
        const chunks: Buffer[] = []
        let size = 0
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          size += chunk.length
          if (size <= request.bytesMax) return
          const message = `its answer has more than ${request.bytesMax} bytes`
          reject(new NoAnswer('too_large', message, { mayHaveArrived: true }))
          // Without the error: a connection that has ended its answer already is nobody's, and would throw it at everybody.
          outgoing.destroy()
        })
        answer.on('error', fail)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        )
      })
      outgoing.end(request.body)
    })
  }

  #agent(isTls: boolean, { skipVerify, mayReuse }: HttpRequest): HttpAgent {
    const name = `${isTls} ${skipVerify} ${mayReuse}`
    const known = this.#agents.get(name)
    if (known !== undefined) return known
    const options = { keepAlive: mayReuse, maxSockets: limits.providerConnections.value, proxyEnv: this.#proxies }
    const agent = isTls ? new HttpsAgent({ ...options, rejectUnauthorized: !skipVerify }) : new HttpAgent(options)
    this.#agents.set(name, agent)
    return agent
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }
}
