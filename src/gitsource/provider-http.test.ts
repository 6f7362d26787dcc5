// Requests to providers: against small servers that answer what a test wants.

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { until } from '../lib/until-fixture.ts'
import { ProviderConnections, type ProxyEnvironment } from './provider-connections.ts'
import { ProviderHttp, type ProviderRequest, pathSegment, pathSegments } from './provider-http.ts'

const signal = new AbortController().signal
const authorization = 'Bearer the-token'
const get: ProviderRequest = { method: 'GET', path: '/thing' }

type Seen = {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly body: string
}

class TestServer implements AsyncDisposable {
  readonly seen: Seen[] = []
  readonly #server
  readonly #answer: (request: IncomingMessage, response: ServerResponse, number: number) => void

  private constructor(answer: (request: IncomingMessage, response: ServerResponse, number: number) => void) {
    this.#answer = answer
    const listener: RequestListener = (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        this.seen.push({ method, url, authorization: headers.authorization, body })
        this.#answer(request, response, this.seen.length)
      })
    }
    this.#server = createServer(listener)
    // What a proxy is asked for when the address is not plain.
    this.#server.on('connect', (request, socket) => {
      this.seen.push({ method: 'CONNECT', url: request.url ?? '', authorization: undefined, body: '' })
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    })
  }

  static async open(answer: (request: IncomingMessage, response: ServerResponse, number: number) => void) {
    const server = new TestServer(answer)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Waits are noted and over at once; what times out does so when the test says. */
class HastyClock implements Clock {
  readonly waits: number[] = []
  readonly timeouts: { readonly ms: number; readonly over: AbortController }[] = []
  now = () => Date.now()
  sleep = (ms: number, waiting?: AbortSignal) => {
    this.waits.push(ms)
    return systemClock.sleep(0, waiting)
  }
  timeout = (ms: number) => {
    const over = new AbortController()
    this.timeouts.push({ ms, over })
    return over.signal
  }
}

type Open = { readonly http: ProviderHttp; readonly clock: HastyClock } & Disposable

function open(baseUrl: string, proxies: ProxyEnvironment = {}): Open {
  const connections = new ProviderConnections({ proxies })
  const clock = new HastyClock()
  const settings = { name: 'GitTest', baseUrl, skipVerify: false, authorization }
  const http = new ProviderHttp(settings, { clock, connections, random: () => 1 })
  return { http, clock, [Symbol.dispose]: () => connections[Symbol.dispose]() }
}

const inSeconds = (seconds: number) => String(Math.ceil(Date.now() / 1000) + seconds)

const json = (response: ServerResponse, value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}) =>
  void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

test('a request has the token, a name, and JSON', async () => {
  let headers: IncomingMessage['headers'] = {}
  await using server = await TestServer.open((request, response) => {
    headers = request.headers
    json(response, { done: true })
  })
  using opened = open(`${server.url}/api/v1`)
  const query = { a: 'x y&z', b: 2, c: undefined }
  const answer = await opened.http.json({ method: 'POST', path: '/things', query, body: { a: 1 } }, signal)
  expect(answer).toEqual({ done: true })
  expect(server.seen).toEqual([{ method: 'POST', url: '/api/v1/things?a=x+y%26z&b=2', authorization, body: '{"a":1}' }])
  expect(headers).toMatchObject({ 'user-agent': 'Slipway', 'content-type': 'application/json' })
})

