// Requests to the API of a provider: what is common to GitHub, GitLab, Gitea and Forgejo. Answers become values or the errors of
// provider.ts; what may be sent again is, for a while; the token goes to the provider's own address and nowhere else.

import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { type ErrorCode, isSlipwayError, SlipwayError } from '../lib/errors.ts'
import type { Json } from '../lib/json.ts'
import { limits } from '../lib/limits.ts'
import { cutText } from './cut-text.ts'
import { type HttpAnswer, NoAnswer, type ProviderConnections } from './provider-connections.ts'

export type ProviderHttpSettings = {
  /** `GitHub`, for messages. */
  readonly name: string
  /** Without a slash at the end: `https://api.github.com`, `https://git.example.com/api/v1`. */
  readonly baseUrl: string
  readonly skipVerify: boolean
  /** Header Authorization; left out when undefined. */
  readonly authorization?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type ProviderComponents = {
  readonly clock: Clock
  readonly connections: ProviderConnections
  /** From 0 to 1, for the pauses between attempts. */
  readonly random?: () => number
  /** Hears what became of each request, repetitions not counted: `answered`, or the code of the error; nothing of aborted ones. */
  readonly onRequest?: (provider: string, outcome: 'answered' | ErrorCode) => void
}

export type ProviderRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the base URL, beginning with a slash; whatever comes from outside is escaped by the caller (`pathSegment`). */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: Json
  /** Instead of `body`: application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string>>
  readonly accept?: string
  /** Whether sending it twice does no harm; that of GET, PUT and DELETE does not. */
  readonly isRepeatable?: boolean
  /** What 404 means; default `provider_refused`. */
  readonly notFound?: ErrorCode
  /** Statuses besides 2xx that are answers, not errors. */
  readonly answers?: readonly number[]
  /** Of the answer; default `limits.providerAnswerBytes`. More is `limit_exceeded`. */
  readonly bytesMax?: number
}

export class ProviderAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly #what: string
  readonly #words: () => string

  constructor({ status, headers, body }: HttpAnswer, what: string, words: () => string) {
    this.status = status
    this.headers = headers
    this.body = body
    this.#what = what
    this.#words = words
  }

  /** What the provider said of an error, in one line; empty when it said nothing that is known. */
  words(): string {
    return this.#words()
  }

  /** Errors: `provider_refused` when it is none. */
  json(): unknown {
    try {
      return JSON.parse(this.body.toString('utf8'))
    } catch {
      throw new SlipwayError(
        'provider_refused',
        `${this.#what}: the answer is not JSON; is this the address of its API?`,
      )
    }
  }

  /** Query of the page that the header Link calls `rel`; undefined without one. Where it leads to is not asked. */
  linkQuery(rel: 'next' | 'last'): URLSearchParams | undefined {
    for (const [, address, parameters] of headerOf(this.headers, 'link').matchAll(/<([^>]*)>([^,<]*)/g))
      if (new RegExp(`;\\s*rel="?${rel}"?(\\s|;|$)`).test(parameters!) && address!.includes('?'))
        return new URLSearchParams(address!.slice(address!.indexOf('?')))
    return undefined
  }
}

const redirects = [301, 302, 307, 308]
const backoffMsFirst = 300
const backoffMsMax = 3000
const untoldWaitMs = 60_000

export class ProviderHttp {
  readonly #settings: ProviderHttpSettings
  readonly #components: ProviderComponents

  constructor(settings: ProviderHttpSettings, components: ProviderComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** Errors: those of provider.ts, and `limit_exceeded`. */
  async request(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
    const { onRequest = () => {} } = this.#components
    const { name } = this.#settings
    try {
      const answer = await this.#inTime(request, signal)
      onRequest(name, 'answered')
      return answer
    } catch (error) {
      if (isSlipwayError(error) && !signal.aborted) onRequest(name, error.code)
      throw error
    }
  }

  async #inTime(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
    const { clock } = this.#components
    const what = `${this.#settings.name}: ${request.method} ${request.path}`
    const over = clock.timeout(limits.providerRequestMs.value)
    const during = AbortSignal.any([signal, over])
    try {
      return await this.#untilAnswered(request, what, during)
    } catch (error) {
      signal.throwIfAborted()
      if (!over.aborted) throw error
      const seconds = limits.providerRequestMs.value / 1000
      throw new SlipwayError('provider_unavailable', `${what}: not answered within ${seconds} s`, { cause: error })
    }
  }

  /** Its JSON. */
  async json(request: ProviderRequest, signal: AbortSignal): Promise<unknown> {
    return (await this.request(request, signal)).json()
  }

