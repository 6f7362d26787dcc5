import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { freePort } from '../../test/support/server-process.ts'
import { silentLogger } from '../lib/log.ts'
import { until } from '../lib/until-fixture.ts'
import { RequestForwarder } from './forward-request.ts'
import { openHttpServer } from './http-server.ts'
import { requestSignal } from './request-signal.ts'

const open = (mount: (app: FastifyInstance) => void) =>
  openHttpServer({ listen: { host: '127.0.0.1', port: 0 } }, { logger: silentLogger, mount })

function raw(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload))
}

const nobody = async () => `http://127.0.0.1:${await freePort()}`

async function openFront(urls: readonly string[]) {
  const forwarder = new RequestForwarder(urls)
  const server = await open((app) => {
    raw(app)
    app.all('/*', { bodyLimit: Number.MAX_SAFE_INTEGER }, (request, reply) => forwarder.forward(request, reply))
  })
  return {
    url: server.url,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      forwarder[Symbol.dispose]()
    },
  }
}

test('method, address, headers and body arrive as they were sent, and the answer comes back', async () => {
  await using behind = await open((app) => {
    raw(app)
    app.post('/a/*', async ({ url, headers, body, id }, reply) => {
      const text = await new Response(Readable.toWeb(body as Readable) as ReadableStream).text()
      const { authorization, 'x-forwarded-proto': scheme } = headers
      return reply.status(409).header('x-answer', 'yes').send({ url, authorization, scheme, text, id })
    })
  })
  await using front = await openFront([behind.url])
  const headers = { authorization: 'Basic eDp5', 'content-type': 'application/x-git' }
  const response = await fetch(`${front.url}/a/b%2Fc?d=e`, { method: 'POST', headers, body: 'what is sent' })
  expect([response.status, response.headers.get('x-answer')]).toEqual([409, 'yes'])
  expect(await response.json()).toEqual({
    url: '/a/b%2Fc?d=e',
    authorization: 'Basic eDp5',
    scheme: 'http',
    text: 'what is sent',
    id: response.headers.get('x-request-id'),
  })
})

test('an instance that cannot be reached is passed over, with the whole body', async () => {
  await using behind = await open((app) => {
    raw(app)
    app.post('/count', async ({ body }) => {
      let bytes = 0
      for await (const chunk of body as Readable) bytes += (chunk as Buffer).length
      return { bytes }
    })
  })
  await using front = await openFront([await nobody(), behind.url])
  const body = Buffer.alloc(5_000_000, 7)
  const response = await fetch(`${front.url}/count`, { method: 'POST', body })
  expect(await response.json()).toEqual({ bytes: body.length })
})

test('when none can be reached the answer is 503', async () => {
  await using front = await openFront([await nobody(), await nobody()])
  const response = await fetch(`${front.url}/x`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ code: 'service_unavailable' })
})

test('an answer that is cut is no shorter answer', async () => {
  await using behind = await open((app) => {
    app.get('/cut', (_, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-length': 100 })
      reply.raw.write('half')
      setImmediate(() => reply.raw.destroy())
    })
  })
  await using front = await openFront([behind.url])
  const response = await fetch(`${front.url}/cut`)
  await expect(response.text()).rejects.toThrow()
})

test('a refusal before the body was taken arrives', async () => {
  await using behind = await open((app) => {
    raw(app)
    app.post('/refuse', (_, reply) => reply.status(401).send({ code: 'unauthenticated' }))
  })
  await using front = await openFront([behind.url])
  const response = await fetch(`${front.url}/refuse`, { method: 'POST', body: Buffer.alloc(8_000_000) })
  expect(response.status).toBe(401)
})

test('a caller that goes away ends the request behind', async () => {
  let gone = false
  const begun = Promise.withResolvers<void>()
  await using behind = await open((app) => {
    app.get('/wait', async (_, reply) => {
      const signal = requestSignal(reply)
      begun.resolve()
      await once(signal, 'abort')
      gone = true
      return {}
    })
  })
  await using front = await openFront([behind.url])
  const caller = new AbortController()
  const asked = fetch(`${front.url}/wait`, { signal: caller.signal }).catch(() => 'gave up')
  await begun.promise
  caller.abort()
  expect(await asked).toBe('gave up')
  await until(() => gone)
})