test('what became of a request is heard once, however often it was repeated; of an aborted one nothing', async () => {
  let failures = 2
  await using server = await TestServer.open((request, response) => {
    if (request.url === '/later' && failures-- > 0) json(response, {}, 502)
    else json(response, {}, request.url === '/refused' ? 422 : 200)
  })
  const heard: string[] = []
  using connections = new ProviderConnections()
  const settings = { name: 'GitTest', baseUrl: server.url, skipVerify: false }
  const onRequest = (provider: string, outcome: string) => void heard.push(`${provider} ${outcome}`)
  const http = new ProviderHttp(settings, { clock: new HastyClock(), connections, onRequest })
  await http.request({ method: 'GET', path: '/later' }, signal)
  await expect(http.request({ method: 'GET', path: '/refused' }, signal)).rejects.toThrow()
  await expect(http.request(get, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  expect(heard).toEqual(['GitTest answered', 'GitTest provider_refused'])
})

test.each([301, 302, 307, 308])('%i is followed at the same provider, with method and body', async (status) => {
  await using server = await TestServer.open((request, response) =>
    request.url === '/thing' ? json(response, {}, status, { location: '/repositories/7' }) : json(response, { id: 7 }),
  )
  using opened = open(server.url)
  const answer = await opened.http.json({ method: 'PATCH', path: '/thing', body: { a: 1 } }, signal)
  expect(answer).toEqual({ id: 7 })
  expect(server.seen.at(-1)).toEqual({ method: 'PATCH', url: '/repositories/7', authorization, body: '{"a":1}' })
})

test.each([
  ['another host', (other: string) => `${other}/thing`],
  ['an address without a scheme', (other: string) => other.replace('http:', '')],
  ['nowhere', () => 'http://['],
  ['a file', () => 'file:///etc/passwd'],
])('a redirect to %s is not followed, and gets no token', async (_, location) => {
  await using other = await TestServer.open((_request, response) => json(response, {}))
  await using server = await TestServer.open((_request, response) =>
    json(response, {}, 302, { location: location(other.url) }),
  )
  using opened = open(server.url)
  await expect(opened.http.request(get, signal)).rejects.toMatchObject({
    code: 'provider_refused',
    message: expect.stringContaining('the token goes to'),
  })
  expect(other.seen).toEqual([])
})

test('so many redirects are followed, not one more', async () => {
  let left = limits.providerRedirects.value
  await using server = await TestServer.open((_request, response) =>
    left-- > 0 ? json(response, {}, 302, { location: '/thing' }) : json(response, { id: 7 }),
  )
  using opened = open(server.url)
  expect(await opened.http.json(get, signal)).toEqual({ id: 7 })
  left = limits.providerRedirects.value + 1
  await expect(opened.http.json(get, signal)).rejects.toMatchObject({ code: 'provider_refused' })
})

test('a provider that never answers well is asked so many times, with growing pauses', async () => {
  await using server = await TestServer.open((_request, response) => json(response, { message: 'Oops' }, 500))
  using opened = open(server.url)
  await expect(opened.http.request(get, signal)).rejects.toMatchObject({
    code: 'provider_unavailable',
    message: 'GitTest: GET /thing: 500: Oops',
  })
  expect(server.seen).toHaveLength(limits.providerAttempts.value)
  expect(opened.clock.waits).toEqual([300, 600, 1200])
})

test.each(['POST', 'PATCH'] as const)('%s is not sent again when it may have arrived', async (method) => {
  await using server = await TestServer.open((request) => request.socket.destroy())
  using opened = open(server.url)
  for (const request of [
    { ...get, method },
    { ...get, method, body: {} },
  ])
    await expect(opened.http.request(request, signal)).rejects.toMatchObject({ code: 'provider_unavailable' })
  expect(server.seen).toHaveLength(2)
  await expect(opened.http.request({ ...get, method, isRepeatable: true }, signal)).rejects.toThrow()
  expect(server.seen).toHaveLength(2 + limits.providerAttempts.value)
})

test('anything is sent again to a provider that was not there', async () => {
  const gone = await TestServer.open(() => {})
  const { url } = gone
  await gone[Symbol.asyncDispose]()
  using opened = open(url)
  const asking = opened.http.request({ method: 'POST', path: '/', body: {} }, signal)
  await expect(asking).rejects.toMatchObject({
    code: 'provider_unavailable',
    message: expect.stringMatching(/ECONNREFUSED/),
  })
  expect(opened.clock.waits).toHaveLength(limits.providerAttempts.value - 1)
})

test.each([
  ['Retry-After in seconds', 429, () => ({ 'retry-after': '7' }), 7],
  ['Retry-After as a date', 429, () => ({ 'retry-after': new Date(Date.now() + 8_000).toUTCString() }), 8],
  ['GitHub used up', 403, () => ({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(9) }), 9],
  ['GitLab', 429, () => ({ 'ratelimit-reset': inSeconds(9) }), 9],
  ['the draft of the IETF', 429, () => ({ 'ratelimit-reset': '6' }), 6],
  ['a server that restarts', 503, () => ({ 'retry-after': '3' }), 3],
] as const)('a wait that is asked for is waited, when it is short: %s', async (_, status, headers, seconds) => {
  await using server = await TestServer.open((_request, response, number) =>
    number === 1 ? json(response, {}, status, headers()) : json(response, { id: 7 }),
  )
  using opened = open(server.url)
  // What was not taken for its number may be sent again whatever it is.
  const method = status === 503 ? 'PUT' : 'POST'
  expect(await opened.http.json({ method, path: '/thing', body: {} }, signal)).toEqual({ id: 7 })
  expect(opened.clock.waits).toHaveLength(1)
  expect(opened.clock.waits[0]).toBeLessThanOrEqual(seconds * 1000 + 1000)
  expect(opened.clock.waits[0]).toBeGreaterThan(0)
})

test('a longer wait is not waited: the error says when to come back', async () => {
  const reset = Math.ceil(Date.now() / 1000) + 100 + limits.providerWaitMs.value / 1000
  await using server = await TestServer.open((_request, response) =>
    json(response, { message: 'API rate limit exceeded' }, 403, {
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(reset),
    }),
  )
  using opened = open(server.url)
  await expect(opened.http.request(get, signal)).rejects.toMatchObject({
    code: 'provider_unavailable',
    retryAt: reset * 1000,
    message: `GitTest: GET /thing: too many requests until ${new Date(reset * 1000).toISOString()}: API rate limit exceeded`,
  })
  expect(server.seen).toHaveLength(1)
  expect(opened.clock.waits).toEqual([])
})

test('what may have been done by a server that restarts is not sent again', async () => {
  await using server = await TestServer.open((_request, response) => json(response, {}, 503, { 'retry-after': '3' }))
  using opened = open(server.url)
  await expect(opened.http.request({ ...get, method: 'POST' }, signal)).rejects.toMatchObject({
    code: 'provider_unavailable',
    message: expect.stringMatching(/^GitTest: POST \/thing: not available until \S+$/),
    retryAt: expect.any(Number),
  })
  expect(server.seen).toHaveLength(1)
})

test('a limit that GitHub does not count aloud is waited for as its documentation says', async () => {
  const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'
  await using server = await TestServer.open((_request, response) =>
    json(response, { message }, 403, { 'x-ratelimit-remaining': '4999' }),
  )
  using opened = open(server.url)
  const before = Date.now()
  const error = (await opened.http.request(get, signal).catch((thrown: unknown) => thrown)) as SlipwayError
  expect(error).toMatchObject({ code: 'provider_unavailable' })
  expect(error.retryAt).toBeGreaterThanOrEqual(before + 60_000)
})

test('so many requests are under way at once, further ones wait', async () => {
  const held: ServerResponse[] = []
  let isOpen = false
  await using server = await TestServer.open((_request, response) => {
    if (isOpen) json(response, {})
    else held.push(response)
  })
  using opened = open(server.url)
  const most = limits.providerConnections.value
  const asking = Array.from({ length: most + 3 }, () => opened.http.json(get, signal))
  await until(() => server.seen.length === most)
  expect(server.seen).toHaveLength(most)
  isOpen = true
  for (const response of held) json(response, {})
  expect(await Promise.all(asking)).toHaveLength(most + 3)
})

test('a refusal with requests left is a refusal', async () => {
  const headers = { 'x-ratelimit-remaining': '4999', 'x-ratelimit-reset': inSeconds(5) }
  await using server = await TestServer.open((_request, response) =>
    json(response, { message: 'Must have admin rights' }, 403, headers),
  )
  using opened = open(server.url)
  const asking = opened.http.request(get, signal)
  await expect(asking).rejects.toMatchObject({
    code: 'provider_refused',
    message: expect.stringContaining('admin rights'),
  })
})

test.each([
  [400, 'provider_refused'],
  [401, 'provider_unauthorized'],
  [404, 'provider_refused'],
  [422, 'provider_refused'],
  [501, 'provider_unavailable'],
] as const)('%i is %s, and is not asked again', async (status, code) => {
  await using server = await TestServer.open((_request, response) => json(response, {}, status))
  using opened = open(server.url)
  await expect(opened.http.request(get, signal)).rejects.toMatchObject({ code })
  expect(server.seen).toHaveLength(1)
})

test.each([
  [{ message: 'Not Found', documentation_url: 'https://docs' }, 'Not Found'],
  [
    {
      message: 'Validation Failed',
      errors: [
        { code: 'custom', message: 'Hook exists' },
        { field: 'a', code: 'bad' },
      ],
    },
    'Validation Failed: Hook exists, field a, code bad',
  ],
  [{ message: { name: ['is too long', 'is odd'] } }, 'name is too long, is odd'],
  [{ error: 'invalid_grant', error_description: 'The grant is invalid' }, 'invalid_grant: The grant is invalid'],
  [{ message: 'one\ntwo \u001b[31mred' }, 'one two  [31mred'],
  ['text', ''],
  [null, ''],
])('the words of the provider are told: %j', async (body, words) => {
  await using server = await TestServer.open((_request, response) => json(response, body, 400))
  using opened = open(server.url)
  const asking = opened.http.request(get, signal)
  await expect(asking).rejects.toMatchObject({ message: `GitTest: GET /thing: 400${words === '' ? '' : `: ${words}`}` })
})

test('long words are cut, and the token in them is not told', async () => {
  const message = `the-token ${'é'.repeat(limits.providerMessageCharacters.value)}`
  await using server = await TestServer.open((_request, response) => json(response, { message }, 400))
  using opened = open(server.url)
  const error = (await opened.http.request(get, signal).catch((thrown: unknown) => thrown)) as Error
  const words = error.message.replace('GitTest: GET /thing: 400: ', '')
  expect(words).toHaveLength(limits.providerMessageCharacters.value)
  expect(words).toMatch(/^\*\*\* é+…$/)
})

test('an answer may have so many bytes, not one more', async () => {
  const bytesMax = 1000
  let length = bytesMax
  await using server = await TestServer.open((_request, response) => void response.end('x'.repeat(length)))
  using opened = open(server.url)
  const { body } = await opened.http.request({ ...get, bytesMax }, signal)
  expect(body).toHaveLength(bytesMax)
  length++
  await expect(opened.http.request({ ...get, bytesMax }, signal)).rejects.toMatchObject({ code: 'limit_exceeded' })
  expect(server.seen).toHaveLength(2)
})

test('an answer that is larger than any may be is not read to its end', async () => {
  const chunk = Buffer.alloc(1024 * 1024)
  let sent = 0
  await using server = await TestServer.open((_request, response) => {
    const more = () => {
      if (response.destroyed) return
      sent += chunk.length
      response.write(chunk, more)
    }
    more()
  })
  using opened = open(server.url)
  await expect(opened.http.request(get, signal)).rejects.toMatchObject({ code: 'limit_exceeded' })
  expect(sent).toBeGreaterThan(limits.providerAnswerBytes.value)
})

test('a provider that does not answer within 20 s is asked again', async () => {
  const opened: Open[] = []
  await using server = await TestServer.open((_request, response, number) => {
    const attempts = opened[0]!.clock.timeouts.filter(({ ms }) => ms === limits.providerAttemptMs.value)
    if (number === 1) attempts[0]!.over.abort()
    else json(response, { id: 7 })
  })
  using one = open(server.url)
  opened.push(one)
  expect(await one.http.json(get, signal)).toEqual({ id: 7 })
  expect(server.seen).toHaveLength(2)
})

test('a request ends after a minute, whatever is still under way', async () => {
  const opened: Open[] = []
  await using server = await TestServer.open(() => {
    opened[0]!.clock.timeouts.find(({ ms }) => ms === limits.providerRequestMs.value)!.over.abort()
  })
  using one = open(server.url)
  opened.push(one)
  await expect(one.http.request(get, signal)).rejects.toMatchObject({
    code: 'provider_unavailable',
    message: 'GitTest: GET /thing: not answered within 60 s',
  })
  expect(server.seen).toHaveLength(1)
})

test('who gives up gets the own reason, and the connection ends', async () => {
  const giving = new AbortController()
  const closed = Promise.withResolvers<void>()
  await using server = await TestServer.open((request) => {
    request.socket.once('close', () => closed.resolve())
    giving.abort(new Error('enough'))
  })
  using opened = open(server.url)
  await expect(opened.http.request(get, giving.signal)).rejects.toThrow('enough')
  await closed.promise
  await expect(opened.http.request(get, giving.signal)).rejects.toThrow('enough')
  expect(server.seen).toHaveLength(1)
})

test('pages are followed by their query alone, wherever the links lead to', async () => {
  await using other = await TestServer.open((_request, response) => json(response, []))
  await using server = await TestServer.open((request, response) => {
    const page = Number(new URL(request.url!, 'http://x').searchParams.get('page') ?? 1)
    const link = `<${other.url}/elsewhere?page=${page + 1}&per_page=2>; rel="next", <${other.url}/x?page=3>; rel="last"`
    json(response, [page], 200, page < 3 ? { link } : {})
  })
  using opened = open(server.url)
  const items = opened.http.items({ ...get, query: { per_page: 2 } }, signal)
  expect(await Array.fromAsync(items)).toEqual([1, 2, 3])
  expect(server.seen.map(({ url }) => url)).toEqual([
    '/thing?per_page=2',
    '/thing?page=2&per_page=2',
    '/thing?page=3&per_page=2',
  ])
  expect(other.seen).toEqual([])
})

test('a list has so many pages, not one more', async () => {
  let last = limits.providerPages.value
  await using server = await TestServer.open((request, response) => {
    const page = Number(new URL(request.url!, 'http://x').searchParams.get('page') ?? 1)
    json(response, [page], 200, page < last ? { link: `<http://x/?page=${page + 1}>; rel=next` } : {})
  })
  using opened = open(server.url)
  expect(await Array.fromAsync(opened.http.items(get, signal))).toHaveLength(limits.providerPages.value)
  last++
  await expect(Array.fromAsync(opened.http.items(get, signal))).rejects.toMatchObject({ code: 'limit_exceeded' })
})

test('what is not JSON, or no list, asks whether the address is right', async () => {
  await using server = await TestServer.open((_request, response) => void response.end('<html>'))
  using opened = open(server.url)
  await expect(opened.http.json(get, signal)).rejects.toMatchObject({
    message: expect.stringContaining('address of its API'),
  })
  await expect(Array.fromAsync(opened.http.items(get, signal))).rejects.toMatchObject({ code: 'provider_refused' })
})

test('proxies of the environment are used, for https through a tunnel, and not for what is left out', async () => {
  await using server = await TestServer.open((_request, response) => json(response, { direct: true }))
  await using proxy = await TestServer.open((_request, response) => json(response, { proxied: true }))
  const host = 'git.example.invalid'
  const proxies = { http_proxy: proxy.url, https_proxy: proxy.url, no_proxy: '127.0.0.1' }
  using plain = open(`http://${host}`, proxies)
  expect(await plain.http.json(get, signal)).toEqual({ proxied: true })
  expect(proxy.seen.at(-1)).toMatchObject({ url: `http://${host}/thing` })
  using secure = open(`https://${host}`, proxies)
  await expect(secure.http.json(get, signal)).rejects.toMatchObject({ code: 'provider_unavailable' })
  expect(proxy.seen.at(-1)).toMatchObject({ method: 'CONNECT', url: `${host}:443` })
  using direct = open(server.url, proxies)
  expect(await direct.http.json(get, signal)).toEqual({ direct: true })
})

test('many requests over one connection leave nothing behind', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  using _ = { [Symbol.dispose]: () => void process.off('warning', note) }
  await using server = await TestServer.open((_request, response) => json(response, {}))
  using opened = open(server.url)
  for (let count = 0; count < 30; count++) await opened.http.json(get, signal)
  await new Promise((resolve) => setImmediate(resolve))
  expect(warnings).toEqual([])
})

test.each([
  ['a/b', 'a%2Fb'],
  ['é?#%', '%C3%A9%3F%23%25'],
  ['\ud800', '%EF%BF%BD'],
])('%j is the segment %s of a path', (text, segment) => {
  expect(pathSegment(text)).toBe(segment)
})

test.each(['.', '..', ''])('%j is no segment of a path', (text) => {
  expect(() => pathSegment(text)).toThrow('is no name')
  expect(() => pathSegments(`a/${text}/b`)).toThrow('is no name')
})