  /** All pages of a list, by the header Link. Errors: also `limit_exceeded` with more than `limits.providerPages`. */
  async *pages(request: ProviderRequest, signal: AbortSignal): AsyncGenerator<ProviderAnswer> {
    for (let page = request, number = 1; ; number++) {
      const answer = await this.request(page, signal)
      yield answer
      const next = answer.linkQuery('next')
      if (next === undefined) return
      if (number >= limits.providerPages.value)
        throw new SlipwayError(
          'limit_exceeded',
          `${this.#settings.name}: ${request.path} has more than ${limits.providerPages.value} pages (providerPages)`,
        )
      // Our own path with the query of the next page: a list of a renamed repository, or one behind a proxy, tells other addresses.
      page = { ...request, query: Object.fromEntries(next) }
    }
  }

  /** The items of all pages whose answers are JSON arrays. */
  async *items(request: ProviderRequest, signal: AbortSignal): AsyncGenerator<unknown> {
    for await (const answer of this.pages(request, signal)) {
      const list = answer.json()
      if (!Array.isArray(list))
        throw new SlipwayError(
          'provider_refused',
          `${this.#settings.name}: GET ${request.path} is not answered with a list`,
        )
      yield* list as readonly unknown[]
    }
  }

  async #untilAnswered(request: ProviderRequest, what: string, signal: AbortSignal): Promise<ProviderAnswer> {
    const isRepeatable = request.isRepeatable ?? (request.method !== 'POST' && request.method !== 'PATCH')
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= limits.providerAttempts.value
      let answer: HttpAnswer
      try {
        answer = await this.#followed(request, what, isRepeatable, signal)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
        const mayRepeat = error.reason === 'connection' && (isRepeatable || !error.mayHaveArrived)
        if (!mayRepeat || isLast) throw this.#noAnswer(error, what)
        await this.#pause(attempt, signal)
        continue
      }
      const { status } = answer
      if ((status >= 200 && status < 300) || request.answers?.includes(status))
        return new ProviderAnswer(answer, what, () => this.#wordsOf(answer))
      const retryAt = this.#retryAt(answer)
      if (retryAt !== undefined || status === 429) {
        const waitMs = Math.max(0, (retryAt ?? 0) - this.#components.clock.now())
        // When there were too many requests the provider did nothing, so anything may be sent again.
        const mayRepeat = isRepeatable || status !== 503
        if (isLast || !mayRepeat || waitMs > limits.providerWaitMs.value) throw this.#comeLater(answer, what, retryAt)
        if (waitMs > 0) await this.#components.clock.sleep(waitMs, signal)
        else await this.#pause(attempt, signal)
        continue
      }
      if (status < 500 && status !== 408) throw this.#refused(request, answer, what)
      // 501 and its like say that it will never be done.
      if (!isRepeatable || isLast || status === 501) throw this.#unavailable(answer, what)
      await this.#pause(attempt, signal)
    }
  }

