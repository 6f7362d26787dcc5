import { request } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import { type HttpServerComponents, openHttpServer } from './http-server.ts'
import { requestSignal } from './request-signal.ts'

const listen = { host: '127.0.0.1', port: 0 }
const open = (mount: HttpServerComponents['mount'], logger: Logger = silentLogger) =>
  openHttpServer({ listen }, { logger, mount })

test('an error is answered with its code, its message and the id of the request', async () => {
  await using server = await open((app) => {
    app.get('/run', () => Promise.reject(new SlipwayError('run_not_found', 'there is no run 7')))
  })
  const response = await fetch(`${server.url}/run`)
  expect(response.status).toBe(404)
  expect(await response.json()).toEqual({
    code: 'run_not_found',
    message: 'there is no run 7',
    requestId: response.headers.get('x-request-id'),
  })
})

test('an internal error tells nothing of itself and is logged under the id of the request', async () => {
  const logged: unknown[] = []
  const logger: Logger = { ...silentLogger, error: (message, fields) => logged.push([message, fields]) }
  const secret = new Error('password is hunter2')
  await using server = await open((app) => void app.get('/x/:id', () => Promise.reject(secret)), logger)
  const response = await fetch(`${server.url}/x/token-in-the-path`)
  const requestId = response.headers.get('x-request-id')
  expect(response.status).toBe(500)
  expect(await response.json()).toEqual({ code: 'internal', message: 'internal server error', requestId })
  expect(logged).toEqual([['request failed', { requestId, method: 'GET', route: '/x/:id', error: secret }]])
})

test.each([
  ['no JSON', 'application/json', '{', 400, 'request_invalid'],
  ['another type', 'text/csv', 'a,b', 400, 'request_invalid'],
  [
    'too large',
    'application/json',
    JSON.stringify('x'.repeat(limits.requestBodyBytes.value)),
    413,
    'request_too_large',
  ],
])('a body that is %s is refused', async (_, type, body, status, code) => {
  await using server = await open((app) => void app.post('/x', () => 'read'))
  const response = await fetch(`${server.url}/x`, { method: 'POST', headers: { 'content-type': type }, body })
  expect(response.status).toBe(status)
  expect(await response.json()).toMatchObject({ code })
})

test('headers that are too long are refused', async () => {
  await using server = await open((app) => void app.get('/x', () => 'read'))
  const headers = { 'x-long': 'x'.repeat(limits.requestHeaderBytes.value) }
  expect((await fetch(`${server.url}/x`, { headers })).status).toBe(431)
})

test('an address that is unknown is an error like others, without what stands behind the question mark', async () => {
  await using server = await open(() => {})
  const response = await fetch(`${server.url}/nothing?token=secret`)
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ code: 'route_not_found', message: 'there is nothing at GET /nothing' })
})

test('who is unavailable says when to come again', async () => {
  await using server = await open((app) => {
    app.get('/x', () => Promise.reject(new SlipwayError('maintenance', 'in maintenance')))
  })
  const response = await fetch(`${server.url}/x`)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
})

test('a port that is taken is told with what to do', async () => {
  await using server = await open(() => {})
  const second = openHttpServer({ listen: { ...listen, port: server.port } }, { logger: silentLogger, mount: () => {} })
  await expect(second).rejects.toThrow(
    `another process listens on 127.0.0.1:${server.port}: choose another with --listen`,
  )
})

test('a caller that goes away aborts the signal of its request; one that was answered aborts nothing', async () => {
  const signals: AbortSignal[] = []
  const gone = Promise.withResolvers<void>()
  await using server = await open((app) => {
    app.get('/short', (_, reply) => {
      signals.push(requestSignal(reply))
      return 'done'
    })
    app.get('/long', async (_, reply) => {
      const signal = requestSignal(reply)
      signal.addEventListener('abort', () => gone.resolve())
      await systemClock.sleep(60_000, signal)
    })
  })
  expect(await (await fetch(`${server.url}/short`)).text()).toBe('done')
  const leaving = new AbortController()
  const call = fetch(`${server.url}/long`, { signal: leaving.signal })
  await systemClock.sleep(50)
  leaving.abort()
  await expect(call).rejects.toThrow()
  await gone.promise
  expect(signals[0]?.aborted).toBe(false)
})

test('a stop ends what waits, and lets go of connections that are idle', async () => {
  const started = Promise.withResolvers<void>()
  const server = await open((app) => {
    app.get('/wait', async (_, reply) => {
      started.resolve()
      await systemClock.sleep(60_000, requestSignal(reply))
    })
  })
  // An idle connection that is kept.
  await fetch(`${server.url}/wait-not`)
  const waiting = fetch(`${server.url}/wait`)
  await started.promise
  const stop = server[Symbol.asyncDispose]()
  expect((await waiting).status).toBe(503)
  await stop
  await expect(fetch(server.url)).rejects.toThrow()
})

test('a handler that ignores the stop is cut after its time', async () => {
  expect(limits.httpStopMs.value).toBe(10_000)
  const started = Promise.withResolvers<void>()
  const mount = (app: FastifyInstance) =>
    void app.get('/deaf', () => {
      started.resolve()
      return new Promise(() => {})
    })
  const server = await openHttpServer({ listen, stopMs: 300 }, { logger: silentLogger, mount })
  const cut = expect(fetch(`${server.url}/deaf`)).rejects.toThrow()
  await started.promise
  const begun = Date.now()
  await server[Symbol.asyncDispose]()
  await cut
  expect(Date.now() - begun).toBeGreaterThanOrEqual(290)
})

test('a connection that never sends its headers is closed by a timer of the listener', async () => {
  let timeout = 0
  await using server = await open((app) => {
    timeout = app.server.headersTimeout
  })
  expect(timeout).toBe(limits.requestHeadersMs.value)
  expect(server.port).toBeGreaterThan(0)
})

test('an encoded slash does not split a segment of the address', async () => {
  await using server = await open(
    (app) => void app.get<{ Params: { ref: string } }>('/p/:ref/runs', (r) => r.params.ref),
  )
  const ref = await new Promise<string>((resolve, reject) => {
    request(`${server.url}/p/org%2Facme%2Fweb/runs`, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve(text)
    })
      .on('error', reject)
      .end()
  })
  expect(ref).toBe('org/acme/web')
})