  /** One answer that is no redirect. A repository that was renamed is elsewhere, at the same provider. */
  async #followed(
    request: ProviderRequest,
    what: string,
    isRepeatable: boolean,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    let url = this.#url(request)
    const { origin } = url
    const { clock, connections } = this.#components
    for (let followed = 0; ; followed++) {
      const over = clock.timeout(limits.providerAttemptMs.value)
      let answer: HttpAnswer
      try {
        const { skipVerify } = this.#settings
        const bytesMax = request.bytesMax ?? limits.providerAnswerBytes.value
        const http = {
          method: request.method,
          url,
          bytesMax,
          skipVerify,
          mayReuse: isRepeatable,
          ...this.#content(request),
        }
        answer = await connections.send(http, AbortSignal.any([signal, over]))
      } catch (error) {
        if (signal.aborted || !over.aborted) throw error
        const message = `no answer within ${limits.providerAttemptMs.value / 1000} s`
        throw new NoAnswer('connection', message, { mayHaveArrived: true, cause: error })
      }
      if (!redirects.includes(answer.status) || request.answers?.includes(answer.status)) return answer
      const next = URL.parse(headerOf(answer.headers, 'location'), url.href)
      if (next === null || next.origin !== origin)
        throw new SlipwayError(
          'provider_refused',
          `${what}: sent on to ${next?.origin ?? 'nowhere'}, and the token goes to ${origin} only; is this the address of its API?`,
        )
      if (followed >= limits.providerRedirects.value)
        throw new SlipwayError('provider_refused', `${what}: sent on more than ${limits.providerRedirects.value} times`)
      url = next
    }
  }

  #url({ path, query = {} }: ProviderRequest): URL {
    const url = new URL(`${this.#settings.baseUrl}${path}`)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value))
    return url
  }

  #content({ accept, body, form }: ProviderRequest): { headers: Record<string, string>; body?: Buffer } {
    const { authorization, headers } = this.#settings
    const always = {
      'user-agent': 'Slipway',
      accept: accept ?? 'application/json',
      'accept-encoding': 'identity',
      ...headers,
      ...(accept === undefined ? {} : { accept }),
      ...(authorization === undefined ? {} : { authorization }),
    }
    if (form !== undefined)
      return {
        headers: { ...always, 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(new URLSearchParams(form).toString()),
      }
    if (body === undefined) return { headers: always }
    return { headers: { ...always, 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) }
  }

  async #pause(attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, random = Math.random } = this.#components
    const most = Math.min(backoffMsMax, backoffMsFirst * 2 ** (attempt - 1))
    await clock.sleep(most * (0.5 + random() / 2), signal)
  }

  /** When the provider wants to be asked again, if it says so. */
  #retryAt(answer: HttpAnswer): number | undefined {
    const { status, headers } = answer
    if (status !== 403 && status !== 429 && status !== 503) return undefined
    const now = this.#components.clock.now()
    const after = headerOf(headers, 'retry-after')
    if (/^\d+$/.test(after)) return now + Number(after) * 1000
    if (after !== '' && !Number.isNaN(Date.parse(after))) return Date.parse(after)
    const isUsedUp =
      headerOf(headers, 'x-ratelimit-remaining') === '0' || headerOf(headers, 'ratelimit-remaining') === '0'
    // GitHub counts more than it tells, and says of that how long to wait at least in its documentation only.
    if (!isUsedUp && /secondary rate limit/i.test(this.#wordsOf(answer))) return now + untoldWaitMs
    // A 403 without these is a refusal, whatever else its headers count.
    if (status === 503 || (status === 403 && !isUsedUp)) return undefined
    const reset = headerOf(headers, 'x-ratelimit-reset') || headerOf(headers, 'ratelimit-reset')
    if (!/^\d+$/.test(reset)) return undefined
    // Seconds since 1970 (GitHub, GitLab), or from now on as the draft of the IETF has it.
    return Number(reset) > 1e9 ? Number(reset) * 1000 : now + Number(reset) * 1000
  }

  #noAnswer(error: NoAnswer, what: string): SlipwayError {
    if (error.reason === 'too_large') return new SlipwayError('limit_exceeded', `${what}: ${error.message}`)
    return new SlipwayError('provider_unavailable', `${what}: ${error.message}`, { cause: error })
  }

  #unavailable(answer: HttpAnswer, what: string): SlipwayError {
    return new SlipwayError('provider_unavailable', `${what}: ${answer.status}${after(this.#wordsOf(answer))}`)
  }

  #comeLater(answer: HttpAnswer, what: string, retryAt: number | undefined): SlipwayError {
    const why = answer.status === 503 ? 'not available' : 'too many requests'
    const when = retryAt === undefined ? '' : ` until ${new Date(retryAt).toISOString()}`
    const message = `${what}: ${why}${when}${after(this.#wordsOf(answer))}`
    return new SlipwayError('provider_unavailable', message, retryAt === undefined ? {} : { retryAt })
  }

  #refused(request: ProviderRequest, answer: HttpAnswer, what: string): SlipwayError {
    const message = `${what}: ${answer.status}${after(this.#wordsOf(answer))}`
    if (answer.status === 401) return new SlipwayError('provider_unauthorized', message)
    // 410: it was there, and was blocked or deleted. 451: it may not be shown.
    if ([404, 410, 451].includes(answer.status))
      return new SlipwayError(request.notFound ?? 'provider_refused', message)
    return new SlipwayError('provider_refused', message)
  }

  /** What the provider said, in one line, without anything that looks like what we logged in with. */
  #wordsOf(answer: HttpAnswer): string {
    const secret = this.#settings.authorization?.replace(/^\S+\s+/, '')
    const words = providerMessage(answer.body).replaceAll(/[\x00-\x1f\x7f]+/g, ' ')
    const clean = secret === undefined || secret === '' ? words : words.replaceAll(secret, '***')
    return cutText(clean, limits.providerMessageCharacters.value)
  }
}

const after = (words: string) => (words === '' ? '' : `: ${words}`)

/** `a/b` becomes `a%2Fb`. Errors: `provider_refused` for `.` and `..`, which no escaping keeps from being resolved. */
export function pathSegment(text: string): string {
  if (/^\.{0,2}$/.test(text))
    throw new SlipwayError('provider_refused', `${JSON.stringify(text)} is no name at a provider`)
  return encodeURIComponent(text.toWellFormed())
}

/** `a/b c` becomes `a/b%20c`. */
export function pathSegments(text: string): string {
  return text.split('/').map(pathSegment).join('/')
}

/** `message` with `errors` (GitHub, Gitea), `message` or `error` as text, list or object (GitLab); empty for anything else. */
function providerMessage(body: Buffer): string {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return ''
  }
  if (typeof value !== 'object' || value === null) return ''
  const { message, error, error_description, errors } = value as Readonly<Record<string, unknown>>
  return [message, error, error_description, errors]
    .map(textIn)
    .filter((text) => text !== '')
    .join(': ')
}

function textIn(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.map(textIn).join(', ')
  if (typeof value !== 'object' || value === null) return ''
  const fields = value as Readonly<Record<string, unknown>>
  if (typeof fields.message === 'string') return fields.message
  return Object.entries(fields)
    .map(([name, part]) => `${name} ${textIn(part)}`)
    .join(', ')
}

function headerOf(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? ''
}
